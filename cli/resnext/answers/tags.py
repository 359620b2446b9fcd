"""Probabilities -> tags: the narrowest name of a vocabulary that is sure enough, or none."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from resnext.answers.calibration import TagConfig
from resnext.answers.vocabulary import Entry
from resnext.records import Tag

# Where the best logit stands out less than this, the photo shows nothing that the model knows: measured on flowers of
# kinds that ImageNet lacks, of which a third got a wrong tag without this gate and 3% with it. It needs many classes:
# of n, none stands out more than the square root of n - 1.
_LEAST_PROMINENCE = 5.0
_CLASSES_FOR_PROMINENCE = 500


class Tagger:
    """Chooses tags from the entries of one vocabulary, for one model."""

    def __init__(self, entries: Sequence[Entry], num_classes: int, config: TagConfig) -> None:
        self._entries = sorted(entries, key=lambda entry: len(entry.classes))  # narrowest first; stable
        self.config = config
        self._num_classes = num_classes
        sizes = [len(entry.classes) for entry in self._entries]
        # Sums over entries are sums over runs of this list; a matrix of entries by classes would be 99% zeros.
        self._members = np.array([index for entry in self._entries for index in entry.classes], dtype=np.intp)
        self._starts = np.cumsum([0, *sizes[:-1]], dtype=np.intp)[: len(sizes)]
        self._sizes = np.array(sizes, dtype=np.float64)
        chance = self._sizes / max(num_classes, 1)
        self._chance = np.minimum(chance, 1 - 1e-9)

    def with_config(self, config: TagConfig) -> "Tagger":
        """The same vocabulary, chosen from in another way."""
        return Tagger(self._entries, self._num_classes, config)

    def scores(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """How likely each entry is right, in the order of `entries`: at most 1; below 0 where chance would do better.

        Sums the probabilities of an entry's classes at the model's temperature, and takes off what as many classes
        would get by chance: (p - n/N) / (1 - n/N).
        """
        scaled = logits.astype(np.float64) / self.config.temperature
        weights = np.exp(scaled - scaled.max())
        # In another order they may add up to a little more than all of them.
        sums = np.minimum(np.add.reduceat(weights[self._members], self._starts) / weights.sum(), 1)
        corrected: NDArray[np.float64] = (sums - self._chance) / (1 - self._chance)
        return corrected

    def prominent(self, logits: NDArray[np.float32]) -> bool:
        """Whether the best logit stands out: (max - mean) / std, which no temperature changes."""
        if self._num_classes < _CLASSES_FOR_PROMINENCE:
            return True
        values = logits.astype(np.float64)
        spread = float(values.std())
        return spread > 0 and float(values.max() - values.mean()) / spread >= _LEAST_PROMINENCE

    def narrowest(self, scores: NDArray[np.float64], sure: float) -> int | None:
        """The entry with the fewest classes that is at least so sure, of several the likeliest.

        Raising `sure` never gives one with fewer classes: fewer entries are left to choose from.
        """
        enough = np.flatnonzero(scores >= sure)
        if not len(enough):
            return None
        narrow = enough[self._sizes[enough] == self._sizes[enough[0]]]
        return int(narrow[np.argmax(scores[narrow])])

    def tags(self, logits: NDArray[np.float32]) -> tuple[Tag, ...]:
        """The tags of one photo, from its row of finite logits (num_classes,): one, or none where nothing is sure."""
        if not self._entries or not self.prominent(logits):
            return ()
        scores = self.scores(logits)
        position = self.narrowest(scores, self.config.sure)
        return () if position is None else (self.tag(position, float(scores[position])),)

    def tag(self, position: int, score: float) -> Tag:
        """The entry at that position of `scores`, as a tag."""
        entry = self._entries[position]
        return Tag(entry.name, score, entry.path, entry.synset, entry.classes)
