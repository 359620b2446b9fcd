"""How far a model's probabilities can be believed: the temperature and the certainty that tags are chosen with."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resnext.records import Calibration

# By the digest of a model's weights: what was measured, see docs/tags.md.
_MEASURED = {
    # tf_efficientnet_lite0, the bundled model: of temperatures from 0.55 to 0.85, which sets of photos ask for, one in
    # the middle; and the certainty that leaves room on kinds of photos that were not there to measure on.
    "579344248a93": Calibration(temperature=0.65, sure=0.98),
}
# A wrong temperature is costly: probabilities stay as they are, and a tag needs more of them.
UNMEASURED = Calibration(temperature=1.0, sure=0.95)
_TEMPERATURES = (0.1, 10.0)
_GOLDEN = (5**0.5 - 1) / 2


class TagConfig(NamedTuple):
    """What tags are chosen with. `sure`: the least probability of a tag; `temperature` divides the logits before."""

    sure: float
    temperature: float = 1.0


def measured(weights_digest: str) -> Calibration | None:
    """What was measured for a model of the shelf, before it was shipped."""
    return next((known for start, known in _MEASURED.items() if weights_digest.startswith(start)), None)


def fitted_temperature(logits: NDArray[np.float32], truth: Sequence[Sequence[int]]) -> float:
    """The temperature at which the classes that are right, (n, num_classes) and a set a photo, are likeliest together.

    The loss has one minimum in the logarithm of the temperature where a photo has one right class; it is searched for
    by golden section.
    """
    if not len(logits):
        return 1.0
    mask = np.full(logits.shape, -np.inf)
    for row, classes in enumerate(truth):
        mask[row, list(classes)] = 0.0
    values = logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        scaled = values / np.exp(log_temperature)
        return float(np.mean(_log_sum(scaled) - _log_sum(scaled + mask)))

    return float(np.exp(_lowest(loss, *np.log(_TEMPERATURES))))


def _log_sum(values: NDArray[np.float64]) -> NDArray[np.float64]:
    highest = values.max(axis=1)
    total: NDArray[np.float64] = highest + np.log(np.exp(values - highest[:, None]).sum(axis=1))
    return total


def _lowest(loss: Callable[[float], float], low: float, high: float) -> float:
    """Where a function of one minimum between two points is lowest, within 0.001."""
    a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_a, at_b = loss(a), loss(b)
    while high - low > 1e-3:
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - _GOLDEN * (high - low)
            at_a = loss(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + _GOLDEN * (high - low)
            at_b = loss(b)
    return (low + high) / 2
