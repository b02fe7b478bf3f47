"""Training goes on from where it came to: partial_fit, warm_start, refits."""

import copy
import math
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from test_training import (
    SMALL,
    PlainFit,
    assert_weights_equal,
    for_all_tasks,
    make_task,
)

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm._optimizers import Adam

# Most fits here are cut short on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IN_ORDER = SMALL | {"shuffle": False}
both_ways = pytest.mark.parametrize("way", ["partial_fit", "warm_start"])


def classes_of(task):
    """What partial_fit has to be told in its first call."""
    if task.estimator is LSTMClassifier and task.y.ndim == 1:
        return {"classes": np.unique(task.y)}
    return {}


def fit_in_parts(task, n_calls=3, sample_weight=None, **parameters):
    model = task.estimator(**parameters)
    for _ in range(n_calls):
        model.partial_fit(task.X, task.y, sample_weight, **classes_of(task))
    return model


def go_on(model, way, X, y):
    """Train a fitted model further."""
    if way == "partial_fit":
        return model.partial_fit(X, y)
    return model.set_params(warm_start=True).fit(X, y)


def assert_same_model(comp, ref):
    assert comp.weights_.keys() == ref.weights_.keys()
    for name, weight in ref.weights_.items():
        assert_array_equal(comp.weights_[name], weight, err_msg=name)
    for name in ("loss_curve_", "grad_norm_curve_", "t_", "best_loss_", "loss_"):
        assert getattr(comp, name) == getattr(ref, name), name


def state(model):
    return pickle.dumps(model)


# --- partial_fit --------------------------------------------------------------------


@for_all_tasks
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fits_are_the_epochs_of_a_fit(name, solver):
    task = make_task(name)
    sample_weight = np.random.default_rng(1).uniform(0.1, 5, size=len(task.y))
    parameters = IN_ORDER | {"solver": solver}
    comp = fit_in_parts(task, 3, sample_weight, **parameters)
    assert_same_model(comp, task.fit(sample_weight, **parameters))
    assert comp.n_iter_ == 1


@pytest.mark.parametrize("learning_rate", ["invscaling", "adaptive", "cosine"])
def test_partial_fit_keeps_a_constant_rate(learning_rate):
    task = make_task("regression")
    comp = fit_in_parts(task, **IN_ORDER | {"learning_rate": learning_rate})
    assert_same_model(comp, task.fit(**IN_ORDER))


def test_partial_fit_goes_on_after_training_would_have_stopped():
    task = make_task("regression")
    model = fit_in_parts(task, 8, tol=1e9, n_iter_no_change=1, **IN_ORDER)
    assert len(model.loss_curve_) == 8
    assert model.t_ == 8 * len(task.y)


def test_partial_fit_does_not_warn_of_no_convergence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_in_parts(make_task("regression"), **SMALL)


def test_partial_fit_goes_on_from_a_fit_with_its_optimizer():
    task = make_task("regression")
    comp = task.fit(**IN_ORDER).partial_fit(task.X, task.y)
    assert_same_model(comp, task.fit(**IN_ORDER | {"max_iter": 4}))


def test_partial_fit_shuffles_as_its_random_state_says():
    task = make_task("regression")
    comp = fit_in_parts(task, 1, **SMALL)
    plain = PlainFit(task, **SMALL)
    assert_weights_equal(comp.weights_, next(plain.epochs()).weights)


def test_partial_fit_takes_samples_that_were_not_there_before():
    task, other = make_task("regression"), make_task("regression", n_samples=5)
    model = fit_in_parts(task, 1, **IN_ORDER | {"batch_size": "auto"})
    model.partial_fit(other.X, other.y)
    assert model.t_ == len(task.y) + 5


def test_partial_fit_takes_a_rate_that_was_set_in_between():
    task = make_task("regression")
    model = fit_in_parts(task, 1, **IN_ORDER | {"solver": "sgd", "momentum": 0.0})
    before = {name: weight.copy() for name, weight in model.weights_.items()}
    model.set_params(learning_rate_init=1e-300).partial_fit(task.X, task.y)
    for name, weight in model.weights_.items():
        assert_array_equal(weight, before[name])


def test_partial_fit_with_another_solver_begins_with_a_new_optimizer():
    task = make_task("regression")
    parameters = IN_ORDER | {"learning_rate_init": 0.03}
    model = fit_in_parts(task, 2, **parameters)
    plain = PlainFit(task, **parameters | {"solver": "sgd"})
    plain.weights = {name: weight.copy() for name, weight in model.weights_.items()}
    model.set_params(solver="sgd").partial_fit(task.X, task.y)
    assert_weights_equal(model.weights_, next(plain.epochs()).weights)


