"""A fitted estimator: its attributes, its weights, and what it makes of them."""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import reference
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sklstm import LSTMClassifier, LSTMRegressor

# Fits here are cut short on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DTYPES = ["float64", "float32"]
# The largest error, as a share of the largest number in what is compared. Outputs are
# scaled up here, and with them the rounding of float32.
TOLERANCE = {"float64": 1e-12, "float32": 1e-4}

N_SAMPLES = 24
SMALL = {
    **reference.PLAIN,
    "hidden_layer_sizes": (4, 3),
    "head_layer_sizes": (5,),
    "learning_rate_init": 0.05,
    "max_iter": 2,
    "dtype": "float64",
    "random_state": 0,
}
REGRESSIONS = ["regression", "several outputs"]
CLASSIFICATIONS = ["binary", "multiclass", "multi-label"]
for_all_tasks = pytest.mark.parametrize("name", REGRESSIONS + CLASSIFICATIONS)
for_all_classifications = pytest.mark.parametrize("name", CLASSIFICATIONS)
for_all_dtypes = pytest.mark.parametrize("dtype", DTYPES)


def make_X():
    rng = np.random.default_rng(0)
    return reference.random_sequences(rng, rng.integers(1, 6, size=N_SAMPLES), 2)


def make_y(name):
    rng = np.random.default_rng(1)
    if name == "regression":
        return rng.normal(50, 7, size=N_SAMPLES)
    if name == "several outputs":
        return rng.normal([50, -1], [7, 0.1], size=(N_SAMPLES, 2))
    if name == "multi-label":
        return rng.integers(2, size=(N_SAMPLES, 3))
    classes = ["yes", "no"] if name == "binary" else ["wood", "air", "fire"]
    return np.resize(classes, N_SAMPLES)


def make_estimator(name, **parameters):
    estimator = LSTMRegressor if name in REGRESSIONS else LSTMClassifier
    return estimator(**SMALL | parameters)


def make_weighty(model):
    """Give a fitted model weights with which its outputs are large, of either sign."""
    sizes = reference.network_sizes(model.weights_)
    rng = np.random.default_rng(2)
    weights = reference.random_weights(rng, **sizes)
    X = reference.random_sequences(rng, [1, 2, 3, 4, 5] * 5, sizes["n_channels"])
    last = len(sizes["head_layer_sizes"])
    for layer in range(last):  # let no unit of the dense layers be dead
        weights[f"head.bias_{layer}"][:] = 1
    raw = reference.raw_output(weights, X)
    scale = 2 / raw.std(axis=0)
    weights[f"head.weight_{last}"] *= scale[:, np.newaxis]
    weights[f"head.bias_{last}"] -= np.median(raw, axis=0)
    weights[f"head.bias_{last}"] *= scale
    reference.fill(model.weights_, weights)
    return model


def fit(name, X=None, **parameters):
    X = make_X() if X is None else X
    return make_weighty(make_estimator(name, **parameters).fit(X, make_y(name)))


def raw_output(model, X):
    """What the network should put out, from the model's own weights."""
    weights = {name: w.astype(np.float64) for name, w in model.weights_.items()}
    return reference.raw_output(weights, X)


def softmax(raw):
    return np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)


# --- what a fit leaves --------------------------------------------------------------


@for_all_tasks
def test_attributes_that_an_mlp_has_too_are_those_of_the_mlp(name):
    X, y = np.random.default_rng(0).normal(size=(N_SAMPLES, 4)), make_y(name)
    comp = make_estimator(name, bidirectional=True).fit(X, y)
    mlp = MLPRegressor if name in REGRESSIONS else MLPClassifier
    ref = mlp(hidden_layer_sizes=(4, 3, 5), max_iter=2).fit(X, y)
    names = ["n_outputs_", "n_layers_", "out_activation_", "n_iter_", "t_"]
    for attribute in [*names, "n_features_in_", "best_validation_score_"]:
        assert getattr(comp, attribute) == getattr(ref, attribute), attribute
    for attribute in ("loss_curve_", "validation_scores_", "classes_"):
        assert hasattr(comp, attribute) == hasattr(ref, attribute), attribute
    if name in CLASSIFICATIONS:
        assert_array_equal(comp.classes_, ref.classes_)


