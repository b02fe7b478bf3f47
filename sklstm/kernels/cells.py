"""The cells: their equations, forward and backward, on vectors of hidden units.

The gates of a row lie unit block by unit block: for each vector of hidden units its
i, f, g, o. What a gate's place holds goes from the pre-activation (from the matrix
product) to the activation (forward) to the gradient of the pre-activation (backward).
"""

import numpy as np
from numba import types
from numba.extending import overload

from sklstm.kernels import inner
from sklstm.kernels.outline import out_of_line
from sklstm.kernels.simd import (
    copysign,
    divide,
    exp2_of_whole,
    fabs,
    fma,
    lanes,
    load,
    maximum,
    minimum,
    round_even,
    store,
)

N_GATES = 4  # i, f, g, o

# tanh(x) = x P(x^2) / Q(x^2) on |x| <= 7.95, where tanh is 1 to four units in the last
# place and no rounding takes the quotient above 1: a forget gate above 1 would let c
# grow by itself. A minimax fit of the relative error (6e-9 before rounding).
_P = (0.99999999402, 0.134476060613, 3.57534906346e-3, 2.19597577434e-5, 1.53300587e-8)
_Q = (1.0, 0.467809337536, 2.61785501620e-2, 3.41755639477e-4, 8.56102628e-7)


def _tanh_float32(x):
    """Return tanh(x) to 6 units in the last place: 8 multiply-adds and one division."""
    x = minimum(maximum(x, -7.95), 7.95)
    u = x * x
    p = fma(u, _P[4], _P[3])
    p = fma(u, p, _P[2])
    p = fma(u, p, _P[1])
    p = fma(u, p, _P[0])
    q = fma(u, _Q[4], _Q[3])
    q = fma(u, q, _Q[2])
    q = fma(u, q, _Q[1])
    q = fma(u, q, _Q[0])
    return divide(x * p, q)


def _tanh_float64(x):
    """Return tanh(x) to a few units in the last place, from expm1(-2 |x|).

    With -2 |x| = n log(2) + r, expm1 is 2^n expm1(r) + (2^n - 1), and expm1(r) is its
    Taylor series to r^13 / 13!, for |r| <= log(2) / 2 exact to 4e-18.
    """
    y = -2.0 * minimum(fabs(x), 20.0)
    n = round_even(y * 1.4426950408889634)
    r = fma(n, -0.6931471805599453, y)
    r = fma(n, -2.3190468138462996e-17, r)
    p = fma(r, 1.6059043836821613e-10, 2.08767569878681e-09)
    p = fma(r, p, 2.505210838544172e-08)
    p = fma(r, p, 2.755731922398589e-07)
    p = fma(r, p, 2.7557319223985893e-06)
    p = fma(r, p, 2.48015873015873e-05)
    p = fma(r, p, 1.984126984126984e-04)
    p = fma(r, p, 1.388888888888889e-03)
    p = fma(r, p, 8.333333333333333e-03)
    p = fma(r, p, 4.1666666666666664e-02)
    p = fma(r, p, 1.6666666666666666e-01)
    p = fma(r, p, 0.5)
    p = fma(r * r, p, r)
    scale = exp2_of_whole(n)
    e = fma(scale, p, scale - 1.0)
    return copysign(divide(e, e + 2.0), x)


def tanh(x):
    """Return the hyperbolic tangent of a vector."""
    return (_tanh_float32 if x.dtype == np.float32 else _tanh_float64)(x)


@overload(tanh)
def _overload_tanh(x):
    return _tanh_float32 if x.dtype == types.float32 else _tanh_float64


@inner
def sigmoid(x):
    """Return the logistic function of a vector."""
    return fma(tanh(x * 0.5), 0.5, 0.5)


@out_of_line("p iiii iiii iii")
def lstm_forward(version):
    def lstm_forward(
        work, n, n_blocks, gates, panel, c_before, c, tanh_c, h, n_next, z_h, z_row
    ):
        """Advance `n` sequences by a step (Gers, Schmidhuber & Cummins 2000).

        Parameters
        ----------
        work : array
            Holds all that follows; the others are places in it.
        n, n_blocks : int
            Sequences; vectors of hidden units.
        gates, panel : int
            Pre-activations on entry, activations on return; row b of unit block p is
            the four vectors from ``gates + p*panel + b*4*lanes``.
        c_before, c, tanh_c, h : int
            Rows of ``n_blocks*lanes``: the cell state before (read) and after this
            step, its tanh, and the hidden state (all written).
        n_next, z_h, z_row : int
            The hidden states of the first `n_next` sequences are also written to the
            left side of the next step's product, in rows `z_row` apart from `z_h` on.
        """
        version  # noqa: B018
        width = lanes(work)
        for p in range(n_blocks):
            for b in range(n):
                z = gates + p * panel + b * N_GATES * width
                u = (b * n_blocks + p) * width
                i = sigmoid(load(work, z))
                f = sigmoid(load(work, z + width))
                g = tanh(load(work, z + 2 * width))
                o = sigmoid(load(work, z + 3 * width))

                c_now = fma(f, load(work, c_before + u), i * g)
                tanh_c_now = tanh(c_now)
                h_now = o * tanh_c_now

                store(work, h + u, h_now)
                if b < n_next:
                    store(work, z_h + b * z_row + p * width, h_now)
                store(work, c + u, c_now)
                store(work, tanh_c + u, tanh_c_now)
                store(work, z, i)
                store(work, z + width, f)
                store(work, z + 2 * width, g)
                store(work, z + 3 * width, o)

    return lstm_forward


@out_of_line("p iiii iiii")
def lstm_backward(version):
    def lstm_backward(work, n, n_blocks, gates, panel, c_before, tanh_c, dh, dc):
        """Take the gradient of `n` sequences back by a step.

        Parameters as in `lstm_forward`, and:

        gates : int
            Activations on entry, gradients of the pre-activations on return.
        dh : int
            Rows of the gradient of the hidden state; read.
        dc : int
            Rows of the gradient of the cell state: that of this step but for the part
            that comes through h on entry, that of the step before on return.
        """
        version  # noqa: B018
        width = lanes(work)
        for p in range(n_blocks):
            for b in range(n):
                z = gates + p * panel + b * N_GATES * width
                u = (b * n_blocks + p) * width
                i = load(work, z)
                f = load(work, z + width)
                g = load(work, z + 2 * width)
                o = load(work, z + 3 * width)
                tanh_c_now = load(work, tanh_c + u)
                dh_now = load(work, dh + u)

                do = dh_now * tanh_c_now
                dc_now = fma(
                    dh_now * o, 1.0 - tanh_c_now * tanh_c_now, load(work, dc + u)
                )
                di = dc_now * g
                df = dc_now * load(work, c_before + u)
                dg = dc_now * i

                store(work, dc + u, dc_now * f)
                store(work, z, di * i * (1.0 - i))
                store(work, z + width, df * f * (1.0 - f))
                store(work, z + 2 * width, dg * (1.0 - g * g))
                store(work, z + 3 * width, do * o * (1.0 - o))

    return lstm_backward
