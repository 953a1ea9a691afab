"""All games behind one interface, in this process or in workers over shared memory. Both give the same trajectories."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections import Counter
from typing import IO, Any

from maestromotif import errors
from maestromotif.domains.contract import Domain
from maestromotif.errors import MaestroError, TrainingError
from maestromotif.programs.sandbox import scrubbed_environment
from maestromotif.rl.arrays import SharedBuffer, StepArrays
from maestromotif.rl.build import GamesSpec, build_part, split
from maestromotif.rl.episodes import EpisodeResult
from maestromotif.rl.games import SkillGames

__all__ = ["Games", "ParallelGames", "SerialGames", "make_games"]

# A worker that says nothing for so long hangs (a step takes milliseconds; a slow start, with compilation, a minute or two).
_PATIENCE = 300.0


class Games(ABC):
    """``num_games`` games in ``groups``; the games of a group step together.

    The network's side writes ``arrays.action`` of a group, calls ``send``, and reads the rest of the arrays after ``wait``.
    """

    arrays: StepArrays
    groups: list[slice]

    def __init__(self, spec: GamesSpec, num_groups: int) -> None:
        self.num_games = spec.num_games
        self.groups = split(spec.num_games, num_groups)
        self._results: list[EpisodeResult] = []

    @abstractmethod
    def reset(self) -> None:
        """Begin; to be called once, before the first ``send``."""

    @abstractmethod
    def send(self, group: int) -> None:
        """Let the games of a group play their actions."""

    @abstractmethod
    def wait(self, group: int) -> None:
        """Return when they have.

        Raises:
            TrainingError: a worker died or hangs.
            MaestroError: whatever was raised in a worker.
        """

    @abstractmethod
    def faults(self) -> Counter[str]:
        """Faults of the programs so far, by kind."""

    def results(self) -> list[EpisodeResult]:
        """Episodes of an evaluation that ended since the last call."""
        results, self._results = self._results, []
        return results

    @abstractmethod
    def close(self) -> None: ...


class SerialGames(Games):
    """In this process. Slow and simple; the same objects as in the workers."""

    def __init__(self, spec: GamesSpec, domain: Domain, num_groups: int = 1) -> None:
        super().__init__(spec, num_groups)
        shape = (domain.observation_spec, spec.num_games, len(spec.skills), num_groups)
        self.arrays = StepArrays.over(bytearray(StepArrays.size(*shape)), *shape)
        self._parts: list[SkillGames] = [
            build_part(
                spec, domain, self.arrays.part(group, games), range(games.start, games.stop), (group, num_groups), self._results_append
            )
            for group, games in enumerate(self.groups)
        ]

    def _results_append(self, result: EpisodeResult) -> None:
        self._results.append(result)

    def reset(self) -> None:
        for part in self._parts:
            part.reset()

    def send(self, group: int) -> None:
        self._parts[group].step()

    def wait(self, group: int) -> None:
        return None

    def faults(self) -> Counter[str]:
        return sum((part.faults() for part in self._parts), Counter())

    def close(self) -> None:
        for part in self._parts:
            part.close()


class ParallelGames(Games):
    """In worker processes: fresh interpreters without torch and without the secrets of this process's environment."""

    def __init__(self, spec: GamesSpec, domain: Domain, num_groups: int = 1, workers: int = 2) -> None:
        super().__init__(spec, num_groups)
        # Every worker plays a share of every group; a worker without games would have nothing to do.
        workers = min(workers, min(group.stop - group.start for group in self.groups))
        shares = [[_shift(share, group.start) for share in split(group.stop - group.start, workers)] for group in self.groups]
        parts = num_groups * workers
        shape = (domain.observation_spec, spec.num_games, len(spec.skills), parts)
        self._buffer = SharedBuffer(StepArrays.size(*shape))
        self.arrays = StepArrays.over(self._buffer.memory, *shape)
        self._workers: list[_Worker] = []
        try:
            for number in range(workers):
                mine = [
                    {"part": group * workers + number, "games": [shares[group][number].start, shares[group][number].stop]}
                    for group in range(num_groups)
                ]
                self._workers.append(_Worker(number, spec, self._buffer, parts, mine))
        except BaseException:
            self.close()
            raise

    def reset(self) -> None:
        for worker in self._workers:
            worker.send(b"r")
        for worker in self._workers:
            self._results += worker.receive()

    def send(self, group: int) -> None:
        order = str(group).encode()
        for worker in self._workers:
            worker.send(order)

    def wait(self, group: int) -> None:
        for worker in self._workers:
            self._results += worker.receive()

    def faults(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for worker in self._workers:
            worker.send(b"f")
            worker.receive()
            total.update(worker.faults)
        return total

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        self._workers = []
        with contextlib.suppress(OSError):
            self._buffer.close()


def make_games(spec: GamesSpec, domain: Domain, num_groups: int, workers: int) -> Games:
    """Games in this process (``workers`` 0) or in workers."""
    return ParallelGames(spec, domain, num_groups, workers) if workers else SerialGames(spec, domain, num_groups)


def _shift(games: slice, by: int) -> slice:
    return slice(games.start + by, games.stop + by)


class _Worker:
    """The near end of one worker process: a socket that carries one byte for each batch of steps."""

    def __init__(self, number: int, spec: GamesSpec, buffer: SharedBuffer, parts: int, mine: list[dict[str, Any]]) -> None:
        self._number = number
        self.faults: dict[str, int] = {}
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process lives
        self._socket, far = socket.socketpair()
        self._socket.settimeout(_PATIENCE)
        command = [sys.executable, "-m", "maestromotif.rl.worker", str(far.fileno()), str(buffer.fd), str(buffer.size)]
        with far:
            self._process = subprocess.Popen(
                command,
                env=_environment(),
                pass_fds=(far.fileno(), buffer.fd),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                # Ctrl-C in a terminal reaches the trainer alone, which then closes its workers in good order.
                start_new_session=True,
            )
        task = json.dumps({"spec": json.loads(spec.to_json()), "parts": parts, "mine": mine}).encode()
        self.send(b"%d\n" % len(task) + task)

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self._dead() from error

    def receive(self) -> list[EpisodeResult]:
        """Wait for the answer to the oldest order; episodes that ended in it."""
        try:
            answer = self._socket.recv(1)
        except TimeoutError as error:
            raise TrainingError(
                f"worker {self._number} has not answered for {_PATIENCE:.0f} s",
                "A program or the environment may hang; the last checkpoint is kept, so the same command goes on from there",
            ) from error
        except OSError as error:
            raise self._dead() from error
        if answer == b".":
            return []
        if not answer:
            raise self._dead()
        message = json.loads(self._exactly(int.from_bytes(self._exactly(4), "little")))
        if answer == b"e":
            raise _remake(message)
        if answer == b"f":
            self.faults = message
            return []
        return [EpisodeResult.from_json(result) for result in message]

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            if not more:
                raise self._dead()
            data += more
        return data

    def _dead(self) -> TrainingError:
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(timeout=5)
        self._errors.seek(0)
        lines = self._errors.read()[-4000:].decode(errors="replace").strip().splitlines()
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        said = f"; its last words: {lines[-1]}" if lines else ""
        remedy = "It may have run out of memory: try fewer games. The last checkpoint is kept, so the same command goes on from there"
        return TrainingError(f"worker {self._number} {how}{said}", remedy)

    def close(self) -> None:
        """End the process: first by closing the line, then by force."""
        self._socket.close()
        try:
            self._process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


def _environment() -> dict[str, str]:
    """Without secrets, with one thread for each library, and with this process's import path."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {**scrubbed_environment(), **one, "PYTHONPATH": path}


def _remake(message: dict[str, str]) -> Exception:
    """An exception of a worker, as it was raised there if it is one of ours."""
    kind = getattr(errors, message["kind"], None)
    if isinstance(kind, type) and issubclass(kind, MaestroError):
        return kind(message["problem"], message["remedy"])
    return RuntimeError(f"in a worker: {message['traceback']}")
