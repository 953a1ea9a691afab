"""Wrong files: one clear line that names file and field, exit code 2, and a project folder that nobody touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import hashes, maestromotif, make_project, one_error


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("shared") / "project")


def _replace(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        path = root / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


def _append(file: str, text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        path = root / file
        path.write_text(path.read_text() + text)

    return change


_SKILL = '\n[[skill]]\nid = "{}"\ndescription = "Stand still."\n{}'


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_replace("maestro.toml", "rollout =", "rolout ="), ("maestro.toml", "rolout", "did you mean 'rollout'")),
        (_replace("maestro.toml", "[train]", "[trian]"), ("maestro.toml", "[trian]", "did you mean 'train'")),
        (_replace("maestro.toml", 'id = "corridor"', 'id = "coridor"'), ("maestro.toml", "[domain] id", "did you mean 'corridor'")),
        (_replace("maestro.toml", 'id = "corridor"', 'id = "corridor"\nlenth = 5'), ("maestro.toml", "[domain]", "lenth")),
        (_replace("maestro.toml", "tasks = []", 'tasks = ["both_end"]'), ("maestro.toml", "[evaluate] tasks", "both_end")),
        (_append("skills.toml", _SKILL.format("rest", "prefers = 'x'\n")), ("skills.toml", "skill rest", "prefers")),
        (_append("skills.toml", _SKILL.format("go_left", "")), ("skills.toml", "'go_left'", "twice")),
        (_append("skills.toml", _SKILL.format("Go Left", "")), ("skills.toml", "'Go Left'", "lower-case")),
        (_append("skills.toml", _SKILL.format("rest", 'measure = "rests"\n')), ("skills.toml", "skill rest", "measure", "'rests'")),
        (_append("skills.toml", "\n[[skill]\n"), ("skills.toml", "not valid TOML")),
    ],
    ids=lambda value: "" if callable(value) else value[1],
)
def test_a_mistake_in_a_file_is_one_line(shared: Path, change: Callable[[Path], None], told: tuple[str, ...]) -> None:
    originals = {name: (shared / name).read_text() for name in ("maestro.toml", "skills.toml")}
    try:
        change(shared)
        before = hashes(shared)
        for command in ("collect", "run"):
            line = one_error(maestromotif(command, shared))
            for part in told:
                assert part in line
        assert hashes(shared) == before
    finally:
        for name, text in originals.items():
            (shared / name).write_text(text)


def test_mistakes_of_both_files_come_together(root: Path) -> None:
    _replace("maestro.toml", "rollout =", "rolout =")(root)
    _append("skills.toml", _SKILL.format("go_left", ""))(root)
    line = one_error(maestromotif("run", root))
    assert "rolout" in line
    assert "twice" in line


def test_no_project_there(tmp_path: Path) -> None:
    assert "maestromotif init" in one_error(maestromotif("run", tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()


def test_init_does_not_overwrite(root: Path) -> None:
    (root / "maestro.toml").unlink()
    before = hashes(root)
    assert "skills.toml is there already" in one_error(maestromotif("init", root, "--domain", "corridor"))
    assert hashes(root) == before


def test_init_of_an_unknown_domain(tmp_path: Path) -> None:
    assert "did you mean 'corridor'" in one_error(maestromotif("init", tmp_path / "x", "--domain", "corrido"))
    assert not (tmp_path / "x").exists()


def test_a_phase_says_what_must_run_first(root: Path) -> None:
    before = hashes(root)
    assert f"maestromotif collect {root}" in one_error(maestromotif("reward", root))
    assert hashes(root) == before


@pytest.mark.parametrize("name", ["captions.parquet"])
def test_a_truncated_table_is_told(root: Path, name: str) -> None:
    assert maestromotif("collect", root).returncode == 0
    path = root / "artifacts" / "interactions" / name
    path.write_bytes(path.read_bytes()[:-100])
    before = hashes(root)
    for command in ("annotate", "run"):
        line = one_error(maestromotif(command, root))
        assert str(path) in line
        assert "files" in line
    assert hashes(root) == before


def test_skills_lists_them(root: Path) -> None:
    result = maestromotif("skills", root)
    assert result.returncode == 0
    assert "go_left" in result.stdout
    assert "reached_left_end" in result.stdout
