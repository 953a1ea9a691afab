"""Records an episode of CartPole in a process that the kernel confines, as ``record`` does: ``python -m ... PROGRAMS OUT``."""

from __future__ import annotations

import sys
from pathlib import Path

from maestromotif.agents import EvaluateConfig, Setting
from maestromotif.domains.gym import GymDomain
from maestromotif.recordings.play import CLAIM, RecordOrder, free_cell, record_episodes
from maestromotif.rl.worker import confine_player, warm_up
from maestromotif.skills import SkillSet

SKILLS = SkillSet.parse('[[skill]]\nid = "balance"\ndescription = "Keep the pole up."\n')
POLICY = """
class PolicyOverSkills:
    def next_skill(self, facts, finished, startable):
        return startable[0]

    def is_done(self, facts):
        return False
"""


def record(domain: GymDomain, programs: Path, out: Path, confined: bool) -> list[str]:
    """By chance, since nothing was trained."""
    setting = Setting(domain, SKILLS, programs, programs, None, EvaluateConfig(max_steps=30, workers=0))
    cell = free_cell(setting, "stand", POLICY, "random", 1, 0)
    order = RecordOrder("stand", CLAIM, POLICY, "random", 1, "bench/stand", (0,), 1, "", cell.max_steps, cell.key)

    def ready() -> None:
        warm_up(domain)
        if confined:
            confine_player(domain, [], [out])

    out.mkdir()
    return record_episodes(setting, order, out, lambda fraction, text: None, ready)


if __name__ == "__main__":
    programs, out = map(Path, sys.argv[1:])
    print(*record(GymDomain(), programs, out, confined=True))
