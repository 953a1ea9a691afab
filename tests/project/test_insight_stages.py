"""Stages on request: what they refuse before anything is asked."""

from __future__ import annotations

import pytest

from maestromotif.errors import ConfigError
from maestromotif.project import Project
from maestromotif.stages.insight import compared, number_of_pairs


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