def test_partial_fit_refuses_early_stopping():
    task = make_task("regression")
    with pytest.raises(ValueError, match="early_stopping=True"):
        LSTMRegressor(early_stopping=True).partial_fit(task.X, task.y)


def test_scale_of_targets_is_that_of_the_first_call():
    task = make_task("regression")
    y, other = task.y, 1000 + 50 * task.y
    model = LSTMRegressor(**SMALL | {"batch_size": "auto"}).partial_fit(task.X, y)
    for weight in model.weights_.values():
        weight[:] = 0
    model.partial_fit(task.X, other)
    of_zeros = np.mean((other - y.mean()) ** 2) / y.var() / 2
    assert_allclose(model.loss_curve_[1], of_zeros, rtol=1e-12)
    for weight in model.weights_.values():
        weight[:] = 0
    assert_allclose(model.predict(task.X), y.mean(), rtol=1e-12)


def test_curves_of_partial_fit_cost_no_more_the_longer_they_are(monkeypatch):
    """A deep copy of them in each call would."""
    copied = []
    deepcopy = copy.deepcopy

    def watch(value, *args):
        copied.append(value)
        return deepcopy(value, *args)

    model = fit_in_parts(make_task("regression"), 1, **SMALL)
    monkeypatch.setattr("sklstm._training.deepcopy", watch)
    task = make_task("regression")
    model.partial_fit(task.X, task.y)
    assert copied
    assert not any(hasattr(value, "epochs") for value in copied)


# --- classes ------------------------------------------------------------------------


def test_first_partial_fit_needs_all_classes():
    task = make_task("multiclass")
    with pytest.raises(ValueError, match="classes must be passed in the first call"):
        LSTMClassifier(**SMALL).partial_fit(task.X, task.y)


def test_classes_need_not_all_be_in_y():
    task = make_task("binary")
    model = LSTMClassifier(**SMALL)
    model.partial_fit(task.X, task.y, classes=["yes", "no", "maybe", "no"])
    assert_array_equal(model.classes_, ["maybe", "no", "yes"])
    assert model.predict_proba(task.X).shape == (len(task.y), 3)
    some = task.y == "yes"
    X = [x for x, taken in zip(task.X, some, strict=True) if taken]
    model.set_params(batch_size="auto").partial_fit(X, task.y[some])
    assert len(model.loss_curve_) == 2


def test_partial_fit_with_more_classes_is_a_plain_training_loop():
    task = make_task("multiclass")
    first = np.flatnonzero(task.y != "c")
    part = task.take(first)
    model = LSTMClassifier(**IN_ORDER)
    model.partial_fit(part.X, part.y, classes=["a", "b", "c"])
    plain = PlainFit(task, rows=first, **IN_ORDER)
    assert_weights_equal(model.weights_, next(plain.epochs()).weights)


def test_classes_may_be_left_out_or_repeated_later():
    task = make_task("multiclass")
    comp = fit_in_parts(task, 1, **IN_ORDER).partial_fit(task.X, task.y)
    assert_same_model(comp, fit_in_parts(task, 2, **IN_ORDER))


@pytest.mark.parametrize("trained", [False, True])
def test_classes_of_labels_are_the_numbers_of_their_columns(trained):
    task = make_task("multi-label")
    n_labels = task.y.shape[1]
    model = LSTMClassifier(**SMALL)
    if trained:
        model.partial_fit(task.X, task.y, classes=range(n_labels))
    with pytest.raises(ValueError, match=r"classes=\[0, 1, .*, but"):
        model.partial_fit(task.X, task.y, classes=range(n_labels + 1))
    model.partial_fit(task.X, task.y, classes=range(n_labels))


@pytest.mark.parametrize("classes", [["a", "b"], ["a", "b", "c", "d"], [0, 1, 2]])
def test_other_classes_than_before_are_refused(classes):
    task = make_task("multiclass")
    model = fit_in_parts(task, 1, **SMALL)
    with pytest.raises(ValueError, match=r"classes=.*but training goes on from"):
        model.partial_fit(task.X, task.y, classes=classes)


@pytest.mark.parametrize("trained", [False, True])
def test_y_beyond_the_classes_is_refused(trained):
    task = make_task("multiclass")
    model = LSTMClassifier(**SMALL)
    y = np.where(task.y == "c", "d", task.y)
    if trained:
        model.fit(task.X, task.y)
    with pytest.raises(ValueError, match=r"y holds \['d'\], which is not among"):
        model.partial_fit(task.X, y, classes=["a", "b", "c"])


