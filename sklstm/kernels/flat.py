"""Work on flat vectors between two gradients: their norm, and the step of Adam."""

import functools

import numpy as np

from sklstm.kernels import entry_point, inner
from sklstm.kernels.simd import (
    flush_denormals,
    lanes,
    load_part,
    pointer,
    restore_denormals,
    sqrt,
    store_part,
)


@entry_point
def sum_of_squares(version):
    def sum_of_squares(values):
        """Return the sum of the squares of an array, in float64."""
        version  # noqa: B018
        return _sum_of_squares(pointer(values), len(values))

    return sum_of_squares


# Only a sum that may be taken in another order can be taken in vectors.
@functools.partial(inner, fastmath={"reassoc", "contract"})
def _sum_of_squares(values, n):
    total = 0.0
    for i in range(n):
        value = np.float64(values[i])
        total += value * value
    return total


@entry_point
def adam(version):
    def adam(parameters, gradient, mean, mean_of_squares, constants):
        """Take a step of Adam (Kingma & Ba 2015, algorithm 1).

        Parameters
        ----------
        parameters : array (n_parameters,)
            Read and written: theta.
        gradient : array (n_parameters,)
            Read: g.
        mean, mean_of_squares : array (n_parameters,)
            Read and written: m, v.
        constants : array of the dtype of the others (7,)
            Read: beta_1, 1 - beta_1, beta_2, 1 - beta_2, then the learning rate and
            the factor of v that take their bias from the estimates, and epsilon.
        """
        version  # noqa: B018
        theta, g = pointer(parameters), pointer(gradient)
        m, v = pointer(mean), pointer(mean_of_squares)
        beta_1, rest_1, beta_2, rest_2, rate, unbiased, epsilon = (
            constants[0], constants[1], constants[2], constants[3], constants[4],
            constants[5], constants[6],
        )  # fmt: skip
        width = lanes(theta)
        mode = flush_denormals()
        for i in range(0, len(parameters), width):
            n = len(parameters) - i if len(parameters) - i < width else width
            g_i = load_part(g, i, n)
            m_i = beta_1 * load_part(m, i, n) + rest_1 * g_i
            v_i = beta_2 * load_part(v, i, n) + rest_2 * (g_i * g_i)
            step = rate * m_i / (sqrt(v_i * unbiased) + epsilon)
            store_part(theta, i, load_part(theta, i, n) - step, n)
            store_part(m, i, m_i, n)
            store_part(v, i, v_i, n)
        restore_denormals(mode)

    return adam
