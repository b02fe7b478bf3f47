"""Targets: y as the user has it, and the numbers that the kernel is trained on."""

from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _check_sample_weight, check_array, column_or_1d

from sklstm._sequences import has_sparse_columns, to_array

_EXPECTED = "expected an array (n_samples,) or (n_samples, n_outputs)"


class RegressionTargets:
    """Real targets, standardised for training.

    Parameters
    ----------
    y : array of float64 (n_samples,) or (n_samples, n_outputs)
        From `check_real`.
    weights : array of float64 (n_samples,)
    normalize : bool
        Whether the kernel is trained on targets of mean 0 and standard deviation 1.
    """

    loss = "squared_error"
    out_activation = "identity"

    def __init__(self, y, weights, normalize):
        self._one_dimensional = y.ndim == 1
        y = y.reshape(len(y), -1)
        self.n_outputs = y.shape[1]
        self._mean, self._scale = np.zeros(self.n_outputs), np.ones(self.n_outputs)
        if normalize:
            y, weights = y[weights > 0], weights[weights > 0]
            self._mean = np.average(y, axis=0, weights=weights)
            # By the largest deviation first, whose square could overflow.
            deviation = np.abs(y - self._mean)
            largest = deviation.max(axis=0, initial=np.finfo(float).tiny)
            variance = np.average((deviation / largest) ** 2, axis=0, weights=weights)
            scale = largest * np.sqrt(variance)
            # What is left of a constant target is rounding.
            constant = scale <= 10 * np.finfo(float).eps * np.abs(self._mean)
            self._scale = np.where(constant | (scale == 0), 1.0, scale)

    def encode(self, y, rows, dtype):
        """Return `y` as the kernel is trained on it (n_samples, n_outputs), at `rows`.

        What stands in other rows does not matter.
        """
        encoded = np.zeros((len(y), self.n_outputs), dtype=dtype)
        with np.errstate(over="ignore"):
            encoded[rows] = (y[rows].reshape(len(rows), -1) - self._mean) / self._scale
        finite = np.isfinite(encoded).all(axis=1)
        if not finite.all():
            sample = int(np.argmin(finite))
            raise ValueError(
                f"y[{sample}] = {y[sample]} does not fit into {encoded.dtype}: use "
                "normalize_y=True or dtype='float64'."
            )
        return encoded

    def decode(self, raw):
        """Return the predictions that raw outputs (n_samples, n_outputs) stand for."""
        y = raw.astype(np.float64) * self._scale + self._mean
        return y.ravel() if self._one_dimensional else y


class ClassTargets:
    """Class labels, or for multi-label y one column of 0 and 1 per label.

    Two classes or labels take logistic outputs, more classes softmax outputs.

    Parameters
    ----------
    y : array (n_samples,) or (n_samples, n_labels)
        From `check_classes`.
    """

    def __init__(self, y):
        self.multi_label = y.ndim == 2
        if self.multi_label:
            self.classes = np.arange(y.shape[1])
            self.n_outputs = y.shape[1]
        else:
            self.classes = np.unique(y)
            if len(self.classes) == 1:
                (label,) = self.classes.tolist()
                raise ValueError(f"y holds 1 class, {label!r}: expected at least 2.")
            self.n_outputs = 1 if len(self.classes) == 2 else len(self.classes)
        softmax_output = self.n_outputs > 1 and not self.multi_label
        self.loss = "log_loss" if softmax_output else "binary_log_loss"
        self.out_activation = "softmax" if softmax_output else "logistic"

    def encode(self, y, rows, dtype):
        """Return `y` as the kernel is trained on it (n_samples, n_targets)."""
        if not self.multi_label:
            y = np.searchsorted(self.classes, y)
        return np.ascontiguousarray(y.reshape(len(y), -1), dtype=dtype)

    def probabilities(self, raw):
        """Return the probabilities (n_samples, n_classes) of raw outputs."""
        raw = raw.astype(np.float64)
        if self.loss == "log_loss":
            return softmax(raw, axis=1)
        positive = expit(raw)
        return positive if self.multi_label else np.hstack([1 - positive, positive])

    def log_probabilities(self, raw):
        """Return the logs of the probabilities, which do not underflow."""
        raw = raw.astype(np.float64)
        if self.loss == "log_loss":
            return log_softmax(raw, axis=1)
        positive = log_expit(raw)
        return positive if self.multi_label else np.hstack([log_expit(-raw), positive])

    def decode(self, raw):
        """Return the labels that raw outputs (n_samples, n_outputs) stand for."""
        if self.loss == "log_loss":
            return self.classes[raw.argmax(axis=1)]
        positive = (raw > 0).astype(int)
        return positive if self.multi_label else self.classes[positive.ravel()]


def check_real(y, n_samples, estimator):
    """Return the targets of a regression as finite float64."""
    y = _check_some(y, n_samples, estimator)
    if y.dtype.kind == "O" or y.dtype.type is np.longdouble:
        y = _objects_as_numbers(y)
    if y.dtype.kind not in "fiub":
        raise ValueError(f"y has dtype {y.dtype}, but a regression needs numbers.")
    y = y.astype(np.float64, copy=False)
    _refuse_nonfinite(y)
    return column_or_1d(y, warn=True) if _is_column(y) else y


