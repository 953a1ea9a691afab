"""One worker process, seen from the trainer: how it is started, spoken to, listened to, and how its end is told."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from maestromotif.programs.sandbox import bare_environment

__all__ = ["START", "Lost", "WorkerProcess"]

# Until its first answer a worker may be compiling: it has so many seconds, as long as it works (used a processor in the last of them).
START = 300.0
_LEAST_START, _WORKED = 10.0, 0.1
_LOOK = 0.2  # seconds between two looks at a silent worker's progress
# Processor seconds without progress after which a worker is asked whether a generated program has them. Fuel lets a step's programs
# have some hundredths of one, so whoever takes longer is in an operation that fuel does not see.
_PROGRAM_SECONDS = 1.0
_ANSWER_SECONDS = 0.5
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


class Lost(Exception):
    """A worker died or hangs.

    Attributes:
        how: as the end of a sentence about the worker.
        program: file of the generated program that did it; "" where none did, or where that is not known.
        line: of that program.
        unborn: it has worked for ``START`` seconds without a first answer, so that another one would do the same.
    """

    def __init__(self, how: str, program: str = "", line: int = 0, unborn: bool = False) -> None:
        super().__init__(how)
        self.how, self.program, self.line, self.unborn = how, program, line, unborn

    @property
    def words(self) -> str:
        """How, and at which line of a program where it was one."""
        return f"{self.how.partition(';')[0]} in {self.program}, line {self.line}" if self.line else self.how


class WorkerProcess:
    """A fresh interpreter that runs ``maestromotif.rl.worker``, or a module like it, with next to nothing of this process's environment.

    Args:
        arguments: descriptors and sizes that it gets on its command line after that of its line.
        task: what it reads first, as JSON.
        shared: descriptors that it inherits.
        patience: seconds without an answer or progress after which it counts as hanging; longer before its first answer, while it works.
        progress: something that differs from one call to the next while it makes progress, and from its first value as soon as there
            is any.
        programs: file names of the generated programs that may run there.
        module: what it runs.
    """

    def __init__(
        self,
        arguments: Sequence[int],
        task: Mapping[str, Any],
        shared: Sequence[int],
        patience: float,
        progress: Callable[[], object],
        programs: Collection[str] = (),
        module: str = "maestromotif.rl.worker",
    ) -> None:
        self._patience, self._progress, self._answered = patience, progress, False
        self._idle, self._programs = progress(), frozenset(programs)
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process lives
        # Games may need files of their own; nowhere else can the process write.
        self._folder = tempfile.TemporaryDirectory(prefix="maestromotif-worker-", ignore_cleanup_errors=True)
        self._socket, far = socket.socketpair()
        with far:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, str(far.fileno()), *map(str, arguments)],
                env={**_environment(), "TMPDIR": self._folder.name},
                pass_fds=(far.fileno(), *shared),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                # Ctrl-C in a terminal reaches the trainer alone, which then closes its workers in good order.
                start_new_session=True,
            )
        text = json.dumps(task).encode()
        self.send(b"%d\n" % len(text) + text)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, data: bytes) -> None:
        """Send an order. That the process is dead shows when its answer is awaited."""
        self._socket.settimeout(START)
        with contextlib.suppress(OSError):
            self._socket.sendall(data)

    def receive(self) -> tuple[bytes, Any]:
        """Wait for the answer to the oldest order: its kind, and its message where it has one.

        Raises:
            Lost: there will be none.
        """
        kind = self._wait()
        self._answered = True
        if kind == b".":
            return kind, None
        self._socket.settimeout(self._patience)
        length = int.from_bytes(self._exactly(4), "little")
        return kind, json.loads(self._exactly(length))

    def _wait(self) -> bytes:
        patience = self._patience if self._answered else max(self._patience, _LEAST_START)
        self._socket.settimeout(min(_LOOK, patience))
        seen, waited, deadline, used = self._progress(), patience, time.monotonic() + patience, self._used()
        worked = used
        while True:
            try:
                answer = self._socket.recv(1)
            except TimeoutError:
                now = self._progress()
                if now != seen:
                    seen, waited, deadline, used = now, patience, time.monotonic() + patience, self._used()
                    worked = used
                    continue
                # Before there is any progress, it may not know yet how to tell.
                if now != self._idle and self._used() - used > _PROGRAM_SECONDS:
                    self._ask()
                    used = self._used()
                if time.monotonic() > deadline:
                    if self._answered or waited > START or self._used() - worked < _WORKED:
                        unborn = not self._answered and waited > START
                        raise self._lost(f"has not answered for {waited:.0f} s", self._stop(), unborn) from None
                    waited, deadline, worked = waited + patience, time.monotonic() + patience, self._used()
                continue
            except OSError:
                answer = b""
            if not answer:
                raise self._death()
            return answer

    def _used(self) -> float:
        """Seconds of a processor that the process has had; where the system does not tell, those of a clock."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, IndexError):
            return time.monotonic()

    def _ask(self) -> None:
        """Have the process tell where it is, which works within one operation of compiled code too.

        Raises:
            Lost: it is in a program; it has been killed.
        """
        before = len(self._said())
        self._process.send_signal(signal.SIGUSR1)
        deadline, said = time.monotonic() + _ANSWER_SECONDS, ""
        while time.monotonic() < deadline:
            time.sleep(0.02)
            more = self._said()[before:]
            if more and more == said:
                break
            said = more
        program, line = self._culprit(said)
        if program:
            self.kill()
            raise Lost("hung", program, line)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                more = self._socket.recv(count - len(data))
            except OSError:
                more = b""
            if not more:
                raise self._death()
            data += more
        return data

    def _death(self) -> Lost:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return self._lost("closed its line", self._stop())
        return self._lost(f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}", self._said())

    def _lost(self, how: str, said: str, unborn: bool = False) -> Lost:
        return Lost(how + self._last_words(said), *self._culprit(said), unborn)

    def _culprit(self, said: str) -> tuple[str, int]:
        """The program's file and line in the last stack that was told, if there is one in it."""
        for match in _FRAME.finditer(said.rpartition("(most recent call")[2]):
            if match[1] in self._programs:
                return match[1], int(match[2])
        return "", 0

    def _stop(self) -> str:
        """Let a process that hangs say where (see ``faulthandler``), and kill it; what it said."""
        self._process.send_signal(signal.SIGABRT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
        self.kill()
        return self._said()

    def _said(self) -> str:
        # The file's place is the process's own, too.
        size = os.fstat(self._errors.fileno()).st_size
        return os.pread(self._errors.fileno(), size, 0).decode(errors="replace")

    @staticmethod
    def _last_words(said: str) -> str:
        """Where a dump of the stack says that the process was; else the last line."""
        _, found, dump = said.rpartition("(most recent call first):")
        lines = (dump if found else said[-8000:]).strip().splitlines()
        if not lines:
            return ""
        return f"; its last words: {(lines[0] if found else lines[-1]).strip()}"

    def kill(self) -> None:
        """End the process and whatever it has started, at once."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def close(self) -> None:
        """End the process: first by closing the line, then by force."""
        self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=3)
        self.kill()
        self._errors.close()
        self._folder.cleanup()


def _environment() -> dict[str, str]:
    """Next to nothing: one thread for each library, and this process's import path."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {**bare_environment(), **one, "PYTHONPATH": path}
