"""The tutorials do what they say: their commands are run from an empty folder, and print what the page shows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from .pages import ROOT, blocks

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
_MARK = "== end of block =="


def shown(line: str, output: str) -> bool:
    """Whether a line of a page stands in the output; ``...`` stands for anything, and white space does not count."""
    parts = ["\\s+".join(map(re.escape, part.split())) for part in line.split("...")]
    return re.search(".*?".join(parts), " ".join(output.split())) is not None


def install(package: Path, site: Path) -> None:
    """Leave a package as an installer does: its files, and entry points from its pyproject.toml."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    for module in package.iterdir():
        if (module / "__init__.py").exists():
            shutil.copytree(module, site / module.name)
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {what}" for name, what in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_does_what_it_says(page: Path, tmp_path: Path) -> None:
    site, folder, programs = (tmp_path / name for name in ("site", "empty", "bin"))
    for path in (site, folder, programs):
        path.mkdir()
    for name, command in (("maestromotif", f"{shlex.quote(sys.executable)} -m maestromotif"), ("python", shlex.quote(sys.executable))):
        (programs / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (programs / name).chmod(0o755)
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "NO_COLOR": "1",
        "COLUMNS": "120",
        "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]),
    }
    found = blocks(page.read_text())
    assert [block.kind for block in found].count("run") >= 2
    # One shell for the whole page, so that variables last; installing happens in between, by this process.
    shell = subprocess.Popen(
        ["bash", "-eo", "pipefail"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=folder,
    )
    assert shell.stdin is not None
    assert shell.stdout is not None
    output = ""
    with shell:
        for block in found:
            if block.kind == "install":
                install(folder / block.what, site)
            elif block.kind == "run":
                shell.stdin.write(f"{{\n{block.text}}} < /dev/null\necho '{_MARK}'\n")
                shell.stdin.flush()
                output = ""
                for line in shell.stdout:
                    if line.strip() == _MARK:
                        break
                    output += line
                else:
                    pytest.fail(f"{page.name}:{block.line}: {output}")
            else:
                missing = [line for line in block.text.splitlines() if not shown(line, output)]
                assert not missing, f"{page.name}:{block.line} is not what came out:\n{output}"
        shell.stdin.close()


def test_what_a_page_shows_is_compared() -> None:
    assert shown("go_left: ... first, 16 second", "other\ngo_left:  36 pairs: 15 first,\n 16 second, 5 tie")
    assert not shown("go_left: ... first, 17 second", "go_left:  36 pairs: 15 first, 16 second, 5 tie")
