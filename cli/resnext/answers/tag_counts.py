"""Compares tags with the right ones: counts, at each certainty, the photos that get one and the tags that are right."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resnext.answers.metrics import share_of
from resnext.answers.tags import Tagger
from resnext.answers.tally import SURES, between

_WORST = 20


class TagCounts:
    """Counts photo by photo; what it keeps does not grow with their number."""

    def __init__(self, tagger: Tagger) -> None:
        self._tagger = tagger
        self._sures = tuple(sorted({*SURES, tagger.config.sure}))
        self._tagged: Counter[float] = Counter()
        self._right: Counter[float] = Counter()
        self._tagged_of: Counter[str] = Counter()  # at the certainty of the tagger
        self._right_of: Counter[str] = Counter()
        self._confused: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, right: tuple[int, ...], logits: NDArray[np.float32]) -> None:
        """Count one photo: what it shows, the classes that are then right, its finite logits (num_classes,)."""
        tagger = self._tagger
        if not tagger.prominent(logits):
            return
        scores = tagger.scores(logits)
        for sure in self._sures:
            position = tagger.narrowest(scores, sure)
            if position is None:
                continue
            tag = tagger.tag(position, float(scores[position]))
            hit = is_right(right, tag.classes)
            self._tagged[sure] += 1
            self._right[sure] += hit
            if sure == tagger.config.sure:
                self._tagged_of[name] += 1
                self._right_of[name] += hit
                if not hit:
                    self._confused[name, tag.label] += 1

    def report(self, photos: int) -> dict[str, Any]:
        """What was counted, of so many photos in all."""
        return {
            "sure": self._tagger.config.sure,
            "temperature": self._tagger.config.temperature,
            "tags": [
                {
                    "sure": sure,
                    "tagged": between(share_of(self._tagged[sure], photos)),
                    "right": between(share_of(self._right[sure], self._tagged[sure])),
                    "wrong_of_all": round((self._tagged[sure] - self._right[sure]) / max(photos, 1), 4),
                }
                for sure in self._sures
            ],
        }

    def of_class(self, name: str, photos: int) -> dict[str, Any]:
        """Of the photos that show this the share that got a tag, and of those the share that is right."""
        tagged = self._tagged_of[name]
        return {
            "tagged": round(tagged / photos, 4),
            "right": round(self._right_of[name] / tagged, 4) if tagged else None,
        }

    def confusions(self) -> list[dict[str, Any]]:
        """What was tagged wrongly as what, most often first."""
        worst = sorted(self._confused.items(), key=lambda each: (-each[1], each[0]))[:_WORST]
        return [{"truth": truth, "answer": answer, "photos": count} for (truth, answer), count in worst]


def is_right(right: tuple[int, ...], tag: tuple[int, ...]) -> bool:
    """Whether a tag of these classes is right: it holds all that is right, or lies within it."""
    found, truth = set(tag), set(right)
    return bool(truth) and (found >= truth or found <= truth)