def test_fit_returns_the_estimator():
    model = make_estimator("regression")
    assert model.fit(make_X(), make_y("regression")) is model


@pytest.mark.parametrize("convert", [np.array, pd.Series, list, tuple])
@pytest.mark.parametrize(
    "labels",
    [
        ["b", "a", "c"],
        np.array(["b", "a", "c"], dtype=object),
        [7, -2, 3],
        [2.0, 1.0, 4.0],
        [True, False],
    ],
    ids=str,
)
def test_predicted_labels_are_of_the_values_and_type_of_y(labels, convert):
    y = convert(np.resize(labels, N_SAMPLES))
    model = make_estimator("multiclass").fit(make_X(), y)
    comp = make_weighty(model).predict(make_X())
    assert_array_equal(model.classes_, sorted(set(labels)))
    assert set(comp) == set(labels)
    assert comp.dtype == model.classes_.dtype == np.asarray(y).dtype


@pytest.mark.parametrize(
    ("X", "parameters", "n_features"),
    [
        (np.zeros((N_SAMPLES, 6)), {}, 6),
        (np.zeros((N_SAMPLES, 6)), {"n_channels": 3}, 6),
        (np.zeros((N_SAMPLES, 6)), {"window": 2, "group_column": 0}, 6),
        (np.zeros((N_SAMPLES, 5, 3)), {}, 3),
        ([np.zeros((2, 3))] * N_SAMPLES, {}, 3),
        ([np.zeros(2)] * N_SAMPLES, {}, 1),
    ],
    ids=["2-D", "2-D with channels", "window", "3-D", "ragged", "ragged 1-D"],
)
def test_features_are_columns_of_tables_and_channels_of_sequences(
    X, parameters, n_features
):
    model = make_estimator("regression", **parameters)
    model.fit(X, make_y("regression"))
    assert model.n_features_in_ == n_features
    assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize("parameters", [{}, {"window": 3, "group_column": "b"}])
def test_feature_names_are_those_of_the_columns(parameters):
    frame = pd.DataFrame(np.zeros((N_SAMPLES, 3)), columns=["a", "b", "c"])
    model = make_estimator("binary", **parameters).fit(frame, make_y("binary"))
    assert_array_equal(model.feature_names_in_, ["a", "b", "c"])


@pytest.mark.parametrize(
    "sizes", [3, (3,), [3], np.array([3]), np.int64(3), (np.int32(3),)], ids=repr
)
@pytest.mark.parametrize("parameter", ["hidden_layer_sizes", "head_layer_sizes"])
def test_int_is_one_layer_and_any_array_like_is_layers(parameter, sizes):
    X, y = make_X(), make_y("regression")
    comp = make_estimator("regression", **{parameter: sizes}).fit(X, y)
    ref = make_estimator("regression", **{parameter: (3,)}).fit(X, y)
    assert_array_equal(comp.predict(X), ref.predict(X))


@for_all_tasks
def test_fit_and_predict_leave_parameters_as_they_are(name):
    parameters = {
        "hidden_layer_sizes": [4, 3],
        "head_layer_sizes": np.array([5]),
        "random_state": np.random.RandomState(0),
        "n_jobs": None,
    }
    model = make_estimator(name, **parameters)
    before = model.get_params()
    model.fit(make_X(), make_y(name)).predict(make_X())
    for parameter, value in model.get_params().items():
        assert value is before[parameter], parameter
    assert model.hidden_layer_sizes == [4, 3]
    assert_array_equal(model.head_layer_sizes, [5])


