"""Temperatures, certainties, and how sure those are themselves."""

import numpy as np
import pytest

from resnext.answers.calibration import fitted_temperature
from resnext.answers.metrics import expected_calibration_error, share_of


def test_the_temperature_with_which_labels_were_drawn_is_found() -> None:
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(4000, 10)).astype(np.float32) * 3
    for temperature in (0.5, 1.0, 2.0):
        scaled = np.exp(logits / temperature)
        drawn = [[rng.choice(10, p=row / row.sum())] for row in scaled.astype(np.float64)]
        assert fitted_temperature(logits, drawn) == pytest.approx(temperature, rel=0.08)


def test_several_classes_may_be_right() -> None:
    logits = np.array([[4.0, 4.0, 0.0], [0.0, 4.0, 4.0]], np.float32)
    assert fitted_temperature(logits, [[0, 1], [1, 2]]) < 0.2  # always right: the surer the better
    assert fitted_temperature(np.zeros((0, 3), np.float32), []) == 1.0


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    # Published values of Wilson's interval.
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_the_interval_is_wilsons(hits: int, total: int, low: float, high: float) -> None:
    found = share_of(hits, total)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert found.share == (hits / total if total else 0.0)


def test_the_calibration_error_is_the_gap_between_belief_and_truth() -> None:
    believed = np.full(100, 0.9)
    assert expected_calibration_error(believed, np.arange(100) < 90) == pytest.approx(0.0)
    assert expected_calibration_error(believed, np.arange(100) < 50) == pytest.approx(0.4)
    assert expected_calibration_error(np.array([1.0, 0.0]), np.array([True, False])) == 0.0
    assert expected_calibration_error(np.zeros(0), np.zeros(0, bool)) == 0.0
