"""Choosing a tag, a broader one, or none."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnext.answers.calibration import TagConfig, measured
from resnext.answers.tags import Tagger
from resnext.answers.vocabulary import Entry, built_in_text, parse_vocabulary
from resnext.records import Calibration
from support.labelled import Labelled, imagenet, labelled

BUNDLED = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"  # sha256 of the bundled weights
FEW = (
    Entry(("animal", "dog", "corgi"), (0,)),
    Entry(("animal", "dog", "pug"), (1,)),
    Entry(("animal", "dog"), (0, 1)),
    Entry(("animal",), (0, 1, 2)),
    Entry(("food",), (3,)),
)


def logits_of(*probabilities: float) -> Any:
    return np.log(np.array(probabilities, np.float32))


def few(sure: float, temperature: float = 1.0) -> Tagger:
    return Tagger(FEW, 4, TagConfig(sure, temperature))


def test_the_narrowest_that_is_sure_enough_is_the_tag() -> None:
    logits = logits_of(0.5, 0.35, 0.1, 0.05)
    assert [tag.label for tag in few(0.3).tags(logits)] == ["corgi"]
    assert [tag.path for tag in few(0.6).tags(logits)] == [("animal", "dog")]
    assert [tag.classes for tag in few(0.75).tags(logits)] == [(0, 1, 2)]
    assert few(0.99).tags(logits) == ()


def test_a_score_is_what_chance_would_not_give() -> None:
    (tag,) = few(0.6).tags(logits_of(0.5, 0.35, 0.1, 0.05))
    assert tag.score == pytest.approx((0.85 - 2 / 4) / (1 - 2 / 4))
    assert few(0.0001).tags(logits_of(0.25, 0.25, 0.25, 0.25)) == ()


def test_of_equally_narrow_tags_the_likeliest_is_chosen() -> None:
    assert [tag.label for tag in few(0.1).tags(logits_of(0.35, 0.45, 0.1, 0.1))] == ["pug"]


def test_the_temperature_is_the_models() -> None:
    logits = logits_of(0.6, 0.2, 0.1, 0.1)
    assert few(0.7).tags(logits) == ()
    assert [tag.label for tag in few(0.7, temperature=0.5).tags(logits)] == ["corgi"]


def test_nothing_is_a_tag_where_nothing_stands_out() -> None:
    rng = np.random.default_rng(3)
    entries = [Entry((str(index),), (index,)) for index in range(1000)]
    tagger = Tagger(entries, 1000, TagConfig(0.5, temperature=0.01))  # sure of whatever comes first
    flat = rng.normal(size=1000).astype(np.float32)
    assert tagger.tags(np.clip(flat, -2, 2)) == ()
    flat[7] = 12.0
    assert [tag.label for tag in tagger.tags(flat)] == ["7"]
    assert tagger.tags(np.zeros(1000, np.float32)) == ()


def test_a_vocabulary_without_names_gives_no_tag() -> None:
    assert Tagger((), 4, TagConfig(0.5)).tags(logits_of(0.9, 0.05, 0.03, 0.02)) == ()


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.floats(-20, 20, width=32), min_size=4, max_size=4),
    st.floats(0.001, 1),
    st.floats(0.001, 1),
    st.floats(0.2, 3),
)
def test_raising_sure_never_gives_a_narrower_tag(logits: list[float], one: float, other: float, heat: float) -> None:
    low, high = sorted((one, other))
    careless = few(low, heat).tags(np.array(logits, np.float32))
    careful = few(high, heat).tags(np.array(logits, np.float32))
    assert len(careful) <= len(careless)
    for tag in careful:
        assert len(tag.classes) >= len(careless[0].classes)
        assert high <= tag.score <= 1


# -- on photos with a truth ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped(timm: Any) -> Tagger:
    known = measured(BUNDLED)
    assert known is not None
    return Tagger(parse_vocabulary(built_in_text(), imagenet(), None), 1000, TagConfig(known.sure, known.temperature))


def tagged_and_right(tagger: Tagger, photos: Labelled) -> tuple[float, float]:
    """The share of photos that got a tag, and the share of those that is right."""
    tags = [tagger.tags(row) for row in photos.logits]
    right = [photos.right(row, found[0].classes) for row, found in enumerate(tags) if found]
    return len(right) / len(tags), sum(right) / max(1, len(right))


@pytest.mark.parametrize(("name", "least_right", "least_tagged"), [("val", 0.95, 0.80), ("dogs_and_cats", 0.96, 0.60)])
def test_tags_are_right_and_not_rare(shipped: Tagger, name: str, least_right: float, least_tagged: float) -> None:
    tagged, right = tagged_and_right(shipped, labelled(name))
    assert right >= least_right and tagged >= least_tagged


def test_flowers_that_imagenet_lacks_are_rarely_tagged_wrongly(shipped: Tagger) -> None:
    tagged, right = tagged_and_right(shipped, labelled("other_flowers"))
    assert tagged * (1 - right) <= 0.05


def test_raising_sure_on_photos_never_gives_a_narrower_tag(shipped: Tagger) -> None:
    photos = labelled("val")
    for row in photos.logits[:200]:
        scores = shipped.scores(row)
        widths = [shipped.narrowest(scores, sure) for sure in (0.3, 0.6, 0.9, 0.99)]
        sizes = [len(shipped.tag(at, 0).classes) if at is not None else 1001 for at in widths]
        assert sizes == sorted(sizes)


def test_only_the_model_that_was_measured_has_a_measure() -> None:
    assert isinstance(measured(BUNDLED), Calibration)
    assert measured("0" * 64) is None
