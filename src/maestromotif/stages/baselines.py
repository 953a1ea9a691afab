"""Baselines at equal budget.

A method that trains for each task has a small project of its own for each task, below ``artifacts/baselines``, with one skill: the task,
which may always start and is never over. So it goes through the same stages as any project, with the same settings, and what is said of
those (skipped, resumed, made anew for a reason) holds for it too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maestromotif.agents.llm_policy import LLM_POLICIES, SKILLS, needs_endpoint
from maestromotif.bench.baselines import PER_TASK, ZERO_SHOT, Costs, Method, baseline_results
from maestromotif.bench.cells import BenchOrder, cells_of
from maestromotif.bench.log import EpisodeLog
from maestromotif.bench.results import Rows
from maestromotif.errors import ArtifactError
from maestromotif.feedback.annotators import check_annotator
from maestromotif.feedback.interactions import CAPTIONS_FILE
from maestromotif.files import whole_lines, write_atomically
from maestromotif.llm.ledger import LEDGER_FILE, Entry, Ledger, total
from maestromotif.project import Project
from maestromotif.rl.task_reward import write_task_reward
from maestromotif.skills import Skill, SkillSet
from maestromotif.stages.apart import run_apart
from maestromotif.stages.bench import bench_stage, play_with_model, with_player
from maestromotif.stages.card import Card
from maestromotif.stages.catalogue import evaluation_setting, task_stage, training_stages
from maestromotif.stages.rate import rate_stage
from maestromotif.stages.runner import Runner, open_runner
from maestromotif.stages.stage import Stage, Watcher, Work

if TYPE_CHECKING:
    from maestromotif.agents import Setting
    from maestromotif.bench.cells import Cell

__all__ = ["BaselinePlan", "Baselines", "Left", "baseline_project", "baseline_stages"]

_PLAIN, _SHARED = "plain", "captions"  # projects beside those of the methods
_QUANTILE = 0.5  # below it, rewards of one skill without hierarchy become zero (the paper)
_METRICS = "metrics.jsonl"
_SKILL_PROGRAM = '''\
"""A single skill: it may always start and is never over, so that its one call lasts for the whole episode."""


def can_start(skill, facts):
    return True


def is_over(skill, facts, start):
    return False
'''
_POLICY = '''\
"""There is nothing to choose from."""


class PolicyOverSkills:
    def next_skill(self, facts, finished, startable):
        return startable[0]
'''


@dataclass(frozen=True)
class BaselinePlan:
    """What is asked for.

    Attributes:
        methods: of ``bench.baselines.METHODS``.
        tasks: ids.
        steps: environment steps of each network that is trained for a task.
        episodes: of each task, method and seed.
        seeds: each is a series of episodes of its own.
        max_steps: where episodes are cut before the task's own limit; 0: nowhere.
        criterion: what the task's own reward goes by; a task without it is rewarded by its first one.
        score: weight of the game's score beside the task's own reward.
    """

    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    steps: int
    episodes: int
    seeds: tuple[int, ...]
    max_steps: int = 0
    criterion: str = "landmark"
    score: float = 1.0


def baseline_project(project: Project, method: str, task: str, steps: int) -> Project:
    """The project of one method and task: the same domain and settings, and one skill.

    Args:
        steps: goal of its training.
    """
    config, known = project.config, project.domain.tasks[task]
    annotate = config.annotate
    if method == "embedding":
        annotate = annotate.model_copy(update={"annotator": "embedding", "options": _embedding_options(project)})
    skill = Skill(task, known.description, max_steps=max(known.max_steps, config.train.episode_steps), threshold_quantile=_QUANTILE)
    train = config.train.model_copy(update={"steps": steps, "schedule": "program", "schedule_file": ""})
    return _derived(project, Path(method) / task, (skill,), annotate=annotate, train=train)


def _embedding_options(project: Project) -> dict[str, Any]:
    """Of the annotator ``embedding``: the project's own, or those that it would be compared with."""
    annotate = project.config.annotate
    return dict(annotate.options if annotate.annotator == "embedding" else annotate.compare_options.get("embedding", {}))


