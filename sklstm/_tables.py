"""2-D X, of any library: its columns, its rows as sequences or as steps."""

from numbers import Integral

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils.validation import check_array, validate_data

from sklstm._forms import is_number, refuse_names_given_twice
from sklstm._sequences import (
    LAYOUT,
    Sequences,
    first_nonfinite,
    float_for,
    raise_nonfinite,
)


def sequences_of_table(
    estimator, table, *, dtype, reset, n_channels, window, group_column
):
    """2-D X as Sequences, after the checks of scikit-learn and our own.

    Parameters and errors are those of `validate_sequences`.
    """
    _refuse_empty(table)
    table = _in_native_order(table) if isinstance(table, pd.DataFrame) else table
    group = _group_position(table, group_column)
    _refuse_one_dimension(table, window)
    values = _read_values(estimator, table, group, dtype=dtype, reset=reset)
    if window is None:
        return _rows_as_sequences(values, n_channels or 1)
    return _rows_as_steps(values, window, _group_codes(table, group))


def channel_names(estimator):
    """Return what the channels were named in a fit; None where they were not."""
    if not hasattr(estimator, "feature_names_in_"):
        return None
    names = list(estimator.feature_names_in_)
    group = _group_position(pd.DataFrame(columns=names), estimator.group_column)
    if group is not None:
        del names[group]
    # Of rows that are sequences the columns are no channels.
    return names if len(names) == estimator._n_channels else None


def _refuse_empty(table):
    if len(table.shape) == 2 and 0 in table.shape:
        what = "feature" if table.shape[0] else "sample"
        raise ValueError(
            f"Found array with 0 {what}(s) (shape={tuple(table.shape)}) while a minimum"
            " of 1 is required: X is empty"
        )


def _in_native_order(frame):
    """A frame whose columns have the byte order that all of pandas takes."""
    refuse_names_given_twice(frame)
    foreign = {
        name: dtype.newbyteorder("=")
        for name, dtype in frame.dtypes.items()
        if isinstance(dtype, np.dtype) and not dtype.isnative
    }
    return frame.astype(foreign) if foreign else frame


def _refuse_one_dimension(table, window):
    """Refuse 1-D X of numbers; scikit-learn's advice is to make it 2-D in any case."""
    one_dimension = not sparse.issparse(table) and len(table.shape) == 1
    if not one_dimension or table.dtype.kind not in "fiub":
        return
    if window is None:
        remedy = (
            "a single sequence is [sequence], or X.reshape(1, -1) where it is a row of"
            " n_steps * n_channels values"
        )
    else:
        remedy = (
            "with window, a series of one channel is X.reshape(-1, 1), or X.to_frame()"
            " of a pandas Series, and a single step is X.reshape(1, -1)"
        )
    raise ValueError(f"X is 1-D, of shape {table.shape}. Reshape your data: {remedy}")


def _read_values(estimator, table, group, *, dtype, reset):
    """2-D X without column `group` as a C-contiguous array of `dtype`."""
    if not sparse.issparse(table):
        _refuse_other_than_numbers(table, group)
    try:
        with np.errstate(over="ignore"):
            given = check_array(
                table if group is None else _columns(table)[:, _others(table, group)],
                dtype=[np.float64, np.float32, np.longdouble],  # cast below
                ensure_all_finite=False,  # seen to below, where the place is known
                estimator=estimator,
                input_name="X",
            )
            values = np.require(given, dtype or float_for(given.dtype), LAYOUT)
    except OverflowError as error:
        raise ValueError("X holds a number that does not fit into float64") from error
    if reset or estimator._fitted_on_table:  # group column included
        validate_data(estimator, table, reset=reset, skip_check_array=True)
    where = first_nonfinite(values)
    if where is not None:
        row, column = where
        column = column if group is None else _others(table, group)[column]
        place = f"row {row}, column {_column_name(table, column)}"
        raise_nonfinite(given[where], place, values.dtype)
    return values


def _columns(table):
    """`table` so that [:, positions] picks columns, DataFrame or not."""
    return getattr(table, "iloc", table)


def _others(table, group):
    """The positions of all columns but that of the group labels."""
    return np.delete(np.arange(table.shape[1]), group)


def _column_name(table, position):
    return repr([*table.columns][position]) if hasattr(table, "columns") else position


def _refuse_other_than_numbers(table, group):
    """Refuse dates, durations, text and objects, naming the first.

    Dates would pass as counts of nanoseconds, text where it reads as numbers.
    """
    if hasattr(table, "columns") and not hasattr(table, "iloc"):
        return  # no DataFrame of pandas: check_array knows it better
    dtypes = list(table.dtypes) if hasattr(table, "columns") else [table.dtype]
    for position, dtype in enumerate(dtypes):
        if isinstance(dtype, pd.SparseDtype):
            raise TypeError(
                f"column {_column_name(table, position)} of X is {dtype}, but dense"
                " data is required: use .sparse.to_dense()"
            )
        kind = getattr(dtype, "kind", None)
        if kind in ("f", "i", "u", "b") or (position == group and len(dtypes) > 1):
            continue
        column = _column_name(table, position)
        if kind in ("m", "M"):
            raise TypeError(
                f"X holds {dtype} data, first in column {column}: real numbers are"
                " required"
            )
        if kind == "c":
            raise ValueError(f"Complex data not supported: X is {dtype}")
        if hasattr(table, "columns"):
            _refuse_objects(table.iloc[:, [position]], [column], None)
        else:
            _refuse_objects(table, range(table.shape[-1]), group)


