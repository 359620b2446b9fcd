"""The head held against scikit-learn: the same minimum, the same answers out of fold, the same choice."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from resnext.answers.predictions import softmax
from resnext.training.folds import ALWAYS_TRAINS
from resnext.training.head import PATH, fit_head, out_of_fold

COUNT, WIDTH, CLASSES = 200, 24, 4


class Photos:
    """Features as a network gives them: positive, few directions that vary much and many that hardly do."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self.labels = random.integers(0, CLASSES, COUNT).astype(np.int32)
        centers = random.normal(size=(CLASSES, WIDTH))
        spread = np.geomspace(3, 0.01, WIDTH)
        raw = (centers[self.labels] * 0.6 + random.normal(size=(COUNT, WIDTH))) * spread
        self.features = (raw @ np.linalg.qr(random.normal(size=(WIDTH, WIDTH)))[0] + 5).astype(np.float32)
        self.folds = (np.arange(COUNT) % 5).astype(np.int32)

    def scaled(self) -> NDArray[np.float64]:
        """Centered and divided by one number, as the head does: what its regularization is told for."""
        centered = self.features.astype(np.float64) - self.features.mean(axis=0, dtype=np.float64)
        return centered / np.sqrt((centered**2).mean())

    def reference(self, regularization: float, rows: Any = slice(None), weight: Any = None) -> Any:
        from sklearn.linear_model import LogisticRegression

        fitted = LogisticRegression(C=1 / regularization, tol=1e-6, max_iter=10_000)
        return fitted.fit(self.scaled()[rows], self.labels[rows], weight)


@pytest.fixture(scope="module")
def photos() -> Iterator[Photos]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # small matrices: threads of theirs would wait for each other
        yield Photos()


def _probabilities(features: NDArray[np.float32], weight: Any, bias: Any, temperature: float) -> NDArray[np.floating]:
    return np.array([softmax(row) for row in (features @ weight.T + bias) * np.float32(temperature)])


@pytest.mark.parametrize("weighted", [False, True])
def test_the_minimum_is_that_of_scikit_learn(photos: Photos, weighted: bool) -> None:
    weight = np.linspace(0.1, 1, COUNT).astype(np.float32) if weighted else None
    fit = fit_head(photos.features, photos.labels, photos.folds, CLASSES, sample_weight=weight)
    expected = photos.reference(fit.regularization, weight=weight).predict_proba(photos.scaled())
    found = _probabilities(photos.features, fit.weight, fit.bias, fit.temperature)
    assert np.abs(found - expected).max() < 0.02
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.99


def test_answers_out_of_fold_are_those_of_fits_that_did_not_see_the_photo(photos: Photos) -> None:
    fit = fit_head(photos.features, photos.labels, photos.folds, CLASSES)
    expected = np.empty((COUNT, CLASSES))
    for fold in range(5):
        held = photos.folds == fold
        expected[held] = photos.reference(fit.regularization, ~held).predict_proba(photos.scaled()[held])
    found = np.array([softmax(row * np.float32(fit.temperature)) for row in fit.out_of_fold])
    assert np.abs(found - expected).max() < 0.04
    again = out_of_fold(photos.features, photos.labels, photos.folds, CLASSES, fit.regularization)
    assert np.abs(np.array([softmax(row) for row in again]) - expected).max() < 0.04


def test_the_choice_is_as_good_as_scikit_learns(photos: Photos) -> None:
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import PredefinedSplit

    fit = fit_head(photos.features, photos.labels, photos.folds, CLASSES)
    right = (fit.out_of_fold.argmax(axis=1) == photos.labels).mean()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parameters that will be called otherwise
        reference = LogisticRegressionCV(
            Cs=[1 / each for each in PATH],
            cv=PredefinedSplit(photos.folds),
            max_iter=300,
            tol=1e-3,
            scoring="neg_log_loss",
        ).fit(photos.scaled(), photos.labels)
    at = int(np.mean(list(reference.scores_.values()), axis=(0, 1)).argmax())
    assert abs(PATH.index(fit.regularization) - at) <= 1
    assert right > 0.6


def test_a_temperature_is_folded_into_the_head(photos: Photos) -> None:
    """After it, answers out of fold are as sure as they are right; before, they need not be."""
    from resnext.answers.calibration import fitted_temperature

    fit = fit_head(photos.features, photos.labels, photos.folds, CLASSES)
    assert fitted_temperature(fit.out_of_fold, photos.labels[:, None].tolist()) == pytest.approx(1, abs=2e-3)


def test_what_trains_always_has_no_answer_out_of_fold(photos: Photos) -> None:
    folds = photos.folds.copy()
    folds[:7] = ALWAYS_TRAINS
    fit = fit_head(photos.features, photos.labels, folds, CLASSES)
    assert np.isnan(fit.out_of_fold[:7]).all() and np.isfinite(fit.out_of_fold[7:]).all()
    nothing_held_out = fit_head(photos.features, photos.labels, np.full(COUNT, ALWAYS_TRAINS, np.int32), CLASSES)
    assert nothing_held_out.temperature == 1.0 and np.isfinite(nothing_held_out.weight).all()


@pytest.mark.parametrize("count", [2, 3, 9])
def test_few_photos_and_equal_ones(count: int) -> None:
    labels = (np.arange(count) % 2).astype(np.int32)
    features = (np.random.default_rng(1).normal(size=(count, 30)) + 3 * labels[:, None]).astype(np.float32)
    folds = (np.arange(count) % 5 if count > 4 else np.full(count, ALWAYS_TRAINS)).astype(np.int32)
    fit = fit_head(features, labels, folds, 2)
    assert ((features @ fit.weight.T + fit.bias).argmax(axis=1) == labels).all()
    equal = fit_head(np.ones((count, 30), np.float32), labels, folds, 2)
    assert np.isfinite(equal.weight).all() and np.isfinite(equal.bias).all()
