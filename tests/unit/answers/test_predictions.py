"""Logits -> probabilities -> the best classes."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from resnext.answers.predictions import predict, softmax
from resnext.errors import FailureCode, InputError
from resnext.records import Label, PredictionConfig

LABELS = tuple(Label(index, f"class {index}", f"class {index}") for index in range(10))
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
QUIET = settings(max_examples=200, deadline=None, derandomize=True, database=None)


def row(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def indices(logits: NDArray[np.float32], **options: Any) -> list[int]:
    return [prediction.label.index for prediction in predict(logits, LABELS, PredictionConfig(**options))]


@QUIET
@given(arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 1000)), elements=FINITE))
def test_probabilities_sum_to_one_for_any_finite_logits(logits: NDArray[np.float32]) -> None:
    probabilities = softmax(logits)
    assert probabilities.shape == logits.shape
    assert np.abs(probabilities.sum(axis=-1) - 1).max() <= 1e-12
    assert probabilities.min() >= 0


@QUIET
@given(st.lists(st.floats(-20, 20), min_size=2, max_size=6))
def test_probabilities_stand_in_the_ratio_of_exponentials(values: list[float]) -> None:
    logits = row(*values)
    probabilities = softmax(logits)
    for index in range(1, len(values)):
        ratio = math.exp(float(logits[index]) - float(logits[0]))
        assert probabilities[index] / probabilities[0] == pytest.approx(ratio, rel=1e-9)


def test_equal_logits_share_equally() -> None:
    assert softmax(np.full((2, 1000), 7, np.float32)) == pytest.approx(np.full((2, 1000), 0.001))


@QUIET
@given(logits=arrays(np.float32, 10, elements=st.integers(-30, 30)), top_k=st.integers(1, 20))
def test_the_best_classes_come_first(logits: NDArray[np.float32], top_k: int) -> None:
    predictions = predict(logits, LABELS, PredictionConfig(top_k=top_k))
    chosen = [prediction.label.index for prediction in predictions]
    scores = [prediction.score for prediction in predictions]
    assert len(set(chosen)) == len(chosen) == min(top_k, 10)
    assert scores == sorted(scores, reverse=True)
    assert max([logits[index] for index in range(10) if index not in chosen], default=-math.inf) <= logits[chosen].min()
    assert [type(score) for score in scores] == [float] * len(scores)


def test_equal_scores_come_in_the_order_of_the_index() -> None:
    assert indices(row(1, 3, 0, 3, 1, 3, 0, 0, 0, 0), top_k=5) == [1, 3, 5, 0, 4]
    assert indices(np.zeros(10, np.float32), top_k=4) == [0, 1, 2, 3]
    labels = tuple(Label(index, "", "") for index in range(1000))
    logits = np.arange(1000, dtype=np.float32) % 7
    predictions = predict(logits, labels, PredictionConfig(top_k=1000))
    assert [prediction.label.index for prediction in predictions] == sorted(
        range(1000), key=lambda index: (-(index % 7), index)
    )


def test_more_classes_than_there_are_gives_all() -> None:
    assert indices(row(*range(10)), top_k=1000) == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_classes_below_the_threshold_are_left_out() -> None:
    logits = np.log(row(0.6, 0.3, 0.1, *([1e-9] * 7)))
    assert indices(logits, threshold=0.2) == [0, 1]
    assert indices(logits, threshold=0.2, top_k=1) == [0]
    assert indices(logits, threshold=0.7) == []
    assert len(indices(logits, threshold=0.0, top_k=10)) == 10


def test_a_score_at_the_threshold_is_kept() -> None:
    logits = row(0, 0, *([-1000] * 8))
    assert indices(logits, threshold=0.5) == [0, 1]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 9])
def test_an_answer_that_is_no_number_is_a_failure(bad: float, place: int) -> None:
    logits = np.zeros(10, np.float32)
    logits[place] = bad
    with pytest.raises(InputError) as caught:
        predict(logits, LABELS, PredictionConfig())
    assert caught.value.code == FailureCode.NON_FINITE
