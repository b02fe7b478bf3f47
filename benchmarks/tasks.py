"""The data sets as tasks: sequences and targets, to train on and to test on.

Forecasts are made from the last steps of a series, cut out as sequences of their own,
so that every side is given the same. What a forecast is of, and from how many steps,
is that which is usual for the series (a year or a cycle and more); series that grow
(airline passengers, carbon dioxide) are taken as changes from step to step.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.model_selection import (
    GroupShuffleSplit,
    StratifiedKFold,
    train_test_split,
)

from benchmarks.data import folder, load, load_sequences


@dataclass(frozen=True, eq=False)
class Task:
    """A data set, split.

    Parameters
    ----------
    X_train, X_test : array (n_samples, n_steps, n_channels), or a list where ragged
    y_train, y_test : array
    kind : {"classification", "regression", "forecasting"}
    groups : array (n_samples,), optional
        Of the training samples: those of a group are not to be torn apart.
    """

    X_train: object
    y_train: np.ndarray
    X_test: object
    y_test: np.ndarray
    kind: str
    groups: np.ndarray | None = None

    def folds(self, n_folds, seed):
        """Yield training and validation rows, all of them out of the training part."""
        rows = np.arange(len(self.y_train))
        if self.groups is not None:
            splitter = GroupShuffleSplit(n_folds, test_size=0.25, random_state=seed)
            yield from splitter.split(rows, groups=self.groups)
        elif self.kind == "classification":
            splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
            yield from splitter.split(rows, self.y_train)
        else:  # validated on what comes after
            n_steps = max(map(len, self.X_train))
            for fold in range(n_folds):
                end = len(rows) * (4 + fold) // (4 + n_folds)
                after = len(rows) * (5 + fold) // (4 + n_folds)
                yield rows[: max(end - n_steps, end // 2)], rows[end:after]


def take(X, rows):
    """Return some of the sequences."""
    return [X[row] for row in rows] if isinstance(X, list) else X[rows]


def _archive(name):
    return Task(*load_sequences(name), "classification")


def _watch():
    """People 1 to 7 to train on, the others to test on."""
    arrays = load("watch_shoulder_exercises")
    X = np.split(arrays["X_values"], np.cumsum(arrays["X_lengths"])[:-1])
    people = np.unique(arrays["subject"])
    seen = np.isin(arrays["subject"], people[:7])
    train, test = np.flatnonzero(seen), np.flatnonzero(~seen)
    y, groups = arrays["y"], arrays["subject"][train]
    parts = take(X, train), y[train], take(X, test), y[test]
    return Task(*parts, "classification", groups)


def _genes():
    """Bases as one of five channels; a fifth of each family to test on."""
    arrays = load("GeneFamilies")
    values = np.eye(len(arrays["alphabet"]), dtype=np.float32)[arrays["X_values"]]
    X = np.split(values, np.cumsum(arrays["X_lengths"])[:-1])
    train, test = train_test_split(
        np.arange(len(X)), test_size=0.2, random_state=0, stratify=arrays["y"]
    )
    y = arrays["y"]
    return Task(take(X, train), y[train], take(X, test), y[test], "classification")


def _turbofan():
    """Flights that are left, at most 125, from the last 30, at most."""
    arrays = load("CMAPSS_FD001")
    parts = {}
    for split in ("train", "test"):
        lengths = arrays[f"X_{split}_lengths"]
        parts[split] = np.split(arrays[f"X_{split}_values"], np.cumsum(lengths)[:-1])
    X_train = [
        engine[max(0, end - 30) : end]
        for engine in parts["train"]
        for end in range(1, len(engine) + 1)
    ]
    left = np.concatenate([np.arange(len(part))[::-1] for part in parts["train"]])
    engines = np.repeat(np.arange(len(parts["train"])), [*map(len, parts["train"])])
    X_test = [engine[-30:] for engine in parts["test"]]
    y_train, y_test = left.clip(max=125), arrays["rul_test"].clip(max=125)
    return Task(X_train, y_train, X_test, y_test, "regression", engines)


def _windows(values, target, n_steps, n_ahead=1):
    """Return the last `n_steps` up to each step, and the targets of `n_ahead` more."""
    X = sliding_window_view(values[:-n_ahead], n_steps, axis=0).swapaxes(1, 2)
    y = sliding_window_view(target[n_steps:], n_ahead)
    return X, y[:, 0] if n_ahead == 1 else y


def _series(file, n_steps, n_test, grows=False):
    frame = pd.read_csv(folder() / "univariate_series" / f"{file}.csv.gz")
    if frame.shape[1] > 2:  # a row for each year
        series = frame.iloc[:, 1:].to_numpy().ravel()
    else:
        series = frame.iloc[:, 1].ffill().to_numpy(float)
    if grows:
        series = np.diff(series)
    X, y = _windows(series[:, None], series, n_steps)
    return Task(X[:-n_test], y[:-n_test], X[-n_test:], y[-n_test:], "forecasting")


def _transformer():
    """Oil temperature of the next 24 hours from that of the last 96."""
    table = pd.read_csv(folder() / "ETTh1" / "ETTh1.csv.gz")
    oil = table["OT"].to_numpy()
    train = _windows(oil[:8640, None], oil[:8640], 96, 24)
    test = _windows(oil[11520 - 96 : 14400, None], oil[11520 - 96 : 14400], 96, 24)
    return Task(*train, *test, "forecasting")


def _air():
    """Fine dust of the next hour, from the last 24 hours of it and of the weather."""
    table = pd.read_csv(folder() / "BeijingPM25" / "BeijingPM25.csv.gz")
    known = table["pm2.5"].notna().to_numpy()
    weather = table[["DEWP", "TEMP", "PRES", "Iws", "Is", "Ir"]]
    wind = pd.get_dummies(table["cbwd"], dtype=float)
    dust = table["pm2.5"].ffill().bfill()
    values = np.column_stack([dust, weather, wind])
    X, y = _windows(values, dust.to_numpy(), 24)
    is_known, first_year = known[24:], table["year"].to_numpy()[24:] == 2010
    train, test = is_known & first_year, is_known & ~first_year
    return Task(X[train], y[train], X[test], y[test], "forecasting")


TASKS = {
    "JapaneseVowels": lambda: _archive("JapaneseVowels"),
    "ItalyPowerDemand": lambda: _archive("ItalyPowerDemand"),
    "BasicMotions": lambda: _archive("BasicMotions"),
    "GunPoint": lambda: _archive("GunPoint"),
    "ArrowHead": lambda: _archive("ArrowHead"),
    "ECG5000": lambda: _archive("ECG5000"),
    "GestureMidAirD1": lambda: _archive("GestureMidAirD1"),
    "watch_shoulder_exercises": _watch,
    "GeneFamilies": _genes,
    "CMAPSS_FD001": _turbofan,
    "airline_passengers": lambda: _series("airline_passengers", 24, 36, grows=True),
    "co2_weekly": lambda: _series("co2_weekly", 52, 260, grows=True),
    "daily_min_temperatures": lambda: _series(
        "daily_min_temperatures_melbourne", 30, 730
    ),
    "elnino_monthly": lambda: _series("elnino_monthly_wide", 24, 144),
    "sunspots_monthly": lambda: _series("sunspots_monthly", 36, 564),
    "sunspots_yearly": lambda: _series("sunspots_yearly", 22, 62),
    "ETTh1": _transformer,
    "BeijingPM25": _air,
}