@pytest.mark.parametrize(
    "classes",
    [
        [],
        [0],
        [[0, 1]],
        [0, 1, np.nan],
        [0, 0.5, 1],
        {0, 1},
        "ab",
        7,
        [None, 1],
        [0, 1j],
    ],
    ids=str,
)
def test_classes_that_cannot_be_are_refused(classes):
    task = make_task("multi-label")
    with pytest.raises(ValueError, match=r"^classes="):
        LSTMClassifier(**SMALL).partial_fit(task.X, task.y[:, 0], classes=classes)


def test_labels_need_no_classes():
    task = make_task("multi-label")
    model = LSTMClassifier(**SMALL).partial_fit(task.X, task.y)
    assert_array_equal(model.classes_, [0, 1])
    model.partial_fit(task.X, task.y, classes=[0, 1])


# --- warm_start ---------------------------------------------------------------------


@for_all_tasks
def test_warm_start_goes_on_with_a_new_optimizer(name):
    task = make_task(name)
    model = task.fit(warm_start=True, **IN_ORDER)
    first = [epoch.loss for epoch in PlainFit(task, **IN_ORDER).epochs()]
    plain = PlainFit(task, **IN_ORDER)
    plain.weights = {name: weight.copy() for name, weight in model.weights_.items()}
    epochs = list(plain.epochs())
    model.fit(task.X, task.y)
    assert_weights_equal(model.weights_, epochs[-1].weights)
    losses = first + [epoch.loss for epoch in epochs]
    assert_allclose(model.loss_curve_, losses, rtol=1e-9)


def test_warm_start_without_a_fit_before_is_a_fit():
    task = make_task("regression")
    assert_same_model(task.fit(warm_start=True, **SMALL), task.fit(**SMALL))


def counts(model):
    """What is said of how training went, but for the losses themselves."""
    is_best = model.best_loss_ == min(model.loss_curve_)
    return model.n_iter_, model.t_, len(model.loss_curve_), is_best


@pytest.mark.parametrize("tol", [0.0, 1e9])
def test_warm_start_counts_as_in_mlp(tol):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
    parameters = {"tol": tol, "n_iter_no_change": 2, "max_iter": 5, "random_state": 0}
    parameters |= {"hidden_layer_sizes": 2, "warm_start": True}
    parameters |= {"learning_rate_init": 0.001}
    for ours, theirs, target in (
        (LSTMRegressor, MLPRegressor, y),
        (LSTMClassifier, MLPClassifier, y > 0),
    ):
        models = [ours(**reference.PLAIN | parameters), theirs(**parameters)]
        for _ in range(3):
            comp, ref = (counts(model.fit(X, target)) for model in models)
            assert comp == ref


def test_warm_start_refuses_y_that_lacks_a_class_as_mlp_does():
    task = make_task("multiclass")
    flat = np.array([x[-1] for x in task.X])
    y = np.where(task.y == "c", "a", task.y)
    for model, X in (
        (LSTMClassifier(warm_start=True, **SMALL), task.X),
        (MLPClassifier(warm_start=True, max_iter=2), flat),
    ):
        model.fit(X, task.y)
        with pytest.raises(ValueError, match="warm_start"):
            model.fit(X, y)


def test_warm_start_remembers_the_best_epoch_of_all_fits():
    task = make_task("regression")
    model = task.fit(early_stopping=True, warm_start=True, **SMALL)
    ref, best = model.predict(task.X), model.best_validation_score_
    model.set_params(learning_rate_init=30.0).fit(task.X, task.y)
    assert max(model.validation_scores_[3:]) < best
    assert model.best_validation_score_ == best == max(model.validation_scores_)
    assert_array_equal(model.predict(task.X), ref)


def test_scores_are_not_compared_with_the_losses_before():
    """The losses here are smaller than minus the scores."""
    task = make_task("regression")
    parameters = SMALL | {"learning_rate_init": 1e-3}
    model = task.fit(warm_start=True, **parameters)
    before = model.predict(task.X)
    model.set_params(early_stopping=True)
    model.fit(task.X, task.y, X_val=task.X, y_val=task.y + 100)
    assert -max(model.validation_scores_) > min(model.loss_curve_)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert len(model.validation_scores_) == 3
    assert not np.array_equal(model.predict(task.X), before)


@both_ways
def test_losses_are_not_compared_with_the_scores_before(way):
    """Minus the scores here is smaller than any loss."""
    task = make_task("regression")
    model = task.fit(early_stopping=True, **SMALL | {"max_iter": 40})
    assert model.best_validation_score_ > 0
    go_on(model.set_params(early_stopping=False, max_iter=2), way, task.X, task.y)
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.validation_scores_ is None


