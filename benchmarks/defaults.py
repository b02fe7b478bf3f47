"""Test scores of the default estimators on real data beside those of peers.

    python -m benchmarks.defaults [--seeds N] [--sides NAME ...] [--sets NAME ...]
        [--seconds N] [--out FOLDER]

- sklstm: ``LSTMClassifier(random_state=...)`` or ``LSTMRegressor(random_state=...)``,
  nothing else set, on the sequences as they are.
- torch: ``torch.nn.LSTM`` at usual settings: one layer of 64, a linear output on the
  last state, Adam with a learning rate of 0.001, minibatches of 32, some 3,000 of them.
- MLP: ``MLPClassifier`` or ``MLPRegressor`` at their defaults.
- linear: ``LogisticRegression`` or ``Ridge`` at their defaults.

The peers are given channels that are standardised, the last two of them flattened and
padded with zeros to the longest training sequence; in a regression all of them have
targets that are standardised. All run in one thread.

A fit that takes longer than `--seconds` of the processor is stopped then (but for the
linear models, which cannot be), and marked with a star. Results are kept, a line each,
in ``<out>/defaults.jsonl``; what is there already is not run again, so that a run can
be gone on with. At the end the table is printed, as the guide has it, of all that is
there.

The score is the accuracy on the test part, or the root mean squared error there, over
the standard deviation of the test targets. sklstm ties with the best peer where it is
not behind by more than two standard errors of the difference of their means over seeds.
"""

import argparse
import json
import signal
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, root_mean_squared_error
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.tasks import TASKS
from benchmarks.torch_lstm import TorchClassifier, TorchRegressor
from sklstm import LSTMClassifier, LSTMRegressor
from sklstm.preprocessing import PerStep

SIDES = ("sklstm", "torch", "MLP", "linear")
BATCH_SIZE, N_UPDATES = 32, 3000  # of PyTorch
PLUS_MINUS = "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"


class Flatten(TransformerMixin, BaseEstimator):
    """Sequences as rows, padded with zeros, or cut, to the longest of training."""

    def fit(self, X, y=None):
        self.n_steps_ = max(map(len, X))
        return self

    def transform(self, X):
        rows = np.zeros((len(X), self.n_steps_, X[0].shape[1]))
        for row, x in zip(rows, X, strict=True):
            n_steps = min(len(x), self.n_steps_)
            row[:n_steps] = x[:n_steps]
        return rows.reshape(len(X), -1)


@contextmanager
def alarm(seconds):
    """Send Ctrl-C, at which sklstm and the MLPs end a fit, after some processor time.

    Yields a list, which is not empty once that has been.
    """
    rung = []

    def ring(number, frame):
        rung.append(number)
        signal.raise_signal(signal.SIGINT)

    before = [
        (number, signal.signal(number, handler))
        for number, handler in (
            (signal.SIGPROF, ring),
            (signal.SIGINT, signal.default_int_handler),  # which shells may turn off
        )
    ]
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield rung
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        for number, handler in before:
            signal.signal(number, handler)


