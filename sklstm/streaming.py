"""Predictions step by step, as the steps of one or several series come in."""

import numpy as np
import pandas as pd
from sklearn.utils.metaestimators import available_if

from sklstm._forms import is_number, is_table_with
from sklstm._sequences import Sequences
from sklstm._targets import refuse_nonfinite_outputs
from sklstm._version import VERSION


def _gives_probabilities(stream):
    return hasattr(stream._targets, "probabilities")


class Stream:
    """Predictions for series whose steps come in one by one.

    Made by the `stream` method of a fitted estimator. After each step the prediction
    is, to the last bit, what the estimator predicts for all the steps so far (with
    `window`, for the last `window` of them). Keeps the weights that the estimator had
    when the stream was made. To be used from one thread at a time.

    Attributes
    ----------
    n_series : int
        How many series run side by side.
    n_channels : int
        How many values a step of a series has.
    """

    def __init__(
        self, steps, targets, n_series, n_channels, names, scaling, may_overflow
    ):
        self._steps, self._targets = steps, targets
        self._names = names  # of the channels, None where they have none
        self._scale = self._offset = None  # of the channels, in units of the scale
        if scaling is not None:
            offset, self._scale = scaling
            self._offset = offset / self._scale
        self._may_overflow = may_overflow  # a check takes time in each step
        self.n_series, self.n_channels = n_series, n_channels

    def __getstate__(self):
        return vars(self) | {"_sklstm_version": VERSION}

    def __setstate__(self, state):
        version = state.get("_sklstm_version")
        if version != VERSION:
            raise ValueError(
                f"This stream was kept by sklstm {version}, and this is {VERSION}, "
                "which may keep states otherwise: make a new one, and run the steps "
                "through it."
            )
        self.__dict__ = {
            name: value for name, value in state.items() if name != "_sklstm_version"
        }

    def predict(self, x):
        """Take the next step of each series; predict from all steps so far.

        Parameters
        ----------
        x : array-like of shape (n_series, n_channels)
            The step; for one series also (n_channels,). Names of a DataFrame or Series
            are compared with those that the channels had in training.

        Returns
        -------
        y : ndarray of shape (n_series,) or (n_series, n_outputs)
            The predictions, as those of the estimator.

        Raises
        ------
        ValueError
            If `x` has another shape or other names, or is not finite. The step then is
            not taken.
        TypeError
            If `x` does not hold real numbers.
        """
        return self._targets.decode(self._advance(x))

    @available_if(_gives_probabilities)
    def predict_proba(self, x):
        """Take the next step of each series; return the probability of each class.

        Parameters
        ----------
        x : array-like of shape (n_series, n_channels)
            The step; for one series also (n_channels,). Names of a DataFrame or Series
            are compared with those that the channels had in training.

        Returns
        -------
        probabilities : ndarray of shape (n_series, n_classes), dtype float64
            As those of the estimator.

        Raises
        ------
        ValueError or TypeError
            As `predict` does.
        """
        return self._targets.probabilities(self._advance(x))

    @available_if(_gives_probabilities)
    def predict_log_proba(self, x):
        """Take the next step of each series; return the log of the probabilities.

        Parameters
        ----------
        x : array-like of shape (n_series, n_channels)
            The step; for one series also (n_channels,). Names of a DataFrame or Series
            are compared with those that the channels had in training.

        Returns
        -------
        log_probabilities : ndarray of shape (n_series, n_classes), dtype float64
            As those of the estimator.

        Raises
        ------
        ValueError or TypeError
            As `predict` does.
        """
        return self._targets.log_probabilities(self._advance(x))

    def reset(self, series=None):
        """Forget the steps so far.

        Parameters
        ----------
        series : int, slice or array-like, default=None
            Index of the series to forget; None means all.
        """
        self._steps.reset(slice(None) if series is None else series)

    def get_state(self):
        """Return a copy of all that the stream remembers.

        Returns
        -------
        state : dict of str to ndarray
            For each layer k the hidden state ``h_lk`` and the cell state ``c_lk``,
            (n_series, hidden_size). Where steps are pooled, their sum or maximum so
            far, ``pooled`` (n_series, hidden_size), what rounding has left over of a
            sum, ``pooled_rest``, and the number of steps, ``n_steps`` (n_series,). With
            `window` the last ``steps``, (n_series, window, n_channels), as the network
            sees them (standardised), the latest at the end, and how many of them there
            are, ``n_steps``.
        """
        return {name: kept.copy() for name, kept in self._steps.state().items()}

    def set_state(self, state):
        """Go on from a state.

        Parameters
        ----------
        state : dict of str to array-like
            From `get_state`, of a stream of the same estimator and `n_series`.

        Raises
        ------
        ValueError
            If an entry is missing, unknown, of another shape or not finite, or a number
            of steps is impossible.
        """
        own = self._steps.state()
        if set(state) != set(own):
            raise ValueError(f"state has entries {sorted(state)}, expected {[*own]}.")
        new = {name: _like(kept, state[name], name) for name, kept in own.items()}
        self._steps.refuse_impossible(new)
        for name, kept in own.items():
            kept[...] = new[name]

    def _advance(self, x):
        if self._names is not None:
            self._refuse_other_names(x)
        given, x = x, self._as_the_network_sees(x)
        if x.shape != (self.n_series, self.n_channels):
            if self.n_series != 1 or x.shape != (self.n_channels,):
                raise ValueError(
                    f"x has shape {x.shape}, expected one step of each series: "
                    f"({self.n_series}, {self.n_channels})."
                )
            x = x.reshape(1, -1)
        raw, finite = self._steps.step(x)
        if not finite:
            series, channel = np.argwhere(~np.isfinite(x))[0]
            value = np.asarray(given).reshape(x.shape)[series, channel]
            scaled = "" if self._scale is None else " once standardised"
            raise ValueError(
                f"x[{series}, {channel}] = {value} is not a finite {x.dtype}{scaled}: "
                f"series {series}, channel {channel}."
            )
        return refuse_nonfinite_outputs(raw, "x") if self._may_overflow else raw

    def _refuse_other_names(self, x):
        if is_table_with(x, "columns"):
            found = list(x.columns)
        elif isinstance(x, pd.Series) and self.n_channels > 1:
            found = list(x.index)
        else:
            return
        named = any(isinstance(name, str) for name in found)
        if named and found != self._names:
            raise ValueError(
                f"x has the names {found}, expected those of the channels, "
                f"{self._names}, in this order."
            )

    def _as_the_network_sees(self, x):
        x, dtype = _numbers("x", x), self._steps.dtype
        if self._scale is None or x.shape[-1:] != self._scale.shape:
            return _as_type(x, dtype)
        with np.errstate(over="ignore", invalid="ignore"):  # as in `_as_type`
            x = x.astype(np.float64, copy=False)
            return (x / self._scale - self._offset).astype(dtype, order="C", copy=False)


