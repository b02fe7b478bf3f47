"""Which form X has: a table, a 3-D array or a list of sequences."""

from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd
from scipy import sparse

_EXPECTED = (
    "expected 2-D X (n_samples, n_features), 3-D X (n_samples, n_steps, n_channels)"
    " or a list of arrays (n_steps, n_channels) or (n_steps,)"
)


def recognise_form(X):
    """X as a table, a 3-D array, or a list with one sequence per element.

    A list or tuple with arrays in it, and a 1-D object array, are lists of sequences
    whatever their lengths. Nested lists of numbers are an array where they are even,
    a list of sequences where they are not. A table is 2-D, or something that
    scikit-learn's own checks refuse in their own words.
    """
    if sparse.issparse(X) or is_table_with(X, "columns"):
        return X
    if np.ma.is_masked(X):
        raise ValueError("X is a masked array with masked values: fill them first")
    nested = isinstance(X, list | tuple)
    if nested and (not X or any(hasattr(element, "__array__") for element in X)):
        return list(X)
    try:
        array = to_array(X, "X", "X")
    except ValueError as error:
        if nested:
            return list(X)
        raise TypeError(f"X is of type {type(X).__name__}: {_EXPECTED}") from error
    if array.ndim == 0 and array.dtype.kind in "OUS":
        raise TypeError(f"X is of type {type(X).__name__}: {_EXPECTED}")
    if array.ndim == 0:
        raise ValueError(f"X is a single value, {array}: {_EXPECTED}")
    if array.dtype.names is not None:
        raise ValueError(
            f"X is an array of records with the fields {', '.join(array.dtype.names)}:"
            " plain numbers are required, as from"
            " numpy.lib.recfunctions.structured_to_unstructured(X)"
        )
    if array.ndim > 3:
        raise ValueError(f"X has {array.ndim} dimensions {array.shape}: {_EXPECTED}")
    if array.ndim == 1 and array.dtype == object:
        return list(array)
    return array


def is_table(form):
    """Whether recognise_form found neither a 3-D array nor a list of sequences."""
    return not isinstance(form, list) and (
        sparse.issparse(form) or len(form.shape) != 3
    )


def is_table_with(data, attribute):
    """Whether `data` has a shape and an attribute that only tables have."""
    return hasattr(data, attribute) and isinstance(getattr(data, "shape", None), tuple)


def to_array(data, name, expression):
    """`data`, whose `expression` in the user's code is given, as an array.

    A ValueError is for the caller to tell: nested lists are uneven.
    """
    try:
        return np.asarray(data)
    except (ValueError, MemoryError):
        raise
    except Exception as error:  # of whatever type: it names nothing
        tensor = hasattr(data, "detach")
        remedy = f": pass {expression}.detach().numpy()" if tensor else ""
        raise TypeError(
            f"{name}, of type {type(data).__name__}, cannot be made an array ({error})"
            f"{remedy}"
        ) from error


def is_number(value):
    """Whether an object is a real number. NumPy calls its durations integers."""
    number = isinstance(value, Real | Decimal | np.bool_)
    return number and not isinstance(value, np.timedelta64)


def call_to_dense(data):
    """The call that makes sparse data dense; None where `data` is not sparse."""
    if sparse.issparse(data):
        return "toarray()"
    is_frame = isinstance(data, pd.DataFrame)
    dtypes = data.dtypes if is_frame else [getattr(data, "dtype", None)]
    if not any(isinstance(dtype, pd.SparseDtype) for dtype in dtypes):
        return None
    return "sparse.to_dense()" if hasattr(data, "sparse") else "to_dense()"


def all_frames(form):
    """Whether X is a list of DataFrames alone; refuses columns that differ."""
    if not isinstance(form, list):
        return False
    frames = [i for i, element in enumerate(form) if isinstance(element, pd.DataFrame)]
    if frames:
        refuse_names_given_twice(form[frames[0]])
    for sample in frames:
        expected, found = form[frames[0]].columns, form[sample].columns
        if not found.equals(expected):
            raise ValueError(
                f"sample {sample} of X has the columns {list(found)}, but sample"
                f" {frames[0]} has {list(expected)}: all must have the same, in the"
                " same order"
            )
    return 0 < len(frames) == len(form)


def refuse_names_given_twice(frame):
    if not frame.columns.is_unique:
        name = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"X has several columns named {name!r}")
