"""NetHack from the command line: a sixth skill in skills.toml is all it takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import TINY, configure, maestromotif

pytest.importorskip("nle")

_SIXTH = """
[[skill]]
id = "waiter"
description = "Wait for monsters to come. It can start when none is in view, and it is over when one is."
max_steps = 50
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sixth_skill_in_the_file_is_all_it_takes(tmp_path: Path) -> None:
    root = tmp_path / "project"
    assert maestromotif("init", root).returncode == 0
    configure(
        root,
        {
            **TINY,
            "collect.steps": 16_000,
            "collect.shard_steps": 8_000,
            "annotate.pairs": 400,
            "train.steps": 8_192,
            "evaluate.skill_episodes": 2,
            "evaluate.task_episodes": 2,
            "evaluate.games": 2,
            "evaluate.max_steps": 200,
        },
    )
    with (root / "skills.toml").open("a") as stream:
        stream.write(_SIXTH)
    result = maestromotif("run", root, timeout=800)
    assert result.returncode == 0, result.stdout + result.stderr
    ids = {"discoverer", "descender", "ascender", "merchant", "worshipper", "waiter"}
    artifacts = root / "artifacts"
    for skill in ids:
        assert (artifacts / "preferences" / f"preferences-{skill}.parquet").exists()
        assert (artifacts / "rewards" / f"reward-{skill}.safetensors").exists()
    last = json.loads((artifacts / "training" / "metrics.jsonl").read_text().splitlines()[-1])
    assert set(last["skills"]) == ids
    assert set(json.loads((artifacts / "evaluation" / "skills.json").read_text())["skills"]) == ids
    assert "waiter" in (artifacts / "report" / "index.html").read_text()
    assert "warning: " in result.stdout
    assert "'waiter'" in result.stdout
