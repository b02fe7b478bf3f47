"""Kernels run on `n_jobs` threads, and an error in one of them is told to the caller.

That the result does not depend on the threads is the matter of `test_determinism.py`.
"""

import os
import sys
import threading
import time
from queue import SimpleQueue

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklstm import LSTMRegressor
from sklstm._network import Network
from sklstm._sequences import Sequences
from sklstm.engines import cores, cpu, crew

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TIMEOUT = 20  # seconds, which only a test that fails takes
N_SAMPLES = 8 * cpu.SHARD
SMALL = {
    "hidden_layer_sizes": 2,
    "max_iter": 1,
    "batch_size": N_SAMPLES,
    "random_state": 0,
}


def make_data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(N_SAMPLES, 3, 1)), rng.normal(size=N_SAMPLES)


def watch(monkeypatch, kernel, n_threads):
    """Let calls of a kernel wait until `n_threads` of them run; note their threads."""
    original = getattr(cpu, kernel)
    together = threading.Barrier(n_threads, timeout=TIMEOUT)
    threads = []

    def watched(*args):
        threads.append(threading.get_ident())
        together.wait()
        return original(*args)

    monkeypatch.setattr(cpu, kernel, watched)
    return threads


@pytest.mark.parametrize("n_jobs", [1, 2, 4])
def test_kernels_run_on_as_many_threads_as_n_jobs(n_jobs, monkeypatch):
    X, y = make_data()
    in_fit = watch(monkeypatch, "gradient_of_part", n_jobs)
    in_predict = watch(monkeypatch, "predict_part", n_jobs)
    LSTMRegressor(**SMALL, n_jobs=n_jobs).fit(X, y).predict(X)
    for threads in (in_fit, in_predict):
        assert len(threads) == 8
        assert len(set(threads)) == n_jobs
        assert threading.get_ident() in threads


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_kernels_run_on_as_many_threads_as_joblib_says(n_jobs, monkeypatch):
    threads = watch(monkeypatch, "gradient_of_part", n_jobs)
    with joblib.parallel_config("threading", n_jobs=n_jobs):
        LSTMRegressor(**SMALL).fit(*make_data())
    assert len(set(threads)) == n_jobs


on_cores_of_their_own = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two cores, and Linux to say which they are",
)


@on_cores_of_their_own
@pytest.mark.parametrize("waits", [False, True])
def test_threads_keep_off_the_core_of_a_caller_that_works(waits, monkeypatch):
    allowed = os.sched_getaffinity(0)
    core, other = sorted(allowed)[:2]
    together = threading.Barrier(2, timeout=TIMEOUT)
    found = {}

    def look(item, worker):
        found[threading.get_ident()] = os.sched_getaffinity(0)
        together.wait()

    threads = crew.Crew(2)
    try:
        for where in (core, other, core):
            found.clear()
            monkeypatch.setattr(cores, "current", lambda where=where: where)
            threads.run(look, 2, np.zeros(1, np.int64) if waits else None)
            of_caller = found.pop(threading.get_ident(), allowed)
            assert of_caller == allowed
            assert [*found.values()] == (
                [allowed, allowed] if waits else [allowed - {where}]
            )
        if not waits:  # there is no need any more once the caller does
            for _ in range(2):
                found.clear()
                threads.run(look, 2, np.zeros(1, np.int64))
                assert [*found.values()] == [allowed, allowed]
    finally:
        threads.dismiss()


@on_cores_of_their_own
def test_threads_that_start_later_keep_off_the_core_too(monkeypatch):
    allowed = os.sched_getaffinity(0)
    monkeypatch.setattr(cores, "current", lambda: min(allowed))
    threads = crew.Crew(3)
    try:
        for n in (2, 3):
            together, found = threading.Barrier(n, timeout=TIMEOUT), {}

            def look(item, worker, together=together, found=found):
                found[worker] = os.sched_getaffinity(0)
                together.wait()

            threads.run(look, n)
            expected = [allowed] + (n - 1) * [allowed - {min(allowed)}]
            assert [found[worker] for worker in range(n)] == expected
    finally:
        threads.dismiss()


@pytest.mark.parametrize("function", ["sched_getaffinity", "sched_setaffinity"])
@pytest.mark.parametrize("error", [PermissionError, AttributeError])
def test_threads_run_where_their_cores_cannot_be_chosen(function, error, monkeypatch):
    def refuse(*args):
        raise error

    monkeypatch.setattr(cores, "current", lambda: 0)
    monkeypatch.setattr(os, function, refuse, raising=False)
    X, y = make_data()
    with_two = LSTMRegressor(**SMALL, n_jobs=2).fit(X, y).predict(X)
    assert_array_equal(with_two, LSTMRegressor(**SMALL).fit(X, y).predict(X))


