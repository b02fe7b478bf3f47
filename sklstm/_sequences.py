"""Any X → Sequences: each form of input recognised, validated and laid out alike."""

from dataclasses import dataclass, replace
from decimal import Decimal
from numbers import Integral, Real

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils.validation import check_array, validate_data

_EXPECTED = (
    "expected 2-D X (n_samples, n_features), 3-D X (n_samples, n_steps, n_channels)"
    " or a list of arrays (n_steps, n_channels) or (n_steps,)"
)

# Kernels are compiled for plain, aligned, C-contiguous arrays.
_LAYOUT = ["C_CONTIGUOUS", "ALIGNED"]


@dataclass(frozen=True, slots=True, eq=False)
class Sequences:
    """Sequences of any lengths: sequence i is values[starts[i]:][:lengths[i]].

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_channels)
        Time steps, C-contiguous. It may be the user's own X, and read-only: never
        write to it. Sequences may overlap in it.
    starts : ndarray of shape (n_sequences,), dtype int64
        The row of the first step of each sequence.
    lengths : ndarray of shape (n_sequences,), dtype int64
        The number of steps of each sequence, at least 1.
    series : ndarray of shape (n_sequences,), dtype int64, or None
        With a window: the row at which the series of each sequence begins.
    """

    values: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    series: np.ndarray | None = None

    def __len__(self):
        return len(self.starts)

    @property
    def n_channels(self):
        """Number of values in a step."""
        return self.values.shape[1]

    def over(self, values):
        """The same sequences over other values."""
        return replace(self, values=values)

    def take(self, indices):
        """The sequences at `indices`, over the same values."""
        series = None if self.series is None else self.series[indices]
        return Sequences(
            self.values, self.starts[indices], self.lengths[indices], series
        )


# Odd, so that they have inverses modulo 2**64: the multipliers of splitmix64.c.
_OF_STEPS, _OF_CHANNELS = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def fingerprints(sequences):
    """A number for each sequence that depends on its values alone.

    A polynomial in the bits of the values in float32, whatever their dtype, modulo
    2**64. As windows share their steps, it is the difference of two sums over all.

    Returns
    -------
    ndarray of shape (n_sequences,), dtype uint64
    """
    values = sequences.values
    powers = _powers(_OF_CHANNELS, values.shape[1] + 1)[1:]
    rows = np.ones(len(values), np.uint64)  # so that zeros count too
    with np.errstate(over="ignore"):
        for channel, power in zip(values.T, powers, strict=True):
            plain = channel.astype(np.float32) + np.float32(0)  # -0 is 0
            rows += plain.view(np.uint32) * power
    sums = np.zeros(len(rows) + 1, np.uint64)
    np.cumsum(rows * _powers(_OF_STEPS, len(rows)), out=sums[1:])
    starts = sequences.starts
    total = sums[starts + sequences.lengths] - sums[starts]
    # As if each began with the first of all steps.
    return total * _powers(pow(_OF_STEPS, -1, 2**64), len(rows))[starts]


