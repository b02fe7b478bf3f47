"""The network sees channels of mean 0 and standard deviation 1."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal

from sklstm import LSTMClassifier, LSTMRegressor, _scaling

SMALL = {
    "hidden_layer_sizes": 4,
    "batch_size": 8,
    "max_iter": 3,
    "recurrent_dropout": 0.0,  # which depends on the bits of what the network sees
    "random_state": 0,
}


def make_ragged(seed=0, n_samples=20):
    """Channels of very different size, and targets that depend on both."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 7, n_samples)
    X = [rng.normal([1e3, -2.0], [30.0, 1e-4], (length, 2)) for length in lengths]
    return X, np.array([x[-1, 0] / 30 + 1e4 * x[-1, 1] for x in X])


def moments(X, weights=None):
    """Mean and deviation of the steps, each with the weight of its sample."""
    steps = np.concatenate(X)
    if weights is not None:
        weights = np.repeat(weights, [len(x) for x in X])
    mean = np.average(steps, axis=0, weights=weights)
    return mean, np.sqrt(np.average((steps - mean) ** 2, axis=0, weights=weights))


def assert_moments(model, mean, scale):
    assert_allclose(model.X_offset_, mean, rtol=1e-12)
    assert_allclose(model.X_scale_, scale, rtol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_offset_and_scale_are_the_moments_of_the_steps(weighted):
    X, y = make_ragged()
    weights = np.arange(len(X)) % 4 if weighted else None
    model = LSTMRegressor(**SMALL).fit(X, y, weights)
    assert_moments(model, *moments(X, weights))


def test_moments_of_more_steps_than_are_taken_at_a_time():
    rng = np.random.default_rng(0)
    X = rng.normal(5.0, 2.0, (3, 50_000, 1))
    weights = np.array([1.0, 2.0, 4.0])
    model = LSTMRegressor(**SMALL | {"hidden_layer_sizes": 1, "max_iter": 1})
    model.set_params(bptt_length=100, batch_size=3).fit(X, [0.0, 1.0, 2.0], weights)
    assert_moments(model, *moments(list(X), weights))


def test_moments_where_sequences_end_with_what_is_taken_at_a_time(monkeypatch):
    """And where a sequence is longer than that."""
    monkeypatch.setattr(_scaling, "CHUNK", 8)
    rng = np.random.default_rng(0)
    X = [rng.normal(5.0, 2.0, (length, 2)) for length in (20, 3, 1, 7, 1)]
    model = LSTMRegressor(**SMALL | {"batch_size": "auto"}).fit(X, np.arange(5.0))
    assert_moments(model, *moments(X))


def test_rows_of_windows_count_once_each_with_their_own_weight():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(7.0, 3.0, (30, 2)), columns=["load", "heat"])
    weights = np.arange(30) % 3
    series = table.assign(series=np.arange(30) % 2)
    model = LSTMRegressor(**SMALL, window=5, group_column="series")
    model.fit(series, table["load"], weights)
    steps = table.to_numpy()[:, np.newaxis]  # each row a sequence of its own
    assert_moments(model, *moments(list(steps), weights))