def make_model(side, kind, n_samples, seed, seconds):
    """Return the model of a side."""
    classify = kind == "classification"
    if side == "sklstm":
        return (LSTMClassifier if classify else LSTMRegressor)(random_state=seed)
    scale = PerStep(StandardScaler())
    if side == "torch":
        n_epochs = max(1, round(N_UPDATES / -(-n_samples // BATCH_SIZE)))
        peer = (TorchClassifier if classify else TorchRegressor)(
            64,
            batch_size=BATCH_SIZE,
            max_iter=n_epochs,
            random_state=seed,
            max_seconds=seconds,
        )
        return make_pipeline(scale, peer)
    if classify:
        peer = {"MLP": MLPClassifier(random_state=seed), "linear": LogisticRegression()}
        return make_pipeline(scale, Flatten(), peer[side])
    peer = {"MLP": MLPRegressor(random_state=seed), "linear": Ridge()}
    scaled = TransformedTargetRegressor(peer[side], transformer=StandardScaler())
    return make_pipeline(scale, Flatten(), scaled)


def score(task, model):
    """Return the accuracy, or the error in units of the deviation of the targets."""
    predicted = model.predict(task.X_test)
    if task.kind == "classification":
        return accuracy_score(task.y_test, predicted)
    return root_mean_squared_error(task.y_test, predicted) / np.std(task.y_test)


def measure(name, side, seed, seconds):
    """Return score and time of a fit, in seconds of the processor."""
    task = TASKS[name]()
    model = make_model(side, task.kind, len(task.y_train), seed, seconds)
    start = time.process_time()
    with alarm(seconds if side in ("sklstm", "MLP") else 0) as rung:
        model.fit(task.X_train, task.y_train)
    taken = time.process_time() - start
    late = bool(rung) or taken > seconds
    return {"score": score(task, model), "seconds": taken, "late": late}


def line(name, results):
    """Return a set's cells of both tables, and whether sklstm ties, at least."""
    better = 1 if TASKS[name]().kind == "classification" else -1
    groups = {side: rows for side, rows in results.groupby("side")}
    best = max(SIDES[1:], key=lambda side: better * groups[side]["score"].mean())
    ours, theirs = groups["sklstm"]["score"], groups[best]["score"]
    ahead = better * (ours.mean() - theirs.mean())
    error = np.sqrt(sum(s.var(ddof=1) / len(s) for s in (ours, theirs) if len(s) > 1))
    verdict = "tie" if abs(ahead) <= 2 * error else "ahead" if ahead > 0 else "behind"
    scores = [name]
    for side in SIDES:
        rows = groups[side]
        star = "\\*" if rows["late"].any() else ""
        spread = f"{PLUS_MINUS}{rows['score'].std():.3f}" if len(rows) > 1 else ""
        scores.append(f"{rows['score'].mean():.3f}{spread}{star}")
    difference = f"{ahead:+.3f} ({error:.3f})".replace("-", "−")
    seconds = [f"{groups[side]['seconds'].median():.1f}" for side in SIDES]
    return scores, [name, verdict, best, difference, *seconds], verdict != "behind"


def run(names, sides, n_seeds, seconds, path):
    """Measure what `path` does not hold yet."""
    done = set()
    if path.exists():
        done = {tuple(json.loads(row)["run"]) for row in path.open()}
    for name in names:
        for side in sides:
            for seed in range(1 if side == "linear" else n_seeds):
                if (name, side, seed) in done:
                    continue
                result = measure(name, side, seed, seconds)
                row = {"run": (name, side, seed), **result}
                with path.open("a") as file:
                    file.write(json.dumps(row) + "\n")


def print_table(path):
    """Print a line for each set of which there are results of all sides."""
    rows = [json.loads(row) for row in path.open()]
    results = pd.DataFrame(rows)
    results[["set", "side", "seed"]] = results["run"].tolist()
    lines = [
        line(name, of_set)
        for name in TASKS
        if set((of_set := results[results["set"] == name])["side"]) == set(SIDES)
    ]
    seconds = [f"{side} (s)" for side in SIDES]
    others = ["sklstm", "best peer", "difference", *seconds]
    for table, columns in enumerate([SIDES, others]):
        print(f".. csv-table::\n   :header: {', '.join(['set', *columns])}\n")
        for cells in lines:
            print(f"   {', '.join(cells[table])}")
        print()
    ties = [ties for *_, ties in lines]
    print(f"Ahead of the best peer, or tied with it: {sum(ties)}/{len(ties)}")


def main():
    """Measure, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--sets", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--out", type=Path, default=Path("benchmarks-out"))
    arguments = parser.parse_args()
    arguments.out.mkdir(exist_ok=True)
    path = arguments.out / "defaults.jsonl"
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # of convergence, above all
    with threadpool_limits(1):
        run(arguments.sets, arguments.sides, arguments.seeds, arguments.seconds, path)
    print_table(path)


if __name__ == "__main__":
    main()
