"""Nothing is left behind: not by an epoch, not by a minibatch, not by a call."""

import gc
import subprocess
import sys
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import sklstm
from sklstm import LSTMClassifier, LSTMRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N_SAMPLES, BATCH_SIZE = 256, 4
X = np.random.default_rng(0).normal(size=(N_SAMPLES, 4, 2))
Y = X[:, -1, 0]
RAGGED = [x[: 1 + k % 4] for k, x in enumerate(X)]
PARAMETERS = {
    "hidden_layer_sizes": 16,
    "batch_size": BATCH_SIZE,
    "learning_rate": "constant",
    "learning_rate_init": 0.001,
    "random_state": 0,
    "tol": 0,
    "n_iter_no_change": 1000,
}


def allocated():
    """The bytes that are allocated and in use, also by NumPy."""
    gc.collect()
    # Python's cache of attributes holds their names, thousands before it is full.
    getattr(sys, "_clear_internal_caches", sys._clear_type_cache)()
    return tracemalloc.get_traced_memory()[0]


class Watch:
    """A callback that notes after each epoch what is allocated."""

    def __init__(self):
        self.allocated = []

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.allocated.append(allocated())

    def teardown(self, estimator, context):
        pass


class WatchModels(Watch):
    """One that is given the model of each epoch."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        super().on_fit_task_end(estimator, context)


@contextmanager
def traced():
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def bytes_a_call(call, n=20):
    """What a call leaves behind."""
    with traced():
        for _ in range(n):
            call()
        before = allocated()
        for _ in range(n):
            call()
        return (allocated() - before) / n


# An epoch is noted in the curves, and by scikit-learn among its tasks: 500 to 700
# bytes. What is left behind besides comes on top: a number for each of the 64
# minibatches is 1,536 bytes, one for each sample 2,048, a copy of the parameters 5,000.
@pytest.mark.parametrize(
    ("data", "parameters", "watch"),
    [
        (X, {}, Watch()),
        (X, {"early_stopping": True}, WatchModels()),
        (RAGGED, {"early_stopping": True, "n_jobs": 2}, Watch()),
        (X[:, 0], {"window": 4, "bptt_length": 2}, WatchModels()),
        (X, {"solver": "sgd", "dropout": 0.2, "recurrent_dropout": 0.2}, Watch()),
    ],
    ids=["3-D", "early stopping", "ragged", "window", "dropout"],
)
def test_epoch_leaves_nothing_but_a_note_behind(data, parameters, watch):
    model = LSTMRegressor(max_iter=8, **PARAMETERS | parameters)
    with traced():
        model.set_callbacks(watch).fit(data, Y)
    after_epochs = watch.allocated[:-1]  # the last is of the fit as a whole
    assert len(after_epochs) == 8
    assert np.median(np.diff(after_epochs)) < 1000


@pytest.mark.parametrize(
    ("method", "data"),
    [("predict", X[:40]), ("predict_proba", RAGGED[:40]), ("transform", X[:40])],
    ids=["predict", "predict_proba", "transform"],
)
def test_prediction_leaves_nothing_behind(method, data):
    model = LSTMClassifier(max_iter=1, **PARAMETERS).fit(X, Y > 0)
    assert bytes_a_call(lambda: getattr(model, method)(data)) < 10


def test_windows_leave_nothing_behind():
    model = LSTMRegressor(window=3, max_iter=1, **PARAMETERS).fit(X[:, 0], Y)
    assert bytes_a_call(lambda: model.predict(X[:40, 0])) < 10


@pytest.mark.parametrize("window", [None, 3])
def test_streams_leave_nothing_behind(window):
    data = X if window is None else X[:, 0]
    model = LSTMRegressor(window=window, max_iter=1, **PARAMETERS).fit(data, Y)
    stream = model.stream()
    assert bytes_a_call(lambda: stream.predict(X[0, 0])) < 10
    assert bytes_a_call(lambda: model.stream().predict(X[0, 0])) < 10


def test_prediction_that_fails_leaves_nothing_behind():
    model = LSTMRegressor(max_iter=1, **PARAMETERS).fit(X, Y)

    def fail():
        with pytest.raises(ValueError, match="channel"):
            model.predict(X[:40, :, :1])

    assert bytes_a_call(fail) < 10


def test_fit_leaves_no_more_behind_than_the_one_before():
    model = LSTMRegressor(max_iter=1, **PARAMETERS)
    assert bytes_a_call(lambda: model.fit(X[:8], Y[:8])) < 120


def test_partial_fit_leaves_nothing_but_a_note_behind():
    model = LSTMRegressor(**PARAMETERS)
    assert bytes_a_call(lambda: model.partial_fit(X[:8], Y[:8])) < 400


RESIDENT = """
import re, sys, warnings
from pathlib import Path
from sklstm import LSTMRegressor
sys.path.append(sys.argv[1])
from test_leaks import PARAMETERS, RAGGED, Watch, X, Y
warnings.simplefilter("ignore")

def resident():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\\s+(\\d+)", status)[1])

class WatchResident(Watch):
    def on_fit_task_end(self, estimator, context):
        self.allocated.append(resident())

watch = WatchResident()
model = LSTMRegressor(max_iter=150, **PARAMETERS).set_callbacks(watch)
model.fit(RAGGED, Y)
print(watch.allocated[49], watch.allocated[149])
seen = []
for k in range(1501):
    model.predict(X[:40])
    if k in (500, 1500):
        seen.append(resident())
print(*seen)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_resident_memory_of_a_process_does_not_grow():
    """Also by what is allocated outside Python, in the kernels."""
    process = subprocess.run(
        [sys.executable, "-c", RESIDENT, Path(__file__).parent],
        cwd=Path(sklstm.__file__).parents[1],
        check=True,
        capture_output=True,
        text=True,
    )
    for line in process.stdout.splitlines():
        before, after = map(int, line.split())  # kilobytes
        assert after - before < 1024
