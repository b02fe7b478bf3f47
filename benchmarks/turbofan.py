"""Remaining life of turbofan engines (C-MAPSS FD001) beside ``torch.nn.LSTM``.

    python -m benchmarks.turbofan [--defaults] [--seeds N]

A row is a flight of an engine. From windows of 30 rows, shorter at the start of an
engine, both sides predict how many flights are left, at most 125. Both are one layer
of 64 and a linear output on the last state, trained by Adam (learning rate 0.001) on
minibatches of 200 for 7 epochs, without clipping or early stopping, in one thread; all
24 columns and the target are standardised. (Where 20 of the training engines were held
out, PyTorch was best on them after 7 epochs, sklstm after 4; both overfit later.)
sklstm reads windows from the table; PyTorch is given them cut out, padded at their
ends and read before any padding. With `--defaults` sklstm is ``LSTMRegressor()``
instead, with nothing set but where its windows are.

The score is the root mean squared error at the last row of each of 100 test engines,
whose true life is capped at 125 like that of training ("capped"), or is not ("full").
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
import torch
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from benchmarks.data import load
from benchmarks.plain import PLAIN
from benchmarks.torch_lstm import TorchRegressor
from sklstm import LSTMRegressor

WINDOW = 30
LONGEST_LIFE = 125
PUBLISHED = "published: 16.14 (deep LSTM, Zheng et al. 2017), 14.93 (one layer)"
COMMON = {"batch_size": 200, "max_iter": 7}


def load_engines():
    """Return X_train, y_train, X_test, y_test; X holds the column "engine".

    A target is the number of flights after a row; y_test is that of the last rows.
    """
    arrays = load("CMAPSS_FD001")
    tables = [_table(arrays, split) for split in ("train", "test")]
    left = tables[0].groupby("engine").cumcount(ascending=False)
    y_train = left.clip(upper=LONGEST_LIFE).to_numpy(float)
    return tables[0], y_train, tables[1], arrays["rul_test"].astype(float)


def _table(arrays, split):
    table = pd.DataFrame(arrays[f"X_{split}_values"], columns=arrays["feature_names"])
    lengths = arrays[f"X_{split}_lengths"]
    return table.assign(engine=np.repeat(np.arange(len(lengths)), lengths))


def scaler(X):
    """Return what standardises all columns but "engine"."""
    return make_column_transformer(
        (StandardScaler(), list(X.columns.drop("engine"))),
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")


def windows(X):
    """Return each row of X with the rows before it in its engine, as arrays."""
    return [
        rows[max(0, end - WINDOW) : end]
        for _, engine in X.groupby("engine", sort=False)
        for rows in [engine.drop(columns="engine").to_numpy(np.float32)]
        for end in range(1, len(rows) + 1)
    ]


def pipelines(X, defaults):
    """Return the two models."""
    ours = LSTMRegressor(window=WINDOW, group_column="engine")
    if not defaults:
        ours.set_params(
            hidden_layer_sizes=(64,),
            max_grad_norm=None,
            tol=0,
            n_iter_no_change=COMMON["max_iter"],
            **PLAIN,
            **COMMON,
        )
    cut = FunctionTransformer(windows)
    return (
        make_pipeline(scaler(X), ours),
        make_pipeline(scaler(X), cut, TorchRegressor(64, **COMMON)),
    )


def measure(model, data, seed):
    """Return the errors against capped and full lives, and the seconds of a fit."""
    X_train, y_train, X_test, life = data
    model[-1].set_params(random_state=seed)
    start = time.process_time()
    model.fit(X_train, y_train)
    seconds = time.process_time() - start
    last = ~X_test["engine"].duplicated(keep="last").to_numpy()
    predicted = model.predict(X_test)[last]
    capped = root_mean_squared_error(life.clip(max=LONGEST_LIFE), predicted)
    return capped, root_mean_squared_error(life, predicted), seconds


def report(name, ours, peer):
    """Print a line of the table: means, deviations, difference and its error."""
    error = np.sqrt((ours.var(ddof=1) + peer.var(ddof=1)) / len(ours))
    difference = ours.mean() - peer.mean()
    verdict = "PASS" if difference <= 2 * error else "FAIL"
    print(
        f"| {name} | {ours.mean():.2f} ± {ours.std(ddof=1):.2f} | {peer.mean():.2f} ± "
        f"{peer.std(ddof=1):.2f} | {difference:+.2f} | {error:.2f} | {verdict} |"
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--defaults", action="store_true")
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    n_seeds = arguments.seeds
    if n_seeds < 2:
        parser.error("a standard error needs at least 2 seeds")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)  # all epochs are meant to run
    LSTMRegressor(64, max_iter=1).fit(np.zeros((2, 2, 1)), [0, 1])  # compiles
    data = load_engines()
    models = pipelines(data[0], arguments.defaults)
    results = np.empty((3, 2, n_seeds))
    for seed in range(n_seeds):
        for side in (0, 1) if seed % 2 == 0 else (1, 0):
            results[:, side, seed] = measure(models[side], data, seed)
    print("| RMSE | sklstm | torch | difference | standard error | verdict |")
    print("| --- | --- | --- | --- | --- | --- |")
    report("capped", *results[0])
    report("full", *results[1])
    print(PUBLISHED)
    ours, peer = results[2]
    print(
        f"seconds of a fit (processor time, median): {np.median(ours):.1f} against "
        f"{np.median(peer):.1f}, ratio {np.median(peer / ours):.2f}"
    )


if __name__ == "__main__":
    main()
