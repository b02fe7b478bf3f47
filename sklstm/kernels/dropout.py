"""Dropout, from a generator that has no state: a number is a function of its key.

A mask depends on what it belongs to alone (seed, epoch, sample, layer, step, unit), so
it is the same on any thread, and the way back makes it again rather than keep it.
"""

import numpy as np
from numba import types
from numba.extending import overload

from sklstm.kernels import inner
from sklstm.kernels.outline import out_of_line
from sklstm.kernels.simd import lanes, load, store

SCALE = 2**32  # a rate is kept as a whole number of this many parts

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


@out_of_line("p iiiii")
def drop(version):
    def drop(work, start, n, key, counter, rate):
        """Set some of `n` values from `start` on to zero, and scale the others up.

        Parameters
        ----------
        work : array
        start, n : int
        key, counter : int
            Value j falls to ``mixed(key, counter + j)``.
        rate : int
            The share that is set to zero, in parts of SCALE.
        """
        version  # noqa: B018
        scale = SCALE / (SCALE - rate)
        for j in range(n):
            kept = mixed(key, counter + j) % SCALE >= rate
            work[start + j] = work[start + j] * scale if kept else 0.0

    return drop


@inner
def multiply_all(work, start, by, n):
    """Multiply `n` values, whole vectors, by as many from `by` on."""
    for i in range(0, n, lanes(work)):
        store(work, start + i, load(work, start + i) * load(work, by + i))
