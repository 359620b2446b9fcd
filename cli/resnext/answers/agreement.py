"""How far two engines agree on the same photos: labels, probabilities and features, compared."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# From this lead of the best probability over the second on, a label is no toss-up.
CLEAR_LEAD = 0.05


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of `photos` the share whose best class is the reference's: of all, and of those where it leads clearly (0 to 1).

    `largest_change` is the largest difference of one class's probability. `cosine_median` and `cosine_worst` compare
    the pooled features. Where no photo is clear, `clear_top1` is 1.
    """

    photos: int
    clear_photos: int
    top1: float
    clear_top1: float
    largest_change: float
    cosine_median: float
    cosine_worst: float


def agreement(reference: dict[str, NDArray[np.float32]], found: dict[str, NDArray[np.float32]]) -> Agreement:
    """Compare `logits` (N, num_classes) and `pooled` (N, D) of the same N photos, N >= 1."""
    expected, given = _probabilities(reference["logits"]), _probabilities(found["logits"])
    same = expected.argmax(1) == given.argmax(1)
    ordered = np.sort(expected, axis=1)
    clear = ordered[:, -1] - (ordered[:, -2] if ordered.shape[1] > 1 else 0) >= CLEAR_LEAD
    cosines = _cosines(reference["pooled"], found["pooled"])
    return Agreement(
        photos=len(same),
        clear_photos=int(clear.sum()),
        top1=float(same.mean()),
        clear_top1=float(same[clear].mean()) if clear.any() else 1.0,
        largest_change=float(np.abs(expected - given).max()),
        cosine_median=float(np.median(cosines)),
        cosine_worst=float(cosines.min()),
    )


def _probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    shifted = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return np.asarray(shifted / shifted.sum(1, keepdims=True))


def _cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Row by row, in [-1, 1]; 0 where a row is all zero."""
    first, second = one.astype(np.float64), other.astype(np.float64)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.asarray((first * second).sum(1) / np.where(lengths > 0, lengths, 1))
