"""A person as an annotator: the journal that takes verdicts back, a real pseudo-terminal, a pipe, and real HTTP."""

from __future__ import annotations

import http.client
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from maestromotif.errors import ArtifactError, ConfigError
from maestromotif.feedback.human.sitting import Sitting, pace
from maestromotif.feedback.human.web import Desk
from maestromotif.feedback.journal import Journal
from maestromotif.feedback.pairs import make_pair
from maestromotif.feedback.protocol import Judgement
from maestromotif.skills import Skill
from maestromotif.types import Caption, Pair, RewardInput, Verdict

SKILL = Skill("go_left", "Walk to the left end.")
HEAD = {"skill": "go_left"}


def captions(number: int) -> tuple[Caption, Caption]:
    return Caption(f"left {number}", RewardInput(f"l{number}", ())), Caption(f"right {number}", RewardInput(f"r{number}", ()))


PAIRS = [make_pair(*captions(number)) for number in range(6)]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def sit(path: Path, pairs: list[Pair] = PAIRS, clock: Clock | None = None) -> Sitting:
    return Sitting(SKILL, pairs, Journal(path / "human.jsonl", HEAD, precious=True), 1, clock or Clock())


def prefer_left(sitting: Sitting) -> str:
    return "1" if sitting.shown[0].text.startswith("left") else "2"


def test_a_later_line_wins_and_what_was_skipped_is_asked_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl", HEAD)
    journal.open()
    one, two, three = PAIRS[:3]
    journal.append([Judgement(one, Verdict.FIRST), Judgement(two, Verdict.SECOND), Judgement(three, Verdict.UNPARSED, reason="skipped")])
    assert set(Journal(tmp_path / "j.jsonl", HEAD).open()) == {one.id, two.id}
    journal.append([Judgement(one, Verdict.UNPARSED, reason="undone"), Judgement(two, Verdict.TIE), Judgement(three, Verdict.FIRST)])
    answers = Journal(tmp_path / "j.jsonl", HEAD).open()
    assert {pair: answer.verdict for pair, answer in answers.items()} == {two.id: Verdict.TIE, three.id: Verdict.FIRST}
    assert len((tmp_path / "j.jsonl").read_text().splitlines()) == 7


def test_a_target_that_is_no_probability_is_a_damaged_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl", HEAD)
    journal.open()
    with open(tmp_path / "j.jsonl", "a") as file:
        file.write('{"pair": "x", "verdict": "first", "target": 1.5}\n')
    with pytest.raises(ArtifactError, match=r"line 2 is damaged .*1\.5"):
        journal.open()


def test_a_person_s_journal_is_never_begun_anew(tmp_path: Path) -> None:
    sit(tmp_path).press("t")
    before = (tmp_path / "human.jsonl").read_bytes()
    with pytest.raises(ArtifactError, match="something else"):
        Journal(tmp_path / "human.jsonl", {"skill": "other"}, precious=True).open()
    assert (tmp_path / "human.jsonl").read_bytes() == before


def test_sides_are_shuffled_and_verdicts_follow_the_captions(tmp_path: Path) -> None:
    many = [make_pair(*captions(number)) for number in range(60)]
    sitting = sit(tmp_path, many)
    sides = []
    while sitting.pair is not None:
        sides.append(sitting.shown[0] is sitting.pair.first)
        sitting.press(prefer_left(sitting))
    assert 15 < sum(sides) < 45
    assert all((one.pair.first if one.verdict is Verdict.FIRST else one.pair.second).text.startswith("left") for one in sitting.take())


