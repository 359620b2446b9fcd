"""Figures of answers, held against scikit-learn where it has them, and against sums by hand where it has not."""

from typing import Any

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    precision_score,
    recall_score,
)

from resnext.answers import metrics

CLASSES = 6


@pytest.fixture(scope="module")
def answered() -> tuple[Any, Any, Any]:
    """Truth, answers and probabilities of 500 photos; no photo shows the last class, and one class is rare."""
    rng = np.random.default_rng(3)
    truth = rng.choice(CLASSES, 500, p=[0.4, 0.3, 0.2, 0.09, 0.01, 0.0])
    logits = rng.normal(size=(500, CLASSES)) * 2
    logits[np.arange(500), truth] += 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return truth, probabilities.argmax(axis=1), probabilities


def test_balanced_accuracy_is_scikit_learns(answered: tuple[Any, Any, Any]) -> None:
    truth, answers, _ = answered
    balanced = metrics.balanced_accuracy(truth, truth == answers)
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        assert balanced.share == pytest.approx(balanced_accuracy_score(truth, answers))
    assert 0 < balanced.low < balanced.share < balanced.high < 1


def test_classes_are_scikit_learns(answered: tuple[Any, Any, Any]) -> None:
    truth, answers, _ = answered
    found = metrics.class_figures(truth, answers, truth == answers, [(each,) for each in range(CLASSES)])
    options: Any = {"labels": range(CLASSES), "average": None, "zero_division": 0}
    assert [each.recall.share for each in found] == pytest.approx(recall_score(truth, answers, **options))
    assert [each.precision.share for each in found] == pytest.approx(precision_score(truth, answers, **options))
    assert [each.photos for each in found] == np.bincount(truth, minlength=CLASSES).tolist()
    assert [each.answers for each in found] == np.bincount(answers, minlength=CLASSES).tolist()


def test_confusions_are_scikit_learns(answered: tuple[Any, Any, Any]) -> None:
    truth, answers, _ = answered
    expected = confusion_matrix(truth, answers, labels=range(CLASSES))
    assert {(pair.truth, pair.answer): pair.photos for pair in metrics.counted_pairs(truth, answers)} == {
        (row, column): count for (row, column), count in np.ndenumerate(expected) if count
    }
    worst = metrics.most_confused(truth, answers, truth == answers, 3)
    off = sorted((-n, row, column) for (row, column), n in np.ndenumerate(expected) if row != column and n)[:3]
    assert [(-pair.photos, pair.truth, pair.answer) for pair in worst] == off


def test_reliability_is_scikit_learns(answered: tuple[Any, Any, Any]) -> None:
    truth, answers, probabilities = answered
    sure, right = probabilities.max(axis=1), truth == answers
    fraction, mean = calibration_curve(right, sure, n_bins=15)
    filled = [each for each in metrics.reliability(sure, right) if each.photos]
    assert [each.right.share for each in filled] == pytest.approx(fraction)
    assert [each.confidence for each in filled] == pytest.approx(mean)
    assert sum(each.photos for each in filled) == len(truth)
    weights = np.array([each.photos for each in filled]) / len(truth)
    expected = float((weights * abs(np.array(fraction) - np.array(mean))).sum())
    assert metrics.expected_calibration_error(sure, right) == pytest.approx(expected)


def test_a_class_may_have_several_names_and_a_name_several_classes() -> None:
    """Photos of dogs (classes 0, 1) and of corgis (class 0): a corgi that is called a pug is wrong, a dog is not."""
    truth, answers = np.array([0, 0, 1, 1]), np.array([1, 2, 1, 0])
    right = np.array([True, False, False, True])
    dog, corgi, nothing = metrics.class_figures(truth, answers, right, [(0, 1), (0,), ()])
    assert (dog.photos, dog.answers, dog.recall.share) == (2, 3, 0.5)
    assert dog.precision.share == pytest.approx(2 / 3)
    assert (corgi.answers, corgi.precision.share, corgi.recall.share) == (1, 1.0, 0.5)
    assert (nothing.photos, nothing.answers) == (0, 0)


def test_the_interval_of_a_mean_holds_the_mean_as_often_as_it_says() -> None:
    """Of 400 draws from known shares some 95% of the intervals hold their mean, though photos are few."""
    rng = np.random.default_rng(1)
    shares, photos = np.array([0.3, 0.8, 0.95, 1.0]), np.array([12, 40, 25, 10])
    held = 0
    for _ in range(400):
        found = metrics.mean_share(
            [metrics.share_of(int(rng.binomial(n, p)), int(n)) for p, n in zip(shares, photos, strict=True)]
        )
        held += found.low <= shares.mean() <= found.high
    assert 0.93 <= held / 400 <= 0.99
    assert metrics.mean_share([]) == (0.0, 0.0, 1.0)


def test_coverage_falls_as_certainty_rises() -> None:
    sure, right = np.array([0.2, 0.9, 0.5, 0.5]), np.array([False, True, True, False])
    curve = metrics.coverage_curve(sure, right, [0.0, 0.5, 0.6, 0.95])
    assert [(each.photos, each.coverage, each.right.share) for each in curve] == [
        (4, 1.0, 0.5), (3, 0.75, 2 / 3), (1, 0.25, 1.0), (0, 0.0, 0.0)
    ]  # fmt: skip
    nothing = metrics.coverage_curve(np.zeros(0), np.zeros(0, bool), [0.5])
    assert [(each.photos, each.coverage) for each in nothing] == [(0, 0.0)]


def test_the_worst_mistakes_are_those_that_were_surest() -> None:
    sure, right = np.array([0.9, 0.4, 0.99, 0.7, 0.7]), np.array([True, False, False, False, False])
    assert metrics.worst_mistakes(sure, right, 3).tolist() == [2, 3, 4]
    assert metrics.worst_mistakes(sure, right, 0).tolist() == []
