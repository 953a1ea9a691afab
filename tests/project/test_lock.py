"""One command at a time; a lock that a killed command left is taken over."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from maestromotif.errors import ProjectError
from maestromotif.stages.lock import LOCK_FILE, project_lock

_HOLD = """
import sys, time
from pathlib import Path
from maestromotif.stages.lock import project_lock
with project_lock(Path(sys.argv[1]), "maestromotif run there"):
    print("held", flush=True)
    time.sleep(60)
"""


def _holder(folder: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen([sys.executable, "-c", _HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_command_is_refused_and_told_who_works(tmp_path: Path) -> None:
    holder = _holder(tmp_path)
    try:
        with pytest.raises(ProjectError, match=rf"`maestromotif run there` \(process {holder.pid}\)"), project_lock(tmp_path, "mine"):
            pass
    finally:
        holder.kill()
        holder.wait()


def test_the_lock_of_a_killed_command_is_taken_over(tmp_path: Path) -> None:
    holder = _holder(tmp_path)
    holder.kill()
    holder.wait()
    assert (tmp_path / LOCK_FILE).exists()
    with project_lock(tmp_path, "mine"):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["command"] == "mine"
    assert not (tmp_path / LOCK_FILE).exists()


def test_a_lock_file_with_a_living_pid_but_no_holder_is_stale(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).write_text(json.dumps({"pid": 1, "command": "long ago"}))
    with project_lock(tmp_path, "mine", patience=0.1):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["command"] == "mine"


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="cannot be made"), project_lock(tmp_path / "missing", "mine"):
        pass
