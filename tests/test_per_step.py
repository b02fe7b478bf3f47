"""PerStep does to the steps of sequences what its transformer does to rows."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklstm.preprocessing import PerStep

N_STEPS = [4, 1, 6, 2, 4]


def make_cube(seed=0, shape=(5, 4, 3)):
    return np.random.default_rng(seed).normal(size=shape)


def make_ragged(seed=0, lengths=N_STEPS):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, 3)) for length in lengths]


def make_frames(seed=0):
    return [pd.DataFrame(steps, columns=list("abc")) for steps in make_ragged(seed)]


def assert_sequences_equal(found, expected):
    assert type(found) is list
    assert len(found) == len(expected)
    for steps, expected_steps in zip(found, expected, strict=True):
        assert_array_equal(steps, expected_steps, strict=True)


@parametrize_with_checks(
    [
        PerStep(PCA(n_components=1)),
        PerStep(SimpleImputer()),
        PerStep(SelectKBest(k=1)),
    ]
)
def test_scikit_learn_checks_pass(estimator, check):
    check(estimator)


TRANSFORMERS = [
    StandardScaler(),
    MinMaxScaler(),
    PCA(n_components=2, random_state=0),
    KBinsDiscretizer(n_bins=3, encode="onehot", quantile_method="linear"),
]
transformers = pytest.mark.parametrize(
    "transformer", TRANSFORMERS, ids=lambda t: type(t).__name__
)


@transformers
def test_cube_is_transformed_step_by_step(transformer):
    X, new = make_cube(0), make_cube(1, shape=(2, 7, 3))
    fitted = clone(transformer).fit(np.concatenate(X))
    comp = PerStep(transformer).fit(X).transform(new)
    ref = [fitted.transform(sample) for sample in new]
    ref = np.stack([r.toarray() if sparse.issparse(r) else r for r in ref])
    assert_allclose(comp, ref, rtol=1e-12, atol=1e-12, strict=True)


@transformers
def test_ragged_sequences_are_transformed_step_by_step(transformer):
    X, new = make_ragged(0), make_ragged(1)
    fitted = clone(transformer).fit(np.concatenate(X))
    comp = PerStep(transformer).fit(X).transform(new)
    assert type(comp) is list
    for comp_steps, steps in zip(comp, new, strict=True):
        ref = fitted.transform(steps)
        ref = ref.toarray() if sparse.issparse(ref) else ref
        assert_allclose(comp_steps, ref, rtol=1e-12, atol=1e-12, strict=True)


@transformers
@pytest.mark.parametrize("X", [make_cube(), make_ragged()], ids=["3-D", "ragged"])
def test_fit_transform_is_fit_then_transform(transformer, X):
    comp = PerStep(transformer).fit_transform(X)
    ref = PerStep(transformer).fit(X).transform(X)
    for comp_steps, ref_steps in zip(comp, ref, strict=True):
        assert_allclose(comp_steps, ref_steps, rtol=1e-12, atol=1e-12)
    assert type(comp) is type(ref)


def test_every_form_of_the_same_steps_fits_the_same():
    X = make_cube()
    forms = [
        X,
        list(X),
        X.tolist(),
        np.concatenate(X),
        tuple(pd.DataFrame(x) for x in X),
    ]
    for form in forms:
        scaler = PerStep(StandardScaler()).fit(form)
        mean = np.concatenate(X).mean(axis=0)
        assert_allclose(scaler.transformer_.mean_, mean, rtol=1e-12, atol=1e-15)
        assert scaler.n_features_in_ == 3


def test_fit_on_one_form_transforms_the_others():
    X = make_cube()
    ref = PerStep(StandardScaler()).fit_transform(X)
    for form in [make_cube(), list(X), np.concatenate(X)]:
        scaler = PerStep(StandardScaler()).fit(form)
        assert_allclose(scaler.transform(X), ref, rtol=1e-12, strict=True)
        assert_allclose(np.stack(scaler.transform(list(X))), ref, rtol=1e-12)
        assert_allclose(scaler.transform(X[0]), ref[0], rtol=1e-12, strict=True)


@pytest.mark.parametrize("n_samples", [1, 3])
def test_list_of_equal_lengths_stays_a_list(n_samples):
    X = make_ragged(lengths=[4] * n_samples)
    ref = StandardScaler().fit(np.concatenate(X))
    comp = PerStep(StandardScaler()).fit_transform(X)
    assert_sequences_equal(comp, [ref.transform(steps) for steps in X])


def test_one_dimensional_sequences_come_back_as_columns():
    X = [steps[:, 0] for steps in make_ragged()]
    comp = PerStep(FunctionTransformer()).fit_transform(X)
    assert_sequences_equal(comp, [steps[:, np.newaxis] for steps in X])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("X", [make_cube(), make_ragged()], ids=["3-D", "ragged"])
def test_dtype_of_x_is_kept(X, dtype):
    X = [steps.astype(dtype) for steps in X]
    X = X if len(X[0]) != len(X[1]) else np.stack(X)
    for steps in PerStep(StandardScaler()).fit_transform(X):
        assert steps.dtype == dtype


@pytest.mark.parametrize("X", [make_cube(), make_ragged(), make_cube()[0]])
def test_x_is_not_modified(X):
    copy = [steps.copy() for steps in X]
    scaler = PerStep(StandardScaler()).fit(X)
    scaler.inverse_transform(scaler.transform(X))
    for steps, expected in zip(X, copy, strict=True):
        assert_array_equal(steps, expected)


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda steps: steps[::2], r"\(10, 3\)"),
        (lambda steps: np.concatenate([steps, steps]), r"\(40, 3\)"),
        (lambda steps: steps[:, 0], r"\(20,\)"),
        (lambda steps: steps.reshape(-1, 4, 3), r"\(5, 4, 3\)"),
        (lambda steps: steps.sum(), r"\(\)"),
    ],
    ids=["fewer rows", "more rows", "1-D", "3-D", "a number"],
)
@pytest.mark.parametrize(
    "X", [make_cube(), make_ragged(lengths=[7, 3, 10])], ids=["3-D", "ragged"]
)
def test_result_that_has_no_row_for_each_step_is_refused(X, function, shape):
    transformer = PerStep(
        FunctionTransformer(function, inverse_func=function, check_inverse=False)
    )
    match = f"made an array of shape {shape} of 20 steps: PerStep needs one row for"
    with pytest.raises(ValueError, match=match):
        transformer.fit_transform(X)
    for method in (transformer.fit(X).transform, transformer.inverse_transform):
        with pytest.raises(ValueError, match=match):
            method(X)


def test_table_goes_through_the_transformer_itself():
    X = pd.DataFrame(make_cube()[0], columns=list("abc"))
    ref = PCA(n_components=2).fit(X)
    comp = PerStep(PCA(n_components=2)).fit(X)
    assert_array_equal(comp.transform(X), ref.transform(X), strict=True)
    assert_array_equal(comp.feature_names_in_, ref.feature_names_in_)
    assert_array_equal(comp.get_feature_names_out(), ref.get_feature_names_out())


def test_sparse_result_of_a_table_stays_sparse():
    X = np.array([[0.0], [1.0], [0.0]])
    assert sparse.issparse(PerStep(OneHotEncoder()).fit_transform(X))


class Signed(StandardScaler):
    """Its fit_transform is not fit, then transform: as TargetEncoder's is not."""

    def fit_transform(self, X, y=None):
        return -self.fit(X, y).transform(X)


