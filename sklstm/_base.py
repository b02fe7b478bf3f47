"""What both estimators share: everything but parameters, documentation and targets."""

import math
import os
import sys
import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Mapping, Set
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from joblib import effective_n_jobs  # scikit-learn requires joblib
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import check_is_fitted

from sklstm._network import Network
from sklstm._optimizers import Adam
from sklstm._sequences import validate_sequences
from sklstm._targets import check_weights
from sklstm._training import Diverged, Objective, Samples, Schedule, train
from sklstm.engines.cpu import CPUEngine
from sklstm.streaming import LastSteps, RunningSteps, Stream


class BaseLSTM(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, metaclass=ABCMeta
):
    """Sequences in, a trained network, and what it makes of sequences."""

    _parameter_constraints = {
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "bidirectional": ["boolean"],
        "head_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "n_channels": [Interval(Integral, 1, None, closed="left"), None],
        "window": [Interval(Integral, 1, None, closed="left"), None],
        "group_column": [str, Integral, None],
        "solver": [StrOptions({"adam"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "dtype": [StrOptions({"float32", "float64"})],
        "n_jobs": [Integral, None],
    }

    @abstractmethod
    def _make_targets(self, training):
        """Return what turns the targets of `training` into the kernel's and back."""

    @abstractmethod
    def _check_y(self, y, n_samples):
        """Return `y` validated."""

    @staticmethod
    @abstractmethod
    def _score(y, prediction, weights):
        """Return the score that early stopping watches."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the network to sequences X and targets y.

        Parameters
        ----------
        X : array-like or list of array-likes
            The sequences: 3-D ``(n_samples, n_steps, n_channels)``; a list of arrays
            ``(n_steps_i, n_channels)`` or ``(n_steps_i,)``; 2-D ``(n_samples,
            n_features)``, each row a sequence; or with `window` 2-D ``(n_steps,
            n_features)``, each row a step.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            One target, or several, for each sequence (with `window`: for each row).
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, at least 0; None means equal weights. With `window`
            a row of weight 0 still is context for the rows that follow it.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError or TypeError
            If an argument or parameter cannot be used; the message names it.
        """
        # What was fitted before stays whole until the new fit is, for whoever predicts
        # meanwhile, and where there is none.
        fitted = self._twin()
        fitted._fit(X, y, sample_weight)
        self.__dict__ = vars(fitted)
        return self

    def _fit(self, X, y, sample_weight):
        samples = self._check_data(X, y, sample_weight)
        random_state = check_random_state(self.random_state)
        training, held_out = self._split(samples, random_state)
        self._targets = self._make_targets(training)
        self._network = self._make_network(samples.sequences.n_channels)
        self._parameters = self._network.initialise(random_state, np.dtype(self.dtype))
        history = self._train(training, held_out, random_state)
        self._set_fitted_attributes(history, len(training))

    def _twin(self):
        """Return an estimator that shares all that this one holds at this moment."""
        twin = object.__new__(type(self))
        twin.__dict__ = vars(self).copy()
        return twin

    def _check_data(self, X, y, sample_weight):
        """Return all samples that have a weight."""
        sequences = self._sequences(X, reset=True)
        y = self._check_y(y, len(sequences))
        weights, unit = check_weights(sample_weight, len(sequences))
        # What has no weight takes no part, as if it were not there.
        return Samples(sequences, y, weights, unit, rows=np.flatnonzero(weights))

    def _make_network(self, n_channels):
        """Return the network, as `hidden_layer_sizes` and so on have it."""
        hidden_layer_sizes = _layer_sizes("hidden_layer_sizes", self.hidden_layer_sizes)
        if not hidden_layer_sizes:
            raise ValueError(
                "hidden_layer_sizes is empty: expected at least one layer."
            )
        network = Network(
            n_channels,
            hidden_layer_sizes,
            self.bidirectional,
            _layer_sizes("head_layer_sizes", self.head_layer_sizes),
            self._targets.n_outputs,
        )
        self._refuse_too_large(network)
        return network

    def _train(self, training, held_out, random_state):
        """Train the parameters; return the history."""
        dtype = self._parameters.dtype
        encoded = self._targets.encode(training.targets, training.rows, dtype)
        optimizer = Adam(
            len(self._parameters),
            dtype,
            self._float("beta_1"),
            self._float("beta_2"),
            self._float("epsilon"),
        )
        with self._engine() as engine:
            objective = Objective(
                engine,
                replace(training, targets=encoded),
                self._penalty(training.weight_unit),
                self._network.penalised(),
            )

            def validation_score():
                raw = engine.predict(
                    self._parameters, held_out.sequences.take(held_out.rows)
                )
                return self._score(
                    held_out.targets[held_out.rows],
                    self._targets.decode(raw),
                    held_out.weights[held_out.rows],
                )

            try:
                return train(
                    objective,
                    optimizer,
                    self._parameters,
                    self._schedule(len(training)),
                    random_state,
                    validation_score if self.early_stopping else None,
                )
            except Diverged as error:
                *remedies, last = self._remedies()
                remedies = f"{', to '.join(remedies)}, or to {last}"
                raise ValueError(f"{error} Try to {remedies}.") from error

    def _remedies(self):
        """Return what may keep training from diverging."""
        remedies = {
            "lower learning_rate_init": True,
            "scale X": True,
            "lower alpha": self.alpha > 0,
            "raise epsilon": self.epsilon < 1e-8,
            "clip gradients with max_grad_norm": self.max_grad_norm is None,
        }
        return [remedy for remedy, may_help in remedies.items() if may_help]

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_parameters")

    def predict(self, X):
        """Predict the target of each sequence.

        Parameters
        ----------
        X : array-like or list of array-likes
            Sequences in any of the forms that `fit` takes, with as many channels.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predictions, shaped as `y` was in `fit`. Those of a regressor are
            float64; those of a classifier have the dtype of `classes_`, and for
            multi-label y they are the integers 0 and 1.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError or TypeError
            If X cannot be used, or does not match that of `fit`; the message says why.
        """
        fitted = self._fitted()
        return fitted._targets.decode(fitted._raw_outputs(X))

    def transform(self, X):
        """Return the hidden state that sums each sequence up, to use as features.

        Parameters
        ----------
        X : array-like or list of array-likes
            Sequences in any of the forms that `fit` takes, with as many channels.

        Returns
        -------
        states : ndarray of shape (n_samples, n_directions * n_hidden), dtype float64
            The top layer's hidden state at the last step; with `bidirectional`, next
            to it that of the backward direction at the first step.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError or TypeError
            If X cannot be used, or does not match that of `fit`; the message says why.
        """
        fitted = self._fitted()
        sequences = fitted._sequences(X, reset=False)
        with fitted._engine() as engine:
            return engine.transform(fitted._parameters, sequences).astype(np.float64)

    def stream(self, n_series=1):
        """Predict step by step: return an object that takes the steps as they come.

        It is light and keeps only the state that the steps so far have led to, so that
        a step costs the same however long the series. Its predictions are those of
        `predict`, in the units of y. It sees steps as the network does: in a Pipeline,
        send each step through the transformers first, for example
        ``pipe[-1].stream().predict(pipe[:-1].transform(x))``.

        Parameters
        ----------
        n_series : int, default=1
            Series that run side by side, each with a state of its own.

        Returns
        -------
        stream : Stream
            With `predict`, for a classifier `predict_proba` and `predict_log_proba`,
            `reset`, `get_state` and `set_state`.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError or ValueError
            If `n_series` is not a whole number of at least 1.
        ValueError
            If the network is `bidirectional`: it reads a series from its end.

        Notes
        -----
        With `window`, the last `window` steps are run again for each prediction. The
        stream keeps the weights of the time when it was made.
        """
        fitted = self._fitted()
        if not isinstance(n_series, Integral) or isinstance(n_series, bool):
            raise TypeError(f"n_series must be a whole number: got {n_series!r}.")
        if n_series < 1:
            raise ValueError(f"n_series must be at least 1: got {n_series}.")
        if fitted._network.n_directions == 2:
            raise ValueError(
                "A network with bidirectional=True reads a series from its end, so it "
                "cannot predict step by step: fit with bidirectional=False."
            )
        n_channels = fitted._network.n_channels
        parameters = fitted._parameters
        engine = fitted._engine(n_threads=1)  # so that no thread outlives the stream
        if fitted.window is None:
            steps = RunningSteps(engine, parameters, n_series)
        else:
            steps = LastSteps(engine, parameters, n_series, n_channels, fitted.window)
        return Stream(steps, fitted._targets, n_series, n_channels)

    @property
    def weights_(self):
        """Named weights: writable views into the network's parameters."""
        fitted = self._fitted()
        return fitted._network.views(fitted._parameters)

    @property
    def _n_features_out(self):
        return self._network.n_pooled

    def _fitted(self):
        """Return a twin, which no fit in another thread changes during a call."""
        check_is_fitted(self)
        return self._twin()

    def _raw_outputs(self, X):
        sequences = self._sequences(X, reset=False)
        with self._engine() as engine:
            return engine.predict(self._parameters, sequences)

    def _sequences(self, X, reset):
        return validate_sequences(
            self,
            X,
            dtype=np.dtype(self.dtype) if reset else self._parameters.dtype,
            reset=reset,
            n_channels=self.n_channels,
            window=self.window,
            group_column=self.group_column,
        )

    def _engine(self, n_threads=None):
        return CPUEngine(
            self._network,
            loss=self._targets.loss,
            dtype=self._parameters.dtype,
            n_threads=n_threads or effective_n_jobs(self.n_jobs),
        )

    def _refuse_too_large(self, network):
        """Refuse a network whose training does not fit into the machine's memory."""
        # The parameters, their gradient, and two estimates of the optimizer.
        needed = 4 * network.n_parameters * np.dtype(self.dtype).itemsize
        available = _physical_memory()
        if needed > available:
            raise ValueError(
                f"hidden_layer_sizes={self.hidden_layer_sizes} and head_layer_sizes="
                f"{self.head_layer_sizes} make a network of {network.n_parameters:,} "
                f"parameters. To train it takes at least {needed / 2**30:.3g} GiB, but "
                f"this machine has {available / 2**30:.3g} GiB of memory."
            )

    def _penalty(self, weight_unit):
        """Return alpha in units of the weights, beside whose sum it stands."""
        alpha = self._float("alpha") / weight_unit
        if alpha > float(np.finfo(self.dtype).max):
            raise ValueError(
                f"alpha={self.alpha} is too large for sample_weight of at most "
                f"{weight_unit}: scale sample_weight up, or lower alpha."
            )
        return alpha

    def _schedule(self, n_samples):
        batch_size = 200 if self.batch_size == "auto" else self.batch_size
        if self.batch_size != "auto" and batch_size > n_samples:
            warnings.warn(
                f"batch_size={batch_size} is larger than the {n_samples} samples to "
                "train on. It is going to be clipped.",
                stacklevel=6,
            )
        clip = self.max_grad_norm is not None
        return Schedule(
            learning_rate_init=self._float("learning_rate_init"),
            max_iter=self.max_iter,
            batch_size=min(batch_size, n_samples),
            shuffle=self.shuffle,
            max_grad_norm=self._float("max_grad_norm") if clip else None,
            tol=self._float("tol"),
            n_iter_no_change=self.n_iter_no_change,
            verbose=bool(self.verbose),
        )

    def _float(self, name):
        """Return a parameter as a plain float.

        NumPy's numbers would make float64 of the network's float32. An int may be
        larger than any float, and a long double may leave its range as it is rounded.
        """
        try:
            value = float(getattr(self, name))
        except OverflowError:
            value = math.inf
        if math.isinf(value):
            raise ValueError(
                f"{name} is too large: expected at most {sys.float_info.max}."
            )
        validate_parameter_constraints(
            self._parameter_constraints, {name: value}, type(self).__name__
        )
        return value

    def _split(self, samples, random_state):
        """Return the samples to train on, and those held out for early stopping."""
        if not self.early_stopping:
            return samples, None
        rows, series = samples.rows, samples.sequences.series
        if series is not None:
            train_rows, held_out = _split_series(
                rows, series[rows], self.validation_fraction
            )
        else:
            classes = self._stratify(samples.targets[rows])
            train_rows, held_out = self._split_at_random(rows, classes, random_state)
        if len(held_out) < 2 or len(train_rows) == 0:
            raise ValueError(
                f"early_stopping holds out {len(held_out)} of {len(rows)} samples, too "
                "few to score: raise validation_fraction, or pass more samples."
            )
        return samples.at(train_rows), samples.at(held_out)

    def _split_at_random(self, rows, classes, random_state):
        """Split `rows`, class by class where there are classes."""
        try:
            return train_test_split(
                rows,
                random_state=random_state,
                test_size=self.validation_fraction,
                stratify=classes,
            )
        except ValueError as error:
            stratified = classes is not None
            rare = stratified and 1 in np.unique(classes, return_counts=True)[1]
            remedy = "leave such a class out" if rare else "change validation_fraction"
            cause = str(error).rstrip(".")
            raise ValueError(
                f"early_stopping cannot hold validation_fraction="
                f"{self.validation_fraction} of {len(rows)} samples out: {cause}. Set "
                f"early_stopping=False, {remedy}, or pass more samples."
            ) from error

    def _stratify(self, y):
        """Return the classes that held-out samples are to be drawn from alike."""
        return None

    def _set_fitted_attributes(self, history, n_samples):
        self.n_outputs_ = self._targets.n_outputs
        self.out_activation_ = self._targets.out_activation
        n_recurrent = self._network.n_recurrent // self._network.n_directions
        n_dense = len(self._network.layers) - self._network.n_recurrent
        self.n_layers_ = 1 + n_recurrent + n_dense
        self.n_iter_ = len(history.losses)
        self.t_ = self.n_iter_ * n_samples
        self.loss_curve_ = history.losses
        self.loss_ = history.losses[-1]
        self.grad_norm_curve_ = history.gradient_norms
        if self.early_stopping:
            self.validation_scores_ = history.validation_scores
            self.best_validation_score_ = max(history.validation_scores)
            self.best_loss_ = None
        else:
            self.validation_scores_ = None
            self.best_validation_score_ = None
            self.best_loss_ = min(history.losses)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        return tags


def _layer_sizes(name, sizes):
    """Return layer sizes as a tuple; an int is one layer."""
    if isinstance(sizes, Set | Mapping):
        raise ValueError(f"{name} must be whole numbers in an order: got {sizes!r}.")
    try:
        sizes = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
    except TypeError as error:
        raise ValueError(f"{name} must be whole numbers: got {sizes!r}.") from error
    for size in sizes:
        whole = isinstance(size, Integral) and not isinstance(size, bool)
        if not whole or not 1 <= size < 2**31:
            raise ValueError(
                f"{name} must be whole numbers from 1 to 2**31 - 1: got {sizes}."
            )
    return tuple(int(size) for size in sizes)


def _physical_memory():
    """Return the bytes of memory of this machine; infinity where they are not known."""
    try:
        page, n_pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # AttributeError: as on Windows
        return math.inf
    return page * n_pages if min(page, n_pages) > 0 else math.inf


def _split_series(rows, series, fraction):
    """Split off the last `fraction` of the `rows` of each series; one row stays."""
    order = np.argsort(series, kind="stable")
    _, sizes = np.unique(series, return_counts=True)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    n_held_out = np.minimum(np.ceil(fraction * sizes), sizes - 1)
    held_out = place >= np.repeat(sizes - n_held_out, sizes)
    return np.sort(rows[order[~held_out]]), np.sort(rows[order[held_out]])