def _derived(project: Project, place: Path, skills: Sequence[Skill], **sections: Any) -> Project:
    config = project.config
    own = config.project.model_copy(update={"pretrained": ""})
    evaluate = config.evaluate.model_copy(update={"tasks": ()})
    config = config.model_copy(update={"project": own, "evaluate": evaluate, **sections})
    root, own_skills = project.artifacts / "baselines" / place, SkillSet(tuple(skills))
    # One store of calls, so that limits on calls, tokens and money hold for all together.
    return replace(project, root=root, config=config, skills=own_skills, store=project.calls)


def _plain_project(project: Project, tasks: Sequence[str]) -> Project:
    """For whoever plays these tasks without skills."""
    known = project.domain.tasks
    longest = max(known[task].max_steps for task in {*known, *tasks})
    return _derived(project, Path(_PLAIN), (Skill("anything", "Play, by whatever rule; no skill is meant.", max_steps=longest),))


def baseline_stages(plan: BaselinePlan, own: Project, method: str, captions: Project) -> list[Stage]:
    """From captions, or from the task itself, to a trained network.

    Args:
        own: of ``baseline_project``.
        captions: the project whose captions are compared.
    """
    (task,) = own.skills.ids
    usual = {stage.id: stage for stage in training_stages(own)}
    if method == "task-reward":
        criteria = own.domain.tasks[task].criteria
        pays = {
            "task": task,
            "criterion": plan.criterion if plan.criterion in criteria else next(iter(criteria)),
            "score": plan.score,
        }
        reward = Stage("reward", "says what the task pays", (), lambda project: {"task reward": pays}, partial(_pay, pays), apart=False)
        return [_program_stage(), reward, usual["train"]]

    def source(project: Project) -> Mapping[str, Any]:
        card = Card.read(captions.folder("collect"))
        return {"captions": {"made by": card.identity if card else ""}}

    taken = Stage("collect", "takes the captions that all baselines share", (), source, partial(_take, captions), apart=False)
    return [taken, usual["annotate"], usual["reward"], _program_stage(), usual["train"]]


def _program_stage() -> Stage:
    written = hashlib.sha256((_SKILL_PROGRAM + _POLICY).encode()).hexdigest()[:16]
    return Stage("program", "writes a program without choices", (), lambda project: {"program": {"text": written}}, _write, apart=False)


def _write(work: Work) -> Mapping[str, Any]:
    write_atomically(work.out / "skills.py", _SKILL_PROGRAM)
    write_atomically(work.out / "training_policy.py", _POLICY)
    return {}


def _pay(pays: Mapping[str, Any], work: Work) -> Mapping[str, Any]:
    write_task_reward(work.out, **pays)
    return {}


def _take(captions: Project, work: Work) -> Mapping[str, Any]:
    write_atomically(work.out / CAPTIONS_FILE, (captions.folder("collect") / CAPTIONS_FILE).read_bytes())
    return {}


@dataclass(frozen=True)
class Left:
    """What is left to do for a row.

    Attributes:
        networks: to be trained, those that are trained already included; 0 where none is trained for a task.
        train: environment steps left of these, or of the project's own training.
        episodes: left to play; play: steps that they take at most.
        missing: what the row cannot do without.
    """

    method: str
    networks: int = 0
    train: int = 0
    episodes: int = 0
    play: int = 0
    missing: tuple[str, ...] = ()


class _Named:
    """A watcher that is told whose stage it watches."""

    def __init__(self, watcher: Watcher, name: str) -> None:
        self._watcher, self._name = watcher, name

    def skipped(self, stage: Stage) -> None:
        """What is up to date already is not told: of many networks, that is most."""

    def started(self, stage: Stage, folder: Path, why: str) -> None:
        self._watcher.started(replace(stage, does=f"{self._name}: {stage.does}"), folder, why)

    def progress(self, stage: Stage, fraction: float, text: str) -> None:
        self._watcher.progress(stage, fraction, f"{self._name}: {text}")

    def warned(self, stage: Stage, text: str) -> None:
        self._watcher.warned(stage, f"{self._name}: {text}")

    def finished(self, stage: Stage, seconds: float) -> None:
        self._watcher.finished(stage, seconds)

    def aside(self) -> AbstractContextManager[object]:
        return self._watcher.aside()


