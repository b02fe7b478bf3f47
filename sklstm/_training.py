"""The epoch loop: minibatches, optimizer steps, and when to stop."""

import math
import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklstm._sequences import Sequences
from sklstm.kernels.flat import sum_of_squares


@dataclass(frozen=True, eq=False)
class Samples:
    """Some of the samples that were given.

    Parameters
    ----------
    sequences : Sequences
        Of all samples that were given, as is all but `rows`.
    targets : array (n_samples,) or (n_samples, n_targets)
        As they were given, or as the kernel is trained on them.
    weights : array of float64 (n_samples,)
        Above zero at `rows`, in units of `weight_unit`.
    weight_unit : float
    rows : array of int
        Which samples these are.
    """

    sequences: Sequences
    targets: np.ndarray
    weights: np.ndarray
    weight_unit: float
    rows: np.ndarray

    def __len__(self):
        return len(self.rows)

    def at(self, rows):
        """Return the samples at other `rows`."""
        return replace(self, rows=rows)


@dataclass(frozen=True, eq=False)
class Objective:
    """What training makes small: the losses of samples, and a penalty.

    Parameters
    ----------
    engine : engine
        Gives losses and gradients.
    samples : Samples
        With targets as the kernel is trained on them.
    alpha : float
        The strength of the penalty, in units of the samples' weights.
    penalised : array of bool (n_parameters,)
        Which parameters the penalty is on.
    """

    engine: object
    samples: Samples
    alpha: float
    penalised: np.ndarray

    def loss_and_gradient(self, parameters, batch):
        """Return loss and weight of a minibatch, sums, and the gradient of its mean.

        As in scikit-learn's MLPs, the penalty ``alpha / 2 * |parameters|^2`` stands
        beside the sum of the losses, so that it weighs less the larger a minibatch is.
        """
        weights, unit = self._weights_and_unit(batch)
        loss, gradient = self.engine.loss_and_gradient(
            parameters, self.samples.sequences, batch, self.samples.targets, weights
        )
        loss *= unit
        if self.alpha > 0:
            held = np.where(self.penalised, parameters, 0)
            gradient += self.alpha / unit * held
            loss += 0.5 * self.alpha * float(np.square(held, dtype=np.float64).sum())
        weight = float(self.samples.weights[batch].sum())
        gradient /= weight / unit
        return loss, weight, gradient

    def _weights_and_unit(self, batch):
        """Return weights of which the largest in a minibatch is near 1, in a unit.

        Weights that are tiny beside the largest of all would vanish in float32. The
        unit is a power of two, so that no bit of others changes.
        """
        if not self._unequal:
            return self.samples.weights, 1.0
        weights = self.samples.weights[batch]
        unit = math.ldexp(1.0, math.frexp(weights.max())[1])
        self._scaled[batch] = weights / unit
        return self._scaled, unit

    @cached_property
    def _unequal(self):
        weights = self.samples.weights[self.samples.rows]
        return weights.min() < weights.max()

    @cached_property
    def _scaled(self):
        return np.empty_like(self.samples.weights)


@dataclass
class History:
    """What training leaves behind beside the parameters, an entry an epoch."""

    losses: list[float] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Schedule:
    """How to train; the fields are the estimators' parameters of these names."""

    learning_rate_init: float
    max_iter: int
    batch_size: int
    shuffle: bool
    max_grad_norm: float | None
    tol: float
    n_iter_no_change: int
    verbose: bool


class Diverged(ArithmeticError):
    """The loss, the gradient or a parameter is no longer finite."""


class BadEpochs:
    """Counts epochs in a row that did not improve on the best by `tol`."""

    def __init__(self, tol):
        self._tol = tol
        self.best = math.inf
        self.count = 0

    def add(self, cost):
        """Count an epoch; return whether it is the best one so far."""
        self.count = self.count + 1 if cost > self.best - self._tol else 0
        if cost < self.best:
            self.best = cost
            return True
        return False


def train(
    objective, optimizer, parameters, schedule, random_state, validation_score=None
):
    """Train `parameters`, in place.

    Parameters
    ----------
    objective : Objective
    optimizer : optimizer
    parameters : array (n_parameters,)
    schedule : Schedule
    random_state : RandomState
    validation_score : callable, optional
        Called after each epoch, without arguments; training stops when it no longer
        rises, and goes back to the parameters of the best epoch. Without it, training
        stops when the loss no longer falls, and the last parameters stay.

    Returns
    -------
    history : History

    Raises
    ------
    Diverged
    """
    history = History()
    bad_epochs = BadEpochs(schedule.tol)
    best_parameters = parameters
    rows = objective.samples.rows
    for epoch in range(1, schedule.max_iter + 1):
        order = random_state.permutation(rows) if schedule.shuffle else rows
        # What overflows is told in our own words.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            loss, norm = _run_epoch(objective, order, optimizer, parameters, schedule)
        _refuse_divergence(epoch, loss, norm, parameters, optimizer)
        history.losses.append(loss)
        history.gradient_norms.append(norm)
        cost = history.losses[-1]
        if validation_score is not None:
            history.validation_scores.append(validation_score())
            cost = -history.validation_scores[-1]
        if schedule.verbose:
            print(_line(epoch, history))
        if bad_epochs.add(cost) and validation_score is not None:
            best_parameters = parameters.copy()
        if bad_epochs.count > schedule.n_iter_no_change:
            break
    else:
        warnings.warn(
            f"Maximum number of epochs (max_iter={schedule.max_iter}) reached and the "
            "optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=6,
        )
    parameters[:] = best_parameters
    return history


def _run_epoch(objective, order, optimizer, parameters, schedule):
    """Take a step for each minibatch; return the mean loss and gradient norm.

    Ends at the first loss or norm that is not finite, and returns these.
    """
    total_loss = total_weight = total_norm = n_batches = 0
    for start in range(0, len(order), schedule.batch_size):
        batch = order[start : start + schedule.batch_size]
        loss, weight, gradient = objective.loss_and_gradient(parameters, batch)
        norm = _clip(gradient, schedule.max_grad_norm)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            return loss / weight, norm
        optimizer.step(parameters, gradient, schedule.learning_rate_init)
        total_loss += loss
        total_weight += weight
        total_norm += norm
        n_batches += 1
    return float(total_loss / total_weight), total_norm / n_batches


def _clip(gradient, max_norm):
    """Scale `gradient` to a norm of at most `max_norm`; return the norm before."""
    norm = math.sqrt(sum_of_squares(gradient))
    if max_norm is not None and norm > max_norm:
        gradient *= max_norm / norm
    return norm


def _refuse_divergence(epoch, loss, norm, parameters, optimizer):
    finite = math.isfinite(loss) and math.isfinite(norm)
    if finite and optimizer.is_finite() and np.isfinite(parameters).all():
        return
    step = ", and a step is not finite" if finite else ""
    raise Diverged(
        f"Training diverged in epoch {epoch}: the loss is {loss}, the norm of the "
        f"gradient {norm}{step}."
    )


def _line(epoch, history):
    line = f"Epoch {epoch}, loss = {history.losses[-1]:.8f}"
    if history.validation_scores:
        line += f", validation score = {history.validation_scores[-1]:.6f}"
    return line
