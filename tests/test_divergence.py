"""No fit leaves a model that gives no numbers, and no fault or Ctrl-C loses one."""

import os
import re
import signal
import sys
import threading
import time
import warnings
from copy import deepcopy

import numpy as np
import pytest
import reference
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from test_training import SMALL, Task, make_task

from sklstm import LSTMClassifier, LSTMRegressor, _training
from sklstm._interrupts import Interrupts
from sklstm._optimizers import Adam
from sklstm.engines.cpu import CPUEngine

# Most fits here are cut short on purpose.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Maximum number:sklearn.exceptions.ConvergenceWarning"
)

N_BATCHES = 3  # an epoch of 23 samples, 8 at a time
for_both = pytest.mark.parametrize("name", ["regression", "multiclass"])


def at_call(monkeypatch, owner, name, n_th, what):
    """Let `what` have the result of a function, the `n_th` time it is called."""
    function, calls = getattr(owner, name), []

    def changed(*args, **kwargs):
        calls.append(None)
        result = function(*args, **kwargs)
        return what(result) if len(calls) == n_th else result

    monkeypatch.setattr(owner, name, changed)


def assert_same_model(comp, ref):
    assert comp.loss_curve_ == ref.loss_curve_
    assert comp.grad_norm_curve_ == ref.grad_norm_curve_
    assert comp.validation_scores_ == ref.validation_scores_
    assert (comp.n_iter_, comp.t_, comp.loss_) == (ref.n_iter_, ref.t_, ref.loss_)
    assert comp.best_loss_ == ref.best_loss_
    for name, weight in ref.weights_.items():
        assert_array_equal(comp.weights_[name], weight)


def assert_whole(model, task):
    """Everything that is said of a model goes together, and it gives numbers."""
    assert len(model.loss_curve_) == len(model.grad_norm_curve_)
    assert model.n_iter_ == len(model.loss_curve_)
    assert model.t_ % max(model.n_iter_, 1) == 0
    if model.early_stopping:
        scores = model.validation_scores_
        assert len(scores) == len(model.loss_curve_)
        assert model.best_validation_score_ == max(scores, default=-np.inf)
    else:
        assert model.t_ == model.n_iter_ * len(task.y)
        assert model.best_loss_ == min(model.loss_curve_, default=np.inf)
    assert not hasattr(model, "_callback_fit_ctx")
    if isinstance(model, LSTMRegressor):
        assert np.isfinite(model.predict(task.X)).all()
    else:
        assert np.isfinite(model.predict_log_proba(task.X)).all()


# --- divergence ---------------------------------------------------------------------


def with_loss(loss):
    return lambda result: (loss, result[1])


def with_gradient(value):
    def changed(result):
        result[1][3] = value
        return result

    return changed


NOT_NUMBERS = pytest.mark.parametrize(
    "change",
    [
        with_loss(np.nan),
        with_loss(np.inf),
        with_gradient(np.nan),
        with_gradient(-np.inf),
        with_gradient(1e200),  # whose square is not finite
    ],
    ids=["loss NaN", "loss inf", "gradient NaN", "gradient inf", "gradient huge"],
)


@NOT_NUMBERS
@pytest.mark.parametrize("n_epochs", [1, 2])
@pytest.mark.parametrize("batch", [1, N_BATCHES])
def test_divergence_goes_back_to_the_last_epoch(change, n_epochs, batch, monkeypatch):
    task = make_task("regression")
    ref = task.fit(**SMALL | {"max_iter": n_epochs})
    n_th = n_epochs * N_BATCHES + batch
    at_call(monkeypatch, CPUEngine, "loss_and_gradient", n_th, change)
    match = (
        rf"diverged in epoch {n_epochs + 1}: the loss is .*, the norm of the gradient "
        r".*last epoch that gave numbers\. Try to lower learning_rate_init"
    )
    with pytest.warns(ConvergenceWarning, match=match) as record:
        model = task.estimator(**SMALL).fit(task.X, task.y)
    assert record[-1].filename == __file__  # where fit was called
    assert_same_model(model, ref)


