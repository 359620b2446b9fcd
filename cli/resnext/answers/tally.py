"""Answers counted photo by photo: which class was answered, how surely, and whether it is right."""

import heapq
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from resnext.answers import metrics
from resnext.answers.metrics import Bools, Interval, Ints
from resnext.records import Label

TOP = 5
SURES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
NO_ANSWER = "(no answer)"
_WORST = 20
_STEPS = 100  # points of the curve of coverage against precision
_DIGITS = 4


class Mistake(NamedTuple):
    """A wrong answer, and the probability that the model gave it."""

    file: str
    truth: str
    answer: str
    score: float


class Matrix(NamedTuple):
    """A confusion matrix without its zeros: cells of places among `names`.

    The first `shown` names are what photos show, the rows; behind them stand answers that no photo shows. Both are in
    the order of the classes.
    """

    names: list[str]
    shown: int
    cells: list[metrics.Confusion]


NO_MATRIX = Matrix([], 0, [])


class Tally:
    """Keeps 18 bytes a photo, whatever the number of classes, and of the wrong answers the `mistakes` surest."""

    def __init__(self, labels: Sequence[Label], mistakes: int = 0) -> None:
        self._labels = [*shown_names(labels), NO_ANSWER]
        self._places = {label.index: place for place, label in enumerate(labels)}
        self._names: dict[str, int] = {}
        self._members: list[tuple[int, ...]] = []  # of each name, the places of its classes
        self.photos: Counter[str] = Counter()
        self._truth, self._answers = array("I"), array("I")
        self._confidences = array("d")
        self._right, self._in_top = array("b"), array("b")
        self._most, self._worst = mistakes, list[tuple[float, int, Mistake]]()

    def add(self, name: str, right: tuple[int, ...], best: Sequence[int], confidence: float, file: str = "") -> None:
        """Count one photo: what it shows, the classes that are then right (none: nothing is, which is not counted).

        `best` are the indices of the classes that were answered, best first; `confidence` is the first one's, [0, 1].
        """
        self.photos[name] += 1
        if name not in self._names:
            self._names[name] = len(self._names)
            self._members.append(tuple(self._places[each] for each in right if each in self._places))
        if not right:
            return
        place = self._places[best[0]] if best else len(self._labels) - 1
        hit = bool(best) and best[0] in right
        self._truth.append(self._names[name])
        self._answers.append(place)
        self._confidences.append(confidence)
        self._right.append(hit)
        self._in_top.append(any(each in right for each in best[:TOP]))
        if best and not hit and self._most:
            mistake = Mistake(file, name, self._labels[place], confidence)
            keep = heapq.heappush if len(self._worst) < self._most else heapq.heappushpop
            keep(self._worst, (confidence, -len(self._truth), mistake))  # of equals the first photo stays

    def figures(self) -> dict[str, Any]:
        """What was counted in all; a share is [0, 1], with what it lies between at 95% certainty."""
        truth, _, right = self._arrays()
        sure = np.array(self._confidences)
        balanced = metrics.balanced_accuracy(truth, right)
        return {
            "photos": self.photos.total(),
            "top1": between(metrics.share_of(int(right.sum()), len(right))),
            "top5": between(metrics.share_of(sum(self._in_top), len(right))),
            "balanced_accuracy": round(balanced.share, _DIGITS),
            "balanced_accuracy_interval": {"low": round(balanced.low, _DIGITS), "high": round(balanced.high, _DIGITS)},
            "ece": round(metrics.expected_calibration_error(sure, right), _DIGITS),
        }

    def classes(self) -> list[dict[str, Any]]:
        """A row for each name of what photos show. `label` is what the model calls it, "" where that is several.

        `accuracy` is None where nothing could be right.
        """
        found = metrics.class_figures(*self._arrays(), self._members)
        rows = []
        for name in sorted(self._names):
            at = self._names[name]
            each = found[at]
            rows.append(
                {
                    "name": name,
                    "label": self._labels[self._members[at][0]] if len(self._members[at]) == 1 else "",
                    "photos": self.photos[name],
                    "accuracy": round(each.recall.share, _DIGITS) if each.photos else None,
                    "answers": each.answers,
                    "recall": between(each.recall),
                    "precision": between(each.precision),
                }
            )
        return rows

    def confusions(self) -> list[dict[str, Any]]:
        """What was called wrongly what, most often first; the twenty that happened most."""
        names = list(self._names)
        return [
            {"truth": names[each.truth], "answer": self._labels[each.answer], "photos": each.photos}
            for each in metrics.most_confused(*self._arrays(), _WORST)
        ]

    def matrix(self) -> Matrix:
        """The confusion matrix: what photos show against what was answered, called as the model calls its classes.

        What is no class of its own, as "dog" is none where there are 118 breeds, keeps its name, and a right answer
        counts as that name.
        """
        truth, answers, right = self._arrays()
        names = [*self._labels, *self._names]
        own = np.array(
            [each[0] if len(each) == 1 else len(self._labels) + at for at, each in enumerate(self._members)], np.int64
        )
        rows = own[truth] if len(truth) else truth
        cells = metrics.counted_pairs(rows, np.where(right, rows, answers))
        shown = sorted({each.truth for each in cells})
        order = [*shown, *sorted({each.answer for each in cells}.difference(shown))]
        at = {place: number for number, place in enumerate(order)}
        found = [metrics.Confusion(at[each.truth], at[each.answer], each.photos) for each in cells]
        return Matrix([names[place] for place in order], len(shown), found)

    def reliability(self) -> list[dict[str, Any]]:
        """Of the photos of each range of confidence: how many, their mean confidence, the share that was right."""
        return [_row(each) for each in metrics.reliability(np.array(self._confidences), self._arrays()[2])]

    def coverage(self, sures: Sequence[float] = (0.0, *SURES)) -> list[dict[str, Any]]:
        """If only answers of at least some confidence are taken: how many photos have one, and how many are right."""
        return [_row(each) for each in metrics.coverage_curve(np.array(self._confidences), self._arrays()[2], sures)]

    def coverage_curve(self) -> list[dict[str, Any]]:
        """The same at up to a hundred confidences, evenly by photos."""
        if not self._confidences:
            return []
        steps = np.quantile(np.array(self._confidences), np.linspace(0, 1, _STEPS + 1), method="lower")
        return self.coverage(np.unique(steps).tolist())

    def mistakes(self) -> list[Mistake]:
        """The wrong answers that the model was surest of, the surest first."""
        return [mistake for _, _, mistake in sorted(self._worst, reverse=True)]

    def _arrays(self) -> tuple[Ints, Ints, Bools]:
        return np.array(self._truth, np.int64), np.array(self._answers, np.int64), np.array(self._right, bool)


def shown_names(labels: Sequence[Label]) -> list[str]:
    """A name for each class that tells it from all others: of namesakes with the synset or the index."""
    often = Counter(label.name for label in labels)
    return [
        label.name if often[label.name] == 1 else f"{label.name} ({label.synset or label.index})" for label in labels
    ]


def between(interval: Interval) -> dict[str, float]:
    """A share and its limits, as documents have them."""
    return {name: round(value, _DIGITS) for name, value in interval._asdict().items()}


def _row(found: metrics.Bin | metrics.Coverage) -> dict[str, Any]:
    return {
        name: between(value) if isinstance(value, Interval) else round(value, 6)
        for name, value in found._asdict().items()
    }
