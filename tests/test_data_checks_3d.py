"""scikit-learn's checks of data, which feed 2-D X, hold for 3-D and ragged X too.

Each test ports the checks of ``sklearn.utils.estimator_checks`` that `PORTED` names.
"""

import copy
import inspect
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.datasets import (
    make_blobs,
    make_multilabel_classification,
    make_regression,
)
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import scale
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.validation import check_is_fitted
from sparse_cube import sparse_cube

from sklstm import LSTMClassifier, LSTMRegressor

# Most fits here are cut short on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PORTED = {
    "check_all_zero_sample_weights_error": "test_weights_that_are_all_zero_are_refused",
    "check_class_weight_classifiers": "test_class_that_weighs_most_is_predicted",
    "check_classifier_data_not_an_array": "test_data_need_not_be_arrays",
    "check_classifiers_classes": "test_classes_are_those_of_y_whatever_their_type",
    "check_classifiers_multilabel_output_format_predict": (
        "test_labels_are_predicted_as_zeros_and_ones_in_the_shape_of_y"
    ),
    "check_classifiers_multilabel_output_format_predict_proba": (
        "test_probabilities_of_labels_lie_between_zero_and_one"
    ),
    "check_classifiers_multilabel_representation_invariance": (
        "test_labels_may_be_an_array_or_a_list_of_lists_or_of_arrays"
    ),
    "check_classifiers_one_label": "test_single_class_is_refused",
    "check_classifiers_one_label_sample_weights": (
        "test_weights_that_leave_a_single_class_are_learnt_from"
    ),
    "check_classifiers_regression_target": (
        "test_real_targets_of_classifiers_are_refused"
    ),
    "check_classifiers_train": "test_classifier_learns_classes_apart",
    "check_complex_data": "test_complex_x_is_refused",
    "check_dict_unchanged": "test_methods_leave_the_state_as_it_is",
    "check_dont_overwrite_parameters": "test_fit_adds_no_public_attribute",
    "check_dtype_object": "test_numbers_as_objects_are_numbers",
    "check_estimator_sparse_array": "test_sparse_x_is_refused",
    "check_estimator_sparse_matrix": "test_sparse_x_is_refused",
    "check_estimators_dtypes": "test_x_may_be_of_any_numeric_dtype",
    "check_estimators_empty_data_messages": "test_empty_x_is_refused",
    "check_estimators_fit_returns_self": "test_fit_returns_self",
    "check_estimators_nan_inf": "test_nan_and_infinity_in_x_are_refused",
    "check_estimators_partial_fit_n_features": (
        "test_other_number_of_channels_is_refused_by_partial_fit"
    ),
    "check_estimators_overwrite_params": "test_fit_leaves_parameters_as_they_are",
    "check_estimators_pickle": "test_pickle_predicts_as_the_estimator",
    "check_estimators_unfitted": "test_methods_need_a_fit",
    "check_f_contiguous_array_estimator": "test_order_of_x_in_memory_does_not_matter",
    "check_fit1d": "test_single_sequence_is_not_taken_for_several",
    "check_fit2d_1feature": "test_one_channel_or_one_step_is_enough",
    "check_fit2d_1sample": "test_one_sequence_is_learnt_from_or_is_one_class",
    "check_fit2d_predict1d": "test_single_sequence_is_not_taken_for_several",
    "check_fit_check_is_fitted": "test_methods_need_a_fit",
    "check_fit_idempotent": "test_second_fit_is_like_the_first",
    "check_fit_score_takes_y": "test_fit_and_score_take_y",
    "check_methods_sample_order_invariance": (
        "test_results_go_with_the_samples_in_any_order"
    ),
    "check_methods_subset_invariance": "test_result_of_a_sample_is_its_own",
    "check_n_features_in": "test_n_features_in_is_the_number_of_channels",
    "check_n_features_in_after_fitting": "test_other_number_of_channels_is_refused",
    "check_non_transformer_estimators_n_iter": "test_n_iter_is_at_least_one",
    "check_pipeline_consistency": "test_pipeline_is_as_good_as_the_estimator",
    "check_readonly_memmap_input": "test_data_may_be_read_only_memory_maps",
    "check_regressor_data_not_an_array": "test_data_need_not_be_arrays",
    "check_regressor_multioutput": "test_several_targets_are_predicted_as_float64",
    "check_regressors_int": "test_whole_targets_are_real_targets",
    "check_regressors_train": "test_regressor_learns_a_linear_target",
    "check_requires_y_none": "test_missing_y_is_refused",
    "check_sample_weight_equivalence_on_dense_data": (
        "test_weight_of_a_sample_counts_as_repetitions"
    ),
    "check_sample_weights_list": "test_weights_may_be_in_any_container",
    "check_sample_weights_not_an_array": "test_weights_may_be_in_any_container",
    "check_sample_weights_not_overwritten": "test_weights_are_not_overwritten",
    "check_sample_weights_pandas_series": "test_weights_may_be_in_any_container",
    "check_sample_weights_shape": "test_weights_of_another_shape_are_refused",
    "check_supervised_y_2d": "test_column_as_y_warns_and_is_a_vector",
    "check_supervised_y_no_nan": "test_y_that_is_not_finite_is_refused",
    "check_transformer_data_not_an_array": "test_data_need_not_be_arrays",
    "check_transformer_general": "test_fit_transform_is_fit_and_transform",
    "check_transformer_n_iter": "test_n_iter_is_at_least_one",
    "check_transformer_preserve_dtypes": "test_states_are_float64",
    "check_transformers_unfitted": "test_methods_need_a_fit",
}
# These are about methods that the estimators do not have.
OF_OTHER_METHODS = {
    "check_classifiers_multilabel_output_format_decision_function": "decision_function",
    "check_decision_proba_consistency": "decision_function",
}
# These feed no X, or do not depend on what X is.
NOT_PORTED = {
    "check_array_api_input",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_sparse_tag",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_positive_only_tag_during_fit",
    "check_regressors_no_decision_function",
    "check_set_params",
    "check_valid_tag_types",
}

