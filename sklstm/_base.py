"""How both estimators are fitted: from samples and parameters to a trained network."""

import math
import re
import warnings
from abc import ABCMeta, abstractmethod
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    validate_parameter_constraints,
)

from sklstm._callbacks import FitCallbacks
from sklstm._fingerprints import fingerprints
from sklstm._fitted import FittedLSTM
from sklstm._held_out import hold_out
from sklstm._interrupts import Interrupts
from sklstm._memory import (
    refuse_too_large,
    refuse_too_long,
    refuse_too_long_to_predict,
    refuse_too_much_to_train_on,
)
from sklstm._network import Network
from sklstm._scaling import offset_and_scale
from sklstm._settings import (
    layer_sizes,
    make_optimizer,
    make_schedule,
    penalty,
    plain_float,
)
from sklstm._targets import check_weights
from sklstm._training import (
    STACK_LEVEL,
    Diverged,
    Objective,
    Progress,
    Samples,
    Training,
)
from sklstm.kernels.pooling import MOST_STEPS


class BaseLSTM(CallbackSupportMixin, FittedLSTM, metaclass=ABCMeta):
    """Sequences and targets in, a trained network out."""

    _parameter_constraints = {
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "bidirectional": ["boolean"],
        "pooling": [StrOptions({"last", "mean", "max"})],
        "standardize": ["boolean"],
        "head_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "n_channels": [Interval(Integral, 1, None, closed="left"), None],
        "window": [Interval(Integral, 1, None, closed="left"), None],
        "group_column": [str, Integral, None],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "recurrent_dropout": [Interval(Real, 0, 1, closed="left")],
        "solver": [StrOptions({"adam", "sgd"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive", "cosine"})],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "bptt_length": [Interval(Integral, 1, None, closed="left"), None],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "dtype": [StrOptions({"float32", "float64"})],
        "n_jobs": [Integral, None],
    }

    # Whether first weights on channels are smaller, the more of them there are. Chosen,
    # as the defaults of parameters were, by cross-validation: see the guide.
    _channels_as_one = False
    # What the network was built for; to change it is to start anew.
    _architecture_parameters = (
        "hidden_layer_sizes",
        "bidirectional",
        "pooling",
        "head_layer_sizes",
        "standardize",
        "dtype",
    )

    @abstractmethod
    def _make_targets(self, training):
        """Return what turns the targets of `training` into the kernel's and back."""

    @abstractmethod
    def _check_y(self, y, n_samples):
        """Return `y` validated."""

    @abstractmethod
    def _score_of(self, y, raw, weights):
        """Return the score, of raw outputs, that early stopping watches."""

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
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
        X_val : array-like or list of array-likes, default=None
            Samples that `early_stopping` is to watch, in any of the forms of X, instead
            of a part of X held out. In a Pipeline with ``transform_input=["X_val"]`` it
            is transformed as X is. With `window` its rows see no row of X: let the
            ``window - 1`` rows before come first, with a weight of 0.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Their targets.
        sample_weight_val : array-like of shape (n_val,), default=None
            Their weights; None means equal weights.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError or TypeError
            If an argument or parameter cannot be used; the message names it.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` ends training, but with ``learning_rate="cosine"``, which has
            an end; or if training diverges after an epoch that gave numbers, which the
            model then is that of.
        UserWarning
            If Ctrl-C ends training; the model is what it was trained to by then.
        """
        callbacks = FitCallbacks(self, X, y, sample_weight)
        # What was fitted before stays whole until the new fit is, for whoever predicts
        # meanwhile, and where there is none.
        fitted = self._twin()
        before = vars(fitted).copy()
        random_state = check_random_state(self.random_state)
        training, held_out = fitted._begin_fit(
            (X, y, sample_weight), (X_val, y_val, sample_weight_val), random_state
        )
        schedule = make_schedule(
            fitted,
            len(training),
            self.learning_rate,
            fitted._progress.n_seen,
            fitted._advice(),
        )
        callbacks.begin_fit(schedule.max_iter, fitted._state_after)
        fitted._train(training, held_out, random_state, schedule, callbacks)
        try:
            callbacks.end_fit(fitted._parameters)
        except KeyboardInterrupt:
            warnings.warn(
                "Callbacks were interrupted after the last epoch: the model is whole.",
                stacklevel=STACK_LEVEL - 2,
            )
        self._become(fitted, before)
        return self

    def _begin_fit(self, given, given_val, random_state):
        """Return what to train on and what to watch; build the network, if need be."""
        go_on = self.warm_start and hasattr(self, "_parameters")
        samples = self._begin(*given, go_on)
        if go_on:
            self._targets.refuse_fewer(samples.targets)
        validation = self._validation_samples(*given_val)
        training, held_out = self._split(samples, validation, random_state)
        if go_on:
            self._progress.optimizer = self._optimizer()
        else:
            self._build(training, random_state)
        if validation is not None:
            with said_of("y_val"):
                self._targets.refuse_others(validation.targets)
        return self._as_seen(training, held_out)

    def _validate_params(self):
        """Validate the parameters one by one, as not every error names its own."""
        for name, value in self.get_params(deep=False).items():
            if isinstance(value, np.timedelta64):  # an Integral, as it says
                raise TypeError(f"{name}={value!r} is a duration.")
            try:
                validate_parameter_constraints(
                    self._parameter_constraints, {name: value}, type(self).__name__
                )
            except InvalidParameterError:
                raise
            except TypeError as error:  # as of a Fraction, which NumPy cannot read
                raise TypeError(f"{name}={value!r} cannot be read: {error}") from error

    def _partial_fit(self, X, y, sample_weight, build):
        """Train for an epoch; `build` tells what a first call is to be built for."""
        self._validate_params()  # scikit-learn does so in the first call only
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True.")
        fitted = self._twin()
        before = vars(fitted).copy()
        go_on = hasattr(self, "_parameters")
        training = fitted._begin(X, y, sample_weight, go_on)
        random_state = check_random_state(self.random_state)
        if not go_on:
            fitted._build(build(training), random_state)
        else:  # with the constants that are set now
            optimizer = fitted._optimizer()
            optimizer.go_on_from(fitted._progress.optimizer)
            fitted._progress.optimizer = optimizer
        training, _ = fitted._as_seen(training, None)
        schedule = make_schedule(
            fitted,
            len(training),
            "constant",
            fitted._progress.n_seen,
            fitted._advice(),
        )
        schedule = replace(schedule, max_iter=1, warn_at_end=False)
        fitted._train(training, None, random_state, schedule)
        self._become(fitted, before)
        return self

    def _become(self, fitted, before):
        """Take over what `fitted` has learnt, this estimator's twin from `before`.

        All else is as it is now: a callback may have set it meanwhile.
        """
        learnt, now = vars(fitted), vars(self).copy()
        names = now.get("_learnt", set()).union(
            name
            for name, value in learnt.items()
            if name not in before or before[name] is not value
        )
        others = {name: value for name, value in now.items() if name not in names}
        learnt = {name: value for name, value in learnt.items() if name in names}
        # At once, for whoever predicts meanwhile.
        self.__dict__ = others | learnt | {"_learnt": names}

    def _begin(self, X, y, sample_weight, go_on):
        """Return the samples of a fit that goes on from what there is, or starts anew.

        All of what changes in training is from then on this estimator's own.
        """
        if go_on:
            self._refuse_another_architecture()
            # Dropout may be another from here on.
            self._network = self._make_network(self._network.n_channels)
            self._parameters = self._parameters.copy()
            self._progress = self._progress.copy()
        sequences = self._sequences(X, reset=not go_on, dtype=self._dtype_of_given())
        y = self._check_y(y, len(sequences))
        if go_on:
            self._targets.refuse_others(y)
        weights, unit = self._check_weights(sample_weight, y)
        # What has no weight takes no part, as if it were not there.
        rows = np.flatnonzero(weights)
        return Samples(sequences, y, weights, unit, rows)

    def _build(self, training, random_state):
        """Make targets, scale of the channels, network and first parameters."""
        self._targets = self._make_targets(training)
        self.X_offset_, self.X_scale_ = None, None
        if self.standardize:
            self.X_offset_, self.X_scale_ = offset_and_scale(training)
        self._network = self._make_network(training.sequences.n_channels)
        self._architecture = self._architecture_now()
        self._parameters = self._network.initialise(
            random_state, np.dtype(self.dtype), channels_as_one=self._channels_as_one
        )
        self._progress = Progress(self._optimizer())

    def _as_seen(self, training, held_out):
        """Return samples as the network is to see them, and dropout to tell them."""
        dropout = self.dropout > 0 or self.recurrent_dropout > 0
        refuse_too_much_to_train_on(
            training.sequences,
            self._parameters.itemsize,
            self.X_scale_ is not None,
            dropout,
        )
        scaled = self._scaled(training.sequences)
        identities = fingerprints(scaled) if dropout else None
        if held_out is not None and held_out.sequences is training.sequences:
            held_out = replace(held_out, sequences=scaled)
        elif held_out is not None:
            with said_of("X_val"):
                scaled_val = self._scaled(held_out.sequences)
            held_out = replace(held_out, sequences=scaled_val)
        return replace(training, sequences=scaled, identities=identities), held_out

    def _dtype_of_given(self):
        """What X is read as in a fit; None: as it is, for it is to be standardised."""
        return None if self.standardize else np.dtype(self.dtype)

    def _architecture_now(self):
        """Return what the network is built for, by the names of parameters."""
        values = {name: getattr(self, name) for name in self._architecture_parameters}
        for name in ("hidden_layer_sizes", "head_layer_sizes"):
            values[name] = layer_sizes(self, name)
        values["pooling"] = self._pooling()
        return values

    def _pooling(self):
        """Return the pooling that is meant, as "auto" is of the classifier alone."""
        if self.pooling != "auto":
            return self.pooling
        return "max" if self.window is None else "last"

    def _refuse_another_architecture(self):
        for name, value in self._architecture_now().items():
            if value != self._architecture[name]:
                raise ValueError(
                    f"{name}={value!r}, but the network to go on training was built "
                    f"with {name}={self._architecture[name]!r}. To train a new one, "
                    "call fit with warm_start=False."
                )

    def _check_weights(self, sample_weight, y):
        """Return the weights of samples with targets `y`, and their unit."""
        return check_weights(sample_weight, len(y))

    def _make_network(self, n_channels):
        """Return the network, as `hidden_layer_sizes` and so on have it."""
        hidden_layer_sizes = layer_sizes(self, "hidden_layer_sizes")
        if not hidden_layer_sizes:
            raise ValueError(
                "hidden_layer_sizes is empty: expected at least one layer."
            )
        network = Network(
            n_channels,
            hidden_layer_sizes,
            self.bidirectional,
            layer_sizes(self, "head_layer_sizes"),
            self._targets.n_outputs,
            self._pooling(),
            plain_float(self, "dropout"),
            plain_float(self, "recurrent_dropout"),
        )
        if self.bptt_length is not None and self.bidirectional:
            raise ValueError(
                "bptt_length is not for bidirectional=True, whose backward direction "
                "reads a sequence from its end: set bptt_length=None."
            )
        refuse_too_large(network, self)
        return network

    def _refuse_too_many_steps(self, lengths):
        """Refuse sequences in which float32 cannot tell where a maximum is."""
        inexact = self._pooling() == "max" and self._parameters.dtype == np.float32
        if inexact and lengths.max() > MOST_STEPS:
            raise ValueError(
                f"X has a sequence of {lengths.max():,} steps, but pooling='max' with "
                f"dtype='float32' learns from at most {MOST_STEPS:,}: use "
                "dtype='float64', another pooling, or shorter sequences."
            )

    def _optimizer(self):
        return make_optimizer(self, self._network.n_parameters, self._parameters.dtype)

    def _train(self, training, held_out, random_state, schedule, callbacks=None):
        """Train the parameters, and set what a fitted estimator has."""
        encoded = self._targets.encode(
            training.targets, training.rows, self._parameters.dtype
        )
        with self._engine() as engine, Interrupts() as interrupts:
            lengths = training.sequences.lengths[training.rows]
            self._refuse_too_many_steps(lengths)
            refuse_too_long(engine, lengths, schedule.batch_size)
            if held_out is not None:
                lengths = held_out.sequences.lengths[held_out.rows]
                refuse_too_long_to_predict(engine, lengths)
            objective = Objective(
                engine,
                replace(training, targets=encoded),
                penalty(self, training.weight_unit),
                self._network.penalised(),
            )

            def validation_score():
                rows = held_out.rows
                raw = engine.predict(self._parameters, held_out.sequences.take(rows))
                if not np.isfinite(raw).all():
                    raise Diverged("outputs for the validation data are not finite")
                y, weights = held_out.targets[rows], held_out.weights[rows]
                with np.errstate(over="ignore"):  # of exponentials
                    score = self._score_of(y, raw, weights)
                if not math.isfinite(score):
                    raise Diverged(f"the validation score is {score}")
                return score

            n_epochs = Training(
                objective,
                self._progress,
                self._parameters,
                schedule,
                random_state,
                interrupts,
                None if held_out is None else validation_score,
                callbacks,
            ).run()
        self._set_fitted_attributes(n_epochs)

    def _state_after(self, n_epochs, parameters):
        """Return the attributes of an estimator as if `n_epochs` had been all."""
        twin = self._twin()
        twin._parameters = parameters.copy()
        twin._set_fitted_attributes(n_epochs)
        return vars(twin)

    def _remedies(self):
        """Return what may keep training from diverging."""
        remedies = {
            "lower learning_rate_init": True,
            "set standardize=True or scale X": not self.standardize,
            "lower alpha": self.alpha > 0,
            "raise epsilon": self.solver == "adam" and self.epsilon < 1e-8,
            "lower momentum": self.solver == "sgd" and self.momentum > 0,
            "clip gradients with max_grad_norm": self.max_grad_norm is None,
        }
        return [remedy for remedy, may_help in remedies.items() if may_help]

    def _advice(self):
        """Return a sentence of what may keep training from diverging."""
        *remedies, last = self._remedies()
        if not remedies:
            return f"Try to {last}."
        return f"Try to {', to '.join(remedies)}, or to {last}."

    def _validation_samples(self, X, y, sample_weight):
        """Return the samples given for validation, if any."""
        given = {"X_val": X, "y_val": y, "sample_weight_val": sample_weight}
        given = [name for name, value in given.items() if value is not None]
        if not given:
            return None
        for name, value in (("X_val", X), ("y_val", y)):
            if value is None:
                raise ValueError(f"{given[0]} was passed without {name}.")
        if not self.early_stopping:
            raise ValueError(
                "X_val and y_val were passed, but early_stopping is False: set "
                "early_stopping=True, which is what they are for."
            )
        with said_of("X_val"):
            sequences = self._sequences(X, reset=False, dtype=self._dtype_of_given())
        with said_of("y_val"):
            y = self._check_y(y, len(sequences))
        with said_of("sample_weight_val"):
            weights, unit = self._check_weights(sample_weight, y)
        rows = np.flatnonzero(weights)
        if len(rows) < 2:
            raise ValueError("X_val holds 1 sample of a weight above 0, too few.")
        return Samples(sequences, y, weights, unit, rows=rows)

    def _split(self, samples, validation, random_state):
        """Return the samples to train on, and those that early stopping watches."""
        if not self.early_stopping:
            return samples, None
        if validation is not None:
            return samples, validation
        classes = self._stratify(samples.targets[samples.rows])
        return hold_out(samples, self.validation_fraction, classes, random_state)

    def _stratify(self, y):
        """Return the classes that held-out samples are to be drawn from alike."""
        return None

    def _set_fitted_attributes(self, n_epochs):
        progress = self._progress
        self.n_outputs_ = self._targets.n_outputs
        self.out_activation_ = self._targets.out_activation
        n_recurrent = self._network.n_recurrent // self._network.n_directions
        n_dense = len(self._network.layers) - self._network.n_recurrent
        self.n_layers_ = 1 + n_recurrent + n_dense
        self.n_iter_ = n_epochs
        self.t_ = progress.n_seen
        self.loss_curve_ = progress.losses
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else math.nan
        self.grad_norm_curve_ = progress.gradient_norms
        if self.early_stopping:
            self.validation_scores_ = progress.validation_scores
            self.best_validation_score_ = -progress.best(scored=True)
            self.best_loss_ = None
        else:
            self.validation_scores_ = None
            self.best_validation_score_ = None
            self.best_loss_ = progress.best(scored=False)


# Outside quotes, where such a letter is the name of a column or class.
_ARGUMENTS = re.compile(r"(?<![\w'\"])(X|y|sample_weight)(?![\w'\"])")


@contextmanager
def said_of(name):
    """Say of errors that they are about the argument `name`.

    In those about validation data X is called X_val, y y_val, and so on.
    """
    try:
        yield
    except (ValueError, TypeError) as error:
        message = str(error)
        if name.endswith("_val"):
            message = _ARGUMENTS.sub(r"\1_val", message)
        if not re.search(rf"\b{name}\b", message):
            message = f"{name}: {message}"
        # Not the type of the error itself, which may not take a message.
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(message) from error
