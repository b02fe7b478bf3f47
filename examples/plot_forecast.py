"""
=========================================
Forecast carbon dioxide eight weeks ahead
=========================================

The air on Mauna Loa, measured each week: carbon dioxide rises from year to year, and
breathes with the seasons. `~sklstm.LSTMRegressor` with ``window`` forecasts it from the
rows of a table, in a pipeline and a grid search. Beside it stand "as a year ago", and a
linear model of the same windows.
"""

# %%
# One row a week
# --------------
#
# Carbon dioxide rises without end, and a network cannot forecast values far above those
# that it was trained on. So all is counted from the mean of the past 52 weeks. It is
# known when the forecast is made; adding it back gives ppm (parts per million). The
# target is the same series eight weeks on. The table holds measurements alone, no date:
# what season it is has to be read from the weeks before.

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

HORIZON = 8  # weeks ahead
YEAR = 52
WINDOWS = [13, 26, 52, 78]  # weeks that a forecast rests on, the present one included

# Before 1965 months are missing, after it a few weeks. Each of these repeats the week
# before it, since any other fill would look ahead.
ppm = co2.load_pandas().data["co2"].loc["1965":].ffill()
level = ppm.rolling(YEAR).mean()
table = pd.DataFrame(
    {"above_level": ppm - level, "target": ppm.shift(-HORIZON) - level}
).dropna()
X, y = table[["above_level"]], table["target"]

# The last five years are the test. Training ends a horizon earlier, so that all its
# targets are known when the first test forecast is made.
test_start = len(X) - 5 * YEAR
train = slice(0, test_start - HORIZON)
print(
    f"Trained on {train.stop} weeks from {X.index[0]:%Y-%m-%d}, "
    f"tested on {5 * YEAR} from {X.index[test_start]:%Y-%m-%d}"
)

# %%
# The search
# ----------
#
# ``TimeSeriesSplit`` trains on the past and scores on what follows. ``predict`` sees
# only the rows that it is given, so the first answers in each fold rest on short
# windows: the longer the window, the more of them. To be fair, the score counts only
# rows that have a whole window for every candidate.


def warm_score(model, X, y):
    """Return minus the error on the rows that are warm for every candidate."""
    warm = slice(max(WINDOWS) - 1, None)
    return -root_mean_squared_error(y[warm], model.predict(X)[warm])


def search(steps, grid, X):
    found = GridSearchCV(
        Pipeline([("scale", StandardScaler()), *steps]),
        grid,
        scoring=warm_score,
        cv=TimeSeriesSplit(3, gap=HORIZON),
        n_jobs=2,
    )
    return found.fit(X[train], y[train])


def search_lstm(X):
    # Fewer epochs than by default make the search quick. Early stopping would hold the
    # latest years out, and they tell most about the next ones.
    lstm = LSTMRegressor(max_iter=20, random_state=0)
    grid = {"lstm__window": WINDOWS, "lstm__hidden_layer_sizes": [16, 32]}
    return search([("lstm", lstm)], grid, X)


lstm = search_lstm(X)
results = pd.DataFrame(lstm.cv_results_)
candidates = pd.DataFrame(
    {
        "window": results["param_lstm__window"],
        "hidden_layer_sizes": results["param_lstm__hidden_layer_sizes"],
        "error (ppm)": -results["mean_test_score"],
        "± over folds": results["std_test_score"],
    }
)
print("\nLSTM candidates, best first: root mean squared error, mean of the folds")
print(candidates.sort_values("error (ppm)").round(3).to_string(index=False))

# %%
# The linear model gets the same search over the same rows, folds and windows. It needs
# each window laid out as one row. The shorter the past that both see, the more the LSTM
# makes of it.


def flatten(X, window):
    """Lay each row's window out as one row; the first row stands in for its past."""
    X = np.pad(X, ((window - 1, 0), (0, 0)), mode="edge")
    return sliding_window_view(X, window, axis=0).reshape(-1, window * X.shape[1])


def search_linear(X):
    steps = [("flatten", FunctionTransformer(flatten)), ("ridge", Ridge())]
    grid = {
        "flatten__kw_args": [{"window": window} for window in WINDOWS],
        "ridge__alpha": [1, 10, 100, 1000],
    }
    return search(steps, grid, X)


linear = search_linear(X)
results = pd.DataFrame(linear.cv_results_)
windows = results["param_flatten__kw_args"].map(lambda kw_args: kw_args["window"])
best = pd.DataFrame(
    {
        "LSTM": candidates.groupby("window")["error (ppm)"].min(),
        "linear": -results["mean_test_score"].groupby(windows).max(),
    }
)
print("\nThe best candidate of each window, error in ppm")
print(best.round(3).to_string())

# %%
# Five years never seen
# ---------------------
#
# The rows before the test are passed along, so that its first weeks have whole windows
# too; the answers to them are dropped. "As a year ago" is the value of the same week a
# year before, "plus growth" adds the rise of the past year.

weeks = X.index[test_start:]
truth = ppm.shift(-HORIZON)[weeks]


def forecast(model, X):
    """Return the model's forecasts in the test weeks, in ppm."""
    n_context = max(WINDOWS) - 1
    return level[weeks] + model.predict(X[test_start - n_context :])[n_context:]


def error(forecast):
    return root_mean_squared_error(truth, forecast)


year_ago = ppm.shift(YEAR - HORIZON)[weeks]
forecasts = {
    "as a year ago": year_ago,
    "as a year ago, plus growth": year_ago + (ppm - ppm.shift(YEAR))[weeks],
    "linear": forecast(linear, X),
    "LSTM": forecast(lstm, X),
}
scores = pd.DataFrame({"test error (ppm)": map(error, forecasts.values())}, forecasts)

# %%
# A calendar would of course tell the season outright. Both searches once more, with the
# date in the table as a wave a year long and one of half a year:

angle = 2 * np.pi * X.index.day_of_year / 365.25
X_dated = X.assign(
    sin_1=np.sin(angle),
    cos_1=np.cos(angle),
    sin_2=np.sin(2 * angle),
    cos_2=np.cos(2 * angle),
)
for name, search_model in {"linear": search_linear, "LSTM": search_lstm}.items():
    answers = forecast(search_model(X_dated), X_dated)
    scores.loc[name, "with the date"] = error(answers)
print(f"\nRoot mean squared error of the test forecasts, {HORIZON} weeks ahead")
print(scores.to_string(float_format="{:.2f}".format, na_rep=""))

# %%
# The forecasts without the date, drawn at the weeks that they are for, and how far
# they are off:

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
    bottom.plot(due, forecasts[name] - truth, color=color, lw=1, label=label)
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
