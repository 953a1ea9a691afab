"""``maestromotif watch`` beside a real training: what it tells, that it ends with it, and that it changes nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from maestromotif.bench.log import EPISODES_FILE
from maestromotif.stages.lock import project_lock
from maestromotif.watch.follow import Follower
from maestromotif.watch.tail import Tail
from tests.cli.conftest import environment, maestromotif, one_error
from tests.feedback.test_human import Page
from tests.watch.conftest import steps, training, until


def test_a_training_under_way_is_told_and_left_alone(prepared: Path) -> None:
    with training(prepared):
        before = steps(prepared)
        first = maestromotif("watch", prepared, "--once")
        assert first.returncode == 0, first.stderr
        found = re.match(r"train: step ([\d,]+) of 2,000,000 \(\d+ %\), [\d,]+ steps/s, about .* left", first.stdout)
        assert found, first.stdout
        assert int(found[1].replace(",", "")) >= before
        assert all(skill in first.stdout for skill in ("go_left", "go_right", "return per call", "success"))
        # A training that is watched shows its games, and leaves nothing of that behind.
        follower = Follower(prepared)
        until(lambda: bool(follower.look().games))
        games = follower.look().games
        assert len(games) == 8
        assert {skill for game in games for skill in game.skills} <= {"go_left", "go_right"}
        assert {(len(game.skills), len(game.rewards)) for game in games} == {(32, 32)}
        follower.close()
        assert not list((prepared / "artifacts").glob(".*"))
        assert {path.name for path in prepared.iterdir()} == {"maestro.toml", "skills.toml", "artifacts", ".lock"}
    # Nothing runs any more: --once tells what is there, without it there is nothing to wait for.
    last = maestromotif("watch", prepared, "--once")
    assert last.stdout.startswith("nothing is at work: step "), last.stdout
    assert "no command is at work" in one_error(maestromotif("watch", prepared))


def test_it_ends_with_the_command_and_when_it_is_told_to(prepared: Path) -> None:
    watching = [sys.executable, "-m", "maestromotif", "watch", str(prepared)]
    with training(prepared) as command:
        watchers = [subprocess.Popen(watching, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) for _ in range(2)]
        heads = [watcher.stdout.readline().decode() for watcher in watchers if watcher.stdout]
        assert all(line.startswith("train: step ") and "go_left" in line for line in heads), heads
        watchers[0].send_signal(signal.SIGINT)
        assert b"the command goes on" in watchers[0].communicate(timeout=20)[0]
        assert command.poll() is None
    out, errors = watchers[1].communicate(timeout=30)
    assert (watchers[1].returncode, errors) == (0, b"")
    assert out.decode().splitlines()[-1].startswith("nothing is at work: step ")


def test_the_page_is_for_those_who_know_it_and_cannot_be_written_to(prepared: Path) -> None:
    with training(prepared):
        command = [sys.executable, "-m", "maestromotif", "watch", str(prepared), "--web"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as watcher:
            assert watcher.stdout is not None
            found = re.search(r"http://\S+", watcher.stdout.readline().decode())
            assert found
            page = Page(found[0])
            status, content, headers = page.ask("")
            assert status == 200
            assert "connect-src 'self'" in content.decode()
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert headers["Cache-Control"] == "no-store"
            first = page.state()
            assert "go_left" in first["html"]
            assert not first["over"]
            port = page.host.rpartition(":")[2]
            assert page.ask("state", host=f"localhost:{port}")[0] == 200
            assert page.ask("", token="x" * len(page.token))[0] == 403
            assert page.ask("state", token="")[0] == 403
            assert page.ask("state", host="evil.example")[0] == 403
            assert page.ask("state", origin="http://evil.example")[0] == 403
            assert page.ask("state", {"steps": 1})[0] == 405
            assert page.ask("state", {"steps": 1}, token="x")[0] == 403
            assert page.ask("metrics.jsonl")[0] == 404
            # What has not changed is not sent again; a training goes on, so that it changes.
            until(lambda: json.loads(page.ask(f"state?seen={first['seen']}")[1])["html"] is not None)
            watcher.send_signal(signal.SIGTERM)
            assert watcher.wait(20) == 0


def test_episodes_of_a_bench_are_counted_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "artifacts" / "bench" / EPISODES_FILE
    path.parent.mkdir(parents=True)
    row = {"task": "ends", "policy": "trained", "steps": 40, "ended": "cut", "calls": [["go_left", 0, 40, "cut", "", True]]}
    with project_lock(tmp_path, "maestromotif bench"):
        follower = Follower(tmp_path)
        assert follower.look().played == ()
        path.write_text(json.dumps({**row, "broke": None}) + "\n")
        assert [(one.successes, one.trials) for one in follower.look().played] == [(1, 1)]
        with path.open("a") as stream:
            stream.write(json.dumps({**row, "broke": 0}) + "\n" + '{"task": "torn')
        snapshot = follower.look()
        assert [(one.source, one.name, one.policy, one.successes, one.trials) for one in snapshot.played] == [
            ("bench", "ends", "trained", 1, 2)
        ]
        assert snapshot.recent[0] == "ends, trained: failed after 40 steps (go_left; cut)"
        assert snapshot.command == "maestromotif bench"
        # Episodes of an earlier command say nothing of this one.
        os.utime(path, (1, 1))
        assert follower.look().played == ()
    assert follower.look().command == ""


def test_what_was_played_is_counted_by_skill_and_by_task(made_evaluation: Path) -> None:
    played = {(one.name, one.policy): one for one in Follower(made_evaluation).look().played}
    for name in ("go_left", "go_right", "both_ends"):
        assert played[name, "trained"].trials > 0
        assert played[name, "trained"].successes <= played[name, "trained"].trials
    results = json.loads((made_evaluation / "artifacts" / "evaluation.part" / "tasks" / "both_ends.json").read_text())
    rate = results["policies"]["trained"]["success"]["landmark"]
    assert (played["both_ends", "trained"].successes, played["both_ends", "trained"].trials) == (rate["successes"], rate["trials"])


def test_a_file_is_followed_through_torn_lines_a_new_name_and_a_new_beginning(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    tail = Tail(keep=2)
    assert not tail.read(path)
    path.write_text('{"n": 1}\n{"n": 2}\n{"n": 3}\n{"n"')
    assert tail.read(path)
    assert list(tail.rows) == [{"n": 2}, {"n": 3}]
    with path.open("a") as stream:
        stream.write(": 4}\n")
    path.rename(tmp_path / "b.jsonl")
    assert tail.read(tmp_path / "b.jsonl")
    assert list(tail.rows) == [{"n": 3}, {"n": 4}]
    assert not tail.read(tmp_path / "b.jsonl")
    (tmp_path / "fresh").write_text('{"n": 9}\n')
    (tmp_path / "fresh").rename(tmp_path / "b.jsonl")
    assert tail.read(tmp_path / "b.jsonl")
    assert list(tail.rows) == [{"n": 9}]


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_what_is_no_project_is_said(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    assert "not a project" in one_error(maestromotif("watch", tmp_path / folder))
