"""A stage in a process of its own that holds no keys, and the line protocol between the two.

Generated code must never run beside secrets, and torch need not be loaded by the process that draws the progress. The child
gets one JSON line on its standard input and answers with JSON lines; when the input closes, because the parent died in
whatever way, the child and its workers die at once, so nobody writes into a project that nobody watches.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from maestromotif.domains.patience import STUCK, stuck
from maestromotif.errors import ProjectError, told_error
from maestromotif.programs.sandbox import scrubbed_environment
from maestromotif.project import Project
from maestromotif.stages.stage import Progress, Stage

__all__ = ["INTERRUPTED", "run_apart"]

INTERRUPTED = 130


def run_apart(
    stage: Stage, project: Project, out: Path, progress: Progress, warn: Callable[[str], None], lock: int | None = None
) -> Mapping[str, Any]:
    """Run a stage's work in a child process.

    Args:
        lock: descriptor of the project's lock; the child keeps it open for as long as it lives.

    Returns:
        What the stage has to tell for its card.

    Raises:
        MaestroError: as raised in the child.
        KeyboardInterrupt: Ctrl-C; the child has saved its work.
        ProjectError: the child was killed from outside, for example because memory ran out.
        RuntimeError: a bug in the child, with its traceback.
    """
    order = {
        "stage": stage.id,
        "options": dict(stage.options),
        "root": str(project.root.absolute()),
        "out": str(out.absolute()),
        "config": project.config.model_dump(mode="json"),
        "skills": [asdict(skill) for skill in project.skills],
    }
    # -P keeps files of the current folder from being imported in place of packages.
    command = [sys.executable, "-P", "-m", "maestromotif.stages.child"]
    with tempfile.TemporaryFile() as complaints:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=scrubbed_environment(),
            start_new_session=True,  # Ctrl-C reaches the parent alone, which passes it on once
            pass_fds=() if lock is None else (lock,),
        )
        try:
            result = _converse(child, order, progress, warn)
        finally:
            _end(child)
        return _outcome(child.returncode, result, complaints, stage.id)


def _converse(child: subprocess.Popen[bytes], order: Mapping[str, Any], progress: Progress, warn: Callable[[str], None]) -> dict[str, Any]:
    """Send the order and follow the child's lines; returns its last word."""
    assert child.stdin is not None
    assert child.stdout is not None
    result: dict[str, Any] = {}
    asked_to_stop = False
    try:
        child.stdin.write(json.dumps(order).encode() + b"\n")
        child.stdin.flush()
    except BrokenPipeError:
        return result
    while True:
        try:
            line = child.stdout.readline()
        except KeyboardInterrupt:
            if asked_to_stop:
                raise
            asked_to_stop = True
            child.send_signal(signal.SIGINT)
            continue
        if not line:
            break
        message = json.loads(line)
        if "progress" in message:
            progress(*message["progress"])
        elif "warning" in message:
            warn(message["warning"])
        else:
            result = message
    if asked_to_stop:
        child.wait()
        raise KeyboardInterrupt
    return result


def _end(child: subprocess.Popen[bytes]) -> None:
    """Close the lifeline and wait; a child that does not go is killed with its workers."""
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            stream.close()
    try:
        child.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _outcome(code: int, result: Mapping[str, Any], complaints: IO[bytes], stage_id: str) -> Mapping[str, Any]:
    if "facts" in result:
        facts: Mapping[str, Any] = result["facts"]
        return facts
    if "error" in result:
        raise told_error(*result["error"])
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code in (-signal.SIGKILL, -signal.SIGTERM):
        raise ProjectError(
            f"the process of the stage {stage_id} was ended from outside (signal {-code})",
            "If memory ran out, lower the number of games or workers in maestro.toml; run again to go on",
        )
    complaints.seek(0)
    said = complaints.read().decode(errors="replace")
    if code == -STUCK:
        raise stuck(said)
    raise RuntimeError(f"the process of the stage {stage_id} failed (exit code {code}):\n{said}")
