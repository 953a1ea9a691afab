"""A corridor project small enough to be played in a test."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from maestromotif.agents import EvaluateConfig, Setting
from maestromotif.domains.corridor import Corridor
from maestromotif.rl import NetworkConfig, SkillPolicy
from maestromotif.skills import SkillSet

SKILLS = """
def can_start(skill, facts):
    if skill == "go_left":
        return not facts.at_left_end
    if skill == "go_right":
        return not facts.at_right_end
    return True


def is_over(skill, facts, start):
    if skill == "go_left":
        return facts.at_left_end
    if skill == "go_right":
        return facts.at_right_end
    return facts.rested >= 3
"""

TRAINING_POLICY = """
class PolicyOverSkills:
    def next_skill(self, facts, finished, startable):
        if finished == "go_left" and "go_right" in startable:
            return "go_right"
        return "go_left" if "go_left" in startable else startable[0]
"""

TASK = """
class PolicyOverSkills:
    def __init__(self):
        self.left = False
        self.done = False

    def observe(self, facts):
        if facts.at_left_end:
            self.left = True
        if self.left and facts.at_right_end:
            self.done = True

    def next_skill(self, facts, finished, startable):
        wish = "go_right" if self.left else "go_left"
        return wish if wish in startable else startable[0]

    def is_done(self, facts):
        return self.done
"""


@pytest.fixture
def corridor() -> Corridor:
    return Corridor({"length": 5})


@pytest.fixture
def corridor_skills(corridor: Corridor) -> SkillSet:
    return SkillSet.parse(corridor.skills_toml)


@pytest.fixture
def setting(tmp_path: Path, corridor: Corridor, corridor_skills: SkillSet) -> Setting:
    """Programs written by hand and a network whose linear part walks left or right as its skill says."""
    programs, training = tmp_path / "programs", tmp_path / "training"
    programs.mkdir()
    training.mkdir()
    (programs / "skills.py").write_text(SKILLS)
    (programs / "training_policy.py").write_text(TRAINING_POLICY)
    (tmp_path / "both_ends.py").write_text(TASK)
    policy = SkillPolicy(corridor.observation_spec, corridor_skills.ids, NetworkConfig(features=8, hidden=8, core="ff"), seed=1)
    policy.save(training / "untrained.safetensors")
    with torch.no_grad():
        table = policy.skips["place"].view(len(corridor_skills), -1, corridor.observation_spec.actions)
        for index, skill in enumerate(corridor_skills.ids):
            table[index, 1:, {"go_left": 0, "go_right": 1}.get(skill, 2)] = 6.0
    policy.save(training / "policy.safetensors")
    config = EvaluateConfig(skill_episodes=12, task_episodes=12, max_steps=40, games=6, workers=0, permutations=999)
    return Setting(corridor, corridor_skills, programs, training, None, config)
