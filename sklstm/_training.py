"""The epoch loop: minibatches, optimizer steps, and when to stop."""

import math
import time
import warnings
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklstm._optimizers import LearningRate
from sklstm._sequences import Sequences
from sklstm.kernels.flat import sum_of_squares

# Below this the outputs for samples whose loss was finite are so too; parameters of a
# network that learns rarely reach it.
LARGE = 100.0


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
    dropout : bool
        Whether there is any.
    """

    engine: object
    samples: Samples
    alpha: float
    penalised: np.ndarray
    dropout: bool

    def loss_and_gradient(self, parameters, batch, seed):
        """Return loss and weight of a minibatch, sums, and the gradient of its mean.

        As in scikit-learn's MLPs, the penalty ``alpha / 2 * |parameters|^2`` stands
        beside the sum of the losses, so that it weighs less the larger a minibatch is.
        """
        weights, unit = self._weights_and_unit(batch)
        loss, gradient = self.engine.loss_and_gradient(
            parameters,
            self.samples.sequences,
            batch,
            self.samples.targets,
            weights,
            seed,
        )
        loss *= unit
        if self.alpha > 0:
            held = np.where(self.penalised, parameters, 0)
            gradient += self.alpha / unit * held
            loss += 0.5 * self.alpha * float(np.square(held, dtype=np.float64).sum())
        weight = float(self.samples.weights[batch].sum())
        gradient /= weight / unit
        return loss, weight, gradient

    def draw_seed(self, random_state, n_seen):
        """Return the seed of an epoch's dropout; 0 where there is none."""
        if not self.dropout:
            return 0
        return int(random_state.randint(2**31)) * 2**31 + n_seen % 2**31

    def outputs_are_finite(self, parameters):
        """Whether the network gives numbers for all samples."""
        if np.abs(parameters).max() < LARGE:
            return True
        sequences = self.samples.sequences.take(self.samples.rows)
        return bool(np.isfinite(self.engine.predict(parameters, sequences)).all())

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
class Progress:
    """How far training has come, to go on from.

    Attributes
    ----------
    optimizer : optimizer
    n_seen : int
        Samples seen.
    losses, gradient_norms, validation_scores : list of float
        An entry an epoch.
    best : float
        The least cost of an epoch: its loss, or minus its validation score.
    n_bad : int
        Epochs in a row that did not improve on the best by `tol`.
    """

    optimizer: object
    n_seen: int = 0
    losses: list[float] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)
    best: float = math.inf
    n_bad: int = 0

    def copy(self):
        """Return a copy, to go on by itself."""
        return deepcopy(self)

    def add_cost(self, cost, tol):
        """Count an epoch; return whether it is the best one so far."""
        self.n_bad = self.n_bad + 1 if cost > self.best - tol else 0
        is_best = cost < self.best
        self.best = min(cost, self.best)
        return is_best


@dataclass(frozen=True, eq=False)
class Schedule:
    """How to train; fields of their names are the estimators' parameters."""

    learning_rate: LearningRate
    max_iter: int
    batch_size: int
    shuffle: bool
    max_grad_norm: float | None
    tol: float
    n_iter_no_change: int
    verbose: bool
    advice: str  # on what may keep training from diverging
    warn_at_end: bool = True  # where max_iter ends training


class Diverged(ArithmeticError):
    """The loss, the gradient, a parameter or an output is no longer finite."""


