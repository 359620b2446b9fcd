"""Logits -> probabilities -> the best classes."""

import numpy as np
from numpy.typing import NDArray

from resnext.errors import FailureCode, InputError
from resnext.records import Label, Prediction, PredictionConfig


def predict(logits: NDArray[np.float32], labels: tuple[Label, ...], config: PredictionConfig) -> tuple[Prediction, ...]:
    """Give the best classes of one row of logits (num_classes,), best first; equal scores in the order of the index.

    Raises:
        InputError: a logit is not a finite number.
    """
    if not np.isfinite(logits).all():
        raise InputError(FailureCode.NON_FINITE, "the model's answer is not a finite number")
    probabilities = softmax(logits)
    scores = probabilities if config.output_type == "prob" else logits
    last = max(0, len(probabilities) - config.top_k)
    best = np.flatnonzero(probabilities >= np.partition(probabilities, last)[last])  # more than top_k where equal
    order = best[np.argsort(-probabilities[best], kind="stable")][: config.top_k]
    return tuple(
        Prediction(labels[index], float(scores[index])) for index in order if probabilities[index] >= config.threshold
    )


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities over the last axis, in float64: they sum to 1 within 1e-12 for any finite logits."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    probabilities: NDArray[np.float64] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities
