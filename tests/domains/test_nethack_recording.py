"""NetHack's own recordings against the real game: they change nothing, show every step, and damage is told."""

from __future__ import annotations

import bz2
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("nle")

from maestromotif.domains.contract import ACTION_MASK
from maestromotif.domains.nethack.domain import NetHack
from maestromotif.domains.nethack.env import NetHackEnv
from maestromotif.domains.nethack.ttyrec import FILE, read_screens
from maestromotif.errors import ArtifactError

STEPS, SEED = 250, 5


def play(env: NetHackEnv, steps: int, watch: Callable[[], None] = lambda: None) -> list[bytes]:
    """The same drawn actions always; what every step showed to the network and to programs."""
    rng = np.random.default_rng(3)
    trace = []
    for _ in range(steps):
        allowed = np.flatnonzero(env.observation[ACTION_MASK][0])
        env.step(rng.choice(allowed, 1))
        trace.append(repr((env.facts(0), env.caption(0).text)).encode() + b"".join(a.tobytes() for a in env.observation.values()))
        watch()
        if env.terminated_B[0]:
            break
    return trace


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes], list[int], list[str]]:
    """Folder, trace, the frame of every state, and the first letters of the status line then, as the game's own facts tell them."""
    folder = tmp_path_factory.mktemp("recorded")
    env = NetHackEnv(1)
    frame = env.record(0, folder)
    env.reset([0], [SEED])
    frames, levels = [frame()], [f"Dlvl:{env.facts(0).depth}"]

    def watch() -> None:
        frames.append(frame())
        levels.append("" if env.terminated_B[0] else f"HP:{env.facts(0).hp}(")  # the dead have no status line

    trace = play(env, STEPS, watch)
    env.reset([0], [SEED + 1])  # ends the recording
    play(env, 20)
    env.close()
    return folder, trace, frames, levels


def test_recording_changes_nothing(recorded: tuple[Path, list[bytes], list[int], list[str]]) -> None:
    env = NetHackEnv(1)
    env.reset([0], [SEED])
    assert play(env, STEPS) == recorded[1]
    env.close()


def test_every_state_has_the_frame_that_shows_it(recorded: tuple[Path, list[bytes], list[int], list[str]]) -> None:
    folder, trace, frames, shown = recorded
    screens = list(NetHack().screens(folder))
    assert len(trace) > 100
    assert len(screens) == frames[-1] + 1, "the recording holds one episode and nothing of the next"
    assert frames == sorted(frames)
    assert frames[-1] > len(trace), "macros press several keys"
    for frame, text in zip(frames, shown, strict=True):
        bottom = screens[frame].chars_HW[23].tobytes().decode("latin-1")
        assert text in bottom, f"frame {frame}: {bottom!r}"
    assert len({screen.colours_HW.tobytes() for screen in screens}) > 10
    assert {screen.colours_HW.max() <= 15 for screen in screens} == {True}


def test_the_game_can_be_recorded_again_in_the_same_place(tmp_path: Path) -> None:
    env = NetHackEnv(1)
    for seed in (1, 2):
        frame = env.record(0, tmp_path)
        env.reset([0], [seed])
        play(env, 30)
        expected = frame() + 1
    env.close()
    assert len(list(read_screens(tmp_path / FILE))) == expected


@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "cut inside", "missing", "negative length"])
def test_damage_is_told(recorded: tuple[Path, list[bytes], list[int], list[str]], tmp_path: Path, damage: str) -> None:
    path, content = tmp_path / FILE, (recorded[0] / FILE).read_bytes()
    raw = bz2.decompress(content)
    made = {
        "cut": content[: len(content) // 2],
        "empty": b"",
        "noise": np.random.default_rng(0).bytes(4000),
        "cut inside": bz2.compress(raw[: len(raw) - 5]),
        "negative length": bz2.compress(raw[:8] + b"\xff\xff\xff\xff" + raw[12:]),
    }
    if damage in made:
        path.write_bytes(made[damage])
    with pytest.raises(ArtifactError, match=FILE.replace(".", r"\.")):
        list(read_screens(path))
