"""Two or more sides in one process, in turn, and the table of what they took."""

import statistics
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.limit import gflops_of_a_thread

# Seconds before each turn: PyTorch on two threads took up to twice as long right after
# ONNX Runtime, whose threads go on looking for work for a while.
REST = 0.1
# Seconds after it whose calls do not count: at least one does not. Threads that have
# slept, and what they work in, take some calls of a millisecond to be back in place.
WARM_UP = 0.01

# What takes the place of a peer where a part is beside the whole of sklstm.
WHOLES = ("whole fit", "whole step")


class Skipped(Exception):
    """What is to be measured next cannot be, here."""


@dataclass(frozen=True)
class Row:
    """A line of the table: sklstm beside one peer.

    Parameters
    ----------
    what : str
        What is measured, for example "training step".
    case : str
        On what: sizes, or the name of a data set.
    n_threads : int
    ours, theirs : float
        What sklstm and the peer take, in `unit`; None where there is no peer.
    peer : str
    operations : float, optional
        Floating-point operations, where these are seconds.
    limit : float, optional
        The multiply-add limit of each of the threads, in GFLOP/s, measured in between
        with all of them at work.
    unit : {"s", "MiB"}
    traffic : float, optional
        Bytes that are written for the way back and read again.
    """

    what: str
    case: str
    n_threads: int
    ours: float
    peer: str = ""
    theirs: float | None = None
    operations: float | None = None
    limit: float | None = None
    unit: str = "s"
    traffic: float | None = None

    @property
    def ratio(self):
        """How many times as long the peer takes."""
        return self.theirs / self.ours

    @property
    def gflops(self):
        """GFLOP/s of sklstm; None where operations are not counted."""
        return self.operations and self.operations / self.ours / 1e9

    @property
    def share(self):
        """The part of the multiply-add limit of all threads that sklstm reaches."""
        return self.operations and self.gflops / (self.limit * self.n_threads)


def in_turn(sides, repeats, *, n_threads=1, dtype=np.float32):
    """Return the median seconds of each side, and the limit of a thread in GFLOP/s.

    Parameters
    ----------
    sides : dict of str to callable
    repeats : int
        How often each side is called: in turns of up to three calls, after some that
        do not count, so that they find caches and threads as their own last one left
        them.
    n_threads : int
        How many run at a time where the limit is measured.
    dtype : dtype
        Of the limit.
    """
    times, limits = {name: [] for name in sides}, []
    for side in sides.values():
        side()
    for start in range(0, repeats, 3):
        limits.append(gflops_of_a_thread(dtype, n_threads))
        for name, side in sides.items():
            time.sleep(REST)
            begin = time.perf_counter()
            while repeats > 1 and time.perf_counter() < begin + WARM_UP:
                side()
            for _ in range(min(3, repeats - start)):
                begin = time.perf_counter()
                side()
                times[name].append(time.perf_counter() - begin)
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    return medians, statistics.median(limits)


def rows(what, case, n_threads, medians, limit=None, operations=None, traffic=None):
    """Return a `Row` for each peer; the first of `medians` is sklstm's."""
    (_, seconds), *peers = medians.items()
    return [
        Row(
            what, case, n_threads, seconds, peer, peer_seconds, operations, limit,
            traffic=traffic,
        )
        for peer, peer_seconds in peers
    ]  # fmt: skip
