"""NetHack's environment against the real game."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("nle")

from nle import nethack

from maestromotif.domains.contract import ACTION_MASK
from maestromotif.domains.nethack import env as nethack_env
from maestromotif.domains.nethack import masks, squares
from maestromotif.domains.nethack.captions import sign_code
from maestromotif.domains.nethack.env import NetHackEnv
from maestromotif.domains.nethack.game import NAMES
from maestromotif.domains.nethack.glyphs import FLAGS_OF, TERRAIN_OF
from maestromotif.domains.nethack.layout import MAP_CLASSES, MAP_COLUMNS, MAP_SQUARE, OBSERVATION, SIGN
from maestromotif.domains.nethack.messages import MessageReader
from maestromotif.domains.nethack.sharing import Sharer
from maestromotif.domains.nethack.vocabulary import ACTIONS, FACTS, SIGN_BITS, SIGNS

A = {name: index for index, name in enumerate(ACTIONS)}


@pytest.fixture
def env() -> Iterator[NetHackEnv]:
    made = NetHackEnv(4)
    made.reset(range(4), [11, 12, 13, 14])
    yield made
    made.close()


def explore(env: NetHackEnv, rng: np.random.Generator) -> NDArray[np.int64]:
    """Walk to stairs down, else to what is unexplored, else search or stagger; fight what stands beside."""
    actions = np.zeros(env.num_games, np.int64)
    for game in range(env.num_games):
        down = env.path_direction(game, "stairs_down")
        ways = [env.monster_direction(game), A["down"] if down == 8 else down, env.path_direction(game, "unexplored")]
        spot = env.path_direction(game, "search_spot")
        ways += [A["search"] if spot == 8 else spot, int(rng.integers(8))]
        actions[game] = int(rng.integers(8)) if rng.random() < 0.05 else next(way for way in ways if way >= 0)
    return actions


def play(env: NetHackEnv, steps: int, seed: int) -> list[tuple[object, ...]]:
    rng = np.random.default_rng(seed)
    trace: list[tuple[object, ...]] = []
    for _ in range(steps):
        env.step(explore(env, rng))
        for game in range(env.num_games):
            trace.append((env.reward_key(game), repr(env.facts(game)), env.caption(game).text))
        trace.append(tuple(array.tobytes() for array in env.observation.values()))
        over = np.flatnonzero(env.terminated_B)
        env.reset(over.tolist(), [1000 + int(game) for game in over])
    return trace


def test_same_seed_same_game_after_reset_and_in_another_process_slot(env: NetHackEnv) -> None:
    first = play(env, 250, seed=3)
    env.reset(range(4), [11, 12, 13, 14])
    assert play(env, 250, seed=3) == first
    other = NetHackEnv(4)
    other.reset(range(4), [11, 12, 13, 15])
    assert play(other, 250, seed=3) != first
    other.close()


def test_paths_lead_down(env: NetHackEnv) -> None:
    play(env, 700, seed=0)
    assert max(env.facts(game).max_depth for game in range(4)) >= 3


def test_facts_agree_with_the_status_line_and_the_map(env: NetHackEnv) -> None:
    rng = np.random.default_rng(5)
    checked = 0
    for _ in range(300):
        env.step(explore(env, rng))
        for game in range(4):
            if env.terminated_B[game]:
                env.reset([game], [77])
                continue
            stats, facts = env._raw["blstats"][game], env.facts(game)
            assert (facts.depth, facts.hp, facts.max_hp, facts.gold, facts.turn) == tuple(int(stats[i]) for i in (12, 10, 11, 13, 20))
            glyphs = env._raw["glyphs"][game]
            if (TERRAIN_OF[glyphs] == squares.STAIRS_DOWN).any():
                assert facts.stairs_down_known
                checked += 1
            assert facts.shopkeeper_near == bool((FLAGS_OF[glyphs] & squares.KEEPER).any())
            assert facts.items == int((env._raw["inv_letters"][game] > 0).sum() - (env._raw["inv_letters"][game] == ord("$")).sum())
    assert checked > 5


def test_observations_stay_inside_their_vocabularies(env: NetHackEnv) -> None:
    play(env, 200, seed=1)
    for name, bag in OBSERVATION.bags.items():
        array = env.observation[name]
        assert array.min() >= 0
        assert array.max() < bag.size
        assert (array > 0).sum() > 20
    assert np.isfinite(env.observation["dense"]).all()
    assert np.abs(env.observation["dense"]).max() < 3


def test_leaving_the_dungeon_takes_the_same_action_twice(env: NetHackEnv) -> None:
    actions = np.full(4, A["search"], np.int64)
    actions[:2] = A["up"]
    env.step(actions)  # every game begins on the staircase up
    assert not env.terminated_B.any()
    assert "no return" in env.facts(0).message
    assert env.observation[ACTION_MASK][0, A["up"]]  # though asking once has changed nothing
    actions[1] = A["search"]
    env.step(actions)
    actions[1] = A["up"]
    assert env.terminated_B.tolist() == [True, False, False, False]
    assert env.truth(0)["escaped"]
    assert not env.truth(0)["died"]
    assert env.caption(0).reward_input.signs[SIGN["level"]] == 3
    env.reset([0], [1])
    env.step(actions)
    assert not env.terminated_B.any()  # in between, game 1 did something else: asked again


def test_mask_forbids_what_only_harms(env: NetHackEnv) -> None:
    mask = env.observation["action_mask"]
    for name in ("eat", "pray", "drop", "enhance", "more"):
        assert not mask[:, A[name]].any(), name
    assert mask[:, A["quaff"]].all()  # a Monk begins with potions of healing
    free = NetHackEnv(1, mask=masks.MASK_NONE)
    free.reset([0], [1])
    assert free.observation["action_mask"].all()
    free.close()


def test_every_action_in_every_prompt_returns_to_the_map() -> None:
    env = NetHackEnv(4, mask=masks.MASK_NONE)
    rng = np.random.default_rng(9)
    env.reset(range(4), range(4))
    ends = 0
    for step in range(1500):
        env.step(rng.integers(len(ACTIONS), size=4))
        for game in range(4):
            if env.terminated_B[game]:
                ends += 1
                env.reset([game], [step * 4 + game])
            elif not env.prompt_open(game):
                assert not env._raw["misc"][game].any()
    env.close()
    assert ends > 0


def test_kick_waits_for_its_direction(env: NetHackEnv) -> None:
    env.step(np.full(4, A["kick"]))
    assert all(env.prompt_open(game) for game in range(4))
    before = [env.facts(game).turn for game in range(4)]
    env.step(np.array([A["north"], A["search"], A["kick"], A["west"]]))
    assert [env.prompt_open(game) for game in range(4)] == [False, False, True, False]
    assert env.facts(1).turn >= before[1]


def test_sign_codes_are_distinct() -> None:
    rng = np.random.default_rng(0)
    rows = np.unique(np.stack([rng.integers(len(sign.values), size=5000) for sign in SIGNS], 1), axis=0)
    assert len(np.unique(sign_code(rows))) == len(rows)
    assert sign_code(rows).max() < 1 << SIGN_BITS


def test_equal_keys_mean_equal_reward_inputs(env: NetHackEnv) -> None:
    seen: dict[int, object] = {}
    rng = np.random.default_rng(2)
    for _ in range(300):
        env.step(explore(env, rng))
        for game in range(4):
            entry = env.caption(game).reward_input
            assert seen.setdefault(env.reward_key(game), entry) == entry
        over = np.flatnonzero(env.terminated_B).tolist()
        env.reset(over, over)
    assert len(set(seen.values())) == len(seen) > 30


def test_messages_are_counted() -> None:
    reader = MessageReader()
    assert reader.read(b"You kill the newt!  You destroy the kobold zombie!").kills == 2
    assert reader.read(b"The jackal is killed by the trap.").kills == 0
    assert reader.read(b"You sold 3 apples for 12 gold pieces.").sold == 3
    assert reader.read(b"You sold an apple for 4 gold pieces.").sold == 1
    assert reader.read(b"Sell it?").sold == 0
    assert reader.read(b"$ - 12 gold pieces.").key == reader.read(b"$ - 7 gold pieces.").key != 0
    assert reader.read(b"").key == 0


def test_facts_are_a_snapshot(env: NetHackEnv) -> None:
    before = env.facts(0)
    text = repr(before)
    play(env, 30, seed=4)
    assert repr(before) == text
    with pytest.raises(AttributeError):
        before.depth = 3
    assert all(hasattr(before, spec.name) for spec in FACTS)


def test_a_wider_window_keeps_changes_in_sight() -> None:
    env = NetHackEnv(1, window=50)
    env.reset([0], [100])
    rng = np.random.default_rng(0)
    deeper_after = None
    for step in range(400):
        env.step(explore(env, rng))
        if env.terminated_B[0]:
            env.reset([0], [100 + step])
            continue
        if env.facts(0).depth == 2 and deeper_after is None:
            deeper_after = step
        if deeper_after is not None and deeper_after <= step < min(deeper_after + 40, 399) and env.facts(0).depth == 2:
            assert env.caption(0).reward_input.signs[SIGN["level"]] == 1
    env.close()
    assert deeper_after is not None


def test_sharing_code_changes_nothing_but_speed(env: NetHackEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = play(env, 100, seed=3)
    monkeypatch.setattr("maestromotif.domains.nethack.game.share_code", lambda game: False)
    alone = NetHackEnv(4)
    alone.reset(range(4), [11, 12, 13, 14])
    assert play(alone, 100, seed=3) == shared
    alone.close()


@pytest.mark.skipif(sys.platform != "linux", reason="code is shared through Linux's mappings")
def test_code_is_shared_with_the_installed_library_alone(env: NetHackEnv, tmp_path: Path) -> None:
    def mapped() -> int:
        return sum(str(installed) in line for line in Path("/proc/self/maps").read_text().splitlines())

    installed, game = Path(nethack.nethack.DLPATH), env.games[0]
    each = mapped() / 4
    game.reset(5)
    assert mapped() / 4 == each > 2
    # Another build, something that is no library, nothing at all, a copy that is not loaded: left as they are.
    other, text = tmp_path / "other.so", tmp_path / "text"
    content = bytearray(installed.read_bytes())
    content[0x248] ^= 1
    other.write_bytes(content)
    text.write_text("no library")
    for path in (other, text, tmp_path / "missing"):
        assert not Sharer(path).share(game._nle.dlpath)
    assert not Sharer(installed).share(str(other))
    play(env, 20, seed=1)


def test_the_coarse_map_shows_the_character_once_and_never_forgets_a_block(env: NetHackEnv) -> None:
    rng = np.random.default_rng(6)
    known = np.zeros((4, 30), bool)
    levels = [(facts.branch, facts.depth) for facts in map(env.facts, range(4))]
    for step in range(150):
        env.step(explore(env, rng))
        for game in range(4):
            if env.terminated_B[game]:
                env.reset([game], [500 + step])
            facts = env.facts(game)
            if (facts.branch, facts.depth) != levels[game] or facts.steps == 0:
                known[game], levels[game] = False, (facts.branch, facts.depth)
            blocks = env.observation["map"][game]
            x, y = (int(env._raw["blstats"][game, place]) for place in (0, 1))
            here = y // MAP_SQUARE[0] * MAP_COLUMNS + x // MAP_SQUARE[1]
            assert np.flatnonzero(blocks % MAP_CLASSES == MAP_CLASSES - 1).tolist() == [here]
            assert (blocks[known[game]] > 0).all()
            known[game] |= blocks > 0
    assert known.sum(1).min() >= 2


def test_names_are_the_same_asked_for_or_copied_after_each_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nethack_env, "names_on_demand", lambda: False)
    copied = NetHackEnv(4, mask=masks.MASK_NONE)
    monkeypatch.setattr(nethack_env, "names_on_demand", lambda: True)
    asked = NetHackEnv(4, mask=masks.MASK_NONE)
    for env in (copied, asked):
        env.reset(range(4), range(30, 34))
    rng, unknown, compared = np.random.default_rng(8), 0, 0
    for step in range(500):
        actions = explore(asked, rng)
        for game in range(4):
            item = asked.path_direction(game, "item")
            actions[game] = item if 0 <= item < 8 else actions[game]
        copied.step(actions)
        asked.step(actions)
        for game in range(4):
            facts = asked.facts(game)
            assert repr(facts) == repr(copied.facts(game))
            unknown += facts.unknown_buc_items
            if step % 50 == 0 and not asked.terminated_B[game]:
                texts = [row.tobytes().rstrip(b"\0") for row in copied._raw[NAMES][game]]
                names = list(asked.games[game]._carried())
                assert [name[:79] for name in names] == [text[:79] for text in texts if text]
                compared += len(names)
        over = np.flatnonzero(asked.terminated_B).tolist()
        for env in (copied, asked):
            env.reset(over, [900 + step] * len(over))
    assert unknown > 100
    assert compared > 100
    copied.close()
    asked.close()
