"""Learning from photos without labels, as Yalniz et al. do it (arXiv 1905.00546): a teacher labels them for a student.

Selection is by class, not by photo: each class takes the photos that the teacher thinks likeliest to show it, as many
as every other class takes, so that classes stay in balance whatever the unlabelled photos show.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Selection(NamedTuple):
    """How photos are chosen: each class takes its best `per_class` among photos that have it in their best `top_p`."""

    per_class: int
    top_p: int


# The paper's: of a billion photos, for a thousand classes.
MOST_PER_CLASS = 16_000
# The paper's 10 are a hundredth of its classes. Of few classes the first alone: no photo gets two labels.
TOP_P = 1
# Of the photos that a class would have if all were as frequent, so many are chosen: one of three. Measured on sets of a
# few thousand photos (docs/train.md): accuracy rises with the number, then falls, as in the paper.
_ONE_OF = 3


def default_per_class(photos: int, num_classes: int) -> int:
    """How many photos each class takes of so many, where nobody says it: 1 to the paper's 16,000."""
    return min(MOST_PER_CLASS, max(1, photos // (_ONE_OF * num_classes)))


class PseudoLabel(NamedTuple):
    """A photo without a label, by its row among them, and the class that the teacher gives it.

    `score` is the teacher's probability of the class, in [0, 1].
    """

    row: int
    label: int
    score: float


class ClassSelected(NamedTuple):
    """What one class took: how many photos, and how sure the teacher is of the least and of the middle one of them."""

    photos: int
    lowest: float
    median: float


def log_odds(logits: "NDArray[np.float32]") -> "NDArray[np.float64]":
    """The logarithm of p / (1 - p) for each probability p of the softmax (N, C), C 2 or more.

    It ranks as the probability does, also where that is 1 to the last digit: among the surest, which are chosen.
    """
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    best = logits.argmax(axis=1)[:, None]
    others = exponentials.sum(axis=1, keepdims=True) - exponentials
    np.put_along_axis(exponentials, best, 0.0, axis=1)
    np.put_along_axis(others, best, exponentials.sum(axis=1, keepdims=True), axis=1)
    odds: NDArray[np.float64] = shifted - np.log(np.maximum(others, np.finfo(np.float64).tiny))
    return odds


def selected(
    scores: "NDArray[np.floating[Any]]",
    digests: Sequence[str],
    selection: Selection,
    taken: "NDArray[np.bool_] | None" = None,
) -> tuple[PseudoLabel, ...]:
    """Choose pseudo-labels by scores (N, C), the log-odds of each class: by class, likeliest first.

    With `top_p` above 1 a photo may be chosen by several classes. Of identical contents only the first counts; photos
    of `taken` (N,) never do. Photos that are as likely are taken in the order of their digests; classes that are as
    likely in one photo rank in the order of the classes.
    """
    first = {digest: row for row, digest in reversed(list(enumerate(digests)))}
    rows = [first[digest] for digest in sorted(first) if taken is None or not taken[first[digest]]]
    free = scores[rows]
    ranked = np.argsort(-free, axis=1, kind="stable")[:, : selection.top_p]
    chosen: list[PseudoLabel] = []
    for label in range(scores.shape[1]):
        candidates = np.flatnonzero((ranked == label).any(axis=1))
        best = candidates[np.argsort(-free[candidates, label], kind="stable")][: selection.per_class]
        chosen.extend(PseudoLabel(rows[at], label, _probability(free[at, label])) for at in best)
    return tuple(chosen)


def _probability(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-max(log_odds, -700.0))))


def by_class(chosen: Sequence[PseudoLabel], num_classes: int) -> tuple[ClassSelected, ...]:
    """Count what each class took; 0 photos and scores of 0 where it took none."""
    found = []
    for label in range(num_classes):
        scores = [each.score for each in chosen if each.label == label]
        found.append(
            ClassSelected(len(scores), min(scores), float(np.median(scores))) if scores else ClassSelected(0, 0.0, 0.0)
        )
    return tuple(found)
