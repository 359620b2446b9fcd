"""How sure a tag of a model has to be: the temperature and the certainty that photos with a truth ask for."""

import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resnext.answers.calibration import TagConfig, fitted_temperature
from resnext.answers.metrics import Interval, share_of
from resnext.answers.tag_counts import is_right
from resnext.answers.tags import Tagger

_KEPT = 5000  # photos that a calibration looks at, whatever their number: 80 MB with what is made of them
# The certainties that a calibration tries; of fewer tags than enough, one that is wrong decides nothing.
_CANDIDATES = (*(step / 100 for step in range(50, 100)), 0.995, 0.999)
_ENOUGH = 20


class Advice(NamedTuple):
    """What calibration found: `sure` None where no certainty reaches the wanted share.

    `reached` is the share that is right of the `tagged` tags at that certainty, and between what it lies. The photos
    that chose it flatter it: `held_out` is the share that is right of tags chosen by what the other half of the photos
    asked for, and `held_out_tagged` their number.
    """

    temperature: float
    sure: float | None
    reached: Interval
    tagged: int
    photos: int
    held_out: Interval
    held_out_tagged: int


class _Photo(NamedTuple):
    """The classes that are right (none: nothing is), and the logits (num_classes,)."""

    right: tuple[int, ...]
    logits: NDArray[np.float32]


class Sample:
    """A sample of all photos, in which each has the same chance to be (Vitter's algorithm R)."""

    def __init__(self) -> None:
        self._photos: list[_Photo] = []
        self._seen = 0
        self._random = random.Random(0)

    def add(self, right: tuple[int, ...], logits: NDArray[np.float32]) -> None:
        """Take a photo, perhaps in the place of another."""
        self._seen += 1
        place = self._seen - 1 if self._seen <= _KEPT else self._random.randrange(self._seen)
        if place < _KEPT:
            self._photos[place : place + 1] = [_Photo(right, logits.copy())]  # a view would keep its whole batch

    def advice(self, tagger: Tagger, target: float) -> Advice:
        """The temperature, and the lowest certainty from which on tags are right as often as wanted.

        Photos say nothing of other kinds of photos than they are.
        """
        config, hits, tagged = _choice(self._photos, tagger, target)
        sure = config.sure if tagged else None
        held_hits, held_tagged = self._held_out(tagger, target) if sure is not None else (0, 0)
        return Advice(
            temperature=config.temperature,
            sure=sure,
            reached=share_of(hits, tagged),
            tagged=tagged,
            photos=len(self._photos),
            held_out=share_of(held_hits, held_tagged),
            held_out_tagged=held_tagged,
        )

    def _held_out(self, tagger: Tagger, target: float) -> tuple[int, int]:
        """Right tags and tags of each half of the photos, chosen by what the other half asks for."""
        mixed = random.Random(0).sample(self._photos, len(self._photos))  # photos come class by class
        hits = tagged = 0
        for chosen_by, other in ((mixed[::2], mixed[1::2]), (mixed[1::2], mixed[::2])):
            config, _, enough = _choice(chosen_by, tagger, target)
            if enough:
                found = tagger.with_config(config)
                right = [is_right(photo.right, tag.classes) for photo in other for tag in found.tags(photo.logits)]
                hits, tagged = hits + sum(right), tagged + len(right)
        return hits, tagged


def _choice(photos: Sequence[_Photo], tagger: Tagger, target: float) -> tuple[TagConfig, int, int]:
    """Temperature and certainty that the photos ask for, with the right tags and the tags there; 0 tags: none does."""
    known = [photo for photo in photos if photo.right]
    logits = np.array([photo.logits for photo in known], np.float32).reshape(len(known), -1)
    temperature = fitted_temperature(logits, [photo.right for photo in known])
    found = tagger.with_config(TagConfig(_CANDIDATES[0], temperature))
    scored = [(photo.right, found.scores(photo.logits)) for photo in photos if found.prominent(photo.logits)]
    best = (TagConfig(1.0, temperature), 0, 0)
    for sure in reversed(_CANDIDATES):
        chosen = [(right, at) for right, scores in scored if (at := found.narrowest(scores, sure)) is not None]
        hits = sum(is_right(right, found.tag(at, sure).classes) for right, at in chosen)
        if chosen and hits >= target * len(chosen):
            best = (TagConfig(sure, temperature), hits, len(chosen))
        elif len(chosen) >= _ENOUGH:
            break
    return best