SMALL = {"hidden_layer_sizes": 4, "max_iter": 2, "random_state": 0}
LEARNING = {
    "hidden_layer_sizes": 8,
    "learning_rate_init": 0.05,
    "batch_size": 64,
    "max_iter": 12,
    "random_state": 0,
}
OF_FEW = {**LEARNING, "batch_size": "auto"}  # which are fewer than 64
METHODS = ["predict", "predict_proba", "predict_log_proba", "transform"]

forms = pytest.mark.parametrize("form", ["3-D", "ragged"])
estimators = pytest.mark.parametrize("estimator", [LSTMClassifier, LSTMRegressor])


def steps_around(rows, form, seed=0):
    """Each row as a sequence: its values in every step, and a little noise."""
    rng = np.random.default_rng(seed)
    lengths = np.full(len(rows), 4)
    if form == "ragged":
        lengths = rng.integers(1, 6, size=len(rows))
    X = [
        row + rng.normal(scale=0.1, size=(length, len(row)))
        for row, length in zip(rows, lengths, strict=True)
    ]
    return X if form == "ragged" else np.stack(X)


def make_X(form, n_samples=20, n_channels=3):
    rng = np.random.default_rng(0)
    return steps_around(rng.uniform(0, 3, size=(n_samples, n_channels)), form)


def make_y(estimator, n_samples=20):
    if estimator is LSTMClassifier:
        return np.arange(n_samples) % 3
    return np.random.default_rng(1).normal(size=n_samples)


def make_data(estimator, form):
    return make_X(form), make_y(estimator)


def convert(X, function):
    """X with each of its arrays put through `function`."""
    return [function(x) for x in X] if isinstance(X, list) else function(X)


def pick(X, samples):
    return [X[i] for i in samples] if isinstance(X, list) else X[samples]


def methods_of(model):
    return [method for method in METHODS if hasattr(model, method)]


def results(model, X):
    """What every method makes of X, by the name of the method."""
    return {method: getattr(model, method)(X) for method in methods_of(model)}


def assert_results_equal(found, expected):
    assert found.keys() == expected.keys()
    for method in expected:
        assert_array_equal(found[method], expected[method], err_msg=method)


class NotAnArray:
    """Something that can be made an array, and nothing else."""

    def __init__(self, data):
        self.data = np.asarray(data)

    def __array__(self, dtype=None, copy=None):
        return self.data.astype(dtype) if dtype else self.data


@pytest.fixture
def on_disk(tmp_path):
    """Put something on disk, and read it back with its arrays as read-only maps."""

    def through_disk(data):
        joblib.dump(data, tmp_path / "data.pkl")
        return joblib.load(tmp_path / "data.pkl", mmap_mode="r")

    return through_disk


