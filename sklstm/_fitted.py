"""What a fitted estimator does: it predicts, transforms, streams and is kept."""

import warnings
from functools import partial

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted

from sklstm._memory import refuse_too_long_to_predict, refuse_too_many
from sklstm._scaling import standardise, standardise_in_blocks
from sklstm._settings import is_whole_number, threads_of
from sklstm._tables import channel_names
from sklstm._targets import check_weights, refuse_nonfinite_outputs
from sklstm._training import LARGE
from sklstm._validation import validate_sequences
from sklstm._version import VERSION
from sklstm.engines.cpu import CPUEngine
from sklstm.streaming import LastSteps, RunningSteps, Stream


class FittedLSTM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A trained network, and what it makes of sequences."""

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
            If X cannot be used, or does not match that of `fit`, or if what comes of it
            is not finite; the message says why.
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
            What `pooling` makes of the top layer's hidden states: the one at the last
            step, with `bidirectional` next to that of the backward direction at the
            first, or the mean or maximum over the steps, each direction its own.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError or TypeError
            If X cannot be used, or does not match that of `fit`, or if what comes of it
            is not finite; the message says why.
        """
        return self._fitted()._run("transform", X).astype(np.float64)

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
        if not is_whole_number(n_series):
            raise TypeError(f"n_series must be a whole number: got {n_series!r}.")
        if n_series < 1:
            raise ValueError(f"n_series must be at least 1: got {n_series}.")
        if fitted._network.n_directions == 2:
            raise ValueError(
                "A network with bidirectional=True reads a series from its end, so it "
                "cannot predict step by step: fit with bidirectional=False."
            )
        n_series, n_channels = int(n_series), fitted._network.n_channels
        window = None if fitted.window is None else int(fitted.window)
        parameters = fitted._parameters
        engine = fitted._engine(n_threads=1)  # to start others takes longer than a step
        if window is None:
            refuse_too_many(engine.bytes_of_stream(n_series), n_series, window)
            steps = RunningSteps(engine, parameters, n_series)
        else:
            n_values = n_series * window * n_channels
            refuse_too_many(n_values * parameters.itemsize, n_series, window)
            steps = LastSteps(engine, parameters, n_series, n_channels, window)
        may_overflow = not np.abs(parameters).max() < LARGE
        scaling = None
        if fitted.X_scale_ is not None:
            scaling = fitted.X_offset_.copy(), fitted.X_scale_.copy()
        names = channel_names(fitted)
        return Stream(
            steps, fitted._targets, n_series, n_channels, names, scaling, may_overflow
        )

    @property
    def weights_(self):
        """Named weights: writable views into the network's parameters."""
        fitted = self._fitted()
        return fitted._network.views(fitted._parameters)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_parameters")

    @property
    def _n_features_out(self):
        return self._network.n_pooled

    def _compared(self, X, y, sample_weight, check):
        """Return what a score compares: targets, predictions and weights."""
        prediction = self.predict(X)
        y = check(y, len(prediction), self, warn=False)
        if y.shape != prediction.shape:
            raise ValueError(
                f"y has shape {y.shape}, but the predictions for X {prediction.shape}."
            )
        weights, _ = check_weights(sample_weight, len(y))
        return y, prediction, weights

    def _fitted(self):
        """Return a twin, which no fit in another thread changes during a call."""
        check_is_fitted(self)
        return self._twin()

    def _twin(self):
        """Return an estimator that shares all that this one holds at this moment."""
        twin = object.__new__(type(self))
        twin.__dict__ = vars(self).copy()
        return twin

    def _raw_outputs(self, X):
        return self._run("predict", X)

    def _run(self, method, X):
        """Return what a method of the engine makes of X."""
        sequences, dtype = self._given(X), self._parameters.dtype
        with self._engine() as engine:
            refuse_too_long_to_predict(engine, sequences.lengths)
            run = partial(getattr(engine, method), self._parameters)
            if self.X_scale_ is None:
                return refuse_nonfinite_outputs(run(sequences))
            scaling = self.X_offset_, self.X_scale_
            parts = [
                (samples, run(part))
                for samples, part in standardise_in_blocks(sequences, *scaling, dtype)
            ]
        outputs = np.empty((len(sequences), parts[0][1].shape[1]), dtype)
        for samples, output in parts:
            outputs[samples] = output
        return refuse_nonfinite_outputs(outputs)

    def _given(self, X):
        """Return sequences to predict for, before they are scaled."""
        dtype = self._parameters.dtype if self.X_scale_ is None else None
        return self._sequences(X, reset=False, dtype=dtype)

    def _sequences(self, X, reset, dtype):
        return validate_sequences(
            self,
            X,
            dtype=dtype,
            reset=reset,
            n_channels=self.n_channels,
            window=self.window,
            group_column=self.group_column,
        )

    def _scaled(self, sequences):
        if self.X_scale_ is None:
            return sequences
        return standardise(
            sequences, self.X_offset_, self.X_scale_, self._parameters.dtype
        )

    def _engine(self, n_threads=None):
        return CPUEngine(
            self._network,
            loss=self._targets.loss,
            quantile=self._targets.quantile,
            # Plain ints: NumPy's small ones would overflow in sizes of memory.
            bptt_length=None if self.bptt_length is None else int(self.bptt_length),
            dtype=self._parameters.dtype,
            n_threads=n_threads or threads_of(self.n_jobs),
        )

    def __getstate__(self):
        return super().__getstate__() | {"_sklstm_version": VERSION}

    def __setstate__(self, state):
        version = state.get("_sklstm_version")
        if version != VERSION:
            warnings.warn(
                f"This {type(self).__name__} was kept by sklstm {version}, and this is "
                f"{VERSION}: its predictions may differ, and methods fail.",
                stacklevel=2,
            )
        super().__setstate__(
            {name: value for name, value in state.items() if name != "_sklstm_version"}
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        return tags
