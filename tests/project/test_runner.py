"""The runner: skip, resume, continue, remake and say why; and leave no trace of what failed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from maestromotif.errors import ArtifactError, ChatError, ProgramError, ProjectError
from maestromotif.project import Project
from maestromotif.rl.config import TrainConfig
from maestromotif.skills import SkillSet
from maestromotif.stages.card import CARD_FILE, Card
from maestromotif.stages.inputs import settings, skill_inputs
from maestromotif.stages.runner import open_runner
from maestromotif.stages.stage import Stage, Work

from .conftest import Log, text_stage


def _run(project: Project, stages: Sequence[Stage], log: Log, again: bool = False) -> list[str]:
    with open_runner(project, "test", log) as runner:
        runner.run(stages, again)
    return log.take()


def _hashes(root: Path) -> dict[str, str]:
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_second_run_skips(project: Project, log: Log) -> None:
    stages = [text_stage("collect"), text_stage("reward", "collect")]
    assert _run(project, stages, log) == [
        "collect started",
        "collect at 1",
        "collect finished",
        "reward started",
        "reward at 1",
        "reward finished",
    ]
    before = _hashes(project.root)
    assert _run(project, stages, log) == ["collect skipped", "reward skipped"]
    assert _hashes(project.root) == before
    card = Card.read(project.folder("reward"))
    assert card is not None
    assert card.status == "done"
    assert card.facts == {"parents": 1}
    assert card.inputs["parents"] == {"collect": card.inputs["parents"]["collect"]} != {"collect": ""}
    assert set(card.files) == {"text.txt"}
    assert card.versions["numpy"]


def test_a_change_is_named_and_moves_down(project: Project, log: Log) -> None:
    _run(project, [text_stage("collect", inputs={"collect": {"steps": 1}}), text_stage("reward", "collect")], log)
    lines = _run(project, [text_stage("collect", inputs={"collect": {"steps": 2}}), text_stage("reward", "collect")], log)
    assert "collect started: [collect] steps changed from 1 to 2" in lines
    assert "reward started: collect changed" in lines


def test_a_setting_that_came_later_changes_nothing_until_it_is_used(project: Project) -> None:
    before = set(settings(TrainConfig()))
    assert "learning_rate" in before
    assert set(settings(TrainConfig(initial="nethack"))) - before == {"initial"}
    names = ("threshold_quantile", "contrast")
    assert all(set(named) == {"place", "threshold_quantile"} for named in skill_inputs(project, *names).values())
    first, *others = project.skills
    changed = replace(project, skills=SkillSet((replace(first, contrast=2.0), *others)))
    assert skill_inputs(changed, *names)[first.id]["contrast"] == 2.0


def test_a_changed_skill_is_named(project: Project, log: Log) -> None:
    def stage(**skills: dict[str, str]) -> Stage:
        return text_stage("reward", inputs={"skills": skills})

    _run(project, [stage(a={"text": "x"}, b={"text": "y"})], log)
    assert "reward started: skill 'c' is new; skill 'b' is gone; skill 'a': text changed" in _run(
        project, [stage(a={"text": "z"}, c={"text": "y"})], log
    )


def test_the_replaced_artifact_is_kept_once(project: Project, log: Log) -> None:
    for number in range(3):
        _run(project, [text_stage("train", inputs={"train": {"n": number}}, name=f"{number}.txt")], log)
    assert [path.name for path in project.folder("train").glob("*.txt")] == ["2.txt"]
    assert [path.name for path in (project.artifacts / "old" / "training").glob("*.txt")] == ["1.txt"]


def test_partial_work_is_gone_on_with(project: Project, log: Log) -> None:
    class Killed(BaseException):
        pass

    def half(work: Work) -> None:
        if not (work.out / "half").exists():
            (work.out / "half").write_text("done before")
            raise Killed

    stage = text_stage("collect", work=half)
    with pytest.raises(Killed):
        _run(project, [stage], log)
    log.take()
    assert not project.folder("collect").exists()
    lines = _run(project, [stage], log)
    assert lines[0].startswith("collect started: interrupted; goes on (attempt 2")
    assert (project.folder("collect") / "half").read_text() == "done before"
    card = Card.read(project.folder("collect"))
    assert card is not None
    assert card.attempts == 2


def test_partial_work_for_other_settings_is_not_used(project: Project, log: Log) -> None:
    def fail(work: Work) -> None:
        (work.out / "half").write_text("old settings")
        raise ChatError("no", "yes")

    with pytest.raises(ChatError):
        _run(project, [text_stage("collect", inputs={"n": 1}, work=fail)], log)
    _run(project, [text_stage("collect", inputs={"n": 2})], log)
    assert not (project.folder("collect") / "half").exists()
    assert not project.folder("collect").with_name("interactions.part").exists()


def test_a_failure_that_made_nothing_leaves_nothing(project: Project, log: Log) -> None:
    _run(project, [text_stage("collect")], log)
    before = _hashes(project.root)

    def fail(work: Work) -> None:
        raise ChatError("the endpoint refuses", "start it")

    with pytest.raises(ChatError):
        _run(project, [text_stage("collect"), text_stage("annotate", "collect", work=fail)], log)
    assert _hashes(project.root) == before


def test_killed_between_finishing_and_renaming(project: Project, log: Log) -> None:
    stage = text_stage("collect")
    _run(project, [stage], log)
    folder = project.folder("collect")
    folder.rename(folder.with_name("interactions.part"))
    assert _run(project, [stage], log) == ["collect skipped"]
    assert (folder / "text.txt").exists()


def test_killed_before_the_card_was_written(project: Project, log: Log) -> None:
    part = project.folder("collect").with_name("interactions.part")
    part.mkdir(parents=True)
    assert _run(project, [text_stage("collect")], log)[-1] == "collect finished"
    assert not part.exists()


def test_debris_of_killed_writes_is_swept(project: Project, log: Log) -> None:
    _run(project, [text_stage("collect")], log)
    for name in (".card.json.12-34.tmp", "checkpoint.safetensors.partial", ".interactions.99.doomed"):
        (project.folder("collect") / name).write_text("half")
    _run(project, [text_stage("collect")], log)
    assert sorted(path.name for path in project.folder("collect").iterdir()) == [CARD_FILE, "text.txt"]


def test_more_steps_continue_and_children_notice(project: Project, log: Log) -> None:
    def stages(steps: int) -> list[Stage]:
        def work(given: Work) -> None:
            path = given.out / "steps.txt"
            done = int(path.read_text()) if path.exists() else 0
            path.write_text(str(max(done, steps)))
            (given.out / f"from-{done}").touch()

        return [text_stage("train", work=work, goal=lambda project: {"steps": steps}), text_stage("evaluate", "train")]

    _run(project, stages(1000), log)
    lines = _run(project, stages(2000), log)
    assert lines[0] == "train started: steps raised from 1,000 to 2,000"
    assert "evaluate started: train changed" in lines
    assert sorted(path.name for path in project.folder("train").glob("from-*")) == ["from-0", "from-1000"]
    assert _run(project, stages(1000), log) == ["train skipped", "evaluate skipped"]


def test_an_interrupted_continuation_goes_on(project: Project, log: Log) -> None:
    def stage(steps: int, fail: bool = False) -> Stage:
        def work(given: Work) -> None:
            (given.out / f"to-{steps}").touch()
            if fail:
                raise KeyboardInterrupt

        return text_stage("train", work=work, goal=lambda project: {"steps": steps})

    _run(project, [stage(10)], log)
    with pytest.raises(KeyboardInterrupt):
        _run(project, [stage(20, fail=True)], log)
    log.take()
    card = Card.read(project.folder("train"))
    assert card is not None
    assert card.goal == {"steps": 10}
    assert _run(project, [stage(20)], log)[0].startswith("train started: interrupted; goes on")


def test_a_truncated_file_is_an_error_not_a_skip(project: Project, log: Log) -> None:
    stage = text_stage("collect")
    _run(project, [stage], log)
    path = project.folder("collect") / "text.txt"
    path.write_text(path.read_text()[:-2])
    before = _hashes(project.root)
    with pytest.raises(ArtifactError, match=r"text\.txt: 6 bytes, though .*card\.json says 8 under files"):
        _run(project, [stage], log)
    assert _hashes(project.root) == before


def test_an_edited_program_is_checked_and_its_children_remade(project: Project, log: Log) -> None:
    checked: list[Path] = []
    stages = [
        text_stage("program", name="skills.py", recheck=lambda project, folder: checked.append(folder)),
        text_stage("train", inputs={}),
    ]
    stages[1] = replace(stages[1], parents=("program",), work=lambda work: {})
    _run(project, stages, log)
    (project.folder("program") / "skills.py").write_text("# by hand")
    lines = _run(project, stages, log)
    assert lines[0] == "program started: skills.py edited by hand"
    assert "train started: program changed" in lines
    assert checked == [project.folder("program")]
    card = Card.read(project.folder("program"))
    assert card is not None
    assert card.edited == ("skills.py",)
    assert _run(project, stages, log) == ["program skipped", "train skipped"]


def test_a_refused_edit_changes_nothing(project: Project, log: Log) -> None:
    def refuse(project: Project, folder: Path) -> None:
        raise ProgramError("skills.py:1: loops for ever", "Mend it")

    stage = text_stage("program", name="skills.py", recheck=refuse)
    _run(project, [stage], log)
    (project.folder("program") / "skills.py").write_text("while True: pass")
    before = _hashes(project.root)
    with pytest.raises(ProgramError):
        _run(project, [stage], log)
    assert _hashes(project.root) == before


def test_what_is_required_must_be_done(project: Project, log: Log) -> None:
    with open_runner(project, "test", log) as runner, pytest.raises(ProjectError, match="the stage collect is not done"):
        runner.require([text_stage("collect")])
    _run(project, [text_stage("collect")], log)
    with open_runner(project, "test", log) as runner:
        runner.require([text_stage("collect")])
        with pytest.raises(ProjectError, match=r"not done \(\[collect\] n changed from 1 to 2\)|is not done \(collect changed"):
            runner.require([text_stage("collect", inputs={"collect": {"n": 2}})])


def test_again_makes_anew(project: Project, log: Log) -> None:
    _run(project, [text_stage("collect")], log)
    assert _run(project, [text_stage("collect")], log, again=True)[0] == "collect started: asked for"


def test_a_damaged_card_is_told(project: Project, log: Log) -> None:
    _run(project, [text_stage("collect")], log)
    (project.folder("collect") / CARD_FILE).write_text("{")
    assert "card.json is missing or damaged" in _run(project, [text_stage("collect")], log)[0]
    assert json.loads((project.folder("collect") / CARD_FILE).read_text())["status"] == "done"
