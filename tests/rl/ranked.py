"""What torchrun runs in the tests: ``python -m tests.rl.ranked FOLDER SETTINGS [DIE]``.

Args:
    FOLDER: of the trainings, each in a folder that has its number; every rank leaves its weights there too, as ``rank-N.safetensors``.
    SETTINGS: of ``TrainConfig``, as JSON, in a list: one training after the other.
    DIE: rank 1 dies after this update.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from maestromotif.rl.config import TrainConfig
from maestromotif.rl.distributed import Ranks, open_ranks
from maestromotif.rl.training import Training, train

from . import worlds


def run(folder: Path, config: TrainConfig, ranks: Ranks, die: int = 0) -> None:
    """Train on the corridor."""
    finish = Training.finish

    def leave_weights(training: Training) -> None:
        finish(training)
        training.policy.save(folder / f"rank-{ranks.rank}.safetensors")

    def after(metrics: dict[str, Any]) -> None:
        if metrics["update"] == die and ranks.rank == 1:
            os._exit(7)

    domain, skills = worlds.corridor(length=7)
    with patch.object(Training, "finish", leave_weights):
        train(domain, skills, worlds.sources(), Path(), config, folder, 1, on_update=after, reward_maker=worlds.REWARDS, ranks=ranks)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with open_ranks() as opened:
        for place, values in enumerate(json.loads(sys.argv[2])):
            run(Path(sys.argv[1], str(place)), TrainConfig(**values), opened, int(sys.argv[3]) if len(sys.argv) > 3 else 0)
