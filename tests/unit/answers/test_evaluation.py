"""Answers held against what is right."""

from typing import Any

import numpy as np
import pytest

from resnext.answers import advice
from resnext.answers.calibration import TagConfig
from resnext.answers.evaluation import Evaluation
from resnext.answers.tag_counts import is_right
from resnext.answers.tags import Tagger
from resnext.answers.vocabulary import Entry
from resnext.records import Label

LABELS = tuple(Label(index, name, name) for index, name in enumerate(["corgi", "pug", "cat", "pizza"]))
ENTRIES = (
    *(Entry((label.name,), (label.index,)) for label in LABELS),
    Entry(("dog",), (0, 1)),
    Entry(("pet",), (0, 1, 2)),
)


def logits_of(*probabilities: float) -> Any:
    return np.log(np.array(probabilities, np.float32))


def tagger(sure: float) -> Tagger:
    return Tagger(ENTRIES, 4, TagConfig(sure))


def test_labels_are_counted() -> None:
    found = Evaluation(LABELS, None)
    found.add("corgi", (0,), logits_of(0.7, 0.1, 0.1, 0.1))
    found.add("corgi", (0,), logits_of(0.1, 0.7, 0.1, 0.1))
    found.add("corgi", (0,), logits_of(0.1, 0.7, 0.1, 0.1))
    found.add("cat", (2,), logits_of(0.1, 0.1, 0.7, 0.1))
    report = found.report()
    assert report["photos"] == 4
    assert (report["top1"]["share"], report["top5"]["share"]) == (0.5, 1.0)
    assert report["balanced_accuracy"] == round((1 / 3 + 1) / 2, 4)
    assert report["ece"] == pytest.approx(0.2, abs=1e-4)
    assert report["confusions"] == [{"truth": "corgi", "answer": "pug", "photos": 2}]
    assert [(row["name"], row["photos"]) for row in report["classes"]] == [("cat", 1), ("corgi", 3)]
    assert "tags" not in report


def test_tags_are_counted_at_each_certainty() -> None:
    found = Evaluation(LABELS, tagger(0.6))
    found.add("corgi", (0,), logits_of(0.5, 0.4, 0.05, 0.05))  # a dog: right
    found.add("cat", (2,), logits_of(0.9, 0.04, 0.03, 0.03))  # a corgi: wrong
    found.add("none", (), logits_of(0.9, 0.04, 0.03, 0.03))  # nothing is right
    found.add("pizza", (3,), logits_of(0.25, 0.25, 0.25, 0.25))  # withheld
    report = found.report()
    at = {row["sure"]: (row["tagged"]["share"], row["right"]["share"], row["wrong_of_all"]) for row in report["tags"]}
    assert at[0.6] == (0.75, round(1 / 3, 4), 0.5)
    assert at[0.99] == (0.0, 0.0, 0.0)
    assert report["confusions"] == [
        {"truth": "cat", "answer": "corgi", "photos": 1},
        {"truth": "none", "answer": "corgi", "photos": 1},
    ]
    rows = {row["name"]: (row["accuracy"], row["tagged"], row["right"]) for row in report["classes"]}
    assert rows == {
        "cat": (0.0, 1.0, 0.0),
        "corgi": (1.0, 1.0, 1.0),
        "none": (None, 1.0, 0.0),
        "pizza": (0.0, 0.0, None),
    }


def test_a_tag_is_right_if_it_holds_what_is_right_or_lies_within() -> None:
    assert is_right((0, 1), (0,)) and is_right((0,), (0, 1)) and is_right((0, 1), (0, 1))
    assert not is_right((0, 1), (1, 2)) and not is_right((), (0,))


def noisy(count: int, temperature: float) -> list[tuple[int, Any]]:
    """Photos whose logits are believed to be truer or less true than they are."""
    rng = np.random.default_rng(11)
    photos = []
    for _ in range(count):
        logits = rng.normal(size=4) * 2
        scaled = np.exp(logits / temperature)
        photos.append((int(rng.choice(4, p=scaled / scaled.sum())), logits.astype(np.float32)))
    return photos


def test_advice_reaches_what_was_wanted_and_says_how_sure_that_is() -> None:
    found = Evaluation(LABELS, tagger(0.5))
    for right, logits in noisy(2000, 2.0):
        found.add(LABELS[right].name, (right,), logits)
    advice = found.advice(0.9)
    assert advice.temperature == pytest.approx(2.0, rel=0.1)
    assert advice.sure is not None and advice.photos == 2000
    assert advice.reached.share >= 0.9
    assert advice.reached.low < advice.reached.share < advice.reached.high
    careful = found.advice(0.95)
    assert careful.sure is None or careful.sure >= advice.sure


def test_advice_is_tried_on_photos_that_did_not_give_it() -> None:
    """Photos come class by class; each half chooses for the other, and the share of its tags that is right is near."""
    found = Evaluation(LABELS, tagger(0.5))
    for right, logits in sorted(noisy(2000, 1.0), key=lambda photo: photo[0]):
        found.add(LABELS[right].name, (right,), logits)
    advice = found.advice(0.9)
    assert abs(advice.held_out_tagged - advice.tagged) < 400
    assert advice.held_out.share == pytest.approx(0.9, abs=0.04)
    assert advice.held_out.low < advice.held_out.share < advice.held_out.high


def test_no_advice_where_nothing_is_ever_right() -> None:
    found = Evaluation(LABELS, tagger(0.5))
    for _ in range(60):
        found.add("cat", (2,), logits_of(0.97, 0.01, 0.01, 0.01))
    assert found.advice(0.9).sure is None


def test_a_calibration_looks_at_a_sample_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advice, "_KEPT", 100)
    found = Evaluation(LABELS, tagger(0.5))
    for right, logits in noisy(1000, 1.0):
        found.add(LABELS[right].name, (right,), logits)
    assert found.advice(0.5).photos == 100 and found.report()["photos"] == 1000