def test_prediction_of_many_steps_is_heard_between_parts(monkeypatch):
    """Also where all of it is too little to be worth a thread."""
    model, (X, _) = LSTMRegressor(**SMALL).fit(*make_data()), make_data()
    parts = watch(monkeypatch, "predict_part", 1)
    monkeypatch.setattr(cpu, "WORTH_A_THREAD", 10**12)
    monkeypatch.setattr(cpu, "STEPS_IN_PART", X.shape[0] * X.shape[1] // 4)
    model.predict(X)
    assert len(parts) == 4


def test_prediction_that_takes_no_time_is_left_to_the_caller(monkeypatch):
    model, (X, _) = LSTMRegressor(**SMALL, n_jobs=4).fit(*make_data()), make_data()
    threads = watch(monkeypatch, "predict_part", 1)
    monkeypatch.setattr(cpu, "WORTH_A_THREAD", 10**7)
    model.predict(X)
    assert threads == [threading.get_ident()]


def threads_of_a_fit(n_jobs):
    """How many threads run the kernels of a fit, in whatever process this is."""
    seen, original = set(), cpu.gradient_of_part

    def noting(*args):
        seen.add(threading.get_ident())
        time.sleep(0.01)  # for the others to come by
        return original(*args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cpu, "gradient_of_part", noting)
        LSTMRegressor(**SMALL, n_jobs=n_jobs).fit(*make_data())
    return len(seen)


@pytest.mark.parametrize("share", [1, 2])
def test_processes_of_joblib_have_their_share_of_the_cores(share):
    with joblib.parallel_config("loky", inner_max_num_threads=share):
        counts = joblib.Parallel(n_jobs=2)(
            joblib.delayed(threads_of_a_fit)(n_jobs) for n_jobs in (4, -1, 4, -1)
        )
    n_cores = joblib.cpu_count()
    assert counts == [share, min(share, n_cores)] * 2


def test_kernels_run_on_the_thread_of_the_caller_alone_by_default(monkeypatch):
    threads = watch(monkeypatch, "gradient_of_part", 1)
    LSTMRegressor(**SMALL).fit(*make_data())
    assert set(threads) == {threading.get_ident()}


@pytest.mark.parametrize("n_jobs", [10**9, 10**400])
def test_n_jobs_may_be_any_number(n_jobs):
    X, y = make_data()
    expected = LSTMRegressor(**SMALL).fit(X, y).predict(X)
    model = LSTMRegressor(**SMALL, n_jobs=n_jobs).fit(X, y)
    assert_array_equal(model.predict(X), expected)


def test_threads_end_with_the_fit():
    before = set(threading.enumerate())
    LSTMRegressor(**SMALL, n_jobs=4).fit(*make_data())
    for thread in set(threading.enumerate()) - before:
        thread.join(TIMEOUT)
        assert not thread.is_alive()


def test_threads_end_with_the_step_of_a_stream(monkeypatch):
    """A step over long windows is for a thread to take, while the caller waits."""
    X, y = make_data()
    stream = LSTMRegressor(**SMALL, window=3).fit(X[:, 0], y).stream()
    before, started = set(threading.enumerate()), []
    start = threading.Thread.start
    monkeypatch.setattr(
        threading.Thread, "start", lambda self: (start(self), started.append(self))
    )
    monkeypatch.setattr(cpu, "LONG", 0)
    for step in X[:2, 0]:
        stream.predict(step)
    assert len(started) == 2
    for thread in set(threading.enumerate()) - before:
        thread.join(TIMEOUT)
        assert not thread.is_alive()


@pytest.mark.parametrize("where", ["caller", "helper"])
def test_error_in_any_thread_is_raised_and_the_engine_goes_on(where, monkeypatch):
    X, y = make_data()
    network = Network(
        n_channels=1,
        hidden_layer_sizes=(2,),
        bidirectional=False,
        head_layer_sizes=(),
        n_outputs=1,
    )
    parameters = network.initialise(np.random.RandomState(0), np.float64)
    starts = np.arange(N_SAMPLES) * X.shape[1]
    lengths = np.full(N_SAMPLES, X.shape[1])
    sequences = Sequences(X.reshape(-1, 1), starts, lengths)
    arguments = parameters, sequences, np.arange(N_SAMPLES), y[:, np.newaxis]
    caller = threading.get_ident()
    together = threading.Barrier(2, timeout=TIMEOUT)
    seen, ended = set(), []

    def failing(*args):
        thread = threading.get_ident()
        if thread not in seen:
            seen.add(thread)
            together.wait()
        if (thread == caller) == (where == "caller"):
            raise OSError("out of order")
        time.sleep(0.1)
        ended.append(thread)
        return 0.0

    with cpu.CPUEngine(
        network, loss="squared_error", dtype=np.float64, n_threads=2
    ) as engine:
        ref_loss, ref_gradient = engine.loss_and_gradient(*arguments)
        with monkeypatch.context() as patched:
            patched.setattr(cpu, "gradient_of_part", failing)
            with pytest.raises(OSError, match="out of order"):
                engine.loss_and_gradient(*arguments)
        assert ended  # nobody still works with the engine's arrays
        loss, gradient = engine.loss_and_gradient(*arguments)
    assert loss == ref_loss
    assert_array_equal(gradient, ref_gradient)


@pytest.mark.parametrize("waits", [False, True])
def test_workers_are_as_many_as_threads_whether_the_caller_waits_or_not(waits):
    together, workers = threading.Barrier(3, timeout=TIMEOUT), []

    def note(item, worker):
        together.wait()
        workers.append(worker)

    three = crew.Crew(3)
    three.run(note, 3, np.zeros(1, np.int64) if waits else None)
    three.dismiss()
    assert sorted(workers) == [0, 1, 2]


class Impatient(SimpleQueue):
    """Raises an error where another would wait for ever."""

    def get(self):
        return super().get(timeout=TIMEOUT)


def test_dismissed_threads_are_followed_by_others(monkeypatch):
    monkeypatch.setattr(crew, "SimpleQueue", Impatient)
    crews, threads = [crew.Crew(2), crew.Crew(2)], []
    both = threading.Barrier(2, timeout=TIMEOUT)

    def note(item, worker):
        both.wait()
        threads.append(threading.current_thread())

    for two in [*crews, *crews]:
        two.run(note, 2)
        two.dismiss()
    caller = threading.current_thread()
    assert len(set(threads) - {caller}) == 4
    for thread in set(threads) - {caller}:
        thread.join(TIMEOUT)
        assert not thread.is_alive()


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("n_started", [0, 1])
def test_work_is_done_where_threads_cannot_be_started(n_started, waits, monkeypatch):
    """There are too many, or Python is about to exit."""
    start, begun = threading.Thread.start, []

    def start_some(thread):
        begun.append(thread)
        if len(begun) > n_started:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)
    three = crew.Crew(3)
    stop = np.zeros(1, np.int64) if waits else None
    done = []
    three.run(lambda item, worker: done.append(item), 6, stop)
    assert sorted(done) == [*range(6)]
    assert len(begun) == n_started + 1
    three.dismiss()