def test_epochs_that_did_not_improve_a_score_do_not_count_for_losses():
    task = make_task("regression")
    parameters = SMALL | {"tol": 1e9, "n_iter_no_change": 3, "max_iter": 40}
    model = task.fit(early_stopping=True, warm_start=True, **parameters)
    assert model.n_iter_ == 5
    model.set_params(early_stopping=False).fit(task.X, task.y)
    assert model.n_iter_ == 4  # the best loss is known


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_warm_start_warns_of_max_iter_too():
    task = make_task("regression")
    with pytest.warns(ConvergenceWarning):
        model = task.fit(warm_start=True, **SMALL)
    with pytest.warns(ConvergenceWarning, match="max_iter=3"):
        model.fit(task.X, task.y)


# --- what cannot change -------------------------------------------------------------


@both_ways
@pytest.mark.parametrize(
    "change",
    [
        {"hidden_layer_sizes": (4,)},
        {"hidden_layer_sizes": (3, 3)},
        {"bidirectional": True},
        {"head_layer_sizes": (2,)},
        {"dtype": "float32"},
        {"normalize_y": False},
    ],
    ids=str,
)
def test_network_that_is_trained_on_cannot_be_another(change, way):
    task = make_task("regression")
    model = task.fit(**SMALL)
    (name,) = change
    with pytest.raises(ValueError, match=rf"^{name}=.*was built with {name}="):
        go_on(model.set_params(**change), way, task.X, task.y)


@both_ways
@pytest.mark.parametrize("same", [3, [3], np.array([3]), (np.int64(3),)], ids=repr)
def test_network_may_be_said_in_other_words(same, way):
    task = make_task("regression")
    model = task.fit(**SMALL)
    go_on(model.set_params(hidden_layer_sizes=same), way, task.X, task.y)
    assert len(model.loss_curve_) > 3


@both_ways
def test_another_number_of_channels_is_refused(way):
    task = make_task("regression")
    model = task.fit(**SMALL)
    with pytest.raises(ValueError, match=r"X has 1 channel\(s\).* expecting 2"):
        go_on(model, way, [x[:, :1] for x in task.X], task.y)


@both_ways
def test_columns_that_make_other_channels_are_refused(way):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 12)), rng.normal(size=20)
    model = LSTMRegressor(n_channels=3, **SMALL).fit(X, y)
    with pytest.raises(ValueError, match=r"X has 4 channel\(s\).* expecting 3"):
        go_on(model.set_params(n_channels=4), way, X, y)


@both_ways
def test_other_names_of_columns_are_refused(way):
    rng = np.random.default_rng(0)
    X, y = pd.DataFrame(rng.normal(size=(20, 3)), columns=list("abc")), np.arange(20.0)
    model = LSTMRegressor(window=2, **SMALL).fit(X, y)
    with pytest.raises(ValueError, match="feature names should match"):
        go_on(model, way, X.rename(columns={"a": "d"}), y)


@both_ways
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("regression", lambda y: np.column_stack([y, y])),
        ("several outputs", lambda y: y[:, :2]),
        ("several outputs", lambda y: y[:, 0]),
        ("multi-label", lambda y: np.column_stack([y, y])),
        ("multi-label", lambda y: y[:, 0]),
        ("binary", lambda y: np.column_stack([y == "no", y == "yes"]).astype(int)),
    ],
)
def test_targets_of_another_shape_are_refused(name, change, way):
    task = make_task(name)
    model = task.fit(**SMALL)
    with pytest.raises(ValueError, match=r"y has shape .*but in training it had"):
        go_on(model, way, task.X, change(task.y))


