"""A student: a head that learns from labels, and from what a teacher says of photos without labels.

A head's fit is convex and knows no order, so that the student learns from both at once, and pseudo-labels weigh less.
It is validated by photos that neither it nor its teacher saw: those of a split of their own, and those that are held
out, each answered by a student that never saw it, taught by a teacher that never saw it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resnext.answers.calibration import fitted_temperature
from resnext.answers.predictions import softmax
from resnext.training.folds import ALWAYS_TRAINS
from resnext.training.head import fit_each
from resnext.training.semi import PseudoLabel, Selection, selected
from resnext.training.trained import HeadFit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Labels = NDArray[np.int32]

# All pseudo-labels of a class weigh together as much as so many labels; measured, see docs/train.md. More would drown
# the labels where there are ten of each class or more.
_WORTH = 5.0
# How strong the student's penalty may be, in numbers of features: for features of unit variance, the mean square of
# their length. A weak one separates the photos that the teacher was sure of before, and learns nothing from them.
_STRENGTHS = (10.0, 3.0, 1.0, 0.3)


class Lesson(NamedTuple):
    """Photos with labels: features (N, D), labels (N,), and `folds` (N,) as fit_head takes them.

    `validation` are features (V, D) and labels (V,) of photos of a split of their own, which train nothing; V may be 0.
    """

    features: "Floats"
    labels: "Labels"
    folds: "Labels"
    num_classes: int
    validation: "tuple[Floats, Labels]"


class Pool(NamedTuple):
    """Photos without labels: features (M, D) and digests. Those of `taken` (M,) never get a pseudo-label.

    `scores` (M, C): probabilities by a teacher that is a model of its own; without, the teacher is a head.
    """

    features: "Floats"
    digests: Sequence[str]
    taken: "NDArray[np.bool_]"
    scores: "Floats | None" = None


class Right(NamedTuple):
    """How many photos are answered rightly: of the validation's split, and of those that are held out."""

    validation: int
    held_out: int


class Student(NamedTuple):
    """What came of the student, and the pseudo-labels that it learned from, by rows of the pool.

    `head` is None where every student was worse on validation than the labels alone, or nothing was chosen. `right` is the student's, or then
    of the one that came nearest; `right_alone` that of the labels alone.
    """

    head: HeadFit | None
    chosen: tuple[PseudoLabel, ...]
    right: Right
    right_alone: Right


def fit_student(lesson: Lesson, alone: HeadFit, pool: Pool, selection: Selection) -> Student:
    """Fit students of a few strengths, and take the one that answers most photos rightly, the strongest of equals.

    `alone` is the head that the labels alone gave. What decides whether a student is worse than it is the validation's
    split where there is one, else the photos that are held out.
    """
    numbers = np.unique(lesson.folds[lesson.folds != ALWAYS_TRAINS])
    # A row a student: those without one fold each, and last the one that sees all.
    seen = np.concatenate([lesson.folds != numbers[:, None], np.ones((1, len(lesson.folds)), bool)]).astype(np.float32)
    lists = _pseudo_labels(lesson, seen, alone, pool, selection)
    right_alone = _right(alone, lesson)
    if not lists[-1]:
        return Student(None, (), right_alone, right_alone)
    students = [_tempered(each, lesson) for each in _students(lesson, numbers, seen, pool, lists, selection)]
    rights = [_right(each, lesson) for each in students]
    kept = [at for at, right in enumerate(rights) if not _worse(right, right_alone, lesson)]
    best = max(kept or range(len(students)), key=lambda at: (sum(rights[at]), -at))
    return Student(students[best] if kept else None, lists[-1], rights[best], right_alone)


def _pseudo_labels(
    lesson: Lesson, seen: "Floats", alone: HeadFit, pool: Pool, selection: Selection
) -> list[tuple[PseudoLabel, ...]]:
    """The pseudo-labels for each row of `seen`, by a teacher that saw what its student sees."""
    if pool.scores is not None:
        return [selected(pool.scores, pool.digests, selection, pool.taken)] * len(seen)
    ((heads, biases),) = fit_each(lesson.features, lesson.labels, seen, lesson.num_classes, [alone.regularization])
    return [
        selected(
            softmax((pool.features @ head.T + bias) / np.float32(alone.temperature)),
            pool.digests,
            selection,
            pool.taken,
        )
        for head, bias in zip(heads, biases, strict=True)
    ]


def _students(
    lesson: Lesson,
    numbers: "Labels",
    seen: "Floats",
    pool: Pool,
    lists: Sequence[Sequence[PseudoLabel]],
    selection: Selection,
) -> list[HeadFit]:
    """A student of each strength. A pseudo-label that some teacher gave has a row for all, and no weight for others."""
    pairs = sorted({(each.row, each.label) for chosen in lists for each in chosen})
    place = {pair: at for at, pair in enumerate(pairs)}
    weights = np.zeros((len(seen), len(pairs)), np.float32)
    for at, chosen in enumerate(lists):
        weights[at, [place[each.row, each.label] for each in chosen]] = _WORTH / selection.per_class
    rows, labels = np.array(pairs, np.int32).reshape(-1, 2).T
    strengths = [strength * lesson.features.shape[1] for strength in _STRENGTHS]
    fits = fit_each(
        np.concatenate([lesson.features, pool.features[rows]]),
        np.concatenate([lesson.labels, labels]),
        np.concatenate([seen, weights], axis=1),
        lesson.num_classes,
        strengths,
    )
    return [
        HeadFit(heads[-1], biases[-1], strength, _held_out(lesson, numbers, heads, biases), 1.0)
        for strength, (heads, biases) in zip(strengths, fits, strict=True)
    ]


def _held_out(lesson: Lesson, numbers: "Labels", heads: "Floats", biases: "Floats") -> "Floats":
    found = np.full((len(lesson.labels), lesson.num_classes), np.nan, np.float32)
    for number, head, bias in zip(numbers, heads, biases, strict=False):  # the last one saw all
        rows = lesson.folds == number
        found[rows] = lesson.features[rows] @ head.T + bias
    return found


def _tempered(head: HeadFit, lesson: Lesson) -> HeadFit:
    """The head with the temperature that its answers to photos that are held out ask for."""
    validated = lesson.folds != ALWAYS_TRAINS
    temperature = fitted_temperature(head.out_of_fold[validated], lesson.labels[validated][:, None].tolist())
    scale = np.float32(1 / temperature)
    return HeadFit(head.weight * scale, head.bias * scale, head.regularization, head.out_of_fold * scale, temperature)


def _right(head: HeadFit, lesson: Lesson) -> Right:
    features, labels = lesson.validation
    validated = lesson.folds != ALWAYS_TRAINS
    answers = head.out_of_fold[validated].argmax(axis=1)
    return Right(
        int(((features @ head.weight.T + head.bias).argmax(axis=1) == labels).sum()),
        int((answers == lesson.labels[validated]).sum()),
    )


def _worse(right: Right, right_alone: Right, lesson: Lesson) -> bool:
    if len(lesson.validation[1]):
        return right.validation < right_alone.validation
    return right.held_out < right_alone.held_out
