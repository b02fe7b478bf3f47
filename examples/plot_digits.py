"""
======================
Read digits row by row
======================

Handwritten digits of 8 × 8 pixels, read from the top row to the bottom one: a row is a
time step, its pixels are the channels. `~sklstm.LSTMClassifier` takes the flat table
that scikit-learn brings. Beside it stands ``MLPClassifier``, which sees all pixels at
once.
"""

# %%
# Two networks of one size
# ------------------------
#
# ``n_channels=8`` makes eight steps of eight channels of a row of 64 pixels. Both
# networks have about 11 000 weights and the same minibatches, and train as they do by
# default. Which scaler and step size suit them is searched for both alike.

import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from threadpoolctl import threadpool_limits

from sklstm import LSTMClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.3, stratify=y, random_state=0
)
networks = {
    "LSTM": LSTMClassifier(48, n_channels=8, batch_size=32),
    "MLP": MLPClassifier(150, batch_size=32),
}
grid = {
    "scale": [MinMaxScaler(), StandardScaler()],
    "network__learning_rate_init": [0.003, 0.01],
}
found = {}
for name, network in networks.items():
    pipeline = Pipeline([("scale", None), ("network", network)])
    pipeline.set_params(network__random_state=0)
    found[name] = GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(X_train, y_train)
    print(f"{name}: {found[name].best_params_}")

# %%
# Five seeds
# ----------
#
# The seed decides the initial weights and the order of the samples, and moves the score
# by as much as many a setting does. So each network is trained five times.


def n_weights(network):
    if isinstance(network, LSTMClassifier):
        return sum(array.size for array in network.weights_.values())
    return sum(array.size for array in network.coefs_ + network.intercepts_)


fits = []
for name, search in found.items():
    for seed in range(5):
        model = clone(search.best_estimator_).set_params(network__random_state=seed)
        start = time.perf_counter()
        with threadpool_limits(1):  # one core for the MLP's matrix products too
            model.fit(X_train, y_train)
        seconds = time.perf_counter() - start
        fits.append(
            {
                "network": name,
                "weights": n_weights(model[-1]),
                "epochs": model[-1].n_iter_,
                "fit (s)": seconds,
                "test accuracy": model.score(X_test, y_test),
            }
        )
groups = pd.DataFrame(fits).groupby("network", sort=False)
summary = groups.mean().astype({"weights": int}).round({"epochs": 0, "fit (s)": 2})
summary["± over seeds"] = groups["test accuracy"].std()
print(f"\nMean of 5 seeds, tested on {len(y_test)} digits")
print(summary.round(3).to_string())

# %%
# What one of the LSTMs takes for what, and up to twelve digits that it misreads:

model = found["LSTM"].best_estimator_
y_read = model.predict(X_test)
misread = np.flatnonzero(y_read != y_test)

fig = plt.figure(figsize=(10, 5), layout="constrained")
left, right = fig.subfigures(1, 2)
axes = left.subplots()
ConfusionMatrixDisplay.from_predictions(
    y_test, y_read, ax=axes, cmap="Blues", colorbar=False
)
n_right = len(y_test) - len(misread)
axes.set(
    title=f"LSTM: {n_right} of {len(y_test)} test digits read right",
    xlabel="read as",
    ylabel="digit",
)
right.suptitle("Misread digits")
for axes in right.subplots(3, 4).flat:
    axes.axis("off")
for axes, i in zip(right.axes, misread, strict=False):
    axes.imshow(X_test[i].reshape(8, 8), cmap="gray_r")
    axes.set_title(f"{y_test[i]} read as {y_read[i]}", fontsize="medium")

if len(sys.argv) > 1:  # the file to write the plot to
    path = Path(sys.argv[1]).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=150)
    print(f"\nPlot written to {path}")
else:
    plt.show()
