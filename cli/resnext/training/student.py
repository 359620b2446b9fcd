"""A student: a head that learns from labels, and from what a teacher says of photos without labels.

A head's fit is convex and knows no order, so that the student learns from both at once, and pseudo-labels weigh less.
It is validated by photos that neither it nor its teacher saw: those of a split of their own, and those that are held
out, each answered by a student that never saw it, taught by a teacher that never saw it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resnext.answers.calibration import fitted_temperature
from resnext.training.folds import ALWAYS_TRAINS
from resnext.training.head import fit_each
from resnext.training.semi import PseudoLabel, Selection, log_odds, selected
from resnext.training.trained import HeadFit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Labels = NDArray[np.int32]

# What follows was chosen by measuring (docs/train.md), on other photos than those of the figures.
# All pseudo-labels of a class weigh together as much as so many labels: more drown the labels where there are ten.
_WORTH = 5.0
# The student's penalty, for features of unit variance, in numbers of features: their mean square length. A weak one
# separates the photos that the teacher was sure of before, and learns nothing from them. The teacher's own, which
# cross-validation chose, counts as much as this one where a class has so many labels.
_STRENGTH, _STRENGTH_COUNTS = 3.0, 10.0
# With so many labels a class and more, a student is seldom better: it has to be by one standard error.
_MANY_LABELS = 10


class Lesson(NamedTuple):
    """Photos with labels: features (N, D), labels (N,), and `folds` (N,) as fit_head takes them.

    `validation` are features (V, D) and labels (V,) of photos of a split of their own, which train nothing; V may be 0.
    """

    features: "Floats"
    labels: "Labels"
    folds: "Labels"
    num_classes: int
    validation: "tuple[Floats, Labels]"

    def by_class(self) -> float:
        """How many labels a class has, on average."""
        return len(self.labels) / self.num_classes


class Pool(NamedTuple):
    """Photos without labels: features (M, D) and digests. Those of `taken` (M,) never get a pseudo-label.

    `scores` (M, C): log-odds of the classes by a teacher that is a model of its own; without, the teacher is a head.
    """

    features: "Floats"
    digests: Sequence[str]
    taken: "NDArray[np.bool_]"
    scores: "NDArray[np.float64] | None" = None


class Judgment(NamedTuple):
    """A student held against the labels alone, on `photos` that neither saw.

    `only_student` and `only_alone`: how many of them one answers rightly and the other does not. `better`: whether the
    student is to be taken.
    """

    photos: int
    only_student: int
    only_alone: int
    better: bool


class Student(NamedTuple):
    """A head that learned from labels and pseudo-labels, and the pseudo-labels, by rows of the pool."""

    head: HeadFit
    chosen: tuple[PseudoLabel, ...]


def fit_student(lesson: Lesson, alone: HeadFit, pool: Pool, selection: Selection) -> Student | None:
    """Fit a student beside `alone`, the head that the labels alone gave; None where no photo gets a pseudo-label."""
    numbers = np.unique(lesson.folds[lesson.folds != ALWAYS_TRAINS])
    # A row a student: those without one fold each, and last the one that sees all.
    seen = np.concatenate([lesson.folds != numbers[:, None], np.ones((1, len(lesson.folds)), bool)]).astype(np.float32)
    lists = _pseudo_labels(lesson, seen, alone, pool, selection)
    if not lists[-1]:
        return None
    # A pseudo-label that some teacher gave has a row for all students, and no weight for the others.
    pairs = sorted({(each.row, each.label) for chosen in lists for each in chosen})
    place = {pair: at for at, pair in enumerate(pairs)}
    weights = np.zeros((len(seen), len(pairs)), np.float32)
    for at, chosen in enumerate(lists):
        weights[at, [place[each.row, each.label] for each in chosen]] = _WORTH / selection.per_class
    rows, labels = np.array(pairs, np.int32).T
    regularization = _strength(lesson, alone)
    heads, biases = fit_each(
        np.concatenate([lesson.features, pool.features[rows]]),
        np.concatenate([lesson.labels, labels]),
        np.concatenate([seen, weights], axis=1),
        lesson.num_classes,
        regularization,
    )
    held_out = np.full((len(lesson.labels), lesson.num_classes), np.nan, np.float32)
    for number, head, bias in zip(numbers, heads, biases, strict=False):  # the last one saw all
        of_fold = lesson.folds == number
        held_out[of_fold] = lesson.features[of_fold] @ head.T + bias
    validated = lesson.folds != ALWAYS_TRAINS
    temperature = fitted_temperature(held_out[validated], lesson.labels[validated][:, None].tolist())
    scale = np.float32(1 / temperature)
    head = HeadFit(heads[-1] * scale, biases[-1] * scale, regularization, held_out * scale, temperature)
    return Student(head, lists[-1])


def judged(lesson: Lesson, alone: HeadFit, student: HeadFit) -> Judgment:
    """Hold a student head against that of the labels alone."""
    return compared(_right(lesson, student), _right(lesson, alone), len(lesson.validation[1]), lesson.by_class())


def compared(of_student: "NDArray[np.bool_]", of_alone: "NDArray[np.bool_]", split: int, by_class: float) -> Judgment:
    """Hold a student against the labels alone, by which photos (N,) each answers rightly.

    It is better where it answers more photos rightly, by one standard error where labels are many (`by_class`: how many
    a class has), and no fewer of the first `split`, those of the validation's own split.
    """
    only_student = int((of_student & ~of_alone).sum())
    only_alone = int((of_alone & ~of_student).sum())
    # The variance of the difference, as in McNemar's test.
    needed = (only_student + only_alone) ** 0.5 if by_class >= _MANY_LABELS else 0.0
    better = only_student - only_alone >= max(1.0, needed) and of_student[:split].sum() >= of_alone[:split].sum()
    return Judgment(len(of_student), only_student, only_alone, bool(better))


def _right(lesson: Lesson, head: HeadFit) -> "NDArray[np.bool_]":
    """Which photos a head answers rightly: those of the validation's split, then those that are held out."""
    features, labels = lesson.validation
    validated = lesson.folds != ALWAYS_TRAINS
    return np.concatenate(
        [
            (features @ head.weight.T + head.bias).argmax(axis=1) == labels,
            head.out_of_fold[validated].argmax(axis=1) == lesson.labels[validated],
        ]
    )


def _pseudo_labels(
    lesson: Lesson, seen: "Floats", alone: HeadFit, pool: Pool, selection: Selection
) -> list[tuple[PseudoLabel, ...]]:
    """The pseudo-labels for each row of `seen`, by a teacher that saw what its student sees."""
    if pool.scores is not None:
        return [selected(pool.scores, pool.digests, selection, pool.taken)] * len(seen)
    heads, biases = fit_each(lesson.features, lesson.labels, seen, lesson.num_classes, alone.regularization)
    found = []
    for head, bias in zip(heads, biases, strict=True):
        scores = log_odds((pool.features @ head.T + bias) / np.float32(alone.temperature))
        found.append(selected(scores, pool.digests, selection, pool.taken))
    return found


def _strength(lesson: Lesson, alone: HeadFit) -> float:
    """The student's penalty, between the teacher's and the one for few labels, in the logarithm."""
    few, labels = _STRENGTH * lesson.features.shape[1], lesson.by_class()
    logarithm = (labels * np.log(alone.regularization) + _STRENGTH_COUNTS * np.log(few)) / (labels + _STRENGTH_COUNTS)
    return float(np.exp(logarithm))
