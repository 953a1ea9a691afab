"""What an environment owes to language and to training: the ``Domain`` contract.

A domain is an environment plus what language needs of it: captions, documented facts, tasks, a simulator. Everything
else in the package works on any domain through this file alone. ``maestromotif.domains.checks`` is a test-suite that any
domain can run against itself.

Conventions: ``B`` games are stepped together; arrays carry ``_B`` when their first axis is the game. All randomness
comes from seeds that are passed in.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.screens import Screen, TextScreen
from maestromotif.errors import DomainError
from maestromotif.types import Caption, RewardInput

__all__ = [
    "ACTION_MASK",
    "COMMANDS",
    "DENSE",
    "Bag",
    "CallMeasure",
    "Criterion",
    "Domain",
    "DomainEnv",
    "Explorer",
    "FactSpec",
    "Facts",
    "Grid",
    "ObservationSpec",
    "SignSpec",
    "Simulator",
    "Task",
    "facts_class",
]

# Facts are objects whose attributes are the domain's documented facts. Programs written by a language model read them
# by name, so no static type can name them; hence Any.
Facts = Any
CallMeasure = Callable[[Facts, Facts], bool]

DENSE = "dense"
ACTION_MASK = "action_mask"
COMMANDS = "commands"


@dataclass(frozen=True, slots=True)
class FactSpec:
    """One documented fact: a plain value that programs may read.

    Attributes:
        name: the attribute's name.
        type: ``"int"``, ``"float"``, ``"bool"`` or ``"str"``.
        doc: one sentence; becomes part of the coder's prompt.
        values: for a ``str`` fact with few values, those values.
        least, most: for a number, what it lies between, ends included; ``most`` None: no bound is known.
    """

    name: str
    type: str
    doc: str
    values: tuple[str, ...] = ()
    least: int = 0
    most: int | None = None


@dataclass(frozen=True, slots=True)
class SignSpec:
    """One small categorical part of a transition that reward models read beside the message.

    ``values[0]`` means that nothing happened.
    """

    name: str
    values: tuple[str, ...]
    doc: str


@dataclass(frozen=True, slots=True)
class Bag:
    """A set of active binary features: ``length`` indices in ``[0, size)``; index 0 is padding and means nothing."""

    size: int
    length: int


@dataclass(frozen=True, slots=True)
class Grid:
    """A picture of categories: ``height`` x ``width`` numbers in ``[0, size)``."""

    height: int
    width: int
    size: int


@dataclass(frozen=True, slots=True)
class ObservationSpec:
    """What a network sees.

    Attributes:
        bags: named index arrays, int16 or int32 ``[B, length]``.
        dense: width of the float32 array ``"dense"`` ``[B, dense]``, roughly in [-1, 1]; 0 if there is none.
        actions: number of actions; ``"action_mask"`` is uint8 ``[B, actions]``, 1 where an action is allowed. With ``continuous``, the
            number of dimensions of every action, and there is no mask.
        skip: names of the bags that a network may also connect linearly, per skill, to its outputs.
        grids: named arrays, uint8 or int16 ``[B, height, width]``.
        texts: lengths of named byte strings, uint8 ``[B, length]``, padded with 0.
        commands: where given, an action is a choice from a list that differs from step to step, of at most ``actions`` commands in
            words: ``"commands"`` is ``[B, actions, length]``, for each of them a bag of its words, and the mask says how many there are.
        continuous: an action is a vector of numbers, each in [-1, 1]; what they mean is the environment's business.
    """

    bags: Mapping[str, Bag]
    dense: int
    actions: int
    skip: tuple[str, ...] = ()
    grids: Mapping[str, Grid] = field(default_factory=dict)
    texts: Mapping[str, int] = field(default_factory=dict)
    continuous: bool = False
    commands: Bag | None = None

    @property
    def action(self) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape (without the game axis) and type of an action: an int64 index, or float32 ``[actions]``."""
        return ((self.actions,), np.dtype(np.float32)) if self.continuous else ((), np.dtype(np.int64))

    @property
    def indices(self) -> frozenset[str]:
        """Names of the arrays that hold indices of features."""
        return frozenset(self.bags) | ({COMMANDS} if self.commands is not None else frozenset())

    def allocate(self, *leading: int) -> dict[str, NDArray[Any]]:
        """Zeroed arrays with the given leading axes; the action mask is all ones."""
        arrays: dict[str, NDArray[Any]] = {name: np.zeros((*leading, *shape), dtype) for name, (shape, dtype) in self.layout().items()}
        if not self.continuous:
            arrays[ACTION_MASK][...] = 1
        return arrays

    def layout(self) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Shape (without the game axis) and type of every array, by name."""
        layout: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        for name, bag in self.bags.items():
            layout[name] = ((bag.length,), _index_type(bag))
        for name, grid in self.grids.items():
            layout[name] = ((grid.height, grid.width), np.dtype(np.uint8 if grid.size <= 256 else np.int16))
        for name, length in self.texts.items():
            layout[name] = ((length,), np.dtype(np.uint8))
        if self.commands is not None:
            layout[COMMANDS] = ((self.actions, self.commands.length), _index_type(self.commands))
        if self.dense:
            layout[DENSE] = ((self.dense,), np.dtype(np.float32))
        if not self.continuous:
            layout[ACTION_MASK] = ((self.actions,), np.dtype(np.uint8))
        return layout


def _index_type(bag: Bag) -> np.dtype[Any]:
    return np.dtype(np.int16 if bag.size <= 32767 else np.int32)


class DomainEnv(ABC):
    """``num_games`` games, stepped together and written into preallocated arrays.

    Life of a game: ``reset`` -> (``step`` ...) -> ``terminated_B[game]`` -> ``reset``. The caller must reset a
    terminated game before the next ``step``. Truncation is the caller's business. After ``reset`` and ``step`` the
    observation arrays, ``terminated_B`` and the per-game methods describe the new state and the transition to it.
    """

    num_games: int
    observation: dict[str, NDArray[Any]]
    terminated_B: NDArray[np.bool_]
    # Where given, an environment may write here, as element 0, the game that it works on: what to name if its process dies.
    playing: NDArray[np.int64] | None = None

    def bind(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Write observations into these arrays (for example shared memory) from now on; what they held is overwritten."""
        for name, array in self.observation.items():
            if arrays[name].shape != array.shape or arrays[name].dtype != array.dtype:
                raise ValueError(f"{name}: expected {array.shape} {array.dtype}, got {arrays[name].shape} {arrays[name].dtype}")
            arrays[name][...] = array
        self.observation = arrays

    @abstractmethod
    def reset(self, games: Sequence[int], seeds: Sequence[int]) -> None:
        """Begin new episodes in these games. The same seed and actions give the same trajectory, always."""

    @abstractmethod
    def step(self, actions_B: NDArray[Any]) -> None:
        """One step of every game; actions as ``ObservationSpec.action`` says."""

    @abstractmethod
    def facts(self, game: int) -> Facts:
        """The facts of the present state: an immutable snapshot that stays true after further steps."""

    @abstractmethod
    def reward_key(self, game: int) -> int:
        """A 64-bit key of the last transition's reward input; equal keys mean equal reward inputs."""

    @abstractmethod
    def caption(self, game: int) -> Caption:
        """The caption of the last transition, with its reward input. May be slow; called on demand."""

    def reward_input(self, game: int) -> RewardInput:
        """The reward input of the last transition; to be overridden where it can be had without the caption."""
        return self.caption(game).reward_input

    def discount_key(self, game: int) -> int:
        """What the count discount counts for the last transition; 0 means: never discounted."""
        return self.reward_key(game)

    def reward_keys(self) -> list[int]:
        """``reward_key`` of every game; to be overridden where all are had faster than one by one, as is ``discount_keys``."""
        return [self.reward_key(game) for game in range(self.num_games)]

    def discount_keys(self) -> list[int]:
        """``discount_key`` of every game."""
        return [self.discount_key(game) for game in range(self.num_games)]

    def fact_numbers(self) -> tuple[NDArray[np.int64], Mapping[str, int]] | None:
        """Numbers ``[B, F]`` that every reset and step writes anew in place, and the column that belongs to a fact, by name: a fact
        that has a column changes only where the number does. None: whether facts have changed can only be seen in themselves."""
        return None

    def action_names(self, game: int) -> Sequence[str] | None:
        """What the actions are called in the present state, those that can be chosen first; None: as ``Domain.actions`` says, always."""
        return None

    def truth(self, game: int) -> Mapping[str, Any]:
        """Privileged facts for success criteria only. Programs and policies never see them."""
        return {}

    def scores(self) -> NDArray[np.float64] | None:
        """What the game itself counts as score up to now, float64 ``[B]``, in a unit of which an ordinary episode earns about one; of a
        game that is over, what was counted before its last step or after it. None: it counts nothing. For a baseline that learns from
        it, and asks after every step; neither programs nor rewards from language see it."""
        return None

    def record(self, game: int, folder: Path) -> Callable[[], int] | None:
        """Have a game write down what it shows during its next episode, in files below this folder. They are whole once the game has been
        reset again, or closed. Recording changes nothing of the game.

        Returns:
            Tells which of the frames, as ``Domain.screens`` gives them, shows the present state. None: these games write nothing down.
        """
        return None

    def picture(self, game: int) -> NDArray[np.uint8] | None:
        """The present state as an RGB picture, uint8 ``[H, W, 3]``; None: these games draw none. Drawing changes nothing of the game."""
        return None

    def screen(self, game: int) -> Screen | None:
        """What a person would see of a game now, for whoever watches a training: a picture, or text. None: nothing."""
        return self.picture(game)

    def close(self) -> None:  # noqa: B027 - many environments hold nothing
        """Free what the games hold."""


