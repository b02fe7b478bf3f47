"""
===========================================
Forecast carbon dioxide eight weeks ahead
===========================================

The air on Mauna Loa, measured each week since 1958: carbon dioxide rises from year to
year, and breathes with the seasons. `LSTMRegressor` with ``window`` forecasts it from
the rows of a plain table, in a pipeline and a grid search, beside linear models that
see the same windows, and beside "as a year ago".
"""

# %%
# A table of weeks
# ----------------
#
# Carbon dioxide rises without end, and a network cannot forecast values far above
# those that it was trained on. So input and target are counted from the mean of the
# past 52 weeks. That mean is known when the forecast is made; adding it back gives ppm
# (parts per million). Two columns tell the season. The target is the same series, eight
# weeks on.

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    PolynomialFeatures,
    StandardScaler,
)
from statsmodels.datasets import co2

from sklstm import LSTMRegressor

HORIZON = 8  # weeks ahead
YEAR = 52
WINDOWS = [1, 13, 26, 52]  # weeks that a forecast rests on, the present one included

# Before 1965 months are missing, after it a few weeks. These repeat the week before
# them, since any other fill would look ahead.
ppm = co2.load_pandas().data["co2"].loc["1965":].ffill()
level = ppm.rolling(YEAR).mean()
season = 2 * np.pi * ppm.index.day_of_year / 365.25
table = pd.DataFrame(
    {
        "above_level": ppm - level,
        "sin": np.sin(season),
        "cos": np.cos(season),
        "target": ppm.shift(-HORIZON) - level,
    }
).dropna()
X, y = table.drop(columns="target"), table["target"]

# The last five years are the test. Training ends a horizon earlier, so that all its
# targets are known when the first test forecast is made.
test_start = len(X) - 5 * YEAR
X_train, y_train = X[: test_start - HORIZON], y[: test_start - HORIZON]
print(
    f"{len(X_train)} weeks to train on, from {X_train.index[0]:%Y-%m-%d}, "
    f"and {5 * YEAR} to test on, from {X.index[test_start]:%Y-%m-%d}"
)

# %%
# The search
# ----------
#
# `~sklearn.model_selection.TimeSeriesSplit` trains on the past and scores on what
# follows. ``predict`` sees only the rows that it is given, so the first answers in each
# fold rest on short windows: the longer the window, the more of them. To be fair, the
# score counts only rows that have a whole window for every candidate.


def warm_score(model, X, y):
    """Return minus the error on the rows that are warm for every candidate."""
    warm = slice(max(WINDOWS) - 1, None)
    return -root_mean_squared_error(y[warm], model.predict(X)[warm])


def search(pipeline, grid):
    splitter = TimeSeriesSplit(4, gap=HORIZON)
    found = GridSearchCV(pipeline, grid, scoring=warm_score, cv=splitter, n_jobs=2)
    return found.fit(X_train, y_train)


# A tol above the default ends training once the loss has flattened out.
lstm = LSTMRegressor(batch_size=64, learning_rate_init=0.005, tol=1e-3, random_state=0)
lstm_search = search(
    Pipeline([("scale", StandardScaler()), ("lstm", lstm)]),
    {
        "lstm__window": WINDOWS,
        "lstm__hidden_layer_sizes": [16, 32, (16, 16)],
    },
)
results = pd.DataFrame(lstm_search.cv_results_)
candidates = pd.DataFrame(
    {
        "window": results["param_lstm__window"],
        "hidden_layer_sizes": results["param_lstm__hidden_layer_sizes"],
        "error (ppm)": -results["mean_test_score"],
        "± over folds": results["std_test_score"],
        "fit (s)": results["mean_fit_time"],
    }
)
print("\nLSTM candidates, root mean squared error over the folds, best first")
print(candidates.sort_values("error (ppm)").round(3).to_string(index=False))

