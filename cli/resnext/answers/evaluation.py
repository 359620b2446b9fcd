"""Answers held against what is right: accuracy, tags' precision and coverage, confusions, calibration."""

import random
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resnext.answers.calibration import TagConfig, fitted_temperature
from resnext.answers.metrics import Interval, expected_calibration_error, share_of
from resnext.answers.predictions import softmax
from resnext.answers.tags import Tagger
from resnext.records import Label

SURES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
_TOP = 5
_WORST = 20
_KEPT = 5000  # photos that a calibration looks at, whatever their number: 80 MB with what is made of them
# The certainties that a calibration tries; of fewer tags than enough, one that is wrong decides nothing.
_CANDIDATES = (*(step / 100 for step in range(50, 100)), 0.995, 0.999)
_ENOUGH = 20


class Advice(NamedTuple):
    """What calibration found: `sure` None where no certainty reaches the wanted share.

    `reached` is the share that is right of the `tagged` tags at that certainty, and between what it lies.
    """

    temperature: float
    sure: float | None
    reached: Interval
    tagged: int
    photos: int


class _Photo(NamedTuple):
    right: tuple[int, ...]
    logits: NDArray[np.float32]


class Evaluation:
    """Counts photo by photo; what it keeps does not grow with their number, but for a sample to calibrate on."""

    def __init__(self, labels: tuple[Label, ...], tagger: Tagger | None) -> None:
        self._labels, self._tagger = labels, tagger
        self._photos: Counter[str] = Counter()
        self._known = self._top1 = self._top5 = 0
        self._right: Counter[str] = Counter()
        self._confidences: list[float] = []
        self._hits: list[bool] = []
        self._sures = tuple(sorted({*SURES, tagger.config.sure})) if tagger else ()
        self._tagged: Counter[float] = Counter()
        self._tagged_right: Counter[float] = Counter()
        self._tagged_of: Counter[str] = Counter()
        self._tagged_right_of: Counter[str] = Counter()
        self._confused: Counter[tuple[str, str]] = Counter()
        self._sample: list[_Photo] = []
        self._random = random.Random(0)

    def add(self, name: str, right: tuple[int, ...], logits: NDArray[np.float32]) -> None:
        """Count one photo: what it shows, the classes that are then right (none: nothing is), its finite logits."""
        self._photos[name] += 1
        self._keep(_Photo(right, logits))
        if right:
            self._add_label(name, right, logits)
        if self._tagger is not None:
            self._add_tag(name, right, logits, self._tagger)

    def report(self) -> dict[str, Any]:
        """All that was counted; shares are [0, 1], with what they lie between at 95% certainty."""
        total = sum(self._photos.values())
        found: dict[str, Any] = {
            "photos": total,
            "top1": _shown(share_of(self._top1, self._known)),
            "top5": _shown(share_of(self._top5, self._known)),
            "balanced_accuracy": self._balanced(),
            "ece": round(expected_calibration_error(np.array(self._confidences), np.array(self._hits, bool)), 4),
        }
        if self._tagger is not None:
            found["sure"] = self._tagger.config.sure
            found["temperature"] = self._tagger.config.temperature
            found["tags"] = [
                {
                    "sure": sure,
                    "tagged": _shown(share_of(self._tagged[sure], total)),
                    "right": _shown(share_of(self._tagged_right[sure], self._tagged[sure])),
                    "wrong_of_all": round((self._tagged[sure] - self._tagged_right[sure]) / max(total, 1), 4),
                }
                for sure in self._sures
            ]
        found["classes"] = [self._class_row(name) for name in sorted(self._photos)]
        found["confusions"] = [
            {"truth": truth, "answer": answer, "photos": count}
            for (truth, answer), count in sorted(self._confused.items(), key=lambda each: (-each[1], each[0]))[:_WORST]
        ]
        return found

    def advice(self, target: float) -> Advice:
        """The temperature, and the lowest certainty from which on tags are right as often as wanted, on these photos.

        The photos that chose them flatter them a little, and say nothing of other kinds of photos.
        """
        assert self._tagger is not None
        known = [photo for photo in self._sample if photo.right]
        logits = np.array([photo.logits for photo in known], np.float32).reshape(len(known), -1)
        temperature = fitted_temperature(logits, [photo.right for photo in known])
        tagger = self._tagger.with_config(TagConfig(_CANDIDATES[0], temperature))
        scored = [
            (photo.right, tagger.scores(photo.logits)) for photo in self._sample if tagger.prominent(photo.logits)
        ]
        best: tuple[float, int, int] | None = None
        for sure in reversed(_CANDIDATES):
            chosen = [(right, at) for right, scores in scored if (at := tagger.narrowest(scores, sure)) is not None]
            hits = sum(is_right(right, tagger.tag(at, sure).classes) for right, at in chosen)
            if chosen and hits >= target * len(chosen):
                best = (sure, hits, len(chosen))
            elif len(chosen) >= _ENOUGH:
                break
        if best is None:
            return Advice(temperature, None, share_of(0, 0), 0, len(self._sample))
        sure, hits, tagged = best
        return Advice(temperature, sure, share_of(hits, tagged), tagged, len(self._sample))

    def _add_label(self, name: str, right: tuple[int, ...], logits: NDArray[np.float32]) -> None:
        temperature = self._tagger.config.temperature if self._tagger else 1.0
        probabilities = softmax(logits / np.float32(temperature))
        best = np.argsort(-probabilities, kind="stable")[:_TOP]
        hit = int(best[0]) in right
        self._known += 1
        self._top1 += hit
        self._top5 += any(int(index) in right for index in best)
        self._right[name] += hit
        self._confidences.append(float(probabilities[best[0]]))
        self._hits.append(hit)
        if not hit and self._tagger is None:
            self._confused[name, self._labels[int(best[0])].name] += 1

    def _add_tag(self, name: str, right: tuple[int, ...], logits: NDArray[np.float32], tagger: Tagger) -> None:
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
            self._tagged_right[sure] += hit
            if sure == tagger.config.sure:
                self._tagged_of[name] += 1
                self._tagged_right_of[name] += hit
                if not hit:
                    self._confused[name, tag.label] += 1

    def _keep(self, photo: _Photo) -> None:
        """Keep a sample in which every photo has the same chance to be (Vitter's algorithm R)."""
        if len(self._sample) < _KEPT:
            self._sample.append(photo)
            return
        place = self._random.randrange(sum(self._photos.values()))
        if place < _KEPT:
            self._sample[place] = photo

    def _balanced(self) -> float:
        shares = [self._right[name] / count for name, count in self._photos.items() if self._is_known(name)]
        return round(sum(shares) / len(shares), 4) if shares else 0.0

    def _is_known(self, name: str) -> bool:
        return name in self._right

    def _class_row(self, name: str) -> dict[str, Any]:
        count = self._photos[name]
        row: dict[str, Any] = {"name": name, "photos": count}
        row["accuracy"] = round(self._right[name] / count, 4) if self._is_known(name) else None
        if self._tagger is not None:
            tagged = self._tagged_of[name]
            row["tagged"] = round(tagged / count, 4)
            row["right"] = round(self._tagged_right_of[name] / tagged, 4) if tagged else None
        return row


def is_right(right: tuple[int, ...], tag: tuple[int, ...]) -> bool:
    """Whether a tag of these classes is right: it holds all that is right, or lies within it."""
    found, truth = set(tag), set(right)
    return bool(truth) and (found >= truth or found <= truth)


def _shown(interval: Interval) -> dict[str, float]:
    return {"share": round(interval.share, 4), "low": round(interval.low, 4), "high": round(interval.high, 4)}
