"""Any X becomes the right Sequences, or an error that says what is wrong with it."""

import pickle
import tempfile

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    parametrize_with_checks,
)
from sklearn.utils.validation import check_is_fitted
from sparse_cube import sparse_cube

from sklstm._sequences import Sequences
from sklstm._validation import validate_sequences


class StepMean(TransformerMixin, BaseEstimator):
    """The mean of each sequence over its steps: the least that needs Sequences."""

    def __init__(
        self, dtype="float32", n_channels=None, window=None, group_column=None
    ):
        self.dtype = dtype
        self.n_channels = n_channels
        self.window = window
        self.group_column = group_column

    def read(self, X, reset=True):
        parameters = self.get_params()
        dtype = np.dtype(parameters.pop("dtype"))
        return validate_sequences(self, X, dtype=dtype, reset=reset, **parameters)

    def fit(self, X, y=None):
        self.read(X)
        return self

    def transform(self, X):
        check_is_fitted(self)
        return np.array([steps.mean(0) for steps in unpack(self.read(X, reset=False))])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def read(X, **parameters):
    return StepMean(**parameters).read(X)


def unpack(sequences):
    """The sequences one by one, by the definition of Sequences."""
    spans = zip(sequences.starts, sequences.lengths, strict=True)
    return [sequences.values[start : start + length] for start, length in spans]


def assert_holds(sequences, expected, dtype=np.float32):
    assert sequences.values.dtype == dtype
    assert sequences.values.flags.c_contiguous
    assert sequences.values.flags.aligned
    assert type(sequences.values) is np.ndarray
    assert sequences.starts.dtype == sequences.lengths.dtype == np.int64
    assert len(sequences) == len(expected)
    for found, steps in zip(unpack(sequences), expected, strict=True):
        assert_array_equal(found, np.asarray(steps, dtype=dtype), strict=True)


def make_ragged(seed=0, n_samples=7, n_channels=3):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 9, size=n_samples)
    return [rng.normal(size=(length, n_channels)) for length in lengths]


def make_cube(seed=0, shape=(5, 4, 3)):
    return np.random.default_rng(seed).normal(size=shape)


