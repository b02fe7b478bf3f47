"""Targets: y as the user has it, and the numbers that the kernel is trained on."""

import numpy as np
import pandas as pd
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_array, column_or_1d

from sklstm._forms import call_to_dense, is_number, is_table_with, to_array

LOG_LINK = ("poisson", "gamma")  # losses whose raw outputs are logarithms
_EXPECTED = "an array (n_samples,) or (n_samples, n_outputs)"


class RegressionTargets:
    """Real targets, standardised for training.

    Parameters
    ----------
    y : array of float64 (n_samples,) or (n_samples, n_outputs)
        Those to train on, from `check_real`.
    weights : array of float64 (n_samples,)
        Above zero.
    normalize : bool
        Whether the kernel is trained on targets of mean 0 and standard deviation 1; of
        mean 1, for the losses whose raw outputs are logarithms.
    loss : str
    quantile : float
    """

    def __init__(self, y, weights, normalize, loss, quantile):
        self.loss, self.quantile = loss, quantile
        self._logarithms = loss in LOG_LINK
        self.out_activation = "exp" if self._logarithms else "identity"
        self._one_dimensional = y.ndim == 1
        y = y.reshape(len(y), -1)
        self.n_outputs = y.shape[1]
        self._normalize = normalize
        self._exponent, self._overflows = np.zeros(self.n_outputs, dtype=int), False
        self._mean, self._scale = np.zeros(self.n_outputs), np.ones(self.n_outputs)
        if normalize:
            self._learn_scale(y, weights)

    def _learn_scale(self, y, weights):
        # In units of a power of two, which is exact, no sum or square overflows.
        _, exponent = np.frexp(np.abs(y).max(axis=0))
        scaled = np.ldexp(y, -exponent)
        mean = np.average(scaled, axis=0, weights=weights)
        # Again, as in `offset_and_scale`.
        mean += np.average(scaled - mean, axis=0, weights=weights)
        if self._logarithms:
            self._exponent = exponent
            self._scale = np.where(mean > 0, mean, 1.0)
            self._overflows = True
            return
        scale = np.sqrt(np.average((scaled - mean) ** 2, axis=0, weights=weights))
        # What is left of a constant target is rounding: it keeps its own units.
        constant = (scale == 0) | (scale <= 10 * np.finfo(float).eps * np.abs(mean))
        # Targets of ordinary size go back to their own units, which is exact too.
        within = np.abs(exponent) < 300
        self._exponent = np.where(constant | within, 0, exponent)
        back = exponent - self._exponent
        self._mean = np.where(constant, y[0], np.ldexp(mean, back))
        self._scale = np.where(constant, 1.0, np.ldexp(scale, back))
        self._overflows = self._exponent.any()

    def refuse_others(self, y):
        """Refuse targets of another shape than those that this was made for."""
        n_outputs = y.reshape(len(y), -1).shape[1]
        if (y.ndim == 1, n_outputs) != (self._one_dimensional, self.n_outputs):
            shape = "" if self._one_dimensional else f" {self.n_outputs}"
            raise ValueError(
                f"y has shape {y.shape}, but in training it had (n_samples,{shape})."
            )

    def refuse_fewer(self, y):
        """Refuse targets that lack some of those that this was made for: never here."""

    def encode(self, y, rows, dtype):
        """Return `y` as the kernel is trained on it (n_samples, n_outputs), at `rows`.

        What stands in other rows does not matter.
        """
        encoded = np.zeros((len(y), self.n_outputs), dtype=dtype)
        taken = np.ldexp(y[rows].reshape(len(rows), -1), -self._exponent)
        with np.errstate(over="ignore"):
            encoded[rows] = (taken - self._mean) / self._scale
        finite = np.isfinite(encoded).all(axis=1)
        if not finite.all():
            sample = int(np.argmin(finite))
            remedies = [] if self._normalize else ["use normalize_y=True"]
            remedies += ["use dtype='float64'"] if dtype == np.float32 else []
            remedies += ["scale y"]
            raise ValueError(
                f"y[{sample}] = {y[sample]} does not fit into {encoded.dtype}, as "
                f"the network is trained on it: {' or '.join(remedies)}."
            )
        return encoded

    def decode(self, raw):
        """Return the predictions that raw outputs (n_samples, n_outputs) stand for."""
        y = self._activate(raw) * self._scale + self._mean
        if self._overflows:
            with np.errstate(over="ignore"):
                y = np.ldexp(y, self._exponent)
            largest = np.finfo(float).max
            y = np.clip(y, -largest, largest)
        return y.ravel() if self._one_dimensional else y

    def mean_loss(self, y, raw, weights):
        """Return the mean loss of raw outputs, of which training lessens the sum."""
        y = np.ldexp(y.reshape(len(y), -1), -self._exponent)
        y = (y - self._mean) / self._scale
        x = raw.astype(np.float64)
        if self.loss == "absolute_error":
            losses = np.abs(x - y)
        elif self.loss == "quantile":
            losses = np.where(
                y > x, self.quantile * (y - x), (1 - self.quantile) * (x - y)
            )
        elif self.loss == "poisson":
            losses = np.exp(x) - y * x
        else:
            losses = x + y * np.exp(-x)
        return float(np.average(losses.mean(axis=1), weights=weights))

    def _activate(self, raw):
        """Return what raw outputs are, in units of the scale."""
        raw = raw.astype(np.float64)
        return np.exp(np.minimum(raw, 700)) if self._logarithms else raw


