"""
==========================================
Forecast carbon dioxide a quarter year out
==========================================

The air on Mauna Loa, measured each week: carbon dioxide rises from year to year, and
breathes with the seasons. `LSTMRegressor` with `window` forecasts it 13 weeks ahead
from the rows of a plain table, in a pipeline and a grid search, and is compared with
linear regression on the same windows and with "as a year ago".
"""

# %%
# A table of weeks
# ----------------
#
# The level has no ceiling, and what a network has never seen it cannot forecast. So
# both the input and the target are counted from the mean of the past 52 weeks, which
# is known when the forecast is made; adding it back gives ppm (parts per million).
# Two columns tell the season. What is forecast is the same table shifted by 13 weeks.

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.linear_model import Ridge
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from statsmodels.datasets import co2

from sklstm import LSTMRegressor

HORIZON = 13  # weeks ahead
YEAR = 52
WINDOWS = [13, 26, 52]  # weeks looked back at, the present one among them

# From 1965 on few weeks lack. A week that does repeats the last one, the only fill
# that does not look ahead.
ppm = co2.load_pandas().data["co2"].loc["1965":].ffill()
level = ppm.rolling(YEAR).mean()
season = 2 * np.pi * ppm.index.dayofyear / 365.25
table = pd.DataFrame(
    {
        "above level": ppm - level,
        "sin": np.sin(season),
        "cos": np.cos(season),
        "target": ppm.shift(-HORIZON) - level,
    }
).dropna()
X, y = table.drop(columns="target"), table["target"]
print(f"{len(X)} weeks, from {X.index[0]:%Y-%m-%d} to {X.index[-1]:%Y-%m-%d}")

# The last five years are the test. The training rows end a horizon earlier: their
# targets are known when the first test forecast is made.
n_before = len(X) - 5 * YEAR
X_train, y_train = X[: n_before - HORIZON], y[: n_before - HORIZON]

# %%
# The search
# ----------
#
# `TimeSeriesSplit` trains on the past and scores on what follows, a horizon later.
# `predict` sees only the rows that it is given, so the first ``window - 1`` answers of
# a fold rest on shorter windows, fewer of them the shorter the window is. For a fair
# race, score the rows where every candidate sees its whole window.


def warm_score(model, X, y):
    """Return the negative error on the rows that are warm for all candidates."""
    warm = slice(max(WINDOWS) - 1, None)
    return -root_mean_squared_error(y[warm], model.predict(X)[warm])


def search(pipeline, grid):
    """Return the fitted grid search; it prints its candidates, the best one first."""
    found = GridSearchCV(
        pipeline,
        grid,
        scoring=warm_score,
        cv=TimeSeriesSplit(4, gap=HORIZON),
        n_jobs=2,
    ).fit(X_train, y_train)
    results = pd.DataFrame(found.cv_results_).sort_values("rank_test_score")
    print()
    print(
        pd.DataFrame(found.cv_results_["params"])
        .rename(columns=lambda name: name.split("__")[1])
        .assign(error=-results["mean_test_score"], seconds=results["mean_fit_time"])
        .loc[results.index]
        .to_string(index=False, float_format="{:.3f}".format)
    )
    return found


lstm = search(
    Pipeline(
        [
            ("scale", StandardScaler()),
            (
                "lstm",
                LSTMRegressor(
                    batch_size=64,
                    learning_rate_init=0.005,
                    early_stopping=True,
                    random_state=0,
                ),
            ),
        ]
    ),
    {
        "lstm__window": WINDOWS,
        "lstm__hidden_layer_sizes": [16, 32, (16, 16)],
    },
)

# %%
# The linear model gets the same rows, windows and search. It has to be fed each window
# as one long row.


def flatten(X, window):
    """Put the ``window - 1`` rows before it next to each row (the first repeats)."""
    X = np.pad(X, ((window - 1, 0), (0, 0)), mode="edge")
    return sliding_window_view(X, window, axis=0).reshape(-1, window * X.shape[1])


linear = search(
    Pipeline(
        [
            ("scale", StandardScaler()),
            ("flat", FunctionTransformer(flatten)),
            ("ridge", Ridge()),
        ]
    ),
    {
        "flat__kw_args": [{"window": window} for window in WINDOWS],
        "ridge__alpha": [0.1, 1, 10, 100, 1000],
    },
)

# %%
# Five years never seen
# ---------------------
#
# The rows before the test are passed along, so that its first weeks have whole
# windows; their answers are dropped. "As a year ago" is the value of the same week a
# year earlier; a little wiser, it adds what the past year has brought.


def forecast(model):
    """Return the forecasts for the test weeks, in ppm."""
    n_context = max(WINDOWS) - 1
    answers = model.predict(X[n_before - n_context :])[n_context:]
    return answers + level[X.index[n_before:]]


year_ago = ppm.shift(YEAR - HORIZON)
forecasts = pd.DataFrame(
    {
        "as a year ago": year_ago,
        "as a year ago, plus growth": year_ago + ppm - ppm.shift(YEAR),
        "linear": forecast(linear),
        "LSTM": forecast(lstm),
    },
    index=X.index[n_before:],
)
truth = ppm.shift(-HORIZON)[forecasts.index]
errors = forecasts.sub(truth, axis=0)
rmse = np.sqrt((errors**2).mean())
print(f"\nRoot mean squared error of the test forecasts, {HORIZON} weeks ahead, in ppm")
print(rmse.to_string(float_format="{:.2f}".format))

# %%
# The upper plot shows the forecasts at the weeks that they are for, the lower one by
# how much they miss.

fig, (top, bottom) = plt.subplots(
    2, sharex=True, figsize=(9, 6), height_ratios=[3, 2], layout="constrained"
)
weeks = forecasts.index + pd.Timedelta(weeks=HORIZON)
top.plot(weeks, truth, color="black", lw=1, label="measured")
top.plot(weeks, forecasts["LSTM"], color="C0", label="LSTM forecast")
top.set(
    title=f"Mauna Loa, forecast {HORIZON} weeks ahead",
    ylabel="carbon dioxide (ppm)",
)
top.legend(loc="upper left")
styles = {"as a year ago, plus growth": "0.7", "linear": "C1", "LSTM": "C0"}
for name, color in styles.items():
    label = f"{name}: {rmse[name]:.2f} ppm"
    bottom.plot(weeks, errors[name], color=color, lw=1, label=label)
bottom.axhline(0, color="black", lw=0.5)
bottom.set(xlabel="week forecast", ylabel="forecast − measured (ppm)")
bottom.set_ylim(top=1.5 * errors[list(styles)].max().max())
bottom.legend(loc="upper left", ncols=3, title="root mean squared error")

if sys.argv[1:]:  # the file to write the plot to
    path = Path(sys.argv[1]).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=150)
    print(f"\nPlot written to {path}")
else:
    plt.show()
