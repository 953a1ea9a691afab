"""Repair from reality: the trained skills play a task's program, the coder sees where its chains broke, and a new version must win.

Every round plays fresh episodes to learn from, and then, with both versions, others that nobody has learned from. Games are played in
children without keys; only the coder is asked from here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maestromotif.errors import ChatError, ProgramError
from maestromotif.files import write_atomically
from maestromotif.llm import ChatRequest, RecordedChat
from maestromotif.project import Project
from maestromotif.stages.apart import run_apart
from maestromotif.stages.card import Card
from maestromotif.stages.files import read_json, write_json
from maestromotif.stages.inputs import model_inputs, settings, skill_inputs
from maestromotif.stages.stage import OPEN, Stage, Work

if TYPE_CHECKING:
    from maestromotif.programs.coder import Coder
    from maestromotif.programs.reality import Reality
    from maestromotif.programs.requests import Question

__all__ = ["LEVEL", "REPAIR_FILE", "RepairPlan", "last_reality", "program_in_use", "repair_stage", "repaired", "witness_stage"]

REPAIR_FILE = "repair.json"
LEVEL = 0.05
"""A new version is accepted only if the exact paired test gives a smaller p value, or this one."""
_BEFORE, _AFTER = "before.py", "after.py"
_LEARN, _HELD_OUT = "failures", "held-out"
_OLD, _NEW = "old", "new"


@dataclass(frozen=True)
class RepairPlan:
    """What is to be repaired, and how.

    Attributes:
        task, text: id and English.
        episodes: real episodes of each round from which the coder learns.
        held_out: real episodes of each round on which the two versions are compared.
        rounds: how many versions may be asked for.
    """

    task: str
    text: str
    episodes: int
    held_out: int
    rounds: int


def repair_stage(plan: RepairPlan, recheck: Any = None) -> Stage:
    """Repairs a task's program; its artifact holds the program in use, every version, and every decision.

    Args:
        recheck: see ``Stage``.
    """
    return Stage(
        f"repair:{plan.task}",
        "has the task's program mended by what real episodes show",
        ("train", "program", f"task:{plan.task}"),
        partial(_inputs, plan),
        partial(_repair, plan),
        goal=lambda project: {"rounds": plan.rounds},
        recheck=recheck,
        apart=False,
    )


def witness_stage(task: str, part: str, programs: Mapping[str, str], judge: str, episodes: int, place: str) -> Stage:
    """Part of a repair, in a process of its own: programs, by name, drive the trained skills in the same episodes."""
    options = {"task": task, "part": part, "programs": dict(programs), "judge": judge, "episodes": episodes, "place": place}
    return Stage(f"witness:{task}", "plays", (), lambda project: {}, partial(_witness, options), options=options)


def repaired(project: Project, task: str) -> bool:
    """Whether a version of the present program was accepted."""
    card = Card.read(project.folder(f"repair:{task}"))
    written = Card.read(project.folder(f"task:{task}"))
    if card is None or written is None or card.status != "done" or not card.facts.get("accepted"):
        return False
    return bool(card.inputs["parents"][f"task:{task}"] == written.identity)


def program_in_use(project: Project, task: str) -> Path:
    """The accepted version of a task's program, else the program as it was first written."""
    return project.folder(f"repair:{task}" if repaired(project, task) else f"task:{task}") / f"{task}.py"


def _inputs(plan: RepairPlan, project: Project) -> Mapping[str, Any]:
    return {
        "repair": {"text": plan.text, "episodes": plan.episodes, "held_out": plan.held_out},
        "evaluate": {"max_steps": project.config.evaluate.max_steps, "seed": project.config.evaluate.seed},
        "program": settings(project.config.program),
        "coder": model_inputs(project, project.config.coder, "reality/"),
        "skills": skill_inputs(project, "description", "max_steps", "measure"),
    }


def _witness(options: Mapping[str, Any], work: Work) -> Mapping[str, Any]:
    from maestromotif.agents.witness import play_witnessed
    from maestromotif.stages.catalogue import evaluation_setting

    # Rewards are not looked at here.
    setting = replace(evaluation_setting(work.project), rewards=None)
    programs = options["programs"]
    for number, (name, source) in enumerate(programs.items()):

        def report(fraction: float, text: str, done: int = number) -> None:
            work.progress((done + fraction) / len(programs), text)

        how = (options["judge"], options["episodes"], options["place"], report)
        play_witnessed(setting, work.out / options["part"], name, options["task"], source, *how)
    return {}