def _numbers(name, value):
    """Return real numbers as an array."""
    value = np.asarray(value)
    if value.dtype == object and all(map(is_number, value.flat)):
        try:
            return value.astype(np.float64)
        except OverflowError as error:
            raise ValueError(
                f"{name} holds a number that does not fit into float64."
            ) from error
    if value.dtype.kind not in "fiub":
        raise TypeError(f"{name} has dtype {value.dtype}: expected real numbers.")
    return value


def _as_type(value, dtype):
    """Return numbers as an array that the kernel can read."""
    if value.dtype == dtype:
        return np.require(value, None, ["C_CONTIGUOUS", "ALIGNED"])
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused
        return value.astype(dtype, order="C")


def _like(kept, value, name):
    """Return an entry of a state as an array like that which is kept."""
    value = np.asarray(value)
    if value.shape != kept.shape:
        raise ValueError(
            f"state[{name!r}] has shape {value.shape}, expected {kept.shape}."
        )
    new = _as_type(_numbers(f"state[{name!r}]", value), kept.dtype)
    if not np.isfinite(new).all():
        raise ValueError(f"state[{name!r}] is not finite in {kept.dtype}.")
    if new.dtype.kind == "i" and not (new == value).all():
        raise ValueError(f"state[{name!r}] must be whole numbers.")
    return new


class RunningSteps:
    """Steps of which only the state that they lead to is kept."""

    def __init__(self, engine, parameters, n_series):
        self.dtype = parameters.dtype
        stream = engine.stream(parameters, n_series)
        self.step, self.state, self.reset = stream.step, stream.state, stream.reset

    def refuse_impossible(self, state):
        """Refuse less steps than none."""
        if "n_steps" in state and state["n_steps"].min() < 0:
            raise ValueError(
                f"state['n_steps'] must be at least 0: got {state['n_steps']}."
            )


class LastSteps:
    """The last `window` steps, all run again for each prediction."""

    def __init__(self, engine, parameters, n_series, n_channels, window):
        self.dtype = parameters.dtype
        self._engine, self._parameters = engine, parameters.copy()
        self._steps = np.zeros((n_series, window, n_channels), self.dtype)
        self._n_steps = np.zeros(n_series, np.int64)

    def step(self, x):
        """Take a step; see `CPUStream`."""
        if not np.isfinite(x).all():
            return None, False
        n_series, window, n_channels = self._steps.shape
        self._steps[:, :-1] = self._steps[:, 1:]
        self._steps[:, -1] = x
        np.minimum(self._n_steps + 1, window, out=self._n_steps)
        starts = np.arange(1, n_series + 1) * window - self._n_steps
        values = self._steps.reshape(-1, n_channels)
        sequences = Sequences(values, starts, self._n_steps)
        with self._engine as engine:  # so that no thread outlives the step
            return engine.predict(self._parameters, sequences), True

    def reset(self, series):
        """Go back to before the first step of some series."""
        for kept in self.state().values():
            kept[series] = 0

    def refuse_impossible(self, state):
        """Refuse more steps than are kept, or less than none."""
        window = self._steps.shape[1]
        if not np.isin(state["n_steps"], range(window + 1)).all():
            raise ValueError(
                f"state['n_steps'] must be from 0 to {window}: got {state['n_steps']}."
            )

    def state(self):
        """Return views of the steps and of how many there are, by name."""
        return {"steps": self._steps, "n_steps": self._n_steps}
