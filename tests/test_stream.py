"""Predictions step by step are those for the whole sequence, to the last bit."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklstm
from sklstm import LSTMClassifier, LSTMRegressor
from sklstm.preprocessing import PerStep

N_STEPS, N_CHANNELS = 6, 3
NETWORKS = [
    {"hidden_layer_sizes": (5,)},
    {"hidden_layer_sizes": (20, 33), "head_layer_sizes": (7,)},
    {"hidden_layer_sizes": (16,), "dtype": "float64"},
    {"hidden_layer_sizes": (5,), "pooling": "mean"},
    {"hidden_layer_sizes": (20, 17), "pooling": "max"},
]
for_all_networks = pytest.mark.parametrize("network", NETWORKS)
for_any_number_of_series = pytest.mark.parametrize("n_series", [1, 3, 40])


def sequences(n=40):
    return np.random.default_rng(0).normal(size=(n, N_STEPS, N_CHANNELS))


def regressor(**parameters):
    X = sequences()
    y = np.column_stack([1e3 + X.sum(axis=(1, 2)), X[:, -1, 0]])
    return LSTMRegressor(max_iter=2, random_state=0, **parameters).fit(X, y)


def classifier(n_classes, **parameters):
    X = sequences()
    y = np.digitize(X[:, -1, 0], np.linspace(-0.5, 0.5, n_classes - 1))
    return LSTMClassifier(max_iter=2, random_state=0, **parameters).fit(X, y)


def windowed(window=4):
    rng = np.random.default_rng(0)
    table, y = rng.normal(size=(50, N_CHANNELS)), rng.normal(size=50)
    return LSTMRegressor(window=window, max_iter=2, random_state=0).fit(table, y)


@for_all_networks
@for_any_number_of_series
def test_prediction_is_that_for_all_steps_so_far(network, n_series):
    estimator = regressor(**network)
    X = sequences(n_series)
    stream = estimator.stream(n_series)
    for t in range(N_STEPS):
        ref = estimator.predict(X[:, : t + 1])
        assert_array_equal(stream.predict(X[:, t]), ref)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
def test_classes_are_those_for_all_steps_so_far(n_classes, method):
    estimator = classifier(n_classes)
    X = sequences(5)
    stream = estimator.stream(5)
    for t in range(N_STEPS):
        ref = getattr(estimator, method)(X[:, : t + 1])
        assert_array_equal(getattr(stream, method)(X[:, t]), ref)


@pytest.mark.parametrize("window", [1, 4, 20])
def test_with_a_window_prediction_is_that_for_the_last_rows(window):
    estimator = windowed(window)
    table = np.random.default_rng(1).normal(size=(10, N_CHANNELS))
    stream = estimator.stream()
    comp = [stream.predict(row)[0] for row in table]
    assert_array_equal(comp, estimator.predict(table))


def test_series_side_by_side_with_a_window_are_those_alone():
    estimator = windowed()
    tables = sequences(3)
    stream = estimator.stream(3)
    comp = [stream.predict(tables[:, t]) for t in range(N_STEPS)]
    ref = [estimator.predict(table) for table in tables]
    assert_array_equal(np.transpose(comp), ref)


def test_steps_go_through_the_transformers_of_a_pipeline_first():
    X = 5 + 3 * sequences()
    pipe = make_pipeline(
        PerStep(StandardScaler()), LSTMRegressor(max_iter=2, random_state=0)
    )
    pipe.fit(X, X[:, -1, 0])
    stream = pipe[-1].stream(len(X))
    for t in range(N_STEPS):
        comp = stream.predict(pipe[:-1].transform(X[:, t]))
    assert_array_equal(comp, pipe.predict(X))


def test_a_step_of_one_series_may_be_one_dimensional():
    estimator = regressor()
    step = sequences(1)[0, 0]
    ref = estimator.stream().predict(step.reshape(1, -1))
    assert_array_equal(estimator.stream().predict(step), ref)


def test_reset_forgets_all_steps():
    estimator = regressor()
    X = sequences(3)
    stream = estimator.stream(3)
    stream.predict(X[:, 0])
    stream.reset()
    assert_array_equal(stream.predict(X[:, 1]), estimator.predict(X[:, 1:2]))


def averaging():
    return regressor(hidden_layer_sizes=(5,), pooling="mean")


def greatest():
    return regressor(hidden_layer_sizes=(5,), pooling="max")


@pytest.mark.parametrize("make", [regressor, windowed, averaging, greatest])
def test_reset_of_one_series_leaves_the_others(make):
    estimator = make()
    X = sequences(3)
    stream, other = estimator.stream(3), estimator.stream(3)
    stream.predict(X[:, 0])
    other.predict(X[:, 0])
    stream.reset(1)
    comp, going_on = stream.predict(X[:, 1]), other.predict(X[:, 1])
    new = estimator.stream().predict(X[1, 1])
    assert_array_equal(comp[[0, 2]], going_on[[0, 2]])
    assert_array_equal(comp[1], new[0])


@pytest.mark.parametrize("n_steps", [0, 1, 5])
@pytest.mark.parametrize("make", [regressor, windowed, averaging, greatest])
def test_stream_goes_on_from_a_state(make, n_steps):
    estimator = make()
    X = sequences(3)
    stream, other = estimator.stream(3), estimator.stream(3)
    for t in range(n_steps):
        stream.predict(X[:, t])
    other.predict(X[:, 2])
    other.set_state(stream.get_state())
    assert_array_equal(other.predict(X[:, 5]), stream.predict(X[:, 5]))


def test_state_is_a_copy():
    stream = regressor().stream(3)
    stream.predict(sequences(3)[:, 0])
    state = stream.get_state()
    state["h_l0"][:] = 7
    assert not (stream.get_state()["h_l0"] == 7).any()


def test_state_has_the_names_and_shapes_of_the_layers():
    estimator = regressor(hidden_layer_sizes=(5, 20))
    shapes = {k: v.shape for k, v in estimator.stream(3).get_state().items()}
    assert shapes == {"h_l0": (3, 5), "c_l0": (3, 5), "h_l1": (3, 20), "c_l1": (3, 20)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("h_l0"), r"entries \['c_l0'\], expected"),
        (lambda state: state.update(h=1), r"entries \['c_l0', 'h', 'h_l0'\]"),
        (lambda state: state.update(h_l0=np.zeros((3, 4))), r"'h_l0'.*\(3, 4\)"),
        (lambda state: state.update(c_l0=np.full((3, 64), np.nan)), "'c_l0'.*finite"),
    ],
)
def test_state_that_does_not_fit_is_refused(change, message):
    stream = regressor().stream(3)
    state = stream.get_state()
    change(state)
    with pytest.raises(ValueError, match=message):
        stream.set_state(state)


@pytest.mark.parametrize("n_steps", [-1, 5, 2**62, 1.5])
def test_number_of_steps_that_cannot_be_is_refused(n_steps):
    stream = windowed(window=4).stream(2)
    state = stream.get_state() | {"n_steps": np.array([2, n_steps])}
    with pytest.raises(ValueError, match="'n_steps'"):
        stream.set_state(state)


def test_number_of_pooled_steps_below_none_is_refused():
    stream = averaging().stream(2)
    state = stream.get_state() | {"n_steps": np.array([2, -1])}
    with pytest.raises(ValueError, match=r"'n_steps'.*at least 0"):
        stream.set_state(state)


def test_state_beyond_float32_is_refused():
    stream = regressor().stream()
    state = stream.get_state()
    state["c_l0"] = np.full((1, 64), 1e300)
    with pytest.raises(ValueError, match=r"'c_l0'.*not finite in float32"):
        stream.set_state(state)


def test_read_only_step_is_a_step_like_any_other():
    estimator = regressor()
    step = sequences(1)[0, :1].astype(np.float32)
    ref = estimator.stream().predict(step)
    step.flags.writeable = False
    assert_array_equal(estimator.stream().predict(step), ref)


@pytest.mark.parametrize("make", [regressor, windowed])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_step_that_is_not_finite_is_refused_and_not_taken(make, value):
    estimator = make()
    X = sequences(20)
    stream, other = estimator.stream(20), estimator.stream(20)
    bad = X[:, 0].copy()
    bad[18, 2] = value
    with pytest.raises(ValueError, match="series 18, channel 2"):
        stream.predict(bad)
    assert_array_equal(stream.predict(X[:, 1]), other.predict(X[:, 1]))


@pytest.mark.parametrize("make", [regressor, windowed])
def test_step_beyond_float32_is_refused(make):
    with pytest.raises(
        ValueError, match=r"float32 once standardised: series 0, channel 1"
    ):
        make().stream().predict([1.0, 1e300, 1.0])


@pytest.mark.parametrize("step", [["1", "2", "3"], [1j, 2, 3], [None, 2, 3]])
def test_step_that_is_not_of_real_numbers_is_refused(step):
    with pytest.raises(TypeError, match="x has dtype"):
        regressor().stream().predict(step)


@pytest.mark.parametrize(
    ("n_series", "shape"), [(1, (2,)), (1, (2, 3)), (3, (3,)), (3, (3, 1, 3))]
)
def test_step_of_another_shape_is_refused(n_series, shape):
    stream = regressor().stream(n_series)
    with pytest.raises(ValueError, match=r"x has shape .* expected"):
        stream.predict(np.zeros(shape))


def tables(n=50):
    """Rows with channels that have names, and the column of their series."""
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(n, 3)), columns=[*"abc"])
    return table, table.assign(series=np.arange(n) % 2)[["a", "series", "b", "c"]]


TINY = {"max_iter": 1, "random_state": 0}
FITTED_ON_NAMES = {
    "window": lambda: LSTMRegressor(window=4, **TINY).fit(tables()[0], range(50)),
    "group_column": lambda: LSTMRegressor(window=4, group_column="series", **TINY).fit(
        tables()[1], range(50)
    ),
    "position": lambda: LSTMRegressor(window=4, group_column=1, **TINY).fit(
        tables()[1], range(50)
    ),
    "frames": lambda: LSTMRegressor(**TINY).fit([tables(9)[0]] * 2, [0, 1]),
}
for_all_fitted_on_names = pytest.mark.parametrize("fit", FITTED_ON_NAMES.values())


@for_all_fitted_on_names
@pytest.mark.parametrize("take", [lambda rows: rows[:1], lambda rows: rows.iloc[0]])
def test_step_of_other_names_is_refused(fit, take):
    stream, (table, with_series) = fit().stream(), tables()
    for x in (table[["b", "a", "c"]], with_series):
        match = r"x has the names \['.*those of the channels, \['a', 'b', 'c'\]"
        with pytest.raises(ValueError, match=match):
            stream.predict(take(x))
    assert not any(array.any() for array in stream.get_state().values())


@for_all_fitted_on_names
def test_step_with_the_names_of_training_is_that_without(fit):
    table, _ = tables()
    ref, comp = fit().stream(), fit().stream()
    expected = ref.predict(table.to_numpy()[0])
    assert_array_equal(comp.predict(table[:1]), expected)
    comp.reset()
    assert_array_equal(comp.predict(table.iloc[0]), expected)


@pytest.mark.parametrize("names", [["b", "a", "c"], ["a", "b", 0]])
def test_names_of_other_tables_are_compared_too(names):
    class Table(np.ndarray):
        columns = names

    step = np.zeros((1, 3)).view(Table)
    with pytest.raises(ValueError, match="x has the names"):
        FITTED_ON_NAMES["window"]().stream().predict(step)


def test_index_of_a_series_of_one_channel_names_steps():
    table = pd.DataFrame({"load": np.arange(9.0)}, index=[*"abcdefghi"])
    stream = LSTMRegressor(window=4, **TINY).fit(table, range(9)).stream()
    assert stream.predict(table["load"].iloc[:1]).shape == (1,)


def test_names_of_rows_that_are_sequences_are_not_those_of_channels():
    table, _ = tables()
    stream = LSTMRegressor(max_iter=1).fit(table, range(50)).stream()
    assert stream.predict(table["b"][:1]).shape == (1,)


@pytest.mark.parametrize("dtype", [object, "Float64", "Int64"])
def test_step_of_any_real_numbers_is_taken(dtype):
    estimator, table = windowed(), pd.DataFrame([[1, 2, -3]], columns=[*"abc"])
    ref = estimator.stream().predict(table)
    assert_array_equal(estimator.stream().predict(table.astype(dtype)), ref)


def test_number_that_no_float_holds_is_refused():
    with pytest.raises(ValueError, match="x holds a number that does not fit"):
        regressor().stream().predict([10**400, 0, 0])


def test_bidirectional_network_is_refused():
    with pytest.raises(ValueError, match="bidirectional"):
        regressor(bidirectional=True).stream()


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64])
@pytest.mark.parametrize("make", [regressor, windowed])
def test_n_series_may_be_an_integer_of_numpy(make, kind):
    steps = np.ones((100, N_CHANNELS))
    stream, same = make().stream(kind(100)), make().stream(100)
    assert_array_equal(stream.predict(steps), same.predict(steps))


def test_window_may_be_a_small_integer_of_numpy():
    stream, same = windowed(np.int8(100)).stream(2), windowed(100).stream(2)
    steps = np.ones((2, N_CHANNELS))
    assert_array_equal(stream.predict(steps), same.predict(steps))


@pytest.mark.parametrize("n", [2**40, 2**62, 10**400], ids=["2**40", "2**62", "large"])
def test_stream_that_no_memory_holds_is_refused(n):
    with pytest.raises(ValueError, match=r"n_series=\d+ and window=None take .* GiB"):
        regressor().stream(n)
    with pytest.raises(ValueError, match=r"n_series=1 and window=\d+ take .* GiB"):
        windowed(n).stream()


def test_stream_is_measured_by_all_that_it_keeps(monkeypatch):
    model = regressor(hidden_layer_sizes=1)  # states are kept in whole vectors
    kept = model.stream(10**4)._steps.state()["h_l0"].base.nbytes
    monkeypatch.setattr("sklstm._memory._memory", lambda: int(0.9 * kept))
    with pytest.raises(ValueError, match=r"n_series=10000 .* GiB"):
        model.stream(10**4)


@pytest.mark.parametrize("n_series", [0, -1, 1.0, "1", True, np.timedelta64(2, "s")])
def test_n_series_is_a_whole_number_from_one(n_series):
    with pytest.raises((ValueError, TypeError), match="n_series"):
        regressor().stream(n_series)


def test_estimator_that_is_not_fitted_has_no_stream():
    with pytest.raises(NotFittedError):
        LSTMRegressor().stream()


def test_regressor_gives_no_probabilities():
    assert not hasattr(regressor().stream(), "predict_proba")


@pytest.mark.parametrize("make", [regressor, windowed])
def test_stream_keeps_the_weights_that_it_was_made_with(make):
    estimator = make()
    stream, X = estimator.stream(), sequences(1)[0]
    ref = copy.deepcopy(estimator).stream().predict(X[0])
    estimator.weights_["weight_hh_l0"][:] = 1
    estimator.weights_["head.bias_0"][:] = 1
    assert_array_equal(stream.predict(X[0]), ref)


ELSEWHERE = """
import pickle, sys
import numpy as np
stream, steps = pickle.load(open(sys.argv[1], "rb"))
np.save(sys.argv[2], [stream.predict(x) for x in steps])
"""


@pytest.mark.parametrize(
    "estimator",
    [regressor(), regressor(pooling="mean"), classifier(3), windowed()],
    ids=["last", "mean", "max", "window"],
)
def test_stream_is_kept_by_pickle_for_another_process(estimator, tmp_path):
    steps = sequences(N_STEPS)[:, 0]
    stream = estimator.stream()
    stream.predict(steps[0])
    kept, answers = tmp_path / "kept", tmp_path / "answers.npy"
    kept.write_bytes(pickle.dumps((stream, steps[1:])))
    folder = Path(sklstm.__file__).parents[1]
    command = [sys.executable, "-c", ELSEWHERE, kept, answers]
    subprocess.run(command, cwd=folder, check=True)
    ref = [stream.predict(x) for x in steps[1:]]
    assert_array_equal(np.load(answers), ref)


def test_stream_of_another_version_is_refused(monkeypatch):
    monkeypatch.setattr("sklstm.streaming.VERSION", "0.0.1")
    kept = pickle.dumps(regressor().stream())
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"kept by sklstm 0\.0\.1, and this is"):
        pickle.loads(kept)


def test_copy_of_a_stream_goes_on_by_itself():
    steps = sequences(N_STEPS)[:, 0]
    stream = regressor(pooling="mean").stream()
    stream.predict(steps[0])
    twin = copy.deepcopy(stream)
    ref = [stream.predict(x) for x in steps[1:]]
    assert_array_equal([twin.predict(x) for x in steps[1:]], ref)
