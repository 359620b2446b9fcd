"""How good answers are, from arrays alone: shares with their intervals, classes, confusions, reliability, coverage.

A photo is a row. `truth` (n,) int is the number of what it shows, `answers` (n,) int the class that the model is surest
of, `confidences` (n,) float its probability, `right` (n,) bool whether it is one of the classes that are right.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_Z95 = 1.959964  # two-sided 95% of a normal distribution

Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]


class Interval(NamedTuple):
    """A share, and between what it lies with 95% certainty, seeing how few were counted."""

    share: float
    low: float
    high: float


class ClassFigures(NamedTuple):
    """One class: its photos, how often it was the answer, and what was right of each.

    `recall`: of its photos those that were answered rightly. `precision`: of the photos that were answered with it
    those that show it.
    """

    photos: int
    answers: int
    recall: Interval
    precision: Interval


class Confusion(NamedTuple):
    """How many photos that show `truth` were wrongly answered with the class `answer`."""

    truth: int
    answer: int
    photos: int


class Bin(NamedTuple):
    """The photos of a confidence from `low` to `high`: their mean `confidence`, and the share that was `right`."""

    low: float
    high: float
    photos: int
    confidence: float
    right: Interval


class Coverage(NamedTuple):
    """If only answers of at least the confidence `sure` are taken: how many `photos` have one, how many are `right`."""

    sure: float
    photos: int
    coverage: float
    right: Interval


def share_of(hits: int, total: int) -> Interval:
    """The share with Wilson's score interval, which holds for few and for shares near 0 and 1; 0 to 1 of nothing."""
    if not total:
        return Interval(0.0, 0.0, 1.0)
    share, z2 = hits / total, _Z95**2
    center = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 / (1 + z2 / total) * (share * (1 - share) / total + z2 / (4 * total**2)) ** 0.5
    return Interval(share, max(0.0, center - half), min(1.0, center + half))


def mean_share(shares: Sequence[Interval]) -> Interval:
    """The mean of independent shares, from their intervals.

    The distances of the limits add up as errors do (MOVER: Zou and Donner, Statistics in Medicine 27, 2008).
    """
    if not shares:
        return Interval(0.0, 0.0, 1.0)
    values = np.array(shares, np.float64)
    mean = float(values[:, 0].mean())
    below = float(np.sqrt(((values[:, 0] - values[:, 1]) ** 2).sum())) / len(values)
    above = float(np.sqrt(((values[:, 2] - values[:, 0]) ** 2).sum())) / len(values)
    return Interval(mean, max(0.0, mean - below), min(1.0, mean + above))


def balanced_accuracy(truth: Ints, right: Bools) -> Interval:
    """The mean over the classes of the share that is right, with its interval; a class without photos is left out."""
    photos = np.bincount(truth)
    hits = np.bincount(truth, weights=right, minlength=len(photos))
    return mean_share([share_of(int(hits[each]), int(photos[each])) for each in np.flatnonzero(photos)])


def class_figures(truth: Ints, answers: Ints, right: Bools, members: Sequence[Sequence[int]]) -> list[ClassFigures]:
    """Figures for each number that `truth` may hold; `members` are the classes that each of them means.

    Where classes are counted as they are, that is `[(0,), (1,), ...]`.
    """
    names, classes = len(members), 1 + max((max(each, default=0) for each in members), default=0)
    photos = np.bincount(truth, minlength=names)
    hits = np.bincount(truth, weights=right, minlength=names)
    answered = np.bincount(answers, minlength=classes)
    rightly = np.bincount(answers, weights=right, minlength=classes)
    found = []
    for name, own in enumerate(members):
        given, good = (int(counts[list(own)].sum()) if own else 0 for counts in (answered, rightly))
        recall = share_of(int(hits[name]), int(photos[name]))
        found.append(ClassFigures(int(photos[name]), given, recall, share_of(good, given)))
    return found


def counted_pairs(truth: Ints, answers: Ints) -> list[Confusion]:
    """Every pair of truth and answer that occurs, and how often: of a confusion matrix the cells that are not 0."""
    pairs, photos = _pairs(truth, answers)
    return [Confusion(row, column, n) for (row, column), n in zip(pairs.tolist(), photos.tolist(), strict=True)]


def most_confused(truth: Ints, answers: Ints, right: Bools, count: int) -> list[Confusion]:
    """The `count` pairs of truth and wrong answer that occur most often, the most frequent first."""
    pairs, photos = _pairs(truth[~right], answers[~right])
    worst = np.argsort(-photos, kind="stable")[:count]
    found = zip(pairs[worst].tolist(), photos[worst].tolist(), strict=True)
    return [Confusion(row, column, n) for (row, column), n in found]


def _pairs(truth: Ints, answers: Ints) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The different pairs, in their order, (N, 2); and how often each occurs, (N,)."""
    width = int(np.max(answers, initial=0)) + 1
    codes, photos = np.unique(np.asarray(truth, np.int64) * width + answers, return_counts=True)
    return np.stack([codes // width, codes % width], axis=1), photos


def worst_mistakes(confidences: Floats, right: Bools, count: int) -> Ints:
    """The places of the `count` wrong answers that the model was surest of, the surest first."""
    wrong = np.flatnonzero(~right)
    order = np.argsort(-np.asarray(confidences, np.float64)[wrong], kind="stable")
    return wrong[order[:count]]


def reliability(confidences: Floats, right: Bools, bins: int = 15) -> list[Bin]:
    """How confidences and what came true compare, over equal bins of [0, 1]; the empty ones are there too."""
    values = np.asarray(confidences, np.float64)
    at = np.clip((values * bins).astype(np.intp), 0, bins - 1)
    photos = np.bincount(at, minlength=bins)
    sums, hits = (np.bincount(at, weights, bins) for weights in (values, np.asarray(right, np.float64)))
    return [
        Bin(
            low=each / bins,
            high=(each + 1) / bins,
            photos=int(photos[each]),
            confidence=float(sums[each] / photos[each]) if photos[each] else 0.0,
            right=share_of(int(hits[each]), int(photos[each])),
        )
        for each in range(bins)
    ]


def expected_calibration_error(confidences: Floats, right: Bools, bins: int = 15) -> float:
    """ECE: how far confidences lie from the share that was right, over equal bins, weighted by their photos.

    Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599.
    """
    gaps = [each.photos * abs(each.confidence - each.right.share) for each in reliability(confidences, right, bins)]
    return float(sum(gaps) / len(confidences)) if len(confidences) else 0.0


def coverage_curve(confidences: Floats, right: Bools, sures: Sequence[float]) -> list[Coverage]:
    """At each least confidence of `sures`: how many photos keep their answer (coverage), and how many are right."""
    order = np.argsort(np.asarray(confidences, np.float64), kind="stable")
    values, hits = np.asarray(confidences, np.float64)[order], np.cumsum(right[order])
    total = len(values)
    found = []
    for sure in sures:
        below = int(np.searchsorted(values, sure, side="left"))
        kept = total - below
        good = int(hits[-1] - (hits[below - 1] if below else 0)) if kept else 0
        found.append(Coverage(sure, kept, kept / total if total else 0.0, share_of(good, kept)))
    return found
