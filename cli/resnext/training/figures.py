"""How good a model is, by answers to photos that it was not trained on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from resnext.answers import metrics
from resnext.answers.predictions import softmax
from resnext.training.labelled import LabelledPhoto

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PAIRS = 3
_SUSPECTS = 20
# Photos that look alike make estimates differ by more than this; less is chance.
WARN_POINTS = 0.03


def figures(
    photos: Sequence[LabelledPhoto], logits: "NDArray[np.float32]", classes: tuple[str, ...]
) -> dict[str, Any] | None:
    """Figures of the logits (N, C) of photos; rows of NaN, of photos without an answer, are left out.

    Shares are in [0, 1], with what they lie between at 95% certainty. None where no photo has an answer.
    """
    answered: list[int] = np.flatnonzero(np.isfinite(logits).all(axis=1)).tolist()
    if not answered:
        return None
    labels = np.array([photos[at].label for at in answered], np.int64)
    probabilities = np.array([softmax(row) for row in logits[answered]])
    answers = probabilities.argmax(axis=1)
    confidences = probabilities[np.arange(len(answers)), answers]
    right = answers == labels
    members = [(each,) for each in range(len(classes))]
    return {
        "photos": len(answered),
        "accuracy": _shown(metrics.share_of(int(right.sum()), len(right))),
        "balanced_accuracy": _shown(metrics.balanced_accuracy(labels, right)),
        "ece": round(metrics.expected_calibration_error(confidences, right), 4),
        "classes": [
            {"name": name, "photos": each.photos, "recall": _shown(each.recall), "precision": _shown(each.precision)}
            for name, each in zip(classes, metrics.class_figures(labels, answers, right, members), strict=True)
        ],
        "confusions": [
            {"truth": classes[pair.truth], "answer": classes[pair.answer], "photos": pair.photos}
            for pair in metrics.most_confused(labels, answers, right, _PAIRS)
        ],
        # Sure of another class: the label may be wrong.
        "suspects": [
            {
                "file": photos[answered[at]].source.file,
                "label": classes[labels[at]],
                "answer": classes[answers[at]],
                "score": round(float(confidences[at]), 4),
            }
            for at in metrics.worst_mistakes(confidences, right, _SUSPECTS)
        ],
    }


def _shown(interval: metrics.Interval) -> dict[str, float]:
    return {name: round(value, 4) for name, value in interval._asdict().items()}
