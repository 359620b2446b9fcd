"""Answers counted photo by photo."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, top_k_accuracy_score

from resnext.answers.tally import NO_ANSWER, Tally, shown_names
from resnext.records import Label

LABELS = tuple(Label(index, name, name) for index, name in enumerate(["corgi", "pug", "cat", "pizza"]))


@pytest.fixture(scope="module")
def counted() -> tuple[Tally, Any, Any]:
    """A tally of 300 photos with what it was given."""
    rng = np.random.default_rng(2)
    truth, answers = rng.integers(0, 4, 300), rng.integers(0, 4, 300)
    tally = Tally(LABELS, mistakes=3)
    for number, (shown, answered) in enumerate(zip(truth.tolist(), answers.tolist(), strict=True)):
        tally.add(LABELS[shown].name, (shown,), [answered], number / 300, f"{number}.jpg")
    return tally, truth, answers


def test_classes_and_matrix_are_scikit_learns(counted: tuple[Tally, Any, Any]) -> None:
    tally, truth, answers = counted
    precision, recall, _, photos = precision_recall_fscore_support(truth, answers)
    rows = {row["name"]: row for row in tally.classes()}
    for label, *expected in zip(LABELS, precision, recall, photos, strict=True):
        row = rows[label.name]
        assert [row["precision"]["share"], row["recall"]["share"], row["photos"]] == pytest.approx(expected, abs=1e-4)
        assert row["precision"]["low"] < row["precision"]["share"] < row["precision"]["high"]
    matrix = tally.matrix()
    assert (matrix.names, matrix.shown) == ([label.name for label in LABELS], 4)
    found = np.zeros((4, 4), int)
    for row, column, count in matrix.cells:
        found[row, column] = count
    assert (found == confusion_matrix(truth, answers)).all()


def test_the_best_five_are_scikit_learns() -> None:
    rng = np.random.default_rng(4)
    labels = tuple(Label(index, str(index), str(index)) for index in range(12))
    truth, scores = rng.integers(0, 12, 200), rng.random((200, 12))
    tally = Tally(labels)
    for shown, row in zip(truth.tolist(), scores, strict=True):
        tally.add(str(shown), (shown,), np.argsort(-row).tolist(), float(row.max()))
    found = tally.figures()
    assert found["top1"]["share"] == pytest.approx(top_k_accuracy_score(truth, scores, k=1, labels=range(12)), abs=1e-4)
    assert found["top5"]["share"] == pytest.approx(top_k_accuracy_score(truth, scores, k=5, labels=range(12)), abs=1e-4)


def test_the_surest_mistakes_are_kept(counted: tuple[Tally, Any, Any]) -> None:
    tally, truth, answers = counted
    expected = [number for number in range(299, -1, -1) if truth[number] != answers[number]][:3]
    assert [each.file for each in tally.mistakes()] == [f"{number}.jpg" for number in expected]
    worst = tally.mistakes()[0]
    assert (worst.truth, worst.answer) == (LABELS[truth[expected[0]]].name, LABELS[answers[expected[0]]].name)


def test_curves_say_the_same_as_the_figures(counted: tuple[Tally, Any, Any]) -> None:
    tally, _, _ = counted
    everything = tally.coverage()[0]
    assert (everything["photos"], everything["right"]) == (300, tally.figures()["top1"])
    curve = tally.coverage_curve()
    assert 90 <= len(curve) <= 101 and curve[0]["coverage"] == 1.0
    assert [each["coverage"] for each in curve] == sorted((each["coverage"] for each in curve), reverse=True)
    assert sum(each["photos"] for each in tally.reliability()) == 300


def test_a_broad_name_keeps_its_name_and_answers_within_it_are_right() -> None:
    tally = Tally(LABELS)
    tally.add("dog", (0, 1), [1, 0], 0.5)
    tally.add("dog", (0, 1), [2, 0], 0.5)
    tally.add("n02", (0,), [1], 0.5)
    tally.add("none", (), [3], 0.5)
    assert tally.figures()["top1"]["share"] == pytest.approx(1 / 3, abs=1e-4)
    assert tally.figures()["top5"]["share"] == pytest.approx(2 / 3, abs=1e-4)
    matrix = tally.matrix()
    assert (matrix.names, matrix.shown) == (["corgi", "dog", "pug", "cat"], 2)
    assert sorted(matrix.cells) == [(0, 2, 1), (1, 1, 1), (1, 3, 1)]
    rows = {row["name"]: (row["label"], row["photos"], row["accuracy"], row["answers"]) for row in tally.classes()}
    assert rows == {"dog": ("", 2, 0.5, 2), "n02": ("corgi", 1, 0.0, 0), "none": ("", 1, None, 0)}


def test_a_photo_without_an_answer_is_wrong() -> None:
    tally = Tally(LABELS, mistakes=1)
    tally.add("cat", (2,), [], 0.0)
    assert tally.figures()["top1"]["share"] == 0.0
    assert tally.confusions() == [{"truth": "cat", "answer": NO_ANSWER, "photos": 1}]
    assert tally.mistakes() == []


def test_nothing_is_evaluated_without_a_fault() -> None:
    tally = Tally(LABELS)
    assert tally.figures()["photos"] == 0 and tally.figures()["ece"] == 0.0
    assert tally.classes() == tally.confusions() == tally.coverage_curve() == []
    assert tally.matrix() == ([], 0, [])


def test_namesakes_are_told_apart() -> None:
    labels = (Label(3, "crane", "crane", "n02012849"), Label(7, "crane", "crane"), Label(8, "dog", "dog"))
    assert shown_names(labels) == ["crane (n02012849)", "crane (7)", "dog"]
    tally = Tally(labels)
    tally.add("crane", (3, 7), [7], 0.9)
    tally.add("dog", (8,), [3], 0.9)
    assert tally.figures()["top1"]["share"] == 0.5
    assert tally.confusions() == [{"truth": "dog", "answer": "crane (n02012849)", "photos": 1}]


def test_what_is_kept_of_a_photo_is_small() -> None:
    """Of 1,000,000 photos some 20 MB: the memory of 50,000 is measured, by the arrays that alone grow with them."""
    import tracemalloc

    tally = Tally(LABELS, mistakes=10)
    tally.add("cat", (2,), [1], 0.5, "first.jpg")
    tracemalloc.start()
    for number in range(50_000):
        tally.add("cat", (2,), [number % 4], 0.25, f"a folder/of some length/{number}.jpg")
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept / 50_000 < 25  # bytes; of the 18 an array may have an eighth in reserve
