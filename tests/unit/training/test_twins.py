"""Groups of photos that look alike: by features, by keys, and none where everything looks alike."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from resnext.records import Source
from resnext.training.labelled import LabelledPhoto
from resnext.training.twins import group_sizes, grouped, near_pairs


def _photos(labels: list[int]) -> list[LabelledPhoto]:
    digests = [hashlib.sha256(str(at).encode()).hexdigest() for at in range(len(labels))]
    return [LabelledPhoto(Source(str(at)), label, digests[at], digests[at]) for at, label in enumerate(labels)]


def _features(count: int, *near: tuple[int, int]) -> NDArray[np.float32]:
    features = np.random.default_rng(0).normal(size=(count, 256)).astype(np.float32)
    for copy, original in near:
        features[copy] = features[original] * 3 + 0.05 * features[copy]
    return features


def test_near_photos_of_a_class_are_a_group_called_by_its_first() -> None:
    photos = _photos([0, 0, 0, 1, 1, 0])
    found = grouped(photos, _features(6, (2, 0), (5, 2), (4, 1)), [None] * 6)
    assert group_sizes(found) == {photos[0].digest: 3}  # 4 and 1 are of two classes
    assert [photo.group == photo.digest for photo in found] == [True, True, False, True, True, False]


def test_photos_of_one_key_are_a_group() -> None:
    photos = _photos([0, 0, 1, 1])
    assert group_sizes(grouped(photos, None, ["a", None, "a", None])) == {photos[0].digest: 2}


def test_where_all_classes_look_alike_nothing_is_near() -> None:
    """Hands before one wall: what is near says nothing, and would join all to one group."""
    base = np.random.default_rng(1).normal(size=64)
    features = (base + 0.01 * np.random.default_rng(2).normal(size=(60, 64))).astype(np.float32)
    assert group_sizes(grouped(_photos([at % 3 for at in range(60)]), features, [None] * 60)) == {}


def test_pairs_are_found_across_blocks_and_sets() -> None:
    features = _features(2500, (2400, 3))
    assert list(near_pairs(features)) == [(3, 2400)]
    assert list(near_pairs(features[2300:], features[:100])) == [(100, 3)]
