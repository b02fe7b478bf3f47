"""Dropout, from a generator that has no state: a number is a function of its key.

A mask depends on what it belongs to alone (seed, epoch, sample, layer, step, unit), so
it is the same on any thread, and the way back makes it again rather than keep it. A
sample is known by its values, not by its place, so that a weight of 2 is the same as to
be there twice.
"""

import numpy as np
from numba import types
from numba.extending import overload

from sklstm.kernels import inner
from sklstm.kernels.outline import out_of_line
from sklstm.kernels.simd import lanes, load, store

SCALE = 2**32  # a rate is kept as a whole number of this many parts


def parts_of(rate):
    """Return a rate below 1 as the kernels take it."""
    return min(round(rate * SCALE), SCALE - 1)


_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_WORD = 2**64 - 1


def mixed(key, counter):
    """Return 63 bits, as random as can be, for a key and a counter.

    SplitMix64 (Steele, Lea & Flood 2014): its state after `counter` steps from `key`,
    mixed.
    """
    z = (int(key) + (int(counter) + 1) * _GOLDEN) & _WORD
    z = ((z ^ (z >> 30)) * _FIRST) & _WORD
    z = ((z ^ (z >> 27)) * _SECOND) & _WORD
    return (z ^ (z >> 31)) >> 1


@overload(mixed)
def _overload_mixed(key, counter):
    golden, first, second = map(np.uint64, (_GOLDEN, _FIRST, _SECOND))
    a, b, c, one = map(np.uint64, (30, 27, 31, 1))

    def mixed(key, counter):
        z = np.uint64(key) + (np.uint64(counter) + one) * golden
        z = (z ^ (z >> a)) * first
        z = (z ^ (z >> b)) * second
        return np.int64((z ^ (z >> c)) >> one)

    return mixed if isinstance(key, types.Integer) else None


def keys_of(seed, identities):
    """Return a key for each of some samples, ``mixed(seed, identity)``.

    Parameters
    ----------
    seed : int
        Below 2**63.
    identities : array of uint64 (n_samples,)

    Returns
    -------
    keys : array of int64 (n_samples,)
    """
    golden, first, second = map(np.uint64, (_GOLDEN, _FIRST, _SECOND))
    z = np.uint64(seed) + (identities + np.uint64(1)) * golden
    z = (z ^ (z >> np.uint64(30))) * first
    z = (z ^ (z >> np.uint64(27))) * second
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)


@inner
def take_keys(keys_of_all, samples, n, keys):
    """Write the keys of `n` samples."""
    for b in range(n):
        keys[b] = keys_of_all[samples[b]]


@inner
def _drop(work, start, n, key, counter, rate):
    """Set some of `n` values from `start` on to zero, and scale the others up.

    Value j falls to ``mixed(key, counter + j)``.
    """
    scale = SCALE / (SCALE - rate)
    for j in range(n):
        kept = mixed(key, counter + j) % SCALE >= rate
        work[start + j] = work[start + j] * scale if kept else 0.0


@out_of_line("p iii nii niii", seldom=True)
def drop_step(version):
    def drop_step(
        work, n, start, row, keys, which, n_inputs, lengths, from_end, t, rate
    ):
        """Set some inputs of a step, or their gradients, to zero.

        Parameters
        ----------
        work : pointer
        n, start, row : int
            There are `n` rows of inputs, `row` apart, from `start` on.
        keys, lengths : pointer to int64
            Read: the keys of the sequences, and how many steps they have.
        which : int
            What is dropped: a number of the layer.
        n_inputs : int
        from_end, t : int
            The step, counted from a sequence's end if `from_end` is 1.
        rate : int
            The share that is set to zero, in parts of SCALE.
        """
        version  # noqa: B018
        for b in range(n):
            position = lengths[b] - 1 - t if from_end == 1 else t
            key = mixed(keys[b], which)
            _drop(work, start + b * row, n_inputs, key, position * n_inputs, rate)

    return drop_step


@out_of_line("p iiiniii", seldom=True)
def draw_masks(version):
    def draw_masks(work, n, start, row, keys, which, n_units, rate):
        """Draw what the hidden states are multiplied with, the same in all steps.

        Gal & Ghahramani (2016), "A theoretically grounded application of dropout in
        recurrent neural networks". Parameters as in `drop_step`.
        """
        version  # noqa: B018
        for b in range(n):
            mask = start + b * row
            for u in range(row):
                work[mask + u] = 1
            _drop(work, mask, n_units, mixed(keys[b], which), 0, rate)

    return draw_masks


@out_of_line("p iiiii", seldom=True)
def mask_rows(version):
    def mask_rows(work, n, start, row, masks, mask_row):
        """Multiply `n` rows, `row` apart from `start` on, with as many masks."""
        version  # noqa: B018
        for b in range(n):
            for u in range(0, mask_row, lanes(work)):
                place = start + b * row + u
                mask = load(work, masks + b * mask_row + u)
                store(work, place, load(work, place) * mask)

    return mask_rows
