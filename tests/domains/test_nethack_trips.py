"""NetHack's second set of actions, whole trips, and who can play, against the real game."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("nle")

from maestromotif.domains.checks import DomainContract
from maestromotif.domains.contract import Domain
from maestromotif.domains.nethack.characters import characters
from maestromotif.domains.nethack.domain import NetHack
from maestromotif.domains.nethack.env import NetHackEnv
from maestromotif.domains.nethack.layout import OBSERVATION_SETS, TRIP
from maestromotif.domains.nethack.memory import COLUMNS
from maestromotif.domains.nethack.trips import ACTION_SETS, TRIPS
from maestromotif.domains.nethack.vocabulary import ACTIONS
from maestromotif.errors import DomainError

NAMES = ACTION_SETS["travel"]
A = {name: index for index, name in enumerate(NAMES)}
MASK = "action_mask"


class TestTravelContract(DomainContract):
    def make_domain(self) -> Domain:
        return NetHack({"actions": "travel"})


@pytest.fixture
def env() -> Iterator[NetHackEnv]:
    made = NetHackEnv(8, actions="travel")
    made.reset(range(8), range(50, 58))
    yield made
    made.close()


def position(env: NetHackEnv) -> NDArray[np.int64]:
    return env._raw["blstats"][:, :2].copy()


def wander(env: NetHackEnv, rng: np.random.Generator) -> NDArray[np.int64]:
    """Fight, explore by trips, else walk at random."""
    mask = env.observation[MASK]
    return np.array(
        [
            monster
            if (monster := env.monster_direction(game)) >= 0
            else A["travel unexplored"]
            if mask[game, A["travel unexplored"]] and rng.random() < 0.8
            else rng.integers(8)
            for game in range(env.num_games)
        ]
    )


def renew(env: NetHackEnv, seed: int) -> None:
    over = np.flatnonzero(env.terminated_B)
    env.reset(over.tolist(), [seed + int(game) for game in over])


def test_trips_arrive_and_explore(env: NetHackEnv) -> None:
    rng = np.random.default_rng(0)
    taken, arrived, far = 0, 0, 0
    seen = np.zeros(8)
    for step in range(150):
        actions, start, turns = wander(env, rng), position(env), env._raw["blstats"][:, 20].copy()
        places = env._memory.places[:, 2].copy()
        env.step(actions)
        for game in np.flatnonzero((actions == A["travel unexplored"]) & ~env.terminated_B).tolist():
            x, y = position(env)[game]
            taken += 1
            arrived += y * COLUMNS + x == places[game]
            far += np.abs(position(env)[game] - start[game]).max() > 1
            assert env._raw["blstats"][game, 20] - turns[game] <= 240  # 80 squares, burdened or slowed at worst
        seen = np.maximum(seen, [env.facts(game).squares_seen_here for game in range(8)])
        renew(env, 1000 + 8 * step)
    assert taken > 200
    assert arrived > 0.8 * taken
    assert far > 0.05 * taken
    assert seen.mean() > 250


def test_a_trip_to_the_stairs_is_one_step_and_does_not_leave_the_level(env: NetHackEnv) -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        env.step(wander(env, rng))
    env.reset([0], [50])
    back = [game for game in range(8) if not env.terminated_B[game] and env.observation[MASK][game, A["travel up"]]]
    assert len(back) >= 3
    levels = [env.facts(game).depth for game in range(8)]
    lengths = {game: env.path_length(game, "stairs_up") for game in back}
    actions = np.full(8, A["search"])
    actions[back] = A["travel up"]
    env.step(actions)
    arrived = [game for game in back if env.facts(game).on_stairs_up]
    assert len(arrived) >= 2
    assert max(lengths[game] for game in arrived) > 5
    assert [env.facts(game).depth for game in range(8)] == levels
    for game in arrived:
        assert not env.observation[MASK][game, A["travel up"]]  # there already
    assert not env.terminated_B.any()


def test_trips_that_lead_nowhere_are_masked_until_something_changes(env: NetHackEnv) -> None:
    mask = env.observation[MASK]
    assert mask.shape == (8, len(ACTIONS) + len(TRIPS))
    assert not mask[:, A["travel altar"]].any()  # none in view where these games begin
    assert not mask[:, A["travel up"]].any()  # every game begins on the staircase up
    rng = np.random.default_rng(2)
    idle = 0
    for step in range(400):
        actions, before = wander(env, rng), env._raw["blstats"][:, [0, 1, 20]].copy()
        env.step(actions)
        same = (env._raw["blstats"][:, [0, 1, 20]] == before).all(1) & ~env.terminated_B
        for game in np.flatnonzero(same & (actions >= len(ACTIONS))).tolist():
            idle += 1
            assert not mask[game, actions[game]]
        for game in range(8):
            for action, (name, target) in enumerate(TRIPS.items(), len(ACTIONS)):
                assert not mask[game, action] or 0 <= env.path_direction(game, target) < 8 or env.terminated_B[game], name
        renew(env, 5000 + 8 * step)
    assert idle > 0


def test_a_trip_takes_an_open_kick_back_and_a_trip_without_a_way_does_nothing(env: NetHackEnv) -> None:
    before = env._raw["glyphs"].copy()
    for action in (A["kick"], A["travel altar"]):
        env.step(np.full(8, action))
        assert all(env.prompt_open(game) == (action == A["kick"]) for game in range(8))
    assert (env._raw["blstats"][:, 20] == 1).all()
    assert (env._raw["glyphs"] == before).all()
    env.step(np.full(8, A["kick"]))
    env.step(np.full(8, A["travel unexplored"]))
    assert not any(env.prompt_open(game) for game in range(8))


def test_observations_tell_the_last_trip_and_both_sets_play_the_same_game() -> None:
    first, second = NetHackEnv(4), NetHackEnv(4, actions="travel")
    rng = np.random.default_rng(3)
    for env in (first, second):
        env.reset(range(4), range(4))
    for step in range(300):
        allowed = first.observation[MASK]
        actions = np.array([rng.choice(np.flatnonzero(row)) for row in allowed])
        first.step(actions)
        second.step(actions)
        for name, array in first.observation.items():
            width = array.shape[1] if array.ndim == 2 else None
            other = second.observation[name]
            assert (array == (other if width is None else other[:, :width])).all(), (step, name)
        for env in (first, second):
            renew(env, 100 + 4 * step)
    position, index = TRIP
    assert second.observation["state"].shape[1] == position + 1
    assert not second.observation["state"][:, position].any()
    second.step(np.full(4, A["travel up"]))
    alive = ~second.terminated_B
    assert (second.observation["state"][alive, position] == index + 1).all()
    bag = OBSERVATION_SETS["travel"]["small"].bags["state"]
    assert bag.size == index + len(TRIPS)
    first.close()
    second.close()


def test_options_of_the_domain() -> None:
    plain, travels = NetHack(), NetHack({"actions": "travel"})
    assert plain.actions == ACTIONS
    assert "actions" not in NetHack({"actions": "reference"}).options  # as before there was a choice
    assert travels.actions == NAMES
    for network in ("small", "light", "reference"):
        assert travels.observation_for(network).actions == plain.observation_for(network).actions + len(TRIPS)
    env = travels.make_env(1)
    env.reset([0], [0])
    assert env.observation[MASK].shape == (1, len(NAMES))
    env.close()
    wrong = {
        "actions must be one of reference, travel": {"actions": "fly"},
        "must be role-race-alignment-gender": {"character": "mon"},
        "role 'xyz' must be one of arc, bar": {"character": "xyz-hum-neu-mal"},
        "race 'orc' must be one of hum for the role kni": {"character": "kni-orc-cha-mal"},
        "alignment 'neu' must be one of law for val-dwa": {"character": "val-dwa-neu-fem"},
        "gender 'mal' must be one of fem for the role val": {"character": "val-hum-neu-mal"},
    }
    for text, options in wrong.items():
        with pytest.raises(DomainError) as caught:
            NetHack(options)
        assert text in str(caught.value)


def test_everyone_who_can_play_is_who_the_game_says() -> None:
    roles = {
        "arc": "Archeologist", "bar": "Barbarian", "cav": "Cave", "hea": "Healer", "kni": "Knight", "mon": "Monk", "pri": "Priest",
        "ran": "Ranger", "rog": "Rogue", "sam": "Samurai", "tou": "Tourist", "val": "Valkyrie", "wiz": "Wizard",
    }  # fmt: skip
    races = {"hum": "human", "elf": "elven", "dwa": "dwarven", "gno": "gnomish", "orc": "orcish"}
    alignments = {"law": "lawful", "neu": "neutral", "cha": "chaotic"}
    everyone = characters()
    assert len(everyone) == len(set(everyone)) == 73
    for character in everyone:
        role, race, alignment, gender = character.split("-")
        env = NetHackEnv(1, character)
        env.reset([0], [0])
        said = env.facts(0).message.replace("\n", " ")
        env.close()
        assert f"{alignments[alignment]} " in said, (character, said)
        assert f"{races[race]} {roles[role]}" in said, (character, said)
        female = " female " in said or "woman" in said or "Priestess" in said or role == "val"
        assert female == (gender == "fem"), (character, said)