class Baselines:
    """All methods on all tasks: what is to be done, doing it, and what has come of it so far.

    Args:
        project: whose skills, settings and tasks they are compared on.
        home: folder of episodes and tables.

    Raises:
        ConfigError: ``compare_options`` of the annotator ``embedding`` do not fit, or their model is not installed.
    """

    def __init__(self, project: Project, plan: BaselinePlan, home: Path) -> None:
        if "embedding" in plan.methods:
            options = _embedding_options(project)
            check_annotator("embedding", options, project.domain, project.skills, options_table="annotate.compare_options.embedding")
        self.project, self.plan, self.home = project, plan, home
        self._plain = _plain_project(project, plan.tasks)

    def networks(self) -> list[tuple[str, str, Project]]:
        """Method, task and project of every network that is trained for a task, task by task."""
        chosen = [method for method in self.plan.methods if method in PER_TASK]
        return [
            (method, task, baseline_project(self.project, method, task, self.plan.steps)) for task in self.plan.tasks for method in chosen
        ]

    def run(self, runner: Runner, watcher: Watcher, command: str) -> Iterator[None]:
        """Train and play what is missing; gives control back whenever there is more to show.

        Args:
            runner: of the project.
            command: what runs, for messages.

        Raises:
            MaestroError: whatever a stage raises; what was done so far is kept.
        """
        methods = set(self.plan.methods)
        skilled = methods & {ZERO_SHOT, "untrained", SKILLS}
        tasks = self.project.domain.tasks
        if skilled:
            programs = [task_stage(self.project, task, tasks[task].description) for task in self.plan.tasks]
            runner.run([*training_stages(self.project), *programs])
        if methods & {"random", "explorer"}:
            self._in(self._plain, [_program_stage()], _Named(watcher, _PLAIN), command)
        for together in ((ZERO_SHOT, "untrained"), ("random", "explorer")):
            chosen = [method for method in together if method in methods]
            if chosen:
                self._play(chosen, watcher, runner.lock, self.plan.tasks)
                yield
        captions = self._collected(runner, watcher, command) if methods & {"motif", "embedding"} else self.project
        networks = self.networks()
        for place, (method, task, own) in enumerate(networks, 1):
            named = _Named(watcher, f"{method}, {task} ({place} of {len(networks)} networks{self._training_left()})")
            self._in(own, baseline_stages(self.plan, own, method, captions), named, command)
            self._play([method], watcher, runner.lock, [task])
            yield
        for method in self.plan.methods:
            if method in LLM_POLICIES and not needs_endpoint(self.project):
                self._play([method], watcher, runner.lock, self.plan.tasks)
                yield

    def _training_left(self) -> str:
        """How long all networks together have still to be trained, at the rate of those so far, in words; empty before the first one."""
        costs = [_costs(own) for _, _, own in self.networks()]
        seconds, steps = sum(one.seconds for one in costs), sum(one.steps for one in costs)
        left = sum(max(0, self.plan.steps - one.steps) for one in costs)
        return f", about {left * seconds / steps / 60:.0f} min of training left in all" if steps else ""

    def _collected(self, runner: Runner, watcher: Watcher, command: str) -> Project:
        """The project whose captions are compared: this one, unless its skills came trained."""
        if not self.project.config.project.pretrained:
            runner.run([stage for stage in training_stages(self.project) if stage.id == "collect"])
            return self.project
        shared = _derived(self.project, Path(_SHARED), tuple(self.project.skills))
        collect = [stage for stage in training_stages(shared) if stage.id == "collect"]
        self._in(shared, collect, _Named(watcher, "captions for all"), command)
        return shared

    @staticmethod
    def _in(own: Project, stages: Sequence[Stage], watcher: Watcher, command: str) -> None:
        own.root.mkdir(parents=True, exist_ok=True)
        with open_runner(own, command, watcher) as runner:
            runner.run(stages)

    def _play(self, methods: Sequence[str], watcher: Watcher, lock: int, tasks: Sequence[str]) -> None:
        """Play what is missing of methods that play in the same project."""
        named = _Named(watcher, ", ".join(methods))
        for own, order in self._orders(methods, tasks):
            stage = bench_stage(asdict(order))
            if self._all_played(own, order):
                continue
            named.started(stage, self.home, "")
            if set(methods) <= set(LLM_POLICIES):
                play_with_model(own, order, self.home, partial(named.progress, stage))
                continue
            run_apart(stage, own, self.home, partial(named.progress, stage), partial(named.warned, stage), lock)

    def _all_played(self, own: Project, order: BenchOrder) -> bool:
        rows = EpisodeLog(self.home).read()
        return all((cell.key, index) in rows for cell in cells_of(evaluation_setting(own), order) for index in range(order.episodes))

    def _orders(self, methods: Sequence[str], tasks: Sequence[str]) -> Iterator[tuple[Project, BenchOrder]]:
        """In which projects a method plays, or several that play in the same ones, and what."""
        policies = tuple("trained" if method in (ZERO_SHOT, *PER_TASK) else method for method in methods)
        method = methods[0]
        if method in PER_TASK:
            for task in tasks:
                own = baseline_project(self.project, method, task, self.plan.steps)
                yield own, self._order(policies, {task: {"own": _POLICY}})
        elif method in ("random", "explorer"):
            yield self._plain, self._order(policies, {task: {"own": _POLICY} for task in tasks})
        elif method in LLM_POLICIES:
            yield self.project, with_player(self.project, self._order(policies, {task: {"own": ""} for task in tasks}))
        else:
            files = {task: self.project.folder(f"task:{task}") / f"{task}.py" for task in tasks}
            programs = {task: {"own": path.read_text(encoding="utf-8")} for task, path in files.items() if path.is_file()}
            yield self.project, self._order(policies, programs)

    def _order(self, policies: tuple[str, ...], programs: Mapping[str, Mapping[str, str]]) -> BenchOrder:
        plan = self.plan
        return BenchOrder(self.project.root.resolve().name, programs, policies, plan.seeds, plan.episodes, plan.max_steps)

    def left(self) -> list[Left]:
        """What is left to do, row by row; for language models that can play see ``with_model``."""
        rows = EpisodeLog(self.home).read()
        able = {policy for _, _, order in self.with_model() for policy in order.policies}
        return [self._left(name, rows) for name in self.plan.methods if name not in able]

    def _left(self, name: str, rows: Rows) -> Left:
        method, plan = self._method(name, rows), self.plan
        if name in LLM_POLICIES:
            return Left(name, missing=tuple(method.missing))
        networks = len(plan.tasks) if name in PER_TASK else 0
        lacking = {task: max(0, plan.steps - _costs(own).steps) for method_name, task, own in self.networks() if method_name == name}
        train = sum(lacking.values())
        if name == ZERO_SHOT and not self.project.config.project.pretrained:
            train = max(0, self.project.config.train.steps - method.costs.steps)
        # A network that is trained further is another one, which has played nothing.
        cells = [cell for cell in method.cells if not lacking.get(cell.task)]
        played = {(cell.task, cell.seed): sum((cell.key, index) in rows for index in range(plan.episodes)) for cell in cells}
        own = {task: self.project.domain.tasks[task].max_steps for task in plan.tasks}
        left = {task: sum(plan.episodes - played.get((task, seed), 0) for seed in plan.seeds) for task in plan.tasks}
        play = sum(left[task] * min(longest, plan.max_steps or longest) for task, longest in own.items())
        return Left(name, networks, train, sum(left.values()), play)

    def with_model(self) -> list[tuple[Project, Setting, BenchOrder]]:
        """What language models play that can: the project names an endpoint, and has the skills that are to be chosen from."""
        setting = evaluation_setting(self.project)
        found = []
        for method in self.plan.methods:
            if method in LLM_POLICIES and not self._method(method, {}).missing:
                found += [(project, setting, order) for project, order in self._orders([method], self.plan.tasks)]
        return found

    def rate(self) -> tuple[float, str]:
        """Environment steps a second in training, and how that is known."""
        costs = sum((_costs(own) for _, _, own in self.networks()), Costs())
        if costs.seconds:
            return costs.steps / costs.seconds, "as measured before"
        plain, stage = self._plain, rate_stage()
        found = run_apart(stage, plain, self.project.root, lambda fraction, text: None, lambda text: None)
        return float(found["rate"]), "as measured now, in a moment of training"

    def results(self) -> dict[str, Any]:
        """What has been played so far; see ``baseline_results``."""
        rows = EpisodeLog(self.home).read()
        methods = [self._method(name, rows) for name in self.plan.methods]
        order = self._order((), {})
        confidence = self.project.config.evaluate.confidence
        return baseline_results(self.project.domain, order.label, order, methods, rows, confidence)

    def _method(self, name: str, rows: Rows) -> Method:
        cells: list[Cell] = []
        missing: list[str] = []
        if name in LLM_POLICIES and (lacking := needs_endpoint(self.project)):
            return Method(name, missing=(lacking,))
        costs = _costs(self.project) if name == ZERO_SHOT else Costs()
        for own, order in self._orders([name], self.plan.tasks):
            missing += [f"{task}: no program yet" for task in self.plan.tasks if name not in PER_TASK and task not in order.programs]
            try:
                cells += cells_of(evaluation_setting(own), order)
            except ArtifactError:
                missing += ["skills or programs are not there yet"] * (name not in PER_TASK)
            if name in PER_TASK:
                spent = _costs(own)
                costs += spent
                if spent.steps < self.plan.steps:
                    missing.append(f"{own.skills.ids[0]}: trained for {spent.steps:,} of {self.plan.steps:,} steps")
        if name in LLM_POLICIES:
            costs = _spent_playing(cells, rows)
        return Method(name, cells, costs, missing)


