"""Cross-validated errors of candidates for the estimators' defaults.

    python -m benchmarks.recipe [CANDIDATE ...] [--sets NAME ...] [--folds N]
        [--seconds N] [--out FOLDER]

A candidate is what is set, as JSON: ``'{"recurrent_dropout": 0}'``. If none is given it
is ``{}``, the defaults. Only the training parts of the sets are looked at; how they
are folded stands in `tasks`. The error is the share of wrong classes, or the root mean
squared error over the standard deviation of the training targets. A fit that takes
longer than `--seconds` of the processor is stopped then.

Results are kept, a line each, in ``<out>/recipe.jsonl``, and not measured again.
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks.defaults import alarm
from benchmarks.tasks import TASKS, take
from sklstm import LSTMClassifier, LSTMRegressor


def error_of(task, candidate, fold, rows, rows_after, seconds):
    """Return the error of a candidate on the validation rows of a fold."""
    classify = task.kind == "classification"
    model = (LSTMClassifier if classify else LSTMRegressor)(random_state=fold)
    model.set_params(**candidate)
    with alarm(seconds):
        model.fit(take(task.X_train, rows), task.y_train[rows])
    predicted = model.predict(take(task.X_train, rows_after))
    y = task.y_train[rows_after]
    if classify:
        return float(np.mean(predicted != y))
    return float(np.sqrt(np.mean((predicted - y) ** 2)) / np.std(task.y_train))


def run(candidates, names, n_folds, seconds, path):
    """Measure what `path` does not hold yet."""
    done = set()
    if path.exists():
        done = {tuple(json.loads(row)["run"]) for row in path.open()}
    for name in names:
        task = TASKS[name]()
        for candidate in candidates:
            for fold, rows in enumerate(task.folds(n_folds, seed=0)):
                key = (json.dumps(candidate), name, fold, n_folds, seconds)
                if key not in done:
                    error = error_of(task, candidate, fold, *rows, seconds)
                    with path.open("a") as file:
                        file.write(json.dumps({"run": key, "error": error}) + "\n")


def print_table(path):
    """Print the mean errors: a line for each candidate, a column for each set."""
    results = pd.DataFrame([json.loads(row) for row in path.open()])
    names = ["candidate", "set", "fold", "folds", "seconds"]
    results[names] = results["run"].tolist()
    rows = ["candidate", "folds", "seconds"]
    table = results.pivot_table(index=rows, columns="set", values="error", sort=False)
    print(table.round(3).to_string())


def main():
    """Measure, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "candidates", nargs="*", default=[{}], type=json.loads, metavar="CANDIDATE"
    )
    parser.add_argument("--sets", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--out", type=Path, default=Path("benchmarks-out"))
    arguments = parser.parse_args()
    arguments.out.mkdir(exist_ok=True)
    path = arguments.out / "recipe.jsonl"
    warnings.simplefilter("ignore")  # of convergence, above all
    with threadpool_limits(1):
        run(
            arguments.candidates,
            arguments.sets,
            arguments.folds,
            arguments.seconds,
            path,
        )
    print_table(path)


if __name__ == "__main__":
    main()
