"""Which photos of `train` are used: their features are computed, then what trains and what measures is kept apart."""

import os
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from resnext.console.interrupts import Interrupted
from resnext.errors import NothingTrained, UsageError
from resnext.pipeline.content_features import ContentFeatures, content_features
from resnext.store.store import cache_root
from resnext.training.labelled import IN_TEST, LabelledPhoto, LabelledPhotos, LeftOut, class_order, labelled
from resnext.training.trained import BaseModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from resnext.console.terminal import Notices
    from resnext.pipeline.train_request import TrainRequest
    from resnext.records import Failure, Source
    from resnext.shelf.shelf import OpenedModel
    from resnext.training.photos import FoundPhotos

_SHOWN = 5


class Data(NamedTuple):
    """Photos of each split with their features, row for row."""

    train: LabelledPhotos
    validation: LabelledPhotos
    test: LabelledPhotos
    computed: ContentFeatures

    def features(self, photos: LabelledPhotos) -> "NDArray[np.float32]":
        """The features (N, D) of the photos of one split."""
        return self.computed.kept.matrix([photo.digest for photo in photos.photos])


def classes_of(found: "FoundPhotos") -> tuple[str, ...]:
    """The classes that are named.

    Raises:
        UsageError: it is one, or none.
    """
    classes = class_order(each.name for each in found.of("train"))
    if len(classes) < 2:
        what = f"one class, {classes[0]!r}" if classes else "no class"
        raise UsageError(f"{what}: a model needs two or more; name a folder that holds a folder of photos for each")
    return classes


def sorted_out(request: "TrainRequest", classes: tuple[str, ...], bases: list[BaseModel], notices: "Notices") -> Data:
    """Compute what is needed of all photos, and sort out which can be used."""
    from resnext.shelf.shelf import Shelf
    from resnext.training.base import base_of

    found, test = request.found, request.test
    splits = [found.of("train"), found.of("val"), found.of("test") + (test.of("train") if test else [])]
    failures = [*found.failures, *(test.failures if test else [])]

    def opened(model: "OpenedModel") -> None:
        asked = request.run.model
        # Once more, and by its name: what "auto" means was told already.
        named = asked._replace(model=model.name) if asked.model.casefold() == "auto" and not asked.weights else asked
        bases.append(base_of(*Shelf(notices).base(named), named.adjustments))

    inputs: list[Source | Failure] = [*(each.source for split in splits for each in split), *failures]
    inputs += request.semi.unlabelled if request.semi is not None else ()
    try:
        computed = content_features(request.run, inputs, cache_root(), notices, opened)
    except Interrupted as interrupt:
        interrupt.kept = "the features computed so far are kept: the same line goes on"
        raise
    train, validation, test_photos = (labelled(split, computed.digests, classes) for split in splits)
    train = _without_empty_classes(train, notices)
    validation, test_photos = (_among(split, train.classes) for split in (validation, test_photos))
    data = Data(train, validation, test_photos, computed)
    return data._replace(
        validation=_apart(data, validation, "validation", notices), test=_apart(data, test_photos, "test", notices)
    )


def _without_empty_classes(photos: LabelledPhotos, notices: "Notices") -> LabelledPhotos:
    """Leave out classes none of whose photos can be used; tell of those with one.

    Raises:
        NothingTrained: fewer than two are left.
    """
    counts = dict(zip(photos.classes, photos.counts(), strict=True))
    empty = [name for name, count in counts.items() if not count]
    left = tuple(name for name, count in counts.items() if count)
    if len(left) < 2:
        first = photos.left_out[0] if photos.left_out else None
        why = f"; {first.file}: {first.message}" if first is not None else ""
        raise NothingTrained(
            f"nothing to train on: only {len(left)} of {len(counts)} classes have a photo that can be used{why}"
        )
    if empty:
        notices.warning(f"{_listed(empty)}: no photo can be used, so that the model does not know this class")
    single = [name for name, count in counts.items() if count == 1]
    if single:
        notices.warning(f"{_listed(single)}: one photo, which trains but can't be validated")
    if photos.left_out:
        first = photos.left_out[0]
        notices.warning(f"{len(photos.left_out)} photos left out, the first: {first.file}: {first.message}")
    return _among(photos, left)


def _among(photos: LabelledPhotos, classes: tuple[str, ...]) -> LabelledPhotos:
    """The same photos with their labels among these classes; those of other classes are left out."""
    if classes == photos.classes:
        return photos
    from dataclasses import replace

    index = {name: label for label, name in enumerate(classes)}
    kept = tuple(
        replace(photo, label=index[photos.classes[photo.label]])
        for photo in photos.photos
        if photos.classes[photo.label] in index
    )
    return LabelledPhotos(classes, kept, photos.left_out)


def check_test_classes(request: "TrainRequest", classes: tuple[str, ...]) -> None:
    """Refuse classes that only photos which measure have.

    Raises:
        UsageError: there are some.
    """
    measuring = [
        *request.found.of("val"),
        *request.found.of("test"),
        *(request.test.of("train") if request.test else []),
    ]
    unknown = sorted({each.name for each in measuring} - set(classes))
    if unknown:
        raise UsageError(f"{_listed(unknown)}: a class of photos that measure, but not of photos that train")


def _apart(data: Data, photos: LabelledPhotos, split: str, notices: "Notices") -> LabelledPhotos:
    """Leave out of a split that measures what the training has seen: the same bytes, and near-duplicates."""
    from resnext.training.twins import near_pairs

    if not photos.photos:
        return photos
    pairs = near_pairs(data.features(photos), data.features(data.train))
    twins: dict[int, int] = {}
    for one, other in pairs:
        if photos.photos[one].label == data.train.photos[other].label:
            twins.setdefault(one, other)
    by_digest = {photo.digest: at for at, photo in enumerate(data.train.photos)}
    twins |= {at: by_digest[photo.digest] for at, photo in enumerate(photos.photos) if photo.digest in by_digest}
    if not twins:
        return photos
    left_out = tuple(
        LeftOut(
            photos.photos[at].source.file, IN_TEST, f"as good as {data.train.photos[other].source.file}, which trains"
        )
        for at, other in sorted(twins.items())
    )
    notices.warning(
        f"{len(twins)} {split} photos are as good as some that train, and are left out; the first: {left_out[0].file}"
    )
    kept = tuple(photo for at, photo in enumerate(photos.photos) if at not in twins)
    return LabelledPhotos(photos.classes, kept, (*photos.left_out, *left_out))


def grouped(request: "TrainRequest", data: Data, features: "NDArray[np.float32]") -> tuple[LabelledPhoto, ...]:
    """The photos that train, each with the group that is never on both sides of an estimate."""
    from resnext.training import twins

    photos = data.train.photos
    keys: list[Hashable | None] = [None] * len(photos)
    if request.group_by == "folder":
        keys = [os.path.dirname(photo.source.file) for photo in photos]  # noqa: PTH120 - names are kept to the byte
    elif request.group_by == "time":
        from resnext.images.taken import bursts

        keys = list(bursts([photo.source for photo in photos]))
    return twins.grouped(photos, None if request.group_by == "none" else features, keys)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