@NOT_NUMBERS
@pytest.mark.parametrize("batch", [1, N_BATCHES])
def test_divergence_in_the_first_epoch_is_an_error(change, batch, monkeypatch):
    task = make_task("regression")
    at_call(monkeypatch, CPUEngine, "loss_and_gradient", batch, change)
    match = r"diverged in epoch 1: .*there is no model\. Try to lower"
    with pytest.raises(ValueError, match=match):
        task.fit(**SMALL)


@pytest.mark.parametrize("way", ["partial_fit", "fit"])
def test_divergence_in_the_first_epoch_of_more_goes_back_to_before(way, monkeypatch):
    task = make_task("regression")
    model = task.fit(warm_start=True, **SMALL)
    ref, before = deepcopy(model), model.predict(task.X)
    with monkeypatch.context() as patch:
        at_call(patch, CPUEngine, "loss_and_gradient", 2, with_loss(np.nan))
        match = "diverged in epoch 1: .*last epoch that gave numbers"
        with pytest.warns(ConvergenceWarning, match=match) as record:
            getattr(model, way)(task.X, task.y)
    assert record[-1].filename == __file__
    assert_array_equal(model.predict(task.X), before)
    assert (len(model.loss_curve_), model.n_iter_) == (3, 0)
    comp, ref = (getattr(m, way)(task.X, task.y) for m in (model, ref))
    assert_same_model(comp, ref)


def test_divergence_with_early_stopping_goes_back_to_the_best_epoch(monkeypatch):
    task = make_task("regression")
    parameters = SMALL | {"early_stopping": True, "validation_fraction": 0.3}
    parameters |= {"learning_rate_init": 0.5, "max_iter": 6}
    ref = task.fit(**parameters | {"max_iter": 5})
    assert np.argmax(ref.validation_scores_) < 4
    at_call(monkeypatch, CPUEngine, "loss_and_gradient", 11, with_loss(np.nan))
    with pytest.warns(ConvergenceWarning, match="diverged in epoch 6"):
        model = task.fit(**parameters)
    assert_same_model(model, ref)


def nowhere_finite(raw):
    raw[0] = np.inf
    return raw


def test_outputs_for_validation_data_that_are_not_finite_are_divergence(monkeypatch):
    task = make_task("regression")
    parameters = SMALL | {"early_stopping": True, "validation_fraction": 0.3}
    ref = task.fit(**parameters | {"max_iter": 2})
    at_call(monkeypatch, CPUEngine, "predict", 3, nowhere_finite)
    match = r"epoch 3: outputs for the validation .*, the norm of the gradient \d"
    with pytest.warns(ConvergenceWarning, match=match):
        model = task.fit(**parameters)
    assert_same_model(model, ref)


def test_outputs_that_are_not_finite_after_an_epoch_are_divergence(monkeypatch):
    task = make_task("regression")
    ref = task.fit(**SMALL | {"max_iter": 2})
    monkeypatch.setattr(_training, "LARGE", 0.0)
    at_call(monkeypatch, CPUEngine, "predict", 3, nowhere_finite)
    match = r"not the outputs after its epoch, the norm of the gradient \d"
    with pytest.warns(ConvergenceWarning, match=match):
        model = task.fit(**SMALL)
    assert_same_model(model, ref)


def test_training_can_go_on_after_divergence(monkeypatch):
    task = make_task("regression")
    with monkeypatch.context() as patch:
        # Its square leaves float32: it is in what Adam remembers of gradients.
        at_call(patch, CPUEngine, "loss_and_gradient", 5, with_gradient(1e30))
        with pytest.warns(ConvergenceWarning, match="a step is not finite"):
            model = task.fit(max_grad_norm=None, **SMALL | {"dtype": "float32"})
    model.partial_fit(task.X, task.y)
    assert len(model.loss_curve_) == 2
    assert np.isfinite(model.predict(task.X)).all()


