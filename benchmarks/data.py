"""Real sequences that the benchmarks measure accuracy on.

They lie in the folder that the environment variable SKLSTM_DATA names, or else in
``../shared/data`` beside the repository; none are part of it.
"""

import os
from pathlib import Path

import numpy as np

BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared" / "data"


def folder():
    """Return the folder that holds the data sets."""
    return Path(os.environ.get("SKLSTM_DATA") or BESIDE_THE_REPOSITORY)


def load(name):
    """Return the arrays of a data set by name; end the program where there is none."""
    path = folder() / name / f"{name}.npz"
    if not path.is_file():
        raise SystemExit(
            f"{path} does not exist: set SKLSTM_DATA to the folder that holds {name}."
        )
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def load_sequences(name):
    """Return X_train, y_train, X_test, y_test: X is 3-D, or where ragged a list."""
    arrays = load(name)
    return tuple(
        part
        for split in ("train", "test")
        for part in (_sequences(arrays, f"X_{split}"), arrays[f"y_{split}"])
    )


def _sequences(arrays, key):
    if key in arrays:
        return arrays[key]
    return np.split(arrays[f"{key}_values"], np.cumsum(arrays[f"{key}_lengths"])[:-1])
