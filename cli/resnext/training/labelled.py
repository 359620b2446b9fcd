"""Photos with their labels: what a method of training gets, and what was left out of it and why."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from resnext.records import Source
from resnext.sources.folders import natural_key

# Why a photo that can be read is left out; photos that can't be read have the codes of `classify`.
TWO_LABELS = "two_labels"
COPY = "copy"
IN_TEST = "in_test"


class Named(NamedTuple):
    """A photo and the name of what it shows, before anything was read of it."""

    source: Source
    name: str


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """One photo with its class.

    `label` is the index among the classes. `digest` is the SHA-256 of its bytes, in hex. Photos of one `group` show the
    same thing in nearly the same way (a burst, a crop): they never stand on both sides of a fold that keeps groups. A
    photo that is alone is its own group, called by its digest.
    """

    source: Source
    label: int
    digest: str
    group: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One photo that is not trained on: `code` is a FailureCode's value, or TWO_LABELS, COPY, IN_TEST."""

    file: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class LabelledPhotos:
    """All photos of one split, in the order in which they were found. `classes` are in natural order."""

    classes: tuple[str, ...]
    photos: tuple[LabelledPhoto, ...]
    left_out: tuple[LeftOut, ...] = ()

    def counts(self) -> tuple[int, ...]:
        """How many photos each class has, in the classes' order."""
        counts = [0] * len(self.classes)
        for photo in self.photos:
            counts[photo.label] += 1
        return tuple(counts)


def class_order(names: Iterable[str]) -> tuple[str, ...]:
    """The classes in natural order: img2 before img10, without regard to case."""
    return tuple(sorted(set(names), key=natural_key))


def labelled(found: Sequence[Named], digests: Mapping[str, str], classes: tuple[str, ...]) -> LabelledPhotos:
    """Make labelled photos of those that could be read: each content once, under one label.

    `digests` has the SHA-256 of the content by `source.file`; a photo without one could not be read and is not in the
    answer. Identical bytes under two names are left out wherever they lie; a copy under the same name is used once.
    """
    index = {name: label for label, name in enumerate(classes)}
    names_of: dict[str, dict[str, str]] = defaultdict(dict)  # digest -> name -> the first file with it
    for source, name in found:
        if source.file in digests:
            names_of[digests[source.file]].setdefault(name, source.file)
    photos: list[LabelledPhoto] = []
    left_out: list[LeftOut] = []
    files: set[str] = set()
    for source, name in found:
        digest = digests.get(source.file)
        if digest is None:
            continue
        names = names_of[digest]
        if len(names) > 1:
            other, file = next((other, file) for other, file in names.items() if other != name)
            where = "it" if file == source.file else f"the same picture, {file},"
            left_out.append(LeftOut(source.file, TWO_LABELS, f"labelled {name!r}, and {where} is labelled {other!r}"))
        elif names[name] != source.file:
            left_out.append(LeftOut(source.file, COPY, f"the same picture as {names[name]}"))
        elif source.file not in files:
            files.add(source.file)
            photos.append(LabelledPhoto(source, index[name], digest, digest))
    return LabelledPhotos(classes, tuple(photos), tuple(left_out))


def order_key(seed: int, digest: str) -> bytes:
    """A key that puts photos into an order of chance, by the seed and their content, not by names or places."""
    return hashlib.sha256(f"{seed}:{digest}".encode()).digest()