def _powers(base, n):
    """The powers 0 ... n - 1 of `base`, modulo 2**64."""
    factors = np.full(n, base, np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


def validate_sequences(
    estimator,
    X,
    *,
    dtype,
    reset,
    n_channels=None,
    window=None,
    group_column=None,
):
    """Turn any X into Sequences, and set or check what `estimator` knows of X.

    A fit stores `n_features_in_` (the columns of 2-D X, the channels of any other),
    `feature_names_in_` where X is a DataFrame or a list of them, and two private
    attributes, `_n_channels` and `_fitted_on_table`. Later calls accept any form of
    X whose number of channels is that of the fit. Columns are compared with those
    of a fit on 2-D X, names of channels with those of a fit on 3-D or ragged X.

    Parameters
    ----------
    estimator : estimator instance
        Named in errors; takes the attributes.
    X : array-like or list of array-likes
        2-D, 3-D or ragged.
    dtype : {np.float32, np.float64} or None
        What the values are converted to; None: whichever of the two holds them as they
        are.
    reset : bool
        True at fit, False afterwards.
    n_channels : int, default=None
        For 2-D X without `window`: each row is n_features / n_channels steps, time
        first; None means 1. For any other X: the number expected, where given.
    window : int, default=None
        For 2-D X: rows are time steps, and sample i is row i and the window - 1 rows
        before it in its series, fewer at the start of the series.
    group_column : str or int, default=None
        With `window`: the column that says which series a row belongs to. A name
        where X has a column of this name, else a position, as in NumPy.

    Returns
    -------
    Sequences
        In the order of X. `values` shares memory with X where X already is a
        C-contiguous array of `dtype`.

    Raises
    ------
    ValueError or TypeError
        Where X is not what is described above, or does not match the fit.
    """
    form = recognise_form(X)
    _check_window(form, window, group_column)
    if is_table(form):
        _refuse_empty(form)
        form = _in_native_order(form) if isinstance(form, pd.DataFrame) else form
        group = _group_position(form, group_column)
        _refuse_one_dimension(form, window)
        values = _read_table(estimator, form, group, dtype=dtype, reset=reset)
        if window is None:
            sequences = _rows_as_sequences(values, n_channels or 1)
        else:
            sequences = _rows_as_steps(values, window, _group_codes(form, group))
    else:
        parts = check_parts(form)
        sequences = stack_steps(parts, dtype or _own_dtype(parts))
        refuse_nonfinite(sequences, parts)
    rows_are_sequences = is_table(form) and window is None
    _check_n_channels(estimator, sequences, n_channels, reset, rows_are_sequences)
    if not is_table(form):
        _check_channel_names(estimator, form, sequences, reset)
    if reset:
        estimator._n_channels = sequences.n_channels
        estimator._fitted_on_table = is_table(form)
    return sequences


# --- which form X has ---------------------------------------------------------------


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


def is_table(form):
    """Whether recognise_form found neither a 3-D array nor a list of sequences."""
    return not isinstance(form, list) and (
        sparse.issparse(form) or len(form.shape) != 3
    )


def _check_window(form, window, group_column):
    """Refuse `window` and `group_column` where they have no meaning."""
    if group_column is not None and window is None:
        raise ValueError(
            f"group_column={group_column!r} needs window: without it each row of X is"
            " a sequence of its own"
        )
    if window is not None and not is_table(form):
        found = "a list of sequences" if isinstance(form, list) else "3-D"
        raise ValueError(
            f"window={window} needs 2-D X, whose rows are time steps: X is {found}"
        )


def _check_n_channels(estimator, sequences, n_channels, reset, rows_are_sequences):
    """Refuse X with other channels than `n_channels` or the fit had."""
    found = sequences.n_channels
    if n_channels is not None and found != n_channels:
        raise ValueError(f"X has {found} channel(s), but n_channels={n_channels}")
    if not reset and found != estimator._n_channels:
        hint = "; give a single sequence as [sequence], or set n_channels"
        hint = hint if rows_are_sequences else ""
        raise ValueError(
            f"X has {found} channel(s), but {type(estimator).__name__} is expecting"
            f" {estimator._n_channels} channel(s) as input{hint}"
        )


# --- 3-D and ragged X -----------------------------------------------------------------


def check_parts(form):
    """A 3-D array or list of sequences, each part (n_steps, n_channels) of numbers."""
    if not len(form):
        raise ValueError(
            "Found array with 0 sample(s) while a minimum of 1 is required: X is empty"
        )
    if not isinstance(form, list):
        return _check_cube(form)
    parts = [_as_part(element, sample) for sample, element in enumerate(form)]
    if len({part.shape[1] for part in parts}) > 1:
        _refuse_uneven_channels(parts)
    return parts


def _check_cube(array):
    """A 3-D array, of numbers, with at least one step and one channel."""
    if 0 in array.shape:
        raise ValueError(
            f"X has shape {array.shape} (n_samples, n_steps, n_channels): at least one"
            " step and one channel are required"
        )
    if array.dtype.kind in "fiub":
        return array
    return np.stack([_as_numbers(part, sample) for sample, part in enumerate(array)])


def _as_part(element, sample):
    """Element number `sample` of a ragged X as numbers (n_steps, n_channels)."""
    if type(element) is not np.ndarray:  # 100,000 short arrays want a short way
        element = _as_array(element, sample)
    if element.ndim == 1:
        element = element[:, np.newaxis]
    if element.ndim != 2:
        raise ValueError(
            f"sample {sample} of X has {element.ndim} dimension(s):"
            " expected an array (n_steps, n_channels) or (n_steps,)"
        )
    if 0 in element.shape:
        raise ValueError(
            f"sample {sample} of X is empty, with shape {element.shape}"
            " (n_steps, n_channels): at least one step and one channel are required"
        )
    if element.dtype.kind in "fiub":
        return element
    return _as_numbers(element, sample)


def _as_array(element, sample):
    """Anything in a ragged X as an array; refuses what would lose its meaning."""
    if np.ma.is_masked(element):
        raise ValueError(
            f"sample {sample} of X is a masked array with masked values: fill them"
        )
    call = call_to_dense(element)
    if call is not None:
        raise TypeError(
            f"sample {sample} of X is sparse, but dense data is required: use .{call}"
        )
    try:
        array = to_array(element, f"sample {sample} of X", f"X[{sample}]")
    except ValueError as error:
        raise ValueError(
            f"sample {sample} of X is a nested list whose steps differ in their number"
            " of channels"
        ) from error
    if array.ndim == 0:
        raise TypeError(
            f"sample {sample} of X is of type {type(element).__name__}:"
            " expected an array (n_steps, n_channels) or (n_steps,)"
        )
    return array


def _as_numbers(part, sample):
    """A part whose dtype is not one of numbers, as numbers where it holds numbers."""
    if part.dtype.kind == "c":
        raise ValueError(
            f"Complex data not supported: sample {sample} of X is {part.dtype}"
        )
    if part.dtype.kind != "O":
        raise ValueError(
            f"sample {sample} of X holds {part.dtype} data: real numbers are required"
        )
    missing = pd.isna(part)  # None and pd.NA, as NaN, are missing values
    for (step, channel), value in np.ndenumerate(part):
        if not is_number(value) and not missing[step, channel]:
            raise TypeError(
                f"sample {sample}, step {step}, channel {channel} of X is {value!r}, of"
                f" type {type(value).__name__}: real numbers are required"
            )
    try:
        with np.errstate(over="ignore"):  # of long doubles
            return np.where(missing, np.nan, part).astype(np.float64)
    except OverflowError as error:
        raise ValueError(
            f"sample {sample} of X holds a number that does not fit into float64"
        ) from error


def all_frames(form):
    """Whether X is a list of DataFrames alone; refuses columns that differ."""
    if not isinstance(form, list):
        return False
    frames = [i for i, element in enumerate(form) if isinstance(element, pd.DataFrame)]
    if frames:
        _refuse_names_given_twice(form[frames[0]])
    for sample in frames:
        expected, found = form[frames[0]].columns, form[sample].columns
        if found is not expected and list(found) != list(expected):
            raise ValueError(
                f"sample {sample} of X has the columns {list(found)}, but sample"
                f" {frames[0]} has {list(expected)}: all must have the same, in the"
                " same order"
            )
    return 0 < len(frames) == len(form)


def _refuse_names_given_twice(frame):
    if not frame.columns.is_unique:
        name = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"X has several columns named {name!r}")


