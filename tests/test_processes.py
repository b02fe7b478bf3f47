"""Threads, forks, joblib's backends and the end of the interpreter, in real processes.

No abort, no hang, no bit that differs. Each test runs this file as a program, which
does one of the functions of the second part. Where that hangs, it says where, and ends:
after a minute, or more where it has kernels to compile.
"""

import faulthandler
import gc
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from pathlib import Path

import joblib
import numpy as np
import pytest
import reference

import sklstm
from sklstm import LSTMRegressor
from sklstm.engines import cpu
from sklstm.kernels import compiling

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

WATCHDOG = 60  # seconds
WHERE_KERNELS_ARE_COMPILED = 300
N_FORKS = 10
N_FITS = 16
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks there")

# --- what is fitted -----------------------------------------------------------------


def make_data():
    rng = np.random.default_rng(0)
    X = reference.random_sequences(rng, rng.integers(1, 9, size=60), 2)
    return X, rng.normal(size=60)


def fit(n_jobs, max_iter=3):
    """A fit of minibatches of several shards."""
    model = LSTMRegressor(
        6,
        batch_size=48,
        max_iter=max_iter,
        tol=0.0,
        n_iter_no_change=10**9,
        random_state=0,
        dtype="float32",
        n_jobs=n_jobs,
    )
    return model.fit(*make_data())


def bits(model):
    """A hash of all that was fitted and of what it predicts."""
    cpu.WORTH_A_THREAD = 1  # in joblib's processes too
    X, _ = make_data()
    arrays = *model.weights_.values(), np.array(model.loss_curve_), model.predict(X)
    return hashlib.sha256(b"".join(map(np.ndarray.tobytes, arrays))).hexdigest()


def bits_of_fit(n_jobs):
    return bits(fit(n_jobs))


@pytest.fixture(scope="module")
def expected():
    """The bits of this process; and from here on the kernels are in the cache."""
    return bits_of_fit(1)


# --- tests --------------------------------------------------------------------------


def run(function, *arguments, status=0, cache=None):
    """Run this file as a program; return the words it prints."""
    package = str(Path(sklstm.__file__).parents[1])
    path = filter(None, [package, os.environ.get("PYTHONPATH")])
    environment = {"PYTHONPATH": os.pathsep.join(path), "PYTHONWARNINGS": "ignore"}
    watchdog = WATCHDOG
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = str(cache)
        watchdog = WHERE_KERNELS_ARE_COMPILED
    process = subprocess.run(
        [sys.executable, __file__, str(watchdog), function, *map(str, arguments)],
        env=os.environ | environment,
        timeout=2 * watchdog,  # when its own watchdog has ended it
        capture_output=True,
        text=True,
    )
    assert process.stderr == ""
    assert process.returncode == status
    return process.stdout.split()


slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("n_calls", "n_jobs"),
    [(100, 1), pytest.param(1000, 1, marks=slow), pytest.param(1000, 2, marks=slow)],
)
def test_predictions_in_32_threads_on_one_estimator(n_calls, n_jobs, expected):
    found = run("predict_in_threads", 32, n_calls, n_jobs)
    assert found == [expected, str(32 * n_calls), "0"]


def test_fits_in_many_threads(expected):
    assert run("fit_in_threads") == [expected] * N_FITS


@slow
def test_first_fits_in_many_threads(expected, tmp_path):
    """All of them have the kernels to compile."""
    assert run("fit_in_threads", cache=tmp_path) == [expected] * N_FITS


@needs_fork
def test_fork_after_a_fit(expected):
    """Predictions and a new fit in each child, and the parent once more."""
    assert run("fork_after_fit") == [expected] * (2 * N_FORKS + 1)


@needs_fork
def test_fork_amid_a_fit_of_another_thread(expected):
    assert run("fork_amid_fit") == [expected] * (2 * N_FORKS + 1)


@needs_fork
def test_fork_amid_a_compilation_of_another_thread():
    assert run("fork_amid_compilation") == ["collector", "on"]


@needs_fork
@slow
@pytest.mark.parametrize("delay", [0.5, 2, 4, 6])
def test_fork_amid_a_first_fit_of_another_thread(delay, expected, tmp_path):
    assert run("fork_amid_first_fit", delay, cache=tmp_path) == [expected] * 2


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param("loky", marks=slow),
        pytest.param("threading", marks=slow),
        "multiprocessing",
    ],
)
def test_backends_of_joblib_with_threads_inside(backend, expected):
    assert run("use_joblib", backend) == [expected] * 8


MOMENTS = np.random.default_rng(0).uniform(0, 0.5, size=20).round(3).tolist()
ONE = pytest.param(MOMENTS[:1], id="1")
ALL = pytest.param(MOMENTS, id="20", marks=slow)


@pytest.mark.parametrize("delays", [ONE, ALL])
def test_interpreter_ends_amid_the_fit_of_a_daemon_thread(delays, expected):
    for delay in delays:
        assert run("end_amid_fit", "daemon", delay, 0) == ["fitting"]


