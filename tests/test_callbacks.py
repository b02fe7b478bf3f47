"""scikit-learn's callbacks hear of a fit and its epochs, and may end it."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_training import SMALL, make_task

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm.preprocessing import PerStep

# Most fits here are cut short on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

HOOKS = ["setup", "on_fit_task_begin", "on_fit_task_end", "teardown"]


class Recorder:
    """Keeps what it is told; `stop_after` epochs it ends the fit."""

    def __init__(self, stop_after=None):
        self.calls, self.given, self.fitted = [], [], []
        self.stop_after = stop_after

    def note(self, hook, context):
        self.calls.append((hook, context.task_name, context.task_id))
        if (hook, context.task_name) == ("on_fit_task_begin", "fit"):
            self.max_subtasks = context.max_subtasks

    def setup(self, estimator, context):
        self.note("setup", context)

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.note("on_fit_task_begin", context)
        self.given.append((X, y, metadata))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.note("on_fit_task_end", context)
        self.fitted.append(fitted_estimator)
        return context.task_id + 1 == self.stop_after and context.task_name == "epoch"

    def teardown(self, estimator, context):
        self.note("teardown", context)


class Failing(Recorder):
    """Raises `error` at a hook, the `n_th` time that it is called."""

    def __init__(self, hook, n_th, error):
        super().__init__()
        self.hook, self.n_left, self.error = hook, n_th, error

    def note(self, hook, context):
        super().note(hook, context)
        self.n_left -= hook == self.hook
        if hook == self.hook and self.n_left == 0:
            raise self.error


def fit_with(callback, task, sample_weight=None, **parameters):
    model = task.estimator(**SMALL | parameters).set_callbacks(callback)
    return model.fit(task.X, task.y, sample_weight)


def assert_same_model(comp, ref):
    assert comp.loss_curve_ == ref.loss_curve_
    assert (comp.n_iter_, comp.t_) == (ref.n_iter_, ref.t_)
    assert comp.best_loss_ == ref.best_loss_
    assert comp.validation_scores_ == ref.validation_scores_
    for name, weight in ref.weights_.items():
        assert_array_equal(comp.weights_[name], weight)


# --- what they hear -----------------------------------------------------------------


def test_callbacks_hear_of_the_fit_and_of_each_epoch():
    recorder = Recorder()
    fit_with(recorder, make_task("regression"))
    epochs = [
        (hook, "epoch", epoch)
        for epoch in range(3)
        for hook in ("on_fit_task_begin", "on_fit_task_end")
    ]
    assert recorder.calls == [
        ("setup", "fit", 0),
        ("on_fit_task_begin", "fit", 0),
        *epochs,
        ("on_fit_task_end", "fit", 0),
        ("teardown", "fit", 0),
    ]
    assert recorder.max_subtasks == 3


@pytest.mark.parametrize("weighted", [False, True])
def test_callbacks_are_given_the_data_of_the_fit(weighted):
    task, recorder = make_task("regression"), Recorder()
    weight = np.ones(len(task.y)) if weighted else None
    fit_with(recorder, task, weight)
    assert len(recorder.given) == 4
    for X, y, metadata in recorder.given:
        assert X is task.X
        assert y is task.y
        assert (
            metadata is None if weight is None else metadata["sample_weight"] is weight
        )


@pytest.mark.parametrize("name", ["regression", "multiclass"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_callbacks_are_given_the_model_as_if_the_fit_ended_there(name, early_stopping):
    task, recorder = make_task(name), Recorder()
    parameters = SMALL | {"early_stopping": early_stopping, "learning_rate_init": 0.3}
    parameters |= {"validation_fraction": 0.3}
    fit_with(recorder, task, **parameters | {"max_iter": 5})
    for n_epochs, comp in enumerate(recorder.fitted, 1):
        # The last is of the fit as a whole.
        ref = task.fit(**parameters | {"max_iter": min(n_epochs, 5)})
        assert_same_model(comp, ref)
        assert_array_equal(comp.predict(task.X), ref.predict(task.X))


class Setting(Recorder):
    """Sets a parameter and an attribute of the estimator in the midst of its fit."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        super().on_fit_task_end(estimator, context)
        estimator.set_params(n_jobs=len(self.fitted))
        estimator.seen_ = len(self.fitted)


def test_what_callbacks_set_on_the_estimator_stays():
    task = make_task("regression")
    comp = LSTMRegressor(**SMALL).set_callbacks(Setting())
    for n_ends in (4, 8):  # of three epochs and the fit each
        comp.fit(task.X, task.y)
        assert (comp.n_jobs, comp.seen_) == (n_ends, n_ends)
        assert_same_model(comp, task.fit(**SMALL))