@pytest.mark.parametrize("X", [make_cube(), make_ragged(), make_cube()[0]])
def test_fit_transform_is_that_of_the_transformer(X):
    signed = PerStep(Signed()).fit_transform(X)
    plain = PerStep(StandardScaler()).fit_transform(X)
    for signed_steps, steps in zip(signed, plain, strict=True):
        assert_array_equal(signed_steps, -steps)


def test_set_output_holds_for_a_table():
    frame = make_frames()[0]
    scaler = PerStep(StandardScaler()).set_output(transform="pandas").fit(frame)
    assert isinstance(scaler.transform(frame), pd.DataFrame)
    assert list(scaler.transform(frame).columns) == ["a", "b", "c"]
    assert type(scaler.set_output(transform="default").transform(frame)) is np.ndarray


def test_set_output_holds_for_each_of_a_list_of_frames():
    frames = [frame.set_axis(frame.index + 7) for frame in make_frames()]
    scaler = StandardScaler().set_output(transform="pandas").fit(pd.concat(frames))
    comp = PerStep(StandardScaler()).set_output(transform="pandas")
    for result in (comp.fit_transform(frames), comp.transform(frames)):
        for part, frame in zip(result, frames, strict=True):
            assert_frame_equal(part, scaler.transform(frame))
    arrays = comp.set_output(transform="default").transform(frames)
    assert all(type(steps) is np.ndarray for steps in arrays)


