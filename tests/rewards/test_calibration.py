"""Which pairs are decided, and how calibration is measured and mended."""

from __future__ import annotations

import math

import numpy as np
import pytest

from maestromotif.rewards.calibration import agreement, calibration_error, decided, fit_temperature, reliability


def test_agreement_counts_decided_pairs() -> None:
    assert agreement(np.array([1.0, -1.0, 5.0, 0.0]), np.array([1.0, 1.0, 0.5, 1.0])) == pytest.approx(1 / 3)
    assert math.isnan(agreement(np.array([1.0]), np.array([0.5])))
    # Soft verdicts count where they lean, by as much as 60 to 40.
    assert decided(np.array([0.0, 0.4, 0.41, 0.5, 0.59, 0.6, 1.0])).tolist() == [True, True, False, False, False, True, True]
    assert agreement(np.array([1.0, 1.0, -1.0]), np.array([0.6, 0.3, 0.55])) == 0.5


def test_reliability_by_hand() -> None:
    sure = math.log(0.93 / 0.07)
    difference_P = np.array([sure, sure, -sure, 0.0, 9.0, 1.0])
    target_P = np.array([1.0, 0.0, 0.2, 1.0, 1.0, 0.5])
    bins = reliability(difference_P, target_P)
    assert [(one.low, one.pairs) for one in bins] == [(0.5, 1), (0.9, 3), (0.95, 1)]
    assert [one.confidence for one in bins] == pytest.approx([0.5, 0.93, 1.0], abs=2e-4)
    assert [one.accuracy for one in bins] == pytest.approx([0.5, (1 + 0 + 0.8) / 3, 1.0])  # no difference: half right
    assert calibration_error(bins) == pytest.approx(3 / 5 * (0.93 - 0.6), abs=1e-4)
    assert math.isnan(calibration_error(reliability(difference_P, np.full(6, 0.5))))


def test_a_temperature_mends_overconfidence_and_leaves_what_is_right() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=2.0, size=4000)
    target_P = (rng.random(4000) < 1 / (1 + np.exp(-logits))).astype(np.float64)
    assert fit_temperature(5.0 * logits, target_P) == pytest.approx(5.0, rel=0.15)
    assert fit_temperature(logits, target_P) == pytest.approx(1.0, rel=0.15)
    fresh = rng.normal(scale=2.0, size=4000)
    target_P = (rng.random(4000) < 1 / (1 + np.exp(-fresh))).astype(np.float64)
    errors = [calibration_error(reliability(5.0 * fresh, target_P, temperature)) for temperature in (1.0, 5.0)]
    assert errors[1] < 0.03 < 0.1 < errors[0]
    assert fit_temperature(logits, np.full(4000, 0.5)) == 1.0
