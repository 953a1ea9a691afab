"""Any Gymnasium environment as a domain: spaces, actions, the adapter, and the shipped contract suite on many kinds of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from maestromotif.domains import load_domain
from maestromotif.domains.checks import Outcome, check_domain
from maestromotif.domains.contract import DENSE
from maestromotif.domains.gym import FactSpec, GymDomain, trend, trends
from maestromotif.domains.gym.actions import ActionTable
from maestromotif.domains.gym.env import BAG
from maestromotif.domains.gym.found import find_facts
from maestromotif.domains.gym.observations import ObservationReader
from maestromotif.errors import DomainError

sys.path.insert(0, str(Path(__file__).parent))  # as in "own_envs:OwnWalk-v0"

KINDS = [
    "CartPole-v1",  # a vector, two actions
    "Pendulum-v1",  # continuous actions
    "FrozenLake-v1",  # one number for everything
    "Taxi-v3",  # with a mask
    "Blackjack-v1",  # a tuple
    "own_envs:OwnSpot-v0",  # a picture, continuous actions
    "own_envs:OwnWalk-v0",  # a dictionary of everything, several actions at once
]


@pytest.mark.parametrize("env", KINDS)
def test_environments_of_many_kinds_keep_the_contract(env: str) -> None:
    results = check_domain(GymDomain({"env": env}))
    assert not [result for result in results if result.outcome is Outcome.FAILED]
    # Without an adapter there are no tasks, measures and answers; most have no mask.
    empty = {result.name for result in results if result.outcome is Outcome.VACUOUS}
    assert empty <= {"tasks", "call measures", "recorded answers", "explorer keeps to the mask"}


def test_a_mask_reaches_the_policy() -> None:
    env = GymDomain({"env": "Taxi-v3"}).make_env(1)
    env.reset([0], [1])
    assert not env.observation["action_mask"].all()
    env.close()


def _read(space: gymnasium.Space[Any], observation: Any) -> tuple[list[float], list[int], ObservationReader]:
    reader = ObservationReader(space)
    dense, bag = np.zeros(reader.dense, np.float32), np.zeros(reader.bag_length, np.int32)
    reader.write(observation, dense, bag)
    return dense.tolist(), bag.tolist(), reader


def test_numbers_are_scaled_by_their_bounds_and_without_bounds_by_a_logarithm() -> None:
    space = spaces.Box(np.array([0, -np.inf], np.float32), np.array([10, np.inf], np.float32))
    dense, _, _ = _read(space, np.array([7.5, -1.0]))
    assert dense == pytest.approx([0.5, -np.log(2)])


def test_categories_are_features_of_their_own() -> None:
    space = spaces.Tuple((spaces.Discrete(4, start=2), spaces.MultiDiscrete([2, 3])))
    seen = set()
    for first in range(2, 6):
        for second in range(2):
            for third in range(3):
                _, bag, reader = _read(space, (first, np.array([second, third])))
                assert reader.bag_size == 1 + 4 + 2 + 3
                assert all(0 < index < reader.bag_size for index in bag)
                seen.add(tuple(bag))
    assert len(seen) == 4 * 2 * 3


def test_pictures_become_means_over_blocks() -> None:
    space = spaces.Box(0, 255, (64, 96, 3), np.uint8)
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:32, :, 0] = 255
    dense, _, reader = _read(space, picture)
    blocks = np.array(dense).reshape(16, 16, 3)
    assert reader.dense == 16 * 16 * 3
    assert (blocks[:8, :, 0] == 1).all()
    assert (blocks[8:] == -1).all()
    assert (blocks[..., 1:] == -1).all()
    # Channels may stand first, and there may be sizes that blocks do not divide.
    odd = ObservationReader(spaces.Box(0.0, 1.0, (4, 85, 37), np.float32))
    values = np.full(odd.dense, 9, np.float32)
    odd.write(np.full((4, 85, 37), 0.5, np.float32), values, np.zeros(0, np.int32))
    assert np.allclose(values, 0, atol=1e-6)


def test_words_of_a_text_are_features() -> None:
    space = spaces.Text(40)
    _, one, _ = _read(space, "open the door")
    _, other, _ = _read(space, "Open THE window")
    assert one[:2] == other[:2]
    assert one[2] != other[2]
    assert one[3:] == [0] * (len(one) - 3)


@pytest.mark.parametrize(
    ("space", "observation", "told"),
    [
        (spaces.Box(-1, 1, (3,)), np.zeros(4), r"shape \(4,\), its space says \(3,\)"),
        (spaces.Box(-1, 1, (3,)), np.array([0, np.nan, 0]), "no number"),
        (spaces.Discrete(3), 3, "outside its space"),
        (spaces.Dict({"a": spaces.Discrete(2)}), {"b": 1}, r"observation\['a'\] is not there"),
        (spaces.Text(5), 7, "is a int, its space says text"),
        (spaces.Box(-1, 1, (2,)), np.array(["x", "y"]), "not numbers"),
    ],
)
def test_observations_that_are_not_of_their_space_are_told(space: gymnasium.Space[Any], observation: Any, told: str) -> None:
    with pytest.raises(DomainError, match=told):
        _read(space, observation)


def test_a_space_that_cannot_be_read_is_told() -> None:
    with pytest.raises(DomainError, match=r"Sequence, which cannot be read.*Wrap"):
        ObservationReader(spaces.Sequence(spaces.Discrete(2)))


def test_continuous_actions_are_chosen_from_even_values() -> None:
    table = ActionTable(spaces.Box(np.array([-2, 0], np.float32), np.array([2, 1], np.float32)), bins=3)
    values = [table.value(action) for action in range(len(table))]
    assert len(table) == 9
    assert {tuple(value.tolist()) for value in values} == {(x, y) for x in (-2, 0, 2) for y in (0, 0.5, 1)}
    assert values[0].dtype == np.float32
    assert len(set(table.names)) == 9


def test_many_dimensions_move_one_at_a_time() -> None:
    table = ActionTable(spaces.Box(-1, 1, (8,), np.float32))
    values = [table.value(action) for action in range(len(table))]
    assert len(table) == 1 + 8 * 2
    assert not values[0].any()
    assert all(np.count_nonzero(value) == 1 for value in values[1:])


def test_actions_of_several_parts_are_put_together() -> None:
    space = spaces.Dict({"go": spaces.Discrete(2), "how": spaces.Tuple((spaces.MultiBinary(2), spaces.Discrete(2, start=5)))})
    table = ActionTable(space)
    assert len(table) == 2 * 4 * 2
    assert all(space.contains({**value, "go": np.int64(value["go"])}) for value in map(table.value, range(len(table))))


def test_names_of_actions_have_to_fit() -> None:
    with pytest.raises(DomainError, match="names 1 actions, the environment has 2"):
        ActionTable(spaces.Discrete(2), names=["jump"])
    assert ActionTable(spaces.Discrete(2), meanings=["left", "right"]).names == ("left", "right")
    with pytest.raises(DomainError, match="actions of the kind Text"):
        ActionTable(spaces.Text(3))


def test_facts_of_any_space_have_names_and_code_that_reads_them() -> None:
    env = gymnasium.make("own_envs:OwnWalk-v0")
    observation, _ = env.reset(seed=1)
    facts = find_facts(env.observation_space)
    assert len({fact.spec.name for fact in facts}) == len(facts)
    for fact in facts:
        assert eval(fact.code, {"observation": observation}) == fact.read(observation), fact.code
    assert {"place", "speed", "flags_0", "pair_0_1", "pair_1_3", "word"} <= {fact.spec.name for fact in facts}


def test_borders_belong_to_what_lies_above_them() -> None:
    assert [trend(0, 1, [1]), trend(1, 0, [1]), trend(0, 0.9, [1]), trend(1, 5, [1])] == ["rises", "falls", "same", "same"]

    class State:
        def __init__(self, x: float, on: bool, over: bool) -> None:
            self.x, self.on, self.over = x, on, over

    borders = {"x": (1.0, 2.0, 3.0), "on": ()}
    assert trends(State(0, False, False), State(2.5, True, True), borders) == "x rises past 2. on becomes True. The episode ends."
    assert trends(State(2.5, True, False), State(0, True, False), borders) == "x falls below 1."
    assert trends(State(2.5, True, False), State(2.6, True, False), borders) == "Nothing changes."


ADAPTER = """
from maestromotif.domains.gym import Adapter, FactSpec, Goal

