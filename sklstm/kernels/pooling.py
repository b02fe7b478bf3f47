"""What sums a sequence up beside its last state: mean and maximum over its steps.

What the functions take, all of it the caller's:

work : pointer
    Holds all that follows; `h`, `dh`, `pool` and `beside` are places in it, of as many
    rows of whole vectors as there are sequences.
pooling : int
    MEAN or MAX.
size : int
    Values in the rows of the sequences that still run.
pool : int
    The sum of the hidden states so far, or their maximum; on the way back the gradient
    of the mean's sum, or of the maximum.
beside : int
    With MEAN what rounding has left over of the sum, which otherwise would drift as
    steps are many (Kahan 1965). With MAX, on the way to a gradient, the step of the
    maximum, which in float32 is one of MOST_STEPS; without a way back -1.
"""

from sklstm.kernels.outline import out_of_line
from sklstm.kernels.simd import (
    lanes,
    load,
    maximum,
    store,
    where_above,
    where_equal,
    zeros_like,
)

LAST, MEAN, MAX = 0, 1, 2
KINDS = {"last": LAST, "mean": MEAN, "max": MAX}
KEPT = {LAST: [], MEAN: ["pooled", "pooled_rest"], MAX: ["pooled"]}  # from step to step
LEAST = -1.0  # no hidden state is below
MOST_STEPS = 2**24  # which float32 tells one from the next


@out_of_line("p iii", seldom=True)
def pool_none(version):
    def pool_none(work, pooling, size, pool):
        """Write to `pool` what no step gives."""
        version  # noqa: B018
        for i in range(0, size, lanes(work)):
            store(work, pool + i, zeros_like(work) + (LEAST if pooling == MAX else 0.0))

    return pool_none


@out_of_line("p iiiiii", seldom=True)
def pool_step(version):
    def pool_step(work, pooling, step, size, h, pool, beside):
        """Take the hidden states of a step into `pool`."""
        version  # noqa: B018
        for i in range(0, size, lanes(work)):
            now, before = load(work, h + i), load(work, pool + i)
            if pooling == MEAN:
                now = now - load(work, beside + i)
                total = before + now
                store(work, pool + i, total)
                store(work, beside + i, (total - before) - now)
            else:
                # What is NaN stays so: `maximum` alone would pass over it.
                store(work, pool + i, maximum(before, now) + (now - now))
                if beside >= 0:
                    at = where_above(now, before, step, load(work, beside + i))
                    store(work, beside + i, at)

    return pool_step


@out_of_line("p iiiiii", seldom=True)
def pool_step_backward(version):
    def pool_step_backward(work, pooling, step, size, dh, pool, beside):
        """Add to `dh` the gradient that a step has from `pool`."""
        version  # noqa: B018
        for i in range(0, size, lanes(work)):
            gradient = load(work, pool + i)
            if pooling == MAX:
                none = zeros_like(work)
                gradient = where_equal(load(work, beside + i), step, gradient, none)
            store(work, dh + i, load(work, dh + i) + gradient)

    return pool_step_backward


@out_of_line("p iiiin", seldom=True)
def make_means(version):
    def make_means(work, n, start, row, n_units, lengths):
        """Divide `n` rows from `start` on by the sequences' numbers of steps."""
        version  # noqa: B018
        for b in range(n):
            for i in range(start + b * row, start + b * row + n_units):
                work[i] = work[i] / lengths[b]

    return make_means


KERNELS = [pool_none, make_means, pool_step, pool_step_backward]