class ClassTargets:
    """Class labels, or for multi-label y one column of 0 and 1 per label.

    Two classes or labels take logistic outputs, more classes softmax outputs.

    Parameters
    ----------
    y : array (n_samples,) or (n_samples, n_labels)
        From `check_classes`: targets with all the classes.
    """

    quantile = 0.5  # of no loss of theirs

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

    def refuse_others(self, y):
        """Refuse classes, or a number of labels, that this was not made for."""
        labels = y.shape[1] if y.ndim == 2 else None
        if labels != (self.n_outputs if self.multi_label else None):
            raise ValueError(
                f"y has shape {y.shape}, but in training it had "
                f"{f'{self.n_outputs} columns' if self.multi_label else 'one class'} "
                "for each sample."
            )
        if not self.multi_label:
            refuse_unknown(y, self.classes)

    def refuse_fewer(self, y):
        """Refuse targets that lack some of the classes that this was made for."""
        if self.multi_label:
            return
        missing = np.setdiff1d(self.classes, y).tolist()
        if missing:
            raise ValueError(
                f"y does not hold the classes {missing}, but with warm_start=True fit "
                "goes on with those of before, all of them: use partial_fit."
            )

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
        return positive if self.multi_label else np.hstack([expit(-raw), positive])

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


def check_real(y, n_samples, estimator, warn=True):
    """Return the targets of a regression as finite float64; warn of a column."""
    y = _check_some(y, n_samples, estimator)
    y = _as_finite(y, "y", "a regression needs numbers")
    return column_or_1d(y, warn=warn) if _is_column(y) else y


def check_classes(y, n_samples, estimator, warn=True):
    """Return class labels (n_samples,), or 0 and 1 (n_samples, n_labels).

    A column of labels is taken, and warned of.
    """
    y = _check_some(y, n_samples, estimator)
    if y.dtype.kind not in "fiubUO":
        raise ValueError(
            f"y has dtype {y.dtype}, which cannot be class labels: expected integers, "
            "booleans or strings."
        )
    if y.dtype.kind == "O":
        _refuse_all_but_strings(y)
    if y.dtype.kind == "f":
        _refuse_nonfinite(y, "y")
    if _is_column(y):
        y = column_or_1d(y, warn=warn)
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


