"""Playing programs with the trained network, with an untrained one and by chance, on the same episodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from maestromotif.agents.cells import Cell, digest, domain_identity, play_cell
from maestromotif.agents.config import POLICIES, EvaluateConfig
from maestromotif.agents.explorer import EXPLORER, play_explorer
from maestromotif.agents.llm_policy import SKILLS
from maestromotif.agents.records import write_json
from maestromotif.agents.summary import compare_skills, compare_task, sum_faults, summarise_calls, summarise_task
from maestromotif.domains.contract import Domain
from maestromotif.errors import ArtifactError, ConfigError
from maestromotif.rl.episodes import EpisodeResult, ScheduleSources, episode_seed
from maestromotif.skills import SkillSet

if TYPE_CHECKING:
    from maestromotif.rl.networks import SkillPolicy

__all__ = ["CLAIM", "FORMAT", "Progress", "Setting", "evaluate_skills", "evaluate_task", "evaluate_tasks", "task_program"]

Progress = Callable[[float, str], None]
Player = Callable[..., Sequence[EpisodeResult]]
FORMAT = 1
CLAIM = "the program's own claim"
"""What a free task's success is: there is nothing else to judge it by."""
_PROGRAMS = ("skills.py", "training_policy.py")
_WEIGHTS = {"trained": "policy.safetensors", "untrained": "untrained.safetensors", SKILLS: "policy.safetensors"}


def _quiet(_fraction: float, _text: str) -> None:
    return None


