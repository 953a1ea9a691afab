"""What a worker process runs: games, and nothing else. Started by ``maestromotif.rl.process``; not for people.

Other processes that play games beside programs begin, speak and are confined in the same way.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from maestromotif.domains.contract import Domain
from maestromotif.errors import MaestroError
from maestromotif.programs.confine import address_space, confine_or_refuse
from maestromotif.rl.acting import ActingArrays, ActingSpec, Actor, Collector
from maestromotif.rl.actions import action_kind, kind_of
from maestromotif.rl.actors import make_actor
from maestromotif.rl.arrays import SharedBuffer, StepArrays
from maestromotif.rl.build import GamesSpec, build_part, load_part_domain
from maestromotif.rl.driving import EpisodeDriver, Mind
from maestromotif.rl.episodes import EpisodeResult
from maestromotif.rl.games import SkillGames
from maestromotif.rl.resume import Played

__all__ = ["RareGarbage", "Server", "confine_player", "exactly", "main", "serve_line", "tell", "warm_up"]

_MORE_MEMORY = 4 * 2**30  # bytes that a worker may use beyond what its games and its network need


class Server(Protocol):
    """Obeys the orders that come on a line."""

    def serve(self) -> None:
        """Until the other end of the line is closed."""
        ...


def main(arguments: list[str]) -> None:
    """Play games for a trainer."""
    serve_line(arguments, _Worker)


def serve_line(arguments: list[str], make: Callable[[socket.socket, SharedBuffer, Mapping[str, Any]], Server]) -> None:
    """Serve until the other end of the line is closed, which also happens when the trainer is killed.

    Args:
        arguments: descriptors of the line and of shared memory, and the size of that.
        make: gets the line, the memory and the task, which is what comes first on the line.
    """
    # A crash, or the signal that the trainer sends to a worker which hangs, leaves the place in the program behind; so does the
    # question where it is.
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=False)
    line_fd, memory_fd, size = (int(argument) for argument in arguments)
    with socket.socket(fileno=line_fd) as line:
        try:
            task = _read_task(line)
            if task is not None:
                make(line, SharedBuffer(size, memory_fd), task).serve()
        except (BrokenPipeError, ConnectionResetError):
            return
        except Exception as error:
            # Whatever went wrong is told to the trainer, which knows what to do about it.
            tell(line, b"e", _describe(error))


class RareGarbage:
    """Collects cyclic garbage between two orders, once in many, instead of in the middle of them and often.

    What exists at the beginning is never looked at again. What was made since the last collection is looked at each time; everything
    else only as often as costs ``_SHARE`` of the time, since what a worker has learned of the game grows and is no garbage.
    """

    _SHARE = 0.003

    def __init__(self, every: int) -> None:
        self._every, self._left = every, every
        gc.collect()
        gc.freeze()
        gc.disable()
        self._next = 0.0

    def __call__(self) -> None:
        self._left -= 1
        if self._left:
            return
        self._left = self._every
        began = time.monotonic()
        if began < self._next:
            gc.collect(1)
        else:
            gc.collect()
            ended = time.monotonic()
            self._next = ended + (ended - began) / self._SHARE


class _Worker:
    """The games of one worker. A group is made and begun by its first order, whichever that is."""

    def __init__(self, line: socket.socket, buffer: SharedBuffer, task: Mapping[str, Any]) -> None:
        self._line, self._task = line, task
        self._spec = GamesSpec.from_json(json.dumps(task["spec"]))
        self._domain = load_part_domain(self._spec)
        self._arrays = StepArrays.over(
            buffer.memory, self._domain.observation_for(self._spec.observation), self._spec.num_games, len(self._spec.skills), task["parts"]
        )
        self._results: list[EpisodeResult] = []
        self._groups: dict[int, SkillGames] = {}
        self._collector: Collector | None = None
        self._driver: EpisodeDriver | None = None
        warm_up(self._domain)
        self._envs = [self._domain.make_env(len(range(*mine["games"]))) for mine in task["mine"]]
        self._actor: Actor | None = None
        self._views: ActingArrays | None = None
        if "acting" in task:
            self._actor, self._views = self._make_actor()
        # From here on there may be generated code in this process.
        confine_player(self._domain, [Path(self._spec.rewards)] if self._spec.rewards else [])
        # An order is one step of some games, or a whole rollout of them where the network acts here; in an evaluation it may be either.
        self._every = 64 if self._spec.play else 8 if "acting" in task else 500

    def serve(self) -> None:
        garbage: RareGarbage | None = None
        try:
            while header := exactly(self._line, 6):
                kind, group = chr(header[0]), header[1] - ord("0")
                data = exactly(self._line, int.from_bytes(header[2:], "little")) or b""
                if kind == "f":
                    tell(self._line, b"f", sum((games.faults() for games in self._groups.values()), Counter()))
                    continue
                if kind == "w":
                    tell(self._line, b"w", self._groups[group].screens(data[0]) if group in self._groups else [])
                    continue
                self._obey(kind, group, data)
                if self._results:
                    tell(self._line, b"!", [result.to_json() for result in self._results])
                    self._results.clear()
                else:
                    self._line.sendall(b".")
                if garbage is not None:
                    garbage()
                elif len(self._groups) == len(self._task["mine"]):
                    garbage = RareGarbage(self._every)
        finally:
            for group, env in enumerate(self._envs):
                self._groups[group].close() if group in self._groups else env.close()

    def _obey(self, kind: str, group: int, data: bytes) -> None:
        begun = group in self._groups
        if not begun:
            self._groups[group] = self._build(group)
        games = self._groups[group]
        if kind == "y":
            low, high = self._task["mine"][group]["games"]
            played = Played.from_bytes(data, high - low, len(self._spec.skills), kind_of(self._arrays.action))
            games.replay(played.lengths.tolist(), played.actions, played.given)
            return
        if not begun or kind == "r":
            games.reset()
        if kind == "p":
            if self._collector is None:
                self._collector = self._make_collector(games)
            self._collector.collect(data[0], int.from_bytes(data[1:], "little"))
        elif kind == "v":
            if self._driver is None:
                self._driver = self._make_driver(games)
            self._driver.play(int.from_bytes(data, "little"))
        elif kind == "n" and begun:
            games.renew(json.loads(data))
        elif kind == "s" and begun:
            games.step()

    def _build(self, group: int) -> SkillGames:
        mine = self._task["mine"][group]
        games = slice(*mine["games"])
        return build_part(
            self._spec,
            self._domain,
            self._arrays.part(mine["part"], games),
            range(games.start, games.stop),
            mine["episodes"],
            self._results.append,
            self._envs[group],
        )

    def _make_actor(self) -> tuple[Actor, ActingArrays]:
        """The network acts here: with memory and weights that are shared with the trainer. It has acted once, and so is compiled."""
        acting, observed = self._task["acting"], self._domain.observation_for(self._spec.observation)
        described = ActingSpec(**acting["spec"])
        buffer = SharedBuffer(acting["size"], acting["fd"])
        layout = described.layout(observed, self._spec.num_games)
        views = ActingArrays.over(buffer.memory, layout).part(slice(*self._task["mine"][0]["games"]))
        actor = make_actor(observed, described.skills, described.network, views.weights, bfloat16=described.bfloat16)
        count = len(views.keep)
        nothing = {name: np.zeros((count, *shape), dtype) for name, (shape, dtype) in observed.layout().items()}
        skill, floats = np.zeros(count, np.int64), [np.zeros(count, np.float32) for _ in range(2)]
        # The chances of a step are a column, as later: code is compiled for the layout of arrays, too.
        shape, dtype = observed.action
        chance = np.zeros((count, 2, *shape), np.float32)[:, 0]
        actor.act(nothing, skill, np.zeros_like(views.memory), chance, np.zeros((count, *shape), dtype), *floats)
        return actor, views

    def _make_collector(self, part: SkillGames) -> Collector:
        assert self._actor is not None
        assert self._views is not None
        mine, described = self._task["mine"][0], ActingSpec(**self._task["acting"]["spec"])
        return Collector(_Here(part, self._arrays.part(mine["part"], slice(*mine["games"]))), self._actor, self._views, described)

    def _make_driver(self, part: SkillGames) -> EpisodeDriver:
        mine = self._task["mine"][0]
        mind = None
        if self._actor is not None and self._views is not None:
            described = ActingSpec(**self._task["acting"]["spec"])
            mind = Mind(self._actor, self._views.memory, described.skills, described.network["reset_memory"])
        skills = [skill.id for skill in self._spec.skills]
        return EpisodeDriver(part.step, self._arrays.part(mine["part"], slice(*mine["games"])), self._spec.seed, skills, mind)


def confine_player(domain: Domain, read: Sequence[Path] = (), write: Sequence[Path] = ()) -> None:
    """Take from this process all that games and their programs have no business with; see ``programs.confine``.

    Args:
        read, write: what may be read, and written, besides.
    """
    readable, writable = domain.folders
    _compile_for_itself()
    confine_or_refuse([Path(tempfile.gettempdir()), *writable, *write], [*readable, *read], address_space() + _MORE_MEMORY)


def _compile_for_itself() -> None:
    """What numba compiles from now on it cannot keep in files, which it takes for an error."""
    caching: Any = sys.modules.get("numba.core.caching")
    if caching is None:
        return
    save = caching.Cache.save_overload

    def attempt(self: object, signature: object, code: object) -> None:
        with contextlib.suppress(OSError):
            save(self, signature, code)

    caching.Cache.save_overload = attempt


def warm_up(domain: Domain) -> None:
    """Play one step, so that what is imported and compiled late is, while files may still be read and compiled code kept."""
    env = domain.make_env(1)
    try:
        env.reset([0], [0])
        env.step(action_kind(domain.observation_spec).something(env.observation))
        for look in (env.facts, env.reward_key, env.discount_key, env.reward_input, env.caption):
            look(0)
    finally:
        env.close()


class _Here:
    """The games of one part as ``Collector`` wants them."""

    def __init__(self, part: SkillGames, arrays: StepArrays) -> None:
        self.arrays, self.groups, self._part = arrays, [slice(0, len(arrays.action))], part

    def send(self, group: int) -> None:
        self._part.step()

    def wait(self, group: int) -> None:
        return None


def _read_task(line: socket.socket) -> dict[str, Any] | None:
    header = b""
    while not header.endswith(b"\n"):
        more = line.recv(1)
        if not more:
            return None
        header += more
    data = exactly(line, int(header))
    task: dict[str, Any] | None = json.loads(data) if data else None
    return task


def exactly(line: socket.socket, count: int) -> bytes:
    """So many bytes; none where the line was closed."""
    data = b""
    while len(data) < count:
        more = line.recv(min(count - len(data), 1 << 20))
        if not more:
            return b""
        data += more
    return data


def tell(line: socket.socket, kind: bytes, message: Any) -> None:
    data = json.dumps(message).encode()
    line.sendall(kind + len(data).to_bytes(4, "little") + data)


def _describe(error: Exception) -> dict[str, Any]:
    if isinstance(error, MaestroError):
        return {"ours": True, "kind": type(error).__name__, "problem": error.problem, "remedy": error.remedy}
    place = traceback.extract_tb(error.__traceback__)[-1]
    return {"ours": False, "error": f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno})"}


if __name__ == "__main__":
    main(sys.argv[1:])