def test_frames_with_an_index_of_numbers_are_cut_by_place():
    indexed = FunctionTransformer(lambda frame: frame.set_index("a"))
    comp = PerStep(indexed).fit_transform(frames := make_frames())
    for part, frame in zip(comp, frames, strict=True):
        assert_array_equal(part, frame[["b", "c"]])


def test_frames_keep_their_names_from_one_transformer_to_the_next():
    picked = ColumnTransformer([("picked", "passthrough", ["c", "a"])])
    chain = make_pipeline(PerStep(StandardScaler()), PerStep(picked))
    comp = chain.set_output(transform="pandas").fit_transform(make_frames())
    assert list(comp[0].columns) == ["picked__c", "picked__a"]


@pytest.mark.parametrize("X", [make_cube(), make_ragged()], ids=["3-D", "ragged"])
def test_output_configured_everywhere_leaves_sequences_arrays(X):
    with sklearn.config_context(transform_output="pandas"):
        comp = PerStep(StandardScaler()).fit_transform(X)
    assert type(comp) is type(X)
    assert all(type(steps) is np.ndarray for steps in comp)


def test_frames_reach_the_transformer_by_column_name():
    frames = [f.assign(kind=["x", "y"][i % 2]) for i, f in enumerate(make_frames())]
    columns = ColumnTransformer(
        [("scale", StandardScaler(), ["b", "a"]), ("kind", OneHotEncoder(), ["kind"])]
    )
    comp = PerStep(columns).fit(frames)
    ref = clone(columns).fit(pd.concat(frames, ignore_index=True))
    assert_sequences_equal(comp.transform(frames), [ref.transform(f) for f in frames])
    assert list(comp.feature_names_in_) == ["a", "b", "c", "kind"]
    assert_array_equal(comp.get_feature_names_out(), ref.get_feature_names_out())


def test_index_of_a_frame_does_not_matter():
    joined = FunctionTransformer(lambda frame: frame[["a"]].join(frame[["b", "c"]]))
    comp = PerStep(joined).fit_transform(make_frames())
    assert_sequences_equal(comp, make_ragged())


def test_frames_among_arrays_are_arrays():
    X = [make_frames()[0], *make_ragged()[1:]]
    comp = PerStep(FunctionTransformer()).fit_transform(X)
    assert_sequences_equal(comp, make_ragged())


def test_frames_with_other_columns_are_refused():
    frames = make_frames()
    frames[3] = frames[3][["b", "a", "c"]]
    with pytest.raises(ValueError, match=r"sample 3 of X has the columns \['b'"):
        PerStep(StandardScaler()).fit(frames)


@pytest.mark.parametrize("X", [make_cube(), make_ragged()], ids=["3-D", "ragged"])
def test_inverse_transform_undoes_transform(X):
    scaler = PerStep(StandardScaler()).fit(X)
    back = scaler.inverse_transform(scaler.transform(X))
    assert type(back) is type(X)
    for steps, expected in zip(back, X, strict=True):
        assert_allclose(steps, expected, rtol=1e-12, atol=1e-14, strict=True)


def test_partial_fit_adds_up_to_a_fit():
    X = make_ragged()
    scaler = PerStep(StandardScaler())
    for sequence in X:
        assert scaler.partial_fit([sequence]) is scaler
    ref = StandardScaler().fit(np.concatenate(X))
    assert_allclose(scaler.transformer_.mean_, ref.mean_, rtol=1e-12)
    assert_allclose(scaler.transformer_.var_, ref.var_, rtol=1e-12)


class Recorder(BaseEstimator):
    """Keeps what it is fitted on: as a transformer, or as the last step."""

    def fit(self, X, y=None):
        self.X_ = X
        self.y_ = y
        return self

    def transform(self, X):
        return X

    def predict(self, X):
        return [steps.sum() for steps in X]