# --- the table of ports -------------------------------------------------------------


def checks_of(estimator):
    for _, check in estimator_checks_generator(estimator()):
        while hasattr(check, "func"):
            check = check.func
        yield check.__name__


@estimators
def test_every_check_of_data_is_ported(estimator):
    known = PORTED.keys() | OF_OTHER_METHODS.keys() | NOT_PORTED
    assert set(checks_of(estimator)) <= known
    for method in OF_OTHER_METHODS.values():
        assert not hasattr(estimator, method)


@pytest.mark.parametrize("name", sorted(set(PORTED.values())))
def test_port_is_run_on_both_forms(name):
    assert "form" in inspect.signature(globals()[name]).parameters


# --- X of any make ------------------------------------------------------------------


@estimators
@forms
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_x_may_be_of_any_numeric_dtype(estimator, form, dtype):
    X, y = make_data(estimator, form)
    X = convert(X, lambda x: x.astype(dtype))
    model = estimator(**SMALL, standardize=False).fit(X, y)
    same = convert(X, lambda x: x.astype("float32"))
    assert_results_equal(results(model, X), results(model, same))


@estimators
@forms
def test_numbers_as_objects_are_numbers(estimator, form):
    X, y = make_data(estimator, form)
    objects = convert(X, lambda x: x.astype(object))
    expected = results(estimator(**SMALL).fit(X, y), X)
    assert_results_equal(results(estimator(**SMALL).fit(objects, y), objects), expected)
    objects[0][0, 0] = {"foo": "bar"}
    with pytest.raises(TypeError, match=r"sample 0, step 0, channel 0 .*dict"):
        estimator(**SMALL).fit(objects, y)


@estimators
@forms
def test_data_need_not_be_arrays(estimator, form):
    X, y = make_data(estimator, form)
    expected = results(estimator(**SMALL).fit(X, y), X)
    for container in (NotAnArray, np.ndarray.tolist):
        other, other_y = convert(X, container), container(y)
        found = results(estimator(**SMALL).fit(other, other_y), other)
        assert_results_equal(found, expected)
    frames = [pd.DataFrame(x) for x in X]
    found = results(estimator(**SMALL).fit(frames, pd.Series(y)), frames)
    assert_results_equal(found, expected)


@estimators
@forms
def test_order_of_x_in_memory_does_not_matter(estimator, form):
    X, y = make_data(estimator, form)
    expected = results(estimator(**SMALL).fit(X, y), X)
    X = convert(X, np.asfortranarray)
    assert_results_equal(results(estimator(**SMALL).fit(X, y), X), expected)


@estimators
@forms
def test_data_may_be_read_only_memory_maps(estimator, form, on_disk):
    X, y = make_data(estimator, form)
    weights = np.ones(len(y))
    expected = results(estimator(**SMALL).fit(X, y, weights), X)
    X, y, weights = on_disk([X, y, weights])
    assert isinstance(X[0], np.memmap)
    assert not X[0].flags.writeable
    found = results(estimator(**SMALL).fit(X, y, weights), X)
    assert_results_equal(found, expected)


@estimators
@forms
def test_one_channel_or_one_step_is_enough(estimator, form):
    X, y = make_data(estimator, form)
    for part in (np.s_[:, :1], np.s_[:1, :]):
        small = [x[part] for x in X]
        small = small if form == "ragged" else np.stack(small)
        for result in results(estimator(**SMALL).fit(small, y), small).values():
            assert len(result) == len(y)


# --- what is refused ----------------------------------------------------------------


@estimators
@forms
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_in_x_are_refused(estimator, form, value):
    X, y = make_data(estimator, form)
    model = estimator(**SMALL).fit(X, y)
    bad = copy.deepcopy(X)
    bad[0][0, 0] = value
    name = "NaN" if np.isnan(value) else "infinity"
    match = f"X contains {name}.*sample 0, step 0, channel 0"
    with pytest.raises(ValueError, match=match):
        estimator(**SMALL).fit(bad, y)
    for method in methods_of(model):
        with pytest.raises(ValueError, match=match):
            getattr(model, method)(bad)


@estimators
@forms
def test_complex_x_is_refused(estimator, form):
    X, y = make_data(estimator, form)
    with pytest.raises(ValueError, match=r"Complex data not supported.* X"):
        estimator(**SMALL).fit(convert(X, lambda x: x + 1j), y)