def _check_channel_names(estimator, form, sequences, reset):
    """Set or check n_features_in_ and feature_names_in_ for 3-D and ragged X."""
    named = form[0] if all_frames(form) else sequences.values
    if reset or not estimator._fitted_on_table:
        validate_data(estimator, named, reset=reset, skip_check_array=True)


def _refuse_uneven_channels(parts):
    first = parts[0].shape[1]
    sample = next(i for i, part in enumerate(parts) if part.shape[1] != first)
    raise ValueError(
        f"sample {sample} of X has {parts[sample].shape[1]} channel(s), but sample 0"
        f" has {first}: the same number is required of all"
    )


def stack_steps(parts, dtype=None):
    """Parts from check_parts as Sequences, in `dtype` (None: that of the parts)."""
    # A number too large for dtype becomes an infinity, which refuse_nonfinite names.
    with np.errstate(over="ignore"):
        if isinstance(parts, list):
            lengths = np.array([len(part) for part in parts], dtype=np.int64)
            # Given F-ordered parts alone, concatenate returns an F-ordered array.
            values = np.require(np.concatenate(parts, dtype=dtype), None, _LAYOUT)
        else:
            lengths = np.full(len(parts), parts.shape[1], dtype=np.int64)
            values = np.require(parts, dtype, _LAYOUT).reshape(-1, parts.shape[2])
    return Sequences(values, np.cumsum(lengths) - lengths, lengths)


def _own_dtype(parts):
    """float32, where it holds all `parts` from check_parts as they are, or float64."""
    if not isinstance(parts, list):
        return _float_for(parts.dtype)
    return _float_for(np.result_type(*{part.dtype for part in parts}))


