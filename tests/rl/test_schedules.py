"""Schedules by name: who draws the next skill, what the trainer tells the games, and the curricula behind it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maestromotif.errors import ArtifactError, ConfigError
from maestromotif.rl.arrays import StepArrays
from maestromotif.rl.build import GamesSpec, describe_domain
from maestromotif.rl.config import TrainConfig
from maestromotif.rl.curriculum import HandMade, LearningProgress, load_stages, make_curriculum
from maestromotif.rl.metrics import read_metrics
from maestromotif.rl.schedules import WEIGHTED, WeightedSchedule
from maestromotif.rl.training import METRICS, POLICY, train
from maestromotif.rl.vector import Games, SerialGames
from maestromotif.types import EndCause

from . import worlds

SKILLS = ("go_left", "go_right")
STAGES = """
[[stage]]
id = "left alone"
per = "episode"
weights = { go_left = 1 }
until = { steps = 3_000, success = { go_left = 0.8 } }

[[stage]]
id = "both"
weights = { go_left = 1, go_right = 3 }
"""
SMALL: dict[str, Any] = {
    "steps": 2_560,
    "games": 16,
    "workers": 0,
    "rollout": 16,
    "chunk": 8,
    "minibatch": 64,
    "features": 16,
    "hidden": 16,
    "episode_steps": 60,
    "tensorboard": False,
}
LEARNS: dict[str, Any] = {"games": 32, "rollout": 32, "minibatch": 256, "features": 32, "hidden": 32}


def _train(out: Path, **changes: Any) -> list[dict[str, Any]]:
    domain, skills = worlds.corridor(length=7)
    config = TrainConfig(**{**SMALL, **changes})
    (out.parent / "stages.toml").write_text(STAGES, encoding="utf-8")
    train(domain, skills, worlds.sources(), Path(), config, out, 1, reward_maker=worlds.REWARDS, home=out.parent)
    return read_metrics(out / METRICS)


def _without_time(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "time"} for line in metrics]


def _success(metrics: list[dict[str, Any]], skill: str) -> float:
    rates = [line["skills"][skill]["success"] for line in metrics]
    return float(np.mean([rate for rate in rates if rate is not None]))


# What is drawn


def _schedule(guidance: list[float], seed: int = 0) -> WeightedSchedule:
    domain, skills = worlds.corridor(length=7)
    return WeightedSchedule(skills, worlds.SKILL_PROGRAM, [spec.name for spec in domain.fact_specs], seed, guidance)


def _facts(position: int) -> Any:
    env = worlds.corridor(length=7)[0].make_env(1)
    env.reset([0], [0])
    env._counts["position"][0] = position
    return env.facts(0)


def test_skills_are_drawn_by_weight_among_those_that_may_start() -> None:
    middle, left = _facts(3), _facts(0)
    draws = [_schedule([3.0, 1.0, 0], seed).begin(middle) for seed in range(400)]
    assert 0.68 < draws.count("go_left") / 400 < 0.82
    assert {_schedule([1.0, 0.0, 0], seed).begin(middle) for seed in range(20)} == {"go_left"}
    # Initiation wins over weight, and without any weight all that may start are alike.
    assert _schedule([1.0, 0.0, 0]).begin(left) == "go_right"
    assert {_schedule([0.0, 0.0, 0], seed).begin(middle) for seed in range(20)} == set(SKILLS)


def test_a_skill_drawn_for_an_episode_begins_anew_while_it_may_start() -> None:
    middle, left = _facts(3), _facts(0)
    schedule = _schedule([1.0, 0.0, 1])
    assert schedule.begin(middle) == "go_left"
    for _ in range(3):
        # max_steps of the skill is 40.
        assert schedule.advance(middle, EndCause.CONTINUES, 40) == (EndCause.TIMED_OUT, "go_left")
        assert not schedule.exhausted
    assert schedule.advance(left, EndCause.CONTINUES) == (EndCause.OVER, "go_left")
    assert schedule.exhausted


def test_faults_of_the_skill_programs_are_counted_as_with_a_program_as_policy() -> None:
    skills = worlds.corridor()[1]
    broken = "def can_start(skill, facts):\n    return facts.position // 0 == 0\n\n\ndef is_over(skill, facts, start):\n    return False\n"
    schedule = WeightedSchedule(skills, broken, ["position"], 0, [1.0, 1.0, 0])
    assert schedule.begin(_facts(3)) == "go_left"
    assert [(kind.partition(":")[0], count) for kind, count in schedule.faults.items()] == [
        ("can_start(go_left)", 1),
        ("can_start(go_right)", 1),
    ]


# Guidance on its way to the games


def _games(groups: int = 2) -> SerialGames:
    domain, skills = worlds.corridor(length=7, slip=0.2)
    spec = GamesSpec(
        domain=describe_domain(domain),
        options=dict(domain.options),
        skills=tuple(skills),
        sources=replace(worlds.sources(), maker=WEIGHTED),
        rewards=".",
        reward_maker=worlds.REWARDS,
        num_games=6,
        seed=4,
        first_episodes=(0,) * 6,
        episode_steps=20,
    )
    return SerialGames(spec, domain, groups)


def _step(games: Games, action: int) -> StepArrays:
    games.arrays.action[...] = action
    for group in range(len(games.groups)):
        games.send(group)
        games.wait(group)
    return games.arrays


def test_an_episode_keeps_the_guidance_that_it_began_with() -> None:
    games = _games()
    games.arrays.guidance[:] = [1, 0, 0]
    games.reset()
    assert (games.arrays.given == [1, 0, 0]).all()
    games.arrays.guidance[:] = [0, 1, 1]
    for step in range(1, 21):
        arrays = _step(games, 2)
        assert (arrays.given == ([1, 0, 0] if step < 20 else [0, 1, 1])).all()
    games.close()


def test_an_exhausted_schedule_cuts_its_episode_and_bootstraps_from_its_last_observation() -> None:
    games = _games()
    games.arrays.guidance[:] = [1, 0, 1]
    games.reset()
    seen = np.zeros(6, bool)
    for _ in range(19):
        places = games.arrays.observation["place"][:, 0].copy()
        arrays = _step(games, 0)
        over = arrays.cause == EndCause.OVER
        # A game that begins at the left end is over there without having moved.
        arrived = arrays.fresh.astype(bool) & over
        assert (arrays.fresh.astype(bool) == over).all()
        assert (arrays.last["place"][arrived, 0] == 1).all()
        assert (places[arrived] <= 2).all()
        seen |= arrived
    assert seen.any()
    assert arrays.ends[:, 0, EndCause.OVER].sum() == arrays.games[:, 0].sum()
    games.close()


@pytest.mark.parametrize("whole", [0, 1])
def test_nothing_depends_on_how_games_are_shared_out(whole: int) -> None:
    sums = []
    for groups in (1, 2, 3):
        games = _games(groups)
        games.arrays.guidance[:] = [0.3, 0.7, whole]
        games.reset()
        for step in range(80):
            arrays = _step(games, step // 9 % 2)
        sums.append([array.sum(0).tolist() for array in (arrays.calls, arrays.call_return, arrays.ends, arrays.games[:, [0, 1, 4]])])
        games.close()
    # Not nearly equal: sums of returns are exact, so that a curriculum computes the same from them.
    assert sums[0] == sums[1] == sums[2]
    assert sums[0][1][0] > 0


# Training


@pytest.mark.parametrize("schedule", ["program", "isolated", "uniform", "hand-made", "learning-progress"])
def test_every_schedule_trains_and_repeats_itself(tmp_path: Path, schedule: str) -> None:
    runs = [_train(tmp_path / str(run), schedule=schedule, schedule_file="stages.toml", steps=1_280) for run in range(2)]
    assert _without_time(runs[0]) == _without_time(runs[1])
    assert (tmp_path / "0" / POLICY).read_bytes() == (tmp_path / "1" / POLICY).read_bytes()
    started = {skill for line in runs[0] for skill in SKILLS if line["skills"][skill]["steps"]}
    # The first stage has the left skill alone, and begins no other except at the left end.
    assert started == set(SKILLS)


def test_isolated_skills_are_learned_and_never_mixed(tmp_path: Path) -> None:
    metrics = _train(tmp_path / "out", schedule="isolated", steps=12_288, **LEARNS)
    assert all(line["switch_rate"] == 0 for line in metrics)
    assert all(line["curriculum"] == {} for line in metrics)
    assert min(_success(metrics[-4:], skill) for skill in SKILLS) > 0.9
    assert all(not line["warnings"] for line in metrics)


def test_hand_made_stages_follow_one_another(tmp_path: Path) -> None:
    metrics = _train(tmp_path / "out", schedule="hand-made", schedule_file="stages.toml", steps=16_384, **LEARNS)
    stages = [line["curriculum"]["stage"] for line in metrics]
    moved = stages.index("both")
    assert stages == ["left alone"] * moved + ["both"] * (len(stages) - moved)
    assert metrics[moved]["steps"] >= 3_000
    assert metrics[-1]["curriculum"] == {"stage": "both", "stage_number": 2, "weights": {"go_left": 1.0, "go_right": 3.0}}
    # The right skill starts where the left one may not, at the left end, and nowhere else.
    assert metrics[0]["skills"]["go_right"]["share"] < 0.3 < metrics[-1]["skills"]["go_right"]["share"]
    assert metrics[0]["switch_rate"] == 0 < metrics[-1]["switch_rate"]
    assert min(_success(metrics[-4:], skill) for skill in SKILLS) > 0.9
    assert all(not line["warnings"] for line in metrics)


def test_learning_progress_shifts_weight_alike_in_workers_and_without(tmp_path: Path) -> None:
    settings = {**LEARNS, "schedule": "learning-progress", "steps": 8_192, "groups": 2}
    serial = _train(tmp_path / "serial", **settings)
    parallel = _train(tmp_path / "parallel", **settings, workers=2)
    assert [line["curriculum"] for line in serial] == [line["curriculum"] for line in parallel]
    assert [line["loss"] for line in serial] == [line["loss"] for line in parallel]
    assert (tmp_path / "serial" / POLICY).read_bytes() == (tmp_path / "parallel" / POLICY).read_bytes()
    weights = np.array([list(line["curriculum"]["weights"].values()) for line in serial])
    np.testing.assert_allclose(weights.sum(1), 1)
    assert (weights[0] == 0.5).all()
    assert weights.min() >= 0.1
    assert weights.std(0).min() > 0.05


@pytest.mark.parametrize("schedule", ["isolated", "hand-made", "learning-progress"])
def test_a_resumed_curriculum_goes_on_as_if_nothing_had_happened(tmp_path: Path, schedule: str) -> None:
    settings = {"schedule": schedule, "schedule_file": "stages.toml", **LEARNS}
    whole = _train(tmp_path / "whole", steps=8_192, **settings)
    _train(tmp_path / "parts", steps=6_144, **settings)
    parts = _train(tmp_path / "parts", steps=8_192, **settings)
    assert _without_time(parts) == _without_time(whole)
    if schedule == "hand-made":
        assert [line["curriculum"]["stage"] for line in parts[-2:]] == ["both", "both"]
    if schedule == "learning-progress":
        # Without the old state, all weights would be equal again.
        assert parts[-1]["curriculum"]["weights"]["go_left"] != 0.5


# Curricula


def _update(**skills: tuple[int, float | None, float]) -> dict[str, dict[str, Any]]:
    return {
        skill: {"calls": calls, "success": success, "return": returns if calls else None, "ends": {"cut": 0.5} if calls else {}}
        for skill, (calls, success, returns) in skills.items()
    }


def test_weight_follows_the_absolute_change_of_returns() -> None:
    curriculum = LearningProgress(("a", "b", "c"))
    assert curriculum.weights() == [1 / 3] * 3
    for turn in range(40):
        # Skill a has been learned, b is being learned on another scale, c is being forgotten, half as fast.
        curriculum.update(100, _update(a=(20, None, 5.0), b=(20, None, 0.001 * (turn + 1)), c=(20, None, 60.0 - 0.5 * turn)))
    a, b, c = curriculum.weights()
    assert a == pytest.approx(0.2 / 3)
    assert b > c > 2 * a
    assert a + b + c == pytest.approx(1)
    # A state is plain values, and goes on alike.
    again = LearningProgress(("a", "b", "c"))
    again.restore(curriculum.state())
    for each in (curriculum, again):
        each.update(100, _update(a=(9, None, 7.0), b=(0, None, 0.0), c=(1, None, 1.0)))
    assert again.weights() == curriculum.weights() != [a, b, c]


def test_a_skill_that_was_hardly_called_counts_as_one_that_changes_most() -> None:
    curriculum = LearningProgress(("a", "b", "c"))
    for turn in range(30):
        curriculum.update(100, _update(a=(20, None, 1.0 + turn), b=(20, None, 5.0), c=(1, None, 0.0)))
    a, b, c = curriculum.weights()
    assert a == c > b == pytest.approx(0.2 / 3)


def _load(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "stages.toml"
    path.write_text(text, encoding="utf-8")
    return load_stages(path, worlds.corridor()[1], ["go_left"])


def test_a_stage_ends_when_all_its_thresholds_hold(tmp_path: Path) -> None:
    stages = _load(
        tmp_path,
        """
        [[stage]]
        id = "one"
        weights = { go_left = 1, go_right = 1 }
        until = { steps = 500, success = { go_left = 0.7 }, return = { go_right = 2.0 } }
        [[stage]]
        id = "two"
        per = "episode"
        weights = { go_right = 1 }
        """,
    )
    curriculum = HandMade(SKILLS, stages)

    def run(turns: int, success: float, returns: float) -> str:
        for _ in range(turns):
            curriculum.update(100, _update(go_left=(40, success, 0.0), go_right=(20, None, returns)))
        return str(curriculum.describe()["stage"])

    assert run(20, 0.2, 3.0) == "one"
    assert run(20, 1.0, 1.0) == "one"
    assert (curriculum.weights(), curriculum.whole()) == ([1.0, 1.0], False)
    state = curriculum.state()
    assert run(10, 1.0, 3.0) == "two"
    assert (curriculum.weights(), curriculum.whole()) == ([0.0, 1.0], True)
    assert run(50, 0.0, 0.0) == "two"
    curriculum.restore(state)
    assert run(0, 0.0, 0.0) == "one"
    assert run(10, 1.0, 3.0) == "two"
    # Half of the calls are cut and tell nothing of success, so that 100 have been seen after five updates, which are also 500 steps.
    curriculum = HandMade(SKILLS, stages)
    assert run(4, 1.0, 3.0) == "one"
    assert run(1, 1.0, 3.0) == "two"
    with pytest.raises(ArtifactError, match="stage 'one' of the curriculum, which is not among two"):
        HandMade(SKILLS, stages[1:]).restore(state)


LAST = '[[stage]]\nid = "last"\nweights = { go_left = 1 }\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[stage]\n", r"stages\.toml: not valid TOML.*Mend that line"),
        ("", r"stages\.toml: stage: field required.*docs/training\.md"),
        ("stages = 1\n" + LAST, r"stages: unknown key"),
        (LAST.replace('id = "last"', ""), r"stage 1: id: field required"),
        (LAST.replace("= 1", "= -1"), r"stage 1: weights\.go_left: input should be greater than or equal to 0"),
        (LAST + 'per = "step"', r"stage 1: per: input should be 'call' or 'episode'"),
        (LAST + "until = { succes = { go_left = 1 } }\n" + LAST, r"stage 1: until\.succes: unknown key"),
        (LAST + "until = { success = { go_left = 70 } }\n" + LAST, r"stage 1: until\.success\.go_left: .*less than or equal to 1"),
        (LAST.replace("go_left", "go_lef"), r"stage 1 \(last\): weights\.go_lef: unknown skill \(did you mean 'go_left'\?\).*Skills of"),
        (LAST.replace("= 1", "= 0"), r"weights: no skill has any weight.*Give at least one skill"),
        (LAST + LAST.replace("last", "next"), r"stage 1 \(last\): until: missing or empty, so the stages after it are never reached"),
        (LAST + "until = {}\n" + LAST.replace("last", "next"), r"stage 1 \(last\): until: missing or empty"),
        (LAST + "until = { steps = 5 }", r"until: no stage follows.*Remove it, or add a stage"),
        (LAST + "until = { steps = 5 }\n" + LAST, r"stage 2 \(last\): id: taken by a stage before"),
        (LAST + "until = { return = { go_right = 1 } }\n" + LAST, r"until\.return\.go_right: never holds, since the skill has no weight"),
        (
            LAST.replace("go_left", "go_right") + "until = { success = { go_right = 1 } }\n" + LAST,
            r"until\.success\.go_right: never holds, since the skill has no measure.*wait for its return",
        ),
    ],
)
def test_wrong_stages_are_refused_with_key_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _load(tmp_path, text)


def test_the_example_of_the_documentation_can_be_used(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    stages = _load(tmp_path, text.partition("```toml\n")[2].partition("```")[0])
    assert [stage.id for stage in stages] == ["left alone", "both", "as they come"]


def test_all_problems_of_the_stages_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, LAST.replace("go_left", "jump") + LAST)
    assert all(part in str(caught.value) for part in ("weights.jump", "until: missing", "id: taken"))


def test_a_hand_made_schedule_needs_a_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs schedule_file"):
        TrainConfig(schedule="hand-made")
    config = TrainConfig(schedule="hand-made", schedule_file="none.toml")
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read.*beside maestro\.toml"):
        make_curriculum(config, worlds.corridor()[1], [], tmp_path)
