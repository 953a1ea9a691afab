"""What a person sees: on a terminal, in a pipe, and while skills are trained."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from maestromotif.cli.display import PlainDisplay, duration
from maestromotif.cli.training import TrainingFeed, training_line, training_table
from maestromotif.stages.stage import Stage, Work

from .conftest import environment


def _stage(stage_id: str) -> Stage:
    def work(given: Work) -> dict[str, str]:
        return {}

    return Stage(stage_id, "does something", (), lambda project: {}, work)


def test_on_a_terminal(root: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "maestromotif", "collect", str(root)]
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs, env=environment(TERM="xterm", COLUMNS="100"))
    os.close(theirs)
    output = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        output += chunk
    os.close(ours)
    assert process.wait() == 0, output.decode()
    assert b"done in" in output
    assert b"plays the scripted explorer" in output


def test_plain_lines_come_at_intervals_with_the_time_left(tmp_path: Path) -> None:
    stream = io.StringIO()
    display = PlainDisplay(Console(file=stream, width=200), interval=0.0)
    display.started(_stage("collect"), tmp_path, "")
    display.progress(_stage("collect"), 0.25, "40 captions")
    display.warned(_stage("collect"), "look here")
    display.finished(_stage("collect"), 75.0)
    assert stream.getvalue().splitlines() == [
        "collect   does something",
        "collect    25 % · 40 captions",
        "collect   warning: look here",
        "collect   done in 1 min 15 s",
    ]


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0.4, 59, 61, 3_725)] == ["0 s", "59 s", "1 min 1 s", "1 h 2 min"]


def _line(steps: int, calls: int, success: float | None, reward: float | None) -> str:
    skills = {"dig": {"share": 0.5, "calls": calls, "return": reward, "success": success}}
    return json.dumps({"steps": steps, "skills": skills}) + "\n"


def test_rates_are_weighted_by_calls_and_torn_lines_wait(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    feed = TrainingFeed(tmp_path)
    assert feed.latest() == {}
    torn = _line(300, 6, 0.0, 0.0)
    path.write_text(_line(100, 1, 1.0, 2.0) + _line(200, 3, 0.0, 0.0) + torn[:20])
    assert feed.latest()["dig"] == {"share": 0.5, "calls": 4, "return": 0.5, "success": 0.25}
    with path.open("a") as stream:
        stream.write(torn[20:])
    assert feed.latest()["dig"]["calls"] == 10
    assert training_line(feed.latest()) == "dig 10 %"


def test_a_file_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    feed = TrainingFeed(tmp_path)
    path.write_text(_line(100, 5, 1.0, 1.0) * 3)
    assert feed.latest()["dig"]["calls"] == 15
    (tmp_path / "fresh").write_text(_line(50, 2, None, None))
    (tmp_path / "fresh").rename(path)
    assert feed.latest()["dig"] == {"share": 0.5, "calls": 2, "return": None, "success": None}
    assert training_line(feed.latest()) == ""


def test_the_table_has_a_row_for_each_skill(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(_line(100, 5, 0.5, 1.25))
    stream = io.StringIO()
    Console(file=stream, width=100).print(training_table(TrainingFeed(tmp_path).latest()))
    assert "dig" in stream.getvalue()
    assert "50 %" in stream.getvalue()
    assert "1.25" in stream.getvalue()