def test_undo_skip_and_end(tmp_path: Path) -> None:
    sitting = sit(tmp_path)
    assert not sitting.can_undo
    assert not sitting.press("u")
    assert not sitting.press("x")
    sitting.press("1")
    sitting.press("t")
    sitting.press("u")
    assert sitting.pair is PAIRS[1]
    assert sitting.done == 1
    sitting.press("s")
    sitting.press("u")
    sitting.press(prefer_left(sitting))
    sitting.press("e")
    assert sitting.pair is None
    # What ended everything is taken back as a whole.
    sitting.press("u")
    assert sitting.pair is PAIRS[2]
    sitting.press("e")
    last = {one.pair.id: one for one in sitting.take()}
    assert [last[pair.id].verdict.decided for pair in PAIRS] == [True, True, False, False, False, False]
    assert {last[pair.id].reason for pair in PAIRS[2:]} == {"skipped"}
    again = sit(tmp_path)
    assert again.pair is PAIRS[2]
    assert [one.verdict for one in again.take()] == [last[pair.id].verdict for pair in PAIRS[:2]]


def test_the_last_decision_can_be_undone_until_the_person_goes_on(tmp_path: Path) -> None:
    sitting = sit(tmp_path, PAIRS[:2])
    assert not sitting.press("enter")
    assert "enter" not in sitting.keys
    sitting.press("t")
    sitting.press("t")
    assert (sitting.pair, sitting.over, list(sitting.keys)) == (None, False, ["u", "q", "enter"])
    assert not sitting.press("t")
    sitting.press("u")
    assert sitting.pair is PAIRS[1]
    sitting.press(prefer_left(sitting))
    assert sitting.press("enter")
    assert sitting.over
    assert not sitting.press("u")
    assert [one.reason or one.verdict.value for one in sitting.take()][:3] == ["tie", "tie", "undone"]
    again = sit(tmp_path, PAIRS[:2])
    assert again.over
    assert [one.verdict.decided for one in again.take()] == [False, True]


def test_every_decision_is_on_the_disk_at_once(tmp_path: Path) -> None:
    sitting = sit(tmp_path)
    for number in range(1, 4):
        sitting.press("t")
        assert len((tmp_path / "human.jsonl").read_text().splitlines()) == 1 + number


def test_pauses_do_not_count_for_the_rate(tmp_path: Path) -> None:
    clock = Clock()
    sitting = sit(tmp_path, clock=clock)
    assert pace(sitting) == "0 of 6 pairs"
    for seconds in (10, 3600, 10):
        clock.now += seconds
        sitting.press("t")
    assert pace(sitting) == "3 of 6 pairs · 6 a minute · about 1 min left"


# Through the command line: a project in the corridor.


def _command(root: Path, *settings: str) -> list[str]:
    sets = [part for setting in settings for part in ("--set", setting)]
    return [sys.executable, "-m", "maestromotif", "annotate", str(root), "--set", "annotate.annotator=human", *sets]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "TERM": "xterm"}


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collected") / "project"
    for arguments in (["init", "--domain", "corridor"], ["collect"]):
        command = [sys.executable, "-m", "maestromotif", arguments[0], str(folder), *arguments[1:]]
        subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT)
    return folder


@pytest.fixture
def root(collected: Path, tmp_path: Path) -> Path:
    shutil.copytree(collected, tmp_path / "project")
    return tmp_path / "project"


