"""The robot's bench keeps the contract, obeys physics, tells what happens, and its skills are learned from feedback alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mujoco")

import mujoco

from maestromotif.domains.checks import DomainContract
from maestromotif.domains.contract import DENSE, Domain
from maestromotif.domains.registry import load_domain
from maestromotif.domains.robotics import RobotBench
from maestromotif.domains.robotics import vocabulary as words
from maestromotif.domains.robotics.env import RobotEnv
from maestromotif.domains.robotics.scripts import SKILLS, follow, makes_sense
from maestromotif.domains.robotics.world import SECONDS, Bench, model
from maestromotif.errors import DomainError
from maestromotif.skills import SkillSet
from maestromotif.types import RewardInput

STILL = np.array([[0.0, 0.0, 0.0, 1.0]])
DONE: Mapping[str, Any] = {
    "press_button": lambda facts: facts.lamp_on,
    "open_drawer": lambda facts: facts.drawer == "open",
    "close_drawer": lambda facts: facts.drawer == "shut",
    "lift_cube": lambda facts: facts.cube_at == "hand",
    "place_on_plate": lambda facts: facts.cube_at == "plate",
    "put_in_drawer": lambda facts: facts.cube_at == "drawer",
}


class TestRobotContract(DomainContract):
    def make_domain(self) -> Domain:
        return load_domain("robotics")


def _begun(seed: int = 0) -> RobotEnv:
    env = RobotEnv(1)
    env.reset([0], [seed])
    return env


def _by_rule(env: RobotEnv, skill: str, most: int = 200) -> Iterator[dict[str, str]]:
    """Steps of a skill until it is done; what each has changed, by sign."""
    for _ in range(most):
        if DONE[skill](env.facts(0)):
            return
        env.step(follow(env, 0, skill)[None])
        yield _changes(env)
    raise AssertionError(f"{skill} was not done within {most} steps: {env.facts(0)}")


def _changes(env: RobotEnv) -> dict[str, str]:
    signs = zip(words.SIGNS, env.reward_input(0).signs, strict=True)
    return {spec.name: spec.values[sign] for spec, sign in signs if sign}


def test_every_bench_can_be_mastered_by_rule_and_every_event_is_met() -> None:
    met: set[tuple[str, str]] = set()
    for seed in range(6):
        env = _begun(seed)
        criterion = RobotBench().tasks["all_done"].criteria["landmark"]()
        for skill in ("press_button", "lift_cube", "place_on_plate", "open_drawer", "lift_cube", "put_in_drawer", "close_drawer"):
            assert makes_sense(env, 0, skill)
            assert not criterion.update(env.facts(0), env.truth(0))
            for changes in _by_rule(env, skill):
                met |= set(changes.items())
                assert env.caption(0).text.startswith("Message: ")
        assert criterion.update(env.facts(0), env.truth(0))
    missing = {(spec.name, value) for spec in words.SIGNS for value in spec.values[1:]} - met
    assert missing == {("cube", "dropped"), ("button", "pressed again")}


def test_the_physics_is_mujocos_own() -> None:
    """The same drive of a plain simulation leads to the same place, bit for bit; and a step is as long as it is said to be."""
    bench, rng = Bench(3), np.random.default_rng(0)
    bench.reset(range(3), (5, 6, 7))
    plain = mujoco.MjData(model())
    mujoco.mj_copyData(plain, model(), bench.data(1))
    before = plain.time
    for _ in range(40):
        bench.step(rng.uniform(-1, 1, (3, 4)))
        plain.ctrl[:] = bench.data(1).ctrl
        for _ in range(8):
            mujoco.mj_step(model(), plain)
    assert (plain.qpos == bench.data(1).qpos).all()
    assert plain.time - before == pytest.approx(40 * SECONDS)
    assert plain.qpos[4] == pytest.approx(bench.cube_B3[1, 2])


def test_the_cube_falls_and_is_held_by_friction_alone() -> None:
    env = _begun(1)
    list(_by_rule(env, "lift_cube"))
    for _ in range(20):
        env.step(np.array([[0.0, 0.0, 0.3, -1.0]]))
    assert env.facts(0).cube_at == "hand"
    assert env.bench.cube_B3[0, 2] > 0.1
    told = []
    for _ in range(25):
        env.step(STILL)
        told.append(_changes(env).get("cube"))
    assert [event for event in told if event] == ["dropped"]
    assert (env.facts(0).cube_at, env.facts(0).drops, env.facts(0).lifts) == ("table", 1, 1)
    assert env.bench.cube_B3[0, 2] == pytest.approx(0.02, abs=0.003)


def test_coming_nearer_is_told_once_and_moving_to_and_fro_earns_nothing() -> None:
    env = _begun(2)
    first = [changes["nearer"] for changes in _by_rule(env, "press_button") if "nearer" in changes]
    assert first.count("button") >= 5
    again: list[str] = []
    for turn in range(60):
        up = 0.6 if turn // 4 % 2 else -0.6
        env.step(np.array([[up / 2, 0.0, abs(up), 0.0]]))
        again += [changes["nearer"] for changes in [_changes(env)] if changes.get("nearer") == "button"]
    assert again == []


def test_a_cube_carried_away_and_back_has_not_come_nearer_again() -> None:
    env = _begun(1)
    list(_by_rule(env, "lift_cube"))
    told, distances = [], []
    for turn in range(160):
        way = env.towards_BP3[0, words.PLACES.index("plate")]
        towards = turn // 40 % 2 == 0
        across = np.clip(way[:2] / 0.025, -0.5, 0.5) if towards else np.array([0.5, 0.0])  # the plate lies on the left
        env.step(np.array([[*across, 0.2 * (env.bench.tip_B3[0, 2] < 0.12), -1.0]]))
        told.append(_changes(env).get("nearer") == "plate")
        distances.append(float(np.linalg.norm(way[:2])))
    assert env.facts(0).cube_at == "hand"
    assert max(distances[40:80]) > 0.2 > 0.02 > min(distances[80:120])
    assert sum(told[:40]) >= 4
    assert not any(told[40:])


def test_fingers_that_squeeze_let_go_within_a_few_steps() -> None:
    env = _begun(1)
    list(_by_rule(env, "lift_cube"))
    for _ in range(20):
        env.step(np.array([[0.0, 0.0, 0.3, -1.0]]))
    assert env.facts(0).cube_at == "hand"
    for _ in range(3):
        env.step(STILL)
    assert not env.facts(0).gripping


def test_an_event_of_the_drawer_is_told_once_for_each_way() -> None:
    env = _begun(3)
    ways = []
    for skill in ("open_drawer", "close_drawer", "open_drawer"):
        ways.append([changes["drawer"] for changes in _by_rule(env, skill) if "drawer" in changes])
    assert ways[0][-1] == ways[2][-1] == "open"
    assert ways[1][-1] == "shut"
    assert 2 <= ways[0].count("further out") <= 9
    assert 2 <= ways[1].count("further in") <= 9
    facts = env.facts(0)
    assert (facts.opened, facts.shut, facts.drawer, facts.drawer_out) == (2, 1, "open", 12)


def test_the_button_is_pressed_only_by_pushing_it_down() -> None:
    env = _begun(4)
    events = [changes["button"] for changes in _by_rule(env, "press_button") if "button" in changes]
    assert events == ["pressed"]
    for _ in range(12):
        env.step(np.array([[0.0, 0.0, 1.0, -1.0]]))
    for _ in range(12):
        env.step(np.array([[0.0, 0.0, -1.0, -1.0]]))
    assert (env.facts(0).presses, env.facts(0).lamp_on) == (2, True)


def test_what_is_seen_tells_where_things_are_from_the_hand() -> None:
    env = RobotEnv(5)
    env.reset(range(5), range(5))
    bench, dense = env.bench, env.observation[DENSE]
    assert dense.shape == (5, RobotBench().observation_spec.dense)
    coarse = dense[:, 13:28].reshape(5, 5, 3) / 4
    np.testing.assert_allclose(coarse[:, 0], bench.cube_B3 - bench.tip_B3, atol=1e-6)
    np.testing.assert_allclose(coarse[:, 1], np.clip(bench.button_B3 - bench.tip_B3, -0.5, 0.5), atol=1e-6)
    assert np.abs(dense).max() <= 2


def test_pictures_show_what_moves_and_change_nothing() -> None:
    env = _begun(2)
    before, dense = env.picture(0), env.observation[DENSE].copy()
    assert before is not None
    assert before.dtype == np.uint8
    assert (env.picture(0) == before).all()
    assert (env.observation[DENSE] == dense).all()
    list(_by_rule(env, "press_button"))
    lit = env.picture(0)
    assert lit is not None
    assert (lit == (255, 220, 70)).all(2).sum() > 500, "the lamp"
    assert not (before == (255, 220, 70)).all(2).any()
    list(_by_rule(env, "open_drawer"))
    opened = env.picture(0)
    assert opened is not None
    wood = [int((picture[:340] == (128, 90, 52)).all(2).sum()) for picture in (before, opened)]
    assert wood[1] > wood[0] + 3_000


def test_every_shipped_task_is_solved_by_its_recorded_program_where_skills_never_fail() -> None:
    """Programs of skills and tasks as the recorded answers have them, in the simulator without failures."""
    domain = RobotBench()
    folder = Path(domain.recorded_answers[0])
    skills = SkillSet.parse(domain.skills_toml)

    def code(name: str) -> dict[str, Any]:
        space: dict[str, Any] = {}
        exec((folder / f"{name}.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0], space)
        return space

    programs = {skill.id: code(f"programs-{skill.id}") for skill in skills}
    for task in domain.tasks.values():
        simulator, policy = domain.simulators()["perfect"], code(f"task-{task.id}")["PolicyOverSkills"]()
        criterion, facts = task.criteria["landmark"](), simulator.reset(1)
        active, start = "", facts
        for _ in range(40):
            if hasattr(policy, "observe"):
                policy.observe(facts)
            if criterion.update(facts, simulator.truth()):
                break
            if not active or programs[active]["is_over"](facts, start):
                startable = [skill for skill in skills.ids if programs[skill]["can_start"](facts)]
                active, start = policy.next_skill(facts, None, startable), facts
            facts, _ = simulator.step(active)
        assert criterion.update(facts, simulator.truth()), task.id
        assert policy.is_done(facts), task.id


def test_ground_truth_scores_the_aim_of_every_shipped_skill() -> None:
    domain = RobotBench()
    for skill in SkillSet.parse(domain.skills_toml):
        assert domain.caption_score(skill.id, RewardInput("", (0,) * len(words.SIGNS))) == 0.0
    assert set(SKILLS) == set(SkillSet.parse(domain.skills_toml).ids)
    assert domain.caption_score("lift_cube", words.reward_input((2, 0, 0, 0))) == 10
    assert domain.caption_score("place_on_plate", words.reward_input((3, 0, 0, 0))) == -5
    assert domain.caption_score("a skill of one's own", words.reward_input((2, 0, 0, 0))) is None


def test_options_are_refused() -> None:
    with pytest.raises(DomainError, match="no options"):
        RobotBench({"arms": 2})


def test_without_the_extra_one_line_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['mujoco'] = None; from maestromotif.domains.registry import load_domain\n"
        "from maestromotif.errors import DomainError\n"
        "try: load_domain('robotics')\n"
        "except DomainError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'maestromotif[robotics]'" in done.stdout
    assert done.stdout.count("\n") == 1


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_skills_from_feedback_alone_solve_composites_zero_shot(tmp_path: Path) -> None:
    """The whole pipeline, offline, with fewer steps than recommended; some five minutes of two cores."""
    project = tmp_path / "bench"

    def maestromotif(*arguments: str) -> None:
        done = subprocess.run([sys.executable, "-m", "maestromotif", *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    maestromotif("init", str(project), "--domain", "robotics")
    settings = ["train.steps=400000", 'evaluate.tasks=["lamp_drawer"]', "evaluate.task_episodes=40", "evaluate.skill_episodes=8"]
    maestromotif("run", str(project), *(word for setting in [*settings, "program.episodes=20"] for word in ("--set", setting)))
    results = json.loads((project / "artifacts" / "evaluation" / "tasks" / "lamp_drawer.json").read_text(encoding="utf-8"))
    rates = {policy: found["success"]["landmark"]["rate"] for policy, found in results["policies"].items()}
    assert rates["trained"] > rates["random"] + 0.3, rates
