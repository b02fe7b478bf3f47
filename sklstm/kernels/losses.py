"""The losses: of one sample's raw outputs, with their gradient."""

import math

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
def loss_and_gradient(kind, n_outputs, work, raw, targets, sample, weight):
    """Return ``weight * loss`` of a sample, and put its gradient in the raw outputs.

    Parameters
    ----------
    kind : int
        SQUARED_ERROR: half the mean over outputs of the squared error.
        LOG_LOSS: minus the log of the softmax at the class ``targets[sample, 0]``.
        BINARY_LOG_LOSS: the sum over outputs of the logistic loss.
    work, raw : array, int
        The raw outputs are ``work[raw : raw + n_outputs]``; overwritten.
    targets : array (n_samples, n_targets)
        Read.
    """
    loss = 0.0
    if kind == SQUARED_ERROR:
        for j in range(n_outputs):
            error = float(work[raw + j]) - targets[sample, j]
            loss += 0.5 * error * error / n_outputs
            work[raw + j] = weight * error / n_outputs
    elif kind == LOG_LOSS:
        highest = float(work[raw])
        for j in range(1, n_outputs):
            highest = max(highest, float(work[raw + j]))
        total = 0.0
        for j in range(n_outputs):
            total += math.exp(work[raw + j] - highest)
        target = int(targets[sample, 0])
        loss = math.log(total) + highest - work[raw + target]
        for j in range(n_outputs):
            probability = math.exp(work[raw + j] - highest) / total
            work[raw + j] = weight * (probability - (1.0 if j == target else 0.0))
    else:
        for j in range(n_outputs):
            x = float(work[raw + j])
            target = targets[sample, j]
            # log(1 + exp(x)) - target * x, without overflow.
            e = math.exp(-abs(x))
            loss += math.log1p(e) + max(x, 0.0) - target * x
            probability = 1.0 / (1.0 + e) if x >= 0 else e / (1.0 + e)
            work[raw + j] = weight * (probability - target)
    return weight * loss