def refuse_below(y, loss):
    """Refuse targets that the losses whose raw outputs are logarithms cannot have."""
    bad = y <= 0 if loss == "gamma" else y < 0
    if bad.any():
        place = np.unravel_index(np.argmax(bad), y.shape)
        least = "above 0" if loss == "gamma" else "of at least 0"
        raise ValueError(
            f"{_entry('y', place)} is {y[place]}: loss={loss!r} needs targets {least}."
        )


def refuse_zeros(y, loss):
    """Refuse targets to begin training with that are zero throughout."""
    zeros = (y == 0).all(axis=0)
    if zeros.any():
        column = "y" if y.ndim == 1 else f"y[:, {int(np.argmax(zeros))}]"
        raise ValueError(
            f"{column} is zero throughout: loss={loss!r} needs targets above 0."
        )


def check_all_classes(classes, estimator):
    """Return all classes that there are, sorted, each once."""
    try:
        classes = to_array(classes, "classes", "classes")
        if classes.ndim != 1:
            raise ValueError(f"it has shape {classes.shape}")
        found = np.unique(check_classes(classes, len(classes), estimator))
        if len(found) < 2:
            raise ValueError("there are fewer than 2")
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"classes={classes!r}: expected an array of all classes that there are, "
            f"which are integers, booleans or strings, but {error}"
        ) from error
    return found


def refuse_nonfinite_outputs(raw, name="X"):
    """Return outputs (n_samples, n_outputs) for `name`; refuse what is not finite."""
    finite = np.isfinite(raw).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"The outputs for {name}[{int(np.argmin(finite))}] are not finite: its "
            f"values, or the network's weights, are too large. Scale {name}, or fit "
            "anew with a lower learning_rate_init."
        )
    return raw


def balanced_weights(codes, sample_weight):
    """Return the weight of each class with which all classes weigh the same.

    As in scikit-learn, but that classes without weight are as good as absent.
    """
    counts = np.bincount(codes, sample_weight)
    present = counts > 0
    weights = np.zeros(len(counts))
    with np.errstate(over="ignore"):  # for the caller to tell
        weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights


def weights_of_classes(class_weight, classes):
    """Return the weight that a dict gives each class, 1 where it gives none.

    NaN stands for what is no number, or too large a one.
    """
    weights = np.ones(len(classes))
    for code, label in enumerate(classes.tolist()):
        try:
            weights[code] = float(class_weight.get(label, 1))
        except (TypeError, ValueError, OverflowError):
            weights[code] = np.nan
    return weights


def refuse_weights_of_others(class_weight, classes):
    """Refuse a dict of weights in which a class seems to be misspelt.

    As in scikit-learn, weights of others are fine where all classes have one, so that
    a part of the samples which lacks a class is.
    """
    classes = classes.tolist()
    others = [label for label in class_weight if label not in classes]
    without = [label for label in classes if label not in class_weight]
    if others and without:
        raise ValueError(
            f"class_weight={class_weight} has weights of {others}, which are no "
            f"classes, but none of {without}, which are."
        )


def refuse_unknown(y, classes):
    """Refuse classes that are not among those that training goes on from."""
    unknown = np.setdiff1d(y, classes)
    if len(unknown):
        raise ValueError(
            f"y holds {unknown.tolist()}, which is not among the classes "
            f"{classes.tolist()}."
        )


def check_weights(sample_weight, n_samples):
    """Return sample weights and what they were divided by.

    Returns
    -------
    weights : array of float64 (n_samples,)
        At least 0, the largest 1: weights of any scale mean the same, but tiny ones
        would vanish in float32 and huge ones not fit into it.
    largest : float
        The largest weight given.
    """
    if sample_weight is None:
        return np.ones(n_samples), 1.0
    weights = _dense(sample_weight, "sample_weight", "an array (n_samples,)")
    weights = np.asarray(weights)
    if weights.ndim == 0:
        weights = np.broadcast_to(weights, n_samples)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight has shape {weights.shape}, but X has {n_samples} samples: "
            f"expected {(n_samples,)}."
        )
    weights = _as_finite(weights, "sample_weight", "weights are numbers")
    smallest, largest = int(weights.argmin()), float(weights.max())
    if weights[smallest] < 0:
        raise ValueError(
            f"sample_weight[{smallest}] is {weights[smallest]}: expected weights of at "
            "least 0."
        )
    if largest == 0:
        raise ValueError("sample_weight is zero throughout: no sample is left.")
    return weights / largest, largest