RATES = [10.0**k for k in range(7)]
# Whatever else the tests of training set to tell training from a plain loop.
AS_USERS_HAVE_IT = {
    name: value for name, value in SMALL.items() if name not in reference.PLAIN
}
SETTINGS = pytest.mark.parametrize(
    "settings", [SMALL, AS_USERS_HAVE_IT], ids=["plain", "default"]
)


@for_both
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("max_grad_norm", [None, 1.0])
@pytest.mark.parametrize("learning_rate_init", RATES)
@SETTINGS
def test_no_rate_gives_predictions_of_nan(
    settings, learning_rate_init, max_grad_norm, dtype, solver, name
):
    task = make_task(name)
    model = task.estimator(
        **settings
        | {"solver": solver, "dtype": dtype, "max_grad_norm": max_grad_norm}
        | {"learning_rate_init": learning_rate_init, "max_iter": 15}
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(task.X, task.y)
    except ValueError as error:
        assert "diverged in epoch 1:" in str(error)  # noqa: PT017
    else:
        assert_whole(model, task)


def numbers_or_a_refusal(method, X):
    try:
        result = method(X)
    except ValueError as error:
        assert re.search("not finite|too far off", str(error))  # noqa: PT017
    else:
        assert result.dtype.kind in "iU" or np.isfinite(result).all()


SIZES = [("float32", 10.0**k) for k in (3, 10, 18, 20, 30, 37)]
SIZES += [("float64", 10.0**k) for k in (18, 100, 150, 160, 250, 300)]


@for_both
@pytest.mark.parametrize("head_layer_sizes", [(), (4, 4)])
@pytest.mark.parametrize(("dtype", "size"), SIZES)
@SETTINGS
def test_no_size_of_x_gives_predictions_of_nan(
    settings, dtype, size, head_layer_sizes, name
):
    task = make_task(name)
    X = [size * x for x in task.X]
    model = task.estimator(
        **settings | {"dtype": dtype, "head_layer_sizes": head_layer_sizes}
    )
    model.fit(task.X, task.y)
    methods = ["predict", "transform"]
    methods += ["predict_proba", "predict_log_proba"] * (name == "multiclass")
    for method in methods:
        numbers_or_a_refusal(getattr(model, method), X)
    try:
        model.fit(X, task.y)
    except ValueError as error:
        assert "diverged in epoch 1:" in str(error)  # noqa: PT017
    else:
        assert_whole(model, Task(task.estimator, X, *task[2:]))


@pytest.mark.parametrize("size", [1e-300, 1e150, 1e300])
@SETTINGS
def test_no_size_of_y_gives_predictions_of_nan(settings, size):
    task = make_task("regression")
    model = LSTMRegressor(**settings).fit(task.X, size * task.y)
    assert_whole(model, task)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_states_of_nan_are_refused(pooling):
    task = make_task("regression")
    model = task.fit(**SMALL | {"pooling": pooling})
    model.weights_["weight_ih_l0"][:] = np.nan
    for method in ("predict", "transform"):
        with pytest.raises(ValueError, match=r"outputs for X\[\d+\] are not finite"):
            getattr(model, method)(task.X)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_outputs_that_are_not_finite_are_refused(value):
    """As of weights that were assigned."""
    task = make_task("multiclass")
    model = task.fit(**SMALL)
    model.weights_["head.weight_0"][:] = value
    for method in ("predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(ValueError, match=r"outputs for X\[\d+\] are not finite"):
            getattr(model, method)(task.X)
    with pytest.raises(ValueError, match=r"outputs for x\[0\] are not finite"):
        model.stream().predict([1.0, 1.0])


def test_states_that_are_not_finite_are_refused(monkeypatch):
    task = make_task("multiclass")
    model = task.fit(**SMALL)
    at_call(monkeypatch, CPUEngine, "transform", 1, nowhere_finite)
    with pytest.raises(ValueError, match=r"outputs for X\[0\] are not finite"):
        model.transform(task.X)


# --- Ctrl-C -------------------------------------------------------------------------


def interrupt(result):
    raise KeyboardInterrupt


@pytest.mark.parametrize("n_epochs", [0, 1, 2])
@pytest.mark.parametrize(
    ("owner", "function"),
    [(CPUEngine, "loss_and_gradient"), (Adam, "step"), (_training, "_clip")],
)
def test_interrupt_in_an_epoch_ends_training(owner, function, n_epochs, monkeypatch):
    task = make_task("regression")
    at_call(monkeypatch, owner, function, n_epochs * N_BATCHES + 2, interrupt)
    match = f"interrupted in epoch {n_epochs + 1}: the model is what it was trained to"
    with pytest.warns(UserWarning, match=match) as record:
        model = LSTMRegressor(**SMALL).fit(task.X, task.y)
    assert record[-1].filename == __file__
    assert model.n_iter_ == n_epochs
    assert_whole(model, task)


def test_interrupt_keeps_the_steps_of_the_epoch(monkeypatch):
    task = make_task("regression")
    parameters = SMALL | {"shuffle": False, "max_iter": 1}
    ref = task.take(np.arange(16)).fit(normalize_y=False, **parameters)
    at_call(monkeypatch, CPUEngine, "loss_and_gradient", 3, interrupt)
    with pytest.warns(UserWarning, match="interrupted in epoch 1"):
        model = task.fit(normalize_y=False, **parameters)
    for name, weight in ref.weights_.items():
        assert_array_equal(model.weights_[name], weight)


def test_interrupt_with_early_stopping_goes_back_to_the_best_epoch(monkeypatch):
    task = make_task("regression")
    parameters = SMALL | {"early_stopping": True, "validation_fraction": 0.3}
    parameters |= {"learning_rate_init": 0.5, "max_iter": 6}
    ref = task.fit(**parameters | {"max_iter": 5})
    assert np.argmax(ref.validation_scores_) < 4
    at_call(monkeypatch, CPUEngine, "predict", 6, interrupt)
    with pytest.warns(UserWarning, match="interrupted in epoch 6"):
        model = task.fit(**parameters)
    assert_same_model(model, ref)


def test_interrupt_of_partial_fit_leaves_a_model(monkeypatch):
    task = make_task("regression")
    model = task.fit(**SMALL)
    at_call(monkeypatch, CPUEngine, "loss_and_gradient", 2, interrupt)
    with pytest.warns(UserWarning, match="interrupted in epoch 1"):
        model.partial_fit(task.X, task.y)
    assert len(model.loss_curve_) == 3
    assert np.isfinite(model.predict(task.X)).all()


@pytest.mark.parametrize("n_epochs", [0, 1])
def test_interrupt_before_divergence_is_seen_is_divergence(n_epochs, monkeypatch):
    """A step that is not finite is noticed at the end of its epoch."""
    task = make_task("regression")
    ref = task.fit(**SMALL | {"max_iter": max(n_epochs, 1)})
    step, calls = Adam.step, []

    def break_and_interrupt(self, parameters, *args):
        calls.append(None)
        step(self, parameters, *args)
        if len(calls) == n_epochs * N_BATCHES + 2:
            parameters[1] = np.nan
            raise KeyboardInterrupt

    monkeypatch.setattr(Adam, "step", break_and_interrupt)
    model = LSTMRegressor(**SMALL)
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        if n_epochs:
            assert_same_model(model.fit(task.X, task.y), ref)
        else:
            with pytest.raises(ValueError, match="diverged in epoch 1"):
                model.fit(task.X, task.y)
    messages = [str(warning.message) for warning in record]
    assert f"interrupted in epoch {n_epochs + 1}" in messages[0]
    assert len(messages) == 1 + n_epochs


@pytest.mark.parametrize("early_stopping", [False, True])
def test_interrupt_at_any_line_of_training_leaves_a_whole_model(early_stopping):
    """At the k-th line that runs in the training module, for every k there is."""
    task = make_task("regression")
    parameters = SMALL | {"max_iter": 2, "batch_size": 12, "early_stopping": True}
    parameters |= {"early_stopping": early_stopping, "verbose": False}
    n_lines, n_models = 0, 0
    while True:
        n_lines += 1
        n_left = n_lines

        def trace(frame, event, arg):
            nonlocal n_left
            if frame.f_code.co_filename != _training.__file__:
                return None
            if event == "line":
                n_left -= 1
                if n_left == 0:
                    raise KeyboardInterrupt
            return trace

        model, before = LSTMRegressor(**parameters), sys.gettrace()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sys.settrace(trace)
            try:
                model.fit(task.X, task.y)
            except KeyboardInterrupt:
                assert not hasattr(model, "n_iter_")
                continue
            finally:
                sys.settrace(before)
        assert_whole(model, task)
        n_models += 1
        if n_left > 0:
            break
    assert n_lines > 200
    assert n_models > 0.8 * n_lines  # the others are before training or after it


@pytest.mark.skipif(os.name == "nt", reason="signals are others there")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ctrl_c_is_heard_in_the_midst_of_a_kernel(n_jobs):
    """A call of some 10 seconds."""
    X, y = np.zeros((16, 400_000, 1), np.float32), np.arange(16.0)
    model = LSTMRegressor(64, bptt_length=500, random_state=0, n_jobs=n_jobs)
    model.set_params(standardize=False, recurrent_dropout=0)  # which take their time
    for n_steps in (5, 501):  # so that nothing is to be compiled
        LSTMRegressor(2, bptt_length=500, max_iter=1).fit(X[:, :n_steps], y)
    timer = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    begin = time.perf_counter()
    with pytest.warns(UserWarning, match="Training was interrupted in epoch 1"):
        model.fit(X, y)
    assert time.perf_counter() - begin < 2.5
    timer.join()
    assert np.isfinite(model.predict(X[:, :5])).all()


def test_caller_that_only_waits_gets_the_same_bits(monkeypatch):
    task = make_task("regression")
    ref = task.fit(**SMALL).weights_
    monkeypatch.setattr("sklstm.engines.cpu.LONG", 0)
    for n_jobs in (1, 2):
        comp = task.fit(**SMALL, n_jobs=n_jobs).weights_
        for name in ref:
            assert_array_equal(comp[name], ref[name])


def test_signal_that_is_handled_without_an_exception_ends_no_fit():
    task, heard = make_task("regression"), []

    class Pressing:
        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context):
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        model = LSTMRegressor(**SMALL).set_callbacks(Pressing()).fit(task.X, task.y)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(heard) == SMALL["max_iter"] + 1
    assert model.n_iter_ == SMALL["max_iter"]


def test_exception_of_a_handler_is_not_lost(monkeypatch):
    """Python prints what is raised while an object is deleted, and goes on."""

    class Cancelled(Exception): ...

    class Deleted:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    def handle(number, frame):
        raise Cancelled

    monkeypatch.setattr(sys, "unraisablehook", lambda error: None)
    before = signal.signal(signal.SIGINT, handle)
    try:
        with Interrupts() as interrupts:
            Deleted()
            with pytest.raises(Cancelled):
                interrupts.raise_again()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name == "nt", reason="signals are others there")
def test_ctrl_c_ends_a_fit_with_a_model():
    task = make_task("regression")
    model = LSTMClassifier(
        **SMALL | {"max_iter": 10**9}, tol=0.0, n_iter_no_change=10**9
    )
    y = task.y > np.median(task.y)
    timer = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.warns(UserWarning, match="Training was interrupted in epoch"):
        model.fit(task.X, y)
    timer.join()
    assert model.n_iter_ == len(model.loss_curve_) > 0
    assert set(model.predict(task.X)) <= {False, True}
