"""Which samples early stopping watches instead of training on them."""

import numpy as np
from sklearn.model_selection import train_test_split


def hold_out(samples, fraction, classes, random_state):
    """Split `samples`: with a window the last part of each series, else at random.

    Parameters
    ----------
    samples : Samples
    fraction : float
        The share to hold out.
    classes : array (n_samples,) or None
        Of which the same share each is held out at random.
    random_state : RandomState

    Returns
    -------
    training, held_out : Samples

    Raises
    ------
    ValueError
        If too few are left on either side.
    """
    rows, series = samples.rows, samples.sequences.series
    if series is not None:
        train_rows, held_out = _split_series(rows, series[rows], fraction)
    else:
        train_rows, held_out = _split_at_random(rows, fraction, classes, random_state)
    if len(held_out) < 2 or len(train_rows) == 0:
        more = "more samples" if series is None else "longer series"
        raise ValueError(
            f"early_stopping holds out {len(held_out)} of {len(rows)} samples, too few "
            f"to score: raise validation_fraction, or pass {more}."
        )
    return samples.at(train_rows), samples.at(held_out)


def _split_at_random(rows, fraction, classes, random_state):
    """Split `rows`, class by class where there are classes."""
    try:
        return train_test_split(
            rows, random_state=random_state, test_size=fraction, stratify=classes
        )
    except ValueError as error:
        stratified = classes is not None
        rare = stratified and 1 in np.unique(classes, return_counts=True)[1]
        remedy = "leave such a class out" if rare else "change validation_fraction"
        cause = str(error).rstrip(".")
        raise ValueError(
            f"early_stopping cannot hold validation_fraction={fraction} of {len(rows)} "
            f"samples out: {cause}. Set early_stopping=False, {remedy}, or pass more "
            "samples."
        ) from error


def _split_series(rows, series, fraction):
    """Split off the last `fraction` of the `rows` of each series; one row stays."""
    order = np.argsort(series, kind="stable")
    _, sizes = np.unique(series, return_counts=True)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    n_held_out = np.minimum(np.ceil(fraction * sizes), sizes - 1)
    held_out = place >= np.repeat(sizes - n_held_out, sizes)
    return np.sort(rows[order[~held_out]]), np.sort(rows[order[held_out]])
