"""Replays: packed so that nothing is lost, played in a real browser, and inert whatever a game says."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from maestromotif.domains.contract import ACTION_MASK, Domain
from maestromotif.domains.corridor import Corridor
from maestromotif.domains.screens import TextScreen
from maestromotif.recordings import RECORDINGS, TRACK_FILE, Track, find_recordings
from maestromotif.recordings.pictures import PICTURES_FILE, Album
from maestromotif.recordings.store import write_card
from maestromotif.report import ReportConfig, ReportSources, write_report
from maestromotif.report.replay import gather_replays, pack, packed
from maestromotif.report.sources import Notes
from maestromotif.skills import SkillSet
from tests.report.browser import chromium, opened, violations
from tests.report.hostile import ATTACK

CALL = 40  # steps of each call that is made up here
REDS = """(() => {
  const canvas = document.querySelector('.replay-screen canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, 1);
  return [...Array(canvas.width).keys()].filter((x) => data[4 * x] > 200);
})()"""
EPISODE = "delphi/trained-1-0"
SKILLS = SkillSet.parse(Corridor().skills_toml)


def keep(home: Path, domain: Domain, track: Track, reason: str = "it took 40 steps", name: str = EPISODE) -> None:
    """A recording around a track; the screens lie in its folder already."""
    steps = len(track) - 1
    calls = [
        [track.skill[start + 1], start, min(start + CALL, steps), "timed out", f"{track.skill[start + 1]} {reason}", False]
        for start in range(0, steps, CALL)
    ]
    row = {"episode": 0, "seed": 1, "policy": "trained", "steps": steps, "ended": "cut", "success": {"landmark": False}, "calls": calls}
    card = {"format": 1, "key": "k", "task": name.partition("/")[0], "policy": "trained", "main": "landmark", "row": row | {"broke": 2}}
    folder = home / "artifacts" / RECORDINGS / name
    folder.mkdir(parents=True, exist_ok=True)
    track.write(folder / TRACK_FILE, domain.fact_specs)
    write_card(folder, card)


def active(step: int) -> str:
    """Who acts in these recordings."""
    return SKILLS.ids[(step - 1) // CALL % len(SKILLS)] if step else ""


def corridor_track(steps: int, caption: str = "") -> Track:
    """A walk in a corridor of five places that earns something now and then."""
    domain = Corridor({"length": 5})
    env, track = domain.make_env(1), Track()
    env.reset([0], [3])
    rng = np.random.default_rng(1)
    for step in range(steps + 1):
        if step:
            env.step(rng.integers(0, 2, 1))
        facts = {spec.name: getattr(env.facts(0), spec.name) for spec in domain.fact_specs}
        track.add(active(step), -1, caption or env.caption(0).text, facts)
        track.reward[-1] = 0.5 if step % 7 == 3 else 0.0
    return track


@pytest.fixture(scope="module")
def nethack(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReportSources, list[list[str]]]:
    """A project with one recorded game of NetHack, and the lines of the terminal at every step."""
    pytest.importorskip("nle")
    from maestromotif.domains.nethack.domain import NetHack

    domain, home = NetHack(), tmp_path_factory.mktemp("nethack")
    folder = home / "artifacts" / RECORDINGS / EPISODE
    folder.mkdir(parents=True)
    env, track = domain.make_env(1), Track()
    frame = env.record(0, folder)
    assert frame is not None
    env.reset([0], [11])
    rng = np.random.default_rng(5)
    for step in range(301):
        if step:
            env.step(rng.choice(np.flatnonzero(env.observation[ACTION_MASK][0]), 1))
        facts = {spec.name: getattr(env.facts(0), spec.name) for spec in domain.fact_specs}
        track.add(active(step), frame(), env.caption(0).text, facts)
        track.reward[-1] = 1.0 if step == 130 else 0.0
    env.reset([0], [12])
    env.close()
    keep(home, domain, track)
    (found,) = find_recordings(home / "artifacts" / RECORDINGS, domain, print)
    lines = [[row.tobytes().decode("latin-1") for row in screen.chars_HW] for screen in found.screens()]
    return ReportSources.standard(home, domain, SKILLS), lines


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


# --- packing


def unpacked(data: str) -> tuple[dict[str, Any], bytes]:
    raw = zlib.decompress(base64.b64decode(data))
    (length,) = struct.unpack_from("<I", raw)
    return json.loads(raw[4 : 4 + length]), raw[4 + length :]


def replayed(body: bytes, steps: int, shape: tuple[int, int]) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8], tuple[int, int]]]:
    """What the player does, the slow way."""
    chars, colours, place = np.full(shape, 32, np.uint8).ravel(), np.full(shape, 7, np.uint8).ravel(), 0
    for _ in range(steps + 1):
        cursor, runs = struct.unpack_from("<HH", body, place)
        place += 4
        for _ in range(runs):
            start, length = struct.unpack_from("<HH", body, place)
            place += 4
            chars[start : start + length] = np.frombuffer(body, np.uint8, length, place)
            colours[start : start + length] = np.frombuffer(body, np.uint8, length, place + length)
            place += 2 * length
        yield chars.reshape(shape).copy(), colours.reshape(shape).copy(), divmod(cursor, shape[1])
    assert place == len(body)


class Drawn(Corridor):
    """A corridor whose recordings show letters drawn at random."""

    def screens(self, folder: Path) -> Iterator[TextScreen]:
        rng = np.random.default_rng(0)
        chars, colours = rng.integers(32, 127, (6, 20), np.uint8), rng.integers(0, 16, (6, 20), np.uint8)
        for step in range(50):
            changed = rng.random((6, 20)) < (0.0 if step % 5 == 0 else 0.1)
            chars, colours = np.where(changed, rng.integers(0, 256, (6, 20), np.uint8), chars), np.where(changed, 15 - colours, colours)
            yield TextScreen(chars, colours, (step % 6, step % 20))


def test_packing_loses_nothing_of_the_screens(tmp_path: Path) -> None:
    domain, track = Drawn({"length": 5}), corridor_track(49)
    track.frame = list(range(50))
    keep(tmp_path, domain, track)
    (found,) = find_recordings(tmp_path / "artifacts" / RECORDINGS, domain, print)
    head, body = unpacked(pack(found, SKILLS.ids).data)
    assert head["size"] == [6, 20]
    for screen, (chars, colours, cursor) in zip(domain.screens(tmp_path), replayed(body, 49, (6, 20)), strict=True):
        assert np.array_equal(screen.chars_HW, chars)
        assert np.array_equal(screen.colours_HW, colours)
        assert screen.cursor == cursor


def test_packing_keeps_what_happened(tmp_path: Path) -> None:
    domain, track = Corridor({"length": 5}), corridor_track(100)
    keep(tmp_path, domain, track)
    (found,) = find_recordings(tmp_path / "artifacts" / RECORDINGS, domain, print)
    head, body = unpacked(pack(found, SKILLS.ids).data)
    assert body == b""
    assert [head["captions"][place] for place in head["caption"]] == track.caption
    assert dict(zip(head["paid"], head["rewards"], strict=True)) == dict.fromkeys(range(3, 101, 7), 0.5)
    assert [head["skills"][call[0]] for call in head["calls"]] == [active(1), active(41), active(81)]
    assert "steps" not in head["facts"], "a fact that changes at every step tells nothing"
    for name, (steps, values) in head["facts"].items():
        told = dict(zip(steps, values, strict=True))
        now = None
        for step, value in enumerate(track.facts[name]):
            now = told.get(step, now)
            assert now == value


def test_what_has_no_room_is_left_out_and_counted(tmp_path: Path) -> None:
    domain = Corridor({"length": 5})
    for number in range(4):
        keep(tmp_path, domain, corridor_track(100 + number), name=f"delphi/trained-1-{number}")
    sources = ReportSources.standard(tmp_path, domain, SKILLS)
    whole = gather_replays(sources, Notes())
    assert (len(whole.shown), whole.left_out) == (4, 0)
    some = gather_replays(sources, Notes(), budget=whole.size - 1)
    assert (len(some.shown), some.left_out) == (3, 1)
    assert some.size < whole.size


def test_damaged_recordings_are_noted_and_the_others_shown(tmp_path: Path) -> None:
    domain = Drawn({"length": 5})
    for number, steps in enumerate((30, 49, 60)):
        track = corridor_track(steps)
        track.frame = list(range(steps + 1))  # the last one is longer than what the game has written down
        keep(tmp_path, domain, track, name=f"delphi/trained-1-{number}")
    (tmp_path / "artifacts" / RECORDINGS / "delphi" / "trained-1-0" / TRACK_FILE).write_bytes(b"PAR1")
    notes = Notes()
    found = gather_replays(ReportSources.standard(tmp_path, domain, SKILLS), notes)
    assert [one.id for one in found.shown] == ["delphi/trained-1-1"]
    assert len(notes.entries) == 2
    assert all(f"trained-1-{number}" in " ".join(notes.entries) for number in (0, 2))


def test_what_was_packed_is_kept_until_the_recording_changes(tmp_path: Path) -> None:
    domain = Corridor({"length": 5})
    keep(tmp_path, domain, corridor_track(50))

    def found() -> Any:
        (one,) = find_recordings(tmp_path / "artifacts" / RECORDINGS, domain, print)
        return one

    first = packed(found(), SKILLS.ids)
    assert first == pack(found(), SKILLS.ids)
    (kept,) = (tmp_path / "artifacts" / RECORDINGS).glob("*/*/.replay.json")
    told = json.loads(kept.read_text())
    kept.write_text(json.dumps({**told, "replay": {**told["replay"], "data": "AAAA"}}))
    assert packed(found(), SKILLS.ids).data == "AAAA", "it is not packed again"
    assert packed(found(), SKILLS.ids[:1]).data != "AAAA", "colours follow the skills"
    for damage in ("", "[]", "{}", json.dumps({**told, "replay": {"id": first.id}})):
        kept.write_text(damage)
        assert packed(found(), SKILLS.ids) == first
    keep(tmp_path, domain, corridor_track(60))
    assert packed(found(), SKILLS.ids).steps == 60


# --- the player


def place(page: Any) -> int:
    """The step that is shown."""
    return int(page.locator(".replay-scrub").input_value())


def screen(page: Any) -> list[str]:
    found: list[str] = page.evaluate("[...document.querySelectorAll('.replay-screen pre div')].map(one => one.textContent)")
    return found


def until(page: Any, true: Callable[[], bool]) -> None:
    """Wait, at most some seconds. (The page's policy forbids what the browser would be asked to evaluate again and again.)"""
    for _ in range(200):
        if true():
            return
        page.wait_for_timeout(25)
    raise AssertionError("it did not happen")


def loaded(page: Any) -> None:
    until(page, lambda: page.locator(".replay-place").inner_text() != "")


def test_every_frame_is_the_games_own(browser: Any, nethack: tuple[ReportSources, list[list[str]]], tmp_path: Path) -> None:
    sources, lines = nethack
    with opened(browser, write_report(sources, ReportConfig(), tmp_path)) as page:
        loaded(page)
        for step in (0, 1, 127, 128, 129, 300, 2, 200, 199, 0):
            page.locator(".replay-scrub").fill(str(step))
            assert screen(page) == lines[step], step
        colours = page.evaluate(
            "new Set([...document.querySelectorAll('.replay-screen pre span')].map(e => getComputedStyle(e).color)).size"
        )
        assert colours >= 3


def test_keys_and_buttons(browser: Any, nethack: tuple[ReportSources, list[list[str]]], tmp_path: Path) -> None:
    with opened(browser, write_report(nethack[0], ReportConfig(), tmp_path)) as page:
        loaded(page)
        page.locator(".replay-screen").focus()
        seen = []
        for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "n", "n", "p", "End", "p", "Home", "b"):
            page.keyboard.press(key)
            seen.append(place(page))
        assert seen == [1, 2, 1, 40, 80, 40, 300, 280, 0, 80]
        for name in ("One step", "Next switch", "Previous switch", "One step back", "Chain break"):
            page.get_by_role("button", name=name, exact=True).click()
            seen.append(place(page))
        assert seen[-5:] == [81, 120, 80, 79, 80]
        assert page.locator(".replay-why").inner_text() == f"Here {active(80)} ran out of time: it took 40 steps."
        page.keyboard.press("ArrowRight")
        page.locator(".replay-screen").focus()
        page.keyboard.press("ArrowRight")
        assert page.locator(".replay-skill b").inner_text() == active(82)
        page.locator(".replay-scrub").fill("130")
        assert "reward 1" in page.locator(".replay-skill").inner_text()


def test_it_plays_pauses_and_stops_at_the_end(browser: Any, nethack: tuple[ReportSources, list[list[str]]], tmp_path: Path) -> None:
    with opened(browser, write_report(nethack[0], ReportConfig(), tmp_path)) as page:
        loaded(page)
        page.locator("#replay-speed").select_option("30")
        page.locator(".replay-screen").focus()
        page.keyboard.press(" ")
        until(page, lambda: place(page) >= 5)
        page.keyboard.press(" ")
        rest = place(page)
        page.wait_for_timeout(200)
        assert place(page) == rest < 300
        assert screen(page) == nethack[1][rest]
        page.locator("#replay-speed").select_option("500")
        page.get_by_role("button", name="Play").click()
        until(page, lambda: page.locator(".replay-play").inner_text() == "Play")
        assert place(page) == 300


def test_a_link_leads_to_a_moment(browser: Any, nethack: tuple[ReportSources, list[list[str]]], tmp_path: Path) -> None:
    path = write_report(nethack[0], ReportConfig(), tmp_path)
    with opened(browser, path) as page:
        loaded(page)
        page.locator(".replay-scrub").fill("123")
        link = page.locator(".replay-link").get_attribute("href")
    with opened(browser, path, fragment=link) as page:
        loaded(page)
        assert place(page) == 123
        assert page.locator("#replay").bounding_box()["y"] < 200
        page.evaluate("location.hash = 'replay=delphi%2Ftrained-1-0&step=7'")
        until(page, lambda: place(page) == 7)
        page.evaluate("location.hash = 'replay=nobody&step=9'")
        page.wait_for_timeout(50)
        assert place(page) == 7


def test_a_switch_of_the_list_is_gone_to(browser: Any, nethack: tuple[ReportSources, list[list[str]]], tmp_path: Path) -> None:
    with opened(browser, write_report(nethack[0], ReportConfig(), tmp_path)) as page:
        loaded(page)
        page.locator(".replay-switches summary").click()
        page.get_by_role("button", name="Go to step 160").click()
        assert place(page) == 160
        assert page.locator("tr[aria-current]").inner_text().split("\t")[0] == "160"
        assert "chain broke" in page.locator(".replay-switches tbody tr").nth(2).inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", ["wide", "phone"])
def test_axe_finds_nothing_serious_in_it(
    browser: Any, nethack: tuple[ReportSources, list[list[str]]], tmp_path: Path, width: str, scheme: str
) -> None:
    path = write_report(nethack[0], ReportConfig(), tmp_path)
    with opened(browser, path, width=width, scheme=scheme, bypass_csp=True) as page:
        loaded(page)
        page.locator(".replay-switches summary").click()
        page.locator(".replay-scrub").fill("131")
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
        assert violations(page) == []


def test_pictures_are_drawn(browser: Any, tmp_path: Path) -> None:
    domain, track, album = Corridor({"length": 5}), corridor_track(60), Album()
    for step in range(61):
        picture = np.zeros((4, 10, 3), np.uint8)
        picture[:, 2 * track.facts["position"][step]] = (250, 0, 0)
        track.frame[step] = album.add(picture)
    folder = tmp_path / "artifacts" / RECORDINGS / EPISODE
    folder.mkdir(parents=True)
    album.write(folder / PICTURES_FILE)
    keep(tmp_path, domain, track)
    path = write_report(ReportSources.standard(tmp_path, domain, SKILLS), ReportConfig(), tmp_path / "out")
    with opened(browser, path) as page:
        loaded(page)
        for step in (0, 5, 60, 17):
            page.locator(".replay-scrub").fill(str(step))
            page.wait_for_timeout(60)
            red = page.evaluate(REDS)
            assert red == [2 * track.facts["position"][step]]


@pytest.mark.parametrize("bypass_csp", [False, True], ids=["with the policy", "without it"])
def test_hostile_text_is_inert(browser: Any, tmp_path: Path, bypass_csp: bool) -> None:
    domain, track = Corridor({"length": 5}), corridor_track(100, caption=ATTACK)
    track.skill = [f"{name}{ATTACK}" if name else "" for name in track.skill]
    keep(tmp_path, domain, track, reason=ATTACK)
    card = tmp_path / "artifacts" / RECORDINGS / EPISODE / "card.json"
    values = json.loads(card.read_text(encoding="utf-8"))
    values["task"] = values["policy"] = values["row"]["ended"] = ATTACK
    card.write_text(json.dumps(values), encoding="utf-8")
    path = write_report(ReportSources.standard(tmp_path, domain, SKILLS), ReportConfig(), tmp_path / "out")
    with opened(browser, path, bypass_csp=bypass_csp) as page:
        loaded(page)
        page.locator(".replay-switches summary").click()
        page.locator(".replay-scrub").fill("80")
        assert page.evaluate("window.attacked") is None
        assert (
            page.evaluate("document.querySelectorAll('#replays img, #replays iframe, #replays [onerror], #replays [onload]').length") == 0
        )
        for place_of in (".replay-caption", ".replay-why", ".replay-skill b", ".replay-switches tbody", "#replay-episode"):
            assert "window.attacked=1" in page.locator(place_of).inner_text(), place_of


def test_a_recording_that_the_page_cannot_unpack_is_told(browser: Any, tmp_path: Path) -> None:
    domain = Corridor({"length": 5})
    for number in range(2):
        keep(tmp_path, domain, corridor_track(100), name=f"delphi/trained-1-{number}")
    path = write_report(ReportSources.standard(tmp_path, domain, SKILLS), ReportConfig(), tmp_path / "out")
    text = path.read_text(encoding="utf-8")
    start = text.index('data-replay="delphi/trained-1-0">') + 40
    path.write_text(text[:start] + "AAAA" + text[start + 4 :], encoding="utf-8")
    with opened(browser, path) as page:
        page.locator(".replay-problem").wait_for()
        assert "cannot be shown" in page.locator(".replay-problem").inner_text()
        page.locator("#replay-episode").select_option("delphi/trained-1-1")
        loaded(page)
        assert not page.locator(".replay-problem").is_visible()