def test_what_a_fit_does_not_learn_again_is_gone_after_it():
    task = make_task("regression")
    frames = [pd.DataFrame(x, columns=["a", "b"]) for x in task.X]
    comp = LSTMRegressor(**SMALL).set_callbacks(Setting())
    comp.fit(frames, task.y).fit(task.X, task.y)
    assert not hasattr(comp, "feature_names_in_")


def test_models_that_callbacks_keep_are_their_own():
    task, recorder = make_task("regression"), Recorder()
    model = fit_with(recorder, task)
    before = [kept.predict(task.X) for kept in recorder.fitted]
    for weight in model.weights_.values():
        weight[:] = 0
    for kept, ref in zip(recorder.fitted, before, strict=True):
        assert_array_equal(kept.predict(task.X), ref)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_fit_with_callbacks_is_the_fit_without(early_stopping):
    task = make_task("regression")
    model = fit_with(Recorder(), task, early_stopping=early_stopping)
    ref = task.fit(early_stopping=early_stopping, **SMALL)
    assert_same_model(model, ref)
    model.set_callbacks()
    assert vars(model).keys() == vars(ref).keys()


def test_callbacks_are_for_fit_alone():
    task, recorder = make_task("regression"), Recorder()
    LSTMRegressor(**SMALL).set_callbacks(recorder).partial_fit(task.X, task.y)
    assert recorder.calls == []


def test_callbacks_hear_of_each_fit_of_a_warm_start():
    task, recorder = make_task("regression"), Recorder()
    model = fit_with(recorder, task, warm_start=True).fit(task.X, task.y)
    assert [call for call in recorder.calls if call[1] == "epoch"][6:] == [
        call for call in recorder.calls if call[1] == "epoch"
    ][:6]
    assert_same_model(recorder.fitted[-1], model)
    assert len(model.loss_curve_) == 6


# --- what they do -------------------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("n_epochs", [1, 2, 3])
def test_callback_that_returns_true_ends_the_fit(n_epochs, early_stopping):
    task, recorder = make_task("regression"), Recorder(stop_after=n_epochs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fit_with(recorder, task, early_stopping=early_stopping)
    ref = task.fit(early_stopping=early_stopping, **SMALL | {"max_iter": n_epochs})
    assert_same_model(model, ref)
    assert [call[0] for call in recorder.calls][-2:] == ["on_fit_task_end", "teardown"]


@pytest.mark.parametrize(
    ("hook", "n_th"),
    [
        ("setup", 1),
        ("on_fit_task_begin", 1),
        ("on_fit_task_begin", 3),
        ("on_fit_task_end", 1),
        ("on_fit_task_end", 4),
    ],
)
@pytest.mark.parametrize("fitted", [False, True])
def test_error_in_a_callback_leaves_the_model_as_it_was(hook, n_th, fitted):
    task = make_task("regression")
    model = LSTMRegressor(**SMALL)
    if fitted:
        model.fit(task.X, task.y)
        ref = model.predict(task.X)
    before = vars(model).keys()
    failing = Failing(hook, n_th, RuntimeError("fails"))
    with pytest.raises(RuntimeError, match="fails"):
        model.set_callbacks(failing).fit(task.X, task.y)
    assert failing.calls[-1][0] == "teardown"
    assert vars(model.set_callbacks()).keys() == before
    if fitted:
        assert_array_equal(model.predict(task.X), ref)


@pytest.mark.parametrize(
    ("hook", "n_th", "n_epochs"),
    [
        ("on_fit_task_begin", 2, 0),
        ("on_fit_task_begin", 3, 1),
        ("on_fit_task_end", 1, 1),
        ("on_fit_task_end", 2, 2),
        ("on_fit_task_end", 4, 3),
    ],
)
def test_interrupt_in_a_callback_ends_the_fit_with_a_model(hook, n_th, n_epochs):
    task = make_task("regression")
    failing = Failing(hook, n_th, KeyboardInterrupt)
    with pytest.warns(UserWarning, match="interrupted") as record:
        model = fit_with(failing, task)
    assert record[-1].filename == __file__
    assert model.n_iter_ == n_epochs
    if n_epochs:
        assert_same_model(model, task.fit(**SMALL | {"max_iter": n_epochs}))
    assert failing.calls[-1][0] == "teardown"


class Propagated(Recorder):
    """A recorder that meta-estimators hand on."""

    max_propagation_depth = None

    def note(self, hook, context):
        self.calls.append((hook, context.estimator_name, context.task_name))


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_per_step_hands_callbacks_on_to_its_transformer(method):
    recorder = Propagated()
    X = np.random.default_rng(0).normal(size=(5, 4, 3))
    scaler = PerStep(StandardScaler()).set_callbacks(recorder)
    getattr(scaler, method)(X)
    assert recorder.calls == [
        ("setup", "PerStep", "fit"),
        ("on_fit_task_begin", "PerStep", "fit"),
        ("on_fit_task_begin", "StandardScaler", "fit"),
        ("on_fit_task_end", "StandardScaler", "fit"),
        ("on_fit_task_end", "PerStep", "fit"),
        ("teardown", "PerStep", "fit"),
    ]
    of_per_step = recorder.fitted[-1]
    assert_array_equal(of_per_step.transform(X), scaler.transform(X))
    assert not hasattr(scaler.transformer_, "_skl_callbacks")


def test_per_step_is_fitted_the_same_with_callbacks():
    X = np.random.default_rng(0).normal(size=(5, 4, 3))
    comp = PerStep(StandardScaler()).set_callbacks(Propagated()).fit_transform(X)
    assert_array_equal(comp, PerStep(StandardScaler()).fit_transform(X))


# --- those of scikit-learn ----------------------------------------------------------


@pytest.mark.parametrize("name", ["regression", "multiclass"])
@pytest.mark.parametrize("weighted", [False, True])
def test_scoring_monitor_has_the_score_of_each_epoch(name, weighted):
    task = make_task(name)
    weight = np.linspace(0.1, 1, len(task.y)) if weighted else None
    scoring = "r2" if name == "regression" else "accuracy"
    monitor = ScoringMonitor(scoring=scoring)
    fit_with(monitor, task, weight)
    rows = monitor.get_logs().data
    comp = {row["task_id_path"]: row[scoring] for row in rows}
    scores = [
        task.fit(weight, **SMALL | {"max_iter": max_iter}).score(task.X, task.y, weight)
        for max_iter in (1, 2, 3)
    ]
    ref = {(0,): scores[-1], **{(0, epoch): scores[epoch] for epoch in range(3)}}
    assert comp.keys() == ref.keys()
    for path, score in ref.items():
        assert_allclose(comp[path], score, rtol=1e-12)


def rows_and_classes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 4))
    return X, (X[:, 0] > 0).astype(int)


