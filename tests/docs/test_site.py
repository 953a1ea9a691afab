"""The site is built, with every warning of the builder an error; needs the extra `docs`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import ROOT

pytest.importorskip("mkdocs", reason="needs the extra docs")


def build(site: Path, *, config: Path = ROOT / "mkdocs.yml") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(config), "--site-dir", str(site)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, cwd=ROOT, check=False)


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    built = build(tmp_path / "site")
    assert built.returncode == 0, built.stderr
    domains = (tmp_path / "site" / "reference" / "domains.html").read_text()
    assert 'id="maestromotif.domains.contract.DomainEnv.step"' in domains  # from docstrings
    home = (tmp_path / "site" / "index.html").read_text()
    assert "<strong>skills</strong> in plain English" in home  # from the README
    assert 'class="mermaid"' in (tmp_path / "site" / "architecture.html").read_text()


@pytest.mark.slow
def test_a_broken_link_is_an_error(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text("# Home\n\n[gone](gone.md) and [nowhere](#nowhere)\n")
    text = (ROOT / "mkdocs.yml").read_text()
    text = re.sub(r"^nav:\n(?:[ ]+.*\n)+", "", text, flags=re.MULTILINE).replace("paths: [src]", f"paths: ['{ROOT / 'src'}']")
    (tmp_path / "mkdocs.yml").write_text(text)
    built = build(tmp_path / "site", config=tmp_path / "mkdocs.yml")
    assert built.returncode == 1
    assert "gone.md" in built.stderr
    assert "#nowhere" in built.stderr