class Pole(Adapter):
    fact_specs = (FactSpec("angle", "float", "of the pole", least=-1, most=1),)
    borders = {{"angle": (0.0,)}}
    goals = (Goal("tip", "Tip it.", (lambda facts, truth: facts.angle > 0.1, lambda facts, truth: truth["score"] >= 0)),)

    def facts(self, observation, info):
        return {{"angle": {angle}}}
"""


def _project(folder: Path, angle: str = "float(observation[2])") -> Path:
    folder.mkdir(parents=True)
    path = folder / "adapter.py"
    path.write_text(ADAPTER.format(angle=angle))
    return path


def test_an_adapter_is_known_by_what_it_says_not_by_where_it_lies(tmp_path: Path) -> None:
    domains = []
    for place, angle in (("one", "float(observation[2])"), ("other", "float(observation[2])"), ("third", "float(observation[0])")):
        _project(tmp_path / place, angle)
        domains.append(load_domain("gym", {"env": "CartPole-v1", "adapter": "adapter.py"}, tmp_path / place))
    assert domains[0].identity == domains[1].identity
    assert domains[0].identity != domains[2].identity
    assert [spec.name for spec in domains[0].fact_specs] == ["angle", "steps", "over"]
    # A worker makes it again from its options alone, wherever it runs.
    assert type(domains[0])(dict(domains[0].options)).tasks.keys() == {"tip"}
    assert Path(domains[0].options["adapter"]).is_absolute()


def test_conditions_of_a_goal_are_met_one_after_another(tmp_path: Path) -> None:
    domain = GymDomain({"adapter": str(_project(tmp_path / "p"))})
    criterion = domain.tasks["tip"].criteria["landmark"]()

    class Facts:
        angle = 0.0

    assert not criterion.update(Facts, {"score": 0})
    Facts.angle = 0.2
    assert not criterion.update(Facts, {"score": 0})
    Facts.angle = 0.0
    assert criterion.update(Facts, {"score": 0})
    assert criterion.update(Facts, {"score": -1})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def broken(:\n", "adapter.py, line 1: "),
        ("x = 1\ny = x / 0\n", "adapter.py, line 2: ZeroDivisionError"),
        ("x = 1\n", "0 classes that inherit from Adapter"),
        ("from maestromotif.domains.gym import Adapter\nclass A(Adapter):\n    actions = 'a',\n", "names 1 actions, the environment has 2"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "adapter.py"
    path.write_text(text)
    with pytest.raises(DomainError, match=told):
        _ = GymDomain({"adapter": str(path)}).actions


@pytest.mark.parametrize(
    ("angle", "told"),
    [
        ("observation[2]", "the fact angle is a float32, fact_specs says float.*Write float"),
        ("float(observation[9])", r"adapter.py, line 10: facts\(\) failed: IndexError.*\(seed 3, step 0\)"),
        ('1.0, "more": 2', r"facts\(\) gives more, which fact_specs does not list"),
    ],
)
def test_facts_that_are_wrong_are_told(tmp_path: Path, angle: str, told: str) -> None:
    env = GymDomain({"adapter": str(_project(tmp_path / "p", angle))}).make_env(1)
    with pytest.raises(DomainError, match=told):
        env.reset([0], [3])


def test_environments_that_cannot_be_made_are_told() -> None:
    with pytest.raises(DomainError, match="knows no environment 'NoSuch-v0'"):
        _ = GymDomain({"env": "NoSuch-v0"}).actions
    with pytest.raises(DomainError, match=r"needs a package .*no_such_module"):
        _ = GymDomain({"env": "no_such_module:X-v0"}).actions
    with pytest.raises(DomainError, match="cannot be made: TypeError"):
        _ = GymDomain({"env": "CartPole-v1", "arguments": {"gravity": 3}}).actions
    with pytest.raises(DomainError, match=r"unknown option 'evn'; arguments must be .*table"):
        GymDomain({"evn": "CartPole-v1", "arguments": 3})


def test_arrays_hold_what_the_environment_shows() -> None:
    domain = GymDomain({"env": "FrozenLake-v1", "arguments": {"is_slippery": False}})
    env = domain.make_env(2)
    env.reset([0, 1], [0, 1])
    assert DENSE not in env.observation
    env.step(np.array([2, 1]))
    assert env.observation[BAG][:, 0].tolist() == [1 + 1, 1 + 4]
    assert [env.facts(game).state for game in range(2)] == [1, 4]
    assert env.facts(0).steps == 1
    assert domain.fact_specs[0] == FactSpec("state", "int", "the observation: one of 16 numbers", (), 0, 15)
    env.close()