def test_scoring_monitor_hears_of_each_epoch_in_a_grid_search():
    X, y = rows_and_classes()
    monitor = ScoringMonitor(scoring="accuracy")
    model = LSTMClassifier(**SMALL | {"max_iter": 2}).set_callbacks(monitor)
    search = GridSearchCV(model, {"hidden_layer_sizes": [2, 3]}, cv=2)
    search.fit(X, y)
    names = [row["task_name"] for row in monitor.get_logs(select="all")[0].data]
    assert names.count("epoch") == 2 * (2 * 2 + 1)
    scores = [row["accuracy"] for row in monitor.get_logs(select="all")[0].data]
    assert all(0 <= score <= 1 for score in scores)


def make_bare(model):
    return model


def make_pipe(model):
    return make_pipeline(StandardScaler(), model)


def make_pipe_per_step(model):
    return make_pipeline(PerStep(StandardScaler()), model)


def make_search(model):
    return GridSearchCV(model, {"hidden_layer_sizes": [2, 3]}, cv=2)


def make_search_of_pipes(model):
    grid = {"lstmclassifier__hidden_layer_sizes": [2, 3]}
    return GridSearchCV(make_pipe(model), grid, cv=2)


@pytest.mark.parametrize(
    "nest",
    [make_bare, make_pipe, make_pipe_per_step, make_search, make_search_of_pipes],
)
def test_progress_bar_shows_the_fit_wherever_it_is(nest, capsys):
    pytest.importorskip("rich")
    X, y = rows_and_classes()
    model = nest(LSTMClassifier(**SMALL))
    ref = nest(LSTMClassifier(**SMALL)).fit(X, y).predict_proba(X)
    model.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
    shown = capsys.readouterr().out
    assert "LSTMClassifier - fit" in shown
    bars = [line for line in shown.splitlines() if "LSTMClassifier - fit" in line]
    assert all("100%" in bar for bar in bars[-1:])
    assert_array_equal(model.predict_proba(X), ref)


def test_progress_bar_is_full_where_a_fit_ends_early(capsys):
    pytest.importorskip("rich")
    X, y = rows_and_classes()
    model = LSTMClassifier(**SMALL | {"max_iter": 50}, tol=1e9, n_iter_no_change=1)
    model.set_callbacks(ProgressBar()).fit(X, y)
    assert model.n_iter_ == 3
    assert "100%" in capsys.readouterr().out
