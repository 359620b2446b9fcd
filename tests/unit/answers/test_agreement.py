"""Two engines' answers to the same photos, held against each other."""

import numpy as np
import pytest

from resnext.answers.agreement import agreement


def logits(*rows: list[float]) -> np.ndarray:
    """Logits whose softmax has these probabilities."""
    return np.log(np.array(rows, np.float32))


POOLED = np.eye(4, 6, dtype=np.float32)


def test_the_same_answers_agree() -> None:
    answers = {"logits": logits([0.7, 0.2, 0.1], [0.1, 0.5, 0.4]), "pooled": POOLED[:2]}
    found = agreement(answers, answers)
    assert (found.photos, found.clear_photos) == (2, 2)
    assert (found.top1, found.clear_top1, found.largest_change) == (1, 1, 0)
    assert found.cosine_median == found.cosine_worst == pytest.approx(1)


def test_toss_ups_are_counted_apart_from_clear_ones() -> None:
    reference = logits([0.7, 0.2, 0.1], [0.41, 0.39, 0.2], [0.2, 0.3, 0.5], [0.34, 0.33, 0.33])
    given = logits([0.6, 0.3, 0.1], [0.39, 0.41, 0.2], [0.2, 0.45, 0.35], [0.33, 0.33, 0.34])
    found = agreement({"logits": reference, "pooled": POOLED}, {"logits": given, "pooled": POOLED})
    assert (found.photos, found.clear_photos) == (4, 2)
    assert (found.top1, found.clear_top1) == (0.25, 0.5)
    assert found.largest_change == pytest.approx(0.15)


def test_features_are_compared_by_their_direction() -> None:
    one = {"logits": np.zeros((3, 2), np.float32), "pooled": np.array([[1, 0], [2, 0], [1, 1]], np.float32)}
    other = {"logits": np.zeros((3, 2), np.float32), "pooled": np.array([[3, 0], [0, 1], [1, 1]], np.float32)}
    found = agreement(one, other)
    assert found.cosine_median == pytest.approx(1) and found.cosine_worst == pytest.approx(0)


def test_a_model_of_one_class_and_features_of_zeros_are_borne() -> None:
    answers = {"logits": np.zeros((2, 1), np.float32), "pooled": np.zeros((2, 3), np.float32)}
    found = agreement(answers, answers)
    assert found.top1 == 1 and found.cosine_worst == 0
