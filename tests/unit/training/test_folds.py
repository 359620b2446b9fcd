"""Folds: spread over classes, whole groups, the same for the same photos in any order."""

import hashlib

import numpy as np

from resnext.records import Source
from resnext.training.folds import ALWAYS_TRAINS, grouped_folds, random_folds
from resnext.training.labelled import LabelledPhoto


def _photo(name: str, label: int, group: str | None = None) -> LabelledPhoto:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return LabelledPhoto(Source(name), label, digest, group or digest)


PHOTOS = [_photo(f"{label}/{at}", label) for label, count in enumerate([23, 7, 40]) for at in range(count)]


def test_each_class_is_spread_over_the_folds_evenly() -> None:
    folds = random_folds(PHOTOS, seed=0)
    labels = np.array([photo.label for photo in PHOTOS])
    for label in range(3):
        counts = np.bincount(folds[labels == label], minlength=5)
        assert counts.max() - counts.min() <= 1
    counts = np.bincount(folds)
    assert len(counts) == 5 and counts.max() - counts.min() <= 1


def test_folds_depend_on_the_seed_and_on_contents_alone() -> None:
    folds = dict(zip([photo.digest for photo in PHOTOS], random_folds(PHOTOS, seed=0), strict=True))
    backwards = PHOTOS[::-1]
    assert folds == dict(zip([photo.digest for photo in backwards], random_folds(backwards, seed=0), strict=True))
    other = random_folds(PHOTOS, seed=1)
    assert any(folds[photo.digest] != fold for photo, fold in zip(PHOTOS, other, strict=True))


def test_a_group_is_never_divided() -> None:
    photos = [
        _photo(f"{label}/{at}", label, f"{label}/{at // size}")
        for label, size in enumerate([3, 8, 1])
        for at in range(40)
    ]
    folds = grouped_folds(photos, seed=0)
    of_group: dict[str, set[int]] = {}
    for photo, fold in zip(photos, folds, strict=True):
        of_group.setdefault(photo.group, set()).add(int(fold))
    assert all(len(each) == 1 for each in of_group.values())
    assert all(len(np.unique(folds[at : at + 40])) == 5 for at in (0, 40, 80))


def test_what_could_not_be_learned_is_never_held_out() -> None:
    photos = [*(_photo(f"a/{at}", 0) for at in range(5)), _photo("b/0", 1), _photo("c/0", 2), _photo("c/1", 2)]
    folds = random_folds(photos, seed=0)
    assert folds[5] == ALWAYS_TRAINS and (folds[[0, 1, 2, 3, 4, 6, 7]] >= 0).all() and folds[6] != folds[7]
    one_burst = [*(_photo(f"a/{at}", 0, "burst") for at in range(5)), *(_photo(f"b/{at}", 1) for at in range(5))]
    folds = grouped_folds(one_burst, seed=0)
    assert (folds[:5] == ALWAYS_TRAINS).all() and sorted(folds[5:]) == [0, 1, 2, 3, 4]