def train(
    objective,
    progress,
    parameters,
    schedule,
    random_state,
    validation_score=None,
    epochs=None,
):
    """Train `parameters`, in place, for some epochs.

    Ctrl-C ends training, with a warning. So does what is not finite, once the
    parameters are again those of the last epoch that gave numbers.

    Parameters
    ----------
    objective : Objective
    progress : Progress
        Where to go on from; brought up to date.
    parameters : array (n_parameters,)
    schedule : Schedule
    random_state : RandomState
    validation_score : callable, optional
        Called after each epoch, without arguments; training stops when it no longer
        rises, and goes back to the parameters of the best epoch. Without it, training
        stops when the loss no longer falls, and the last parameters stay.
    epochs : object, optional
        Its ``begin()`` and ``end()`` are called before and after each epoch; training
        stops where the latter returns True.

    Returns
    -------
    n_epochs : int
        Those that came to their end.

    Raises
    ------
    ValueError
        If there is no epoch to go back to.
    """
    fresh_optimizer = deepcopy(progress.optimizer)
    last = before_last = None
    best = None if progress.best == math.inf else parameters.copy()
    n_epochs = 0
    try:
        while n_epochs < schedule.max_iter:
            begin = time.perf_counter()
            if epochs is not None:
                epochs.begin()
            loss, norm, n_samples = _run_epoch(
                objective, progress, parameters, schedule, random_state
            )
            cost = loss
            if validation_score is not None:
                score = validation_score()
                progress.validation_scores.append(score)
                cost = -score
            progress.losses.append(loss)
            progress.gradient_norms.append(norm)
            progress.n_seen += n_samples
            n_epochs += 1
            before_last, last = last, parameters.copy()
            if progress.add_cost(cost, schedule.tol):
                best = last
            if schedule.verbose:
                print(_line(n_epochs, progress, time.perf_counter() - begin))
            if epochs is not None and epochs.end():
                break
            if progress.n_bad > schedule.n_iter_no_change:
                if not schedule.learning_rate.lower():
                    break
                progress.n_bad = 0
        else:
            _warn_at_end(schedule)
        if not objective.outputs_are_finite(parameters):
            raise Diverged("the loss was finite, but not the outputs after its epoch")
    except KeyboardInterrupt:
        warnings.warn(
            f"Training was interrupted in epoch {n_epochs + 1}: the model is what it "
            "was trained to by then.",
            stacklevel=STACK_LEVEL,
        )
    except Diverged as error:
        kept = [p for p in (last, before_last) if p is not None]
        kept = [p for p in kept if objective.outputs_are_finite(p)]
        found = f"Training diverged in epoch {n_epochs + 1}: {error}"
        if not kept:
            raise ValueError(f"{found}. {schedule.advice}") from error
        warnings.warn(
            f"{found}. The model is that of the last epoch that gave numbers. "
            f"{schedule.advice}",
            ConvergenceWarning,
            stacklevel=STACK_LEVEL,
        )
        parameters[:] = kept[0]
        progress.optimizer = fresh_optimizer
    if validation_score is not None and best is not None:
        parameters[:] = best
    return n_epochs


# From a warning up to the call of fit, past the decorators of scikit-learn.
STACK_LEVEL = 6


def _warn_at_end(schedule):
    if schedule.warn_at_end:
        warnings.warn(
            f"Maximum number of epochs (max_iter={schedule.max_iter}) reached and the "
            "optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=STACK_LEVEL + 1,
        )


def _run_epoch(objective, progress, parameters, schedule, random_state):
    """Take a step for each minibatch.

    Returns
    -------
    loss, norm : float
        The mean loss, and the mean norm of the minibatches' gradients.
    n_samples : int

    Raises
    ------
    Diverged
    """
    rows = objective.samples.rows
    order = random_state.permutation(rows) if schedule.shuffle else rows
    seed = objective.draw_seed(random_state, progress.n_seen)
    rate = schedule.learning_rate
    rate.begin_epoch(progress.n_seen)
    total_loss = total_weight = total_norm = n_batches = 0
    # What overflows is told in our own words.
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        for start in range(0, len(order), schedule.batch_size):
            batch = order[start : start + schedule.batch_size]
            loss, weight, gradient = objective.loss_and_gradient(
                parameters, batch, seed
            )
            norm = _clip(gradient, schedule.max_grad_norm)
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise Diverged(
                    f"the loss is {loss / weight}, the norm of the gradient {norm}"
                )
            step = rate.at(progress.n_seen + start, len(batch))
            progress.optimizer.step(parameters, gradient, step)
            total_loss += loss
            total_weight += weight
            total_norm += norm
            n_batches += 1
    loss, norm = float(total_loss / total_weight), total_norm / n_batches
    if not (progress.optimizer.is_finite() and np.isfinite(parameters).all()):
        raise Diverged(
            f"the loss is {loss}, the norm of the gradient {norm}, and a step is not "
            "finite"
        )
    return loss, norm, len(order)


def _clip(gradient, max_norm):
    """Scale `gradient` to a norm of at most `max_norm`; return the norm before."""
    norm = math.sqrt(sum_of_squares(gradient))
    if max_norm is not None and norm > max_norm:
        gradient *= max_norm / norm
    return norm


def _line(epoch, progress, seconds):
    line = f"Epoch {epoch}, loss = {progress.losses[-1]:.8f}"
    if progress.validation_scores:
        line += f", validation score = {progress.validation_scores[-1]:.6f}"
    norm = progress.gradient_norms[-1]
    return line + f", gradient norm = {norm:.4g}, {seconds:.2f} s"