# --- the weights --------------------------------------------------------------------


def test_weights_have_the_names_and_shapes_of_torch():
    model = make_estimator("several outputs", bidirectional=True)
    weights = model.fit(make_X(), make_y("several outputs")).weights_
    shapes = {}
    for suffix in ("", "_reverse"):
        shapes |= {
            f"weight_ih_l0{suffix}": (16, 2),
            f"weight_hh_l0{suffix}": (16, 4),
            f"bias_l0{suffix}": (16,),
            f"weight_ih_l1{suffix}": (12, 8),
            f"weight_hh_l1{suffix}": (12, 3),
            f"bias_l1{suffix}": (12,),
        }
    shapes |= {
        "head.weight_0": (5, 6),
        "head.bias_0": (5,),
        "head.weight_1": (2, 5),
        "head.bias_1": (2,),
    }
    assert {name: weight.shape for name, weight in weights.items()} == shapes


@for_all_dtypes
def test_weights_are_of_the_dtype_that_the_network_computes_in(dtype):
    model = fit("regression", dtype=dtype)
    assert {weight.dtype for weight in model.weights_.values()} == {np.dtype(dtype)}


def test_weights_share_no_memory_with_each_other():
    weights = fit("regression", bidirectional=True).weights_
    for number, weight in enumerate(weights.values()):
        weight[...] = number
    for number, weight in enumerate(weights.values()):
        assert (weight == number).all()


def through_joblib(model, folder):
    joblib.dump(model, folder / "model.joblib")
    return joblib.load(folder / "model.joblib")


COPIES = {
    "itself": lambda model, folder: model,
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "joblib": through_joblib,
    "copy": lambda model, folder: copy.deepcopy(model),
}


@for_all_dtypes
@pytest.mark.parametrize("way", COPIES)
def test_assigning_to_weights_changes_predictions(way, dtype, tmp_path):
    X = make_X()
    model = make_estimator("several outputs", dtype=dtype, normalize_y=False)
    model.fit(X, make_y("several outputs"))
    copied = COPIES[way](model, tmp_path)
    make_weighty(copied)
    comp = copied.predict(X)
    assert reference.relative_error(comp, raw_output(copied, X)) <= TOLERANCE[dtype]


@pytest.mark.parametrize("way", [way for way in COPIES if way != "itself"])
def test_weights_of_a_copy_are_its_own(way, tmp_path):
    X = make_X()
    model = fit("multiclass")
    ref = model.predict_proba(X)
    copied = COPIES[way](model, tmp_path)
    assert_array_equal(copied.predict_proba(X), ref)
    for weight in copied.weights_.values():
        weight[...] = 0
    assert not np.array_equal(copied.predict_proba(X), ref)
    assert_array_equal(model.predict_proba(X), ref)


def test_clone_has_no_weights():
    with pytest.raises(NotFittedError):
        _ = clone(fit("regression")).weights_


def test_weights_cannot_be_replaced_as_a_whole():
    model = fit("regression")
    with pytest.raises(AttributeError, match="weights_"):
        model.weights_ = dict(model.weights_)