def _refuse_objects(values, columns, group):
    """Refuse objects that are no numbers, but for labels in column `group`."""
    cells = np.asarray(values, dtype=object).reshape(len(values), -1)
    for (row, column), value in np.ndenumerate(cells):
        if is_number(value) or value is None or column == group:
            continue
        text = " ".join(repr(value).split())
        text = text if len(text) <= 60 else f"{text[:57]}..."
        found = f"row {row}, column {columns[column]} of X is {text}"
        if value is pd.NA:  # which check_array fails on, unlike None
            raise ValueError(f"Input X contains NaN: {found}")
        if isinstance(value, str | bytes):
            raise ValueError(f"{found}, a string: real numbers are required")
        sequence = isinstance(value, list | tuple | np.ndarray | pd.Series)
        remedy = ": pass sequences themselves, as a list" if sequence else ""
        raise TypeError(
            f"{found}, of type {type(value).__name__}, but the argument must be free of"
            f" strings and other objects: real numbers are required{remedy}"
        )


def _rows_as_sequences(values, n_channels):
    """Each row of a table as one sequence, time first."""
    n_rows, n_columns = values.shape
    n_steps, rest = divmod(n_columns, n_channels)
    if rest:
        raise ValueError(
            f"X has {n_columns} features, which n_channels={n_channels} does not"
            " divide: each row must be n_steps * n_channels values"
        )
    starts = np.arange(n_rows, dtype=np.int64) * n_steps
    lengths = np.full(n_rows, n_steps, dtype=np.int64)
    return Sequences(values.reshape(-1, n_channels), starts, lengths)


def _rows_as_steps(values, window, codes):
    """For each row of a table, itself and the window - 1 rows before it in its series.

    `codes` number the series of each row; None: there is but one.
    """
    rows = np.arange(len(values), dtype=np.int64)
    position, first = rows, np.zeros_like(rows)  # of each row, and of its series
    if codes is not None:
        order = np.argsort(codes, kind="stable")
        values = values[order]
        position = np.empty_like(rows)
        position[order] = rows
        sizes = np.bincount(codes)
        first = (np.cumsum(sizes) - sizes)[codes]
    starts = np.maximum(first, position - min(window, len(values)) + 1)
    return Sequences(values, starts, position - starts + 1, first)


def _group_position(table, group_column):
    """The position of the column of group labels; None where there is none.

    Also None where X has no columns, which check_array is to say.
    """
    if group_column is None or sparse.issparse(table) or len(table.shape) != 2:
        return None
    n_columns = table.shape[1]
    # By hash: to compare a number with a tuple or with pd.NA need not give a bool.
    names = getattr(table, "columns", ())
    positions = {name: position for position, name in enumerate(names)}
    if group_column in positions:
        position = positions[group_column]
    elif isinstance(group_column, Integral):
        position = _checked_position(group_column, n_columns)
    else:
        _refuse_name(group_column, table)
    if n_columns < 2:
        raise ValueError(f"X has {n_columns} columns: one besides group_column is due")
    return position


def _checked_position(group_column, n_columns):
    """A position counted from 0, where it is given from the end too."""
    if not -n_columns <= group_column < n_columns:
        raise ValueError(
            f"group_column={group_column} is neither the name of a column of X nor a"
            f" position in its {n_columns} columns"
        )
    return group_column % n_columns


def _refuse_name(group_column, table):
    """Say that no column has this name."""
    if hasattr(table, "columns"):
        index = getattr(table, "index", None)
        in_index = isinstance(index, pd.Index) and group_column in index.names
        hint = "; it is in the index: pass X.reset_index(...)" if in_index else ""
        raise ValueError(
            f"column {group_column!r} (group_column) is missing from X, whose columns"
            f" are {', '.join(map(repr, table.columns))}{hint}"
        )
    raise ValueError(
        f"group_column={group_column!r} is a name, but X is an array, whose columns"
        " have none: give the position of the column, or pass a DataFrame (in a"
        " pipeline by set_output(transform='pandas') of the transformer before)"
    )


def _group_codes(table, group):
    """Rows of a series share a number; None where no column says which is which."""
    if group is None:
        return None
    labels = _columns(table)[:, group]
    if isinstance(labels.dtype, np.dtype):  # factorize takes the native order alone
        labels = labels.astype(labels.dtype.newbyteorder("="))
    try:
        codes, _ = pd.factorize(labels)
    except TypeError as error:
        raise TypeError(f"labels in group_column must be hashable: {error}") from error
    missing = np.flatnonzero(codes < 0)
    if len(missing):
        raise ValueError(f"row {missing[0]} of X has no label in its group_column")
    return codes