def kept(root: Path, skill: str) -> list[str]:
    """Verdicts or reasons in a person's journal, in order."""
    (path,) = (root / "artifacts" / "annotators" / "human").glob(f"{skill}-*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    return [line.get("reason") or line["verdict"] for line in lines]


class Terminal:
    """A command in a pseudo-terminal of its own."""

    def __init__(self, command: list[str]) -> None:
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, ENVIRONMENT)
        self.seen = ""

    def until(self, pattern: str, seconds: float = 60) -> None:
        """Read until the pattern has come; what came before it is forgotten."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < deadline, f"no {pattern} in {self.seen[-2000:]!r}"
            self._read()
        self.seen = self.seen[found.end() :]

    def type(self, keys: str) -> None:
        os.write(self.descriptor, keys.encode())

    def end(self) -> int:
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self) -> bool:
        if not select.select([self.descriptor], [], [], 1)[0]:
            return True
        try:
            got = os.read(self.descriptor, 65536)
        except OSError:
            return False
        self.seen += got.decode(errors="replace")
        return bool(got)


def test_in_a_terminal(root: Path) -> None:
    terminal = Terminal(_command(root, "annotate.pairs=3"))
    terminal.until("0 of 3 pairs")
    # An arrow key means nothing; keys typed at once are taken one by one.
    terminal.type("\x1b[A")
    terminal.until("0 of 3 pairs")
    terminal.type("1")
    terminal.until("1 of 3 pairs")
    terminal.type("tu")
    terminal.until("1 of 3 pairs")
    terminal.type("q")
    assert terminal.end() == 130
    assert "everything so far is saved" in terminal.seen
    assert kept(root, "go_left")[0] in ("first", "second")
    assert kept(root, "go_left")[1:] == ["tie", "undone"]
    # The next run goes on there, and Ctrl-C loses nothing.
    terminal = Terminal(_command(root, "annotate.pairs=3"))
    terminal.until("1 of 3 pairs")
    terminal.type("s")
    terminal.until("2 of 3 pairs")
    terminal.type("t")
    terminal.until("Enter goes on")
    # The last decision of a skill can be undone too; a verdict means nothing there.
    terminal.type("1")
    terminal.until("Enter goes on")
    terminal.type("u")
    terminal.until("2 of 3 pairs")
    terminal.type("t\r")
    terminal.until("0 of 3 pairs")
    assert kept(root, "go_left")[-3:] == ["tie", "undone", "tie"]
    terminal.type("2")
    terminal.until("1 of 3 pairs")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert len(kept(root, "go_right")) == 1
    terminal = Terminal(_command(root, "annotate.pairs=3"))
    # What was skipped is asked again.
    terminal.until("2 of 3 pairs")
    terminal.type("t\r")
    terminal.until("1 of 3 pairs")
    terminal.type("tt\r")
    assert terminal.end() == 0
    counts = json.loads((root / "artifacts" / "preferences" / "preferences-go_right.json").read_text())["verdicts"]
    assert counts["tie"] == 2
    assert counts["first"] + counts["second"] == 1


def test_on_a_pipe(root: Path) -> None:
    def answer(lines: str) -> subprocess.CompletedProcess[str]:
        command = _command(root, "annotate.pairs=4")
        return subprocess.run(command, input=lines, capture_output=True, text=True, env=ENVIRONMENT, check=False)

    first = answer("1\nhm\nTie\n")
    assert first.returncode == 130
    assert "'h' is none of 1, 2, t" in first.stdout
    assert "2 of 4 pairs" in first.stdout
    assert "\x1b" not in first.stdout
    second = answer("s\n2\n\ne\n")
    assert second.returncode == 0, second.stderr
    assert kept(root, "go_left")[1:3] == ["tie", "skipped"]
    # The input ended where all was decided.
    assert kept(root, "go_right") == ["skipped"] * 4
    # Another number of pairs, or another place to decide, asks nothing again that was decided.
    assert answer("t\n").returncode in (0, 130)
    assert len(kept(root, "go_left")) == 4


class Page:
    """What a browser does."""

    def __init__(self, url: str) -> None:
        self.host, _, self.token = url.removeprefix("http://").rstrip("/").partition("/")

    def ask(self, place: str, body: Any = None, token: str | None = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection(self.host, timeout=10)
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {name.title(): value for name, value in headers.items()}
        connection.request("GET" if body is None else "POST", f"/{self.token if token is None else token}/{place}", content, given)
        answer = connection.getresponse()
        found = answer.status, answer.read(), dict(answer.getheaders())
        connection.close()
        return found

    def state(self) -> Any:
        return json.loads(self.ask("state")[1])

    def until(self, value: str, key: str = "skill") -> Any:
        """The state once a pair of this skill is shown, or something else has this value."""
        deadline = time.monotonic() + 20
        while (state := self.state()).get(key) != value:
            assert time.monotonic() < deadline, state
            time.sleep(0.02)
        return state

    def press(self, key: str) -> Any:
        return json.loads(self.ask("press", {"key": key, "pair": self.state()["pair"]})[1])


@contextmanager
def served(root: Path, *settings: str) -> Iterator[tuple[Page, subprocess.Popen[str]]]:
    command = _command(root, 'annotate.options={ where = "web" }', *settings)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        assert process.stdout is not None
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/\S+", line := process.stdout.readline())):
            assert line, process.communicate()[1]
        yield Page(found[0]), process
    finally:
        process.kill()
        process.communicate()


def test_on_a_page(root: Path) -> None:
    with served(root, "annotate.pairs=3") as (page, process):
        status, content, headers = page.ask("")
        assert status == 200
        assert b"Which moment of play fits" in content
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert not re.search(rb"(?:src|href)=.(?:http|//)", content)
        state = page.until("go_left")
        assert (state["skill"], state["done"], state["total"], "u" in state["keys"]) == ("go_left", 0, 3, False)
        after = page.press("1")
        assert after["done"] == 1
        assert kept(root, "go_left")[0] in ("first", "second")
        # A second click about a pair that is gone does nothing.
        assert json.loads(page.ask("press", {"key": "2", "pair": state["pair"]})[1])["done"] == 1
        assert page.press("t")["done"] == 2
        assert page.press("u")["done"] == 1
        process.send_signal(signal.SIGINT)
        page.until("stopped", "state")
        assert process.wait(20) == 130
    assert kept(root, "go_left")[1:] == ["tie", "undone"]
    with served(root, "annotate.pairs=3") as (page, process):
        assert page.until("go_left")["done"] == 1
        page.press("s")
        state = page.press("t")
        assert (state["state"], state["done"], state["captions"], state["keys"]) == ("done", 3, [], ["u", "q", "enter"])
        state = page.press("u")
        assert (state["state"], state["done"]) == ("ask", 2)
        page.press("t")
        page.press("enter")
        page.until("go_right")
        page.press("t")
        page.press("t")
        page.press("2")
        page.press("enter")
        deadline = time.monotonic() + 20
        while (state := page.state()["state"]) == "wait":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert state == "finished"
        assert process.wait(20) == 0
    assert (root / "artifacts" / "preferences" / "preferences-go_right.parquet").exists()


def test_strangers_are_refused(tmp_path: Path) -> None:
    desk = Desk()
    try:
        page = Page(desk.url)
        port = desk.port
        assert page.ask("state")[0] == 200
        assert page.ask("state", host=f"localhost:{port}", origin=f"http://127.0.0.1:{port}")[0] == 200
        assert page.ask("state", token="x" * len(page.token))[0] == 403
        assert page.ask("state", token="")[0] == 403
        assert page.ask("state", token="%C3%A9")[0] == 403
        assert page.ask("state", host="evil.example")[0] == 403
        assert page.ask("state", host=f"evil.example:{port}")[0] == 403
        for origin in ("http://evil.example", "null", f"https://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"):
            assert page.ask("press", {"key": "1", "pair": "x"}, origin=origin)[0] == 403
        assert page.ask("nowhere")[0] == 404
        for body in (b"", b"[]", b"{}", b"\xff", b"x" * 2000):
            assert page.ask("press", body)[0] == 400
        assert page.ask("state")[0] == 200
        with pytest.raises(ConfigError, match=r"\[annotate.options\] port"):
            Desk(port)
    finally:
        desk.close(True)


def test_a_verdict_that_cannot_be_kept_is_told_on_both_sides(tmp_path: Path) -> None:
    sitting = sit(tmp_path)
    desk = Desk()
    try:
        deciding = desk.decide(sitting)
        next(deciding)
        page = Page(desk.url)
        pair = page.state()["pair"]
        (tmp_path / "human.jsonl").unlink()
        (tmp_path / "human.jsonl").mkdir()
        status, content, _ = page.ask("press", {"key": "1", "pair": pair})
        assert (status, b"could not be kept" in content) == (500, True)
        with pytest.raises(OSError, match=r"human\.jsonl"):
            for _ in deciding:
                pass
    finally:
        desk.close(False)
