"""The losses: of one sample's raw outputs, with their gradient."""

import math

import numpy as np

from sklstm.kernels import inner

SQUARED_ERROR, ABSOLUTE_ERROR, QUANTILE, POISSON, GAMMA = range(5)
LOG_LOSS, BINARY_LOG_LOSS = range(5, 7)
KINDS = {
    "squared_error": SQUARED_ERROR,
    "absolute_error": ABSOLUTE_ERROR,
    "quantile": QUANTILE,
    "poisson": POISSON,
    "gamma": GAMMA,
    "log_loss": LOG_LOSS,
    "binary_log_loss": BINARY_LOG_LOSS,
}


@inner
def _of_output(kind, quantile, x, y):
    """Return the loss of a raw output, and its derivative."""
    if kind == SQUARED_ERROR:
        return 0.5 * (x - y) * (x - y), x - y
    if kind == POISSON:
        return math.exp(x) - y * x, math.exp(x) - y
    if kind == GAMMA:
        return x + y * math.exp(-x), 1.0 - y * math.exp(-x)
    above, below = (quantile, 1.0 - quantile) if kind == QUANTILE else (1.0, 1.0)
    return (below * (x - y), below) if x > y else (above * (y - x), -above)


@inner
def loss_and_gradient(kind, quantile, n_outputs, work, raw, targets, target, weight):
    """Return ``weight * loss`` of a sample, and put its gradient in the raw outputs.

    Parameters
    ----------
    kind : int
        The mean over outputs, for a target y and a raw output x, of
        SQUARED_ERROR: (x - y)^2 / 2,
        ABSOLUTE_ERROR: |x - y|,
        QUANTILE: quantile * (y - x) if y > x, else (1 - quantile) * (x - y),
        POISSON: exp(x) - y x,
        GAMMA: x + y exp(-x).
        LOG_LOSS: minus the log of the softmax at the class ``targets[target]``.
        BINARY_LOG_LOSS: the sum over outputs of the logistic loss.
    quantile : float
    work, raw : array, int
        The raw outputs are ``work[raw : raw + n_outputs]``; overwritten.
    targets, target : array, int
        The targets are ``targets[target : target + n_targets]``; read.
    """
    loss = 0.0
    if kind <= GAMMA:
        for j in range(n_outputs):
            x, y = np.float64(work[raw + j]), np.float64(targets[target + j])
            one, slope = _of_output(kind, quantile, x, y)
            loss += one / n_outputs
            work[raw + j] = weight * slope / n_outputs
    elif kind == LOG_LOSS:
        highest = np.float64(work[raw])
        for j in range(1, n_outputs):
            if work[raw + j] > highest:
                highest = np.float64(work[raw + j])
        total = 0.0
        for j in range(n_outputs):
            total += math.exp(work[raw + j] - highest)
        label = np.int64(targets[target])
        loss = math.log(total) + highest - work[raw + label]
        for j in range(n_outputs):
            probability = math.exp(work[raw + j] - highest) / total
            work[raw + j] = weight * (probability - (1.0 if j == label else 0.0))
    else:
        for j in range(n_outputs):
            x = np.float64(work[raw + j])
            y = targets[target + j]
            # log(1 + exp(x)) - y * x, without overflow.
            e = math.exp(-x if x > 0 else x)
            loss += math.log1p(e) + (x if x > 0 else 0.0) - y * x
            probability = 1.0 / (1.0 + e) if x >= 0 else e / (1.0 + e)
            work[raw + j] = weight * (probability - y)
    return weight * loss