@dataclass(frozen=True)
class Setting:
    """What all evaluations of a project share.

    Attributes:
        programs: folder with ``skills.py`` and ``training_policy.py``.
        training: folder with ``policy.safetensors`` and ``untrained.safetensors``, the weights that the seed gives.
        rewards: folder of the reward models, from which returns are counted; None: returns are not counted.
        player: plays episodes; None: ``maestromotif.rl.rollout.play``.
    """

    domain: Domain
    skills: SkillSet
    programs: Path
    training: Path
    rewards: Path | None
    config: EvaluateConfig
    player: Player | None = None

    @cached_property
    def skill_program(self) -> str:
        return _read(self.programs / _PROGRAMS[0], "maestromotif program")

    @cached_property
    def training_policy(self) -> str:
        return _read(self.programs / _PROGRAMS[1], "maestromotif program")

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What decides the result of every cell beside its own program and weights."""
        rewards = {} if self.rewards is None else {path.name: digest(path.read_bytes()) for path in sorted(self.rewards.glob("reward-*"))}
        return {
            **domain_identity(self.domain, self.skills),
            "skill_program": digest(self.skill_program),
            "rewards": rewards,
            "seed": self.config.seed,
        }

    def weights(self, policy: str) -> Path | None:
        """The file with the weights of a driving policy; None: it has none."""
        return self.training / _WEIGHTS[policy] if policy in _WEIGHTS else None

    def cell_identity(self, policy: str, source: str, episodes: int, max_steps: int) -> dict[str, Any]:
        """What decides the result of one cell. Speed (games, processes) is not part of it."""
        path = self.weights(policy)
        try:
            weights = digest(path.read_bytes()) if path else ""
        except OSError as error:
            raise ArtifactError(f"{path}: cannot be read ({error.strerror})", "Run `maestromotif train`") from error
        own = {"policy": policy, "weights": weights, "program": digest(source), "episodes": episodes, "max_steps": max_steps}
        return {**self.identity, **own}

    def longest(self, task: str) -> int:
        """After how many steps an episode of a task is cut."""
        known = self.domain.tasks.get(task)
        return min(self.config.max_steps, known.max_steps or self.config.max_steps) if known else self.config.max_steps

    def driver(self, policy: str) -> SkillPolicy | Literal["random"]:
        """What plays. Loaded only when something is to be played, so that finished cells need no torch."""
        from maestromotif.rl.networks import SkillPolicy

        path = self.weights(policy)
        return SkillPolicy.load(path) if path else "random"

    @property
    def _player(self) -> Player:
        if self.player is not None:
            return self.player
        from maestromotif.rl.rollout import play

        return play

    def play(
        self, policy: str, source: str | ScheduleSources, episodes: int, max_steps: int, place: str, **options: Any
    ) -> Sequence[EpisodeResult]:
        """Full episodes of a policy over skills; ``place`` keeps the seeds of different evaluations apart."""
        sources = ScheduleSources(source, self.skill_program) if isinstance(source, str) else source
        seed = episode_seed(self.config.seed, *place.encode())
        if policy == EXPLORER:
            return play_explorer(self.domain, self.skills, sources, episodes=episodes, max_steps=max_steps, seed=seed, **options)
        return self._player(
            self.domain,
            self.skills,
            self.driver(policy),
            sources,
            num_games=min(self.config.games, episodes),
            episodes=episodes,
            max_steps=max_steps,
            seed=seed,
            workers=self.config.workers,
            rewards_dir=self.rewards,
            **options,
        )


def evaluate_skills(setting: Setting, out: Path, progress: Progress = _quiet) -> dict[str, Any]:
    """Play the training policy over skills under every driving policy, and judge every call of every skill.

    Writes ``out/skills/<policy>.*`` (rows) and ``out/skills.json`` (the summary, which is also returned). A finished
    policy is not played again.

    Raises:
        ConfigError: a skill names a measure that the domain does not have.
        ArtifactError: programs or weights are missing or damaged.
    """
    config = setting.config
    for skill in setting.skills:
        if skill.measure and skill.measure not in setting.domain.call_measures:
            known = ", ".join(setting.domain.call_measures) or "none"
            raise ConfigError(f"skills.toml: skill {skill.id}: unknown measure {skill.measure!r}", f"Measures of this domain: {known}")
    source, count, max_steps = setting.training_policy, config.skill_episodes, config.max_steps

    def play(policy: str, report: Progress) -> Cell:
        return play_cell(
            out / "skills",
            policy,
            setting.cell_identity(policy, source, count, max_steps),
            setting.skills,
            (),
            lambda: setting.play(policy, source, count, max_steps, "skills", stop_on_claim=False, progress=report),
        )

    cells = _all_policies(play, "skills", progress)
    tests = compare_skills(setting.skills, cells, config)
    summary = {
        "format": FORMAT,
        "episodes": count,
        "max_steps": max_steps,
        "config": config.model_dump(mode="json"),
        "policies": {
            name: {
                "episodes": len(cell.episodes),
                "steps": sum(cell.episodes.column("steps").to_pylist()),
                "game_over": cell.episodes.column("ended").to_pylist().count("died"),
                "faults": sum_faults(cell.episodes),
            }
            for name, cell in cells.items()
        },
        "skills": {
            skill.id: {
                "success": skill.measure.replace("_", " ") if skill.measure else "its own termination",
                "policies": {name: summarise_calls(skill, cell.calls, cell.episodes, config) for name, cell in cells.items()},
                "tests": tests[skill.id],
            }
            for skill in setting.skills
        },
    }
    write_json(summary, out / "skills.json")
    progress(1.0, "skills evaluated")
    return summary


def evaluate_task(
    setting: Setting,
    task: str,
    program: Path,
    out: Path,
    progress: Progress = _quiet,
    *,
    description: str = "",
    episodes: int | None = None,
    repaired: bool = False,
) -> dict[str, Any]:
    """Play a task's program under every driving policy: full episodes, zero-shot.

    Writes ``out/tasks/<task>/<policy>.*`` (rows) and ``out/tasks/<task>.json`` (the summary, which is also returned). A
    finished policy is not played again.

    A program's claim that the task is done ends an episode only where there is nothing else to judge it by; else it is
    recorded beside the truth.

    Args:
        task: id of one of the domain's tasks, judged by its criteria; any other name is a free task, which only its program's
            own claim can judge.
        program: source of the task's policy over skills.
        description: of a free task, for the summary.
        episodes: in place of the configuration's ``task_episodes``.
        repaired: the program was mended by what real episodes showed, which the summary tells.

    Raises:
        ArtifactError: programs or weights are missing or damaged.
    """
    config, known = setting.config, setting.domain.tasks.get(task)
    source = _read(program, "maestromotif solve")
    own_limit = known.max_steps if known else None
    max_steps = setting.longest(task)
    criteria = tuple(known.criteria) if known else ()
    count = episodes or config.task_episodes

    def play(policy: str, report: Progress) -> Cell:
        return play_cell(
            out / "tasks" / task,
            policy,
            setting.cell_identity(policy, source, count, max_steps),
            setting.skills,
            criteria,
            lambda: setting.play(
                policy, source, count, max_steps, f"task/{task}", task=task if known else "", stop_on_claim=known is None, progress=report
            ),
        )

    cells = _all_policies(play, task, progress)
    summary = {
        "format": FORMAT,
        "task": task,
        "episodes": count,
        "max_steps": max_steps,
        "description": known.description if known else description,
        "free": known is None,
        "repaired": repaired,
        "judged_by": "criteria of the domain" if known else CLAIM,
        "own_limit": own_limit,
        "cut": own_limit is not None and max_steps < own_limit,
        "config": config.model_dump(mode="json"),
        "policies": {name: summarise_task(setting.skills, criteria, cell.episodes, cell.calls, config) for name, cell in cells.items()},
        "tests": compare_task(criteria, cells, config),
    }
    write_json(summary, out / "tasks" / f"{task}.json")
    progress(1.0, f"{task} evaluated")
    return summary


def evaluate_tasks(setting: Setting, programs: Mapping[str, Path], out: Path, progress: Progress = _quiet) -> dict[str, dict[str, Any]]:
    """``evaluate_task`` for every task that the configuration names; by default for all that have a program.

    Args:
        programs: path of each task's program, by task id.

    Raises:
        ArtifactError: a task that the configuration names has no program.
    """
    chosen = setting.config.tasks or tuple(programs)
    for task in chosen:
        if task not in programs:
            raise ArtifactError(f"[evaluate] tasks: {task!r} has no program", f"Run `maestromotif solve` with {task!r} first")
    results = {}
    for number, task in enumerate(chosen):

        def report(fraction: float, text: str, done: int = number) -> None:
            progress((done + fraction) / len(chosen), text)

        results[task] = evaluate_task(setting, task, programs[task], out, report)
    return results


def task_program(tasks: Path, task: str) -> Path:
    """Where the program of a task lies below the folder of all tasks."""
    return tasks / task / f"{task}.py"


def _all_policies(play: Callable[[str, Progress], Cell], what: str, progress: Progress) -> dict[str, Cell]:
    cells = {}
    for number, policy in enumerate(POLICIES):

        def report(fraction: float, _text: str, done: int = number, name: str = policy) -> None:
            progress((done + fraction) / len(POLICIES), f"{what}: {name}")

        report(0.0, "")
        cells[policy] = play(policy, report)
    return cells


def _read(path: Path, command: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: cannot be read ({error})", f"Run `{command}`") from error