@for_all_dtypes
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("name", ["several outputs", "multiclass"])
def test_weights_of_torch_give_outputs_of_torch(name, n_layers, bidirectional, dtype):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    X = np.random.default_rng(0).normal(size=(N_SAMPLES, 5, 2))
    model = make_estimator(
        name,
        hidden_layer_sizes=(6,) * n_layers,
        head_layer_sizes=(),
        bidirectional=bidirectional,
        dtype=dtype,
    ).fit(X, make_y(name))
    lstm = torch.nn.LSTM(
        2, 6, n_layers, bidirectional=bidirectional, batch_first=True
    ).double()
    head = torch.nn.Linear(6 * (1 + bidirectional), model.n_outputs_).double()

    ours, theirs = model.weights_, lstm.state_dict()
    for key, weight in ours.items():
        if key.startswith("weight"):
            weight[:] = theirs[key]
        elif key.startswith("bias"):
            suffix = key.removeprefix("bias")
            weight[:] = theirs[f"bias_ih{suffix}"] + theirs[f"bias_hh{suffix}"]
    ours["head.weight_0"][:] = head.weight.detach()
    ours["head.bias_0"][:] = head.bias.detach()

    with torch.no_grad():
        _, (h, _) = lstm(torch.from_numpy(X))
        h = h[-1 - bidirectional :].swapaxes(0, 1).flatten(start_dim=1)
        raw = head(h).numpy()
    assert reference.relative_error(model.transform(X), h.numpy()) <= TOLERANCE[dtype]
    if name == "multiclass":
        comp, ref = model.predict_proba(X), softmax(raw)
    else:
        y = make_y(name)
        comp, ref = (model.predict(X) - y.mean(axis=0)) / y.std(axis=0), raw
    assert reference.relative_error(comp, ref) <= TOLERANCE[dtype]


# --- predictions --------------------------------------------------------------------


@for_all_dtypes
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("normalize_y", [False, True])
@pytest.mark.parametrize("name", REGRESSIONS)
def test_regression_predicts_the_output_in_units_of_y(
    name, normalize_y, bidirectional, dtype
):
    X, y = make_X(), make_y(name)
    model = fit(name, normalize_y=normalize_y, bidirectional=bidirectional, dtype=dtype)
    ref = raw_output(model, X)
    if normalize_y:
        ref = y.reshape(N_SAMPLES, -1).mean(axis=0) + ref * y.std(axis=0)
    comp = model.predict(X)
    assert comp.shape == y.shape
    error = reference.relative_error(comp.reshape(ref.shape), ref)
    assert error <= TOLERANCE[dtype]


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e6 / 3])
def test_constant_target_is_not_scaled(constant):
    """Its standard deviation is 0, or what rounding leaves of that."""
    X = make_X()
    model = make_estimator("regression").fit(X, np.full(N_SAMPLES, constant))
    comp = make_weighty(model).predict(X)
    ref = raw_output(model, X)[:, 0] + constant
    assert reference.relative_error(comp, ref) <= 1e-12


@pytest.mark.parametrize("weights", [None, np.linspace(0.1, 1, 5000)])
def test_constant_targets_are_told_among_many_samples(weights):
    """The sum of many targets is rounded by more than any of them."""
    constants = np.array([0.1, 1 / 3, -14.62, 518.67, 1e8 + 0.1, 7e-9])
    model = make_estimator("regression", max_iter=1)
    model.fit(np.zeros((5000, 1, 3)), np.tile(constants, (5000, 1)), weights)
    for weight in model.weights_.values():
        weight[:] = 0
    model.weights_["head.bias_1"][:] = 1  # in units of the scale, which is none
    assert_array_equal(model.predict(np.zeros((1, 1, 3))), [constants + 1])


@for_all_dtypes
@pytest.mark.parametrize("bidirectional", [False, True])
@for_all_classifications
def test_probabilities_are_those_of_the_outputs(name, bidirectional, dtype):
    X = make_X()
    model = fit(name, bidirectional=bidirectional, dtype=dtype)
    raw = raw_output(model, X)
    if name == "multiclass":
        ref = softmax(raw)
    else:
        ref = 1 / (1 + np.exp(-raw))
        if name == "binary":  # the output is for the second class
            ref = np.hstack([1 - ref, ref])
    comp = model.predict_proba(X)
    assert comp.shape == ref.shape
    assert reference.relative_error(comp, ref) <= TOLERANCE[dtype]


@for_all_classifications
def test_log_probabilities_are_logs_of_probabilities(name):
    model = fit(name)
    ref = np.log(model.predict_proba(make_X()))
    comp = model.predict_log_proba(make_X())
    assert reference.relative_error(comp, ref) <= 1e-12


