"""The losses: of a shard's raw outputs, with their gradient.

What the kernels take, all of it the caller's:

work : pointer
    Row b of raw outputs is ``work[raw + b * row :][:n_outputs]``; overwritten with its
    gradient, times the weight.
n, raw, row, n_outputs : int
    `n` samples.
targets : pointer
    Read: sample i has ``targets[i * n_targets :][:n_targets]``.
n_targets : int
samples : pointer to int64
    Read: which samples these are.
weights : pointer to float64
    Read.
kind : int
quantile : float
total : pointer to float64
    The weighted losses are added to its first.
"""

import math

import numpy as np

from sklstm.kernels import inner
from sklstm.kernels.outline import out_of_line

_INTERFACE = "p iiii p in d if d"  # of all of them, which are called by address

SQUARED_ERROR, ABSOLUTE_ERROR, QUANTILE, POISSON, GAMMA = range(5)


@inner
def _of_output(kind, quantile, x, y):
    """Return the loss of a raw output x, and its derivative.

    ====================  ==================================================
    SQUARED_ERROR         (x - y)^2 / 2
    ABSOLUTE_ERROR        |x - y|
    QUANTILE              q (y - x) where y > x, else (1 - q) (x - y)
    POISSON               exp(x) - y x
    GAMMA                 x + y exp(-x)
    ====================  ==================================================
    """
    if kind == SQUARED_ERROR:
        return 0.5 * (x - y) * (x - y), x - y
    if kind == POISSON:
        return math.exp(x) - y * x, math.exp(x) - y
    if kind == GAMMA:
        return x + y * math.exp(-x), 1.0 - y * math.exp(-x)
    above, below = (quantile, 1.0 - quantile) if kind == QUANTILE else (1.0, 1.0)
    return (below * (x - y), below) if x > y else (above * (y - x), -above)


@out_of_line(_INTERFACE, seldom=True)
def of_numbers(version):
    def of_numbers(
        work, n, raw, row, n_outputs, targets, n_targets, samples, weights, kind,
        quantile, total,
    ):  # fmt: skip
        """The mean over outputs of one of the losses of real targets."""
        version  # noqa: B018
        for b in range(n):
            weight = weights[samples[b]] / n_outputs
            for j in range(n_outputs):
                place = raw + b * row + j
                x = np.float64(work[place])
                y = np.float64(targets[samples[b] * n_targets + j])
                loss, slope = _of_output(kind, quantile, x, y)
                total[0] += weight * loss
                work[place] = weight * slope

    return of_numbers


@out_of_line(_INTERFACE, seldom=True)
def of_classes(version):
    def of_classes(
        work, n, raw, row, n_outputs, targets, n_targets, samples, weights, kind,
        quantile, total,
    ):  # fmt: skip
        """Minus the log of the softmax at the class that is the target."""
        version  # noqa: B018
        for b in range(n):
            place, weight = raw + b * row, weights[samples[b]]
            highest = np.float64(work[place])
            for j in range(1, n_outputs):
                if work[place + j] > highest:
                    highest = np.float64(work[place + j])
            powers = 0.0
            for j in range(n_outputs):
                powers += math.exp(work[place + j] - highest)
            label = np.int64(targets[samples[b] * n_targets])
            loss = math.log(powers) + highest - work[place + label]
            total[0] += weight * loss
            for j in range(n_outputs):
                probability = math.exp(work[place + j] - highest) / powers
                slope = probability - (1.0 if j == label else 0.0)
                work[place + j] = weight * slope

    return of_classes


@out_of_line(_INTERFACE, seldom=True)
def of_labels(version):
    def of_labels(
        work, n, raw, row, n_outputs, targets, n_targets, samples, weights, kind,
        quantile, total,
    ):  # fmt: skip
        """The sum over outputs of the logistic loss."""
        version  # noqa: B018
        for b in range(n):
            weight = weights[samples[b]]
            for j in range(n_outputs):
                place = raw + b * row + j
                x = np.float64(work[place])
                y = np.float64(targets[samples[b] * n_targets + j])
                # log(1 + exp(x)) - y * x, without overflow.
                e = math.exp(-x if x > 0 else x)
                loss = math.log1p(e) + (x if x > 0 else 0.0) - y * x
                total[0] += weight * loss
                probability = 1.0 / (1.0 + e) if x >= 0 else e / (1.0 + e)
                work[place] = weight * (probability - y)

    return of_labels


losses_at = of_numbers  # or any of them: the address that is passed says which

# A kernel, and what it takes as `kind`.
KINDS = {
    "squared_error": (of_numbers, SQUARED_ERROR),
    "absolute_error": (of_numbers, ABSOLUTE_ERROR),
    "quantile": (of_numbers, QUANTILE),
    "poisson": (of_numbers, POISSON),
    "gamma": (of_numbers, GAMMA),
    "log_loss": (of_classes, 0),
    "binary_log_loss": (of_labels, 0),
}
