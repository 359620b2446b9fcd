"""Groups of photos that show the same thing in nearly the same way: near-duplicates, bursts, photos of one folder.

Held out one without the others, such photos make a model look better than it is on photos that are yet to be taken.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from resnext.answers.metrics import share_of
from resnext.training.labelled import LabelledPhoto

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of the bundled model's features: copies and photos of a burst have this cosine, 99.99% of other pairs less than 0.80.
# Where photos are all alike (hands before one wall) it takes more: near photos of different classes are no copies of
# each other, so that their part among all near pairs tells how much.
NEARS = (0.90, 0.92, 0.94, 0.96, 0.98)
_MOST_MIXED = 0.1
_MOST_PAIRS = 5_000_000
_ROWS = 256


def near_pairs(
    features: "NDArray[np.float32]", others: "NDArray[np.float32] | None" = None, near: float = NEARS[0]
) -> Iterator[tuple[int, int]]:
    """Give the pairs of rows whose features have a cosine of `near` or more; of one set each pair once.

    Block by block of a matrix product: memory for 256 rows against all.
    """
    own = _unit(features)
    for rows, columns in _near_blocks(own, own if others is None else _unit(others), near):
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            if others is not None or row < column:
                yield row, column


def _near_blocks(
    own: "NDArray[np.float32]", others: "NDArray[np.float32]", near: float
) -> "Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]":
    for first in range(0, len(own), _ROWS):
        rows, columns = np.nonzero(own[first : first + _ROWS] @ others.T >= near)
        yield rows + first, columns


def grouped(
    photos: Sequence[LabelledPhoto], features: "NDArray[np.float32] | None", keys: Sequence[Hashable | None]
) -> tuple[LabelledPhoto, ...]:
    """Give the photos with their groups: near-duplicates by their features (N, D), and photos of one key together.

    A key of None joins nothing, and near photos of different classes are not joined. A group is called by the digest of
    its first photo.
    """
    groups = _Groups(len(photos))
    by_key: dict[Hashable, int] = {}
    for at, key in enumerate(keys):
        if key is not None:
            groups.join(by_key.setdefault(key, at), at)
    if features is not None:
        for one, other in _alike(photos, features):
            groups.join(one, other)
    return tuple(replace(photo, group=photos[groups.first(at)].digest) for at, photo in enumerate(photos))


def _alike(photos: Sequence[LabelledPhoto], features: "NDArray[np.float32]") -> list[tuple[int, int]]:
    """The near pairs of one class, at the first cosine from which on few near pairs are of different classes."""
    own = _unit(features)
    labels = np.array([photo.label for photo in photos])
    for near in NEARS:
        same: list[tuple[int, int]] = []
        mixed = 0
        for rows, columns in _near_blocks(own, own, near):
            upper = rows < columns
            alike = labels[rows] == labels[columns]
            same += zip(rows[upper & alike].tolist(), columns[upper & alike].tolist(), strict=True)
            mixed += int((upper & ~alike).sum())
            if _is_mixed(mixed, len(same)):
                break
        if not _is_mixed(mixed, len(same)):
            return same
    return []


def _is_mixed(mixed: int, same: int) -> bool:
    """Whether surely too many of the near pairs are of different classes, or there are more than copies can be."""
    return share_of(mixed, mixed + same).low > _MOST_MIXED or same > _MOST_PAIRS


def group_sizes(photos: Sequence[LabelledPhoto]) -> dict[str, int]:
    """How many photos each group has, of those with two or more."""
    sizes: dict[str, int] = defaultdict(int)
    for photo in photos:
        sizes[photo.group] += 1
    return {group: size for group, size in sizes.items() if size > 1}


class _Groups:
    """Joins numbers into groups (union-find); the lowest number stands for its group."""

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def first(self, at: int) -> int:
        while self._above[at] != at:
            self._above[at] = self._above[self._above[at]]
            at = self._above[at]
        return at

    def join(self, one: int, other: int) -> None:
        one, other = self.first(one), self.first(other)
        self._above[max(one, other)] = min(one, other)


def _unit(features: "NDArray[np.float32]") -> "NDArray[np.float32]":
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    found: NDArray[np.float32] = features / np.maximum(lengths, 1e-12)
    return found
