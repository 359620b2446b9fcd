"""The head: L2 logistic regression on pooled features, its strength chosen by cross-validation.

The loss is that of scikit-learn's LogisticRegression, sum of weight x cross-entropy + |W|^2 / (2 C), with its C called
1 / `regularization`, after all features were centered and divided by one number. Never by a number each: that turns
features that hardly vary into weights of a thousand, and fine-tuning from such a head diverges.

It is minimized by L-BFGS in the basis of the features' principal components. The penalty does
not see the rotation, and there the Hessian is nearly diagonal and known beforehand: dividing by it leaves a problem
that takes a few dozen steps. Along the path of strengths each fit begins where the last one ended.
"""

from typing import TYPE_CHECKING

import numpy as np

from resnext.answers.calibration import fitted_temperature
from resnext.training.folds import ALWAYS_TRAINS
from resnext.training.minimizer import minimized, products
from resnext.training.trained import HeadFit, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]

# From strong to weak: the strong ones take few steps, and lead to the weak ones. For features of unit variance.
PATH = tuple(10.0 ** (each / 2) for each in range(8, -3, -1))
# The path ends when so many strengths in a row were worse than the best one.
_PATIENCE = 2
# Of the gradient's norm where the Hessian is 1, to the root of the photos' number: half its square is what the mean
# loss may still fall by. Rough while strengths are compared, whose losses differ by a thousandth at least.
_TOLERANCE, _ROUGH_TOLERANCE = 5e-4, 3e-3
_LEAST_DOUBT = 0.01  # of p (1 - p) a photo: where a fit is sure of all, it is not for ever
_LEAST_VARIANCE = 1e-7  # of the largest: what is below is rounding
_BLOCK = 4096  # photos


def fit_head(
    features: "Floats",
    labels: "NDArray[np.int32]",
    folds: "NDArray[np.int32]",
    num_classes: int,
    *,
    sample_weight: "Floats | None" = None,
    progress: Progress | None = None,
) -> HeadFit:
    """Fit a classifier to features (N, D) with their labels (N,), of which every class has one or more.

    `folds` (N,) say in which fold a photo is held out; ALWAYS_TRAINS in none. Where none is held out at all, the
    strongest of the path's middle is taken. `sample_weight` (N,) says how much a photo counts; 1 for each without it.
    """
    problem = _Problem(features, labels, num_classes, sample_weight)
    chosen, held_out, start = _cross_validated(problem, folds, progress)
    weight, bias = problem.folded(problem.fit(chosen, start[None], problem.weights[None], _TOLERANCE)[0])
    temperature = 1.0
    validated = folds != ALWAYS_TRAINS
    if validated.any():
        temperature = fitted_temperature(held_out[validated], labels[validated][:, None].tolist())
    return HeadFit(
        (weight / temperature).astype(np.float32),
        (bias / temperature).astype(np.float32),
        chosen,
        (held_out / temperature).astype(np.float32),
        temperature,
    )


def out_of_fold(
    features: "Floats",
    labels: "NDArray[np.int32]",
    folds: "NDArray[np.int32]",
    num_classes: int,
    regularization: float,
    *,
    sample_weight: "Floats | None" = None,
) -> "Floats":
    """The logits (N, C) of each photo by a fit of this strength that did not see its fold; NaN where it has none."""
    problem = _Problem(features, labels, num_classes, sample_weight)
    without = problem.without(folds)
    return problem.held_out(problem.fit(regularization, problem.zeros(len(without)), without), folds)


def fit_each(
    features: "Floats", labels: "NDArray[np.int32]", weights: "Floats", num_classes: int, regularization: float
) -> "tuple[Floats, Floats]":
    """Fit a classifier with each row of `weights` (F, N), in which photos that it may not see have 0.

    Give weights (F, C, D) and biases (F, C). Features of all photos, seen or not, decide where they are centered and by
    what they are divided.
    """
    problem = _Problem(features, labels, num_classes, None)
    solutions = problem.fit(regularization, problem.zeros(len(weights)), weights, _TOLERANCE)
    each, biases = zip(*map(problem.folded, solutions), strict=True)
    return np.stack(each).astype(np.float32), np.stack(biases).astype(np.float32)


def _cross_validated(
    problem: "_Problem", folds: "NDArray[np.int32]", progress: Progress | None
) -> "tuple[float, Floats, Doubles]":
    """The strength at which photos that were held out are likeliest right, their logits there, and where to begin."""
    without = problem.without(folds)
    solutions = problem.zeros(len(without))
    best, best_loss, best_start, worse = PATH[len(PATH) // 2], np.inf, problem.zeros(1)[0], 0
    best_logits = problem.held_out(solutions, folds)
    validated = folds != ALWAYS_TRAINS
    for step, regularization in enumerate(PATH if len(without) else ()):
        solutions = problem.fit(regularization, solutions, without)
        logits = problem.held_out(solutions, folds)
        loss = _loss(logits[validated], problem.labels[validated])
        if progress is not None:
            progress("fit", step + 1, len(PATH))
        if loss < best_loss:
            best, best_loss, best_logits, best_start, worse = regularization, loss, logits, solutions.mean(axis=0), 0
        else:
            worse += 1
            if worse >= _PATIENCE:
                break
    return best, best_logits, best_start


def _loss(logits: "Floats", labels: "NDArray[np.int32]") -> float:
    """Mean cross-entropy, at the temperature at which it is lowest: a head is chosen for what it can be made to say."""
    scaled = logits.astype(np.float64) / fitted_temperature(logits, labels[:, None].tolist())
    scaled -= scaled.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(labels)), labels]))


