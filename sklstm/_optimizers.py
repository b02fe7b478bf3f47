"""Optimizers, steps on the flat parameter vector from its gradient; learning rates."""

import math

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

    def go_on_from(self, other):
        """Take over what another optimizer has come to, if it is of this kind."""
        if isinstance(other, Adam):
            self._n_steps = other._n_steps
            self._mean, self._mean_of_squares = other._mean, other._mean_of_squares

    def is_finite(self):
        """Whether all estimates are finite; a parameter whose is not moves no more."""
        return bool(np.isfinite(self._mean_of_squares).all())


class SGD:
    """Gradient descent with momentum, as scikit-learn's MLPs have it.

    The velocity is ``v = momentum * v - learning_rate * gradient`` and the step ``v``,
    or with Nesterov's momentum ``momentum * v - learning_rate * gradient`` of the new
    velocity (Sutskever et al. 2013, eq. 3 and 4, at the point looked ahead to).

    Parameters
    ----------
    n_parameters : int
    dtype : dtype
    momentum : float
    nesterov : bool
    """

    def __init__(self, n_parameters, dtype, momentum, nesterov):
        self._momentum, self._nesterov = momentum, nesterov
        self._velocity = np.zeros(n_parameters, dtype)

    def step(self, parameters, gradient, learning_rate):
        """Move `parameters` by a step, in place."""
        self._velocity *= self._momentum
        self._velocity -= learning_rate * gradient
        if self._nesterov:
            parameters += self._momentum * self._velocity - learning_rate * gradient
        else:
            parameters += self._velocity

    def go_on_from(self, other):
        """Take over what another optimizer has come to, if it is of this kind."""
        if isinstance(other, SGD):
            self._velocity = other._velocity

    def is_finite(self):
        """Whether all velocities are finite."""
        return bool(np.isfinite(self._velocity).all())


class LearningRate:
    """How large a step is, as training goes on.

    Parameters
    ----------
    schedule : {"constant", "invscaling", "adaptive", "cosine"}
    initial : float
    power_t : float
        Of "invscaling": the rate of an epoch is ``initial / (t + 1) ** power_t``, where
        `t` is how many samples have been seen before it.
    start, total : int
        Of "cosine": how many samples have been seen before the first step, and how many
        there are to see. The rate goes up to `initial` in the first 5 % of them, and
        down along half a cosine (Loshchilov & Hutter 2017, eq. 5, without restarts).
    """

    WARM_UP = 0.05
    SMALLEST = 1e-6  # of "adaptive", as in scikit-learn's MLPs

    def __init__(self, schedule, initial, power_t, start, total):
        self._schedule, self._power_t = schedule, power_t
        self._initial = self._current = initial
        self._start, self._total = start, total

    def begin_epoch(self, t):
        """Take note that an epoch begins after `t` samples."""
        if self._schedule == "invscaling":
            self._current = self._initial * (t + 1) ** -self._power_t

    def at(self, t, n):
        """Return the rate of a step on `n` samples, `t` of which were seen before."""
        if self._schedule != "cosine":
            return self._current
        before = (t - self._start) / self._total
        after = before + n / self._total
        down = 0.5 * (1 + math.cos(math.pi * before))
        return self._initial * min(1.0, after / self.WARM_UP) * down

    def go_on(self):
        """Return whether to go on where neither loss nor score improves any longer.

        "adaptive" does so with a fifth of the rate, "cosine" to its end.
        """
        if self._schedule == "cosine":
            return True
        if self._schedule != "adaptive" or self._current <= self.SMALLEST:
            return False
        self._current /= 5
        return True
