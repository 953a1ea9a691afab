"""Advantages: the fast version equals the obvious one, and nothing crosses a skill's end."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maestromotif.rl.returns import Returns, advantages, advantages_slow, moments, standardise, vtrace, vtrace_slow
from maestromotif.types import EndCause

_UNIT = st.floats(-2, 2, width=32)


@st.composite
def _experience(draw: st.DrawFn) -> tuple[Any, Any, Any, Any, Any]:
    shape = (draw(st.integers(1, 9)), draw(st.integers(1, 3)))
    floats = hnp.arrays(np.float32, shape, elements=_UNIT)
    causes = draw(hnp.arrays(np.int8, shape, elements=st.sampled_from([int(cause) for cause in EndCause])))
    last = draw(hnp.arrays(np.float32, shape[1:], elements=_UNIT))
    return draw(floats), draw(floats), last, causes, draw(floats)


@settings(max_examples=150, deadline=None)
@given(_experience(), st.floats(0, 0.999), st.floats(0, 1), st.sampled_from(get_args(Returns)))
def test_fast_equals_slow(experience: tuple[Any, Any, Any, Any, Any], discount: float, lam: float, returns: Returns) -> None:
    fast = advantages(*experience, discount, lam, returns)
    slow = advantages_slow(*experience, discount, lam, returns)
    assert fast.dtype == np.float32
    np.testing.assert_allclose(fast, slow, rtol=1e-4, atol=1e-4)


@settings(max_examples=150, deadline=None)
@given(_experience(), st.floats(0, 0.999), st.floats(0, 1), st.sampled_from(get_args(Returns)), st.integers(0, 2**32 - 1))
def test_fast_vtrace_equals_slow(
    experience: tuple[Any, Any, Any, Any, Any], discount: float, lam: float, returns: Returns, seed: int
) -> None:
    ratios = np.exp(np.random.default_rng(seed).normal(size=experience[0].shape)).astype(np.float32)
    fast = vtrace(*experience, ratios, discount, lam, returns)
    slow = vtrace_slow(*experience, ratios, discount, lam, returns)
    for found, expected in zip(fast, slow, strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=150, deadline=None)
@given(_experience(), st.floats(0, 0.999), st.floats(0, 1), st.sampled_from(get_args(Returns)))
def test_vtrace_on_policy_is_the_plain_estimate(
    experience: tuple[Any, Any, Any, Any, Any], discount: float, lam: float, returns: Returns
) -> None:
    plain = advantages(*experience, discount, lam, returns)
    found, targets = vtrace(*experience, np.ones_like(plain), discount, lam, returns)
    np.testing.assert_array_equal(found, plain)
    np.testing.assert_allclose(targets, plain + experience[1], rtol=1e-6, atol=1e-6)


def test_vtrace_cuts_traces_and_corrects_targets() -> None:
    causes, zero = np.zeros((2, 1), np.int8), np.zeros((2, 1), np.float32)
    found, targets = vtrace(_column(1, 10), zero, np.zeros(1, np.float32), causes, zero, _column(0.5, 0.25), 0.5, 1.0)
    assert found[:, 0].tolist() == [1 + 0.5 * 0.25 * 10, 10]
    assert targets[:, 0].tolist() == [0.5 * found[0, 0], 0.25 * 10]
    # An action that has become more likely counts once, not more.
    found, targets = vtrace(_column(1, 10), zero, np.zeros(1, np.float32), causes, zero, _column(7, 9), 0.5, 1.0)
    assert found[:, 0].tolist() == targets[:, 0].tolist() == [6, 10]


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.float32, 24, elements=_UNIT), hnp.arrays(np.int64, 24, elements=st.integers(0, 3)))
def test_moments(values: Any, skills: Any) -> None:
    counts, means, deviations = moments(values, skills, 5)
    for skill in range(5):
        mine = values[skills == skill].astype(np.float64)
        assert counts[skill] == len(mine)
        assert means[skill] == pytest.approx(mine.mean() if len(mine) else 0)
        assert deviations[skill] == pytest.approx(mine.std() if len(mine) else 0, abs=1e-9)


def _column(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


@pytest.mark.parametrize(
    ("cause", "returns", "expected"),
    [
        (EndCause.OVER, "cut", 1.0),
        (EndCause.DIED, "cut", 1.0),
        (EndCause.INTERRUPTED, "cut", 1.0 + 0.5 * 7.0),
        (EndCause.TIMED_OUT, "cut", 1.0 + 0.5 * 7.0),
        (EndCause.CUT, "cut", 1.0 + 0.5 * 7.0),
        (EndCause.CONTINUES, "cut", 1.0 + 0.5 * (100.0 + 0.5 * 3.0)),
        (EndCause.OVER, "renew", 1.0 + 0.5 * 7.0),
        (EndCause.DIED, "renew", 1.0),
        (EndCause.OVER, "flow", 1.0 + 0.5 * (100.0 + 0.5 * 3.0)),
        (EndCause.TIMED_OUT, "flow", 1.0 + 0.5 * (100.0 + 0.5 * 3.0)),
        (EndCause.DIED, "flow", 1.0),
        (EndCause.CUT, "flow", 1.0 + 0.5 * 7.0),
    ],
)
def test_what_follows_an_end(cause: EndCause, returns: Returns, expected: float) -> None:
    causes = np.array([[cause], [EndCause.CONTINUES]], np.int8)
    zero = np.zeros((2, 1), np.float32)
    found = advantages(_column(1, 100), zero, np.array([3], np.float32), causes, _column(7, 0), 0.5, 1.0, returns)
    assert found[0, 0] == pytest.approx(expected)


def test_skills_are_scaled_apart_and_noise_is_not_blown_up() -> None:
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(200, 2)).astype(np.float32)
    raw[:, 0] = raw[:, 0] * 10 + 4
    raw[:, 1] *= 1e-4
    skills = np.tile(np.array([0, 1]), (200, 1))
    scaled = standardise(raw, skills, 3, floor=0.05)
    assert abs(scaled[:, 0].mean()) < 1e-5
    assert scaled[:, 0].std() == pytest.approx(1, abs=1e-4)
    assert scaled[:, 1].std() < 0.005
