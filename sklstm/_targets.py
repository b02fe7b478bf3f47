"""Targets: y as the user has it, and the numbers that the kernel is trained on."""

import numpy as np
from scipy import sparse
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, column_or_1d


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
            self._mean = np.average(y, axis=0, weights=weights)
            # By the largest deviation first, whose square could overflow.
            deviation = np.abs(y - self._mean)
            largest = deviation.max(axis=0, initial=np.finfo(float).tiny)
            variance = np.average((deviation / largest) ** 2, axis=0, weights=weights)
            scale = largest * np.sqrt(variance)
            # What is left of a constant target is rounding.
            constant = scale <= 10 * np.finfo(float).eps * np.abs(self._mean)
            self._scale = np.where(constant | (scale == 0), 1.0, scale)

    def encode(self, y, dtype):
        """Return `y` as the kernel is trained on it (n_samples, n_outputs)."""
        with np.errstate(over="ignore"):
            encoded = (y.reshape(len(y), -1) - self._mean) / self._scale
            encoded = np.ascontiguousarray(encoded, dtype=dtype)
        if not np.isfinite(encoded).all():
            sample = int(np.argmin(np.isfinite(encoded).all(axis=1)))
            raise ValueError(
                f"y[{sample}] = {y[sample]} does not fit into {np.dtype(dtype)}: use "
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
                raise ValueError(
                    f"y holds 1 class, {self.classes[0]!r}: expected at least 2."
                )
            self.n_outputs = 1 if len(self.classes) == 2 else len(self.classes)
        softmax_output = self.n_outputs > 1 and not self.multi_label
        self.loss = "log_loss" if softmax_output else "binary_log_loss"
        self.out_activation = "softmax" if softmax_output else "logistic"

    def encode(self, y, dtype):
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
    kind = np.asarray(y).dtype.kind
    if kind in "mMSU":
        raise ValueError(
            f"y has dtype {np.asarray(y).dtype}, but a regression needs numbers."
        )
    y = check_array(
        y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=estimator
    )
    return column_or_1d(y, warn=True) if _is_column(y) else y


def check_classes(y, n_samples, estimator):
    """Return class labels (n_samples,), or 0 and 1 (n_samples, n_labels)."""
    y = _check_some(y, n_samples, estimator)
    y = check_array(y, ensure_2d=False, dtype=None, input_name="y", estimator=estimator)
    if y.dtype.kind in "mM":
        raise ValueError(f"y has dtype {y.dtype}, which cannot be class labels.")
    if _is_column(y):
        y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    kind = type_of_target(y, input_name="y")
    if kind == "multiclass-multioutput":
        raise ValueError(
            "y has several columns of classes (multiclass-multioutput), which is not "
            "supported: fit one classifier per column, or pass 0 and 1 (multi-label)."
        )
    return y


def _check_some(y, n_samples, estimator):
    """Refuse y that is missing, sparse, or not of the length of X."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is "
            "None."
        )
    if sparse.issparse(y):
        raise TypeError("Sparse y was passed, but dense y is required: y.toarray().")
    y = np.asarray(y) if not hasattr(y, "shape") else y
    if len(y.shape) not in (1, 2):
        raise ValueError(
            f"y has {len(y.shape)} dimensions, but one target per sequence is "
            "(n_samples,) or (n_samples, n_outputs)."
        )
    if y.shape[0] != n_samples:
        raise ValueError(f"y has {y.shape[0]} entries, but X has {n_samples} samples.")
    return y


def _is_column(y):
    return y.ndim == 2 and y.shape[1] == 1
