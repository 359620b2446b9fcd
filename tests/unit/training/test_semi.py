"""Which photos without labels become pseudo-labels, by scores made by hand."""

import numpy as np
import pytest

from resnext.training.semi import ClassSelected, PseudoLabel, Selection, by_class, log_odds, selected

SCORES = np.array([[0.9, 0.09, 0.01], [0.5, 0.4, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.5, 0.1, 0.4]])
DIGESTS = ["e", "d", "c", "b", "a"]


def _share(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-log_odds)))


def _pairs(chosen: tuple[PseudoLabel, ...]) -> list[tuple[int, int]]:
    return [(each.row, each.label) for each in chosen]


@pytest.mark.parametrize(
    ("selection", "pairs"),
    [
        # Photos 1 and 4 are as likely: "a" stands before "d". Class 2 is no photo's best, class 1 one photo's.
        (Selection(3, 1), [(0, 0), (3, 0), (4, 0), (2, 1)]),
        (Selection(1, 1), [(0, 0), (2, 1)]),
        (Selection(1, 2), [(0, 0), (2, 1), (4, 2)]),
        (Selection(2, 2), [(0, 0), (3, 0), (2, 1), (1, 1), (4, 2)]),
        # More than there are of photos and classes: every class takes every photo. In the last class three are as
        # likely.
        (
            Selection(9, 9),
            [
                *((0, 0), (3, 0), (4, 0), (1, 0), (2, 0)),
                *((2, 1), (1, 1), (3, 1), (4, 1), (0, 1)),
                *((4, 2), (3, 2), (2, 2), (1, 2), (0, 2)),
            ],
        ),
    ],
)
def test_each_class_takes_its_best_of_the_photos_that_rank_it(
    selection: Selection, pairs: list[tuple[int, int]]
) -> None:
    assert _pairs(selected(SCORES, DIGESTS, selection)) == pairs


def test_the_order_of_the_photos_decides_nothing() -> None:
    order = [3, 0, 4, 2, 1]
    chosen = selected(SCORES[order], [DIGESTS[at] for at in order], Selection(3, 2))
    assert [(order[row], label) for row, label, _ in chosen] == _pairs(selected(SCORES, DIGESTS, Selection(3, 2)))


def test_a_content_counts_once_and_a_photo_that_is_taken_never() -> None:
    taken = np.array([True, False, False, False, False])
    assert _pairs(selected(SCORES, ["e", "d", "c", "d", "a"], Selection(9, 1), taken)) == [(4, 0), (1, 0), (2, 1)]


def test_log_odds_tell_the_surest_apart_and_are_those_of_the_softmax() -> None:
    logits = np.array([[1.0, 2.0, 0.5], [90.0, 0.0, 0.0], [95.0, 0.0, 0.0]], np.float32)
    probabilities = np.exp(logits[0]) / np.exp(logits[0]).sum()
    np.testing.assert_allclose(log_odds(logits)[0], np.log(probabilities / (1 - probabilities)), rtol=1e-5)
    assert [row for row, _, _ in selected(log_odds(logits), ["a", "b", "c"], Selection(2, 1)) if row] == [2, 1]


def test_nothing_to_choose_from_is_nothing_chosen() -> None:
    assert selected(np.zeros((0, 3)), [], Selection(3, 1)) == ()
    assert selected(SCORES, DIGESTS, Selection(3, 1), np.ones(5, bool)) == ()


def test_classes_count_what_they_took_and_how_sure_it_is() -> None:
    found = by_class(selected(SCORES, DIGESTS, Selection(3, 1)), 3)
    assert found == (
        ClassSelected(3, pytest.approx(_share(0.5)), pytest.approx(_share(0.6))),
        ClassSelected(1, pytest.approx(_share(0.7)), pytest.approx(_share(0.7))),
        ClassSelected(0, 0.0, 0.0),
    )