@for_all_classifications
def test_log_probabilities_do_not_underflow(name):
    X = make_X()
    model = fit(name)
    model.weights_["head.weight_1"][...] *= 1e4
    raw = raw_output(model, X)
    if name == "multiclass":
        ref = reference.log_softmax(raw)
    else:
        ref = -reference.softplus(-raw)
        if name == "binary":
            ref = np.hstack([-reference.softplus(raw), ref])
    assert (model.predict_proba(X) == 0).any()
    assert reference.relative_error(model.predict_log_proba(X), ref) <= 1e-12


@pytest.mark.parametrize("output", [-700, -40, 40, 700])
def test_small_probability_of_either_class_is_right_to_rounding(output):
    X = make_X()
    model = fit("binary", dtype="float64")
    for weight in model.weights_.values():
        weight[:] = 0
    model.weights_["head.bias_1"][:] = output
    comp = model.predict_proba(X)
    ref = np.exp(-np.logaddexp(0, [output, -output]))
    np.testing.assert_allclose(comp, np.tile(ref, (N_SAMPLES, 1)), rtol=1e-12)


@pytest.mark.parametrize("name", ["binary", "multiclass"])
def test_probabilities_of_classes_sum_to_one(name):
    comp = fit(name, dtype="float32").predict_proba(make_X()).sum(axis=1)
    np.testing.assert_allclose(comp, 1, rtol=1e-15)


@pytest.mark.parametrize("name", ["binary", "multiclass"])
def test_predicted_class_is_the_most_probable(name):
    model = fit(name)
    ref = model.classes_[model.predict_proba(make_X()).argmax(axis=1)]
    assert len(set(ref)) == len(model.classes_)  # or a constant would pass
    assert_array_equal(model.predict(make_X()), ref)


def test_predicted_labels_are_those_more_probable_than_not():
    model = fit("multi-label")
    ref = model.predict_proba(make_X()) > 0.5
    assert ref.any(axis=0).all()
    assert not ref.all(axis=0).any()
    comp = model.predict(make_X())
    assert comp.dtype.kind == "i"
    assert_array_equal(comp, ref.astype(int))


@for_all_dtypes
def test_outputs_are_float64_whatever_the_network_computes_in(dtype):
    X = [sequence.astype(dtype) for sequence in make_X()]
    regressor, classifier = fit("regression", X, dtype=dtype), fit("binary", X)
    for output in (
        regressor.predict(X),
        regressor.transform(X),
        classifier.predict_proba(X),
        classifier.predict_log_proba(X),
        classifier.transform(X),
    ):
        assert output.dtype == np.float64


PARAMETERS_OF_FIT = {
    "dtype": "float32",
    "hidden_layer_sizes": (7,),
    "head_layer_sizes": (),
    "bidirectional": True,
    "normalize_y": False,
    "alpha": 1.0,
    "batch_size": 1,
    "early_stopping": True,
    "random_state": 1,
    "n_jobs": 2,
}


@pytest.mark.parametrize("parameter", PARAMETERS_OF_FIT)
def test_parameter_set_after_a_fit_changes_no_prediction(parameter):
    X = make_X()
    model = fit("regression")
    predicted, states = model.predict(X), model.transform(X)
    model.set_params(**{parameter: PARAMETERS_OF_FIT[parameter]})
    assert_array_equal(model.predict(X), predicted)
    assert_array_equal(model.transform(X), states)


def test_dtype_set_before_the_next_fit_takes_effect_then():
    X, y = make_X(), make_y("regression")
    model = make_estimator("regression", dtype="float32").fit(X, y)
    model.set_params(dtype="float64").fit(X, y)
    ref = make_estimator("regression", dtype="float64").fit(X, y)
    assert_array_equal(model.predict(X), ref.predict(X))


