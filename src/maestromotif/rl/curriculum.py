"""Which skills the trainer wants drawn, and how often: written into ``StepArrays.guidance`` after every update.

The games' side of it is ``schedules.WeightedSchedule``. A curriculum sees only the metrics of skills, and its state is plain JSON, so that
a resumed training goes on with it.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from maestromotif.errors import ArtifactError, ConfigError
from maestromotif.rl.config import TrainConfig
from maestromotif.skills import SkillSet

__all__ = ["Curriculum", "Even", "HandMade", "LearningProgress", "Stage", "Until", "load_stages", "make_curriculum"]

# Calls over which success and return are smoothed.
_WINDOW = 100
# Calls of the slower of the two means whose difference is a skill's progress.
_SLOW = 500
# Share of the draws that automatic curricula spread evenly.
_FLOOR = 0.2


class Curriculum(Protocol):
    """Decides, between updates, how skills are drawn."""

    def weights(self) -> list[float]:
        """Of the skills ``[K]``, in their order; not negative."""
        ...

    def whole(self) -> bool:
        """Whether a skill is drawn for a whole episode rather than for each call."""
        ...

    def update(self, steps: int, skills: Mapping[str, Mapping[str, Any]]) -> None:
        """Take in an update of ``steps`` environment steps.

        Args:
            skills: as from ``metrics.skill_metrics``.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """For metrics.jsonl; empty where nothing ever changes."""
        ...

    def state(self) -> dict[str, Any]:
        """Plain JSON values, for ``restore``."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state.

        Raises:
            ArtifactError: it was made with other stages.
        """
        ...


@dataclass(slots=True)
class _Mean:
    """A mean over about the last ``window`` calls; over all of them while there are fewer.

    Attributes:
        value: the mean, 0 before any call.
        calls: taken in so far.
    """

    window: int
    value: float = 0.0
    calls: float = 0.0

    def add(self, mean: float | None, calls: float) -> None:
        if mean is None or not calls:
            return
        self.calls += calls
        # Calls at once weigh as much as the same calls one after another would.
        self.value += max(1 - (1 - 1 / self.window) ** calls, calls / self.calls) * (mean - self.value)


class Even:
    """All skills alike, always.

    Args:
        count: of the skills.
        whole: one of them for a whole episode.
    """

    def __init__(self, count: int, whole: bool = False) -> None:
        self._count, self._whole = count, whole

    def weights(self) -> list[float]:
        return [1.0] * self._count

    def whole(self) -> bool:
        return self._whole

    def update(self, steps: int, skills: Mapping[str, Mapping[str, Any]]) -> None:
        return None

    def describe(self) -> dict[str, Any]:
        return {}

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        return None


