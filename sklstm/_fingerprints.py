"""What tells one sequence from another, for dropout: numbers made of their values."""

import numpy as np

# Odd, so that they have inverses modulo 2**64: the multipliers of splitmix64.c.
_OF_STEPS, _OF_CHANNELS = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def fingerprints(sequences):
    """A number for each sequence that depends on its values alone.

    A polynomial in the bits of the values in float32, whatever their dtype, modulo
    2**64: what float64 makes of them in the last digits does not matter. As windows
    share their steps, it is the difference of two sums over all.

    Returns
    -------
    ndarray of shape (n_sequences,), dtype uint64
    """
    values = sequences.values
    powers = _powers(_OF_CHANNELS, values.shape[1] + 1)[1:]
    rows = np.ones(len(values), np.uint64)  # so that zeros count too
    with np.errstate(over="ignore"):
        for channel, power in zip(values.T, powers, strict=True):
            plain = channel.astype(np.float32) + np.float32(0)  # -0 is 0
            rows += plain.view(np.uint32) * power
    sums = np.zeros(len(rows) + 1, np.uint64)
    np.cumsum(rows * _powers(_OF_STEPS, len(rows)), out=sums[1:])
    starts = sequences.starts
    total = sums[starts + sequences.lengths] - sums[starts]
    # As if each began with the first of all steps.
    return total * _powers(pow(_OF_STEPS, -1, 2**64), len(rows))[starts]


def _powers(base, n):
    """The powers 0 ... n - 1 of `base`, modulo 2**64."""
    factors = np.full(n, base, np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)
