"""Several projects on one page."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from maestromotif.report import ReportSources, write_comparison
from maestromotif.report.compare import render_comparison
from maestromotif.report.render import percent
from tests.report.browser import chromium, opened, violations
from tests.report.hostile import ATTACK, spoiled
from tests.report.test_page import read


def worse(made: ReportSources, root: Path) -> ReportSources:
    """The same project, of which go_left never succeeded, and which was trained with another learning rate."""
    shutil.copytree(made.root, root)
    other = ReportSources.standard(root, made.domain, made.skills)
    path = other.evaluation / "skills.json"
    document = json.loads(path.read_text())
    document["skills"]["go_left"]["policies"]["trained"].update(successes=0, rate=0.0, low=0.0, high=0.1)
    path.write_text(json.dumps(document))
    for sources, rate in ((made, 0.001), (other, 0.5)):
        card = {"stage": "train", "inputs": {"train": {"learning_rate": rate, "core": "gru"}, "parents": {"reward": str(rate)}}}
        (root.parent / f"{sources.title}.json").write_text(json.dumps(card))
    shutil.move(root.parent / f"{other.title}.json", other.training / "card.json")
    return other


def test_results_stand_beside_each_other_with_their_mean_and_what_differs(project: ReportSources, tmp_path: Path) -> None:
    other = worse(project, tmp_path / "other")
    shutil.move(tmp_path / f"{project.title}.json", project.training / "card.json")
    path = write_comparison([project, other], tmp_path / "compare.html")
    reader = read(path.read_text(encoding="utf-8"))
    rate = json.loads((project.evaluation / "skills.json").read_text())["skills"]["go_left"]["policies"]["trained"]["rate"]
    half = " ".join(percent(rate / 2).split())
    assert f"{half} ± {half}" in reader.text
    assert "training train learning_rate 0.001 0.5" in reader.text
    assert "core" not in reader.text.partition("What differs")[2].replace("score", "")
    assert "parents" not in reader.text
    page = path.read_text(encoding="utf-8")
    for name in ("compare-skills", "compare-tasks", "success-go_left", "return-go_right"):
        assert f'download="{name}.csv"' in page


def test_projects_of_one_name_are_told_apart_and_empty_ones_say_what_is_missing(made: ReportSources, tmp_path: Path) -> None:
    empty = ReportSources.standard(tmp_path / "small corridor", made.domain, made.skills)
    text = read(render_comparison([made, empty, made])).text
    assert f"{tmp_path.name}/small corridor" in text
    assert "(2)" in text
    assert "the trained network, evaluation" in text


def test_hostile_text_does_nothing_there_either(project: ReportSources, tmp_path: Path) -> None:
    twin = replace(spoiled(project), title=f"b {ATTACK}")
    path = write_comparison([spoiled(project), twin], tmp_path / "compare.html")
    with chromium() as browser:
        with opened(browser, path, bypass_csp=True) as page:
            assert page.evaluate("window.attacked") is None
            assert page.locator("main img, iframe, main script, [onerror], [onload], a[href^=javascript]").count() == 0
        for width in ("wide", "phone"):
            with opened(browser, path, width=width, scheme="dark", bypass_csp=True) as page:
                assert violations(page) == []
                far = page.evaluate(
                    "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && "
                    "!e.closest('.scroll, nav, pre, svg')).map(e => e.outerHTML.slice(0, 80))"
                )
                assert far == []


@pytest.mark.parametrize("count", [1, 2])
def test_the_command_writes_one_file(tmp_path: Path, count: int) -> None:
    def maestromotif(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "maestromotif", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)

    names = [f"p{number}" for number in range(count)]
    for name in names:
        assert maestromotif("init", name, "--domain", "corridor").returncode == 0
    done = maestromotif("report", *names, "--out", "side by side.html")
    if count == 1:
        assert done.returncode == 2
        assert "--out is for comparing several projects" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert "comparison: side by side.html" in done.stdout
        assert read((tmp_path / "side by side.html").read_text(encoding="utf-8")).text.count("p1") >= 2