def make_table(seed=0, n_rows=30):
    """A table of three series whose rows interleave; "series" is column 1."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "load": rng.normal(size=n_rows),
            "series": rng.choice(["north", "south", "west"], size=n_rows),
            "heat": rng.normal(size=n_rows),
        }
    )


def past_of_each_row(table, window):
    """What a window is, in loops."""
    rows = np.asarray(table)
    return [rows[max(0, i - window + 1) : i + 1] for i in range(len(rows))]


def past_of_each_row_in_its_series(frame, window, group_column):
    samples = {}
    for _, series in frame.groupby(group_column, sort=False):
        past = past_of_each_row(series.drop(columns=group_column), window)
        samples.update(zip(series.index, past, strict=True))
    return [samples[row] for row in frame.index]


# --- scikit-learn's own checks ----------------------------------------------------


# With a longer window a row's result depends on other rows, as it should.
@parametrize_with_checks([StepMean(), StepMean(window=1)])
def test_scikit_learn_checks_pass(estimator, check):
    check(estimator)


@pytest.mark.parametrize("window", [None, 3])
def test_column_names_are_consistent(window):
    check_dataframe_column_names_consistency("StepMean", StepMean(window=window))


# --- each form of X ------------------------------------------------------------------


def test_cube_is_one_sequence_per_sample():
    X = make_cube()
    assert_holds(read(X), list(X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ragged_list_keeps_each_sequence(dtype):
    X = make_ragged()
    assert_holds(read(X, dtype=dtype), X, dtype)


def one_channel(X):
    return [steps[:, 0] for steps in X]


RAGGED_CONTAINERS = {
    "tuple": tuple,
    "object array": lambda X: pd.Series(X).to_numpy(),
    "Series": pd.Series,
    "list of lists": lambda X: [steps.tolist() for steps in X],
    "list of DataFrames": lambda X: [pd.DataFrame(steps) for steps in X],
    "arrays and lists": lambda X: [X[0].tolist(), *X[1:]],
}


@pytest.mark.parametrize("container", RAGGED_CONTAINERS.values(), ids=RAGGED_CONTAINERS)
def test_container_of_ragged_sequences_does_not_matter(container):
    X = make_ragged()
    assert_holds(read(container(X)), X)


ELEMENTS_OF_ONE_CHANNEL = {
    "arrays": lambda X: X,
    "Series": lambda X: [pd.Series(steps) for steps in X],
    "lists": lambda X: [steps.tolist() for steps in X],
    "columns": lambda X: [steps[:, np.newaxis] for steps in X],
    "both": lambda X: [X[0], *[steps[:, np.newaxis] for steps in X[1:]]],
}


@pytest.mark.parametrize(
    "elements", ELEMENTS_OF_ONE_CHANNEL.values(), ids=ELEMENTS_OF_ONE_CHANNEL
)
def test_one_dimensional_sequences_have_one_channel(elements):
    X = one_channel(make_ragged())
    assert_holds(read(elements(X)), [steps[:, np.newaxis] for steps in X])


def test_arrays_of_equal_length_in_a_list_are_sequences():
    X = list(make_cube(shape=(5, 4, 1))[:, :, 0])
    estimator = StepMean().fit(X)
    assert_holds(estimator.read(X), [steps[:, np.newaxis] for steps in X])
    assert estimator.n_features_in_ == 1


@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 4)])
def test_even_nested_lists_are_arrays(shape):
    X = make_cube(shape=shape)
    expected, found = StepMean().fit(X), StepMean().fit(X.tolist())
    assert found.n_features_in_ == expected.n_features_in_ == shape[-1]
    assert_holds(found.read(X.tolist()), unpack(expected.read(X)))


def test_row_of_a_table_is_a_sequence_of_one_channel():
    X = make_cube(shape=(5, 4))
    assert_holds(read(X), [row[:, np.newaxis] for row in X])


def test_n_channels_splits_a_row_time_first():
    X = make_cube()
    assert_holds(read(X.reshape(5, 12), n_channels=3), list(X))


@pytest.mark.parametrize("window", [1, 4, 30, 31, 10**30])
def test_window_is_a_row_and_its_past(window):
    X = make_table().drop(columns="series")
    assert_holds(read(X, window=window), past_of_each_row(X, window))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("window", [1, 4, 100])
def test_window_stays_within_the_series_of_its_row(window, seed):
    X = make_table(seed)
    assert_holds(
        read(X, window=window, group_column="series"),
        past_of_each_row_in_its_series(X, window, "series"),
    )


LABELS = {
    "integers": lambda names: names.map({"north": 7, "south": -2, "west": 0}),
    "dates": lambda names: pd.to_datetime(
        names.map({"north": "2001-01-01", "south": "1999-01-01", "west": "2030-01-01"})
    ),
    "categories": lambda names: names.astype("category"),
    "tuples": lambda names: names.map(lambda name: (name, 1)),
    "types mixed": lambda names: names.astype(object).replace("west", 1),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_of_series_may_be_of_any_type(labels):
    X = make_table()
    expected = unpack(read(X, window=4, group_column="series"))
    X["series"] = labels(X["series"])
    assert_holds(read(X, window=4, group_column="series"), expected)
    assert_holds(read(X, window=4, group_column=-2), expected)


def test_rows_of_a_series_share_the_row_where_it_begins():
    X = make_table()
    sequences = read(X, window=4, group_column="series").take(np.arange(30))
    for _, rows in X.reset_index(drop=True).groupby("series"):
        assert_array_equal(
            sequences.series[rows.index], sequences.starts[rows.index[0]]
        )
    assert_array_equal(read(make_cube()[0], window=2).series, [0, 0, 0, 0])
    assert read(make_cube()).series is None


@pytest.mark.parametrize("position", [1, -2])
@pytest.mark.parametrize("convert", [lambda X: X, pd.DataFrame.to_numpy])
def test_group_column_may_be_a_position(convert, position):
    X = make_table()
    expected = unpack(read(X, window=4, group_column="series"))
    assert_holds(read(convert(X), window=4, group_column=position), expected)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<i8", ">i8"])
@pytest.mark.parametrize("convert", [np.asarray, lambda X: pd.DataFrame(X)])
def test_group_labels_may_have_any_byte_order(dtype, convert):
    X = make_table().assign(series=np.arange(len(make_table())) % 3)
    expected = unpack(read(X, window=4, group_column=1))
    X = X.to_numpy().astype(dtype)
    if dtype[1] == "i":
        expected = unpack(read(X.astype(int), window=4, group_column=1))
    assert_holds(read(convert(X), window=4, group_column=1), expected)


def test_column_name_goes_before_position():
    X = make_table()[["series", "load", "heat"]]
    expected = unpack(read(X, window=4, group_column="series"))
    X.columns = [2, 0, 1]
    assert_holds(read(X, window=4, group_column=2), expected)


def test_series_unseen_at_fit_are_told_apart():
    X = make_table()
    estimator = StepMean(window=4, group_column="series").fit(X)
    new = make_table(seed=1).replace({"series": {"west": "east"}})
    expected = past_of_each_row_in_its_series(new, 4, "series")
    assert_holds(estimator.read(new, reset=False), expected)


# --- memory --------------------------------------------------------------------------

FORMS = {
    "rows": (make_cube(shape=(6, 4)), {}),
    "rows of steps": (make_cube(shape=(6, 12)), {"n_channels": 3}),
    "window": (make_cube(shape=(30, 4)), {"window": 5}),
    "3-D": (make_cube(), {}),
}
forms = pytest.mark.parametrize(("X", "parameters"), FORMS.values(), ids=FORMS)


@forms
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_share_memory_with_contiguous_x(X, parameters, dtype):
    X = X.astype(dtype)
    sequences = read(X, dtype=dtype, **parameters)
    assert np.shares_memory(sequences.values, X)
    assert sequences.values.size == X.size


def unaligned(X):
    buffer = np.empty(X.nbytes + 1, dtype=np.uint8)
    copy = buffer[1:].view(X.dtype).reshape(X.shape)
    copy[...] = X
    assert not copy.flags.aligned
    return copy


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def on_disk(X):
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, dtype=X.dtype, mode="w+", shape=X.shape)
    mapped[...] = X
    mapped.flags.writeable = False
    return mapped


LAYOUTS = {
    "Fortran order": np.asfortranarray,
    "strided": lambda X: np.repeat(X, 2, axis=-1)[..., ::2],
    "reversed": lambda X: X[::-1].copy()[::-1],
    "big endian": lambda X: X.astype(X.dtype.newbyteorder(">")),
    "unaligned": unaligned,
    "read-only": read_only,
    "memory map": on_disk,
    "objects": lambda X: X.astype(object),
}
layouts = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@forms
@layouts
@dtypes
def test_layout_of_an_array_does_not_matter(X, parameters, layout, dtype):
    X = X.astype(dtype)
    expected = unpack(read(X, dtype=dtype, **parameters))
    assert_holds(read(layout(X), dtype=dtype, **parameters), expected, dtype)


@layouts
@dtypes
def test_layout_of_ragged_sequences_does_not_matter(layout, dtype):
    X = [steps.astype(dtype) for steps in make_ragged()]
    assert_holds(read([layout(X[0])], dtype=dtype), X[:1], dtype)
    assert_holds(read([layout(steps) for steps in X], dtype=dtype), X, dtype)


@forms
@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "bool", "float16"])
def test_numbers_of_any_type_are_converted(X, parameters, dtype):
    X = (10 * np.abs(X)).astype(dtype)
    expected = unpack(read(X.astype(np.float32), **parameters))
    assert_holds(read(X, **parameters), expected)


def test_nullable_columns_without_missing_values_are_numbers():
    X = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5], "c": [True, False, True]})
    nullable = X.astype({"a": "Int64", "b": "Float64", "c": "boolean"})
    numbers = X.to_numpy(dtype=np.float32)
    assert_holds(read(nullable), [row[:, np.newaxis] for row in numbers])
    assert_holds(read([nullable, nullable[:2]]), [numbers, numbers[:2]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_x_is_never_modified(dtype):
    table = make_table()
    ragged = make_ragged()
    cube = make_cube()
    read(table, window=3, group_column="series", dtype=dtype)
    read(ragged, dtype=dtype)
    read(cube, dtype=dtype)
    pd.testing.assert_frame_equal(table, make_table())
    assert_array_equal(cube, make_cube())
    for steps, expected in zip(ragged, make_ragged(), strict=True):
        assert_array_equal(steps, expected)


def test_take_keeps_the_values():
    X = make_ragged()
    sequences = read(X)
    taken = sequences.take(np.array([4, 0, 4]))
    assert taken.values is sequences.values
    assert taken.n_channels == 3
    assert_holds(taken, [X[4], X[0], X[4]])


def test_sequences_can_be_pickled():
    sequences = read(make_ragged())
    copy = pickle.loads(pickle.dumps(sequences))
    assert isinstance(copy, Sequences)
    assert_holds(copy, unpack(sequences))


# --- what the estimator is told ----------------------------------------------------


@pytest.mark.parametrize(
    ("X", "parameters", "n_features", "n_channels"),
    [
        (make_cube(shape=(5, 12)), {}, 12, 1),
        (make_cube(shape=(5, 12)), {"n_channels": 3}, 12, 3),
        (make_cube(shape=(5, 12)), {"window": 2}, 12, 12),
        (make_table(), {"window": 2, "group_column": "series"}, 3, 2),
        (make_cube(), {}, 3, 3),
        (make_ragged(), {}, 3, 3),
        (one_channel(make_ragged()), {}, 1, 1),
    ],
)
def test_n_features_in_is_columns_or_channels(X, parameters, n_features, n_channels):
    estimator = StepMean(**parameters)
    assert estimator.read(X).n_channels == n_channels
    assert estimator.n_features_in_ == n_features


def test_names_of_columns_include_the_group_column():
    X = make_table()
    estimator = StepMean(window=2, group_column="series").fit(X)
    assert list(estimator.feature_names_in_) == ["load", "series", "heat"]
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.transform(X[["series", "load", "heat"]])


def test_names_of_channels_are_those_of_the_frames():
    frames = [pd.DataFrame(steps, columns=["a", "b", "c"]) for steps in make_ragged()]
    estimator = StepMean().fit(frames)
    assert list(estimator.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.transform([frame[["b", "a", "c"]] for frame in frames])


def test_frames_among_arrays_have_no_names():
    X = make_ragged()
    X[0] = pd.DataFrame(X[0], columns=["a", "b", "c"])
    assert not hasattr(StepMean().fit(X), "feature_names_in_")


def test_refit_without_names_forgets_them():
    estimator = StepMean().fit([pd.DataFrame({"a": [1.0]})])
    assert not hasattr(estimator.fit(make_ragged()), "feature_names_in_")


@pytest.mark.parametrize(
    ("X", "new", "parameters"),
    [
        (make_cube(), make_ragged(), {}),
        (make_ragged(), make_cube(), {}),
        (make_cube(), make_cube().reshape(5, 12), {"n_channels": 3}),
        (make_cube().reshape(5, 12), make_ragged(), {"n_channels": 3}),
        (make_cube().reshape(5, 12), make_cube(), {"n_channels": 3}),
        (make_cube(shape=(5, 4)), one_channel(make_ragged()), {}),
        (one_channel(make_ragged()), make_cube(shape=(5, 4)), {}),
        ([[1.0, 2.0], [3.0]], [[1.0, 2.0], [3.0, 4.0]], {}),
    ],
)
def test_forms_of_as_many_channels_replace_each_other(X, new, parameters):
    estimator = StepMean(**parameters).fit(X)
    expected = unpack(StepMean(**parameters).read(new))
    assert_holds(estimator.read(new, reset=False), expected)


def test_another_form_is_not_held_to_the_names_of_the_fit():
    frame = pd.DataFrame(make_cube(shape=(5, 4)), columns=["a", "b", "c", "d"])
    StepMean().fit(frame).transform(make_cube(shape=(2, 3, 1)))
    sequences = [pd.DataFrame({"a": [1.0, 2.0]})]
    StepMean().fit(sequences).transform(frame)


@pytest.mark.parametrize(
    ("X", "new", "parameters", "match"),
    [
        (make_cube(), make_cube(shape=(5, 4, 2)), {}, r"2 channel\(s\).*expecting 3"),
        (make_cube(), make_ragged(n_channels=2), {}, r"2 channel\(s\).*expecting 3"),
        (make_ragged(), make_cube()[0], {}, r"1 channel\(s\).*expecting 3.*\[sequence"),
        (make_cube()[0], make_cube(), {}, r"3 channel\(s\).*StepMean is expecting 1"),
        (make_cube()[0], make_cube(shape=(4, 2)), {}, "2 features.*expecting 3 feat"),
        (make_cube()[0], make_cube(shape=(4, 2)), {"window": 2}, "2 features"),
        (make_ragged(), make_cube()[0, :, :2], {"n_channels": 3}, "does not divide"),
    ],
)
def test_other_channels_than_those_of_the_fit_are_refused(X, new, parameters, match):
    estimator = StepMean(**parameters).fit(X)
    with pytest.raises(ValueError, match=match):
        estimator.transform(new)


# --- what is refused ----------------------------------------------------------------


def spoiled(X, place, value):
    X = np.array(X, dtype=np.float64)
    X[place] = value
    return X


def in_each_form(place, value):
    """X with `value` at (sample, step, channel), and how an error names the place."""
    sample, step, channel = place
    cube = spoiled(make_cube(), place, value)
    ragged = make_ragged()
    ragged[sample] = spoiled(make_cube()[sample], (step, channel), value)
    named = f"sample {sample}, step {step}, channel {channel}"
    frame = pd.DataFrame(cube[sample], columns=["a", "b", "c"])
    frame.insert(1, "series", "north")
    return [
        (cube, {}, named),
        (np.asfortranarray(cube), {}, named),
        (ragged, {}, named),
        (cube.astype(object), {}, named),
        ([steps.tolist() for steps in ragged], {}, named),
        (cube[sample], {}, f"row {step}, column {channel}"),
        (cube[sample], {"window": 2}, f"row {step}, column {channel}"),
        (frame, {"window": 2, "group_column": "series"}, f"row {step}, column 'c'"),
    ]


PLACES = [(3, 1, 2), (2, 0, 2)]
UNUSABLE = [
    (np.nan, r"Input X contains NaN\..*"),
    (np.inf, r"Input X contains infinity\..*"),
    (-np.inf, r"Input X contains infinity\..*"),
    (1e39, r"1e\+39 in "),
    (-1e300, r"-1e\+300 in "),
]


@pytest.mark.parametrize("form", range(8))
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("value", "match"), UNUSABLE)
def test_place_of_an_unusable_value_is_named(value, match, place, form):
    X, parameters, named = in_each_form(place, value)[form]
    with pytest.raises(ValueError, match=match + named):
        read(X, **parameters)
    estimator = StepMean(**parameters)
    estimator.fit(in_each_form(place, 0.0)[form][0])
    with pytest.raises(ValueError, match=match + named):
        estimator.transform(X)


@pytest.mark.parametrize("form", range(8))
def test_large_values_fit_into_float64(form):
    X, parameters, _ = in_each_form(PLACES[0], 1e300)[form]
    with pytest.raises(ValueError, match="float32: scale X or use dtype='float64'"):
        read(X, **parameters)
    assert np.max(read(X, dtype="float64", **parameters).values) == 1e300


def test_values_whose_sum_overflows_are_finite():
    X = np.full((3, 4, 2), np.finfo(np.float32).max, dtype=np.float32)
    assert_holds(read(X), list(X))


@pytest.mark.parametrize("missing", [None, pd.NA, np.nan])
def test_missing_values_are_refused_as_nan(missing):
    column = pd.array([1, missing], dtype="Int64")
    with pytest.raises(ValueError, match=r"NaN.*sample 1, step 1, channel 0"):
        read([pd.Series([1.0, 2.0]), pd.Series(column)])
    with pytest.raises(ValueError, match=r"NaN.*sample 1, step 1, channel 0"):
        read([[1.0, 2.0, 3.0], np.array([1.0, missing], dtype=object)])
    with pytest.raises(ValueError, match=r"NaN.*row 1, column 'b'"):
        read(pd.DataFrame({"a": [1.0, 2.0], "b": column}))


A = make_cube()
DATES = pd.date_range("2020-01-01", periods=4)
REFUSED = {
    "None": (None, TypeError, "X is of type NoneType: expected"),
    "string": ("abc", TypeError, "X is of type str: expected"),
    "dict": ({"a": [1.0]}, TypeError, "X is of type dict: expected"),
    "set": ({1.0}, TypeError, "X is of type set: expected"),
    "generator": ((x for x in A), TypeError, "X is of type generator: expected"),
    "object": (object(), TypeError, "X is of type object: expected"),
    "scalar": (3.0, ValueError, "X is a single value, 3.0"),
    "0-D": (np.array(3.0), ValueError, "X is a single value, 3.0"),
    "1-D": (A[0, 0], ValueError, "Reshape your data"),
    "list of numbers": ([1, 2, 3], ValueError, "Reshape your data"),
    "4-D": (A[np.newaxis], ValueError, r"X has 4 dimensions \(1, 5, 4, 3\): expected"),
    "no rows": (A[0, :0], ValueError, r"0 sample\(s\)"),
    "no columns": (A[0, :, :0], ValueError, r"0 feature\(s\)"),
    "no samples": (A[:0], ValueError, r"0 sample\(s\)"),
    "no steps": (A[:, :0], ValueError, "X has shape .* at least one step"),
    "no channels": (A[:, :, :0], ValueError, "X has shape .* one channel"),
    "empty list": ([], ValueError, r"0 sample\(s\)"),
    "empty tuple": ((), ValueError, r"0 sample\(s\)"),
    "empty sequence": ([A[0], A[1, :0]], ValueError, "sample 1 of X is empty"),
    "empty nested": ([[1.0], []], ValueError, "sample 1 of X is empty"),
    "empty channels": ([A[0], A[1, :, :0]], ValueError, "sample 1 of X is empty"),
    "uneven": ([A[0], A[1, :, :2]], ValueError, r"sample 1 of X has 2 channel\(s\)"),
    "uneven steps": ([[[1, 2], [3]], [[1]]], ValueError, "sample 0 of X .* differ"),
    "0-D element": ([np.array(1.0)], ValueError, r"sample 0 of X has 0 dimension"),
    "3-D element": ([A[0], A], ValueError, r"sample 1 of X has 3 dimension"),
    "number": ([A[0], 3.0], TypeError, "sample 1 of X is of type float"),
    "None element": ([A[0], None], TypeError, "sample 1 of X is of type NoneType"),
    "sets": ([{1}, {2}], TypeError, "sample 0 of X is of type set"),
    "dicts": ([{"a": 1}], TypeError, "sample 0 of X is of type dict"),
    "iterators": ([iter([1])], TypeError, "sample 0 of X is of type list_iterator"),
    "texts": (
        np.array(["ab", "c"], dtype=object),
        TypeError,
        "sample 0 of X is of type str",
    ),
    "strings": (A.astype(str), ValueError, "X holds <U32 data: real numbers"),
    "bytes": (A.astype("S9"), ValueError, r"X holds \|S9 data: real numbers"),
    "ragged strings": ([["1"], ["2", "3"]], ValueError, "sample 0 of X holds <U1"),
    "object string": (
        [A[0], np.array([[1.0, 2.0, "3"]], dtype=object)],
        TypeError,
        "sample 1, step 0, channel 2 of X is '3', of type str",
    ),
    "object list": (
        [np.array([[1.0, [2.0]]], dtype=object)],
        TypeError,
        "sample 0, step 0, channel 1 of X is .* of type list",
    ),
    "dates 2-D": (A[0].astype("M8[s]"), TypeError, "X holds datetime64"),
    "dates 3-D": (A.astype("M8[s]"), ValueError, "X holds datetime64"),
    "durations 2-D": (A[0].astype("m8[s]"), TypeError, "X holds timedelta64"),
    "durations": ([A[0].astype("m8[s]")], ValueError, "sample 0 of X holds timedelta"),
    "date column": (
        pd.DataFrame({"a": 1.0, "at": DATES}),
        TypeError,
        "X holds datetime64.* column 'at'",
    ),
    "time zone": (
        pd.DataFrame({"a": 1.0, "at": DATES.tz_localize("UTC")}),
        TypeError,
        "X holds datetime64.* column 'at'",
    ),
    "date in a frame": (
        [pd.DataFrame({"a": 1.0, "at": DATES})],
        TypeError,
        "sample 0, step 0, channel 1 of X is Timestamp",
    ),
    "complex 2-D": (A[0] + 1j, ValueError, "Complex data not supported"),
    "complex 3-D": (A + 1j, ValueError, "Complex data not supported"),
    "complex ragged": ([A[0] + 1j], ValueError, "Complex data not supported: sample 0"),
    "records": ([np.zeros(3, dtype="f4,f4")], ValueError, "sample 0 of X holds"),
    "sparse": (sparse.csr_array(A[0]), TypeError, "Sparse data was passed for X"),
    "sparse 3-D": (sparse_cube(A), TypeError, "Sparse data was passed for X"),
    "sparse matrices": ([sparse.eye(3)], TypeError, "sample 0 of X is sparse"),
    "sparse arrays": ([A[0], sparse.eye_array(3)], TypeError, "sample 1 of X is spars"),
    "masked 2-D": (np.ma.masked_less(A[0], 0.0), ValueError, "masked values"),
    "masked 3-D": (np.ma.masked_less(A, 0.0), ValueError, "masked values"),
    "masked": ([A[0], np.ma.masked_less(A[1], 0.0)], ValueError, "sample 1 .*masked"),
    "huge integer": ([[10**400], [1, 2]], ValueError, "sample 0 .* fit into float64"),
    "huge integer 2-D": ([[10**400, 2]], ValueError, "X .* not fit into float64"),
    "other columns": (
        [
            pd.DataFrame({"a": [1], "b": [2]}),
            A[0, :, :2],
            pd.DataFrame({"b": [1], "a": 2}),
        ],
        ValueError,
        r"sample 2 of X has the columns \['b', 'a'\], but sample 0 has \['a', 'b'\]",
    ),
    "other columns, not to be compared": (
        [pd.DataFrame({pd.NA: [1]}), pd.DataFrame({"a": [1]})],
        ValueError,
        r"sample 1 of X has the columns \['a'\], but sample 0 has \[<NA>\]",
    ),
}


@pytest.mark.parametrize(("X", "error", "match"), REFUSED.values(), ids=REFUSED)
def test_x_is_refused(X, error, match):
    with pytest.raises(error, match=match):
        read(X)


def test_mask_without_masked_values_is_no_obstacle():
    X = make_cube()
    assert_holds(read(np.ma.array(X)), list(X))


T = make_table()
REFUSED_PARAMETERS = {
    "no window": (T, {"group_column": "series"}, "group_column='series' needs window"),
    "3-D window": (A, {"window": 3}, "window=3 needs 2-D X.* X is 3-D"),
    "ragged window": (list(A), {"window": 3}, "window=3 needs 2-D X.* X is a list"),
    "no such name": (
        T,
        {"window": 3, "group_column": "at"},
        "column 'at' .* is missing from X, whose columns are 'load', 'series', 'heat'",
    ),
    "no names": (A[0], {"window": 3, "group_column": "at"}, "'at' is a name, but X is"),
    "position": (A[0], {"window": 3, "group_column": 3}, "=3 is neither .* 3 columns"),
    "negative": (A[0], {"window": 3, "group_column": -4}, "=-4 is neither"),
    "two names": (
        pd.concat([T, T[["series"]]], axis=1),
        {"window": 3, "group_column": "series"},
        "X has several columns named 'series'",
    ),
    "labels alone": (T[["series"]], {"window": 3, "group_column": 0}, "1 columns"),
    "n_channels rows": (A[0], {"n_channels": 2}, "3 features, which n_channels=2"),
    "n_channels 3-D": (A, {"n_channels": 2}, r"X has 3 channel\(s\), but n_channels=2"),
    "n_channels window": (A[0], {"window": 2, "n_channels": 2}, r"3 channel\(s\), but"),
    "1-D window": (A[0, 0], {"window": 3, "group_column": 0}, "Reshape your data"),
}


@pytest.mark.parametrize(
    ("X", "parameters", "match"), REFUSED_PARAMETERS.values(), ids=REFUSED_PARAMETERS
)
def test_parameters_that_do_not_go_with_x_are_refused(X, parameters, match):
    with pytest.raises(ValueError, match=match):
        read(X, **parameters)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_row_without_a_label_is_refused(missing):
    X = make_table().astype({"series": object})
    X.loc[5, "series"] = missing
    with pytest.raises(ValueError, match="row 5 of X has no label"):
        read(X, window=3, group_column="series")


def test_labels_that_cannot_be_hashed_are_refused():
    X = make_table()
    X["series"] = [[name] for name in X["series"]]
    with pytest.raises(TypeError, match="group_column must be hashable"):
        read(X, window=3, group_column="series")


def test_sparse_windows_are_refused():
    with pytest.raises(TypeError, match="Sparse data was passed for X"):
        read(sparse.dia_array(A[0]), window=3, group_column=0)


def test_table_of_dates_is_refused_whatever_its_labels():
    with pytest.raises(TypeError, match="X holds datetime64"):
        read(A[0].astype("M8[s]"), window=3, group_column=0)
