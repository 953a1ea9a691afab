"""A corridor project, and a corridor that is drawn."""

from tests.agents.conftest import corridor, corridor_skills, setting

__all__ = ["corridor", "corridor_skills", "setting"]