@pytest.mark.parametrize("convert", [list, np.array, pd.Series, pd.DataFrame])
@pytest.mark.parametrize("X", [make_cube(), make_ragged()], ids=["3-D", "ragged"])
def test_target_of_a_sequence_is_repeated_for_its_steps(X, convert):
    targets = ["a", "b", "c", "b", "a"]
    comp = PerStep(Recorder()).fit(X, convert(targets)).transformer_.y_
    ref = [target for target, steps in zip(targets, X, strict=True) for _ in steps]
    assert_array_equal(np.ravel(comp), ref)
    assert len(comp) == sum(map(len, X))


def test_several_targets_of_a_sequence_are_repeated_for_its_steps():
    X, y = make_ragged(), np.arange(15).reshape(5, 3)
    comp = PerStep(Recorder()).fit(X, y).transformer_.y_
    assert_array_equal(comp, np.concatenate([[y[i]] * len(X[i]) for i in range(5)]))


@pytest.mark.parametrize("shape", [(), (2,)])
@pytest.mark.parametrize("X", [make_cube(), make_ragged()], ids=["3-D", "ragged"])
def test_targets_of_steps_go_to_their_steps(X, shape):
    rng = np.random.default_rng(0)
    y = [rng.normal(size=(len(steps), *shape)) for steps in X]
    ref = np.concatenate(y)
    y = np.stack(y) if isinstance(X, np.ndarray) else y
    comp = PerStep(Recorder()).fit(X, y).transformer_.y_
    assert_array_equal(comp, ref, strict=True)


def test_targets_of_steps_may_be_a_frame():
    y = make_cube(shape=(5, 4))
    comp = PerStep(Recorder()).fit(make_cube(), pd.DataFrame(y)).transformer_.y_
    assert_array_equal(comp, y.ravel())


def test_supervised_transformer_sees_the_target():
    y = np.array([0, 1, 0, 1, 1])
    X = make_ragged()
    X = [
        steps + np.array([0, 0, 5 * target]) for steps, target in zip(X, y, strict=True)
    ]
    selector = PerStep(SelectKBest(k=1))
    assert_sequences_equal(selector.fit_transform(X, y), [steps[:, 2:] for steps in X])
    assert_sequences_equal(selector.fit(X, y).transform(X), [s[:, 2:] for s in X])


@pytest.mark.parametrize(
    ("y", "match"),
    [
        ([0, 1], "inconsistent numbers of samples"),
        ([np.zeros(n + 1) for n in N_STEPS], "y must hold one target per sequence"),
    ],
)
def test_y_that_does_not_go_with_x_is_refused(y, match):
    with pytest.raises(ValueError, match=match):
        PerStep(StandardScaler()).fit(make_ragged(), y)


def spoiled(X, value):
    X = [steps.copy() for steps in X]
    X[2][1, 2] = value
    return X