def check_classes(y, n_samples, estimator):
    """Return class labels (n_samples,), or 0 and 1 (n_samples, n_labels)."""
    y = _check_some(y, n_samples, estimator)
    if y.dtype.kind not in "fiubUO":
        raise ValueError(
            f"y has dtype {y.dtype}, which cannot be class labels: expected integers, "
            "booleans or strings."
        )
    if y.dtype.kind == "O":
        _refuse_all_but_strings(y)
    if y.dtype.kind == "f":
        _refuse_nonfinite(y)
    if _is_column(y):
        y = column_or_1d(y, warn=True)
    with np.errstate(invalid="ignore"):  # numbers too large for int64 are continuous
        kind = type_of_target(y, input_name="y")
    if kind.startswith("continuous"):
        raise ValueError(
            f"Unknown label type: y is {kind}, but class labels are whole numbers, "
            "booleans or strings. To predict real numbers take LSTMRegressor."
        )
    if kind == "multiclass-multioutput":
        raise ValueError(
            "y has several columns of classes (multiclass-multioutput), which is not "
            "supported: fit one classifier per column, or pass 0 and 1 (multi-label)."
        )
    if kind == "multilabel-indicator" and not np.isin(y, [0, 1]).all():
        raise ValueError(
            f"y has several columns (multi-label) and holds {np.unique(y).tolist()}: "
            "expected 0 and 1."
        )
    return y


def check_weights(sample_weight, n_samples, dtype):
    """Return sample weights as finite float64, not all zero, fit for `dtype`."""
    if np.ma.is_masked(sample_weight):
        raise ValueError("sample_weight has masked values: fill them first.")
    try:
        # Text and dates would pass as the numbers that they read as.
        given = sample_weight
        given = given if hasattr(given, "dtype") else np.asarray(given)
        if given.dtype.kind in "mMSU":
            raise ValueError(f"sample_weight has dtype {given.dtype}: numbers due.")
        weights = _check_sample_weight(
            sample_weight,
            np.empty(n_samples),
            dtype=np.float64,
            ensure_non_negative=True,
        )
    except (TypeError, ValueError, OverflowError) as error:
        if "ample_weight" in str(error) or "ample weights" in str(error):
            raise
        raise ValueError(f"sample_weight cannot be used: {error}") from error
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not total <= np.finfo(dtype).max:
        raise ValueError(
            f"sample_weight adds up to {total}, which does not fit into "
            f"{np.dtype(dtype)}: expected finite weights of ordinary size."
        )
    return weights


def _check_some(y, n_samples, estimator):
    """Return y as an array; refuse what is none, or not of the length of X."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is "
            "None."
        )
    if sparse.issparse(y):
        raise TypeError("Sparse y was passed, but dense y is required: y.toarray().")
    if np.ma.is_masked(y):
        raise ValueError("y is a masked array with masked values: leave them out.")
    if has_sparse_columns(y):
        raise TypeError(
            "Sparse y was passed, but dense y is required: y.sparse.to_dense()."
        )
    given = type(y).__name__
    try:
        y = y if hasattr(y, "iloc") else to_array(y, "y", "y")
    except ValueError as error:
        raise ValueError(f"y is ragged: {_EXPECTED}.") from error
    if len(y.shape) == 0:
        raise TypeError(f"y is of type {given}: {_EXPECTED}.")
    if len(y.shape) > 2 or 0 in y.shape[1:]:
        raise ValueError(f"y has shape {tuple(y.shape)}: {_EXPECTED}.")
    if y.shape[0] != n_samples:
        raise ValueError(f"y has {y.shape[0]} entries, but X has {n_samples} samples.")
    if getattr(getattr(y, "dtype", None), "kind", None) == "c":
        raise ValueError(f"Complex data not supported: y has dtype {y.dtype}.")
    return check_array(
        y,
        ensure_2d=False,
        dtype=None,
        ensure_all_finite=False,
        input_name="y",
        estimator=estimator,
    )


def _objects_as_numbers(y):
    """Return objects, or numbers beyond float64, as float64; missing ones as NaN."""
    numbers = np.empty(y.shape)
    for place, value in np.ndenumerate(y):
        if value is None or value is pd.NA:
            numbers[place] = np.nan
        elif isinstance(value, Real | Decimal | np.bool_):
            numbers[place] = _as_float(value)
            if np.isinf(numbers[place]) and abs(value) != np.inf:
                raise ValueError(f"{_name(place)} does not fit into float64: scale y.")
        else:
            raise TypeError(
                f"{_name(place)} is {value!r}, of type {type(value).__name__}, but a "
                "regression needs numbers."
            )
    return numbers


def _as_float(number):
    try:
        return float(number)
    except OverflowError:
        return np.inf


def _refuse_all_but_strings(y):
    for place, value in np.ndenumerate(y):
        if not isinstance(value, str):
            raise ValueError(
                f"Unknown label type: {_name(place)} is {value!r}, of type "
                f"{type(value).__name__}. Class labels in an array of objects must be "
                "strings; convert others to an array of integers."
            )


def _refuse_nonfinite(y):
    finite = np.isfinite(y)
    if not finite.all():
        place = np.unravel_index(np.argmin(finite), y.shape)
        found = "NaN" if np.isnan(y[place]) else "infinity"
        raise ValueError(f"Input y contains {found}. The first is {_name(place)}.")


def _name(place):
    return f"y[{', '.join(map(str, place))}]"


def _is_column(y):
    return y.ndim == 2 and y.shape[1] == 1