class _Repair:
    """All rounds of one repair, in a folder that may hold some of them."""

    def __init__(self, plan: RepairPlan, work: Work) -> None:
        self.plan, self.work, self.project = plan, work, work.project
        domain = self.project.domain
        self.first = (self.project.folder(f"task:{plan.task}") / f"{plan.task}.py").read_text(encoding="utf-8")
        self.skill_program = (self.project.folder("program") / "skills.py").read_text(encoding="utf-8")
        self.chat = self.project.coder()
        self.free = plan.task not in domain.tasks
        document = read_json(work.out / REPAIR_FILE) or {}
        self.rounds: list[dict[str, Any]] = list(document.get("rounds", ()))
        self.open = 0

    def run(self) -> None:
        """The rounds that are left; a coder that cannot be had ends them, once there is something to keep."""
        for number in range(len(self.rounds) + 1, self.plan.rounds + 1):
            if self.rounds and self.rounds[-1]["outcome"] == "nothing to mend":
                break
            try:
                self.rounds.append(self._round(number))
            except ChatError as error:
                if not self.rounds:
                    raise
                self.open = self.plan.rounds - len(self.rounds)
                self.work.warn(f"round {number} could not be asked for ({error.problem}); what was decided so far is kept")
                break
            self._store()
        self._store()

    @property
    def program(self) -> str:
        """The version in use."""
        accepted = [entry for entry in self.rounds if entry["outcome"] == "accepted"]
        return self._version(accepted[-1]["round"], _AFTER) if accepted else self.first

    @property
    def accepted(self) -> int:
        return sum(entry["outcome"] == "accepted" for entry in self.rounds)

    def _version(self, number: int, name: str) -> str:
        return (self._folder(number) / name).read_text(encoding="utf-8")

    def _folder(self, number: int) -> Path:
        return self.work.out / f"round-{number}"

    def _round(self, number: int) -> dict[str, Any]:
        from maestromotif.programs.coder import Coder
        from maestromotif.programs.generations import GENERATIONS_FILE
        from maestromotif.programs.reality import reality_question

        plan, domain, present = self.plan, self.project.domain, self.program
        write_atomically(self._folder(number) / _BEFORE, present)
        self._play(number, _LEARN, {"program": present}, plan.episodes, 0.0, 0.3)
        reality = _reality(self.project, plan.task, self._folder(number), present)
        entry: dict[str, Any] = {
            "round": number,
            "episodes": plan.episodes,
            "accomplished": reality.successes,
            "failures": [{**asdict(failure), "facts": list(failure.facts)} for failure in reality.failures],
        }
        if not reality.failed:
            return {**entry, "outcome": "nothing to mend", "why": f"it accomplished the task in all {plan.episodes} episodes"}
        self._progress(number, 0.3, "the coder writes a new version")
        question = reality_question(domain, self.project.skills, plan.text, plan.task, reality, plan.episodes, self._earlier())
        log = self.project.calls / GENERATIONS_FILE
        coder = Coder(domain, self.chat, self.project.config.program, self.project.seed + number, log=log)
        try:
            best, rounds = coder.write(question, partial(self._trial, question), {"task": plan.text, "subject": plan.text})
        except ProgramError as error:
            return {**entry, "outcome": "refused", "why": error.problem}
        finally:
            self._keep(number, coder)
        write_atomically(self._folder(number) / _AFTER, best.source)
        assert best.report is not None
        made = {
            "rounds": rounds,
            "model": best.reply.model,
            "source": best.reply.source,
            "edited": False,
            "card": coder.cards[question.name],
        }
        entry = {**entry, "trial": {**best.report.as_json(), **made}}
        if best.source.split() == present.split():
            return {**entry, "outcome": "same program", "why": "the coder gave the program back as it was"}
        self._play(number, _HELD_OUT, {_OLD: present, _NEW: best.source}, plan.held_out, 0.4, 1.0)
        return {**entry, **self._decide(number)}

    def _decide(self, number: int) -> dict[str, Any]:
        from maestromotif.agents.summary import rate
        from maestromotif.agents.witness import accomplished, read_witnessed
        from maestromotif.bench.paired import compare_paired

        confidence, folder = self.project.config.evaluate.confidence, self._folder(number) / _HELD_OUT
        old, new = (accomplished(read_witnessed(folder, name), self.project.domain, self.plan.task) for name in (_OLD, _NEW))
        found = compare_paired(old, new, confidence)
        better = found.p_value <= LEVEL
        counts = {name: rate(sum(won), len(won), confidence) for name, won in ((_OLD, old), (_NEW, new))}
        why = "the new version accomplished the task more often"
        if not better:
            why = "no better on fresh episodes than chance could explain"
        if not found.both + found.only_first + found.only_second:
            why = "neither version accomplished the task once; it may be the skills that fall short, not the program"
        return {
            "outcome": "accepted" if better else "kept the old one",
            "why": why,
            "held_out": {**counts, **asdict(found), "confidence": confidence, "level": LEVEL},
        }

    def _earlier(self) -> list[str]:
        """What the coder should know of versions of the present program that were not better."""
        told = []
        for entry in self.rounds[::-1]:
            if entry["outcome"] == "accepted":
                break
            if "held_out" in entry:
                old, new = (entry["held_out"][name]["successes"] for name in (_OLD, _NEW))
                head = f"This version was tried already, and accomplished the task in {new} of {entry['held_out'][_NEW]['trials']} episodes"
                source = self._version(entry["round"], _AFTER).strip("\n")
                told.append(f"{head} in which the program above did so in {old}:\n\n```python\n{source}\n```")
        return told

    def _trial(self, question: Question, source: str) -> Any:
        from maestromotif.programs import run_trial

        return run_trial(
            self.project.domain,
            self.project.skills,
            self.skill_program,
            source,
            kind="task",
            config=self.project.config.program,
            seed=self.project.seed,
            task_id=None if self.free else self.plan.task,
            policy_file=question.file,
        )

    def _play(self, number: int, part: str, programs: Mapping[str, str], episodes: int, low: float, high: float) -> None:
        place = f"repair/{self.plan.task}/{number}/{part}"
        what = "plays to see where chains break" if part == _LEARN else "plays both versions on fresh episodes"

        def report(fraction: float, _text: str) -> None:
            self._progress(number, low + (high - low) * fraction, what)

        stage = witness_stage(self.plan.task, part, programs, self.first, episodes, place)
        run_apart(stage, self.project, self._folder(number), report, self.work.warn, self.work.lock)

    def _progress(self, number: int, fraction: float, text: str) -> None:
        self.work.progress((number - 1 + fraction) / self.plan.rounds, f"round {number}: {text}")

    def _keep(self, number: int, coder: Coder) -> None:
        lines = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in coder.transcript)
        write_atomically(self._folder(number) / "transcript.jsonl", lines)

    def _store(self) -> None:
        """The decisions, the program in use, and its trial."""
        task, out = self.plan.task, self.work.out
        judge = "is_done of the task's first program" if self.free else "the domain's criteria"
        head = {"task": task, "text": self.plan.text, "free": self.free, "judged_by": judge, "accepted": self.accepted}
        write_json(out / REPAIR_FILE, {**head, "rounds": self.rounds})
        write_atomically(out / f"{task}.py", self.program)
        written = read_json(self.project.folder(f"task:{task}") / "trials.json") or {}
        accepted = [entry for entry in self.rounds if entry["outcome"] == "accepted"]
        if accepted:
            written = {"programs": {f"{task}.py": accepted[-1]["trial"]}, "warnings": []}
        write_json(out / "trials.json", written)


