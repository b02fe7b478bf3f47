"""The losses: of one sample's raw outputs, with their gradient."""

import math

import numpy as np

from sklstm.kernels import inner

SQUARED_ERROR = 0
LOG_LOSS = 1
BINARY_LOG_LOSS = 2
KINDS = {
    "squared_error": SQUARED_ERROR,
    "log_loss": LOG_LOSS,
    "binary_log_loss": BINARY_LOG_LOSS,
}


@inner
def loss_and_gradient(kind, n_outputs, work, raw, targets, target, weight):
    """Return ``weight * loss`` of a sample, and put its gradient in the raw outputs.

    Parameters
    ----------
    kind : int
        SQUARED_ERROR: half the mean over outputs of the squared error.
        LOG_LOSS: minus the log of the softmax at the class ``targets[target]``.
        BINARY_LOG_LOSS: the sum over outputs of the logistic loss.
    work, raw : array, int
        The raw outputs are ``work[raw : raw + n_outputs]``; overwritten.
    targets, target : array, int
        The targets are ``targets[target : target + n_targets]``; read.
    """
    loss = 0.0
    if kind == SQUARED_ERROR:
        for j in range(n_outputs):
            error = np.float64(work[raw + j]) - targets[target + j]
            loss += 0.5 * error * error / n_outputs
            work[raw + j] = weight * error / n_outputs
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