# %%
# Linear models get the same rows, folds and windows, each window laid out as one row.
# A straight line through sine and cosine knows the year only as one smooth wave. The
# second linear model is handed their powers up to the third as well, with which the
# curve of the year can be steep in summer and slow in winter: a step of feature
# engineering that is left to the network otherwise.


def flatten(X, window):
    """Lay each row's window out as one row; the first row stands in for its past."""
    X = np.pad(X, ((window - 1, 0), (0, 0)), mode="edge")
    return sliding_window_view(X, window, axis=0).reshape(-1, window * X.shape[1])


def search_linear(degree):
    powers = PolynomialFeatures(degree, include_bias=False)
    return search(
        Pipeline(
            [
                (
                    "season",
                    ColumnTransformer(
                        [("powers", powers, ["sin", "cos"])], remainder="passthrough"
                    ),
                ),
                ("scale", StandardScaler()),
                ("flatten", FunctionTransformer(flatten)),
                ("ridge", Ridge()),
            ]
        ),
        {
            "flatten__kw_args": [{"window": window} for window in WINDOWS],
            "ridge__alpha": [0.1, 1, 10, 100],
        },
    )


searches = {
    "linear": search_linear(1),
    "linear, powers of the season": search_linear(3),
    "LSTM": lstm_search,
}

# %%
# Five years never seen
# ---------------------
#
# The rows before the test are passed along, so that its first weeks have whole windows
# too, and the answers to them are dropped. "As a year ago" is the value of the same
# week a year before; "plus growth" adds the rise of the past year.

n_context = max(WINDOWS) - 1
weeks = X.index[test_start:]
year_ago = ppm.shift(YEAR - HORIZON)[weeks]
forecasts = {
    "as a year ago": year_ago,
    "as a year ago, plus growth": year_ago + (ppm - ppm.shift(YEAR))[weeks],
}
for name, found in searches.items():
    answers = found.predict(X[test_start - n_context :])[n_context:]
    forecasts[name] = level[weeks] + answers

truth = ppm.shift(-HORIZON)[weeks]
errors = pd.DataFrame(forecasts).sub(truth, axis=0)
scores = pd.DataFrame(
    {
        "test error (ppm)": np.sqrt((errors**2).mean()),
        "search error (ppm)": {name: -s.best_score_ for name, s in searches.items()},
    }
).loc[list(forecasts)]
print(f"\nRoot mean squared error, {HORIZON} weeks ahead")
print(scores.to_string(float_format="{:.3f}".format, na_rep=""))

# %%
# Above the forecasts, drawn at the weeks that they are for; below, how far they are
# off.

fig, (top, bottom) = plt.subplots(
    2, sharex=True, figsize=(9, 6.5), height_ratios=[3, 2], layout="constrained"
)
due = weeks + pd.Timedelta(weeks=HORIZON)
top.plot(due, truth, ".", color="black", markersize=3, label="measured")
top.plot(due, forecasts["LSTM"], color="C0", label="LSTM forecast")
top.set_title(f"Carbon dioxide on Mauna Loa, forecast {HORIZON} weeks ahead")
top.set_ylabel("concentration (ppm)")
top.legend(loc="upper left")
styles = {"as a year ago, plus growth": "0.75", "linear": "C1", "LSTM": "C0"}
for name, color in styles.items():
    label = f"{name} ({scores.loc[name, 'test error (ppm)']:.2f})"
    bottom.plot(due, errors[name], color=color, lw=1, label=label)
bottom.axhline(0, color="black", lw=0.5)
bottom.set(xlabel="date", ylabel="forecast − measured (ppm)")
fig.legend(
    *bottom.get_legend_handles_labels(),
    loc="outside lower center",
    ncols=len(styles),
    title="in brackets: root mean squared error (ppm)",
)

if len(sys.argv) > 1:  # the file to write the plot to
    path = Path(sys.argv[1]).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=150)
    print(f"\nPlot written to {path}")
else:
    plt.show()
