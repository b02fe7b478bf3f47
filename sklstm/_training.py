"""The epoch loop: minibatches, optimizer steps, and when to stop."""

import math
import time
import warnings
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklstm._optimizers import LearningRate
from sklstm._sequences import Sequences
from sklstm.kernels.dropout import keys_of, mixed
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
    identities : array of uint64 (n_samples,), optional
        What tells one sample from another, for dropout, where there is any.
    """

    sequences: Sequences
    targets: np.ndarray
    weights: np.ndarray
    weight_unit: float
    rows: np.ndarray
    identities: np.ndarray | None = None

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

    def loss_and_gradient(self, parameters, batch, dropout_keys):
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
            dropout_keys,
        )
        loss *= unit
        if self.alpha > 0:
            held = np.where(self.penalised, parameters, 0)
            gradient += self.alpha / unit * held
            loss += 0.5 * self.alpha * float(np.square(held, dtype=np.float64).sum())
        weight = float(self.samples.weights[batch].sum())
        gradient /= weight / unit
        return loss, weight, gradient

    def draw_seed(self, random_state):
        """Return the seed of dropout; 0 where there is none."""
        return 0 if self.samples.identities is None else random_state.randint(2**31)

    def dropout_keys(self, seed, epoch):
        """Return what the dropout of each sample depends on in an epoch, if any."""
        identities = self.samples.identities
        return None if identities is None else keys_of(mixed(seed, epoch), identities)

    def outputs_are_finite(self, parameters):
        """Whether the network gives numbers for all samples."""
        largest = np.abs(parameters).max()
        if largest < LARGE or not math.isfinite(largest):
            return largest < LARGE
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


class Epoch(NamedTuple):
    """An epoch that came to its end.

    Attributes
    ----------
    loss, gradient_norm : float
        Means over its minibatches.
    score : float or None
        On the validation data, where there is any.
    n_seen : int
        Samples seen by then.
    best : float
        The least cost by then: a loss, or with validation data minus a score.
    """

    loss: float
    gradient_norm: float
    score: float | None
    n_seen: int
    best: float


@dataclass
class Progress:
    """How far training has come, to go on from.

    Attributes
    ----------
    optimizer : optimizer
    epochs : list of Epoch
        An epoch is one entry, so that whatever interrupts training finds all that is
        said of an epoch, or nothing.
    n_bad : int
        Epochs in a row that did not improve on the best by `tol`.
    """

    optimizer: object
    epochs: list[Epoch] = field(default_factory=list)
    n_bad: int = 0

    def copy(self):
        """Return a copy, to go on by itself."""
        return Progress(deepcopy(self.optimizer), self.epochs.copy(), self.n_bad)

    @property
    def n_seen(self):
        """How many samples have been seen."""
        return self.epochs[-1].n_seen if self.epochs else 0

    @property
    def losses(self):
        """The loss of each epoch."""
        return [epoch.loss for epoch in self.epochs]

    @property
    def gradient_norms(self):
        """The mean norm of the gradients of each epoch."""
        return [epoch.gradient_norm for epoch in self.epochs]

    @property
    def validation_scores(self):
        """The score of each epoch that had validation data."""
        return [epoch.score for epoch in self.epochs if epoch.score is not None]

    def best(self, scored):
        """Return the least cost so far: of scores, if `scored`, else of losses.

        Scores and losses cannot be compared: where training goes on with the other of
        the two, the scores begin anew, and the losses are all there.
        """
        if self.epochs and scored == (self.epochs[-1].score is not None):
            return self.epochs[-1].best
        return math.inf if scored else min(self.losses, default=math.inf)

    def add(self, loss, gradient_norm, score, n_samples, tol):
        """Count an epoch."""
        best = self.best(score is not None)
        cost = loss if score is None else -score
        if self.epochs and (score is None) != (self.epochs[-1].score is None):
            self.n_bad = 0
        n_bad = self.n_bad + 1 if cost > best - tol else 0
        n_seen, best = self.n_seen + n_samples, min(cost, best)
        self.epochs.append(Epoch(loss, gradient_norm, score, n_seen, best))
        self.n_bad = n_bad


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


# From a warning up to the call of fit, past the decorators of scikit-learn.
STACK_LEVEL = 6


class Training:
    """Epochs of minibatches, from where an estimator's training has come to.

    Parameters
    ----------
    objective : Objective
    progress : Progress
        Where to go on from; brought up to date.
    parameters : array (n_parameters,)
        Trained in place.
    schedule : Schedule
    random_state : RandomState
    interrupts : Interrupts
    validation_score : callable, optional
        Called after each epoch, without arguments; training stops when it no longer
        rises, and goes back to the parameters of the best epoch. Without it, training
        stops when the loss no longer falls, and the last parameters stay. A learning
        rate that has an end of its own is gone on with to there.
    epochs : object, optional
        Its ``begin()`` and ``end(parameters)`` are called before and after each epoch,
        the latter with those that are left if training stops there, which it does
        where True is returned.
    """

    def __init__(
        self,
        objective,
        progress,
        parameters,
        schedule,
        random_state,
        interrupts,
        validation_score=None,
        epochs=None,
    ):
        self._objective, self._progress = objective, progress
        self._parameters, self._schedule = parameters, schedule
        self._random_state, self._interrupts = random_state, interrupts
        self._validation_score, self._epochs = validation_score, epochs
        scored = validation_score is not None
        self._n_before = len(progress.epochs)
        # Parameters after an epoch, to go back to: of the last, and of the best.
        self._last = parameters.copy() if progress.epochs else None
        self._best = parameters.copy() if progress.best(scored) < math.inf else None
        self._norm = math.nan  # of the last gradient

    @property
    def _n_epochs(self):
        """How many have come to their end."""
        return len(self._progress.epochs) - self._n_before

    def run(self):
        """Train; return how many epochs came to their end.

        Ctrl-C ends training, with a warning. So does what is not finite, once the
        parameters are again those of the last epoch that gave numbers.

        Raises
        ------
        ValueError
            If there is no epoch to go back to.
        """
        fresh_optimizer = deepcopy(self._progress.optimizer)
        diverged = None
        try:
            if not self._run_epochs():
                _warn_at_end(self._schedule)
        except KeyboardInterrupt:
            warnings.warn(
                f"Training was interrupted in epoch {self._n_epochs + 1}: the model is "
                "what it was trained to by then.",
                stacklevel=STACK_LEVEL,
            )
            # The check at the end of the epoch may not have been reached.
            if not self._objective.outputs_are_finite(self._parameters):
                diverged = Diverged("outputs were not finite where it was interrupted")
        except Diverged as error:
            diverged = error
        if diverged is not None:
            self._go_back(diverged)
            self._progress.optimizer = fresh_optimizer
        if self._validation_score is not None and self._best is not None:
            self._parameters[:] = self._best
        return self._n_epochs

    def _run_epochs(self):
        """Train for all epochs; return whether something ends it before `max_iter`."""
        progress, schedule = self._progress, self._schedule
        seed = self._objective.draw_seed(self._random_state)
        for n_epochs in range(1, schedule.max_iter + 1):
            begin = time.perf_counter()
            if self._epochs is not None:
                self._epochs.begin()
            left = self._run_epoch(
                self._objective.dropout_keys(seed, len(progress.epochs))
            )
            if schedule.verbose:
                line = _line(n_epochs, progress.epochs[-1])
                print(f"{line}, {time.perf_counter() - begin:.2f} s")
            if self._epochs is not None and self._epochs.end(left):
                return True
            if progress.n_bad > schedule.n_iter_no_change:
                if not schedule.learning_rate.go_on():
                    return True
                progress.n_bad = 0
        return False

    def _run_epoch(self, dropout_keys):
        """Train for an epoch; return the parameters to leave if it is the last."""
        loss, norm, n_samples = self._run_minibatches(dropout_keys)
        scored = self._validation_score is not None
        score = self._validation_score() if scored else None
        self._last = self._parameters.copy()
        if scored and -score < self._progress.best(scored):
            self._best = self._last
        self._progress.add(loss, norm, score, n_samples, self._schedule.tol)
        return self._best if scored else self._last

    def _run_minibatches(self, dropout_keys):
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
        objective, parameters = self._objective, self._parameters
        schedule, rate = self._schedule, self._schedule.learning_rate
        optimizer, n_seen = self._progress.optimizer, self._progress.n_seen
        rows = objective.samples.rows
        order = self._random_state.permutation(rows) if schedule.shuffle else rows
        rate.begin_epoch(n_seen)
        total_loss = total_weight = total_norm = n_batches = 0
        # What overflows is told in our own words.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            for start in range(0, len(order), schedule.batch_size):
                batch = order[start : start + schedule.batch_size]
                loss, weight, gradient = objective.loss_and_gradient(
                    parameters, batch, dropout_keys
                )
                norm = self._norm = _clip(gradient, schedule.max_grad_norm)
                if not (math.isfinite(loss) and math.isfinite(norm)):
                    raise Diverged(f"the loss is {loss / weight}")
                optimizer.step(
                    parameters, gradient, rate.at(n_seen + start, len(batch))
                )
                total_loss += loss
                total_weight += weight
                total_norm += norm
                n_batches += 1
                self._interrupts.raise_again()
        loss, norm = float(total_loss / total_weight), total_norm / n_batches
        if not (optimizer.is_finite() and np.isfinite(parameters).all()):
            raise Diverged(f"the loss is {loss}, but a step is not finite")
        if not objective.outputs_are_finite(parameters):
            raise Diverged("the loss was finite, but not the outputs after its epoch")
        return loss, norm, len(order)

    def _go_back(self, diverged):
        """Go back to the last epoch that gave numbers, and say so."""
        advice = self._schedule.advice
        found = (
            f"Training diverged in epoch {self._n_epochs + 1}: {diverged}, the norm of "
            f"the gradient {self._norm}"
        )
        if self._last is None:
            raise ValueError(
                f"{found}. No epoch gave numbers, so there is no model. {advice}"
            ) from diverged
        warnings.warn(
            f"{found}. The model is that of the last epoch that gave numbers. {advice}",
            ConvergenceWarning,
            stacklevel=STACK_LEVEL + 1,
        )
        self._parameters[:] = self._last


def _warn_at_end(schedule):
    if schedule.warn_at_end:
        warnings.warn(
            f"Maximum number of epochs (max_iter={schedule.max_iter}) reached and the "
            "optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=STACK_LEVEL + 1,
        )


def _clip(gradient, max_norm):
    """Scale `gradient` to a norm of at most `max_norm`; return the norm before."""
    norm = math.sqrt(sum_of_squares(gradient))
    if max_norm is not None and norm > max_norm:
        gradient *= max_norm / norm
    return norm


def _line(n_epochs, epoch):
    line = f"Epoch {n_epochs}, loss = {epoch.loss:.8f}"
    if epoch.score is not None:
        line += f", validation score = {epoch.score:.6f}"
    return f"{line}, gradient norm = {epoch.gradient_norm:.4g}"