def _spent_playing(cells: Sequence[Cell], rows: Rows) -> Costs:
    """What a language model has cost that plays: the sums of its episodes' rows."""
    keys = {cell.key for cell in cells}
    spent = [row["llm"] for (key, _), row in rows.items() if key in keys]
    return Costs(tokens=sum(one["prompt_tokens"] + one["completion_tokens"] for one in spent), money=sum(one["cost"] for one in spent))


def _costs(project: Project) -> Costs:
    """Of a project's training, finished or not, and of the annotator's calls about its skills; of a person's project, also the coder's."""

    def concerns(entry: Entry) -> bool:
        if entry.table == "annotator":
            return entry.purpose.rpartition("/")[2] in project.skills.ids
        return entry.table == "coder" and project.store is None

    entries = (entry for entry in Ledger(project.calls / LEDGER_FILE).entries() if concerns(entry))
    budgets = {"coder": project.config.coder.budget, "annotator": project.config.annotator.budget}
    tokens, money = 0, 0.0
    for table, spent in total(entries, lambda entry: entry.table).items():
        tokens += spent.prompt_tokens + spent.completion_tokens
        money += budgets[table].cost(spent.prompt_tokens, spent.completion_tokens)
    last = _last_update(project.folder("train"))
    if last is None:
        return Costs(tokens=tokens, money=money)
    return Costs(1, int(last["steps"]), float(last["time"]["elapsed"]), tokens, money)


def _last_update(training: Path) -> dict[str, Any] | None:
    """The last whole line of a training's metrics; None where it has not begun."""
    for path in (training / _METRICS, training.with_name(f"{training.name}.part") / _METRICS):
        if lines := whole_lines(path):
            found: dict[str, Any] = json.loads(lines[-1])
            return found
    return None
