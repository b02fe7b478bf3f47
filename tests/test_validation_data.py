"""Early stopping on samples that are given: X_val, y_val, sample_weight_val."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_training import (
    EARLY,
    SERIES,
    PlainFit,
    assert_early_stopping_is_plain,
    for_all_tasks,
    make_task,
    windows,
)

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm.preprocessing import PerStep

# Most fits here are cut short on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N_TRAIN, N_VAL = 24, 12
TRAIN, VAL = np.arange(N_TRAIN), np.arange(N_TRAIN, N_TRAIN + N_VAL)
SHORT = EARLY | {"max_iter": 4, "early_stopping": True}


def take(data, rows):
    return [data[row] for row in rows] if isinstance(data, list) else data[rows]


def fit(model, X, y, X_val, y_val, sample_weight_val=None):
    return model.fit(
        X, y, X_val=X_val, y_val=y_val, sample_weight_val=sample_weight_val
    )


def assert_same_fit(comp, ref):
    for name, weight in ref.weights_.items():
        assert_array_equal(comp.weights_[name], weight, err_msg=name)
    assert comp.validation_scores_ == ref.validation_scores_
    assert comp.loss_curve_ == ref.loss_curve_


# --- what it does -------------------------------------------------------------------


@for_all_tasks
@pytest.mark.parametrize("weighted", [False, True])
def test_early_stopping_watches_the_samples_given(name, weighted):
    task = make_task(name, n_samples=44)
    sample_weight, val = np.ones(44), np.arange(N_TRAIN, 44)
    if weighted:
        sample_weight = np.random.default_rng(6).uniform(0.1, 5, 44)
    rule = {"tol": 1e-3, "n_iter_no_change": 4}
    model = task.estimator(early_stopping=True, **EARLY, **rule).fit(
        take(task.X, TRAIN),
        task.y[TRAIN],
        sample_weight[TRAIN],
        X_val=take(task.X, val),
        y_val=task.y[val],
        sample_weight_val=sample_weight[val],
    )
    plain = PlainFit(task, sample_weight, TRAIN, **EARLY)
    assert_early_stopping_is_plain(model, plain, val, rule)


def test_samples_given_are_as_good_as_held_out_by_the_fit_itself():
    task = make_task("regression", n_samples=40)
    random_state = np.random.RandomState(0)
    ref = task.fit(validation_fraction=0.3, **SHORT)
    rows, held_out = train_test_split(
        np.arange(40), test_size=0.3, random_state=random_state
    )
    comp = LSTMRegressor(**SHORT | {"random_state": random_state})
    fit(
        comp, take(task.X, rows), task.y[rows], take(task.X, held_out), task.y[held_out]
    )
    # Minibatches are of the same samples, but the sums behind them of another order.
    assert_allclose(comp.loss_curve_, ref.loss_curve_, rtol=1e-9)
    assert_allclose(comp.validation_scores_, ref.validation_scores_, rtol=1e-9)


def test_no_sample_is_held_out_besides():
    task = make_task("regression")
    model = fit(LSTMRegressor(**SHORT), task.X, task.y, task.X[:5], task.y[:5])
    assert model.t_ == 4 * len(task.y)


def test_samples_given_have_no_part_in_the_scale_of_targets():
    task = make_task("regression")
    model = LSTMRegressor(**SHORT | {"max_iter": 1})
    fit(model, task.X, task.y, task.X[:5], 1e6 * task.y[:5])
    for weight in model.weights_.values():
        weight[:] = 0
    assert_allclose(model.predict(task.X), task.y.mean(), rtol=1e-12)


def test_samples_given_without_weight_are_as_good_as_absent():
    task = make_task("regression", n_samples=N_TRAIN + N_VAL)
    X, y, X_val, y_val = task.X[:N_TRAIN], task.y[:N_TRAIN], task.X, task.y.copy()
    weight = np.where(np.arange(len(y_val)) < N_TRAIN, 0.0, 2.0)
    y_val[3] = 1e200
    comp = fit(LSTMRegressor(**SHORT), X, y, X_val, y_val, weight)
    ref = fit(LSTMRegressor(**SHORT), X, y, take(X_val, VAL), y_val[VAL])
    assert_same_fit(comp, ref)


@pytest.mark.parametrize("name", ["binary", "multiclass"])
def test_some_classes_may_be_missing_from_the_samples_given(name):
    task = make_task(name)
    rows = np.flatnonzero(task.y == task.y[0])
    model = task.estimator(**SHORT)
    fit(model, task.X, task.y, take(task.X, rows), task.y[rows])
    ref = task.estimator(**SHORT | {"early_stopping": False, "max_iter": 1})
    ref.fit(task.X, task.y)
    share = np.mean(ref.predict(take(task.X, rows)) == task.y[0])
    assert_allclose(model.validation_scores_[0], share)


def test_data_given_are_not_changed():
    task = make_task("regression")
    X_val, y_val = np.array([x[-1:] for x in task.X]), task.y.copy()
    weight = np.linspace(0, 1, len(y_val))
    before = [array.copy() for array in (X_val, y_val, weight)]
    for array in (X_val, y_val, weight):
        array.flags.writeable = False
    fit(LSTMRegressor(**SHORT), task.X, task.y, X_val, y_val, weight)
    for array, expected in zip((X_val, y_val, weight), before, strict=True):
        assert_array_equal(array, expected)


# --- forms --------------------------------------------------------------------------


def make_cube():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_TRAIN + N_VAL, 4, 2))
    return X, X[:, -1, 0] + rng.normal(scale=0.2, size=len(X))


FORMS = {
    "3-D": lambda X: X,
    "nested lists": np.ndarray.tolist,
    "ragged list": list,
    "list of frames": lambda X: [pd.DataFrame(x) for x in X],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("form_of_val", FORMS)
def test_form_of_sequences_given_does_not_matter(form, form_of_val):
    X, y = make_cube()
    ref = fit(LSTMRegressor(**SHORT), X[TRAIN], y[TRAIN], X[VAL], y[VAL])
    X_train, X_val = FORMS[form](X[TRAIN]), FORMS[form_of_val](X[VAL])
    comp = fit(LSTMRegressor(**SHORT), X_train, y[TRAIN], X_val, list(y[VAL]))
    assert_same_fit(comp, ref)


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame])
def test_rows_given_are_read_as_those_of_x(container):
    X, y = make_cube()
    ref = fit(LSTMRegressor(**SHORT), X[TRAIN], y[TRAIN], X[VAL], y[VAL])
    rows = X.reshape(len(X), -1)
    comp = LSTMRegressor(n_channels=2, **SHORT)
    fit(comp, container(rows[TRAIN]), y[TRAIN], container(rows[VAL]), y[VAL])
    assert_same_fit(comp, ref)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("framed", [False, True])
def test_windows_of_a_table_given_are_its_own(grouped, framed):
    rng = np.random.default_rng(0)
    table, y = rng.normal(size=(40, 2)), rng.normal(size=40)
    series = SERIES if grouped else np.zeros(40)
    ref = fit(
        LSTMRegressor(**SHORT),
        windows(table[:24], 3, series[:24]),
        y[:24],
        windows(table[24:], 3, series[24:]),
        y[24:],
    )
    X = np.insert(table, 1, series, axis=1) if grouped else table
    group_column = 1 if grouped else None
    if framed:
        X = pd.DataFrame(X, columns=["a", "b", "c"][: X.shape[1]])
        group_column = "b" if grouped else None
    comp = LSTMRegressor(window=3, group_column=group_column, **SHORT)
    fit(comp, X[:24], y[:24], X[24:], y[24:])
    assert_same_fit(comp, ref)


@pytest.mark.parametrize("form", ["3-D", "window"])
def test_pipeline_transforms_validation_data_as_x(form):
    X, y = make_cube()
    scaler = PerStep(StandardScaler())
    model = LSTMRegressor(**SHORT)
    if form == "window":
        X, scaler = X[:, 0], StandardScaler()
        model.set_params(window=3)
    X = 100 + 10 * X
    scaled = scaler.fit(X[TRAIN]).transform
    ref = fit(
        LSTMRegressor(**model.get_params()),
        scaled(X[TRAIN]),
        y[TRAIN],
        scaled(X[VAL]),
        y[VAL],
    )
    with sklearn.config_context(enable_metadata_routing=True):
        model.set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(scaler, model, transform_input=["X_val"])
        pipeline.fit(X[TRAIN], y[TRAIN], X_val=X[VAL], y_val=y[VAL])
    assert_same_fit(pipeline[-1], ref)


def test_pipeline_passes_weights_of_validation_data_on():
    X, y = make_cube()
    weight = np.linspace(0, 1, N_VAL)
    ref = fit(LSTMRegressor(**SHORT), X[TRAIN], y[TRAIN], X[VAL], y[VAL], weight)
    with sklearn.config_context(enable_metadata_routing=True):
        model = LSTMRegressor(**SHORT)
        model.set_fit_request(X_val=True, y_val=True, sample_weight_val=True)
        pipeline = make_pipeline(model, transform_input=["X_val"])
        pipeline.fit(
            X[TRAIN], y[TRAIN], X_val=X[VAL], y_val=y[VAL], sample_weight_val=weight
        )
    assert_same_fit(pipeline[-1], ref)


# --- what is refused ----------------------------------------------------------------


def data_for(estimator):
    X, y = make_cube()
    if estimator is LSTMClassifier:
        y = (y > 0).astype(int)
    return X[TRAIN], y[TRAIN], X[VAL], y[VAL]


estimators = pytest.mark.parametrize("estimator", [LSTMClassifier, LSTMRegressor])


def refuse(match, estimator=LSTMRegressor, error=ValueError, **given):
    """Fit with validation data some of which are replaced: it must fail."""
    X, y, X_val, y_val = data_for(estimator)
    model = estimator(**SHORT | given.pop("parameters", {}))
    with pytest.raises(error, match=match):
        model.fit(X, y, **{"X_val": X_val, "y_val": y_val} | given)
    assert not hasattr(model, "n_iter_")


@estimators
def test_validation_data_without_early_stopping_are_refused(estimator):
    match = "X_val and y_val were passed, but early_stopping is False"
    refuse(match, estimator, parameters={"early_stopping": False})


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (["X_val"], "y_val"),
        (["y_val"], "X_val"),
        (["sample_weight_val"], "X_val"),
        (["X_val", "sample_weight_val"], "y_val"),
        (["y_val", "sample_weight_val"], "X_val"),
    ],
    ids=str,
)
def test_a_part_of_the_validation_data_is_refused(given, missing):
    X, y, X_val, y_val = data_for(LSTMRegressor)
    all_of_it = {"X_val": X_val, "y_val": y_val, "sample_weight_val": np.ones(N_VAL)}
    with pytest.raises(ValueError, match=rf"^{given[0]} was passed without {missing}"):
        LSTMRegressor(**SHORT).fit(X, y, **{name: all_of_it[name] for name in given})


def with_nan(array):
    array = array.astype(float)
    array.flat[7] = np.nan
    return array


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda X: X[:, :, :1], r"X_val has 1 channel\(s\).* expecting 2"),
        (lambda X: X[:0], r"0 sample\(s\).* X_val is empty"),
        (lambda X: X[:, :0], "X_val .*one step"),
        (with_nan, "Input X_val contains NaN"),
        (lambda X: X + 1j, "Complex data not supported: .*X_val"),
        (lambda X: X[0], "X_val has 1 channel"),
        (lambda X: "X", "X_val "),
        (lambda X: 1e300 * X, "X_val .*float32"),
    ],
)
def test_bad_x_val_is_refused_by_its_name(change, match):
    parameters = {"dtype": "float32"} if "float32" in match else {}
    X_val = change(data_for(LSTMRegressor)[2])
    refuse(match, error=(ValueError, TypeError), X_val=X_val, parameters=parameters)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda y: y[1:], "y_val has 11 entries, but X_val has 12"),
        (with_nan, "Input y_val contains NaN"),
        (lambda y: np.column_stack([y, y]), r"y_val has shape \(12, 2\)"),
        (lambda y: y.astype(str), "y_val has dtype"),
        (lambda y: y + 1j, "Complex data not supported: y_val"),
    ],
)
def test_bad_y_val_is_refused_by_its_name(change, match):
    refuse(match, y_val=change(data_for(LSTMRegressor)[3]))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda y: y + 1, r"y_val holds \[2\], which is not among the classes"),
        (lambda y: y.astype(str), r"y_val holds \['0', '1'\]"),
        (lambda y: np.where(y, "X", "y"), r"y_val holds \['X', 'y'\]"),
        (lambda y: y + 0.5, r"Unknown label type: .*y_val"),
        (lambda y: np.column_stack([y, y]), "y_val has shape"),
    ],
)
def test_y_val_of_other_classes_is_refused(change, match):
    refuse(match, LSTMClassifier, y_val=change(data_for(LSTMClassifier)[3]))


@pytest.mark.parametrize(
    ("weight", "match"),
    [
        (np.ones(11), r"sample_weight_val has shape \(11,\)"),
        (-np.ones(12), r"sample_weight_val\[0\] is -1"),
        (np.zeros(12), "sample_weight_val is zero throughout"),
        (np.full(12, np.nan), "Input sample_weight_val contains NaN"),
        (["heavy"] * 12, "sample_weight_val has dtype"),
    ],
)
def test_bad_sample_weight_val_is_refused_by_its_name(weight, match):
    refuse(match, sample_weight_val=weight)


@estimators
def test_single_sample_is_too_few_to_score(estimator):
    _, _, X_val, y_val = data_for(estimator)
    refuse("^X_val holds 1 sample", estimator, X_val=X_val[:1], y_val=y_val[:1])
    refuse("^X_val holds 1 sample", estimator, sample_weight_val=np.eye(N_VAL)[3])


def test_frame_with_other_columns_is_refused():
    rng = np.random.default_rng(0)
    X, y = pd.DataFrame(rng.normal(size=(20, 2)), columns=["a", "b"]), np.arange(20.0)
    model = LSTMRegressor(window=2, **SHORT)
    with pytest.raises(ValueError, match="X_val: The feature names should match"):
        fit(model, X, y, X.rename(columns={"a": "c"}), y)


def test_refusal_leaves_the_model_fitted_before():
    X, y, X_val, y_val = data_for(LSTMRegressor)
    model = fit(LSTMRegressor(**SHORT), X, y, X_val, y_val)
    ref = model.predict(X)
    with pytest.raises(ValueError, match="y_val"):
        fit(model, X, y, X_val, y_val[1:])
    assert_array_equal(model.predict(X), ref)
