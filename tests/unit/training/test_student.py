"""A student head: what it learns from photos without labels, and when it is not taken. Points about four centers."""

from typing import Any

import numpy as np
import pytest

from resnext.training.head import fit_head
from resnext.training.semi import Selection, default_per_class
from resnext.training.student import Lesson, Pool, Student, fit_student, judged
from resnext.training.trained import HeadFit

CLASSES, WIDTH = 4, 24
SELECTION = Selection(40, 1)


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


def _accuracy(head: HeadFit) -> float:
    features, labels = _points(500, 4)
    return float(((features @ head.weight.T + head.bias).argmax(axis=1) == labels).mean())


@pytest.fixture(scope="module")
def student(alone: HeadFit) -> Student:
    found = fit_student(_lesson(), alone, _pool(_points(100, 5)[0]), SELECTION)
    assert found is not None
    return found


def test_a_student_knows_more_than_the_labels_alone(alone: HeadFit, student: Student) -> None:
    assert _accuracy(student.head) > _accuracy(alone) + 0.03
    judgment = judged(_lesson(), alone, student.head)
    assert judgment.better and judgment.photos == CLASSES * 105
    assert len(student.chosen) == CLASSES * SELECTION.per_class


def test_the_order_of_the_unlabelled_photos_decides_nothing(alone: HeadFit, student: Student) -> None:
    pool = _pool(_points(100, 5)[0])
    order = np.random.default_rng(6).permutation(len(pool.digests))
    moved = pool._replace(features=pool.features[order], digests=[pool.digests[at] for at in order])
    found = fit_student(_lesson(), alone, moved, SELECTION)
    assert found is not None
    assert [(order[row], label) for row, label, _ in found.chosen] == [(row, label) for row, label, _ in student.chosen]
    np.testing.assert_allclose(found.head.weight, student.head.weight, atol=1e-3)


@pytest.mark.parametrize("validation", [100, 0])
def test_a_student_of_a_teacher_that_is_wrong_is_not_better(alone: HeadFit, validation: int) -> None:
    features, labels = _points(100, 5)
    wrong = np.eye(CLASSES)[(labels + 1) % CLASSES]
    lesson = _lesson(validation)
    found = fit_student(lesson, alone, _pool(features, scores=wrong), SELECTION)
    assert found is not None
    judgment = judged(lesson, alone, found.head)
    assert not judgment.better and judgment.only_student < judgment.only_alone


def _answering(lesson: Lesson, right: list[bool]) -> HeadFit:
    """A head that answers as said out of fold, and class 0 otherwise."""
    answers = np.where(right, lesson.labels, (lesson.labels + 1) % CLASSES)
    nothing = np.zeros((CLASSES, WIDTH), np.float32), np.zeros(CLASSES, np.float32)
    return HeadFit(*nothing, 1.0, np.eye(CLASSES, dtype=np.float32)[answers], 1.0)


@pytest.mark.parametrize(
    ("each", "gained", "lost", "better"),
    [
        (5, 0, 0, False),
        (5, 2, 1, True),
        (5, 1, 1, False),
        # From ten labels a class on by one standard error, the root of those that differ.
        (10, 2, 1, False),
        (10, 3, 1, True),
        (10, 6, 3, True),
        (10, 5, 3, False),
    ],
)
def test_a_student_is_better_by_more_where_labels_are_many(each: int, gained: int, lost: int, better: bool) -> None:
    features, labels = _points(each, 2)
    lesson = Lesson(features, labels, np.arange(len(labels), dtype=np.int32) % 5, CLASSES, _points(0, 3))
    first, second = [False] * gained + [True] * lost, [True] * gained + [False] * lost
    others = [True] * (len(labels) - gained - lost)
    found = judged(lesson, _answering(lesson, first + others), _answering(lesson, second + others))
    assert found == (len(labels), gained, lost, better)


def test_a_student_that_is_worse_on_the_validation_s_own_split_is_not_better() -> None:
    features, labels = _points(5, 2)
    validation = np.zeros((1, WIDTH), np.float32), np.zeros(1, np.int32)
    lesson = Lesson(features, labels, np.arange(20, dtype=np.int32) % 5, CLASSES, validation)
    alone, student = _answering(lesson, [False] * 20), _answering(lesson, [True] * 20)
    assert judged(lesson, alone, student).better
    assert not judged(lesson, alone, student._replace(bias=np.array([0, 1, 0, 0], np.float32))).better


def test_nothing_to_choose_from_makes_no_student(alone: HeadFit) -> None:
    assert fit_student(_lesson(), alone, _pool(np.zeros((0, WIDTH), np.float32)), SELECTION) is None
    pool = _pool(_points(9, 5)[0], taken=np.ones(36, bool))
    assert fit_student(_lesson(), alone, pool, SELECTION) is None


def test_a_third_of_an_equal_share_is_chosen_and_at_most_what_the_paper_took() -> None:
    assert [default_per_class(photos, 10) for photos in (0, 29, 3000, 10**9)] == [1, 1, 100, 16_000]