class LearningProgress:
    """An automatic curriculum: skills whose returns change most, up or down, are drawn most.

    Teacher-student curricula (Matiisen et al. 2017, https://arxiv.org/abs/1707.00183) draw tasks by the absolute slope of their
    learning curves; Portelas et al. 2020 (https://arxiv.org/abs/2003.04664) survey such curricula. As in Kanitscheider et al. 2021
    (https://arxiv.org/abs/2106.14876), the slope is the difference of a faster and a slower mean: here of the return per call, over
    about 100 and 500 calls. It is divided by the largest return (the faster mean) seen so far, since skills are paid on scales of their
    own. A fifth of the weight is spread evenly, so that no skill starves; a skill with fewer than 100 calls counts as one that changes
    most. Returns come from the reward models; success by a skill's ``measure`` is not read, since nothing is trained on it.

    Args:
        ids: of the skills, in their order.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        self._fast = {skill: _Mean(_WINDOW) for skill in ids}
        self._slow = {skill: _Mean(_SLOW) for skill in ids}
        self._largest = dict.fromkeys(ids, 0.0)

    def weights(self) -> list[float]:
        """They sum to 1."""
        known = {skill: self._progress(skill) for skill, mean in self._fast.items() if mean.calls >= _WINDOW}
        most = max(known.values(), default=0.0)
        progress = [known.get(skill, most) for skill in self._fast]
        count, total = len(progress), sum(progress)
        if not total:
            return [1 / count] * count
        return [_FLOOR / count + (1 - _FLOOR) * value / total for value in progress]

    def _progress(self, skill: str) -> float:
        largest = self._largest[skill]
        return abs(self._fast[skill].value - self._slow[skill].value) / largest if largest else 0.0

    def whole(self) -> bool:
        return False

    def update(self, steps: int, skills: Mapping[str, Mapping[str, Any]]) -> None:
        for skill, values in skills.items():
            for mean in (self._fast[skill], self._slow[skill]):
                mean.add(values["return"], values["calls"])
            self._largest[skill] = max(self._largest[skill], abs(self._fast[skill].value))

    def describe(self) -> dict[str, Any]:
        return {"weights": dict(zip(self._fast, self.weights(), strict=True))}

    def state(self) -> dict[str, Any]:
        return {"fast": _plain(self._fast), "slow": _plain(self._slow), "largest": dict(self._largest)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._fast, self._slow = _means(state["fast"], _WINDOW), _means(state["slow"], _SLOW)
        self._largest = dict(state["largest"])


def _plain(means: Mapping[str, _Mean]) -> dict[str, list[float]]:
    return {skill: [mean.value, mean.calls] for skill, mean in means.items()}


def _means(plain: Mapping[str, Sequence[float]], window: int) -> dict[str, _Mean]:
    return {skill: _Mean(window, *values) for skill, values in plain.items()}


_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Until(BaseModel):
    """What must hold, all at once, for a stage to end. Success and return are means over about the last 100 calls, and need as many."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int | None = Field(default=None, ge=1, description="Environment steps in this stage.")
    success: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(default={}, description="Per skill, the share of calls that succeed.")
    returns: dict[str, _Positive] = Field(default={}, alias="return", description="Per skill, the return of a call.")


class Stage(BaseModel):
    """One stage of a hand-made curriculum."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, description="A name; each stage has its own.")
    weights: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        description="How often a skill is drawn, beside the others; one without a weight only where no other may start."
    )
    per: Literal["call", "episode"] = Field(default="call", description="What a skill is drawn for.")
    until: Until | None = Field(default=None, description="When the next stage begins; the last stage has none.")


class HandMade:
    """Stages that a person wrote, one after the other.

    Args:
        ids: of the skills, in their order.
        stages: as from ``load_stages``.
    """

    def __init__(self, ids: Sequence[str], stages: Sequence[Stage]) -> None:
        self._ids, self._stages = tuple(ids), tuple(stages)
        self._enter(0)

    def _enter(self, place: int) -> None:
        self._place, self._steps = place, 0
        self._success, self._returns = ({skill: _Mean(_WINDOW) for skill in self._ids} for _ in range(2))

    @property
    def _stage(self) -> Stage:
        return self._stages[self._place]

    def weights(self) -> list[float]:
        return [self._stage.weights.get(skill, 0.0) for skill in self._ids]

    def whole(self) -> bool:
        return self._stage.per == "episode"

    def update(self, steps: int, skills: Mapping[str, Mapping[str, Any]]) -> None:
        self._steps += steps
        for skill, values in skills.items():
            fair = values["calls"] * (1 - values["ends"].get("cut", 0.0))
            self._success[skill].add(values["success"], fair)
            self._returns[skill].add(values["return"], values["calls"])
        if self._stage.until is not None and self._holds(self._stage.until):
            self._enter(self._place + 1)

    def _holds(self, until: Until) -> bool:
        wanted = [(self._success[skill], least) for skill, least in until.success.items()]
        wanted += [(self._returns[skill], least) for skill, least in until.returns.items()]
        return self._steps >= (until.steps or 0) and all(mean.calls >= _WINDOW and mean.value >= least for mean, least in wanted)

    def describe(self) -> dict[str, Any]:
        weights = dict(zip(self._ids, self.weights(), strict=True))
        return {"stage": self._stage.id, "stage_number": self._place + 1, "weights": weights}

    def state(self) -> dict[str, Any]:
        return {"stage": self._stage.id, "steps": self._steps, "success": _plain(self._success), "returns": _plain(self._returns)}

    def restore(self, state: Mapping[str, Any]) -> None:
        places = [stage.id for stage in self._stages]
        if state["stage"] not in places:
            raise ArtifactError(
                f"the checkpoint was made in a stage {state['stage']!r} of the curriculum, which is not among {', '.join(places)}",
                "Restore the stage in the file that [train] schedule_file names, or remove the training folder to train from the beginning",
            )
        self._place, self._steps = places.index(state["stage"]), state["steps"]
        self._success, self._returns = _means(state["success"], _WINDOW), _means(state["returns"], _WINDOW)


def make_curriculum(config: TrainConfig, skills: SkillSet, measured: Collection[str], home: Path) -> Curriculum:
    """The curriculum of ``config.schedule``.

    Args:
        measured: ids of the skills whose success is measured.
        home: the folder that ``config.schedule_file`` lies in.

    Raises:
        ConfigError: see ``load_stages``.
    """
    match config.schedule:
        case "hand-made":
            return HandMade(skills.ids, load_stages(home / config.schedule_file, skills, measured))
        case "learning-progress":
            return LearningProgress(skills.ids)
        case "isolated":
            return Even(len(skills), whole=True)
        case "program" | "uniform":
            return Even(len(skills))


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    stage: list[Stage] = Field(min_length=1)


def load_stages(path: Path, skills: SkillSet, measured: Collection[str]) -> tuple[Stage, ...]:
    """Read the stages of a hand-made curriculum; docs/training.md shows such a file.

    Raises:
        ConfigError: with all the problems of the file at once: unknown keys or skills, stages that are never reached.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        stages = _File.model_validate(document).stage
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})", "[train] schedule_file names a file beside maestro.toml") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}", "Mend that line") from error
    except ValidationError as error:
        problems = [f"{_where(detail['loc'])}: {_message(detail['type'], detail['msg'])}" for detail in error.errors()]
        raise ConfigError(f"{path}: " + "; ".join(problems), "docs/training.md shows such a file, with every key") from error
    found = [problem for place in range(len(stages)) for problem in _problems(stages, place, skills, measured)]
    if found:
        raise ConfigError(f"{path}: " + "; ".join(text for text, _ in found), ". ".join(dict.fromkeys(remedy for _, remedy in found)))
    return tuple(stages)