class Criterion(Protocol):
    """Watches one episode and says whether the task has been accomplished.

    A criterion of something that is counted per episode has an int attribute ``count`` besides: it may grow after success, so that
    such episodes are not ended by success.
    """

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        """To be called at the start and after every step; True from the moment of success on."""
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """Something to be done, in English, and how success is recognised.

    Attributes:
        id: stable name.
        description: the English that a coder gets.
        criteria: by name, makers of criteria; every domain's tasks have ``"landmark"`` (the thing itself) and may
            have ``"proxy"`` (what the paper's released code measures).
        max_steps: environment steps after which an episode is cut.
        paper: by criterion, the figure that a paper gives for this task, as text for a table; empty: none is known.
        noise: share of the steps in which whoever plays this task slips: an allowed action drawn at random is played in place of the
            chosen one. The draws belong to the episode's seed.
        paper_baselines: by name of a baseline (``bench.baselines.METHODS``), the paper's figure for that, by the paper's measure.
    """

    id: str
    description: str
    criteria: Mapping[str, Callable[[], Criterion]]
    max_steps: int
    paper: Mapping[str, str] = field(default_factory=dict)
    noise: float = 0.0
    paper_baselines: Mapping[str, str] = field(default_factory=dict)


class Simulator(Protocol):
    """A small abstract model of the domain on which programs are tried before they drive an agent.

    One tick stands for some environment steps of the active skill.
    """

    def reset(self, seed: int) -> Facts:
        """Begin an episode."""
        ...

    def step(self, skill: str) -> tuple[Facts, bool]:
        """One tick of a skill (any id, known to the simulator or not): the facts after it, and whether the episode is over."""
        ...

    def truth(self) -> Mapping[str, Any]:
        """As ``DomainEnv.truth``."""
        ...