@for_all_tasks
def test_score_is_the_weighted_metric_of_scikit_learn(name):
    X, y = make_X(), make_y(name)
    model = fit(name)
    metric = r2_score if name in REGRESSIONS else accuracy_score
    sample_weight = np.random.default_rng(3).uniform(0, 2, size=N_SAMPLES)
    for weights in (None, sample_weight):
        ref = metric(y, model.predict(X), sample_weight=weights)
        assert model.score(X, y, weights) == pytest.approx(ref, rel=1e-15)


# --- transform ----------------------------------------------------------------------


@for_all_dtypes
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", ["regression", "multiclass"])
def test_transform_is_the_last_state_of_the_top_layer(name, bidirectional, dtype):
    X = make_X()
    model = fit(name, bidirectional=bidirectional, dtype=dtype)
    weights = {key: w.astype(np.float64) for key, w in model.weights_.items()}
    comp = model.transform(X)
    assert comp.shape == (N_SAMPLES, 3 * (1 + bidirectional))
    assert (
        reference.relative_error(comp, reference.pooled(weights, X))
        <= (TOLERANCE[dtype])
    )


def test_fit_transform_is_fit_and_transform():
    X, y = make_X(), make_y("binary")
    comp = make_estimator("binary").fit_transform(X, y)
    assert_array_equal(comp, make_estimator("binary").fit(X, y).transform(X))


@pytest.mark.parametrize(
    ("name", "prefix"), [("regression", "lstmregressor"), ("binary", "lstmclassifier")]
)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_names_of_states_are_the_class_and_a_number(bidirectional, name, prefix):
    model = fit(name, bidirectional=bidirectional)
    ref = [f"{prefix}{unit}" for unit in range(3 * (1 + bidirectional))]
    assert list(model.get_feature_names_out()) == ref


def test_set_output_makes_a_frame_of_states():
    frame = pd.DataFrame(
        np.random.default_rng(0).normal(size=(N_SAMPLES, 4)),
        columns=list("abcd"),
        index=np.arange(N_SAMPLES) + 100,
    )
    model = fit("regression", frame)
    states = model.transform(frame)
    predicted = model.predict(frame)
    comp = model.set_output(transform="pandas").transform(frame)
    ref = pd.DataFrame(states, frame.index, model.get_feature_names_out())
    pd.testing.assert_frame_equal(comp, ref)
    assert_array_equal(model.predict(frame), predicted)


# --- tables -------------------------------------------------------------------------

LABELS = np.resize(["north", "south", "south", "east", "north"], N_SAMPLES)


def make_table():
    return np.random.default_rng(0).normal(size=(N_SAMPLES, 2))


def make_frame():
    frame = pd.DataFrame(make_table(), columns=["level", "rain"])
    frame.insert(1, "station", LABELS)
    return frame


def windows(table, window, labels):
    """For each row of a table, it and the window - 1 rows before it in its series."""
    return [
        table[: row + 1][labels[: row + 1] == labels[row]][-window:]
        for row in range(len(table))
    ]


def assert_predicts_windows(model, X, samples):
    """Compare what model makes of table X with the outputs for these samples."""
    y = make_y("several outputs")
    ref = y.mean(axis=0) + raw_output(model, samples) * y.std(axis=0)
    assert reference.relative_error(model.predict(X), ref) <= 1e-12
    states = reference.pooled(model.weights_, samples)
    assert reference.relative_error(model.transform(X), states) <= 1e-12


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("window", [1, 2, 5, N_SAMPLES, 1000])
def test_sample_of_a_row_is_the_row_and_its_past(window, bidirectional):
    table = make_table()
    model = fit("several outputs", table, window=window, bidirectional=bidirectional)
    samples = windows(table, window, np.zeros(N_SAMPLES))
    assert_predicts_windows(model, table, samples)