def _float_for(dtype):
    return np.float32 if np.can_cast(dtype, np.float32) else np.float64


def refuse_nonfinite(sequences, parts):
    """Raise for the first value of `sequences` that is not finite.

    `parts` are what `sequences` was stacked from, perhaps in a wider dtype.
    """
    where = _first_nonfinite(sequences.values)
    if where is None:
        return
    row, channel = where
    sample = np.searchsorted(sequences.starts, row, side="right") - 1
    step = row - sequences.starts[sample]
    place = f"sample {sample}, step {step}, channel {channel}"
    _raise_nonfinite(parts[sample][step, channel], place, sequences.values.dtype)


def refuse_far_off(sequences, given, offset, scale):
    """Refuse `given` values that do not fit into those of `sequences` once scaled."""
    where = _first_nonfinite(sequences.values)
    if where is None:
        return
    row, channel = where
    ends = sequences.starts + sequences.lengths
    sample = np.argmax((sequences.starts <= row) & (row < ends))
    step = row - sequences.starts[sample]
    remedy = " or use dtype='float64'" if sequences.values.dtype == np.float32 else ""
    raise ValueError(
        f"{given[where]!s} in sample {sample}, step {step}, channel {channel} of X is "
        f"too far off what training had there, {offset[channel]} with a standard "
        f"deviation of {scale[channel]}: scaled by these it does not fit into "
        f"{sequences.values.dtype}. Check X{remedy}"
    )


def _first_nonfinite(values):
    """The (row, column) of the first value that is not finite, or None."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):  # true of most X, and needs no memory
            return None
    finite = np.isfinite(values)
    if finite.all():
        return None
    return np.unravel_index(np.argmin(finite), finite.shape)


def _raise_nonfinite(given, place, dtype):
    if np.isnan(given):
        raise ValueError(f"Input X contains NaN. The first is in {place}.")
    if np.isinf(given):
        raise ValueError(f"Input X contains infinity. The first is in {place}.")
    remedy = " or use dtype='float64'" if dtype == np.float32 else ""
    raise ValueError(
        f"{given!s} in {place} of X does not fit into {dtype}: scale X{remedy}"
    )


# --- tables -------------------------------------------------------------------------


def _refuse_empty(table):
    if len(table.shape) == 2 and 0 in table.shape:
        what = "feature" if table.shape[0] else "sample"
        raise ValueError(
            f"Found array with 0 {what}(s) (shape={tuple(table.shape)}) while a minimum"
            " of 1 is required: X is empty"
        )


def _in_native_order(frame):
    """A frame whose columns have the byte order that all of pandas takes."""
    _refuse_names_given_twice(frame)
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


def _read_table(estimator, table, group, *, dtype, reset):
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
            values = np.require(given, dtype or _float_for(given.dtype), _LAYOUT)
    except OverflowError as error:
        raise ValueError("X holds a number that does not fit into float64") from error
    if reset or estimator._fitted_on_table:  # group column included
        validate_data(estimator, table, reset=reset, skip_check_array=True)
    where = _first_nonfinite(values)
    if where is not None:
        row, column = where
        column = column if group is None else _others(table, group)[column]
        place = f"row {row}, column {_column_name(table, column)}"
        _raise_nonfinite(given[where], place, values.dtype)
    return values


def _columns(table):
    """`table` so that [:, positions] picks columns, DataFrame or not."""
    return getattr(table, "iloc", table)


def _others(table, group):
    """The positions of all columns but that of the group labels."""
    return np.delete(np.arange(table.shape[1]), group)


def _column_name(table, position):
    return repr(table.columns[position]) if hasattr(table, "columns") else position


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
        found = f"row {row}, column {columns[column]} of X is {value!r}"
        if value is pd.NA:  # which check_array fails on, unlike None
            raise ValueError(f"Input X contains NaN: {found}")
        if isinstance(value, str | bytes):
            raise ValueError(f"{found}, a string: real numbers are required")
        raise TypeError(
            f"{found}, of type {type(value).__name__}, but the argument must be free of"
            " strings and other objects: real numbers are required"
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
    names = list(getattr(table, "columns", []))
    if group_column in names:
        position = names.index(group_column)
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
        raise ValueError(
            f"column {group_column!r} (group_column) is missing from X, whose columns"
            f" are {', '.join(map(repr, table.columns))}"
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
