"""Work on flat vectors between two gradients: their norm, and the step of Adam."""

import functools

import numpy as np

from sklstm.kernels import entry_point, inner
from sklstm.kernels.simd import lanes, load, pointer, sqrt, store


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
        n = len(parameters)
        whole = n - n % lanes(theta)
        for i in range(0, whole, lanes(theta)):
            theta_i, m_i, v_i = _adam(
                load(theta, i), load(g, i), load(m, i), load(v, i), constants
            )
            store(theta, i, theta_i)
            store(m, i, m_i)
            store(v, i, v_i)
        for i in range(whole, n):
            theta[i], m[i], v[i] = _adam(theta[i], g[i], m[i], v[i], constants)

    return adam


@functools.partial(inner, error_model="numpy")
def _adam(theta, g, m, v, constants):
    m = constants[0] * m + constants[1] * g
    v = constants[2] * v + constants[3] * (g * g)
    step = constants[4] * m / (sqrt(v * constants[5]) + constants[6])
    return theta - step, m, v
