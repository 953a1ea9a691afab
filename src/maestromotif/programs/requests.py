"""What the coder is asked: the package's prompts, filled with a domain's words and a person's skills and tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from maestromotif.domains.contract import Domain, FactSpec
from maestromotif.llm.prompts import Prompt
from maestromotif.programs.assemble import SKILL_FUNCTIONS
from maestromotif.programs.schedule import POLICY_CLASS
from maestromotif.skills import Skill, SkillSet

__all__ = [
    "Question",
    "assess_text",
    "examiner_text",
    "prompt_digests",
    "remark_text",
    "repair_text",
    "scenario_text",
    "skill_question",
    "skills_subject",
    "system_text",
    "task_question",
    "training_question",
]

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
        prompts: names of the prompts that the text was made from.
        skills: ids that ``next_skill`` may name; empty: not known.
    """

    name: str
    subject: str
    text: str
    file: str
    functions: tuple[tuple[str, int], ...] = ()
    methods: tuple[tuple[str, int], ...] = ()
    prompts: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()

    @property
    def required(self) -> tuple[str, ...]:
        """Names that the answer must define at its top level."""
        return (*(name for name, _ in self.functions), *((POLICY_CLASS,) if self.methods else ()))

    @property
    def has_end(self) -> bool:
        """Whether the program says itself when its task has been accomplished."""
        return any(name == "is_done" for name, _ in self.methods)

    def about(self, purpose: str) -> str:
        """The name of a further request about the same program."""
        domain, _, rest = self.name.partition("/")
        return f"{domain}/{purpose}/{rest.rpartition('/')[2]}"


def _prompt(name: str) -> Prompt:
    return Prompt.load(_FOLDER / f"{name}.txt")


def prompt_digests(*names: str) -> dict[str, str]:
    """By name of a prompt, 12 hexadecimal digits of the sha256 of its text before it is filled: its version."""
    return {name: hashlib.sha256(_prompt(name).text.encode()).hexdigest()[:12] for name in names}


def _fact_line(spec: FactSpec) -> str:
    values = f"; one of {', '.join(map(repr, spec.values))}" if spec.values else ""
    return f"- {spec.name} ({spec.type}): {spec.doc}{values}"


def _facts(domain: Domain) -> str:
    return "\n".join(map(_fact_line, domain.fact_specs))


def system_text(domain: Domain, fuel: int) -> str:
    """The system message: world, facts, rules."""
    return _prompt("system").render(
        title=domain.title, knowledge=domain.knowledge, facts=_facts(domain), rules=_prompt("rules").render(fuel=str(fuel))
    )


def examiner_text(domain: Domain) -> str:
    """The system message of who judges programs rather than writes them: world and facts."""
    return _prompt("examiner").render(title=domain.title, knowledge=domain.knowledge, facts=_facts(domain))


def skill_question(domain: Domain, skill: Skill) -> Question:
    """Asks for one skill's initiation and termination."""
    text = _prompt("skill").render(skill=skill.id, description=skill.description.strip(), max_steps=str(skill.max_steps))
    functions = tuple(zip(SKILL_FUNCTIONS, (1, 2), strict=True))
    name = f"{domain.id}/programs/{skill.id}"
    return Question(name, skill.description, text, f"{skill.id}.py", functions=functions, prompts=("skill",))


def skills_subject(skills: SkillSet) -> str:
    """All skills, one a line: the subject of the training policy's request."""
    return "\n".join(f"{skill.id}: {' '.join(skill.description.split())}" for skill in skills)


def _contract(skills: SkillSet) -> str:
    return _prompt("policy").render(skills="\n".join(f"- {line}" for line in skills_subject(skills).splitlines()))


def training_question(domain: Domain, skills: SkillSet) -> Question:
    """Asks for the training policy over skills."""
    return Question(
        f"{domain.id}/training-policy",
        skills_subject(skills),
        _prompt("training").render(contract=_contract(skills)),
        "training_policy.py",
        methods=(("next_skill", 3),),
        prompts=("policy", "training"),
        skills=skills.ids,
    )


def task_question(domain: Domain, skills: SkillSet, task_text: str, task_id: str) -> Question:
    """Asks for a policy over skills that does a task."""
    return Question(
        f"{domain.id}/task/{task_id}",
        task_text,
        _prompt("task").render(contract=_contract(skills), task=task_text.strip()),
        f"{task_id}.py",
        methods=(("next_skill", 3), ("is_done", 1)),
        prompts=("policy", "task"),
        skills=skills.ids,
    )


def repair_text(episodes: int, problems: tuple[str, ...], trace: tuple[str, ...]) -> str:
    """Asks for a corrected program."""
    return _prompt("repair").render(episodes=str(episodes), problems=_list(problems), trace=_shown(trace))


def remark_text(remark: str) -> str:
    """Asks for a program that heeds what a person said of the last one."""
    return _prompt("remark").render(remark=remark.strip())


def scenario_text(question: Question, usual: Mapping[str, object]) -> str:
    """Asks for cases that the program which a question asks for must pass.

    Args:
        usual: the facts that hold where a case names none.
    """
    if question.methods:
        skills = [f'"{skill}"' for skill in question.skills] or ['"skill"']
        done, claim = (', and "is_done" at the last moment', ', "is_done": false') if question.has_end else ("", "")
        form = _prompt("scenario_policy").render(some=", ".join(skills[:2]), one=skills[0], done=done, claim=claim)
    else:
        form = _prompt("scenario_skill").render()
    shown = ", ".join(f"{name} = {value!r}" for name, value in usual.items())
    return _prompt("scenario").render(asked=_quoted(question.text), usual=shown, form=form)


def assess_text(question: Question, program: str, episodes: int, found: tuple[str, ...], trace: tuple[str, ...]) -> str:
    """Asks whether a program does what its description says."""
    return _prompt("assess").render(
        asked=_quoted(question.text),
        program=program,
        episodes=str(episodes),
        found=_list(found) if found else "- nothing was found against it",
        trace=_shown(trace),
    )


def _quoted(text: str) -> str:
    return "A programmer was given this:\n\n" + "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _list(lines: tuple[str, ...]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _shown(trace: tuple[str, ...]) -> str:
    return "A typical simulated episode:\n" + "\n".join(trace) if trace else "There is no episode to show."