@pytest.mark.parametrize("X", [make_cube(), make_ragged()], ids=["3-D", "ragged"])
@pytest.mark.parametrize(("value", "name"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_place_of_an_unusable_value_is_named(X, value, name):
    reducer = PerStep(PCA(n_components=1)).fit(X)
    bad = spoiled(X, value)
    bad = np.stack(bad) if isinstance(X, np.ndarray) else bad
    match = rf"Input X contains {name}\. .* sample 2, step 1, channel 2"
    with pytest.raises(ValueError, match=match):
        reducer.transform(bad)
    with pytest.raises(ValueError, match=match):
        reducer.fit(bad)


def test_transformer_may_deal_with_nan_itself():
    X = spoiled(make_ragged(), np.nan)
    rows = np.concatenate(X)
    comp = np.concatenate(PerStep(SimpleImputer()).fit_transform(X))
    assert_array_equal(comp, SimpleImputer().fit_transform(rows))
    zeroed = PerStep(FunctionTransformer(np.nan_to_num)).fit_transform(X)
    assert_array_equal(np.concatenate(zeroed), np.nan_to_num(rows))


# Compositions whose tag says that they refuse NaN, whatever they are made of.
IMPUTING = {
    "pipeline": make_pipeline(SimpleImputer(), StandardScaler()),
    "columns": ColumnTransformer([("impute", SimpleImputer(), [0, 1, 2])]),
    "union": make_union(SimpleImputer(), MissingIndicator(features="all")),
}


@pytest.mark.parametrize("transformer", IMPUTING.values(), ids=IMPUTING)
@pytest.mark.parametrize("X", [make_cube(), make_ragged()], ids=["3-D", "ragged"])
def test_composed_transformer_may_deal_with_nan_itself(transformer, X):
    bad = spoiled(X, np.nan)
    bad = np.stack(bad) if isinstance(X, np.ndarray) else bad
    comp = np.concatenate(PerStep(transformer).fit_transform(bad))
    assert_array_equal(comp, transformer.fit_transform(np.concatenate(bad)))


def test_place_of_nan_that_a_composed_transformer_refuses_is_named():
    reducer = PerStep(make_pipeline(StandardScaler(), PCA(n_components=1)))
    match = "Input X contains NaN. The first is in sample 2, step 1, channel 2"
    with pytest.raises(ValueError, match=match) as caught:
        reducer.fit(spoiled(make_ragged(), np.nan))
    assert "PCA does not accept missing values" in str(caught.value.__cause__)


def test_value_named_is_of_the_kind_that_is_refused():
    X = spoiled(make_ragged(), np.inf)
    X[0][0, 0] = np.nan  # an imputer takes it
    match = "Input X contains infinity. The first is in sample 2, step 1, channel 2"
    with pytest.raises(ValueError, match=match):
        PerStep(SimpleImputer()).fit(X)


def test_nan_that_a_transformer_made_itself_is_not_looked_for_in_x():
    made = make_pipeline(FunctionTransformer(lambda X: X * np.nan), PCA(n_components=1))
    with pytest.raises(ValueError, match=r"contains NaN\.\nPCA does not"):
        PerStep(made).fit(make_ragged())


@pytest.mark.parametrize("X", [make_frames(), make_frames()[0], make_cube()[0]])
def test_nan_in_frames_and_tables_is_refused_in_words_of_the_transformer(X):
    spoiled_first = X[0] if isinstance(X, list) else X
    spoiled_first = pd.DataFrame(spoiled_first).copy()
    spoiled_first.iloc[1, 2] = np.nan
    bad = [spoiled_first, *X[1:]] if isinstance(X, list) else spoiled_first
    bad = bad.to_numpy() if isinstance(X, np.ndarray) else bad
    with pytest.raises(ValueError, match=r"contains NaN\.\nPCA does not"):
        PerStep(PCA(n_components=1)).fit(bad)


def test_nan_in_y_is_not_looked_for_in_x():
    X, y = spoiled(make_ragged(), np.nan), [0.0, 1.0, np.nan, 1.0, 0.0]
    with pytest.raises(ValueError, match="Input y contains NaN"):
        PerStep(TargetEncoder(target_type="continuous")).fit(X, y)


@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        ([], ValueError, r"0 sample\(s\)"),
        (make_cube(shape=(0, 4, 3)), ValueError, r"0 sample\(s\)"),
        ([np.zeros((2, 3)), np.zeros((0, 3))], ValueError, "sample 1 of X is empty"),
        (
            [make_frames()[0], make_frames()[0][:0]],
            ValueError,
            "sample 1 of X is empty",
        ),
        ([np.zeros((2, 3)), np.zeros((2, 2))], ValueError, "sample 1 of X has 2 chann"),
        ([["a", "b"], ["c"]], ValueError, "sample 0 of X holds <U1"),
        (make_cube(shape=(1, 2, 3, 4)), ValueError, "X has 4 dimensions"),
        (np.zeros(3), ValueError, "Reshape your data"),
        ({"a": 1}, TypeError, "X is of type dict"),
    ],
)
def test_x_is_refused(X, error, match):
    with pytest.raises(error, match=match):
        PerStep(StandardScaler()).fit(X)


@pytest.mark.parametrize(
    "new",
    [make_cube()[:, :, :2], [s[:, :2] for s in make_ragged()], make_cube()[0, :, :2]],
)
def test_other_channels_than_those_of_the_fit_are_refused(new):
    with pytest.raises(ValueError, match=r"X has 2 features.*expecting 3"):
        PerStep(StandardScaler()).fit(make_ragged()).transform(new)