@estimators
@forms
@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix])
def test_sparse_x_is_refused(estimator, form, container):
    X, y = make_data(estimator, form)
    X = [container(x) for x in X] if form == "ragged" else sparse_cube(X)
    with pytest.raises(TypeError, match=r"X.*dense data is required"):
        estimator(**SMALL).fit(X, y)


@estimators
@forms
def test_empty_x_is_refused(estimator, form):
    X, y = make_data(estimator, form)
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        estimator(**SMALL).fit(X[:0], y[:0])
    for part in (np.s_[:0, :], np.s_[:, :0]):
        bad = [x[part] for x in X]
        bad = bad if form == "ragged" else np.stack(bad)
        with pytest.raises(ValueError, match=r"X .*one step and one channel"):
            estimator(**SMALL).fit(bad, y)


@estimators
@forms
def test_single_sequence_is_not_taken_for_several(estimator, form):
    X, y = make_data(estimator, form)
    model = estimator(**SMALL).fit(X, y)
    for method in methods_of(model):
        with pytest.raises(ValueError, match=r"give a single sequence as \[seq"):
            getattr(model, method)(X[0])
    with pytest.raises(ValueError, match=f"y has 20 entries, but X has {len(X[0])}"):
        estimator(**SMALL).fit(X[0], y)


@estimators
@forms
def test_missing_y_is_refused(estimator, form):
    with pytest.raises(ValueError, match="requires y to be passed"):
        estimator(**SMALL).fit(make_X(form), None)


@estimators
@forms
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_y_that_is_not_finite_is_refused(estimator, form, value):
    with pytest.raises(ValueError, match=r"y contains (NaN|infinity).*y\[0\]"):
        estimator(**SMALL).fit(make_X(form), np.full(20, value))


@forms
def test_real_targets_of_classifiers_are_refused(form):
    y = make_y(LSTMRegressor)
    with pytest.raises(ValueError, match=r"Unknown label type: .*continuous"):
        LSTMClassifier(**SMALL).fit(make_X(form), y)


@forms
def test_single_class_is_refused(form):
    with pytest.raises(ValueError, match="y holds 1 class"):
        LSTMClassifier(**SMALL).fit(make_X(form), np.ones(20))


@estimators
@forms
def test_one_sequence_is_learnt_from_or_is_one_class(estimator, form):
    X, y = make_data(estimator, form)
    if estimator is LSTMClassifier:
        with pytest.raises(ValueError, match="y holds 1 class"):
            estimator(**SMALL).fit(X[:1], y[:1])
    else:
        prediction = estimator(**SMALL).fit(X[:1], y[:1]).predict(X)
        assert prediction.shape == (20,)


# --- the fit ------------------------------------------------------------------------


@estimators
@forms
def test_fit_returns_self(estimator, form):
    model = estimator(**SMALL)
    assert model.fit(*make_data(estimator, form)) is model


@estimators
@forms
def test_fit_leaves_parameters_as_they_are(estimator, form):
    model = estimator(**{**SMALL, "hidden_layer_sizes": [4, 3]})
    parameters = model.get_params()
    before = {name: joblib.hash(value) for name, value in parameters.items()}
    model.fit(*make_data(estimator, form))
    for name, value in model.get_params().items():
        assert value is parameters[name], name
        assert joblib.hash(value) == before[name], name


@estimators
@forms
def test_fit_adds_no_public_attribute(estimator, form):
    model = estimator(**SMALL)
    model.fit(*make_data(estimator, form))
    public = {name for name in vars(model) if name.strip("_") == name}
    assert public == model.get_params().keys()


@estimators
@forms
def test_fit_and_score_take_y(estimator, form):
    X, y = make_data(estimator, form)
    model = estimator(**SMALL)
    for method in (model.fit, model.fit_transform, model.score):
        method(X, y)
        assert list(inspect.signature(method).parameters)[1] == "y"


@estimators
@forms
def test_n_iter_is_at_least_one(estimator, form):
    X, y = make_data(estimator, form)
    assert estimator(**SMALL).fit(X, y).n_iter_ == 2
    assert estimator(**{**SMALL, "max_iter": 1}).fit(X, y).n_iter_ == 1