@both_ways
def test_form_of_x_may_change(way):
    """What the network takes is the same: sequences of so many channels."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 4, 3)), rng.normal(size=20)
    comp, ref = (LSTMRegressor(**IN_ORDER).fit(X, y) for _ in range(2))
    assert_same_model(go_on(comp, way, list(X), y), go_on(ref, way, X, y))


# --- what fails ---------------------------------------------------------------------


def with_nan(task):
    return task.X, np.where(np.arange(len(task.y)) == 3, np.nan, task.y), {}


def of_another_length(task):
    return task.X, task.y[1:], {}


def with_other_channels(task):
    return [x[:, :1] for x in task.X], task.y, {}


def with_other_outputs(task):
    return task.X, np.column_stack([task.y, task.y]), {}


def with_another_network(task):
    return task.X, task.y, {"hidden_layer_sizes": 5}


def with_a_bad_parameter(task):
    return task.X, task.y, {"momentum": 2.0}


def with_a_bad_size(task):
    return task.X, task.y, {"batch_size": -5}


@both_ways
@pytest.mark.parametrize(
    "data",
    [
        with_nan,
        of_another_length,
        with_other_channels,
        with_other_outputs,
        with_another_network,
        with_a_bad_parameter,
        with_a_bad_size,
    ],
)
def test_what_fails_leaves_the_model_as_it_was(data, way):
    task = make_task("regression")
    model = task.fit(**SMALL)
    ref = go_on(copy.deepcopy(model), way, task.X, task.y)
    X, y, change = data(task)
    before = model.get_params() | {"warm_start": way == "warm_start"}
    model.set_params(warm_start=before["warm_start"], **change)
    state_before = state(model)
    with pytest.raises(ValueError, match=r"."):
        go_on(model, way, X, y)
    assert state(model) == state_before
    assert_same_model(go_on(model.set_params(**before), way, task.X, task.y), ref)


def test_what_fails_after_an_epoch_leaves_the_model_as_it_was(monkeypatch):
    task = make_task("regression")
    model = task.fit(warm_start=True, **SMALL)
    before, step, calls = state(model), Adam.step, []

    def fail_in_the_second_epoch(*args):
        calls.append(None)
        if len(calls) == 5:
            raise RuntimeError("fails")
        step(*args)

    monkeypatch.setattr(Adam, "step", fail_in_the_second_epoch)
    with pytest.raises(RuntimeError, match="fails"):
        model.fit(task.X, task.y)
    assert state(model) == before


def test_first_partial_fit_that_fails_leaves_an_unfitted_model():
    task = make_task("regression")
    model = LSTMRegressor(**SMALL)
    with pytest.raises(ValueError, match="diverged"):
        model.set_params(learning_rate_init=1e308).partial_fit(task.X, task.y)
    assert vars(model).keys() == vars(clone(model)).keys()


# --- refits and copies --------------------------------------------------------------


def test_fit_begins_anew_after_partial_fit():
    task = make_task("regression")
    model = fit_in_parts(task, 2, **SMALL).fit(task.X, task.y)
    assert_same_model(model, task.fit(**SMALL))


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_layer_sizes": (2, 2)},
        {"bidirectional": True},
        {"dtype": "float32"},
        {"solver": "sgd"},
        {"learning_rate": "cosine"},
        {"normalize_y": False},
    ],
    ids=str,
)
def test_refit_after_set_params_is_a_fit_with_these(change):
    task = make_task("regression")
    model = task.fit(**SMALL).set_params(**change).fit(task.X, task.y)
    assert_same_model(model, task.fit(**SMALL | change))


def test_fit_with_other_classes_begins_anew():
    first, second = make_task("multiclass"), make_task("binary")
    model = first.fit(**SMALL).fit(second.X, second.y)
    assert_array_equal(model.classes_, ["no", "yes"])
    assert_same_model(model, second.fit(**SMALL))


@pytest.mark.parametrize(
    "way_of_copy", [copy.deepcopy, lambda m: pickle.loads(state(m))]
)
@both_ways
def test_copy_goes_on_as_the_model_and_by_itself(way_of_copy, way):
    task = make_task("regression")
    model = task.fit(**SMALL)
    other = way_of_copy(model)
    before = state(model)
    go_on(other, way, task.X, task.y)
    assert state(model) == before
    assert_same_model(go_on(model, way, task.X, task.y), other)


def test_shallow_copy_keeps_what_it_had():
    task = make_task("regression")
    model = task.fit(**SMALL)
    other = copy.copy(model)
    ref = other.predict(task.X)
    model.partial_fit(task.X, task.y)
    assert_array_equal(other.predict(task.X), ref)
    assert len(other.loss_curve_) == 3


def test_clone_begins_anew():
    task = make_task("regression")
    model = task.fit(warm_start=True, **SMALL)
    assert_same_model(clone(model).fit(task.X, task.y), model)


def test_weights_that_were_assigned_are_gone_on_from():
    task = make_task("regression")
    model = task.fit(**IN_ORDER)
    plain = PlainFit(task, **IN_ORDER | {"solver": "sgd"})
    for name, weight in model.weights_.items():
        weight[:] = plain.weights[name]
    model.set_params(solver="sgd").partial_fit(task.X, task.y)
    assert_weights_equal(model.weights_, next(plain.epochs()).weights)
    assert math.isfinite(model.loss_)
