"""Channels of sequences brought to mean 0 and standard deviation 1."""

import numpy as np

from sklstm._sequences import Sequences, refuse_far_off

CHUNK = 2**16  # steps at a time, so that copies in float64 take little memory
BUFFER = 2**14  # values in float64 at a time, for them to stay in a processor's cache
BLOCK = 2**20  # values that are there in both forms at a time, in a prediction


def offset_and_scale(samples):
    """Return the mean and the standard deviation of each channel.

    Each step counts with the weight of its sample; with a window, in which samples
    share their steps, each row with its own.

    Parameters
    ----------
    samples : Samples

    Returns
    -------
    offset, scale : array of float64 (n_channels,)
        A constant channel has a scale of 1.
    """
    largest = np.max([np.abs(steps).max(axis=0) for steps, _ in _chunks(samples)], 0)
    # In units of a power of two, which is exact, no sum or square overflows.
    _, exponent = np.frexp(largest)

    def weighted_mean(function):
        total = total_weight = 0.0
        for steps, weights in _chunks(samples):
            values = function(np.ldexp(steps, -exponent))
            total = total + (weights[:, np.newaxis] * values).sum(axis=0)
            total_weight += weights.sum()
        return total / total_weight

    mean = weighted_mean(lambda values: values)
    # Again, since a sum of many is rounded by more than a value is, and what is left of
    # a constant channel would pass for its deviation.
    mean += weighted_mean(lambda values: values - mean)
    scale = np.sqrt(weighted_mean(lambda values: np.square(values - mean)))
    # What is left of a constant channel is rounding, and so are denormal numbers.
    constant = scale <= 10 * np.finfo(float).eps * np.abs(mean)
    constant |= np.ldexp(scale, exponent) < np.finfo(float).tiny
    first, _ = next(_chunks(samples))
    offset = np.where(constant, first[0], np.ldexp(mean, exponent))
    return offset, np.where(constant, 1.0, np.ldexp(scale, exponent))


def standardise(sequences, offset, scale, dtype):
    """Return `sequences` with channels less `offset`, over `scale`, in `dtype`.

    Raises
    ------
    ValueError
        Where a value then does not fit into `dtype`.
    """
    values = _standardised(sequences, 0, len(sequences.values), offset, scale, dtype)
    return sequences.over(values)


def standardise_in_blocks(sequences, offset, scale, dtype):
    """Yield some of the samples and their standardised sequences, until all have been.

    Sequences that overlap are cut out of the same block, so that there is hardly more
    than BLOCK values, or one sequence, at a time.

    Yields
    ------
    samples : array of int, or the slice of all
    sequences : Sequences

    Raises
    ------
    ValueError
        As `standardise` does.
    """
    if sequences.values.size <= BLOCK:
        yield slice(None), standardise(sequences, offset, scale, dtype)
        return
    starts, ends = sequences.starts, sequences.starts + sequences.lengths
    order = np.argsort(starts, kind="stable")
    most = max(1, BLOCK // sequences.n_channels)
    # Each has its block by where it begins.
    _, firsts = np.unique(starts[order] // most, return_index=True)
    for samples in np.split(order, firsts[1:]):
        first, last = starts[samples[0]], ends[samples].max()
        values = _standardised(sequences, first, last, offset, scale, dtype)
        part = Sequences(values, starts[samples] - first, sequences.lengths[samples])
        yield samples, part


def _standardised(sequences, first, last, offset, scale, dtype):
    """Return the rows from `first` to before `last`, standardised."""
    given = sequences.values[first:last]
    values = np.empty(given.shape, dtype)
    n = max(1, BUFFER // given.shape[1])
    buffer = np.empty((min(n, len(given)), given.shape[1]))
    with np.errstate(over="ignore"):
        for start in range(0, len(given), n):
            steps = given[start : start + n]
            scaled = np.divide(steps, scale, out=buffer[: len(steps)])
            values[start : start + n] = np.subtract(scaled, offset / scale, out=scaled)
    refuse_far_off(values, sequences, first, offset, scale)
    return values


def _chunks(samples):
    """Yield steps in float64 (n, n_channels), and the weight of each."""
    sequences = samples.sequences.take(samples.rows)
    starts, lengths = sequences.starts, sequences.lengths
    if sequences.series is not None:
        starts, lengths = starts + lengths - 1, np.ones_like(lengths)
    ends = np.cumsum(lengths)
    weights = samples.weights[samples.rows]
    cuts = np.searchsorted(ends, np.arange(CHUNK, ends[-1] + CHUNK, CHUNK))
    first = 0
    for after in np.unique(np.minimum(cuts + 1, len(ends))):
        part = slice(first, after)
        n_steps = lengths[part]
        # Each step's row: its sequence's first, and how far it is from there.
        rows = np.repeat(starts[part] - (np.cumsum(n_steps) - n_steps), n_steps)
        rows += np.arange(len(rows))
        yield (
            sequences.values[rows].astype(np.float64),
            np.repeat(weights[part], n_steps),
        )
        first = after