@estimators
@forms
def test_second_fit_is_like_the_first(estimator, form):
    X, y = make_data(estimator, form)
    model = estimator(**SMALL)
    expected = results(model.fit(X[:16], y[:16]), X[16:])
    assert_results_equal(results(model.fit(X[:16], y[:16]), X[16:]), expected)


@estimators
@forms
def test_n_features_in_is_the_number_of_channels(estimator, form):
    model = estimator(**SMALL)
    assert not hasattr(model, "n_features_in_")
    assert model.fit(*make_data(estimator, form)).n_features_in_ == 3


@estimators
@forms
def test_other_number_of_channels_is_refused(estimator, form):
    X, y = make_data(estimator, form)
    model = estimator(**SMALL).fit(X, y)
    bad = [x[:, [1]] for x in X]
    bad = bad if form == "ragged" else np.stack(bad)
    match = rf"X has 1 channel\(s\), but {estimator.__name__} is expecting 3"
    for method in methods_of(model):
        with pytest.raises(ValueError, match=match):
            getattr(model, method)(bad)
    with pytest.raises(ValueError, match=match):
        model.score(bad, y)


@estimators
@forms
def test_other_number_of_channels_is_refused_by_partial_fit(estimator, form):
    X, y = make_data(estimator, form)
    classes = {"classes": np.unique(y)} if estimator is LSTMClassifier else {}
    model = estimator(**SMALL).partial_fit(X, y, **classes)
    bad = [x[:, :-1] for x in X]
    bad = bad if form == "ragged" else np.stack(bad)
    match = rf"X has 2 channel\(s\), but {estimator.__name__} is expecting 3"
    with pytest.raises(ValueError, match=match):
        model.partial_fit(bad, y)


@estimators
@forms
def test_methods_need_a_fit(estimator, form):
    X, y = make_data(estimator, form)
    model = estimator(**SMALL)
    for method in methods_of(model):
        with pytest.raises(NotFittedError):
            getattr(model, method)(X)
    with pytest.raises(NotFittedError):
        check_is_fitted(model)
    check_is_fitted(model.fit(X, y))


# --- what a fitted estimator makes of X ---------------------------------------------


@estimators
@forms
def test_methods_leave_the_state_as_it_is(estimator, form):
    X, y = make_data(estimator, form)
    model = estimator(**SMALL).fit(X, y)
    before, state = vars(model).copy(), joblib.hash(model)
    results(model, X)
    model.score(X, y)
    assert vars(model) == before
    assert joblib.hash(model) == state


@estimators
@forms
def test_result_of_a_sample_is_its_own(estimator, form):
    X, y = make_data(estimator, form)
    model = estimator(**SMALL).fit(X, y)
    alone = [results(model, X[i : i + 1]) for i in range(20)]
    for method, expected in results(model, X).items():
        found = np.concatenate([result[method] for result in alone])
        assert_array_equal(found, expected, err_msg=method)


@estimators
@forms
def test_results_go_with_the_samples_in_any_order(estimator, form):
    X, y = make_data(estimator, form)
    model = estimator(**SMALL).fit(X, y)
    order = np.random.default_rng(0).permutation(20)
    expected = {name: result[order] for name, result in results(model, X).items()}
    assert_results_equal(results(model, pick(X, order)), expected)


@estimators
@forms
@pytest.mark.parametrize("readonly_memmap", [False, True])
def test_pickle_predicts_as_the_estimator(estimator, form, readonly_memmap, on_disk):
    X, y = make_data(estimator, form)
    model = estimator(**SMALL).fit(X, y)
    other = on_disk(model) if readonly_memmap else pickle.loads(pickle.dumps(model))
    assert_results_equal(results(other, X), results(model, X))


@estimators
@forms
def test_fit_transform_is_fit_and_transform(estimator, form):
    X, y = make_data(estimator, form)
    model = estimator(**SMALL).fit(X, y)
    states = model.transform(X)
    assert states.shape == (20, 4)
    assert_array_equal(clone(model).fit_transform(X, y), states)
    assert_array_equal(model.fit_transform(X, y), states)


@estimators
@forms
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_states_are_float64(estimator, form, dtype):
    X, y = make_data(estimator, form)
    model = estimator(**SMALL, dtype=dtype).fit(X, y)
    assert model.transform(X).dtype == np.float64


