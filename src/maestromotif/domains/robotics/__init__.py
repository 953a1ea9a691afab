"""A gripper over a bench: real physics, continuous actions."""

from maestromotif.domains.robotics.domain import RobotBench

__all__ = ["RobotBench"]