def _where(location: Sequence[int | str]) -> str:
    """``stage 2: until.steps`` for ``("stage", 1, "until", "steps")``."""
    table, *keys = location
    if keys and isinstance(keys[0], int):
        table, keys = f"{table} {keys[0] + 1}", keys[1:]
    return f"{table}: {'.'.join(map(str, keys))}" if keys else str(table)


def _message(kind: str, text: str) -> str:
    return "unknown key" if kind == "extra_forbidden" else f"{text[:1].lower()}{text[1:]}"


def _problems(stages: Sequence[Stage], place: int, skills: SkillSet, measured: Collection[str]) -> list[tuple[str, str]]:
    """What is wrong with a stage although its keys are right, each with a remedy."""
    stage, last = stages[place], place == len(stages) - 1
    until = stage.until or Until()
    found: list[tuple[str, str]] = []

    def add(key: str, problem: str, remedy: str) -> None:
        found.append((f"stage {place + 1} ({stage.id}): {key}: {problem}", remedy))

    if stage.id in (other.id for other in stages[:place]):
        add("id", "taken by a stage before", "Give each stage an id of its own")
    for key, table in (("weights", stage.weights), ("until.success", until.success), ("until.return", until.returns)):
        for skill in table:
            if skill not in skills.ids:
                close = difflib.get_close_matches(skill, skills.ids, n=1)
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                add(f"{key}.{skill}", f"unknown skill{hint}", f"Skills of this project: {', '.join(skills.ids)}")
            elif key != "weights" and not stage.weights.get(skill):
                problem = "never holds, since the skill has no weight in this stage; the stages after it are never reached"
                add(f"{key}.{skill}", problem, "Give the skill a weight there, or wait for another one")
            elif key == "until.success" and skill not in measured:
                problem = "never holds, since the skill has no measure; the stages after it are never reached"
                add(f"{key}.{skill}", problem, "Give the skill a measure in skills.toml, or wait for its return")
    if not any(stage.weights.values()):
        add("weights", "no skill has any weight", "Give at least one skill a weight above 0")
    if last and stage.until is not None:
        add("until", "no stage follows", "Remove it, or add a stage")
    if not last and until == Until():
        add("until", "missing or empty, so the stages after it are never reached", "Say with steps, success or return when the stage ends")
    return found