def test_sequences_pass_through_a_pipeline():
    X = make_ragged()
    pipeline = make_pipeline(PerStep(StandardScaler()), Recorder()).fit(X)
    scaler = StandardScaler().fit(np.concatenate(X))
    assert_sequences_equal(pipeline[-1].X_, [scaler.transform(steps) for steps in X])
    assert len(pipeline.predict(X)) == len(X)


def test_parameters_of_the_transformer_can_be_searched():
    pipeline = make_pipeline(PerStep(StandardScaler()), Recorder())
    search = GridSearchCV(
        pipeline,
        {"perstep__transformer__with_mean": [True, False]},
        scoring=lambda estimator, X, y=None: estimator[0].transformer_.with_mean,
        cv=2,
    )
    assert search.fit(make_ragged()).best_params_["perstep__transformer__with_mean"]


def test_transformer_itself_is_not_fitted():
    scaler = StandardScaler()
    PerStep(scaler).fit(make_ragged())
    PerStep(scaler).fit_transform(make_ragged())
    PerStep(scaler).partial_fit(make_ragged())
    assert not hasattr(scaler, "mean_")


@pytest.mark.parametrize("method", ["fit", "fit_transform", "partial_fit"])
def test_fit_that_fails_leaves_what_was_fitted_before(method):
    X = make_ragged()
    scaler = PerStep(Refusing())
    with pytest.raises(ValueError, match="negative"):
        getattr(scaler, method)(spoiled(X, -1e9))
    with pytest.raises(NotFittedError):
        scaler.transform(X)
    scaler.fit(X)
    expected = scaler.transform(X)
    with pytest.raises(ValueError, match="negative"):
        getattr(scaler, method)(spoiled(X, -1e9))
    assert_sequences_equal(scaler.transform(X), expected)


class Refusing(StandardScaler):
    """Fails in the midst of a fit."""

    def partial_fit(self, X, y=None, sample_weight=None):
        if X.min() < -1e6:
            self.n_features_in_ = X.shape[1]
            raise ValueError("X is too negative")
        return super().partial_fit(X, y, sample_weight)


def test_y_with_an_entry_a_step_goes_to_the_steps_whatever_it_was_meant_as():
    """Where there are as many outputs as steps, 2-D y cannot be told apart."""
    y = np.arange(20).reshape(5, 4)
    comp = PerStep(Recorder()).fit(make_cube(), y).transformer_.y_
    assert_array_equal(comp, y.ravel())


def test_parameter_must_be_a_transformer():
    match = "The 'transformer' parameter of PerStep must be an object implementing"
    with pytest.raises(ValueError, match=match):
        PerStep("scale").fit(make_ragged())


@pytest.mark.parametrize("transformer", [StandardScaler(), TargetEncoder(), PCA()])
def test_tags_are_those_of_the_transformer(transformer):
    comp, ref = get_tags(PerStep(transformer)), get_tags(transformer)
    assert comp.input_tags == replace(ref.input_tags, three_d_array=True)
    assert comp.target_tags == ref.target_tags
    assert comp.transformer_tags == ref.transformer_tags


def test_attributes_are_those_of_the_fit():
    scaler = PerStep(StandardScaler())
    assert not hasattr(scaler, "n_features_in_")
    assert not hasattr(scaler, "feature_names_in_")
    with pytest.raises(NotFittedError):
        scaler.transform(make_ragged())
    scaler.fit(make_ragged())
    assert scaler.n_features_in_ == 3
    assert not hasattr(scaler, "feature_names_in_")
    assert list(scaler.get_feature_names_out()) == ["x0", "x1", "x2"]
    assert list(scaler.get_feature_names_out(list("abc"))) == list("abc")


def test_methods_are_those_of_the_transformer():
    assert hasattr(PerStep(StandardScaler()), "inverse_transform")
    assert hasattr(PerStep(StandardScaler()), "partial_fit")
    assert not hasattr(PerStep(SimpleImputer()), "partial_fit")
    for method in ("inverse_transform", "fit_transform", "get_feature_names_out"):
        assert not hasattr(PerStep(Recorder()), method)


def test_fitted_per_step_can_be_pickled():
    X = make_ragged()
    scaler = PerStep(StandardScaler()).fit(X)
    copy = pickle.loads(pickle.dumps(scaler))
    assert_sequences_equal(copy.transform(X), scaler.transform(X))
