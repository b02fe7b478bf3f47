"""Ctrl-C at random moments of a fit: it returns soon, warns, and the model predicts.

This file runs as a program that fits endlessly; whoever runs it sends it SIGINT.
"""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from threading import Timer

import numpy as np
import pytest

import sklstm
from sklstm import LSTMClassifier, LSTMRegressor

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="signals are others there"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

N_MOMENTS = 20
WATCHDOG = 60  # seconds from one line of the program to the next

ENDLESS = {
    "max_iter": 10**9,
    "n_iter_no_change": 10**9,
    "tol": 0.0,
    "random_state": 0,
    "dtype": "float32",
}


class TellBegin:
    """A callback that writes a line when training begins."""

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        if context.task_name == "epoch" and context.task_id == 0:
            print("training", flush=True)

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        pass

    def teardown(self, estimator, context):
        pass


def make_task(kind, n_jobs):
    """An estimator, X and y: small minibatches, half of the samples for validation.

    Or minibatches that take a while, in which the caller's thread only waits.
    """
    rng = np.random.default_rng(0)
    if kind == "classifier":
        X = rng.normal(size=(2000, 20, 2)).astype(np.float32)
        model = LSTMClassifier(8, batch_size=64, n_jobs=n_jobs, **ENDLESS)
        model.set_params(early_stopping=True, validation_fraction=0.5)
        return model, X, X.mean(axis=(1, 2)) > 0
    X = rng.normal(size=(32, 10_000, 1)).astype(np.float32)
    model = LSTMRegressor(32, batch_size=32, n_jobs=n_jobs, **ENDLESS)
    return model.set_params(bptt_length=1000), X, X.mean(axis=(1, 2))


def fit_again_and_again(kind, n_jobs):
    model, X, y = make_task(kind, int(n_jobs))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.set_params(max_iter=1).fit(X, y)  # the kernels are ready
    model.set_params(max_iter=10**9).set_callbacks(TellBegin())
    for _ in range(N_MOMENTS):
        with warnings.catch_warnings(record=True) as record:
            warnings.simplefilter("always")
            model.fit(X, y)
        print("returned", flush=True)
        outcome = {
            "warnings": [str(warning.message) for warning in record],
            "epochs": len(model.loss_curve_),
            "finite": bool(np.isfinite(model.transform(X[:20, :50])).all()),
            "predicted": len(model.predict(X[:20, :50])),
        }
        print(json.dumps(outcome), flush=True)


@pytest.mark.parametrize(
    ("kind", "n_jobs"),
    [
        ("classifier", 2),
        pytest.param("classifier", 1, marks=pytest.mark.slow),
        pytest.param("long sequences", 1, marks=pytest.mark.slow),
        pytest.param("long sequences", 2, marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_at_random_moments(kind, n_jobs):
    make_kernels(kind)
    moments = np.random.default_rng(0).uniform(0, 0.6, size=N_MOMENTS)
    with Program(kind, n_jobs) as program:
        for moment in moments:
            assert program.read() == "training"
            time.sleep(moment)
            begin = time.perf_counter()
            program.interrupt()
            assert program.read() == "returned"
            assert time.perf_counter() - begin < 2
            outcome = json.loads(program.read())
            [warning] = outcome["warnings"]
            epoch = outcome["epochs"] + 1
            assert f"Training was interrupted in epoch {epoch}: the model" in warning
            assert outcome["finite"]
            assert outcome["predicted"] == 20


def make_kernels(kind):
    """Compile the kernels here, so that the program finds them in the cache."""
    model, X, y = make_task(kind, 1)
    model.set_params(max_iter=1).fit(X[:, :1001], y).predict(X[:2])
    model.transform(X[:2])


class Program:
    """This file, run as a program; killed where a line takes too long."""

    def __init__(self, *arguments):
        package = str(Path(sklstm.__file__).parents[1])
        path = filter(None, [package, os.environ.get("PYTHONPATH")])
        self._process = subprocess.Popen(
            [sys.executable, __file__, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def read(self):
        """Return the next line; an empty one if the program is over."""
        watchdog = Timer(WATCHDOG, self._process.kill)
        watchdog.start()
        try:
            return self._process.stdout.readline().strip()
        finally:
            watchdog.cancel()

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)


if __name__ == "__main__":
    fit_again_and_again(*sys.argv[1:])
