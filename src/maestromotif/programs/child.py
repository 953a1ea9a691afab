"""A throw-away process in which untrusted programs are tried: no keys, a folder of its own, a deadline that kills it."""

from __future__ import annotations

import json
import re
import subprocess  # the child runs this package with the same interpreter
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from maestromotif.programs.sandbox import bare_environment

__all__ = ["run_job"]

_STARTUP_SECONDS = 60.0  # imports of the domain, not counted as the program's time
_ENTRY = "import importlib, sys; sys.path.insert(0, sys.argv[1]); importlib.import_module(sys.argv[2]).main()"


def run_job(module: str, job: Mapping[str, Any], seconds: float, what: str, files: Collection[str]) -> dict[str, Any]:
    """Run ``module.main()`` in a child that reads the job from its standard input and writes its outcome to standard output, both JSON.

    Args:
        seconds: longest time for the work itself; the child is told by the job, and killed some time later.
        what: is to be done, for the message when time runs out: ``did not <what> within ... s``.
        files: names of the programs; the innermost line among them is named when the child ends badly.

    Returns:
        The outcome; ``{"problem": text}`` where there is none.
    """
    root = str(Path(__file__).resolve().parents[2])
    late = f"did not {what} within {seconds:g} s"
    # As -I does, nothing is taken from the folder, the user's packages or Python's variables, but for one: how texts hash.
    environment = bare_environment()
    with tempfile.TemporaryDirectory(prefix="maestromotif-trial-") as folder:
        try:
            child = subprocess.run(
                [sys.executable, "-P", "-s", "-c", _ENTRY, root, module],
                input=json.dumps(job).encode(),
                capture_output=True,
                timeout=seconds + _STARTUP_SECONDS,
                env=environment,
                cwd=folder,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            return {"problem": _last_line((error.stderr or b"").decode(errors="replace"), files) + late}
    try:
        outcome: dict[str, Any] = json.loads(child.stdout)
    except ValueError:
        complaint = child.stderr.decode(errors="replace")
        last = late if child.returncode in (-9, -24) else (complaint.strip().splitlines() or ["no output"])[-1][:200]
        return {"problem": f"{_last_line(complaint, files)}its process died with code {child.returncode} ({last})"}
    return outcome


def _last_line(complaint: str, files: Collection[str]) -> str:
    """``file:line: `` of the program's innermost frame in a dumped stack, or nothing."""
    for match in re.finditer(r'File "([^"]+)", line (\d+)', complaint):
        if match[1] in files:
            return f"{match[1]}:{match[2]}: "
    return ""
