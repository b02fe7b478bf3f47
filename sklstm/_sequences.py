"""Sequences as kernels read them, and how 3-D and ragged X become such."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sklstm._forms import call_to_dense, is_number, to_array

# Kernels are compiled for plain, aligned, C-contiguous arrays.
LAYOUT = ["C_CONTIGUOUS", "ALIGNED"]


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
            values = np.require(np.concatenate(parts, dtype=dtype), None, LAYOUT)
        else:
            lengths = np.full(len(parts), parts.shape[1], dtype=np.int64)
            values = np.require(parts, dtype, LAYOUT).reshape(-1, parts.shape[2])
    return Sequences(values, np.cumsum(lengths) - lengths, lengths)


def own_dtype(parts):
    """float32, where it holds all `parts` from check_parts as they are, or float64."""
    if not isinstance(parts, list):
        return float_for(parts.dtype)
    return float_for(np.result_type(*{part.dtype for part in parts}))


def float_for(dtype):
    return np.float32 if np.can_cast(dtype, np.float32) else np.float64


def refuse_nonfinite(sequences, parts):
    """Raise for the first value of `sequences` that is not finite.

    `parts` are what `sequences` was stacked from, perhaps in a wider dtype.
    """
    where = first_nonfinite(sequences.values)
    if where is None:
        return
    row, channel = where
    sample = np.searchsorted(sequences.starts, row, side="right") - 1
    step = row - sequences.starts[sample]
    place = f"sample {sample}, step {step}, channel {channel}"
    raise_nonfinite(parts[sample][step, channel], place, sequences.values.dtype)


def refuse_far_off(values, sequences, first, offset, scale):
    """Refuse those of `sequences`, from row `first` on, that are too large scaled.

    `values` are these in their dtype.
    """
    where = first_nonfinite(values)
    if where is None:
        return
    row, channel = where
    row += first
    ends = sequences.starts + sequences.lengths
    if sequences.series is None:
        sample = np.argmax((sequences.starts <= row) & (row < ends))
        place = f"sample {sample}, step {row - sequences.starts[sample]}"
    else:  # a sample ends with its own row
        place = f"row {np.argmax(ends == row + 1)}"
    remedy = " or use dtype='float64'" if values.dtype == np.float32 else ""
    raise ValueError(
        f"{sequences.values[row, channel]!s} in {place}, channel {channel} of X is "
        f"too far off what training had there, {offset[channel]} with a standard "
        f"deviation of {scale[channel]}: scaled by these it does not fit into "
        f"{values.dtype}. Check X{remedy}"
    )


def first_nonfinite(values):
    """The (row, column) of the first value that is not finite, or None."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):  # true of most X, and needs no memory
            return None
    finite = np.isfinite(values)
    if finite.all():
        return None
    return np.unravel_index(np.argmin(finite), finite.shape)


def raise_nonfinite(given, place, dtype):
    if np.isnan(given):
        raise ValueError(f"Input X contains NaN. The first is in {place}.")
    if np.isinf(given):
        raise ValueError(f"Input X contains infinity. The first is in {place}.")
    remedy = " or use dtype='float64'" if dtype == np.float32 else ""
    raise ValueError(
        f"{given!s} in {place} of X does not fit into {dtype}: scale X{remedy}"
    )