@pytest.mark.parametrize("estimator", [LSTMClassifier, LSTMRegressor])
def test_network_sees_standardised_channels(estimator):
    X, y = make_ragged()
    y = y > np.median(y) if estimator is LSTMClassifier else y
    mean, scale = moments(X)
    ref = estimator(**SMALL, dtype="float64", standardize=False)
    ref.fit([(x - mean) / scale for x in X], y)
    comp = estimator(**SMALL, dtype="float64", standardize=True).fit(X, y)
    for name, weight in ref.weights_.items():
        assert_allclose(comp.weights_[name], weight, rtol=1e-6, atol=1e-9)
    expected = ref.transform([(x - mean) / scale for x in X])
    assert_allclose(comp.transform(X), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("size", [1, 8, 9])
def test_network_sees_all_steps_standardised(size, monkeypatch):
    """However few are taken at a time."""
    monkeypatch.setattr(_scaling, "BUFFER", size)
    X, y = make_ragged()
    mean, scale = moments(X)
    model = LSTMRegressor(**SMALL | {"dtype": "float64"}).fit(X, y)
    sequences = [(x - mean) / scale for x in X]
    raw = reference.raw_output(model.weights_, sequences).ravel()
    assert_allclose(model.predict(X), raw * y.std() + y.mean(), rtol=1e-6)


def test_without_it_the_network_sees_values_as_they_are():
    X, y = make_ragged()
    X = [x / 1000 for x in X]
    ref = LSTMRegressor(**SMALL, standardize=False).fit(X, y)
    assert ref.X_offset_ is None
    assert ref.X_scale_ is None
    comp = LSTMRegressor(**SMALL, standardize=True).fit(X, y)
    comp.X_offset_[:], comp.X_scale_[:] = 0, 1
    for name, weight in ref.weights_.items():
        comp.weights_[name][...] = weight
    assert_array_equal(comp.transform(X), ref.transform(X))


@pytest.mark.parametrize("own", [False, True])
def test_held_out_samples_have_no_part_in_it(own):
    X, y = make_ragged()
    model = LSTMRegressor(**SMALL, early_stopping=True, validation_fraction=0.3)
    if own:
        model.fit(X[:15], y[:15], X_val=X[15:], y_val=y[15:])
        assert_moments(model, *moments(X[:15]))
    else:
        weights = np.ones(len(X))
        model.fit(X, y, weights)
        n_train = model.t_ // model.n_iter_
        assert n_train == 14
        assert np.abs(model.X_offset_ - moments(X)[0]).max() > 1e-9


def test_partial_fit_keeps_that_of_its_first_call():
    X, y = make_ragged()
    model = LSTMRegressor(**SMALL).partial_fit(X[:10], y[:10])
    model.partial_fit([100 * x for x in X[10:]], y[10:])
    assert_moments(model, *moments(X[:10]))


def test_warm_start_keeps_that_of_the_first_fit():
    X, y = make_ragged()
    model = LSTMRegressor(**SMALL, warm_start=True).fit(X[:10], y[:10])
    model.fit([100 * x for x in X[10:]], y[10:])
    assert_moments(model, *moments(X[:10]))


def test_a_network_cannot_go_on_without_it():
    X, y = make_ragged()
    model = LSTMRegressor(**SMALL).partial_fit(X, y)
    with pytest.raises(ValueError, match="standardize=False, but the network"):
        model.set_params(standardize=False).partial_fit(X, y)


def test_constant_channel_is_zero_to_the_network():
    X, y = make_ragged()
    X = [np.column_stack([x, np.full(len(x), 0.1)]) for x in X]
    model = LSTMRegressor(**SMALL).fit(X, y)
    assert model.X_offset_[2] == 0.1
    assert model.X_scale_[2] == 1.0
    without = model.weights_["weight_ih_l0"].copy()
    expected = model.predict(X)
    model.weights_["weight_ih_l0"][:, 2] += 10
    assert (without != model.weights_["weight_ih_l0"]).any()
    assert_array_equal(model.predict(X), expected)


@pytest.mark.parametrize("n_steps", [2, 1000, 40_000])
def test_constant_channel_is_told_among_many_steps(n_steps):
    """The sum of many steps is rounded by more than any of them."""
    constants = np.array([0.1, 1 / 3, -14.62, 518.67, 1e8 + 0.1, 7e-9])
    X = np.tile(constants, (2, n_steps // 2, 1))
    X[0, 0] = np.nextafter(constants, np.inf)  # which is but rounding as well
    model = LSTMRegressor(**SMALL | {"max_iter": 1, "batch_size": 2})
    model.fit(X, [0.0, 1.0], [1.0, 0.3])
    assert_array_equal(model.X_scale_, np.ones(6))
    assert_allclose(model.X_offset_, constants, rtol=1e-15)


def test_channel_of_denormal_numbers_is_as_good_as_constant():
    X, y = np.full((20, 3, 1), 1e-310), np.arange(20.0)
    X[::2] = 2e-310
    model = LSTMRegressor(**SMALL).fit(X, y)
    assert model.X_scale_ == 1.0
    assert np.isfinite(model.predict(X + 1e-45)).all()


def test_a_large_offset_costs_no_precision():
    rng = np.random.default_rng(0)
    X = rng.integers(-8, 8, (20, 5, 1)) / 4
    y = X.sum(axis=(1, 2))
    ref = LSTMRegressor(**SMALL).fit(X, y).predict(X)
    comp = LSTMRegressor(**SMALL).fit(X + 2.0**30, y).predict(X + 2.0**30)
    assert_allclose(comp, ref, rtol=1e-4, atol=1e-5)


def test_float32_is_standardised_as_its_values_in_float64_are():
    X, y = make_ragged()
    X = [x.astype(np.float32) for x in X]
    model = LSTMRegressor(**SMALL).fit(X, y)
    assert_array_equal(
        model.predict([x.astype(np.float64) for x in X]), model.predict(X)
    )


def test_values_beyond_float32_are_fine_where_they_belong():
    X, y = make_ragged()
    X = [x * [1e200, 1e-200] for x in X]
    model = LSTMRegressor(**SMALL).fit(X, y)
    assert_moments(model, *(m * [1e200, 1e-200] for m in moments(make_ragged()[0])))
    assert np.isfinite(model.predict(X)).all()


def test_value_too_far_off_is_refused_by_its_place():
    X, y = make_ragged()
    model = LSTMRegressor(**SMALL).fit(X, y)
    sample = next(i for i, x in enumerate(X) if len(x) > 3)
    X[sample] = X[sample].copy()
    X[sample][2, 1] = 1e38
    place = rf"1e\+38 in sample {sample}, step 2, channel 1 of X is too far off"
    with pytest.raises(ValueError, match=place):
        model.predict(X)


@pytest.mark.parametrize("group_column", [None, 0])
def test_value_too_far_off_in_a_table_of_steps_is_refused_by_its_row(group_column):
    table = np.random.default_rng(0).normal(size=(30, 3))
    table[:, 0] = np.arange(30) % 2  # series take turns
    model = LSTMRegressor(**SMALL, window=4, group_column=group_column)
    model.fit(table, np.arange(30.0))
    table[17, 2] = 1e300
    channel = 2 if group_column is None else 1
    match = rf"1e\+300 in row 17, channel {channel} of X is too far off"
    with pytest.raises(ValueError, match=match):
        model.predict(table)


def test_value_too_far_off_is_refused_in_validation_data():
    X, y = make_ragged()
    X_val = [np.full((2, 2), 1e38), X[1]]
    model = LSTMRegressor(**SMALL, early_stopping=True)
    with pytest.raises(ValueError, match=r"1e\+38 in sample 0, step 0, .*of X_val is"):
        model.fit(X, y, X_val=X_val, y_val=y[:2])


def test_stream_sees_standardised_steps():
    X, y = make_ragged()
    model = LSTMRegressor(**SMALL, pooling="mean").fit(X, y)
    sample = max(X, key=len)
    stream = model.stream()
    for end, step in enumerate(sample, start=1):
        assert_array_equal(stream.predict(step), model.predict([sample[:end]]))


def test_stream_refuses_a_step_too_far_off():
    X, y = make_ragged()
    stream = LSTMRegressor(**SMALL, pooling="last").fit(X, y).stream()
    found = r"x\[0, 1\] = 1e\+38 is not a finite float32 once standardised: series 0"
    with pytest.raises(ValueError, match=found):
        stream.predict([0.0, 1e38])


RAGGED, _ = make_ragged()
ROWS = np.concatenate(RAGGED)
FORMS = {  # X, and what else is set
    "3-D": (ROWS[:60].reshape(20, 3, 2), {}),
    "ragged": (RAGGED, {}),
    "windows": (ROWS, {"window": 4}),
    "windows of series that take turns": (
        np.column_stack([ROWS, np.arange(len(ROWS)) * 7 % 3]),
        {"window": 4, "group_column": -1},
    ),
}


@pytest.mark.parametrize("method", ["predict", "transform"])
@pytest.mark.parametrize("block", [1, 10, 2 * len(ROWS) - 1])
@pytest.mark.parametrize("form", FORMS)
def test_block_of_steps_at_a_time_gives_the_same_bits(form, block, method, monkeypatch):
    X, parameters = FORMS[form]
    model = LSTMRegressor(**SMALL, **parameters).fit(X, np.arange(float(len(X))))
    ref = getattr(model, method)(X)
    assert len(np.unique(ref)) > 1
    monkeypatch.setattr(_scaling, "BLOCK", block)
    assert_array_equal(getattr(model, method)(X), ref)


def test_value_too_far_off_is_refused_by_its_place_in_any_block(monkeypatch):
    monkeypatch.setattr(_scaling, "BLOCK", 10)
    test_value_too_far_off_is_refused_by_its_place()
    test_value_too_far_off_in_a_table_of_steps_is_refused_by_its_row(None)
    test_value_too_far_off_in_a_table_of_steps_is_refused_by_its_row(0)


@pytest.mark.parametrize("shape", [(20_000, 10, 8), (20, 10_000, 8)])
def test_prediction_makes_no_copy_of_all_steps(shape, monkeypatch):
    monkeypatch.setattr(_scaling, "BLOCK", 2**14)
    X = np.random.default_rng(0).normal(size=shape)
    model = LSTMRegressor(**SMALL).fit(X[:8, :5], np.arange(8.0))
    model.predict(X[:8, :5])
    tracemalloc.start()
    try:
        model.predict(X)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < X.nbytes / 3  # a copy in float32 would be half
