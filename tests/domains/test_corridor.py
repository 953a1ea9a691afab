"""The corridor keeps the domain contract, and a person's skills can be told apart in it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from maestromotif.domains.contract import ACTION_MASK
from maestromotif.domains.corridor import Corridor, CorridorEnv
from maestromotif.errors import DomainError
from maestromotif.skills import SkillSet
from maestromotif.types import RewardInput


def _play(seed: int, num_games: int, game: int) -> list[tuple[int, int, str, bool]]:
    """A trajectory of one game among others, under actions that depend on the step alone."""
    env = Corridor({"length": 6, "slip": 0.3, "light": 40}).make_env(num_games)
    env.reset(range(num_games), [seed + other - game for other in range(num_games)])
    trace = []
    for step in range(40):
        env.step(np.full(num_games, (step * 7 // 3) % 3, np.int64))
        trace.append((env.facts(game).position, env.reward_key(game), env.caption(game).text, bool(env.terminated_B[game])))
    return trace


def test_same_seed_same_trajectory_in_any_game_of_any_batch() -> None:
    assert _play(5, 1, 0) == _play(5, 4, 2)
    assert _play(5, 1, 0) != _play(6, 1, 0)
    assert [row[3] for row in _play(5, 1, 0)] == [False] * 39 + [True]


def test_reset_of_one_game_leaves_the_others_alone() -> None:
    env = CorridorEnv(3, length=9, slip=0.0)
    env.reset([0, 1, 2], [1, 2, 3])
    env.step(np.array([0, 1, 0]))
    before = [env.facts(game).position for game in (0, 2)]
    env.reset([1], [99])
    assert [env.facts(game).position for game in (0, 2)] == before
    assert (env.facts(1).steps, env.facts(0).steps) == (0, 1)


def test_observation_stays_inside_its_spec() -> None:
    domain = Corridor({"length": 5, "light": 10})
    spec, env = domain.observation_spec, domain.make_env(8)
    env.reset(range(8), range(8))
    rng = np.random.default_rng(0)
    for _ in range(30):
        for name, bag in spec.bags.items():
            array = env.observation[name]
            assert array.shape == (8, bag.length)
            assert 0 <= array.min() <= array.max() < bag.size
        assert np.abs(env.observation["dense"]).max() <= 1
        assert env.observation[ACTION_MASK].all()
        env.step(rng.integers(3, size=8))
        over = np.flatnonzero(env.terminated_B)
        if len(over):
            env.reset(over.tolist(), rng.integers(2**40, size=len(over)).tolist())


def test_equal_keys_mean_equal_reward_inputs_and_signs_are_valid() -> None:
    domain = Corridor({"length": 5, "slip": 0.4})
    env = domain.make_env(16)
    env.reset(range(16), range(16))
    explorer, seen = domain.explorer(3), dict[int, RewardInput]()
    for _ in range(200):
        env.step(explorer.act(env))
        for game in range(16):
            given = env.caption(game).reward_input
            assert seen.setdefault(env.reward_key(game), given) == given
            assert all(0 <= sign < len(spec.values) for sign, spec in zip(given.signs, domain.sign_specs, strict=True))
    assert len(set(seen.values())) == len(seen) > 8


def test_facts_are_immutable_snapshots_with_the_documented_types() -> None:
    domain = Corridor()
    env = domain.make_env(1)
    env.reset([0], [4])
    facts = env.facts(0)
    types = {"int": int, "bool": bool, "str": str, "float": float}
    for spec in domain.fact_specs:
        assert type(getattr(facts, spec.name)) is types[spec.type]
    position = facts.position
    for _ in range(4):
        env.step(np.array([1]))
    assert facts.position == position != env.facts(0).position
    with pytest.raises(AttributeError):
        facts.position = 0


def test_tasks_can_be_done_and_are_not_done_by_standing_still() -> None:
    domain = Corridor({"slip": 0.0})
    ends = {"both_ends": [0] * 9 + [1] * 9, "three_crossings": [1] * 9 + [0] * 9 + [1] * 9 + [0] * 9}
    assert set(ends) == set(domain.tasks)
    for name, actions in ends.items():
        for chosen, expected in ((actions, True), ([2] * len(actions), False)):
            env = domain.make_env(1)
            env.reset([0], [11])
            criterion = domain.tasks[name].criteria["landmark"]()
            done = criterion.update(env.facts(0), env.truth(0))
            for action in chosen:
                env.step(np.array([action]))
                done = criterion.update(env.facts(0), env.truth(0))
            assert done is expected


def test_simulator_skills_do_what_their_names_say() -> None:
    simulator = Corridor().simulator()
    for skill, fact in (("go_left", "at_left_end"), ("go_right", "at_right_end")):
        for seed in range(20):
            facts, ticks = simulator.reset(seed), 0
            while not getattr(facts, fact):
                facts, over = simulator.step(skill)
                ticks += 1
                assert not over
                assert ticks < 20
    assert simulator.step("no_such_skill")[1] is False


def test_skills_file_and_answers_fit_together() -> None:
    domain = Corridor()
    skills = SkillSet.parse(domain.skills_toml)
    assert skills.ids == ("go_left", "go_right")
    assert all(skill.measure in domain.call_measures for skill in skills)
    third = domain.skills_toml.rsplit("# [[skill]]", 1)[1].replace("\n# ", "\n")
    assert SkillSet.parse(domain.skills_toml + "\n[[skill]]" + third).ids == ("go_left", "go_right", "wait_middle")
    # Every recorded answer speaks of a text that the shipped files contain, or stands for any text.
    texts = {skill.description for skill in SkillSet.parse(domain.skills_toml + "\n[[skill]]" + third)}
    texts |= {task.description for task in domain.tasks.values()} | {"*"}
    answers = list(Path(domain.recorded_answers[0]).rglob("*.md"))
    assert len(answers) == 11 + 5  # a second generation of what the shipped skills need
    for answer in answers:
        header = tomllib.loads(answer.read_text(encoding="utf-8").split("+++")[1])
        assert header["subject"].strip() in texts
        assert header["name"].startswith("corridor/")


@pytest.mark.parametrize("options", [{"lenght": 9}, {"length": 2}, {"slip": "much"}, {"length": True}])
def test_bad_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(DomainError, match=r"\[domain\]"):
        Corridor(options)