class _Problem:
    """Features in the basis of their principal components, for any number F of fits at once.

    All folds' fits go side by side, since each step reads all features once for all of them. Solutions are
    (F, R + 1, C), the last row the biases; weights of photos (F, N), 0 where a fit does not see one.
    """

    def __init__(
        self, features: "Floats", labels: "NDArray[np.int32]", num_classes: int, sample_weight: "Floats | None"
    ) -> None:
        self.labels, self.num_classes = labels, num_classes
        self.weights = np.ones(len(labels), np.float32) if sample_weight is None else sample_weight
        self._center = np.mean(features, axis=0, dtype=np.float64).astype(np.float32)
        covariance = np.zeros((features.shape[1],) * 2, np.float64)
        for first in range(0, len(features), _BLOCK):
            block = features[first : first + _BLOCK] - self._center
            covariance += block.T @ block
        covariance /= len(features)
        variances, basis = np.linalg.eigh(covariance.astype(np.float32))
        kept = variances > _LEAST_VARIANCE * max(variances[-1], 1e-30)
        variances, basis = variances[kept][::-1], basis[:, kept][:, ::-1]
        self._scale = float(np.sqrt(variances.sum() / features.shape[1])) or 1.0
        self._basis = np.ascontiguousarray(basis / self._scale, np.float32)
        self._variances = variances / self._scale**2
        # A column of ones carries the biases.
        self._rotated = np.ones((len(features), len(variances) + 1), np.float32)
        for first in range(0, len(features), _BLOCK):
            block = features[first : first + _BLOCK] - self._center
            self._rotated[first : first + _BLOCK, :-1] = block @ self._basis

    def zeros(self, fits: int) -> "Doubles":
        return np.zeros((fits, self._rotated.shape[1], self.num_classes))

    def without(self, folds: "NDArray[np.int32]") -> "Floats":
        """The photos' weights for a fit without each fold that there is, in the order of their numbers."""
        numbers = np.unique(folds[folds != ALWAYS_TRAINS])
        return np.where(folds == numbers[:, None], np.float32(0), self.weights)

    def held_out(self, solutions: "Doubles", folds: "NDArray[np.int32]") -> "Floats":
        """The logits of each photo by the fit that did not see it; NaN where there is none."""
        found = np.full((len(folds), self.num_classes), np.nan, np.float32)
        for fold, solution in zip(np.unique(folds[folds != ALWAYS_TRAINS]), solutions, strict=True):
            found[folds == fold] = self._rotated[folds == fold] @ solution.astype(np.float32)
        return found

    def folded(self, solution: "Doubles") -> "tuple[Doubles, Doubles]":
        """The solution for features as they are: weights (C, D) and biases (C,)."""
        weight = solution[:-1].T @ self._basis.T.astype(np.float64)
        return weight, solution[-1] - weight @ self._center

    def fit(
        self, regularization: float, start: "Doubles", weights: "Floats", tolerance: float = _ROUGH_TOLERANCE
    ) -> "Doubles":
        """Minimize the loss with each of these weights of the photos; `start` has a solution for each."""
        fits, count, classes = *weights.shape, self.num_classes
        totals = weights.sum(axis=1, dtype=np.float64)
        photos, own, each = np.arange(count)[:, None], self.labels[:, None], np.arange(fits)
        by_photo = np.ascontiguousarray(weights.T)  # (N, F)

        def logits_at(solutions: "Doubles") -> "Floats":
            columns = np.ascontiguousarray(solutions.transpose(1, 0, 2), np.float32).reshape(-1, fits * classes)
            found: Floats = (self._rotated @ columns).reshape(count, fits, classes)
            found -= found.max(axis=2, keepdims=True)
            return found

        # What a step of 1 is worth: the Hessian's diagonal where this begins, which is near where it ends.
        likely = np.exp(logits_at(start))
        likely /= likely.sum(axis=2, keepdims=True)
        doubt = (by_photo[:, :, None] * likely * (1 - likely)).sum(axis=0, dtype=np.float64)  # (F, C)
        doubt = np.maximum(doubt, _LEAST_DOUBT * totals[:, None] / classes)[:, None, :]
        variances = np.append(self._variances, 1.0)[:, None]
        strengths = np.append(np.full(len(self._variances), regularization), 0.0)[:, None]
        units = np.sqrt(variances * doubt + strengths)

        def loss_and_gradient(points: "Doubles") -> "tuple[Doubles, Doubles]":
            solutions = points / units
            logits = logits_at(solutions)
            of_truth = logits[photos, each, own]
            np.exp(logits, out=logits)
            sums = logits.sum(axis=2)
            losses = (by_photo * (np.log(sums) - of_truth)).sum(axis=0, dtype=np.float64)
            logits *= (by_photo / sums)[:, :, None]
            logits[photos, each, own] -= by_photo
            gradient = (self._rotated.T @ logits.reshape(count, -1)).reshape(-1, fits, classes).transpose(1, 0, 2)
            penalty = strengths * solutions
            return losses + 0.5 * products(penalty, solutions), (gradient + penalty) / units

        solutions: Doubles = minimized(loss_and_gradient, start * units, tolerance * np.sqrt(totals)) / units
        return solutions
