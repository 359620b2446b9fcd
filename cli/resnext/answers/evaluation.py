"""Compares answers with the right ones, from logits: classes, tags, and what a calibration asks for."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from resnext.answers.advice import Advice, Sample
from resnext.answers.predictions import softmax
from resnext.answers.tag_counts import TagCounts
from resnext.answers.tags import Tagger
from resnext.answers.tally import TOP, Tally
from resnext.records import Label


class Evaluation:
    """Counts photo by photo. With a `tagger` probabilities are at its temperature, and tags are counted too.

    `sampled` says that a sample of the logits is kept, to calibrate on.
    """

    def __init__(
        self, labels: tuple[Label, ...], tagger: Tagger | None, mistakes: int = 0, *, sampled: bool = True
    ) -> None:
        self.tally = Tally(labels, mistakes)
        self._tagger = tagger
        self._tags = TagCounts(tagger) if tagger is not None else None
        self._temperature = np.float32(tagger.config.temperature if tagger is not None else 1.0)
        self._sample = Sample() if sampled else None

    def add(self, name: str, right: tuple[int, ...], logits: NDArray[np.float32], file: str = "") -> None:
        """Count one photo: what it shows, the classes that are then right (none: nothing is), its finite logits."""
        if self._sample is not None:
            self._sample.add(right, logits)
        probabilities = softmax(logits / self._temperature)
        best: list[int] = np.argsort(-probabilities, kind="stable")[:TOP].tolist()
        self.tally.add(name, right, best, float(probabilities[best[0]]), file)
        if self._tags is not None:
            self._tags.add(name, right, logits)

    def report(self) -> dict[str, Any]:
        """All that was counted, as a document; shares are [0, 1], with what they lie between at 95% certainty."""
        tally, tags = self.tally, self._tags
        found = tally.figures()
        classes = tally.classes()
        if tags is not None:
            found |= tags.report(found["photos"])
            classes = [{**row, **tags.of_class(row["name"], row["photos"])} for row in classes]
        return found | {
            "classes": classes,
            "confusions": tally.confusions() if tags is None else tags.confusions(),
            "reliability": tally.reliability(),
            "coverage": tally.coverage(),
        }

    def advice(self, target: float) -> Advice:
        """The temperature and the certainty that the photos ask for, so that a share `target` of the tags is right."""
        assert self._tagger is not None and self._sample is not None
        return self._sample.advice(self._tagger, target)
