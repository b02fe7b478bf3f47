"""Optimizers: a step on the flat parameter vector from its flat gradient."""

import numpy as np

from sklstm.kernels.flat import adam


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1).

    Parameters
    ----------
    n_parameters : int
    dtype : dtype
    beta_1, beta_2 : float
        Decay of the estimates of the gradient's first and second moment.
    epsilon : float
        Added to the root of the second moment.
    """

    def __init__(self, n_parameters, dtype, beta_1, beta_2, epsilon):
        self._beta_1, self._beta_2, self._epsilon = beta_1, beta_2, epsilon
        self._n_steps = 0
        self._mean = np.zeros(n_parameters, dtype)
        self._mean_of_squares = np.zeros(n_parameters, dtype)

    def step(self, parameters, gradient, learning_rate):
        """Move `parameters` by a step, in place."""
        self._n_steps += 1
        mean_unbiased = 1 / (1 - self._beta_1**self._n_steps)
        square_unbiased = 1 / (1 - self._beta_2**self._n_steps)
        constants = (
            self._beta_1,
            1 - self._beta_1,
            self._beta_2,
            1 - self._beta_2,
            learning_rate * mean_unbiased,
            square_unbiased,
            self._epsilon,
        )
        adam(
            parameters,
            gradient,
            self._mean,
            self._mean_of_squares,
            np.array(constants, self._mean.dtype),
        )

    def is_finite(self):
        """Whether all estimates are finite; a parameter whose is not moves no more."""
        return bool(np.isfinite(self._mean_of_squares).all())
