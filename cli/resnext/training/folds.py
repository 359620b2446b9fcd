"""Folds for cross-validation: functions of the seed and the photos' contents, so that a run can be done again.

A fold is a number from 0 on; ALWAYS_TRAINS is that of photos that are never held out.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from resnext.training.labelled import LabelledPhoto, order_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5
ALWAYS_TRAINS = -1


def random_folds(photos: Sequence[LabelledPhoto], seed: int, count: int = FOLDS) -> "NDArray[np.int32]":
    """Deal the photos of each class to `count` folds in an order of chance; (N,) numbers.

    A class with one photo trains always: without it nobody could answer with that class.
    """
    return _dealt(photos, [photo.digest for photo in photos], seed, count)


def grouped_folds(photos: Sequence[LabelledPhoto], seed: int, count: int = FOLDS) -> "NDArray[np.int32]":
    """Deal groups of photos to `count` folds, so that a class is spread over them as evenly as its groups allow.

    A group of several classes goes by the class that most of it has. A class with one group trains always.
    """
    return _dealt(photos, [photo.group for photo in photos], seed, count)


def _dealt(photos: Sequence[LabelledPhoto], groups: Sequence[str], seed: int, count: int) -> "NDArray[np.int32]":
    members: dict[str, list[int]] = defaultdict(list)
    for at, group in enumerate(groups):
        members[group].append(at)
    groups_of: dict[int, list[str]] = defaultdict(list)
    for group, places in members.items():
        label, _ = Counter(photos[at].label for at in places).most_common(1)[0]
        groups_of[label].append(group)
    folds = np.full(len(photos), ALWAYS_TRAINS, np.int32)
    in_all = np.zeros(count, np.int64)  # photos of each fold
    for label in sorted(groups_of):
        of_class = np.zeros(count, np.int64)
        # The large first, so that the small fill up what they leave uneven.
        chance = {group: order_key(seed, group) for group in groups_of[label]}
        for group in sorted(chance, key=lambda each: (-len(members[each]), chance[each])):
            fold = int(np.lexsort((in_all, of_class))[0])
            folds[members[group]] = fold
            of_class[fold] += len(members[group])
            in_all[fold] += len(members[group])
    _keep_in_training(folds, np.array([photo.label for photo in photos], np.int32))
    return folds


def _keep_in_training(folds: "NDArray[np.int32]", labels: "NDArray[np.int32]") -> None:
    """Let a class that lies in one fold alone train always: held out, it could not be learned."""
    for label in np.unique(labels):
        of_class = labels == label
        if len(np.unique(folds[of_class])) < 2:
            folds[of_class] = ALWAYS_TRAINS
