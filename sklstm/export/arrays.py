"""Weights as plain arrays in one file, without pickle."""

from contextlib import contextmanager

import numpy as np
from sklearn.utils.validation import check_is_fitted


def save_weights(estimator, file):
    """Write the weights of a fitted estimator to an ``.npz`` file of plain arrays.

    They have the names and shapes of `weights_`. What else an estimator has learnt,
    such as its classes and the scales of its channels and targets, is not among them.

    Parameters
    ----------
    estimator : LSTMClassifier or LSTMRegressor
        Fitted.
    file : str, path or binary file object
        Where to write to.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    OSError
        If the file cannot be written.

    See Also
    --------
    load_weights : Reads them back.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> from sklstm.export import load_weights, save_weights
    >>> X, y = np.zeros((4, 3, 2)), np.arange(4.0)
    >>> first = LSTMRegressor(5, max_iter=1, random_state=0).fit(X, y)
    >>> second = LSTMRegressor(5, max_iter=1, random_state=1).fit(X, y)
    >>> file = io.BytesIO()
    >>> save_weights(first, file)
    >>> _ = file.seek(0)
    >>> load_weights(second, file)
    >>> bool((second.predict(X) == first.predict(X)).all())
    True
    """
    check_is_fitted(estimator)
    with _opened(file, "wb") as target:
        np.savez(target, **estimator.weights_)


def load_weights(estimator, file):
    """Read weights that `save_weights` wrote into a fitted estimator.

    Parameters
    ----------
    estimator : LSTMClassifier or LSTMRegressor
        Fitted, of the same architecture; its weights are overwritten.
    file : str, path or binary file object
        Nothing but arrays of numbers is read from it: no code in it is run.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    OSError
        If there is no such file.
    ValueError
        If the file is broken, or holds anything else than finite weights of these
        names and shapes. The estimator then is as it was.
    """
    check_is_fitted(estimator)
    weights = estimator.weights_
    loaded = _read(file)
    if loaded.keys() != weights.keys():
        raise ValueError(
            f"{_name(file)} holds {sorted(loaded)}, expected {sorted(weights)}."
        )
    for name, array in loaded.items():
        if array.shape != weights[name].shape:
            raise ValueError(
                f"{name} in {_name(file)} has shape {array.shape}, expected "
                f"{weights[name].shape}."
            )
        if array.dtype.kind != "f":
            raise ValueError(
                f"{name} in {_name(file)} has dtype {array.dtype}, expected real "
                "numbers."
            )
        with np.errstate(over="ignore"):
            loaded[name] = array.astype(weights[name].dtype)
        if not np.isfinite(loaded[name]).all():
            raise ValueError(
                f"{name} in {_name(file)} is not finite in {weights[name].dtype}."
            )
    for name, array in loaded.items():
        weights[name][...] = array


def _read(file):
    """Return all arrays in a file, by name."""
    with _opened(file, "rb") as source:
        # NumPy and what it unpacks with raise errors of a dozen types of a broken file.
        try:
            archive = np.load(source, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise ValueError("it is a single array")
            with archive:
                return {name: archive[name] for name in archive.files}
        except Exception as error:
            raise ValueError(
                f"{_name(file)} is no file of weights, or broken: {error}"
            ) from error


@contextmanager
def _opened(file, mode):
    if hasattr(file, "read"):
        yield file
    else:
        with open(file, mode) as opened:
            yield opened


def _name(file):
    return getattr(file, "name", None) or (
        "The file" if hasattr(file, "read") else str(file)
    )