def _repair(plan: RepairPlan, work: Work) -> Mapping[str, Any]:
    project = work.project
    if project.config.coder.kind == "recorded":
        # Before anything is played for a question that nobody would answer.
        request = ChatRequest(f"{project.domain.id}/reality/{plan.task}", (), plan.text)
        RecordedChat(project.domain.recorded_answers, "coder").complete(request)
    repair = _Repair(plan, work)
    repair.run()
    outcomes = [entry["outcome"] for entry in repair.rounds]
    facts = {"model": repair.chat.id, "task": plan.text, "accepted": repair.accepted, "rounds": outcomes}
    return {**facts, **({OPEN: repair.open} if repair.open else {})}


def _reality(project: Project, task: str, folder: Path, program: str) -> Reality:
    """What the episodes in a round's folder show."""
    from maestromotif.agents.witness import accomplished, read_stories, read_witnessed
    from maestromotif.programs.reality import Reality as Seen

    cell = read_witnessed(folder / _LEARN, "program")
    stories = read_stories(cell, accomplished(cell, project.domain, task))
    skill_program = (project.folder("program") / "skills.py").read_text(encoding="utf-8")
    return Seen.seen(project.domain, program, skill_program, stories, task not in project.domain.tasks)


def last_reality(project: Project, task: str) -> Reality | None:
    """What the latest episodes showed that an earlier repair played, finished or not; None if there was none.

    Raises:
        ArtifactError: a file of theirs is damaged.
    """
    done = project.folder(f"repair:{task}")
    for folder in (done.with_name(f"{done.name}.part"), done):
        played = sorted(folder.glob(f"round-*/{_LEARN}/program.json"), key=lambda path: path.stat().st_mtime)
        if played:
            last = played[-1].parents[1]
            return _reality(project, task, last, (last / _BEFORE).read_text(encoding="utf-8"))
    return None
