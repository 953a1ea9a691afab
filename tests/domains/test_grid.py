"""The grid house keeps the contract, plays by MiniGrid's rules, sees what MiniGrid sees, and its skills are learned from feedback alone."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("minigrid")

from maestromotif.domains.checks import DomainContract
from maestromotif.domains.contract import ACTION_MASK, Domain, Facts
from maestromotif.domains.grid import GridEnv, GridHouse, sight
from maestromotif.domains.grid import vocabulary as words
from maestromotif.domains.grid.scripts import AIMS, follow, makes_sense
from maestromotif.domains.grid.world import FLOOR, GOAL, LOCKED, OPEN, SILL, WALL, GridHouseWorld, code
from maestromotif.domains.registry import load_domain
from maestromotif.errors import DomainError
from maestromotif.programs.contracts import make_scenes
from maestromotif.skills import SkillSet
from maestromotif.types import RewardInput

CHAIN = ("explore", "fetch_key", "open_door", "put_down", "explore", "fetch_box", "bring_home", "fetch_ball", "bring_home", "visit_goal")


class TestGridContract(DomainContract):
    def make_domain(self) -> Domain:
        return load_domain("grid")


def _random_play(env: GridEnv, steps: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        mask = env.observation[ACTION_MASK]
        env.step(np.argmax(rng.random(mask.shape) * (mask > 0), axis=1).astype(np.int64))
        yield


def _worlds(env: GridEnv) -> list[GridHouseWorld]:
    return env._worlds


@pytest.mark.parametrize("room", [5, 8])
def test_agents_see_what_minigrid_says_they_see(room: int) -> None:
    env = GridEnv(12, room)
    env.reset(range(12), range(12))
    seen_kinds = set()
    for _ in _random_play(env, 150):
        for game, world in enumerate(_worlds(env)):
            grid, visible = world.gen_obs_grid()
            inside = _inside(world)
            expected = np.zeros(sight.VIEW**2, np.int64)
            for row in range(sight.VIEW):
                for column in range(sight.VIEW):
                    # MiniGrid's view has the agent in its last row, and shows there what is carried.
                    thing = grid.get(column, sight.VIEW - 1 - row)
                    if (row, column) == (0, sight.VIEW // 2):
                        thing = world.grid.get(*world.agent_pos)
                    if visible[column, sight.VIEW - 1 - row] and inside[row, column] and code(thing) != FLOOR:
                        index = row * sight.VIEW + column
                        expected[index] = index * 8 + code(thing)
                        seen_kinds.add(code(thing))
            assert np.array_equal(env.observation["view"][game], expected)
    assert {WALL, LOCKED, GOAL, SILL} <= seen_kinds


def _inside(world: GridHouseWorld) -> Any:
    """Squares of the view that lie in the world, ``[row, column]``."""
    inside = np.zeros((sight.VIEW, sight.VIEW), np.bool_)
    (ax, ay), (dx, dy), (rx, ry) = world.agent_pos, world.dir_vec, world.right_vec
    for row in range(sight.VIEW):
        for column in range(sight.VIEW):
            x, y = ax + dx * row + rx * (column - sight.VIEW // 2), ay + dy * row + ry * (column - sight.VIEW // 2)
            inside[row, column] = 0 <= x < world.width and 0 <= y < world.height
    return inside


def test_ways_are_as_short_as_a_plain_search_finds_them() -> None:
    env = GridEnv(8)
    env.reset(range(8), range(8))
    compared = 0
    for _ in _random_play(env, 120, seed=3):
        for game in range(8):
            cells, known = env._cells_BS[game], env._known_BS[game]
            x, y, _ = env._place_B3[game]
            far = _search(cells, known, y * env.width + x, env.width)
            for target, kind in (("key", 4), ("door", LOCKED), ("ball", 5), ("box", 6), ("goal", GOAL)):
                found = [int(square) for square in np.flatnonzero((cells == kind) & known)]
                around = [square + step for square in found for step in (1, -1, env.width, -env.width)] if kind != GOAL else found
                expected = min((far[square] for square in around if square in far), default=-1)
                assert env._far_BT[game, sight.TARGETS.index(target)] == expected
                compared += expected > 0
    assert compared > 500


def _search(cells: Any, known: Any, start: int, width: int) -> dict[int, int]:
    far, queue = {start: 0}, deque([start])
    while queue:
        square = queue.popleft()
        for following in (square + 1, square - 1, square + width, square - width):
            if following not in far and known[following] and cells[following] in (FLOOR, OPEN, GOAL, SILL):
                far[following] = far[square] + 1
                queue.append(following)
    return far


def test_masked_actions_do_nothing_and_allowed_ones_something() -> None:
    env = GridEnv(16)
    env.reset(range(16), range(16))
    for step, _ in enumerate(_random_play(env, 80, seed=1)):
        action = step % len(words.ACTIONS)
        states = [world.hash() + str(world.carrying) for world in _worlds(env)]
        allowed = env.observation[ACTION_MASK][:, action].copy()
        env.step(np.full(16, action, np.int64))
        changed = [world.hash() + str(world.carrying) != state for world, state in zip(_worlds(env), states, strict=True)]
        assert changed == (allowed > 0).tolist()


def test_every_house_can_be_finished_by_rule_and_all_messages_are_met() -> None:
    """Skills by rule, in the order of a chain, move everything in each of 40 houses; what happened is told in facts and words."""
    games = 40
    env = GridEnv(games)
    env.reset(range(games), range(games))
    rng, place = np.random.default_rng(0), [0] * games
    done: list[set[str]] = [set() for _ in range(games)]
    for _ in range(400):
        actions = []
        for game in range(games):
            while place[game] < len(CHAIN) and not makes_sense(env, game, CHAIN[place[game]]):
                place[game] += 1
            actions.append(follow(env, game, CHAIN[min(place[game], len(CHAIN) - 1)], rng))
        env.step(np.array(actions, np.int64))
        for game in range(games):
            signs = env.reward_input(game).signs
            done[game] |= {f"{spec.name}: {spec.values[sign]}" for spec, sign in zip(words.SIGNS, signs, strict=True) if sign}
    aims = {"hand: picked up key", "door: opened", "hand: put down key", "hand: picked up box", "hand: put down box", "goal: reached"}
    assert sum(aims <= events for events in done) >= games - 1  # where things are laid down may, rarely, be in the way
    assert set().union(*done) >= {f"{spec.name}: {value}" for spec in words.SIGNS[:5] for value in spec.values[1:]}


def test_facts_follow_what_is_done() -> None:
    env = GridEnv(1)
    env.reset([0], [3])
    seed = 3
    while env.facts(0).key_at != "unseen":
        seed += 1
        env.reset([0], [seed])
    rng = np.random.default_rng(0)
    assert (env.facts(0).key_at, env.facts(0).carrying, env.facts(0).room) == ("unseen", "nothing", "home")
    while not makes_sense(env, 0, "fetch_key"):
        env.step(np.array([follow(env, 0, "explore", rng)]))
    assert env.facts(0).key_at == env.truth(0)["key"]
    while env.facts(0).carrying == "nothing":
        env.step(np.array([follow(env, 0, "fetch_key", rng)]))
    facts = env.facts(0)
    assert (facts.carrying, facts.key_at, facts.picked_up) == ("key", "hand", 1)
    assert "You pick up the key." in facts.message
    while env.facts(0).carrying == "key":
        env.step(np.array([follow(env, 0, "bring_home", rng)]))
    assert (env.facts(0).key_at, env.truth(0)["key"], env.facts(0).put_down_at_home) == ("home", "home", 1)
    assert facts.carrying == "key"


def test_criteria_want_the_landmarks_in_order() -> None:
    tasks = GridHouse().tasks
    here: dict[str, Any] = {
        "key": "home",
        "ball": "hall",
        "box": "vault",
        "door_open": False,
        "room": "home",
        "on_goal": False,
        "put_down": 0,
    }
    criterion = tasks["vault_open_goal"].criteria["landmark"]()
    trail: list[dict[str, Any]] = [{"on_goal": True}, {"key": "hand"}, {"key": "hand", "door_open": True}]
    assert [criterion.update(None, here | change) for change in trail] == [False, False, False]
    assert criterion.update(None, here | {"door_open": True, "on_goal": True})
    home = tasks["all_home"].criteria["landmark"]()
    assert not home.update(None, here)
    assert home.update(None, here | {"ball": "home", "box": "home"})


def test_ground_truth_scores_the_aim_of_every_shipped_skill() -> None:
    domain = GridHouse()
    for skill in SkillSet.parse(domain.skills_toml):
        assert domain.caption_score(skill.id, RewardInput("", (0,) * len(words.SIGNS))) == 0.0
    assert set(AIMS) == set(SkillSet.parse(domain.skills_toml).ids)
    put = words.reward_input((words.PUT, 0, 0, 0, 0))  # the key, at home
    elsewhere = words.reward_input((words.PUT + 1, 0, 0, 0, 0))
    assert [domain.caption_score("bring_home", event) for event in (put, elsewhere)] == [1.0, 0.0]
    assert domain.caption_score("put_down", elsewhere) == 1.0
    assert domain.caption_score("a skill of one's own", put) is None


@pytest.mark.parametrize("room", [5, 9])
def test_facts_that_occur_are_possible_and_those_that_are_drawn_hang_together(room: int) -> None:
    domain = GridHouse({"room": room})
    names = [spec.name for spec in domain.fact_specs]
    played = [[_values(facts, names) for facts in episode] for episode in domain.recorded_facts()]
    scenes = make_scenes(domain, SkillSet.parse(domain.skills_toml), domain.recorded_facts(), seed=1)
    drawn = [[_values(facts, names) for facts in episode] for episode in scenes.drawn]
    assert len(drawn) > 20
    for episode in played + drawn:
        before = None
        for values in episode:
            assert domain.possible_facts(values, before) == values
            before = values
    moments = [values for episode in drawn for values in episode[1:]]
    assert {values["carrying"] for values in moments} == set(words.HANDS)
    assert {values["room"] for values in moments} == set(words.ROOMS)
    for values in moments:
        held = [thing for thing in words.HANDS[1:] if values[f"{thing}_at"] == "hand"]
        assert held == [thing for thing in (values["carrying"],) if thing != "nothing"]
        assert values["picked_up"] - values["put_down"] == len(held)
        assert values["door"] == "open" or "vault" not in (values["room"], values["key_at"], values["ball_at"])


def test_impossible_facts_are_mended() -> None:
    domain = GridHouse()
    names = [spec.name for spec in domain.fact_specs]
    env = domain.make_env(1)
    env.reset([0], [3])
    start = _values(env.facts(0), names)
    wish = {"carrying": "box", "key_at": "hand", "door": "locked", "room": "vault", "before": "locked door", "on_goal": True}
    found = domain.possible_facts({**start, **wish}, {**start, "steps": 7, "goal_visits": 2})
    assert found is not None
    mended = {"x": 6, "key_at": "hall", "box_at": "hand", "door": "open", "room": "hall", "before": "floor"}
    counted = {"steps": 7, "picked_up": 2, "put_down": 1, "goal_visits": 2}
    assert found == {**start, **wish, **mended, **counted, "goal_seen": True}


def _values(facts: Facts, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in names}


@pytest.mark.parametrize("options", [{"rooms": 5}, {"room": 4}, {"room": 10}, {"room": "big"}, {"room": True}])
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(DomainError, match=r"\[domain\]"):
        GridHouse(options)


def test_rooms_may_be_larger() -> None:
    env = GridHouse({"room": 9}).make_env(2)
    env.reset([0, 1], [0, 1])
    assert len({env._walls_B2[game].tobytes() + env._cells_BS[game].tobytes() for game in (0, 1)}) == 2
    assert env.width == 31


def test_the_same_seed_gives_the_same_house_in_another_process() -> None:
    program = (
        "import zlib; from maestromotif.domains.grid import GridEnv; env = GridEnv(3); env.reset(range(3), [5, 6, 7]);"
        "print(zlib.crc32(env._cells_BS.tobytes()))"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    env = GridEnv(3)
    env.reset(range(3), [5, 6, 7])
    assert other.stdout == f"{zlib.crc32(env._cells_BS.tobytes())}\n"  # and nothing but that: pygame's greeting is silenced


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_skills_from_feedback_alone_solve_composites_of_three_zero_shot(tmp_path: Path) -> None:
    """The whole pipeline, offline, with the recommended settings; some two minutes of one core."""
    project = tmp_path / "house"

    def maestromotif(*arguments: str) -> None:
        done = subprocess.run([sys.executable, "-m", "maestromotif", *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    maestromotif("init", str(project), "--domain", "grid")
    tasks = ("ball_home_goal", "vault_open_goal")
    settings = [f"evaluate.tasks={json.dumps(tasks)}", "evaluate.task_episodes=40", "evaluate.skill_episodes=8", "program.episodes=20"]
    maestromotif("run", str(project), *(word for setting in settings for word in ("--set", setting)))
    for task in tasks:
        results = json.loads((project / "artifacts" / "evaluation" / "tasks" / f"{task}.json").read_text(encoding="utf-8"))
        rates = {policy: found["success"]["landmark"]["rate"] for policy, found in results["policies"].items()}
        assert rates["trained"] >= 0.9, rates
        assert rates["random"] <= 0.3, rates
