"""A hand-made curriculum is part of the project: checked when it is opened, and part of what decides a training's result."""

from __future__ import annotations

from pathlib import Path

import pytest

from maestromotif.errors import ConfigError
from maestromotif.project import Project
from maestromotif.stages.catalogue import training_stages

STAGES = '[[stage]]\nid = "all"\nweights = { go_left = 1, go_right = 2 }\n'
CHOICE = ('train.schedule="hand-made"', 'train.schedule_file="stages.toml"')


def _inputs(root: Path, *overrides: str) -> object:
    project = Project.open(root, overrides)
    return training_stages(project)[-1].inputs(project)


def test_mistakes_in_the_stages_are_told_with_those_of_the_other_files(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"stages\.toml: cannot be read .*\[train\] schedule_file"):
        Project.open(root, CHOICE)
    (root / "stages.toml").write_text(STAGES.replace("go_left", "go_up"), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        Project.open(root, (*CHOICE, 'evaluate.tasks=["fly"]'))
    assert "stage 1 (all): weights.go_up: unknown skill" in caught.value.problem
    assert "[evaluate] tasks: unknown task 'fly'" in caught.value.problem
    # With another schedule, nobody reads the file.
    assert Project.open(root).curriculum == ()


def test_what_the_stages_say_decides_the_result_not_how_they_are_written(root: Path) -> None:
    plain = _inputs(root)
    assert _inputs(root, CHOICE[1]) == plain
    path = root / "stages.toml"
    path.write_text(STAGES, encoding="utf-8")
    first = _inputs(root, *CHOICE)
    assert first != plain
    path.write_text("# In the words of a person.\n" + STAGES, encoding="utf-8")
    assert _inputs(root, *CHOICE) == first
    path.write_text(STAGES.replace("2", "3"), encoding="utf-8")
    assert _inputs(root, *CHOICE) != first