@slow
def test_sys_exit_amid_the_fit_of_a_daemon_thread(expected):
    for delay in MOMENTS:
        assert run("end_amid_fit", "daemon", delay, 3, status=3) == ["fitting"]


@pytest.mark.parametrize("delays", [ONE, ALL])
def test_interpreter_that_ends_waits_for_the_fit_of_a_thread(delays, expected):
    for delay in delays:
        found = run("end_amid_fit", "thread", delay, 3, status=3)
        assert found == ["fitting", expected]


@slow
@pytest.mark.parametrize("delay", [0.5, 1, 2, 3, 4, 5, 6, 7])
def test_interpreter_ends_amid_a_first_fit(delay, expected, tmp_path):
    assert run("end_amid_fit", "first", delay, 0, cache=tmp_path) == ["fitting"]
    # What was kept until then is whole.
    assert run("fit_in_threads", cache=tmp_path) == [expected] * N_FITS


# --- what the program does ----------------------------------------------------------


def predict_in_threads(n_threads, n_calls, n_jobs):
    """Each call predicts some of the samples, alone and in shards of any size."""
    model = fit(int(n_jobs))
    X = np.random.default_rng(0).normal(size=(60, 5, 2)).astype(np.float32)
    ref = model.predict(X)
    begin = threading.Barrier(int(n_threads))

    def predict(thread):
        rng = np.random.default_rng(thread)
        begin.wait()
        differs = []
        for _ in range(int(n_calls)):
            first, n = rng.integers(len(X)), rng.integers(1, 40)
            some = slice(first, first + n)
            differs.append(model.predict(X[some]).tobytes() != ref[some].tobytes())
        return len(differs), sum(differs)

    with ThreadPoolExecutor(int(n_threads)) as threads:
        results = np.array(list(threads.map(predict, range(int(n_threads)))))
    print(bits(model), *results.sum(axis=0))


def fit_in_threads():
    with ThreadPoolExecutor(8) as threads:
        print(*threads.map(bits_of_fit, [2] * N_FITS))


def in_child(function, *args):
    """What `function` returns in a forked child."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(WATCHDOG)  # a child has no watchdog from its parent
            os.write(write, function(*args).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as pipe:
        result = pipe.read()
    os.waitpid(child, 0)
    return result


def fork_after_fit():
    model = fit(2)
    for _ in range(N_FORKS):
        print(in_child(bits, model), in_child(bits_of_fit, 2))
    print(bits(model))


def fork_amid_fit():
    model, enough = fit(2), threading.Event()

    def fit_on():
        while not enough.is_set():
            fit(2, max_iter=20)

    thread = threading.Thread(target=fit_on)
    thread.start()
    for delay in np.random.default_rng(0).uniform(0, 0.05, size=N_FORKS):
        time.sleep(delay)
        print(in_child(bits, model), in_child(bits_of_fit, 2))
    enough.set()
    thread.join()
    print(bits(model))


def fork_amid_compilation():
    begun = threading.Event()

    def compile_long():
        with compiling():
            begun.set()
            time.sleep(1)

    def compile_after():
        with compiling():
            pass
        return "collector on" if gc.isenabled() else "collector off"

    thread = threading.Thread(target=compile_long)
    thread.start()
    begun.wait()
    print(in_child(compile_after))
    thread.join()


def fork_amid_first_fit(delay):
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(bits_of_fit, 2)
        time.sleep(float(delay))
        print(in_child(bits_of_fit, 2))
        print(future.result())


def use_joblib(backend):
    model = fit(2)
    tasks = []
    for n_jobs in (None, 1, 2, -1):
        tasks.append(joblib.delayed(bits_of_fit)(n_jobs))
        tasks.append(joblib.delayed(bits)(copy(model).set_params(n_jobs=n_jobs)))
    # Else joblib leaves each process one thread.
    two = {"inner_max_num_threads": 2} if backend == "loky" else {}
    with joblib.parallel_config(backend, **two):
        print(*joblib.Parallel(n_jobs=2)(tasks))


def end_amid_fit(kind, delay, status):
    """End the main thread while another fits: a daemon for ever, else for a while."""
    begun = threading.Event()

    def fit_first():
        begun.set()
        fit(2)
        fit(2, max_iter=10**9)  # where that took less time than was thought

    def fit_for_ever():
        fit(2)  # with the kernels loaded, what follows is training
        begun.set()
        fit(2, max_iter=10**9)

    def fit_for_a_while():
        fit(2)
        begun.set()
        end = time.perf_counter() + 1
        while time.perf_counter() < end:
            fit(2, max_iter=20)
        print(bits_of_fit(2))

    fits = {"first": fit_first, "daemon": fit_for_ever, "thread": fit_for_a_while}
    thread = threading.Thread(target=fits[kind], daemon=kind != "thread")
    thread.start()
    begun.wait()
    time.sleep(float(delay))
    print("fitting" if thread.is_alive() else "over", flush=True)
    if int(status):
        sys.exit(int(status))


if __name__ == "__main__":
    cpu.WORTH_A_THREAD = 1  # of what are small predictions
    faulthandler.dump_traceback_later(int(sys.argv[1]), exit=True)
    globals()[sys.argv[2]](*sys.argv[3:])
