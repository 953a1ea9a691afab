"""Stages on request: what they refuse before anything is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from maestromotif.errors import ConfigError
from maestromotif.project import Project
from maestromotif.stages.catalogue import stage_by_id
from maestromotif.stages.insight import compare_stage, compared, number_of_pairs


def test_a_costly_annotator_needs_a_number(project: Project) -> None:
    assert number_of_pairs(["judge", "random"], None) == 500
    assert number_of_pairs(["judge", "chat"], 7) == 7
    assert number_of_pairs(["embedding", "ground-truth"], None) == 500
    for name in ("human", "ensemble"):
        with pytest.raises(ConfigError, match=name):
            number_of_pairs([name], None)
    with pytest.raises(ConfigError, match="'chat' costs something"):
        number_of_pairs(["judge", "chat"], None)


def test_the_projects_own_annotator_is_always_compared(project: Project) -> None:
    assert compared(project, "random, ground-truth,random") == ["judge", "random", "ground-truth"]
    with pytest.raises(ConfigError, match="no other annotator"):
        compared(project, "judge")
    with pytest.raises(ConfigError, match="unknown annotator 'oracle'"):
        compared(project, "random,oracle")


def _with(root: Path, options: str) -> Project:
    return Project.open(root, [f"annotate.compare_options={options}"])


def test_compared_annotators_have_options_of_their_own(project: Project) -> None:
    given = _with(project.root, "{ random = { ties = 0.7 } }")
    names = compared(given, "random,ground-truth")
    before, after = (compare_stage(names, 5).inputs(one) for one in (project, given))
    assert before["options"] == {"judge": {}, "random": {}, "ground-truth": {}}
    assert after["options"] == {"judge": {}, "random": {"ties": 0.7}, "ground-truth": {}}
    # Answers that rewards are fitted to do not depend on it.
    assert stage_by_id(project, "annotate").inputs(project) == stage_by_id(given, "annotate").inputs(given)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("{ randon = { ties = 0.7 } }", r"\[annotate.compare_options\] annotator: unknown annotator 'randon' \(did you mean 'random'"),
        ("{ random = { tie = 0.7 } }", r"\[annotate.compare_options.random\] tie: unknown key \(did you mean 'ties'"),
        ("{ random = { ties = 7 } }", r"\[annotate.compare_options.random\] ties: .*got 7"),
        ("{ judge = {} }", r"\[annotate.compare_options\] judge: this is the project's own annotator"),
    ],
)
def test_options_of_compared_annotators_that_do_not_fit_are_named(project: Project, options: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        compared(_with(project.root, options), "random")
