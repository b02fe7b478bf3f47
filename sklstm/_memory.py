"""Refusals of fits that the memory of the machine does not hold."""

import math
import os
from decimal import Decimal

import numpy as np


def refuse_too_large(network, estimator):
    """Refuse a network whose parameters alone do not fit, to be trained."""
    # The parameters, their gradient, and two estimates of the optimizer.
    needed = 4 * network.n_parameters * np.dtype(estimator.dtype).itemsize
    available = _physical_memory()
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
    available = _physical_memory()
    if needed > available:
        raise ValueError(
            f"Training on sequences of up to {lengths.max():,} steps, {batch_size:,} "
            f"in a minibatch, takes {_gib(needed)}, but this machine has "
            f"{_gib(available)} of memory: set bptt_length, or lower it, lower "
            "batch_size, n_jobs or hidden_layer_sizes."
        )


def refuse_too_many(needed, n_series, window):
    """Refuse a stream that keeps so many bytes."""
    available = _physical_memory()
    if needed > available:
        raise ValueError(
            f"n_series={n_series} and window={window} take at least {_gib(needed)}, "
            f"but this machine has {_gib(available)} of memory."
        )


def _gib(n_bytes):
    return f"{Decimal(n_bytes) / 2**30:.3g} GiB"  # a float may be too small


def _physical_memory():
    """Return the bytes of memory of this machine; infinity where they are not known."""
    try:
        page, n_pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # AttributeError: as on Windows
        return math.inf
    return page * n_pages if min(page, n_pages) > 0 else math.inf
