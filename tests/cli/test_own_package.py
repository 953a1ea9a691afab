"""A domain in a package of its own is found by its entry point, keeps the contract, and trains: nothing here knows of it."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from pathlib import Path

import pytest

from tests.cli.conftest import TINY, configure, environment, maestromotif

PACKAGE = Path(__file__).parents[1] / "own_package"


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The environment of a command that sees the package as an installer leaves it: files, and entry points from its pyproject.toml."""
    site = tmp_path / "site"
    shutil.copytree(PACKAGE / "src" / "stairs", site / "stairs")
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    info = site / f"stairs_domain-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]["maestromotif.domains"]
    (info / "entry_points.txt").write_text("[maestromotif.domains]\n" + "".join(f"{name} = {what}\n" for name, what in points.items()))
    return environment(PYTHONPATH=os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))


def test_a_domain_of_another_package_keeps_the_contract_and_trains(installed: dict[str, str], tmp_path: Path) -> None:
    checked = maestromotif("check", "stairs", "--json", env=installed)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    root = tmp_path / "p"
    assert maestromotif("init", root, "--domain", "stairs", env=installed).returncode == 0
    configure(root, {**TINY, "train.steps": 8_192, "train.workers": 1, "evaluate.max_steps": 60})
    ran = maestromotif("run", root, env=installed)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    card = json.loads((root / "artifacts" / "training" / "card.json").read_text())
    assert card["inputs"]["domain"]["id"] == "stairs"
    assert "up_and_down" in ran.stdout
    assert maestromotif("check", "stairs").returncode == 1  # not installed, not found
