"""Refusals of what the memory of the machine does not hold."""

import functools
import math
import os
from decimal import Decimal
from pathlib import Path

import numpy as np

# Where Linux tells the limit of a container, in either version of control groups.
LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


def refuse_too_large(network, estimator):
    """Refuse a network whose parameters alone do not fit, to be trained."""
    # The parameters, their gradient, and two estimates of the optimizer.
    needed = 4 * network.n_parameters * np.dtype(estimator.dtype).itemsize
    available = _memory()
    if needed > available:
        raise ValueError(
            f"hidden_layer_sizes={estimator.hidden_layer_sizes} and head_layer_sizes="
            f"{estimator.head_layer_sizes} make a network of {network.n_parameters:,} "
            f"parameters. To train it takes at least {_gib(needed)}, but this machine "
            f"has {_gib(available)} of memory."
        )


def refuse_too_long(engine, lengths, batch_size):
    """Refuse sequences on which training does not fit."""
    needed = engine.bytes_of_training(lengths, batch_size)
    available = _memory()
    if needed > available:
        raise ValueError(
            f"Training on sequences of up to {lengths.max():,} steps, {batch_size:,} "
            f"in a minibatch, takes {_gib(needed)}, but this machine has "
            f"{_gib(available)} of memory: set bptt_length, or lower it, lower "
            "batch_size, n_jobs or hidden_layer_sizes."
        )


def refuse_too_much_to_train_on(sequences, itemsize, standardize, dropout):
    """Refuse steps of which training makes copies that do not fit.

    Standardised ones, if `standardize`, and some columns of eight bytes each for what
    tells sequences apart, if there is `dropout`.
    """
    n_rows, n_channels = sequences.values.shape
    needed = n_rows * (n_channels * itemsize * standardize + 40 * dropout)
    available = _memory()
    if needed > available:
        raise ValueError(
            f"To make the {n_rows:,} steps of X ready for training takes "
            f"{_gib(needed)}, but this machine has {_gib(available)} of memory: call "
            "partial_fit with parts of X."
        )


def refuse_too_long_to_predict(engine, lengths):
    """Refuse sequences for which prediction does not fit."""
    needed = engine.bytes_of_prediction(lengths)
    available = _memory()
    if needed > available:
        remedy = "lower n_jobs, or fit with smaller hidden_layer_sizes"
        if engine.bytes_of_prediction(2 * lengths) > needed:
            remedy += " or with bidirectional=False, where more steps take no more"
        raise ValueError(
            f"Predictions for sequences of up to {lengths.max():,} steps take "
            f"{_gib(needed)}, but this machine has {_gib(available)} of memory: "
            f"{remedy}."
        )


def refuse_too_many(needed, n_series, window):
    """Refuse a stream that keeps so many bytes."""
    available = _memory()
    if needed > available:
        raise ValueError(
            f"n_series={n_series} and window={window} take at least {_gib(needed)}, "
            f"but this machine has {_gib(available)} of memory."
        )


def _gib(n_bytes):
    return f"{Decimal(n_bytes) / 2**30:.3g} GiB"  # a float may be too small


@functools.cache
def _memory():
    """Return the bytes of memory of this machine, or of the container it is."""
    return min([_physical_memory(), *map(_limit_in, LIMITS)])


def _physical_memory():
    """Return the bytes of memory of this machine; infinity where they are not known."""
    try:
        page, n_pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # AttributeError: as on Windows
        return math.inf
    return page * n_pages if min(page, n_pages) > 0 else math.inf


def _limit_in(file):
    """Return the limit that a control group of Linux sets; infinity without one."""
    try:
        return int(Path(file).read_text())
    except (OSError, ValueError):  # ValueError: "max"
        return math.inf
