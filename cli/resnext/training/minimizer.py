"""L-BFGS (Liu and Nocedal 1989) on many functions side by side, so that one pass over the data serves them all."""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

_MEMORY = 10  # pairs of steps that are remembered
_MOST_STEPS = 200
_HALVINGS = 12


class _Points(NamedTuple):
    """A place of each fit, with the losses (F,) and their gradients there."""

    at: "Doubles"
    losses: "Doubles"
    gradients: "Doubles"


class _Step(NamedTuple):
    """How far each fit moved, how its gradient turned, the inverse of their product (F,); 0 where it says nothing."""

    moved: "Doubles"
    turned: "Doubles"
    inverse: "Doubles"


def minimized(
    loss_and_gradient: "Callable[[Doubles], tuple[Doubles, Doubles]]", start: "Doubles", tolerances: "Doubles"
) -> "Doubles":
    """Find the minima of F smooth convex functions by L-BFGS, side by side, from (F, ...) on.

    Each until its gradient's norm is at most its tolerance, or until float32 sees no more fall.
    """
    here = _Points(start, *loss_and_gradient(start))
    steps: deque[_Step] = deque(maxlen=_MEMORY)
    active = np.ones(len(start), bool)
    for _ in range(_MOST_STEPS):
        active &= _norms(here.gradients) > tolerances
        if not active.any():
            break
        direction = -_times_inverse_hessian(here.gradients, steps)
        direction[~active] = 0.0
        there, active = _along(loss_and_gradient, here, direction, active)
        moved, turned = there.at - here.at, there.gradients - here.gradients
        curvature = products(moved, turned)
        inverse = np.divide(1.0, curvature, out=np.zeros_like(curvature), where=curvature > 0)
        steps.append(_Step(moved, turned, inverse))
        here = there
    return here.at


def _times_inverse_hessian(gradients: "Doubles", steps: "deque[_Step]") -> "Doubles":
    """The two loops of L-BFGS."""
    direction, alphas = gradients.copy(), []
    for step in reversed(steps):
        alpha = step.inverse * products(step.moved, direction)
        alphas.append(alpha)
        direction -= _wide(alpha) * step.turned
    if steps:
        last = steps[-1]
        squares = last.inverse * products(last.turned, last.turned)
        direction *= _wide(np.divide(1.0, squares, out=np.ones_like(squares), where=squares > 0))
    for step, alpha in zip(steps, reversed(alphas), strict=True):
        direction += _wide(alpha - step.inverse * products(step.turned, direction)) * step.moved
    return direction


def _along(
    loss_and_gradient: "Callable[[Doubles], tuple[Doubles, Doubles]]",
    here: _Points,
    direction: "Doubles",
    active: "NDArray[np.bool_]",
) -> "tuple[_Points, NDArray[np.bool_]]":
    """Go along a direction as far as the loss falls well enough (Armijo); gives which of the active fits moved."""
    slopes = products(here.gradients, direction)
    lengths = np.ones(len(slopes))
    for _ in range(_HALVINGS):
        at = here.at + _wide(lengths) * direction
        there = _Points(at, *loss_and_gradient(at))
        fell = ~active | (there.losses <= here.losses + 1e-4 * lengths * slopes)
        if fell.all():
            return there, active
        lengths[~fell] /= 2
    lengths[~fell] = 0.0
    at = here.at + _wide(lengths) * direction
    return _Points(at, *loss_and_gradient(at)), active & fell


def products(a: "Doubles", b: "Doubles") -> "Doubles":
    """The inner product (F,) of each pair of matrices (F, I, J)."""
    found: Doubles = np.einsum("fij,fij->f", a, b)
    return found


def _norms(a: "Doubles") -> "Doubles":
    return np.sqrt(products(a, a))


def _wide(numbers: "Doubles") -> "Doubles":
    return numbers[:, None, None]