@pytest.mark.parametrize("group_column", ["station", 1, -2])
@pytest.mark.parametrize("window", [1, 3, 1000])
def test_sample_of_a_row_is_of_its_series_alone(window, group_column):
    frame = make_frame()
    model = fit("several outputs", frame, window=window, group_column=group_column)
    samples = windows(make_table(), window, LABELS)
    assert_predicts_windows(model, frame, samples)


@pytest.mark.parametrize("name", [("a", 9), pd.NA, pd.NaT, b"a"], ids=str)
@pytest.mark.parametrize("position", [1, np.int8(1), np.uint64(1)], ids=repr)
def test_position_of_the_group_column_holds_whatever_its_columns_are_called(
    name, position
):
    frame = make_frame()
    frame.columns = pd.Index([name, ("a", 2), ("b", 1)], tupleize_cols=False)
    model = fit("several outputs", frame, window=3, group_column=position)
    assert_predicts_windows(model, frame, windows(make_table(), 3, LABELS))


@pytest.mark.parametrize("group_column", [None, "station"])
def test_fit_on_a_table_is_a_fit_on_its_windows(group_column):
    X, labels = make_table(), np.zeros(N_SAMPLES)
    if group_column is not None:
        X, labels = make_frame(), LABELS
    parameters = {"batch_size": 7, "window": 3, "group_column": group_column}
    y = make_y("multiclass")
    comp = make_estimator("multiclass", **parameters).fit(X, y)
    samples = windows(make_table(), 3, labels)
    ref = make_estimator("multiclass", batch_size=7).fit(samples, y)
    for name, weight in ref.weights_.items():
        assert_array_equal(comp.weights_[name], weight)
    assert comp.loss_curve_ == ref.loss_curve_


def test_series_of_a_table_is_predicted_as_if_alone():
    frame = make_frame()
    model = fit("regression", frame, window=4, group_column="station")
    together = model.predict(frame)
    for label in set(LABELS):
        alone = model.predict(frame[frame["station"] == label])
        assert_array_equal(together[label == LABELS], alone)


def test_series_unseen_in_fit_is_predicted_like_any_other():
    frame = make_frame()
    model = fit("regression", frame, window=4, group_column="station")
    ref = model.predict(frame)
    frame["station"] = frame["station"].replace({"south": "west", "east": "south"})
    assert_array_equal(model.predict(frame), ref)


def test_rows_of_a_table_in_time_are_steps_of_n_channels():
    rng = np.random.default_rng(0)
    cube = rng.normal(size=(N_SAMPLES, 5, 2))
    table, y = cube.reshape(N_SAMPLES, 10), make_y("several outputs")
    comp = make_estimator("several outputs", n_channels=2).fit(table, y)
    ref = make_estimator("several outputs").fit(cube, y)
    for name, weight in ref.weights_.items():
        assert_array_equal(comp.weights_[name], weight)
    assert_array_equal(comp.predict(table), ref.predict(cube))
    assert_array_equal(comp.transform(table), ref.transform(cube))
    make_weighty(comp)
    assert_predicts_windows(comp, table, list(cube))


@pytest.mark.parametrize(("window", "pooling"), [(None, "max"), (4, "last")])
def test_pooling_of_auto_is_the_maximum_but_of_windows_the_last_state(window, pooling):
    X = np.random.default_rng(0).normal(size=(30, 3))
    parameters = {"window": window, "max_iter": 2, "random_state": 0}
    ref, comp = (
        LSTMClassifier(4, pooling=name, **parameters).fit(X, X[:, 0] > 0)
        for name in (pooling, "auto")
    )
    assert_array_equal(comp.transform(X), ref.transform(X))


def test_pooling_of_auto_cannot_change_with_the_window():
    X = np.random.default_rng(0).normal(size=(30, 3))
    model = LSTMClassifier(4, n_channels=3).partial_fit(X, X[:, 0] > 0, classes=[0, 1])
    with pytest.raises(ValueError, match="pooling='last', but the network"):
        model.set_params(window=2).partial_fit(X, X[:, 0] > 0)