@estimators
@forms
def test_pipeline_is_as_good_as_the_estimator(estimator, form):
    X, y = make_data(estimator, form)
    model = estimator(**SMALL).fit(X, y)
    pipeline = make_pipeline(estimator(**SMALL)).fit(X, y)
    assert pipeline.score(X, y) == model.score(X, y)
    assert_array_equal(pipeline.fit_transform(X, y), model.fit_transform(X, y))


# --- weights ------------------------------------------------------------------------


@estimators
@forms
def test_weights_may_be_in_any_container(estimator, form):
    X, y = make_data(estimator, form)
    weights = np.arange(20) % 4
    expected = results(estimator(**SMALL).fit(X, y, weights), X)
    for container in (list, pd.Series, NotAnArray):
        model = estimator(**SMALL).fit(X, y, sample_weight=container(weights))
        assert_results_equal(results(model, X), expected)


@estimators
@forms
def test_weights_that_are_all_zero_are_refused(estimator, form):
    X, y = make_data(estimator, form)
    with pytest.raises(ValueError, match=r"(?i)sample.weight.*zero"):
        estimator(**SMALL).fit(X, y, sample_weight=np.zeros(20))


@estimators
@forms
@pytest.mark.parametrize("shape", [(40,), (20, 2)])
def test_weights_of_another_shape_are_refused(estimator, form, shape):
    X, y = make_data(estimator, form)
    with pytest.raises(ValueError, match=r"(?i)sample.weight"):
        estimator(**SMALL).fit(X, y, sample_weight=np.ones(shape))


@estimators
@forms
def test_weights_are_not_overwritten(estimator, form):
    X, y = make_data(estimator, form)
    weights = np.ones(20)
    weights[0] = 10
    expected = weights.copy()
    estimator(**SMALL).fit(X, y, sample_weight=weights)
    assert_array_equal(weights, expected)


@estimators
@forms
def test_weight_of_a_sample_counts_as_repetitions(estimator, form):
    X, y = make_X(form, n_samples=15), make_y(estimator, n_samples=15)
    rng = np.random.default_rng(42)
    weights = rng.integers(0, 5, size=15)
    repeated = np.repeat(np.arange(15), weights)
    order = rng.permutation(15)
    # It compares two trained networks to 1e-7, and training amplifies rounding.
    model = estimator(**{**SMALL, "max_iter": 15}, dtype="float64")
    model.set_params(batch_size=len(repeated))
    expected = results(model.fit(pick(X, repeated), y[repeated]), X)
    model.set_params(batch_size=np.count_nonzero(weights))
    found = results(model.fit(pick(X, order), y[order], weights[order]), X)
    for method in expected:
        assert_allclose(found[method], expected[method], rtol=1e-7, err_msg=method)


@forms
@pytest.mark.parametrize("n_classes", [2, 3])
def test_class_that_weighs_most_is_predicted(form, n_classes):
    rows, y = make_blobs(centers=n_classes, random_state=0, cluster_std=20)
    X = steps_around(rows, form)
    weights = {0: 1000, 1: 0.0001, 2: 0.0001}
    class_weight = {label: weights[label] for label in range(n_classes)}
    model = LSTMClassifier(**LEARNING, class_weight=class_weight)
    model.set_params(batch_size="auto").fit(X[:50], y[:50])
    assert np.mean(model.predict(X[50:]) == 0) > 0.87


@forms
def test_weights_that_leave_a_single_class_are_learnt_from(form):
    y = np.arange(20) % 2
    model = LSTMClassifier(**{**OF_FEW, "max_iter": 30})
    model.fit(make_X(form), y, sample_weight=y)
    assert_array_equal(model.predict(make_X(form)), np.ones(20))


# --- targets ------------------------------------------------------------------------


@estimators
@forms
def test_column_as_y_warns_and_is_a_vector(estimator, form):
    X, y = make_data(estimator, form)
    expected = results(estimator(**SMALL).fit(X, y), X)
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        model = estimator(**SMALL).fit(X, y[:, np.newaxis])
    assert_results_equal(results(model, X), expected)


@forms
@pytest.mark.parametrize(
    ("names", "dtype"),
    [
        (["one", "two"], str),
        (["one", "two"], object),
        (["one", "two", "three"], str),
        (["one", "two", "three"], object),
        ([-1, 1], int),
        ([7, 5, 6], float),
        ([False, True], bool),
    ],
)
def test_classes_are_those_of_y_whatever_their_type(form, names, dtype):
    y = np.take(names, np.arange(20) % len(names)).astype(dtype)
    model = LSTMClassifier(**SMALL).fit(make_X(form), y)
    assert_array_equal(model.classes_, np.unique(y), strict=True)
    predicted = model.predict(make_X(form))
    assert predicted.dtype == y.dtype
    assert set(predicted) <= set(names)


