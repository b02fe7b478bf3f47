"""Any X → Sequences: each form of input recognised, validated and laid out alike."""

from sklearn.utils.validation import validate_data

from sklstm._forms import all_frames, is_table, recognise_form
from sklstm._sequences import (
    check_parts,
    own_dtype,
    refuse_nonfinite,
    stack_steps,
)
from sklstm._tables import sequences_of_table


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
        sequences = sequences_of_table(
            estimator,
            form,
            dtype=dtype,
            reset=reset,
            n_channels=n_channels,
            window=window,
            group_column=group_column,
        )
    else:
        parts = check_parts(form)
        sequences = stack_steps(parts, dtype or own_dtype(parts))
        refuse_nonfinite(sequences, parts)
    rows_are_sequences = is_table(form) and window is None
    _check_n_channels(estimator, sequences, n_channels, reset, rows_are_sequences)
    if not is_table(form):
        _check_channel_names(estimator, form, sequences, reset)
    if reset:
        estimator._n_channels = sequences.n_channels
        estimator._fitted_on_table = is_table(form)
    return sequences


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


def _check_channel_names(estimator, form, sequences, reset):
    """Set or check n_features_in_ and feature_names_in_ for 3-D and ragged X."""
    named = form[0] if all_frames(form) else sequences.values
    if reset or not estimator._fitted_on_table:
        validate_data(estimator, named, reset=reset, skip_check_array=True)
