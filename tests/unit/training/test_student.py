"""A student head: what it learns from photos without labels, and when it is not taken. Points about four centers."""

from typing import Any

import numpy as np
import pytest

from resnext.training.head import fit_head
from resnext.training.semi import Selection, default_per_class
from resnext.training.student import Lesson, Pool, Student, fit_student
from resnext.training.trained import HeadFit

CLASSES, WIDTH = 4, 24
SELECTION = Selection(40, 2)


def _points(count: int, seed: int) -> tuple[Any, Any]:
    """`count` points of each class, float32 (N, WIDTH), and their labels."""
    centers = np.random.default_rng(1).normal(size=(CLASSES, WIDTH)) * 0.5
    labels = np.repeat(np.arange(CLASSES, dtype=np.int32), count)
    noise = np.random.default_rng(seed).normal(size=(len(labels), WIDTH))
    return (centers[labels] + noise).astype(np.float32), labels


def _pool(features: Any, **changes: Any) -> Pool:
    digests = [f"{row:064x}" for row in range(len(features))]
    return Pool(features, digests, np.zeros(len(features), bool))._replace(**changes)


@pytest.fixture(scope="module")
def alone() -> HeadFit:
    lesson = _lesson()
    return fit_head(lesson.features, lesson.labels, lesson.folds, CLASSES)


def _lesson(validation: int = 100) -> Lesson:
    features, labels = _points(5, 2)
    folds = np.tile(np.arange(5, dtype=np.int32), CLASSES)
    return Lesson(features, labels, folds, CLASSES, _points(validation, 3))


def _accuracy(head: HeadFit | None) -> float:
    assert head is not None
    features, labels = _points(500, 4)
    return float(((features @ head.weight.T + head.bias).argmax(axis=1) == labels).mean())


@pytest.fixture(scope="module")
def student(alone: HeadFit) -> Student:
    return fit_student(_lesson(), alone, _pool(_points(100, 5)[0]), SELECTION)


def test_a_student_knows_more_than_the_labels_alone(alone: HeadFit, student: Student) -> None:
    assert _accuracy(student.head) > _accuracy(alone) + 0.03
    assert student.right.validation > student.right_alone.validation
    assert len(student.chosen) == CLASSES * SELECTION.per_class


def test_the_order_of_the_unlabelled_photos_decides_nothing(alone: HeadFit, student: Student) -> None:
    pool = _pool(_points(100, 5)[0])
    order = np.random.default_rng(6).permutation(len(pool.digests))
    moved = pool._replace(features=pool.features[order], digests=[pool.digests[at] for at in order])
    found = fit_student(_lesson(), alone, moved, SELECTION)
    assert [(order[row], label) for row, label, _ in found.chosen] == [(row, label) for row, label, _ in student.chosen]
    assert found.head is not None and student.head is not None
    np.testing.assert_allclose(found.head.weight, student.head.weight, atol=1e-3)


@pytest.mark.parametrize("validation", [100, 0])
def test_a_student_of_a_teacher_that_is_wrong_is_not_taken(alone: HeadFit, validation: int) -> None:
    features, labels = _points(100, 5)
    wrong = np.eye(CLASSES, dtype=np.float32)[(labels + 1) % CLASSES]
    found = fit_student(_lesson(validation), alone, _pool(features, scores=wrong), SELECTION)
    assert found.head is None
    assert found.right.held_out < found.right_alone.held_out
    if validation:
        assert found.right.validation < found.right_alone.validation


def test_nothing_to_choose_from_leaves_the_labels_alone(alone: HeadFit) -> None:
    empty = fit_student(_lesson(), alone, _pool(np.zeros((0, WIDTH), np.float32)), SELECTION)
    taken = fit_student(_lesson(), alone, _pool(_points(9, 5)[0], taken=np.ones(36, bool)), SELECTION)
    assert empty.head is None and taken.head is None
    assert empty.chosen == taken.chosen == ()


def test_a_third_of_an_equal_share_is_chosen_and_at_most_what_the_paper_took() -> None:
    assert [default_per_class(photos, 10) for photos in (0, 29, 3000, 10**9)] == [1, 1, 100, 16_000]
