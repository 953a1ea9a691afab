"""All games behind one interface, in this process or in workers over shared memory. Both give the same trajectories.

A worker that dies or hangs is replaced: its games begin their next episodes (in an evaluation, the same ones from the beginning), and
the step that was lost counts as the cut of the call and the episode. A generated program that does this to workers again and again is set
aside, and never ends a training.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from maestromotif.domains.contract import Domain
from maestromotif.domains.patience import answering
from maestromotif.errors import TrainingError, told_error
from maestromotif.rl.acting import ActingArrays, ActingSpec, cut_rollout
from maestromotif.rl.arrays import SharedBuffer, StepArrays, Where
from maestromotif.rl.build import GamesSpec, build_part, first_episodes, split
from maestromotif.rl.episodes import EpisodeResult, episode_seed
from maestromotif.rl.games import Listener, SkillGames
from maestromotif.rl.process import START, Lost, WorkerProcess
from maestromotif.rl.resume import Played
from maestromotif.types import EndCause

__all__ = ["Acting", "Games", "ParallelGames", "SerialGames", "make_games"]

_PATIENCE, _RESTARTS = 60.0, 20
# A worker that dies so often without playing a step in between will not do better the next time.
_FRUITLESS = 3
# A generated program that has killed or hung so many workers is set aside.
_PROGRAM_LOSSES = 3
_SKILL_FILE = "skills.py"
_LOADING = re.compile(r"(\S+\.py): fails while it is loaded: ")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Acting:
    """Room for acting.

    Attributes:
        buffer: holds ``arrays``.
        by_workers: the workers act, with weights from the arrays; otherwise this process does.
    """

    spec: ActingSpec
    buffer: SharedBuffer
    arrays: ActingArrays
    by_workers: bool


class Games(ABC):
    """``num_games`` games in ``groups``; the games of a group step together.

    The network's side writes ``arrays.action`` of a group, calls ``send``, and reads the rest of the arrays after ``wait``.

    Attributes:
        restarts: how often a worker was replaced.
    """

    arrays: StepArrays
    groups: list[slice]

    def __init__(self, spec: GamesSpec, num_groups: int) -> None:
        self.num_games = spec.num_games
        self.groups = split(spec.num_games, num_groups)
        self.restarts = 0
        self._results: list[EpisodeResult] = []

    @abstractmethod
    def reset(self) -> None:
        """Begin; this or ``replay`` is to be called once, before the first ``send``."""

    @abstractmethod
    def replay(self, played: Played) -> None:
        """Begin with the episodes of the specification, and play them again up to where they were.

        Whether they are there is for the caller to see: another version of an environment may go another way.
        """

    @abstractmethod
    def renew(self, games: Sequence[int]) -> None:
        """Begin the next episode in these games, in place of what they are playing."""

    @abstractmethod
    def send(self, group: int) -> None:
        """Let the games of a group play their actions."""

    @abstractmethod
    def wait(self, group: int) -> None:
        """Return when they have.

        Raises:
            TrainingError: workers died or hung too often.
            MaestroError: whatever was raised in a worker; games in this process do not return.
        """

    def play(self, number: int) -> None:
        """Let workers that act play a rollout into the set ``number`` of ``ActingArrays.rollouts``; raises as ``wait`` does."""
        raise NotImplementedError

    def drive(self, steps: int) -> None:
        """Let workers play so many steps of an evaluation, and act themselves; see ``driving``. Raises as ``wait`` does."""
        raise NotImplementedError

    @abstractmethod
    def faults(self) -> Counter[str]:
        """Faults of the programs so far, by kind."""

    @abstractmethod
    def screens(self, most: int) -> list[dict[str, object] | None]:
        """What the first games show now, of at most so many; see ``SkillGames.screens``. Fewer where a process plays fewer of them."""

    def results(self) -> list[EpisodeResult]:
        """Episodes of an evaluation that ended since the last call."""
        results, self._results = self._results, []
        return results

    @abstractmethod
    def close(self) -> None: ...


class SerialGames(Games):
    """In this process. Slow and simple; the same objects as in the workers.

    Args:
        patience: seconds that a step of a group may take without progress; games that do not return end everything (``answering``).
    """

    def __init__(self, spec: GamesSpec, domain: Domain, num_groups: int = 1, patience: float = _PATIENCE) -> None:
        super().__init__(spec, num_groups)
        self._patience = patience
        shape = (domain.observation_for(spec.observation), spec.num_games, len(spec.skills), num_groups)
        self.arrays = StepArrays.over(bytearray(StepArrays.size(*shape)), *shape)
        with self._watched(max(START, patience)):
            self._parts: list[SkillGames] = [
                build_part(
                    spec,
                    domain,
                    self.arrays.part(group, games),
                    range(games.start, games.stop),
                    first_episodes(spec, games, group, num_groups),
                    self._results_append,
                )
                for group, games in enumerate(self.groups)
            ]

    def _watched(self, seconds: float) -> AbstractContextManager[object]:
        return answering(seconds, lambda: self.arrays.where.tobytes())

    def listen(self, listener: Listener) -> None:
        """Have this called after each step of each group."""
        for part in self._parts:
            part.listener = listener

    def _results_append(self, result: EpisodeResult) -> None:
        self._results.append(result)

    def reset(self) -> None:
        with self._watched(max(START, self._patience)):
            for part in self._parts:
                part.reset()

    def replay(self, played: Played) -> None:
        with self._watched(max(START, self._patience)):
            for part, games in zip(self._parts, self.groups, strict=True):
                mine = played.part(games)
                part.replay(mine.lengths.tolist(), mine.actions, mine.given)

    def renew(self, games: Sequence[int]) -> None:
        with self._watched(self._patience):
            for part, rows in zip(self._parts, self.groups, strict=True):
                part.renew(_inside(games, rows))

    def send(self, group: int) -> None:
        with self._watched(self._patience):
            self._parts[group].step()

    def wait(self, group: int) -> None:
        return None

    def faults(self) -> Counter[str]:
        return sum((part.faults() for part in self._parts), Counter())

    def screens(self, most: int) -> list[dict[str, object] | None]:
        return self._parts[0].screens(most)

    def close(self) -> None:
        for part in self._parts:
            part.close()


@dataclass(frozen=True, slots=True)
class _Order:
    """What a worker is to do.

    Attributes:
        kind: ``r`` reset, ``y`` replay, ``n`` renew, ``s`` step, ``p`` play a rollout, ``f`` tell faults, ``w`` tell what games show.
        group: whose games.
        data: as the kind needs it.
    """

    kind: str
    group: int = 0
    data: bytes = b""

    def encode(self) -> bytes:
        return f"{self.kind}{self.group}".encode() + len(self.data).to_bytes(4, "little") + self.data


@dataclass(slots=True)
class _Worker:
    """One worker, in whichever process it lives at present.

    Attributes:
        parts: for each group, its index among all parts, and its games.
        pending: orders without an answer, the oldest first.
        ready: groups that have begun in the present process; any other begins, rather than steps, at its next order.
        fruitless: processes in a row that ended before they had played a step.
        faults, screens: as last told by the present process.
    """

    number: int
    parts: list[tuple[int, slice]]
    process: WorkerProcess | None = None
    pending: deque[_Order] = field(default_factory=deque)
    ready: set[int] = field(default_factory=set)
    fruitless: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    screens: list[dict[str, object] | None] = field(default_factory=list)

    def order(self, order: _Order) -> None:
        assert self.process is not None
        self.pending.append(order)
        self.process.send(order.encode())


class ParallelGames(Games):
    """In worker processes.

    Args:
        acting: where the workers act too.
        patience: seconds without answer or progress after which a worker is replaced.
        restarts: how many replacements there may be.
    """

    def __init__(
        self,
        spec: GamesSpec,
        domain: Domain,
        num_groups: int = 1,
        workers: int = 2,
        acting: Acting | None = None,
        patience: float = _PATIENCE,
        restarts: int = _RESTARTS,
    ) -> None:
        super().__init__(spec, num_groups)
        self._spec, self._domain, self._acting, self._patience, self._most_restarts = spec, domain, acting, patience, restarts
        # Every worker plays a share of every group; a worker without games would have nothing to do.
        workers = min(workers, min(group.stop - group.start for group in self.groups))
        shares = [[_shift(share, group.start) for share in split(group.stop - group.start, workers)] for group in self.groups]
        self._parts = num_groups * workers
        shape = (domain.observation_for(spec.observation), spec.num_games, len(spec.skills), self._parts)
        self._buffer = SharedBuffer(StepArrays.size(*shape))
        self.arrays = StepArrays.over(self._buffer.memory, *shape)
        # What was observed before a step: if the step is lost, it is the last that was seen of an episode.
        self._before = {name: array.copy() for name, array in self.arrays.observation.items()}
        self._lost_faults: Counter[str] = Counter()
        self._program_losses: Counter[str] = Counter()
        self._done: set[int] = set()
        self._blamed: Counter[int] = Counter()
        self._workers = [
            _Worker(number, [(group * workers + number, shares[group][number]) for group in range(num_groups)]) for number in range(workers)
        ]
        try:
            for worker in self._workers:
                self._start(worker)
        except BaseException:
            self.close()
            raise

    def _start(self, worker: _Worker) -> None:
        """Give a worker a process."""
        parts = [
            {"part": part, "games": [games.start, games.stop], "episodes": self._next_episodes(part, games)} for part, games in worker.parts
        ]
        task: dict[str, Any] = {"spec": json.loads(self._spec.to_json()), "parts": self._parts, "mine": parts}
        shared = [self._buffer.fd]
        if self._acting is not None:
            shared.append(self._acting.buffer.fd)
            task["acting"] = {"fd": self._acting.buffer.fd, "size": self._acting.buffer.size, "spec": asdict(self._acting.spec)}
        rows = [part for part, _ in worker.parts]
        self.arrays.where[rows] = 0
        worker.ready.clear()
        worker.process = WorkerProcess(
            [self._buffer.fd, self._buffer.size],
            task,
            shared,
            self._patience,
            lambda: self.arrays.where[rows].tobytes(),
            (_SKILL_FILE, self._spec.sources.policy_file),
        )

    def _next_episodes(self, part: int, games: slice) -> list[int]:
        """What a part is to play: the number of each game's first episode, or in an evaluation all episodes that are not done."""
        first = first_episodes(self._spec, games, part, self._parts)
        if self._spec.play is not None:
            return [index for index in first if index not in self._done]
        if not self.restarts:
            return first
        return [max(number, int(playing) + 1) for number, playing in zip(first, self.arrays.episode[games], strict=True)]

    def reset(self) -> None:
        self._all([_Order("r", group) for group in range(len(self.groups))])

    def replay(self, played: Played) -> None:
        for worker in self._workers:
            for group, (_, games) in enumerate(worker.parts):
                worker.order(_Order("y", group, played.part(games).to_bytes()))
        self._answers()

    def renew(self, games: Sequence[int]) -> None:
        for worker in self._workers:
            for group, (_, mine) in enumerate(worker.parts):
                worker.order(_Order("n", group, json.dumps(_inside(games, mine)).encode()))
        self._answers()

    def send(self, group: int) -> None:
        rows = self.groups[group]
        for name, array in self.arrays.observation.items():
            self._before[name][rows] = array[rows]
        for worker in self._workers:
            worker.order(_Order("s", group))

    def wait(self, group: int) -> None:
        for worker in self._workers:
            self._answer(worker)

    def play(self, number: int) -> None:
        for worker in self._workers:
            # From here on, this counts the steps of the rollout.
            self.arrays.where[worker.parts[0][0], 2] = 0
        self._all([_rollout_order(number, 0)])

    def drive(self, steps: int) -> None:
        self._all([_Order("v", 0, steps.to_bytes(4, "little"))])

    def faults(self) -> Counter[str]:
        self._all([_Order("f")])
        return sum((worker.faults for worker in self._workers), self._lost_faults.copy())

    def screens(self, most: int) -> list[dict[str, object] | None]:
        first = self._workers[0]
        first.order(_Order("w", 0, bytes([most])))
        self._answers()
        return first.screens

    def _all(self, orders: Sequence[_Order]) -> None:
        """Give these orders to every worker, and wait until they are carried out."""
        for worker in self._workers:
            for order in orders:
                worker.order(order)
        self._answers()

    def _answers(self) -> None:
        for worker in self._workers:
            while worker.pending:
                self._answer(worker)

    def _answer(self, worker: _Worker) -> None:
        """Wait for the answer to a worker's oldest order, from whichever process gives it."""
        while True:
            assert worker.process is not None
            try:
                kind, message = worker.process.receive()
            except Lost as lost:
                self._replace(worker, lost)
                continue
            if kind != b"e":
                break
            if not message["ours"]:
                self._replace(worker, Lost(f"ended with {message['error']}"))
            elif found := _LOADING.match(message["problem"]):
                # It loads with one seed and not with another.
                self._replace(worker, Lost(f"ended with {message['problem']}", found[1]))
            else:
                raise told_error(message["kind"], message["problem"], message["remedy"])
        order = worker.pending.popleft()
        if kind == b"f":
            worker.faults = Counter(message)
        elif kind == b"w":
            worker.screens = message
        elif kind == b"!":
            for result in map(EpisodeResult.from_json, message):
                self._done.add(result.index)
                self._results.append(result)
        if order.kind == "s":
            if order.group not in worker.ready:
                self._cut(worker.parts[order.group][1])
            else:
                worker.fruitless = 0
        elif order.kind in "pv":
            worker.fruitless = 0
        if order.kind not in "fw":
            worker.ready.add(order.group)

    def _cut(self, games: slice) -> None:
        """A step was lost, and new episodes have begun in its place."""
        arrays = self.arrays
        arrays.reward[games] = 0
        arrays.cause[games] = EndCause.CUT
        for name, array in arrays.last.items():
            array[games] = self._before[name][games]

    def _replace(self, worker: _Worker, lost: Lost) -> None:
        """Start a process in place of one that is lost, and give it the orders that are due.

        Raises:
            TrainingError: this has happened too often.
        """
        assert worker.process is not None
        worker.process.kill()
        place, culprit = self._place(worker)
        told = f"worker {worker.number} {lost.words} ({place})"
        played = any(self.arrays.where[part, 2] > 1 for part, _ in worker.parts)
        by_program = bool(lost.program) and (culprit is not None or self._spec.play is None)
        worker.fruitless = 0 if played or by_program else worker.fruitless + 1
        why = "It may have run out of memory: try fewer games, or see what `maestromotif check` says of the environment"
        remedy = f"{why}. The last checkpoint is kept, so the same command goes on from there"
        if worker.fruitless >= _FRUITLESS:
            raise TrainingError(f"{told}, {_FRUITLESS} times running before it had finished a step", remedy)
        if lost.unborn:
            raise TrainingError(f"{told}, and had been at work all the time", remedy)
        if self.restarts - self._program_losses.total() >= self._most_restarts and not by_program:
            raise TrainingError(f"{told}, after {self.restarts} restarts of workers", remedy)
        if culprit is not None:
            self._blame(culprit, lost.words)
        orders = [self._again(worker, order) for order in worker.pending]
        self._lost_faults += worker.faults
        worker.faults = Counter()
        self.restarts += 1
        if by_program:
            self._count_program(lost)
        worker.process.close()
        self._start(worker)
        worker.pending.clear()
        for order in orders:
            worker.order(order)
        following = "episodes begin again" if self._spec.play else "games begin their next episodes"
        _log.warning("%s; it was started again, and its %s", told, following)

    def _count_program(self, lost: Lost) -> None:
        """A fault of a program, and the end of that program in this training if there are too many of them."""
        self._lost_faults[lost.words] += 1
        self._program_losses[lost.program] += 1
        if self._program_losses[lost.program] != _PROGRAM_LOSSES or self._spec.play is not None:
            return
        skills = lost.program == _SKILL_FILE
        sources = self._spec.sources
        sources = replace(sources, skill_program=None) if skills else replace(sources, policy="")
        self._spec = replace(self._spec, sources=sources)
        instead = "skills start anywhere and end by their max_steps" if skills else "skills are chosen at random"
        told = f"{lost.program} is set aside in workers that start from now on, for it has ended {_PROGRAM_LOSSES} of them: {instead}"
        _log.error(told)
        self._lost_faults[told] += 1

    def _again(self, worker: _Worker, order: _Order) -> _Order:
        """The order that is due in place of one that was lost."""
        if order.kind in "yn":
            return _Order("r", order.group)
        if order.kind != "p":
            return order
        assert self._acting is not None
        number, first = order.data[0], int.from_bytes(order.data[1:], "little")
        part, games = worker.parts[0]
        begun = int(self.arrays.where[part, 2])
        acting = self._acting.arrays.part(games)
        acting.memory[...] = 0
        acting.keep[...] = 0
        if begun:
            cut_rollout(acting.rollouts[number], first + begun - 1)
        return _rollout_order(number, first + begun)

    def _place(self, worker: _Worker) -> tuple[str, int | None]:
        """What a worker was doing, in words, and the index of the episode that it was playing, if that is known."""
        for part, games in worker.parts:
            doing, place, _ = self.arrays.where[part].tolist()
            if doing == Where.WAITING:
                continue
            words = Where(doing).words
            if not 0 <= place < games.stop - games.start:
                return words, None
            game = games.start + place
            episode = int(self.arrays.episode[game])
            number = self._spec.first_game + game
            seed = episode_seed(self._spec.seed, episode) if self._spec.play else episode_seed(self._spec.seed, number, episode)
            return f"{words}, game {number}, episode {episode}, seed {seed}", episode
        return (Where.WAITING.words if worker.ready else "while it started"), None

    def _blame(self, index: int, how: str) -> None:
        """An episode of an evaluation that takes its process with it twice is not played a third time."""
        play = self._spec.play
        if play is None or index < 0 or index in self._done:
            return
        self._blamed[index] += 1
        if self._blamed[index] < 2:
            return
        seed = episode_seed(self._spec.seed, index)
        problem = f"episode {index} (seed {seed}) was given up: its worker {how}, twice"
        _log.error("%s; it counts as a failure", problem)
        criteria = self._domain.tasks[play.task].criteria if play.task else {}
        self._done.add(index)
        self._results.append(EpisodeResult.given_up(index, seed, criteria, problem))

    def close(self) -> None:
        for worker in self._workers:
            if worker.process is not None:
                worker.process.close()
        self._workers = []
        with contextlib.suppress(OSError):
            self._buffer.close()


def make_games(
    spec: GamesSpec,
    domain: Domain,
    num_groups: int,
    workers: int,
    acting: Acting | None = None,
    patience: float = _PATIENCE,
    restarts: int = _RESTARTS,
) -> Games:
    """Games in this process (``workers`` 0) or in workers, which also act if ``acting`` says so; for the rest see ``ParallelGames``."""
    if not workers:
        return SerialGames(spec, domain, num_groups, patience)
    if acting is None or not acting.by_workers:
        return ParallelGames(spec, domain, num_groups, workers, None, patience, restarts)
    # Nobody waits for the network, so there is nothing to interleave.
    return ParallelGames(spec, domain, 1, workers, acting, patience, restarts)


def _rollout_order(number: int, first: int) -> _Order:
    """To play the steps of a rollout from ``first`` on into a set."""
    return _Order("p", 0, bytes([number]) + first.to_bytes(4, "little"))


def _inside(games: Sequence[int], rows: slice) -> list[int]:
    """Those of some games that lie in a part, counted within it."""
    return [game - rows.start for game in games if rows.start <= game < rows.stop]


def _shift(games: slice, by: int) -> slice:
    return slice(games.start + by, games.stop + by)