class Explorer(Protocol):
    """A scripted player that sees enough of the domain to make captions worth comparing."""

    def act(self, env: DomainEnv) -> NDArray[Any]:
        """The next action of every game, int64 ``[B]``, or float32 ``[B, A]`` where actions are continuous."""
        ...


@dataclass(frozen=True)
class Domain(ABC):
    """An environment with language. Cheap to make; holds no games.

    Attributes:
        options: the ``[domain]`` table of maestro.toml without ``id``; checked by the subclass.
        file_options: names of the options that are files. Those of a project are meant from its folder on, and come as whole paths.
        fitted_option: name of the option that is a file written by ``fit_simulator``; empty: the simulator is not fitted to play.
    """

    file_options: ClassVar[tuple[str, ...]] = ()
    fitted_option: ClassVar[str] = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> Mapping[str, Any]:
        """What decides, beside the id, how the domain behaves, as plain values: part of every fingerprint. Content stands for files."""
        return self.options

    @property
    @abstractmethod
    def id(self) -> str:
        """Stable name, as in maestro.toml."""

    @property
    @abstractmethod
    def title(self) -> str:
        """For people."""

    @property
    @abstractmethod
    def knowledge(self) -> str:
        """What a coder or judge should know of this world, in English."""

    @property
    @abstractmethod
    def fact_specs(self) -> tuple[FactSpec, ...]: ...

    @property
    @abstractmethod
    def sign_specs(self) -> tuple[SignSpec, ...]: ...

    @property
    @abstractmethod
    def actions(self) -> tuple[str, ...]:
        """Names of the actions, in the order of their indices; of their dimensions where they are continuous."""

    @property
    @abstractmethod
    def observation_spec(self) -> ObservationSpec: ...

    def observation_for(self, network: str) -> ObservationSpec:
        """What the network of this name (``[train] network``) sees. ``make_env(...).bind(arrays)`` with the arrays of any of these
        makes the games write them.

        Raises:
            DomainError: this domain has no observation for that network.
        """
        if network != "small":
            raise DomainError(f"the domain {self.id} has no observation for the network {network!r}", 'Set network = "small" under [train]')
        return self.observation_spec

    @property
    def folders(self) -> tuple[Sequence[Path], Sequence[Path]]:
        """What the environments read, and what they write, once they have played their first step, beyond Python's packages and the
        temporary folder. Everything else is out of reach in a process that runs generated programs; see docs/security.md."""
        return (), ()

    @property
    @abstractmethod
    def tasks(self) -> Mapping[str, Task]:
        """By id. Families of tasks may be found by id without being listed; see ``further_tasks``."""

    @property
    def further_tasks(self) -> Sequence[str]:
        """Ids that ``tasks`` knows but does not list, as many as a pattern such as ``ladder-*`` should stand for."""
        return ()

    @property
    def call_measures(self) -> Mapping[str, CallMeasure]:
        """By name: did a call of a skill, from ``start`` to ``end`` facts, do this? For reports, never for training."""
        return {}

    @property
    @abstractmethod
    def skills_toml(self) -> str:
        """The commented skills.toml that ``maestromotif init`` writes."""

    @property
    def recommended(self) -> Mapping[str, Mapping[str, Any]]:
        """Values of maestro.toml, by section and key, that suit this domain better than the package's defaults.

        ``maestromotif init`` writes them into new projects.
        """
        return {}

    @property
    def recorded_answers(self) -> tuple[str, ...]:
        """Paths of folders with recorded answers of judge and coder; see ``maestromotif.llm.recorded``."""
        return ()

    def recorded_facts(self) -> Sequence[Sequence[Facts]]:
        """Facts of real play: for each of some episodes, those of consecutive steps from its reset on.

        Generated programs are tried on them. A domain whose games are cheap may play some; empty: simulated episodes take their place.
        """
        return ()

    def possible_facts(self, values: Mapping[str, Any], before: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """The facts nearest to these that can occur, given those of an earlier step of the same episode (None: any may have come before).

        Facts drawn at random, within the bounds of their specs, are passed through here before programs are tried on them, so that
        none is blamed for what cannot be. None: the domain cannot tell, and programs are tried on facts that have occurred only.
        """
        return None

    def caption_score(self, skill_id: str, reward_input: RewardInput) -> float | None:
        """The domain's own measure of how much a transition does for a skill, in any unit; None: it has none for this skill.

        Only for ablations and criteria: it is what rewards from language are compared with, not part of them.
        """
        return None

    def screens(self, folder: Path) -> Iterator[TextScreen]:
        """The frames of an episode that ``DomainEnv.record`` has written down, in their order; the first one shows the reset.

        Raises:
            ArtifactError: the files are missing, damaged or cut short.
        """
        return iter(())

    def own_checks(self) -> Mapping[str, Callable[[Domain], str]]:
        """Further checks beside those of every domain, by name; see ``domains.checks`` for what a check does."""
        return {}

    @abstractmethod
    def make_env(self, num_games: int) -> DomainEnv: ...

    @abstractmethod
    def simulator(self) -> Simulator:
        """The one on which programs are tried, and repaired: skills in it take time and fail, but a sound program gets there."""

    def simulators(self) -> Mapping[str, Simulator]:
        """The same world with other skills: ``"perfect"`` (they never fail) and ``"measured"`` (they do what was measured in real play,
        so that success is about as frequent as it will be). Empty: not known."""
        return {}

    @property
    def simulator_identity(self) -> str:
        """A digest of what was fitted to play, where options name it: it decides how programs of tasks are tried, and nothing else."""
        return ""

    def fit_simulator(self, play: Sequence[Any], card: Mapping[str, Any], out: Path) -> Mapping[str, Any]:
        """Fit the simulators to play, and write the file that ``fitted_option`` takes.

        Args:
            play: tables of steps, as ``maestromotif.agents.play`` makes them.
            card: how it was made, to be kept in the file.

        Returns:
            The card, with what the fit has to add.

        Raises:
            DomainError: this domain's simulator is not fitted to play.
            ArtifactError: there is too little play.
        """
        raise DomainError(f"the simulator of the domain {self.id} is not fitted to play", "See docs/nethack.md for one that is")

    @abstractmethod
    def explorer(self, seed: int) -> Explorer: ...


def facts_class(name: str, specs: Sequence[FactSpec]) -> type:
    """A class with the given facts as read-only attributes, made from one positional value per spec.

    For simulators and simple environments; a fast environment may bring a class of its own with the same attributes.
    """
    names = tuple(spec.name for spec in specs)
    for fact in names:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", fact):
            raise ValueError(f"fact {fact!r} must be lower-case letters, digits and underscores")

    def __init__(self: Any, *values: Any, **named: Any) -> None:
        given = dict(zip(names, values, strict=False), **named)
        if len(values) > len(names) or set(given) != set(names):
            raise TypeError(f"{name} needs exactly the facts {names}")
        for fact, value in given.items():
            object.__setattr__(self, fact, value)

    def __setattr__(self: Any, key: str, value: Any) -> None:
        raise AttributeError(f"facts are read-only: {key}")

    def __repr__(self: Any) -> str:
        return f"{name}({', '.join(f'{fact}={getattr(self, fact)!r}' for fact in names)})"

    return type(name, (), {"__slots__": names, "__init__": __init__, "__setattr__": __setattr__, "__repr__": __repr__})
