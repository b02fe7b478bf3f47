"""What an estimator's parameters come to in training: "auto" settled, numbers plain."""

import math
import os
import sys
import warnings
from collections.abc import Mapping, Set
from numbers import Integral

import numpy as np
from joblib import effective_n_jobs  # scikit-learn requires joblib
from numba import config
from sklearn.utils._param_validation import validate_parameter_constraints

from sklstm._forms import is_number
from sklstm._optimizers import SGD, Adam, LearningRate
from sklstm._training import STACK_LEVEL, Schedule

# Sequences in a minibatch, and epochs, of "auto": how they were chosen stands in the
# guide under "Defaults".
MINIBATCH, LARGE_MINIBATCH, N_MINIBATCHES_OF_AN_EPOCH = 32, 256, 256
N_MINIBATCHES, FEWEST_EPOCHS = 2000, 10


def make_schedule(estimator, n_samples, learning_rate, n_seen, advice):
    """Return the schedule of training on `n_samples`.

    Parameters
    ----------
    estimator : estimator
    n_samples : int
    learning_rate : {"constant", "invscaling", "adaptive", "cosine"}
        Which may be another than the estimator's.
    n_seen : int
        Samples that were seen before.
    advice : str
        On what may keep training from diverging.
    """
    batch_size = _minibatch_size(estimator.batch_size, n_samples)
    max_iter = _n_epochs(estimator.max_iter, n_samples, batch_size)
    clip = estimator.max_grad_norm is not None
    return Schedule(
        learning_rate=LearningRate(
            learning_rate,
            plain_float(estimator, "learning_rate_init"),
            plain_float(estimator, "power_t"),
            start=n_seen,
            total=max_iter * n_samples,
        ),
        max_iter=max_iter,
        batch_size=batch_size,
        shuffle=estimator.shuffle,
        max_grad_norm=plain_float(estimator, "max_grad_norm") if clip else None,
        tol=plain_float(estimator, "tol"),
        n_iter_no_change=estimator.n_iter_no_change,
        verbose=bool(estimator.verbose),
        advice=advice,
        # "cosine" has come to its end then.
        warn_at_end=learning_rate != "cosine",
    )


def _minibatch_size(batch_size, n_samples):
    if batch_size == "auto":
        share = n_samples // N_MINIBATCHES_OF_AN_EPOCH
        return min(n_samples, max(MINIBATCH, min(share, LARGE_MINIBATCH)))
    if batch_size > n_samples:
        warnings.warn(
            f"batch_size={batch_size} is larger than the {n_samples} samples "
            "to train on. It is going to be clipped.",
            stacklevel=STACK_LEVEL,
        )
    return min(int(batch_size), n_samples)


def _n_epochs(max_iter, n_samples, batch_size):
    if max_iter == "auto":
        n_minibatches = -(-n_samples // batch_size)
        return max(FEWEST_EPOCHS, round(N_MINIBATCHES / n_minibatches))
    return int(max_iter)


def threads_of(n_jobs):
    """Return how many threads `n_jobs` is.

    No more than NUMBA_NUM_THREADS allows, where it is set: joblib sets it in worker
    processes, to each one's share of the cores.
    """
    n = int(effective_n_jobs(n_jobs))
    if "NUMBA_NUM_THREADS" in os.environ:
        return min(n, config.NUMBA_NUM_THREADS)
    return n


def make_optimizer(estimator, n_parameters, dtype):
    """Return the optimizer that `solver` names, fresh."""
    if estimator.solver == "sgd":
        momentum = plain_float(estimator, "momentum")
        return SGD(n_parameters, dtype, momentum, estimator.nesterovs_momentum)
    names = ("beta_1", "beta_2", "epsilon")
    constants = [plain_float(estimator, name) for name in names]
    return Adam(n_parameters, dtype, *constants)


def penalty(estimator, weight_unit):
    """Return alpha in units of the weights, beside whose sum it stands."""
    alpha = plain_float(estimator, "alpha") / weight_unit
    if alpha > float(np.finfo(estimator.dtype).max):
        raise ValueError(
            f"alpha={estimator.alpha} is too large for sample_weight of at most "
            f"{weight_unit}: scale sample_weight up, or lower alpha."
        )
    return alpha


def plain_float(estimator, name):
    """Return a parameter as a plain float.

    NumPy's numbers would make float64 of the network's float32. An int may be larger
    than any float, and a long double may leave its range as it is rounded.
    """
    try:
        value = float(getattr(estimator, name))
    except OverflowError:
        value = math.inf
    if math.isinf(value):
        raise ValueError(f"{name} is too large: expected at most {sys.float_info.max}.")
    validate_parameter_constraints(
        estimator._parameter_constraints, {name: value}, type(estimator).__name__
    )
    return value


def is_whole_number(value):
    """Whether it is one, and no bool."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return whole and is_number(value)


def layer_sizes(estimator, name):
    """Return a parameter as a tuple of ints; an int is one layer."""
    sizes = getattr(estimator, name)
    if isinstance(sizes, Set | Mapping):
        raise ValueError(f"{name} must be whole numbers in an order: got {sizes!r}.")
    try:
        sizes = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
    except TypeError as error:
        raise ValueError(f"{name} must be whole numbers: got {sizes!r}.") from error
    for size in sizes:
        if not is_whole_number(size) or not 1 <= size < 2**31:
            raise ValueError(
                f"{name} must be whole numbers from 1 to 2**31 - 1: got {sizes}."
            )
    return tuple(int(size) for size in sizes)
