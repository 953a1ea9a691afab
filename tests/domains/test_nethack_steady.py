"""NetHack's environment is steady: no prompt traps it, no clock changes its games, no question disturbs them."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("nle")

from maestromotif.domains.nethack import masks
from maestromotif.domains.nethack.env import NetHackEnv

ROOT = Path(__file__).resolve().parents[2]

# Plays by random actions and prints digests: the zone is set late, because Python itself accepts no offset of weeks.
PLAYS = """
import hashlib, os, sys
import numpy as np
from nle import nethack
from maestromotif.domains.nethack import features
from maestromotif.domains.nethack.env import NetHackEnv

steps, fixed, zone = int(sys.argv[1]), sys.argv[2] == "fixed", sys.argv[3]
if zone:
    os.environ["TZ"] = zone
if not fixed:
    whole = nethack.Nethack
    nethack.Nethack = lambda **options: whole(**{**options, "fix_moon_phase": False})
rng, digest = np.random.default_rng(5), hashlib.sha256()
env = NetHackEnv(1, actions="travel")
env.reset([0], [1])
first = env.facts(0).message
for step in range(steps):
    env.step(np.array([rng.choice(np.flatnonzero(row)) for row in env.observation["action_mask"]]))
    for name in ("glyphs", "blstats", "message"):
        digest.update(env._raw[name].tobytes())
    for array in env.observation.values():
        digest.update(array.tobytes())
    over = np.flatnonzero(env.terminated_B).tolist()
    env.reset(over, [100 + step] * len(over))
print(first.replace("\\n", " "))
print(digest.hexdigest())
"""


def zone_at(folder: Path, name: str, moment: datetime) -> str:
    """A time zone in which it is now that moment, as a value of TZ: a zone file without rules."""
    offset = round((moment - datetime.now(UTC).replace(tzinfo=None)).total_seconds())
    path = folder / name
    path.write_bytes(b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + struct.pack(">lBB", offset, 0, 0) + b"ODD\0")
    return f":{path}"


def friday_13th() -> datetime:
    day = datetime.now(UTC).replace(tzinfo=None, hour=0, minute=20)
    while not (day.day == 13 and day.weekday() == 4):
        day += timedelta(days=1)
    return day


def start(steps: int, fixed: bool, zone: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", PLAYS, str(steps), "fixed" if fixed else "free", zone]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def outputs(running: list[subprocess.Popen[str]]) -> list[list[str]]:
    said = [process.communicate(timeout=120)[0].splitlines() for process in running]
    assert all(process.returncode == 0 for process in running)
    return said


@pytest.mark.skipif(sys.platform != "linux", reason="zone files of the C library")
def test_date_moon_and_time_zone_change_nothing_in_10000_steps(tmp_path: Path) -> None:
    night = zone_at(tmp_path, "friday", friday_13th())
    later = zone_at(tmp_path, "later", datetime.now(UTC).replace(tzinfo=None) + timedelta(days=15, hours=11))
    said = outputs([start(10_000, True, zone) for zone in ("", night, later)])
    assert len({digest for _, digest in said}) == 1
    # Were the game to ask the clock, it would notice: otherwise this test could not fail.
    free = outputs([start(2_000, False, zone) for zone in ("UTC", night)])
    assert "Friday the 13th" in free[1][0]
    assert free[0][1] != free[1][1]


def test_questions_do_not_disturb_the_game() -> None:
    """Facts, captions, rewards, success criteria and names of things may be asked at any time: state, messages and chance stay."""
    asked, left = NetHackEnv(4, actions="travel"), NetHackEnv(4, actions="travel")
    rng = np.random.default_rng(6)
    for env in (asked, left):
        env.reset(range(4), range(20, 24))
    for step in range(1500):
        mask = asked.observation["action_mask"]
        actions = np.array([rng.choice(np.flatnonzero(row)) for row in mask])
        for env in (asked, left):
            env.step(actions)
        for game in range(4):
            if asked.terminated_B[game]:
                continue
            shown = {name: array[game].copy() for name, array in asked._raw.items()}
            asked.facts(game), asked.caption(game), asked.reward_input(game), asked.truth(game)
            if not asked.prompt_open(game):
                asked.games[game].unknown_buc()
            for name, array in shown.items():
                assert (asked._raw[name][game] == array).all(), (step, name)
        for name, array in asked._raw.items():
            assert (array == left._raw[name]).all(), (step, name)
        for name, array in asked.observation.items():
            assert (array == left.observation[name]).all(), (step, name)
        assert (asked.terminated_B == left.terminated_B).all()
        over = np.flatnonzero(asked.terminated_B).tolist()
        for env in (asked, left):
            env.reset(over, [100 + step * 4 + game for game in over])
    for env in (asked, left):
        env.close()


def load_prompts() -> Any:
    """The module of the adversarial run, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("prompts", ROOT / "benchmarks" / "prompts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_prompts(count: int, seconds: int) -> dict[str, float]:
    command = [sys.executable, "benchmarks/prompts.py", "--sequences", str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def test_no_sequence_of_actions_traps_the_environment() -> None:
    """In a process of its own, so that a crash or a game that hangs is a failure too."""
    figures = run_prompts(1_000, 100)
    assert figures["sequences"] >= 1_000
    assert figures["probes"] > 1_000
    assert figures["directions asked for"] > 200
    assert figures["games ended"] > 10
    assert figures["deepest"] >= 2


@pytest.mark.slow
def test_no_sequence_among_100000_traps_the_environment() -> None:
    figures = run_prompts(100_000, 1_800)
    assert figures["sequences"] >= 100_000
    assert figures["deepest"] >= 4


def test_an_open_travel_prompt_is_noticed() -> None:
    """The probe of the adversarial run finds what no flag of the game tells."""
    prompts = load_prompts()
    env = NetHackEnv(1, actions="travel")
    env.reset([0], [3])
    actions = np.zeros(1, np.int64)
    assert prompts.probe(env, actions) == 1
    env.games[0].press(ord("_"))
    assert not env._raw["misc"].any()
    with pytest.raises(prompts.Broken):
        prompts.probe(env, actions)
    env.games[0].press(27)
    assert prompts.probe(env, actions) == 1
    env.games[0].press(ord("d"))
    with pytest.raises(prompts.Broken):
        prompts.check(env, actions, np.zeros(1, np.int64))
    env.close()


def test_a_map_to_be_looked_around_is_left() -> None:
    """What shows distant things has the player move a cursor over the map, which no flag of the game tells."""
    env = NetHackEnv(1, mask=masks.MASK_NONE)
    env.reset([0], [3])
    turn = env.facts(0).turn
    env._presses[0] = lambda key: env.games[0].press(ord("_"))  # asks in the same words, and without dice
    env.step(np.zeros(1, np.int64))
    assert "For instructions type" in env.facts(0).message
    assert load_prompts().probe(env, np.zeros(1, np.int64)) == 1
    assert env.facts(0).turn == turn
    env.close()