@forms
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("readonly_memmap", [False, True])
def test_classifier_learns_classes_apart(
    form, n_classes, dtype, readonly_memmap, on_disk
):
    rows, y = make_blobs(n_samples=300, random_state=0)
    rows, y = scale(rows)[y < n_classes], y[y < n_classes]
    X = convert(steps_around(rows, form), lambda x: x.astype(dtype))
    if readonly_memmap:
        X, y = on_disk([X, y])
    model = LSTMClassifier(**LEARNING)
    with pytest.raises(ValueError, match=f"y has {len(y) - 1} entries"):
        model.fit(X, y[:-1])
    model.fit(X, y)
    predicted = model.predict(X)
    assert predicted.shape == y.shape
    assert accuracy_score(y, predicted) > 0.83
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (len(y), n_classes)
    assert_array_equal(probabilities.argmax(axis=1), predicted)
    assert_allclose(probabilities.sum(axis=1), 1)
    logs = model.predict_log_proba(X)
    assert_allclose(logs, np.log(probabilities), rtol=1e-7, atol=1e-9)


@forms
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("readonly_memmap", [False, True])
def test_regressor_learns_a_linear_target(form, dtype, readonly_memmap, on_disk):
    rows, y = make_regression(
        n_samples=200, n_features=4, n_informative=1, bias=5, noise=20, random_state=42
    )
    X, y = steps_around(scale(rows), form), scale(y)
    X = convert(X, lambda x: x.astype(dtype))
    if readonly_memmap:
        X, y = on_disk([X, y])
    model = LSTMRegressor(**LEARNING, alpha=0.01)
    with pytest.raises(ValueError, match="y has 199 entries"):
        model.fit(X, y[:-1])
    model.fit(X, y)
    assert model.predict(X).shape == y.shape
    assert model.score(X, y) > 0.5


@forms
def test_whole_targets_are_real_targets(form):
    X, y = make_X(form), np.random.default_rng(0).integers(3, size=20)
    expected = LSTMRegressor(**SMALL).fit(X, y.astype(float)).predict(X)
    assert_array_equal(LSTMRegressor(**SMALL).fit(X, y).predict(X), expected)


@forms
def test_several_targets_are_predicted_as_float64(form):
    X, y = make_X(form), np.random.default_rng(0).normal(size=(20, 5))
    predicted = LSTMRegressor(**SMALL).fit(X, y).predict(X)
    assert predicted.dtype == np.float64
    assert predicted.shape == y.shape


def make_labels(form):
    rows, y = make_multilabel_classification(
        n_samples=40, n_features=2, n_classes=5, n_labels=3, random_state=0
    )
    return steps_around(scale(rows), form), y


@forms
def test_labels_are_predicted_as_zeros_and_ones_in_the_shape_of_y(form):
    X, y = make_labels(form)
    model = LSTMClassifier(**OF_FEW).fit(X[:30], y[:30])
    predicted = model.predict(X[30:])
    assert isinstance(predicted, np.ndarray)
    assert predicted.shape == (10, 5)
    assert predicted.dtype == y.dtype
    assert_array_equal(np.unique(predicted), [0, 1])
    assert_array_equal(model.predict_proba(X[30:]).round(), predicted)


@forms
def test_probabilities_of_labels_lie_between_zero_and_one(form):
    X, y = make_labels(form)
    probabilities = LSTMClassifier(**OF_FEW).fit(X[:30], y[:30]).predict_proba(X[30:])
    assert probabilities.shape == (10, 5)
    assert probabilities.dtype == np.float64
    assert np.all((probabilities > 0) & (probabilities < 1))


@forms
@pytest.mark.parametrize("container", [np.ndarray.tolist, list])
def test_labels_may_be_an_array_or_a_list_of_lists_or_of_arrays(form, container):
    X, y = make_labels(form)
    expected = results(LSTMClassifier(**SMALL).fit(X, y), X)
    model = LSTMClassifier(**SMALL).fit(X, container(y))
    assert_results_equal(results(model, X), expected)
    assert model.predict(X).dtype == y.dtype
    assert is_classifier(model)
