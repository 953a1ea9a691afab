"""What NetHack's games hold, by the benchmark that measures it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nle")

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "memory.py"
GAMES, RESETS = 16, 200


@pytest.mark.skipif(sys.platform != "linux", reason="proportional memory is told by Linux")
def test_games_are_small_and_beginning_anew_leaves_nothing_behind() -> None:
    command = [sys.executable, str(BENCHMARK), f"--games={GAMES}", "--steps=3200", f"--resets={RESETS}", "--marks=2"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    # 64 games in 400 MB, nle's files in memory included.
    assert report["pss_of_games"] > 0
    assert report["pss_of_games"] + report["copies_per_game"] * GAMES < 400 / 64 * GAMES
    # Something is left by nle itself: about 2 kB each time.
    assert report["marks"][-1]["resets"] >= RESETS
    assert report["grown_since_the_first_mark"] < 2.0
    assert report["descriptors_grown"] == 0
    assert report["marks"][-1]["mappings"] - report["marks"][0]["mappings"] < 5
    assert report["left_after_closing"] == {"descriptors": 0, "folders": 0}
