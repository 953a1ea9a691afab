"""What the coder is asked: the package's prompts, filled with a domain's words and a person's skills and tasks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from maestromotif.domains.contract import Domain, FactSpec
from maestromotif.llm.prompts import Prompt
from maestromotif.programs.assemble import SKILL_FUNCTIONS
from maestromotif.programs.schedule import POLICY_CLASS
from maestromotif.skills import Skill, SkillSet

__all__ = ["Question", "repair_text", "skill_question", "skills_subject", "system_text", "task_question", "training_question"]

_FOLDER = Path(__file__).parent / "prompts"


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to be asked of the coder.

    Attributes:
        name, subject: of the ``ChatRequest``; recorded answers are found by them.
        text: the user's message.
        file: what the program is called in messages.
        functions: top-level functions that the answer must define, with their numbers of parameters.
        methods: methods that the class ``PolicyOverSkills`` must have, with their numbers of parameters (without self);
            empty: no such class is asked for.
    """

    name: str
    subject: str
    text: str
    file: str
    functions: tuple[tuple[str, int], ...] = ()
    methods: tuple[tuple[str, int], ...] = ()

    @property
    def required(self) -> tuple[str, ...]:
        """Names that the answer must define at its top level."""
        return (*(name for name, _ in self.functions), *((POLICY_CLASS,) if self.methods else ()))


def _prompt(name: str) -> Prompt:
    return Prompt.load(_FOLDER / f"{name}.txt")


def _fact_line(spec: FactSpec) -> str:
    values = f"; one of {', '.join(map(repr, spec.values))}" if spec.values else ""
    return f"- {spec.name} ({spec.type}): {spec.doc}{values}"


def system_text(domain: Domain, fuel: int) -> str:
    """The system message: world, facts, rules."""
    return _prompt("system").render(
        title=domain.title,
        knowledge=domain.knowledge,
        facts="\n".join(map(_fact_line, domain.fact_specs)),
        rules=_prompt("rules").render(fuel=str(fuel)),
    )


def skill_question(domain: Domain, skill: Skill) -> Question:
    """Asks for one skill's initiation and termination."""
    text = _prompt("skill").render(skill=skill.id, description=skill.description.strip(), max_steps=str(skill.max_steps))
    functions = tuple(zip(SKILL_FUNCTIONS, (1, 2), strict=True))
    return Question(f"{domain.id}/programs/{skill.id}", skill.description, text, f"{skill.id}.py", functions=functions)


def skills_subject(skills: SkillSet) -> str:
    """All skills, one a line: the subject of the training policy's request."""
    return "\n".join(f"{skill.id}: {' '.join(skill.description.split())}" for skill in skills)


def _contract(skills: SkillSet) -> str:
    return _prompt("policy").render(skills="\n".join(f"- {line}" for line in skills_subject(skills).splitlines()))


def training_question(domain: Domain, skills: SkillSet) -> Question:
    """Asks for the training policy over skills."""
    text = _prompt("training").render(contract=_contract(skills))
    return Question(f"{domain.id}/training-policy", skills_subject(skills), text, "training_policy.py", methods=(("next_skill", 3),))


def task_question(domain: Domain, skills: SkillSet, task_text: str, task_id: str) -> Question:
    """Asks for a policy over skills that does a task."""
    text = _prompt("task").render(contract=_contract(skills), task=task_text.strip())
    methods = (("next_skill", 3), ("is_done", 1))
    return Question(f"{domain.id}/task/{task_id}", task_text, text, f"{task_id}.py", methods=methods)


def repair_text(episodes: int, problems: tuple[str, ...], trace: tuple[str, ...]) -> str:
    """Asks for a corrected program."""
    shown = "A typical simulated episode:\n" + "\n".join(trace) if trace else "There is no episode to show."
    return _prompt("repair").render(episodes=str(episodes), problems="\n".join(f"- {problem}" for problem in problems), trace=shown)