def _check_some(y, n_samples, estimator):
    """Return y as an array; refuse what is none, or not of the length of X."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is "
            "None."
        )
    given = type(y).__name__
    y = _dense(y, "y", _EXPECTED)
    if len(y.shape) == 0:
        raise TypeError(f"y is of type {given}: expected {_EXPECTED}.")
    if len(y.shape) > 2 or 0 in y.shape[1:]:
        raise ValueError(f"y has shape {tuple(y.shape)}: expected {_EXPECTED}.")
    if y.shape[0] != n_samples:
        hint = ": with window each row of X is a sample, the first ones too"
        raise ValueError(
            f"y has {y.shape[0]} entries, but X has {n_samples} samples"
            f"{'' if estimator.window is None else hint}."
        )
    return check_array(
        y,
        ensure_2d=False,
        dtype=None,
        ensure_all_finite=False,
        input_name="y",
        estimator=estimator,
    )


def _dense(data, name, expected):
    """Return `data` as an array, or as the pandas object that it is."""
    call = call_to_dense(data)
    if call is not None:
        raise TypeError(
            f"Sparse {name} was passed, but dense {name} is required: {name}.{call}."
        )
    if np.ma.is_masked(data):
        raise ValueError(f"{name} is a masked array with masked values: fill them.")
    try:
        if not is_table_with(data, "iloc"):
            data = to_array(data, name, name)
    except ValueError as error:
        raise ValueError(f"{name} is ragged: expected {expected}.") from error
    if getattr(getattr(data, "dtype", None), "kind", None) == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {data.dtype}.")
    return data


def _as_finite(array, name, need):
    """Return an array as float64; refuse what is no number, naming the first."""
    if array.dtype.kind == "O" or array.dtype.type is np.longdouble:
        array = _one_by_one(array, name, need)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} has dtype {array.dtype}, but {need}.")
    array = array.astype(np.float64, copy=False)
    _refuse_nonfinite(array, name)
    return array


def _one_by_one(array, name, need):
    """Return objects, or numbers beyond float64, as float64; missing ones as NaN."""
    numbers = np.empty(array.shape)
    for place, value in np.ndenumerate(array):
        if value is None or value is pd.NA:
            numbers[place] = np.nan
        elif is_number(value):
            numbers[place] = _as_float(value)
            if np.isinf(numbers[place]) and abs(value) != np.inf:
                raise ValueError(
                    f"{_entry(name, place)} does not fit into float64: scale {name}."
                )
        else:
            raise TypeError(
                f"{_entry(name, place)} is {value!r}, of type {type(value).__name__}, "
                f"but {need}."
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
                f"Unknown label type: {_entry('y', place)} is {value!r}, of type "
                f"{type(value).__name__}. Class labels in an array of objects must be "
                "strings; convert others to an array of integers."
            )


def _refuse_nonfinite(array, name):
    finite = np.isfinite(array)
    if not finite.all():
        place = np.unravel_index(np.argmin(finite), array.shape)
        found = "NaN" if np.isnan(array[place]) else "infinity"
        raise ValueError(
            f"Input {name} contains {found}. The first is {_entry(name, place)}."
        )


def _entry(name, place):
    return f"{name}[{', '.join(map(str, place))}]"


def _is_column(y):
    return y.ndim == 2 and y.shape[1] == 1
