"""Every error a person can cause, in one hierarchy.

Each message says what is wrong, where, and what to do about it. The command line prints the message on one
line and exits with code 2; anything that is not a ``MaestroError`` is a bug and keeps its traceback.
"""

__all__ = [
    "ArtifactError",
    "BudgetError",
    "CallError",
    "ChatError",
    "ConfigError",
    "DomainError",
    "MaestroError",
    "ProgramError",
    "ProjectError",
    "TrainingError",
    "told_error",
]


class MaestroError(Exception):
    """Base class.

    Args:
        problem: what is wrong, and where (file, line, field).
        remedy: what the person can do about it.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}. {self.remedy}" if self.remedy else self.problem


class ConfigError(MaestroError):
    """A file written by a person (maestro.toml, skills.toml) is wrong."""


class ProjectError(MaestroError):
    """A project folder is missing, in use, or not what a command needs."""


class ArtifactError(MaestroError):
    """A file made by a stage is missing, truncated or does not fit the rest."""


class DomainError(MaestroError):
    """An unknown domain, or one whose extra is not installed or does not keep the contract."""


class ChatError(MaestroError):
    """A language-model endpoint could not be reached, refused, or answered nonsense; or no answer is recorded."""


class CallError(ChatError):
    """One call to a language model failed for good, after all its tries; others may succeed."""


class BudgetError(ChatError):
    """A limit on calls, tokens or money was reached."""


class ProgramError(MaestroError):
    """A generated or hand-edited program is not allowed, does not keep its contract, or does not stop."""


class TrainingError(MaestroError):
    """Training cannot start or cannot go on (for example, a loss that is not a number)."""


def told_error(kind: str, problem: str, remedy: str) -> MaestroError:
    """An error that another process told of, as it was raised there; a kind of somebody else's comes back as the base class."""
    own = globals().get(kind)
    return own(problem, remedy) if isinstance(own, type) and issubclass(own, MaestroError) else MaestroError(problem, remedy)