@pytest.mark.parametrize("waits", [False, True])
def test_interrupt_at_any_instruction_of_a_run_leaves_no_work_behind(
    waits, monkeypatch
):
    """At the k-th instruction of the caller's thread in the module, for every k."""
    monkeypatch.setattr(crew, "SimpleQueue", Impatient)
    threads_before = set(threading.enumerate())
    begun, ended = [], []

    def take_time(item, worker):
        begun.append(item)
        time.sleep(1e-4)
        ended.append(item)

    n_instructions, n_left = 0, 0
    while n_left <= 0:
        n_instructions += 1
        n_left = n_instructions

        def trace(frame, event, arg):
            nonlocal n_left
            if frame.f_code.co_filename != crew.__file__:
                return None
            frame.f_trace_opcodes = True
            if event == "opcode":
                n_left -= 1
                if n_left == 0:
                    raise KeyboardInterrupt
            return trace

        two, before = crew.Crew(2), sys.gettrace()
        sys._getframe().f_trace_opcodes = True  # before, for Python 3.12
        sys.settrace(trace)
        try:
            two.run(take_time, 3, stop=np.zeros(1, np.int64) if waits else None)
        except KeyboardInterrupt:
            assert n_left <= 0
        finally:
            sys.settrace(before)
        assert sorted(begun) == sorted(ended)
        begun.clear()
        ended.clear()
        two.run(take_time, 4)
        assert sorted(begun) == sorted(ended) == [*range(4)]
        two.dismiss()
    assert n_instructions > 100
    for thread in set(threading.enumerate()) - threads_before:
        thread.join(TIMEOUT)
        assert not thread.is_alive()
