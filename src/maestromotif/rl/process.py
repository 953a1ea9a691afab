"""One worker process, seen from the trainer: how it is started, spoken to, listened to, and how its end is told."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from maestromotif.programs.sandbox import scrubbed_environment

__all__ = ["Lost", "WorkerProcess"]

# Until its first answer a worker may be compiling.
_START = 300.0
_LOOK = 0.2  # seconds between two looks at a silent worker's progress


class Lost(Exception):
    """A worker died or hangs; the argument says how, as the end of a sentence about it."""


class WorkerProcess:
    """A fresh interpreter that runs ``maestromotif.rl.worker``, without the secrets of this process's environment.

    Args:
        arguments: descriptors and sizes that it gets on its command line after that of its line.
        task: what it reads first, as JSON.
        shared: descriptors that it inherits.
        patience: seconds without an answer or progress after which it counts as hanging; longer before its first answer.
        progress: something that differs from one call to the next while it makes progress.
    """

    def __init__(
        self, arguments: Sequence[int], task: Mapping[str, Any], shared: Sequence[int], patience: float, progress: Callable[[], object]
    ) -> None:
        self._patience, self._progress, self._answered = patience, progress, False
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process lives
        # Games may need files of their own; nowhere else can the process write.
        self._folder = tempfile.TemporaryDirectory(prefix="maestromotif-worker-", ignore_cleanup_errors=True)
        self._socket, far = socket.socketpair()
        with far:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "maestromotif.rl.worker", str(far.fileno()), *map(str, arguments)],
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
        self._socket.settimeout(_START)
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
        patience = self._patience if self._answered else max(self._patience, _START)
        self._socket.settimeout(min(_LOOK, patience))
        seen, deadline = self._progress(), time.monotonic() + patience
        while True:
            try:
                answer = self._socket.recv(1)
            except TimeoutError:
                now = self._progress()
                if now != seen:
                    seen, deadline = now, time.monotonic() + patience
                elif time.monotonic() > deadline:
                    raise Lost(f"has not answered for {patience:.0f} s{self._last_words(self._stop())}") from None
                continue
            except OSError:
                answer = b""
            if not answer:
                raise Lost(self._death())
            return answer

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                more = self._socket.recv(count - len(data))
            except OSError:
                more = b""
            if not more:
                raise Lost(self._death())
            data += more
        return data

    def _death(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return f"closed its line{self._last_words(self._stop())}"
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return how + self._last_words(self._said())

    def _stop(self) -> str:
        """Let a process that hangs say where (see ``faulthandler``), and kill it; what it said."""
        self._process.send_signal(signal.SIGABRT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
        self.kill()
        return self._said()

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-8000:].decode(errors="replace").strip()

    @staticmethod
    def _last_words(said: str) -> str:
        """Where a dump of the stack says that the process was; else the last line."""
        _, found, dump = said.rpartition("(most recent call first):")
        lines = (dump if found else said).strip().splitlines()
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
    """Without secrets, with one thread for each library, and with this process's import path."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {**scrubbed_environment(), **one, "PYTHONPATH": path}
