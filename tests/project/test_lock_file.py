"""``constraints.txt`` is one lock for all extras that the package's own makefile installs, on every Python that the package names."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PINS = ROOT / "constraints.txt"
APART = {"embedding", "wandb", "mlflow", "browser", "textgame"}  # extras that the lock leaves open, see docs/dependencies.md
# What torch's default wheel for Linux brings beside itself; it names their versions.
OF_TORCH = re.compile(r"nvidia-|cuda-|triton$")


def _project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def _pythons() -> list[str]:
    prefix = "Programming Language :: Python :: "
    return [name.removeprefix(prefix) for name in _project()["classifiers"] if name.startswith(prefix)]


def _wanted() -> list[str]:
    """What the package and the extras of the lock ask for, as in pyproject.toml."""
    project = _project()
    extras = (needs for extra, needs in project["optional-dependencies"].items() if extra not in APART)
    return [*project["dependencies"], *(need for needs in extras for need in needs)]


def _plain(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _pins() -> dict[str, str]:
    lines = [line for line in PINS.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    pairs = [re.split("==| *;", line) for line in lines]
    return {_plain(name): version for name, version, *_ in pairs}


def test_every_line_is_an_exact_pin_and_none_is_there_twice() -> None:
    lines = [line for line in PINS.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9a-z.]+( *; .+)?", line)] == []
    assert len(_pins()) == len(lines)
    assert _pythons() == ["3.11", "3.12", "3.13"]


def test_whatever_the_installed_packages_ask_for_is_pinned() -> None:
    """Without the index: packages that are not installed are passed over."""
    left, seen, loose = list(map(Requirement, _wanted())), set[str](), set[str]()
    while left:
        asked = left.pop()
        name = _plain(asked.name)
        if str(asked) in seen:
            continue
        seen.add(str(asked))
        loose |= {name} - _pins().keys()
        try:
            further = requires(name) or []
        except PackageNotFoundError:
            continue
        for need in map(Requirement, further):
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in asked.extras or {""}):
                left.append(need)
    assert {name for name in loose if not OF_TORCH.match(name)} == set()
    assert len(seen) > 60


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("python", _pythons())
def test_core_and_extras_install_together_from_wheels_as_pinned(python: str, tmp_path: Path) -> None:
    """Asks the package index, and installs nothing."""
    (tmp_path / "wanted.txt").write_text("\n".join(_wanted()), encoding="utf-8")
    latest = f"{python}.99"  # a bare 3.11 would stand for 3.11.0
    asked = ["--dry-run", "--ignore-installed", "--python-version", latest, "--only-binary=:all:", "--target", str(tmp_path / "none")]
    files = ["-c", str(PINS), "-r", str(tmp_path / "wanted.txt"), "--report", str(tmp_path / "report.json")]
    done = subprocess.run([sys.executable, "-m", "pip", "install", "-qq", *asked, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    installed = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["install"]
    found = {_plain(one["metadata"]["name"]): one["metadata"]["version"] for one in installed}
    loose = {name: version for name, version in found.items() if name not in _pins() and not OF_TORCH.match(name)}
    assert loose == {}, "not pinned in constraints.txt"
