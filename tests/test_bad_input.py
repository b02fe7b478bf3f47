"""Whatever is wrong with an argument, an error names it; what is given stays as it is.

`test_sequences.py` has what can be wrong with X in all detail. Here is what users meet:
the estimators, from `fit` to the last of their methods.
"""

import copy
import datetime
import math
import re
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sparse_cube import sparse_cube

from sklstm import LSTMClassifier, LSTMRegressor, _memory

# Most fits here are cut short on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL = {"hidden_layer_sizes": 4, "max_iter": 2, "random_state": 0}
N_SAMPLES = 12

ESTIMATORS = {"classifier": LSTMClassifier, "regressor": LSTMRegressor}
both = pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)

METHODS = {
    LSTMClassifier: ["predict", "predict_proba", "predict_log_proba", "transform"],
    LSTMRegressor: ["predict", "transform"],
}


def make_cube():
    return np.random.default_rng(0).normal(size=(N_SAMPLES, 4, 3))


def make_ragged():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, 3)) for n in rng.integers(1, 6, size=N_SAMPLES)]


def make_table():
    return np.random.default_rng(0).normal(size=(N_SAMPLES, 6))


def make_frame():
    frame = pd.DataFrame(make_table()[:, :3], columns=["load", "heat", "wind"])
    return frame.assign(series=["north", "south", "west"] * 4)


# For each form of X: how it is made, and what parameters it needs.
FORMS = {
    "3-D": (make_cube, {}),
    "ragged": (make_ragged, {}),
    "rows": (make_table, {"n_channels": 3}),
    "window": (make_table, {"window": 3}),
    "series": (make_frame, {"window": 3, "group_column": "series"}),
}
all_forms = pytest.mark.parametrize("form", FORMS)


def make_y(estimator):
    if estimator is LSTMClassifier:
        return np.arange(N_SAMPLES) % 3
    return np.random.default_rng(1).normal(size=N_SAMPLES)


def make_fitted(estimator, form, **parameters):
    make_X, needed = FORMS[form]
    model = estimator(**SMALL, **needed, **parameters)
    return model.fit(make_X(), make_y(estimator))


def with_value(X, place, value):
    """X with `value` at `place`: (sample, step, channel), or (row, column)."""
    if isinstance(X, pd.DataFrame):
        X = X.astype({X.columns[place[1]]: type(value)})
        X.iloc[place] = value
        return X
    if isinstance(X, list):
        X = list(X)
        X[place[0]] = with_value(X[place[0]], place[1:], value)
        return X
    X = X.astype(np.result_type(X, type(value)))
    X[place] = value
    return X


# --- X ------------------------------------------------------------------------------

# Where a value is spoiled, and how an error names the place.
PLACES = {
    "3-D": ((7, 3, 1), "sample 7, step 3, channel 1"),
    "ragged": ((3, 0, 2), "sample 3, step 0, channel 2"),
    "rows": ((5, 4), "row 5, column 4"),
    "window": ((5, 4), "row 5, column 4"),
    "series": ((5, 1), "row 5, column 'heat'"),
}
UNUSABLE = {
    "NaN": (np.nan, "X contains NaN."),
    "infinity": (np.inf, "X contains infinity."),
    "minus infinity": (-np.inf, "X contains infinity."),
}
all_unusable = pytest.mark.parametrize(
    ("value", "found"), UNUSABLE.values(), ids=UNUSABLE
)


def spoil(form, value):
    """X of a form with one value spoiled, and how an error names the place."""
    place, named = PLACES[form]
    return with_value(FORMS[form][0](), place, value), re.escape(named)


@both
@all_forms
@all_unusable
def test_fit_names_the_place_of_an_unusable_value(estimator, form, value, found):
    X, place = spoil(form, value)
    model = estimator(**SMALL, **FORMS[form][1])
    with pytest.raises(ValueError, match=re.escape(found) + f".*{place}"):
        model.fit(X, make_y(estimator))


@both
@all_forms
@all_unusable
def test_methods_name_the_place_of_an_unusable_value(estimator, form, value, found):
    X, place = spoil(form, value)
    model = make_fitted(estimator, form)
    for method in METHODS[estimator]:
        with pytest.raises(ValueError, match=re.escape(found) + f".*{place}"):
            getattr(model, method)(X)


@both
@all_forms
def test_values_too_large_for_float32_fit_into_float64(estimator, form):
    X, place = spoil(form, 1e39)
    model = make_fitted(estimator, form, standardize=False)
    found = rf"1e\+39 in {place} of X does not fit into float32: scale X"
    for method in ("fit", *METHODS[estimator]):
        y = [make_y(estimator)] if method == "fit" else []
        with pytest.raises(ValueError, match=found):
            getattr(model, method)(X, *y)
    model = make_fitted(estimator, form, standardize=False, dtype="float64")
    assert len(model.predict(X)) == N_SAMPLES
    assert len(model.fit(X, make_y(estimator)).predict(X)) == N_SAMPLES


@both
@all_forms
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_largest_values_give_finite_results(estimator, form, dtype):
    make_X, parameters = FORMS[form]
    X = make_X()
    largest = np.finfo(dtype).max
    if form == "series":
        X[["load", "heat", "wind"]] = np.where(X.drop(columns="series") > 0, 1, -1)
        X[["load", "heat", "wind"]] *= float(largest)
    elif form == "ragged":
        X = [np.where(x > 0, largest, -largest) for x in X]
    else:
        X = np.where(X > 0, largest, -largest)
    model = estimator(**SMALL, **parameters, dtype=dtype).fit(X, make_y(estimator))
    for method in METHODS[estimator]:
        result = getattr(model, method)(X)
        assert len(result) == N_SAMPLES
        assert np.isfinite(result).all()


CUBE, RAGGED, TABLE, FRAME = make_cube(), make_ragged(), make_table(), make_frame()
DATES = pd.date_range("2020-01-01", periods=N_SAMPLES)
TEXTS = np.array(["low", "high"] * (N_SAMPLES // 2))


def with_column(values):
    return FRAME.assign(heat=values)


def of_objects(*objects):
    column = np.empty((N_SAMPLES, 6), dtype=object)
    column[...] = TABLE
    column[5, 4 : 4 + len(objects)] = objects
    return column


class Unreadable:
    """Claims to be an array, and fails with an error that names nothing."""

    def __array__(self, *args, **kwargs):
        raise RuntimeError("locked")


DURATION = np.timedelta64(1, "s")  # an Integral, as it says
# Beyond float64; infinite where the platform has no such numbers.
HUGE = np.longdouble("1e400")


# Form of X in the fit, what is given instead of it, and what the error says.
BAD_X = {
    "None": ("3-D", None, TypeError, "X is of type NoneType: expected"),
    "a number": ("3-D", 3, ValueError, "X is a single value, 3: expected"),
    "0-D": ("3-D", np.array(1.5), ValueError, "X is a single value, 1.5: expected"),
    "a string": ("3-D", "abc", TypeError, "X is of type str: expected"),
    "a dict": ("3-D", {"a": [1]}, TypeError, "X is of type dict: expected"),
    "an object": ("3-D", object(), TypeError, "X is of type object: expected"),
    "an object with columns": (
        "rows",
        SimpleNamespace(columns=["a"]),
        TypeError,
        "X is of type SimpleNamespace: expected",
    ),
    "the type of tables": ("rows", pd.DataFrame, TypeError, "X is of type type: expec"),
    "a generator": ("ragged", (x for x in CUBE), TypeError, "X is of type generator"),
    "1-D": ("rows", TABLE[:, 0], ValueError, "Reshape your data"),
    "4-D": ("3-D", CUBE[None], ValueError, r"X has 4 dimensions \(1, 12, 4, 3\): exp"),
    "no samples": ("3-D", CUBE[:0], ValueError, r"0 sample\(s\).* X is empty"),
    "no steps": ("3-D", CUBE[:, :0], ValueError, r"X has shape \(12, 0, 3\).*one step"),
    "no channels": ("3-D", CUBE[:, :, :0], ValueError, r"\(12, 4, 0\).*one channel"),
    "no sequences": ("ragged", [], ValueError, r"0 sample\(s\).* X is empty"),
    "no rows": ("rows", TABLE[:0], ValueError, r"0 sample\(s\) \(shape=\(0, 6\)\)"),
    "no columns": ("rows", TABLE[:, :0], ValueError, r"0 feature\(s\).*\(12, 0\)"),
    "no rows of a series": ("series", FRAME[:0], ValueError, r"0 sample\(s\)"),
    "empty sequence": (
        "ragged",
        [*RAGGED[:5], RAGGED[5][:0], *RAGGED[6:]],
        ValueError,
        r"sample 5 of X is empty, with shape \(0, 3\)",
    ),
    "uneven channels": (
        "ragged",
        [*RAGGED[:5], RAGGED[5][:, :2], *RAGGED[6:]],
        ValueError,
        r"sample 5 of X has 2 channel\(s\), but sample 0 has 3",
    ),
    "uneven steps": (
        "ragged",
        [[[1, 2], [3]], *RAGGED[1:]],
        ValueError,
        "sample 0 of X is a nested list whose steps differ",
    ),
    "a number among sequences": (
        "ragged",
        [*RAGGED[:5], 3.0, *RAGGED[6:]],
        TypeError,
        "sample 5 of X is of type float: expected an array",
    ),
    "None among sequences": (
        "ragged",
        [*RAGGED[:5], None, *RAGGED[6:]],
        TypeError,
        "sample 5 of X is of type NoneType: expected an array",
    ),
    "sequences of 3 dimensions": (
        "ragged",
        [CUBE] * N_SAMPLES,
        ValueError,
        r"sample 0 of X has 3 dimension\(s\): expected",
    ),
    "sets": ("ragged", [{1, 2}] * N_SAMPLES, TypeError, "sample 0 of X is of type set"),
    "strings, 3-D": ("3-D", CUBE.astype(str), ValueError, "X holds <U.* real numbers"),
    "strings, ragged": (
        "ragged",
        [x.astype(str) for x in RAGGED],
        ValueError,
        "sample 0 of X holds <U32 data: real numbers are required",
    ),
    "a string, ragged": (
        "ragged",
        with_value([x.astype(object) for x in RAGGED], (3, 0, 2), "1"),
        TypeError,
        "sample 3, step 0, channel 2 of X is '1', of type str",
    ),
    "dates, 3-D": ("3-D", CUBE.astype("M8[s]"), ValueError, "X holds datetime64"),
    "dates, ragged": (
        "ragged",
        [x.astype("M8[s]") for x in RAGGED],
        ValueError,
        "sample 0 of X holds datetime64",
    ),
    "dates, rows": ("rows", TABLE.astype("M8[s]"), TypeError, "X holds datetime64"),
    "durations, rows": ("rows", TABLE.astype("m8[s]"), TypeError, "X holds timedelta"),
    "dates, a column": (
        "series",
        with_column(DATES),
        TypeError,
        r"X holds datetime64\[.*\] data, first in column 'heat': real numbers",
    ),
    "dates of a time zone, a column": (
        "series",
        with_column(DATES.tz_localize("UTC")),
        TypeError,
        r"X holds datetime64\[.*UTC\] data, first in column 'heat'",
    ),
    "complex, 3-D": ("3-D", CUBE + 1j, ValueError, "Complex data not supported.* of X"),
    "complex, ragged": (
        "ragged",
        [x + 1j for x in RAGGED],
        ValueError,
        "Complex data not supported: sample 0 of X is complex128",
    ),
    "objects, 3-D": (
        "3-D",
        with_value(CUBE.astype(object), (7, 3, 1), {}),
        TypeError,
        "sample 7, step 3, channel 1 of X is {}, of type dict",
    ),
    "masked, 3-D": ("3-D", np.ma.masked_less(CUBE, 0), ValueError, "X is a masked arr"),
    "masked, rows": ("rows", np.ma.masked_less(TABLE, 0), ValueError, "X is a masked"),
    "sparse, rows": ("rows", sparse.csr_array(TABLE), TypeError, "Sparse data .* X"),
    "sparse, window": ("window", sparse.csc_matrix(TABLE), TypeError, "Sparse .* X"),
    "sparse, ragged": (
        "ragged",
        [sparse.csr_array(x) for x in RAGGED],
        TypeError,
        r"sample 0 of X is sparse, but dense data is required: use .toarray\(\)",
    ),
    "sparse, 3-D": ("3-D", sparse_cube(CUBE), TypeError, "Sparse data .* X"),
    "sparse columns, rows": (
        "rows",
        pd.DataFrame(TABLE).astype(pd.SparseDtype(float, 0.0)),
        TypeError,
        r"column 0 of X is Sparse\[float64, 0.0\], .* use .sparse.to_dense\(\)",
    ),
    "a sparse column": (
        "series",
        with_column(FRAME["heat"].astype(pd.SparseDtype(float))),
        TypeError,
        r"column 'heat' of X is Sparse\[float64, nan\], .* use .sparse.to_dense\(\)",
    ),
    "sparse columns, ragged": (
        "ragged",
        [*RAGGED[:-1], pd.DataFrame(RAGGED[-1]).astype(pd.SparseDtype(float))],
        TypeError,
        r"sample 11 of X is sparse, .* use .sparse.to_dense\(\)",
    ),
    "sparse series, ragged": (
        "ragged",
        [*RAGGED[:-1], pd.Series(TABLE[0], dtype=pd.SparseDtype(float))],
        TypeError,
        r"sample 11 of X is sparse, .* use .sparse.to_dense\(\)",
    ),
    "sparse array of pandas, ragged": (
        "ragged",
        [pd.arrays.SparseArray(TABLE[0]), *RAGGED[1:]],
        TypeError,
        r"sample 0 of X is sparse, .* use .to_dense\(\)",
    ),
    "records, 3-D": (
        "3-D",
        np.zeros((N_SAMPLES, 4, 3), dtype="f4,f4"),
        ValueError,
        r"X is an array of records with the fields f0, f1: .*_to_unstructured\(X\)",
    ),
    "records, rows": (
        "rows",
        pd.DataFrame(TABLE).to_records(index=False),
        ValueError,
        r"X is an array of records with the fields 0, 1, 2, 3, 4, 5: plain",
    ),
    "records, ragged": (
        "ragged",
        [np.zeros(4, dtype="f4,f4")] * N_SAMPLES,
        ValueError,
        "sample 0 of X holds .*: real numbers are required",
    ),
    "no array": (
        "3-D",
        Unreadable(),
        TypeError,
        r"^X, of type Unreadable, .*\(locked\)",
    ),
    "no arrays": (
        "ragged",
        [*RAGGED[:-1], Unreadable()],
        TypeError,
        r"sample 11 of X, of type Unreadable, .*\(locked\)",
    ),
    "missing, series": (
        "series",
        FRAME.assign(series=None),
        ValueError,
        "row 0 of X has no label in its group_column",
    ),
    "numbers too large for float64": (
        "ragged",
        with_value([x.astype(object) for x in RAGGED], (3, 0, 2), 10**400),
        ValueError,
        "sample 3 of X holds a number that does not fit into float64",
    ),
    "a missing value, rows": (
        "rows",
        of_objects(pd.NA),
        ValueError,
        "X contains NaN: row 5, column 4 of X is <NA>",
    ),
    "a missing value, a column": (
        "series",
        with_column(FRAME["heat"].astype(object).where(FRAME.index != 5, pd.NA)),
        ValueError,
        "X contains NaN: row 5, column 'heat' of X is <NA>",
    ),
    "durations among objects, ragged": (
        "ragged",
        with_value([x.astype(object) for x in RAGGED], (3, 0, 2), DURATION),
        TypeError,
        "sample 3, step 0, channel 2 of X is .*timedelta64",
    ),
    "durations among objects, rows": (
        "rows",
        of_objects(DURATION),
        TypeError,
        "row 5, column 4 of X is .*timedelta64",
    ),
    "columns of one name": (
        "rows",
        pd.DataFrame(TABLE, columns=[*"abcabc"]),
        ValueError,
        "X has several columns named 'a'",
    ),
    "columns of one name, ragged": (
        "ragged",
        [pd.DataFrame(x, columns=[*"abb"]) for x in RAGGED],
        ValueError,
        "X has several columns named 'b'",
    ),
    "a frame without columns": (
        "rows",
        pd.DataFrame(index=range(N_SAMPLES)),
        ValueError,
        r"0 feature\(s\).*\(12, 0\)",
    ),
    "numbers too large for float64, rows": (
        "rows",
        of_objects(10**400),
        ValueError,
        "X holds a number that does not fit into float64",
    ),
    "complex, rows": (
        "rows",
        TABLE + 1j,
        ValueError,
        "Complex data not supported: X is",
    ),
    "text, rows": (
        "rows",
        np.tile(TEXTS[:, None], 6),
        ValueError,
        "^row 0, column 0 of X is 'low', a string: real numbers are required$",
    ),
    "text, a column": (
        "series",
        with_column(TEXTS),
        (TypeError, ValueError),
        "column 'heat' of X .*'low'",
    ),
    "text among objects": (
        "rows",
        of_objects("high"),
        (TypeError, ValueError),
        "row 5, column 4 of X is 'high', a string",
    ),
    "objects, rows": (
        "rows",
        of_objects({}),
        TypeError,
        "row 5, column 4 of X is {}, of type dict, .* real numbers are required$",
    ),
    "sequences in the cells of a table": (
        "rows",
        pd.DataFrame({"x": [np.zeros((500, 3))] * N_SAMPLES}),
        TypeError,
        r"row 0, column 'x' of X is array\(.{,60}\.\.\., of type ndarray, "
        ".* required: pass sequences themselves, as a list$",
    ),
    "text, a column numbered by NumPy": (
        "rows",
        pd.DataFrame({np.int64(3): TEXTS}),
        (TypeError, ValueError),
        "column 3 of X is 'low'",
    ),
    "dates among objects": (
        "rows",
        of_objects(datetime.date(2020, 1, 1)),
        TypeError,
        "row 5, column 4 of X is .*date",
    ),
    "complex among objects": (
        "rows",
        of_objects(1j),
        (TypeError, ValueError),
        "row 5, column 4 of X is 1j",
    ),
    "list of texts": ("rows", TEXTS.tolist(), ValueError, "X is 'low', a string"),
    "numbers as text, rows": (
        "rows",
        TABLE.astype(str),
        ValueError,
        "row 0, column 0 of X is '.*', a string",
    ),
    "numbers as text, a column": (
        "series",
        with_column(FRAME["heat"].astype(str)),
        (TypeError, ValueError),
        "column 'heat' of X",
    ),
    "numbers as text among objects": (
        "rows",
        of_objects("1"),
        (TypeError, ValueError),
        "row 5, column 4 of X is '1', a string",
    ),
}
if np.isfinite(HUGE):
    BAD_X |= {
        "long double too large for float64, 3-D": (
            "3-D",
            with_value(CUBE, (7, 3, 1), HUGE),
            ValueError,
            r"1e\+400 in sample 7, step 3, channel 1 of X does not fit into float64",
        ),
        "long double too large for float64, rows": (
            "rows",
            with_value(TABLE, (5, 4), HUGE),
            ValueError,
            r"1e\+400 in row 5, column 4 of X does not fit into float64",
        ),
    }
bad_X = pytest.mark.parametrize(
    ("form", "X", "error", "match"), BAD_X.values(), ids=BAD_X
)


@both
@bad_X
def test_fit_refuses_x(estimator, form, X, error, match):
    model = estimator(**SMALL, **FORMS[form][1])
    with pytest.raises(error, match=match):
        model.fit(X, make_y(estimator))


@both
@bad_X
def test_methods_refuse_x(estimator, form, X, error, match):
    model = make_fitted(estimator, form)
    for method in METHODS[estimator]:
        with pytest.raises(error, match=match):
            getattr(model, method)(X)


@both
@pytest.mark.parametrize("form", ["3-D", "ragged", "rows"])
def test_tensor_that_requires_a_gradient_is_to_be_detached(estimator, form):
    torch = pytest.importorskip("torch")
    X, y = FORMS[form][0](), make_y(estimator)
    if form == "ragged":
        tensors = [torch.tensor(x, requires_grad=True) for x in X]
        match = r"^sample 0 of X, of type Tensor, .* pass X\[0\]\.detach\(\)\.numpy\(\)"
    else:
        tensors = torch.tensor(X, requires_grad=True)
        match = r"^X, of type Tensor, .* pass X\.detach\(\)\.numpy\(\)"
    model = make_fitted(estimator, form)
    for call in (lambda: model.fit(tensors, y), lambda: model.predict(tensors)):
        with pytest.raises(TypeError, match=match):
            call()
    targets = torch.tensor(y.astype(float), requires_grad=True)
    with pytest.raises(TypeError, match=r"^y, .* pass y\.detach\(\)\.numpy\(\)"):
        model.fit(X, targets)


@both
@all_forms
def test_long_doubles_are_numbers_like_others(estimator, form):
    make_X, parameters = FORMS[form]
    X, y = make_X(), make_y(estimator)
    expected = estimator(**SMALL, **parameters).fit(X, y).predict(X)
    if form == "series":
        X = X.astype(dict.fromkeys(["load", "heat", "wind"], np.longdouble))
    else:
        X = in_layout(X, lambda array: array.astype(np.longdouble))
    model = estimator(**SMALL, **parameters).fit(X, y.astype(np.longdouble))
    assert_array_equal(model.predict(X), expected)


@pytest.mark.skipif(np.isinf(HUGE), reason="a long double is a double here")
@pytest.mark.parametrize("form", ["3-D", "ragged", "rows"])
def test_long_double_among_objects_that_float64_cannot_hold_is_refused(form):
    X = in_layout(FORMS[form][0](), lambda array: array.astype(object))
    X[0][0] = X[0][0] * 0 + HUGE
    with pytest.raises(ValueError, match=r"X contains infinity\. The first"):
        make_fitted(LSTMRegressor, form).predict(X)


# Form of X in the fit, what is given instead of it later, and what the error says.
OTHER_X = {
    "3-D, fewer channels": (
        "3-D",
        CUBE[:, :, :2],
        r"2 channel\(s\).* expecting 3 chan",
    ),
    "ragged, fewer channels": (
        "3-D",
        [x[:, :2] for x in RAGGED],
        r"X has 2 channel\(s\), but LSTM\w+ is expecting 3 channel\(s\)",
    ),
    "3-D, more channels": (
        "ragged",
        np.tile(CUBE, 2),
        r"X has 6 channel\(s\), but LSTM\w+ is expecting 3 channel\(s\)",
    ),
    "one sequence": ("ragged", RAGGED[0], r"X has 1 channel.* as \[sequence\]"),
    "one sequence, 1-D": (
        "ragged",
        RAGGED[0][:, 0],
        r"X is 1-D, of shape \(\d+,\)\. Reshape your data: .* is \[sequence\]",
    ),
    "one row, 1-D": ("rows", TABLE[0], r"1-D, of shape \(6,\).*X\.reshape\(1, -1\)"),
    "window, 1-D": ("window", TABLE[0], r"1-D, of shape \(6,\).*X\.reshape\(-1, 1\)"),
    "rows, fewer columns": ("rows", TABLE[:, :3], "X has 3 features, .* expecting 6"),
    "rows, uneven columns": ("rows", TABLE[:, :5], "X has 5 features"),
    "3-D in place of rows": (
        "rows",
        CUBE[:, :, :2],
        r"2 channel\(s\), but n_channels=3",
    ),
    "window, fewer columns": (
        "window",
        TABLE[:, :5],
        "X has 5 features, .* expecting 6",
    ),
    "window, 3-D": ("window", np.tile(CUBE, 2), "window=3 needs 2-D X.* X is 3-D"),
    "window, ragged": ("window", RAGGED, "window=3 needs 2-D X.* X is a list"),
    "series, fewer columns": (
        "series",
        FRAME.drop(columns="wind"),
        "names seen at fit time, yet now missing:\n- wind",
    ),
    "series, other order": (
        "series",
        FRAME[["series", "heat", "load", "wind"]],
        "Feature names must be in the same order",
    ),
    "series, no group column": (
        "series",
        FRAME.drop(columns="series"),
        "column 'series' \\(group_column\\) is missing from X, whose columns are "
        "'load', 'heat', 'wind'$",
    ),
    "series, one channel and no group column": (
        "series",
        FRAME[["load"]],
        "column 'series' .* is missing from X, whose columns are 'load'$",
    ),
    "series, no names": (
        "series",
        TABLE[:, :4],
        "group_column='series' is a name, but X is an array.* give the position of the",
    ),
}


@both
@pytest.mark.parametrize(
    ("X", "parameters", "hint"),
    [
        (TABLE, {}, "; give a single sequence as [sequence], or set n_channels"),
        (TABLE, {"window": 3}, ""),  # 2-D X is due
        (np.tile(CUBE, 2), {}, ""),
        (np.tile(CUBE, 2).tolist(), {}, ""),
        ([np.tile(x, 2) for x in RAGGED], {}, ""),
    ],
    ids=["rows", "window", "3-D", "nested lists", "ragged"],
)
def test_hint_at_other_forms_is_given_where_it_applies(estimator, X, parameters, hint):
    model = make_fitted(estimator, "3-D").set_params(**parameters)
    with pytest.raises(ValueError, match=r"is expecting 3 channel\(s\)") as caught:
        model.predict(X)
    assert str(caught.value).endswith(f"is expecting 3 channel(s) as input{hint}")


@both
@pytest.mark.parametrize(("form", "X", "match"), OTHER_X.values(), ids=OTHER_X)
def test_methods_refuse_x_unlike_that_of_the_fit(estimator, form, X, match):
    model = make_fitted(estimator, form)
    for method in METHODS[estimator]:
        with pytest.raises(ValueError, match=match):
            getattr(model, method)(X)


# X, parameters that do not go with it, and what the error says.
MISMATCHES = {
    "window, 3-D": (CUBE, {"window": 3}, "window=3 needs 2-D X.* X is 3-D"),
    "window, ragged": (RAGGED, {"window": 3}, "window=3 needs 2-D X.* X is a list"),
    "group_column, no window": (
        FRAME,
        {"group_column": "series"},
        "group_column='series' needs window",
    ),
    "group_column, 3-D": (
        CUBE,
        {"group_column": 0, "window": 3},
        "window=3 needs 2-D X.* X is 3-D",
    ),
    "group_column, no such name": (
        FRAME,
        {"window": 3, "group_column": "plant"},
        "column 'plant' \\(group_column\\) is missing from X, whose columns are "
        "'load', 'heat', 'wind', 'series'$",
    ),
    "group_column, in the index": (
        FRAME.set_index("series"),
        {"window": 3, "group_column": "series"},
        r"whose columns are .*'wind'; it is in the index: pass X.reset_index\(",
    ),
    "group_column, no names": (
        TABLE,
        {"window": 3, "group_column": "series"},
        r"is a name, but X is an array.* by set_output\(transform='pandas'\)",
    ),
    "group_column, no such position": (
        TABLE,
        {"window": 3, "group_column": 6},
        "group_column=6 is neither the name of a column of X nor a position in its 6",
    ),
    "group_column, no column besides": (
        FRAME[["series"]],
        {"window": 3, "group_column": "series"},
        "X has 1 columns: one besides group_column",
    ),
    "n_channels, rows": (
        TABLE,
        {"n_channels": 4},
        "X has 6 features, which n_channels=4 does not divide",
    ),
    "n_channels, 3-D": (CUBE, {"n_channels": 2}, r"X has 3 channel\(s\), but n_chann"),
    "n_channels, ragged": (RAGGED, {"n_channels": 2}, r"X has 3 channel\(s\), but n_c"),
    "n_channels, window": (TABLE, {"window": 2, "n_channels": 2}, "but n_channels=2"),
}


@both
@pytest.mark.parametrize(
    ("X", "parameters", "match"), MISMATCHES.values(), ids=MISMATCHES
)
def test_fit_refuses_parameters_that_do_not_go_with_x(estimator, X, parameters, match):
    with pytest.raises(ValueError, match=match):
        estimator(**SMALL, **parameters).fit(X, make_y(estimator))


# --- y ------------------------------------------------------------------------------


def with_entry(y, value, place=7):
    """Whole numbers as objects, with `value` at one place."""
    y = np.array(y, dtype=object)
    y[place] = value
    return y


CLASSES, REAL = make_y(LSTMClassifier), make_y(LSTMRegressor)
LABELS = np.array(["low", "mid", "high"])[CLASSES]

BAD_Y_FOR_BOTH = {
    "None": (None, ValueError, "requires y to be passed, but the target y is None"),
    "a number": (1, TypeError, r"y is of type int: expected an array \(n_samples,\)"),
    "a string": ("abc", TypeError, "y is of type str: expected an array"),
    "a dict": ({"a": 1}, TypeError, "y is of type dict: expected an array"),
    "a set": ({1, 2}, TypeError, "y is of type set: expected an array"),
    "a generator": ((i for i in CLASSES), TypeError, "y is of type generator: exp"),
    "too short": (CLASSES[:-1], ValueError, "y has 11 entries, but X has 12 samples"),
    "too long": ([*CLASSES, 0], ValueError, "y has 13 entries, but X has 12 samples"),
    "empty": ([], ValueError, "y has 0 entries, but X has 12 samples"),
    "no columns": (np.zeros((12, 0)), ValueError, r"y has shape \(12, 0\): expected"),
    "3-D": (np.zeros((12, 2, 2)), ValueError, r"y has shape \(12, 2, 2\): expected"),
    "ragged": ([[1], [1, 2]] * 6, ValueError, "y is ragged: expected an array"),
    "sparse": (sparse.csr_array(CLASSES[:, None]), TypeError, "Sparse y was passed"),
    "sparse matrix": (sparse.csc_matrix(CLASSES[:, None]), TypeError, "Sparse y"),
    "masked": (np.ma.masked_less(CLASSES, 1), ValueError, "y is a masked array"),
    "NaN": (
        with_value(CLASSES, 7, np.nan),
        ValueError,
        r"Input y contains NaN. The first is y\[7\]",
    ),
    "infinity": (
        with_value(CLASSES, 7, -np.inf),
        ValueError,
        r"Input y contains infinity. The first is y\[7\]",
    ),
    "NaN in a column": (
        with_value(np.eye(N_SAMPLES)[:, :2], (7, 1), np.nan),
        ValueError,
        r"Input y contains NaN. The first is y\[7, 1\]",
    ),
    "missing": (
        pd.Series([0, 1] * 6, dtype="Int64").where(CLASSES > 0),
        ValueError,
        r"Input y contains NaN. The first is y\[0\]",
    ),
    "complex": (CLASSES + 1j, ValueError, "Complex data .*: y has dtype complex128"),
    "dates": (CLASSES.astype("M8[D]"), ValueError, "y has dtype datetime64"),
    "durations": (CLASSES.astype("m8[D]"), ValueError, "y has dtype timedelta64"),
    "bytes": (CLASSES.astype("S1"), ValueError, r"y has dtype \|S1"),
    "records": (np.zeros(12, dtype="f4,f4"), ValueError, "y has dtype .*'f0', '<f4'"),
    "no array": (Unreadable(), TypeError, r"^y, of type Unreadable, .*\(locked\)"),
    "sparse columns": (
        pd.DataFrame({"a": CLASSES}).astype(pd.SparseDtype(int)),
        TypeError,
        r"Sparse y was passed, .* y.sparse.to_dense\(\)",
    ),
    "sparse series": (
        pd.Series(CLASSES, dtype=pd.SparseDtype(int)),
        TypeError,
        r"Sparse y was passed, .* y.sparse.to_dense\(\)",
    ),
    "sparse array of pandas": (
        pd.arrays.SparseArray(CLASSES),
        TypeError,
        r"Sparse y was passed, .* y.to_dense\(\)",
    ),
    "the type of tables": (pd.DataFrame, TypeError, "y is of type type: expected"),
}
BAD_CLASSES = {
    "one class": (np.ones(12), ValueError, "y holds 1 class, 1.0: expected at least 2"),
    "one name": (["low"] * 12, ValueError, "y holds 1 class, 'low': expected at le"),
    "real": (REAL, ValueError, "Unknown label type: y is continuous, but class labels"),
    "real in columns": (
        np.column_stack([REAL, REAL]),
        ValueError,
        "Unknown label type: y is continuous-multioutput, but class labels",
    ),
    "too large for an integer": (
        CLASSES * 1e300,
        ValueError,
        "Unknown label type: y is continuous",
    ),
    "several columns of classes": (
        np.column_stack([CLASSES, CLASSES]),
        ValueError,
        r"y has several columns of classes \(multiclass-multioutput\)",
    ),
    "several columns of names": (
        np.column_stack([LABELS, LABELS]),
        ValueError,
        r"y has several columns of classes \(multiclass-multioutput\)",
    ),
    "several columns of 0 and 2": (
        np.eye(2, dtype=int)[CLASSES % 2] * 2,
        ValueError,
        r"y has several columns \(multi-label\) and holds \[0, 2\]: expected 0 and 1",
    ),
    "several columns of -1 and 1": (
        np.eye(2)[CLASSES % 2] * 2 - 1,
        ValueError,
        r"y has several columns .* holds \[-1.0, 1.0\]: expected 0 and 1",
    ),
    "numbers as objects": (
        CLASSES.astype(object),
        ValueError,
        r"Unknown label type: y\[0\] is 0, of type int\. .* must be strings",
    ),
    "names and a number": (
        with_entry(LABELS, 1),
        ValueError,
        r"Unknown label type: y\[7\] is 1, of type int\. .* must be strings",
    ),
    "names and None": (
        with_entry(LABELS, None),
        ValueError,
        r"Unknown label type: y\[7\] is None, of type NoneType\. .* must be strings",
    ),
    "names and NaN": (
        with_entry(LABELS, np.nan),
        ValueError,
        r"Unknown label type: y\[7\] is nan, of type float\. .* must be strings",
    ),
    "dates as objects": (
        DATES.date,
        ValueError,
        r"Unknown label type: y\[0\] is datetime.date\(2020, 1, 1\), of type date\.",
    ),
    "dates of a time zone": (
        pd.Series(DATES.tz_localize("UTC")),
        ValueError,
        r"Unknown label type: y\[0\] is Timestamp\(.*\), of type Timestamp\.",
    ),
    "lists": ([[{}, {}]] * 12, ValueError, r"Unknown label type: y\[0, 0\] is {}"),
}
BAD_REAL_TARGETS = {
    "names": (LABELS, ValueError, "y has dtype <U4, but a regression needs numbers"),
    "numbers as text": (REAL.astype(str), ValueError, "y has dtype <U32, but a regr"),
    "names as objects": (
        LABELS.astype(object),
        TypeError,
        r"y\[0\] is 'low', of type str, but a regression needs numbers",
    ),
    "numbers and text": (
        with_entry(REAL, "1"),
        TypeError,
        r"y\[7\] is '1', of type str, but a regression needs numbers",
    ),
    "categories": (
        pd.Series(LABELS, dtype="category"),
        TypeError,
        r"y\[0\] is 'low', of type str, but a regression needs numbers",
    ),
    "names in a frame": (
        pd.DataFrame({"a": REAL, "b": LABELS}),
        TypeError,
        r"y\[0, 1\] is 'low', of type str, but a regression needs numbers",
    ),
    "numbers and None": (
        with_entry(REAL, None),
        ValueError,
        r"Input y contains NaN. The first is y\[7\]",
    ),
    "dates as objects": (
        DATES.date,
        TypeError,
        r"y\[0\] is datetime.date\(2020, 1, 1\), of type date, but a regression needs",
    ),
    "dates of a time zone": (
        pd.Series(DATES.tz_localize("UTC")),
        TypeError,
        r"y\[0\] is Timestamp\(.*\), of type Timestamp, but a regression needs numbers",
    ),
    "objects": ([{}] * 12, TypeError, r"y\[0\] is {}, of type dict, but a regression"),
    "too large for float64": (
        with_entry(CLASSES, 10**400),
        ValueError,
        r"y\[7\] does not fit into float64",
    ),
    "decimal too large for float64": (
        with_entry(CLASSES, Decimal("-1e400")),
        ValueError,
        r"y\[7\] does not fit into float64",
    ),
    "infinity as an object": (
        with_entry(CLASSES, Decimal("-inf")),
        ValueError,
        r"Input y contains infinity. The first is y\[7\]",
    ),
}
if np.isfinite(HUGE):
    BAD_REAL_TARGETS["long double too large for float64"] = (
        with_value(REAL, 7, HUGE),
        ValueError,
        r"y\[7\] does not fit into float64",
    )


@pytest.mark.parametrize(
    ("estimator", "y", "error", "match"),
    [
        pytest.param(estimator, *case, id=f"{name}, {kind}")
        for kind, own in [("classifier", BAD_CLASSES), ("regressor", BAD_REAL_TARGETS)]
        for estimator in [ESTIMATORS[kind]]
        for name, case in (BAD_Y_FOR_BOTH | own).items()
    ],
)
def test_fit_refuses_y(estimator, y, error, match):
    with pytest.raises(error, match=match):
        estimator(**SMALL).fit(make_cube(), y)


@both
@pytest.mark.parametrize(
    ("window", "hint"),
    [(None, ""), (3, ": with window each row of X is a sample, the first ones too")],
)
def test_y_without_the_first_rows_is_refused_with_a_hint(estimator, window, hint):
    model = estimator(**SMALL, window=window)
    with pytest.raises(ValueError, match="y has 10 entries") as caught:
        model.fit(TABLE, make_y(estimator)[2:])
    assert str(caught.value) == f"y has 10 entries, but X has 12 samples{hint}."


def test_fit_names_a_target_too_large_for_float32():
    X, y = make_cube(), with_value(REAL, 7, -1e39)
    model = LSTMRegressor(**SMALL, normalize_y=False)
    with pytest.raises(ValueError, match=r"y\[7\] = -1e\+39 does not fit into float32"):
        model.fit(X, y)
    assert np.isfinite(model.set_params(normalize_y=True).fit(X, y).predict(X)).all()
    model.set_params(normalize_y=False, dtype="float64")
    assert np.isfinite(model.fit(X, y).predict(X)).all()


def test_target_too_large_in_units_of_the_deviation_is_named():
    """Its own weight is too small for the deviation to grow with it."""
    X, y = make_cube(), with_value(REAL, 7, 1e100)
    weights = with_value(ONES, 7, 1e-300)
    model = LSTMRegressor(**SMALL)
    with pytest.raises(ValueError, match=r"y\[7\] = 1e\+100 does not fit") as caught:
        model.fit(X, y, weights)
    assert "normalize_y" not in str(caught.value)  # which it is already
    model.set_params(dtype="float64")
    assert np.isfinite(model.fit(X, y, weights).predict(X)).all()


@pytest.mark.parametrize("scale", [2.0**-1000, 2.0**-100, 2.0**100, 2.0**1020])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_targets_of_any_scale_are_predicted_on_their_scale(scale, early_stopping):
    X = make_cube()
    parameters = SMALL | {"early_stopping": early_stopping, "validation_fraction": 0.3}
    ref = LSTMRegressor(**parameters).fit(X, REAL)
    comp = LSTMRegressor(**parameters).fit(X, REAL * scale)
    assert_array_equal(comp.predict(X) / scale, ref.predict(X))
    assert comp.validation_scores_ == ref.validation_scores_


@pytest.mark.parametrize("low", [-1.9, 0.1, 1.8])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_sum_of_targets_may_be_too_large_for_float64(low, early_stopping):
    X, y = make_cube(), np.linspace(low, 1.9, N_SAMPLES)
    parameters = SMALL | {"early_stopping": early_stopping, "validation_fraction": 0.3}
    ref = LSTMRegressor(**parameters).fit(X, y)
    comp = LSTMRegressor(**parameters).fit(X, y * 2.0**1023)
    assert_array_equal(comp.predict(X) / 2.0**1023, ref.predict(X))
    assert comp.validation_scores_ == ref.validation_scores_


@pytest.mark.parametrize("constant", [-1e-310, 1e-30, 0.1, 1e30, -1.7e308])
def test_constant_target_of_any_scale_is_predicted(constant):
    X = make_cube()
    model = LSTMRegressor(**SMALL).fit(X, np.full(N_SAMPLES, constant))
    for weight in model.weights_.values():
        weight[:] = 0
    assert_array_equal(model.predict(X), np.full(N_SAMPLES, constant))


def test_prediction_beyond_float64_is_its_largest_number():
    X, y = make_cube(), np.linspace(-1.9, 1.9, N_SAMPLES) * 2.0**1023
    model = LSTMRegressor(**SMALL).fit(X, y)
    model.weights_["head.bias_0"][:] = 100
    assert_array_equal(model.predict(X), np.full(N_SAMPLES, np.finfo(float).max))


NUMBERS = {
    "booleans": CLASSES > 0,
    "small integers": CLASSES.astype(np.int8),
    "half precision": CLASSES.astype(np.float16),
    "objects": CLASSES.astype(object),
    "decimals": [Decimal(int(value)) for value in CLASSES],
    "nullable": pd.Series(CLASSES, dtype="Int64"),
    "a column of a frame": pd.DataFrame({"a": CLASSES})["a"],
}


@pytest.mark.parametrize("y", NUMBERS.values(), ids=NUMBERS)
def test_real_targets_may_be_numbers_of_any_type(y):
    expected = np.array([float(value) for value in y])
    expected = LSTMRegressor(**SMALL).fit(make_cube(), expected).predict(make_cube())
    found = LSTMRegressor(**SMALL).fit(make_cube(), y).predict(make_cube())
    assert_array_equal(found, expected)


@both
@pytest.mark.parametrize(
    ("y", "error", "match"),
    [
        (None, ValueError, "None"),
        ([0] * 11, ValueError, "y has 11 entries, but X has 12 samples"),
        (3, TypeError, "y is of type int: expected"),
        ([10**400] * 12, ValueError, r"\by\b"),
        ([1j] * 12, ValueError, "Complex data not supported: y has"),
        (np.eye(12, 2, dtype=int), ValueError, r"y has shape \(12, 2\), but the pred"),
        (np.zeros((12, 2, 1)), ValueError, r"y has shape \(12, 2, 1\): expected"),
        ([*"abc"] * 4, (ValueError, TypeError), r"\by\b"),
    ],
)
def test_score_refuses_y(estimator, y, error, match):
    with pytest.raises(error, match=match):
        make_fitted(estimator, "3-D").score(make_cube(), y)


@both
def test_score_takes_a_column_of_targets(estimator):
    model, X, y = make_fitted(estimator, "3-D"), make_cube(), make_y(estimator)
    assert model.score(X, y.reshape(-1, 1)) == model.score(X, y)


def test_score_of_targets_of_any_scale_is_a_number():
    X, y = make_cube(), make_y(LSTMRegressor)
    expected = LSTMRegressor(**SMALL).fit(X, y).score(X, y)
    for scale in (2.0**-1000, 2.0**1020):
        model = LSTMRegressor(**SMALL).fit(X, y * scale)
        assert model.score(X, y * scale) == pytest.approx(expected)


def test_score_beyond_float64_is_minus_infinity():
    X, y = make_cube(), make_y(LSTMRegressor)
    assert LSTMRegressor(**SMALL).fit(X, y).score(X, 1e-160 * y) == -np.inf


# --- sample_weight ------------------------------------------------------------------

ONES = np.ones(N_SAMPLES)
BAD_WEIGHTS = {
    "too short": (ONES[1:], ValueError, r"shape \(11,\), .* expected \(12,\)"),
    "2-D": (np.ones((12, 2)), ValueError, r"shape \(12, 2\), .* expected \(12,\)"),
    "a column": (ONES[:, None], ValueError, r"shape \(12, 1\), .* expected \(12,\)"),
    "negative": (
        with_value(ONES, 7, -1.0),
        ValueError,
        r"\[7\] is -1.0: .* at least 0",
    ),
    "negative number": (-1.0, ValueError, r"\[0\] is -1.0: expected .* at least 0"),
    "NaN": (with_value(ONES, 7, np.nan), ValueError, r"contains NaN.*_weight\[7\]"),
    "None": (with_entry(ONES, None), ValueError, r"contains NaN.* sample_weight\[7\]"),
    "infinity": (
        with_value(ONES, 7, np.inf),
        ValueError,
        r"sample_weight contains infinity. The first is sample_weight\[7\]",
    ),
    "zeros": (0 * ONES, ValueError, "is zero throughout"),
    "zero": (0, ValueError, "is zero throughout"),
    "sparse": (sparse.csr_array(ONES[:, None]), TypeError, "Sparse sample_weight"),
    "sparse series": (
        pd.Series(ONES, dtype=pd.SparseDtype(float, 0.0)),
        TypeError,
        r"Sparse sample_weight .* sample_weight.sparse.to_dense\(\)",
    ),
    "sparse array of pandas": (
        pd.arrays.SparseArray(ONES),
        TypeError,
        r"Sparse sample_weight .* sample_weight.to_dense\(\)",
    ),
    "a string": ("abc", ValueError, "has dtype <U3, but weights are numbers"),
    "a dict": ({"a": 1}, TypeError, r"\[0\] is {'a': 1}, of type dict, but weights ar"),
    "names": (LABELS, ValueError, "has dtype <U4, but weights are numbers"),
    "names in a list": (LABELS.tolist(), ValueError, "dtype <U4, but weights are"),
    "names as objects": (
        LABELS.astype(object),
        TypeError,
        r"sample_weight\[0\] is 'low', of type str, but weights are numbers",
    ),
    "objects": ([{}] * 12, TypeError, r"\[0\] is {}, of type dict, but weights are"),
    "ragged": ([[1], [1, 2]] * 6, ValueError, r"ragged: expected .* \(n_samples,\)"),
    "empty": ([], ValueError, r"shape \(0,\), .* expected \(12,\)"),
    "complex": (
        ONES + 1j,
        ValueError,
        "Complex data .*: sample_weight has dtype compl",
    ),
    "dates": (CLASSES.astype("M8[D]"), ValueError, "has dtype datetime64.* are numb"),
    "durations": (CLASSES.astype("m8[D]"), ValueError, "has dtype timedelta64.* are"),
    "durations among objects": (
        with_value(ONES.astype(object), 7, DURATION),
        TypeError,
        r"sample_weight\[7\] is .*timedelta64",
    ),
    "dates of a time zone": (
        pd.Series(DATES.tz_localize("UTC")),
        TypeError,
        r"sample_weight\[0\] is Timestamp\(.*\), of type Timestamp, but weights are",
    ),
    "masked": (np.ma.masked_less(CLASSES, 1), ValueError, "is a masked array"),
    "records": (np.zeros(12, dtype="f4,f4"), ValueError, "has dtype .*'f0', '<f4'"),
    "numbers as text": (ONES.astype(str), ValueError, "<U32, but weights are numbers"),
    "numbers as text in a list": (["1"] * 12, ValueError, "<U1, but weights are numb"),
    "numbers as text, as objects": (
        with_entry(ONES, "1"),
        TypeError,
        r"sample_weight\[7\] is '1', of type str, but weights are numbers",
    ),
    "numbers as text in a series": (
        pd.Series(["1"] * 12),
        TypeError,
        r"sample_weight\[0\] is '1', of type str, but weights are numbers",
    ),
    "NaN alone": (np.nan, ValueError, "contains NaN"),
    "infinity alone": (np.inf, ValueError, "contains infinity"),
    "too large for float64": (
        with_entry(ONES, 10**400),
        ValueError,
        r"sample_weight\[7\] does not fit into float64",
    ),
    "no array": (Unreadable(), TypeError, r"^sample_weight, .* Unreadable, .*\(locked"),
}


@both
@pytest.mark.parametrize(
    ("weights", "error", "match"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS
)
def test_fit_refuses_sample_weight(estimator, weights, error, match):
    with pytest.raises(error, match=match) as caught:
        estimator(**SMALL).fit(make_cube(), make_y(estimator), sample_weight=weights)
    assert "sample_weight" in str(caught.value)


@both
@pytest.mark.parametrize("what", ["too short", "negative", "NaN", "names", "dates"])
def test_score_refuses_sample_weight(estimator, what):
    model, (weights, error, match) = make_fitted(estimator, "3-D"), BAD_WEIGHTS[what]
    with pytest.raises(error, match=match) as caught:
        model.score(make_cube(), make_y(estimator), sample_weight=weights)
    assert "sample_weight" in str(caught.value)


@both
@pytest.mark.parametrize(
    "scale", [2.0**-1000, 2.0**-140, 2.0**-20, 2.0**100, 2.0**500, 2.0**1022]
)
def test_weights_of_any_scale_weigh_alike(estimator, scale):
    X, y = make_cube(), make_y(estimator)
    weights = np.linspace(0.5, 2, N_SAMPLES)
    expected = estimator(**SMALL).fit(X, y, weights).transform(X)
    found = estimator(**SMALL).fit(X, y, weights * scale).transform(X)
    assert_array_equal(found, expected)


@both
@pytest.mark.parametrize("scale", [2.0**-1000, 2.0**-140, 2.0**100, 2.0**1020])
def test_penalty_has_the_scale_of_the_weights(estimator, scale):
    X, y = make_cube(), make_y(estimator)
    weights = np.linspace(0.5, 2, N_SAMPLES)
    expected = estimator(**SMALL, alpha=3).fit(X, y, weights).transform(X)
    model = estimator(**SMALL, alpha=3 * scale).fit(X, y, weights * scale)
    assert_array_equal(model.transform(X), expected)


@both
@pytest.mark.parametrize("scale", [1e-320, 1e-60])
def test_weights_too_small_for_the_penalty_are_refused(estimator, scale):
    model = estimator(**SMALL, alpha=1.0)
    with pytest.raises(ValueError, match=r"alpha=1\.0 .* sample_weight of at most"):
        model.fit(make_cube(), make_y(estimator), ONES * scale)


@both
@pytest.mark.parametrize(
    "convert",
    [
        lambda weights: weights.astype(object),
        lambda weights: weights.astype(np.longdouble),
        lambda weights: [Decimal(weight) for weight in weights],
        lambda weights: pd.Series(weights, dtype="Float64"),
    ],
)
def test_weights_may_be_numbers_of_any_type(estimator, convert):
    X, y = make_cube(), make_y(estimator)
    weights = np.linspace(0, 2, N_SAMPLES)
    expected = estimator(**SMALL).fit(X, y, weights).transform(X)
    found = estimator(**SMALL).fit(X, y, convert(weights)).transform(X)
    assert_array_equal(found, expected)


@both
@pytest.mark.parametrize("weight", [1, 0.3, np.float32(7), np.array(2), True, 1e300])
def test_one_weight_for_all_is_no_weight(estimator, weight):
    X, y = make_cube(), make_y(estimator)
    expected = estimator(**SMALL).fit(X, y).transform(X)
    assert_array_equal(estimator(**SMALL).fit(X, y, weight).transform(X), expected)


# --- parameters ---------------------------------------------------------------------

NO_LAYERS = [
    *[0, -1, 1.5, "4", None, 10**30, np.array(4), np.float32],
    *[(4, 0), (4, -1), (4, 1.5), (4, "4"), [[4]], [True]],
    *[(DURATION,), {4}, frozenset([4, 3]), {4: 3}, {4: 3}.keys(), b"4"],
]
AT_LEAST_1 = [0, -1, 1.5, np.nan, "2", None, [2]]
TOO_LARGE = 10**400  # for a float
ABOVE_0 = [0, -1e-3, np.nan, np.inf, TOO_LARGE, "1", [1], 1j]
FLAG = ["yes", 1.5, None, [True]]
# For each parameter values that are out of range, or of no use.
BAD_PARAMETERS = {
    "hidden_layer_sizes": [*NO_LAYERS, ()],
    "bidirectional": FLAG,
    "standardize": FLAG,
    "head_layer_sizes": NO_LAYERS,
    "n_channels": [*AT_LEAST_1[:-2], [3]],
    "window": [*AT_LEAST_1[:-2], [3]],
    "group_column": [1.5, ["series"], b"series"],
    "solver": ["lbfgs", "Adam", None, 1],
    "alpha": [-1e-3, np.nan, np.inf, TOO_LARGE, "0", None, [0]],
    "batch_size": [*AT_LEAST_1, "all"],
    "pooling": ["sum", "Last", None, 1],
    "dropout": [-0.1, 1.0, np.nan, "0.5", None, [0.5]],
    "recurrent_dropout": [-0.1, 1.0, np.nan, "0.5", None, [0.5]],
    "bptt_length": [0, -1, 2.0, np.nan, "5", [5]],
    "loss": ["log_loss", "squared", None, 1],
    "quantile": [-0.1, 1.1, np.nan, "0.5", [0.5]],
    "learning_rate": ["optimal", "Constant", None, 0.1],
    "learning_rate_init": [*ABOVE_0, None],
    "power_t": [-0.1, np.nan, np.inf, TOO_LARGE, "0.5", None, [0.5]],
    "max_iter": AT_LEAST_1,
    "max_grad_norm": ABOVE_0,
    "shuffle": FLAG,
    "random_state": [-1, 1.5, "0", [0], np.random.default_rng(0)],
    "tol": [-1e-3, np.nan, np.inf, TOO_LARGE, "0", None, [0]],
    "verbose": [-1, 1.5, "yes", None],
    "warm_start": FLAG,
    "momentum": [-0.1, 1.5, np.nan, TOO_LARGE, "0.9", None],
    "nesterovs_momentum": FLAG,
    "beta_1": [-0.1, 1, 1.5, np.nan, "0.9", None],
    "beta_2": [-0.1, 1, 1.5, np.nan, "0.9", None],
    "epsilon": [*ABOVE_0, None],
    "early_stopping": FLAG,
    "validation_fraction": [0, 1, -0.1, 1.5, np.nan, "0.1", None],
    "n_iter_no_change": [*AT_LEAST_1, -np.inf, 2.0],
    "class_weight": ["even", [1, 1, 1], 1.0, {0: -1.0}, {0: np.nan}, {9: 1.0}],
    "normalize_y": FLAG,
    "dtype": ["float16", "float", None, np.float32, 32],
    "n_jobs": [0, 1.5, "2", [1]],
}
bad_parameters = [
    pytest.param(estimator, name, value, id=f"{kind}-{name}-{value!s:.40}")
    for kind, estimator in ESTIMATORS.items()
    for name in estimator().get_params()
    for value in BAD_PARAMETERS.get(name, ())
]


@both
def test_every_parameter_has_values_that_are_refused(estimator):
    assert estimator().get_params().keys() <= BAD_PARAMETERS.keys()


@pytest.mark.parametrize(("estimator", "name", "value"), bad_parameters)
def test_fit_names_a_parameter_of_no_use(estimator, name, value):
    model = estimator(**{**SMALL, name: value})
    with pytest.raises((ValueError, TypeError), match=rf"\b{name}\b"):
        model.fit(make_cube(), make_y(estimator))


@both
@pytest.mark.parametrize("name", ["max_iter", "alpha", "group_column", "n_jobs"])
def test_duration_is_no_number(estimator, name):
    model = estimator(**{**SMALL, name: DURATION, "window": 2})
    with pytest.raises(TypeError, match=rf"^{name}=.*timedelta64.* is a duration"):
        model.fit(make_table(), make_y(estimator))


@both
def test_number_that_numpy_cannot_read_is_refused_by_name(estimator):
    model = estimator(**SMALL, alpha=Fraction(1, 3))
    with pytest.raises(TypeError, match=r"alpha=Fraction\(1, 3\) cannot be read"):
        model.fit(make_cube(), make_y(estimator))


BELOW_1, TINY = np.nextafter(np.longdouble(1), 0), np.longdouble("1e-400")


@both
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("beta_1", BELOW_1),
        ("beta_2", BELOW_1),
        ("learning_rate_init", TINY),
        ("max_grad_norm", TINY),
        ("epsilon", TINY),
    ],
)
@pytest.mark.skipif(TINY == 0, reason="a long double is a double here")
def test_parameter_that_leaves_its_range_as_a_float_is_refused(estimator, name, value):
    model = estimator(**{**SMALL, name: value})
    with pytest.raises(ValueError, match=rf"The '{name}' parameter .* in the range"):
        model.fit(make_cube(), make_y(estimator))


HUGE_NETWORKS = {
    "one layer": ({"hidden_layer_sizes": 2**30}, r"hidden_layer_sizes=1073741824 and"),
    "a product": (
        {"hidden_layer_sizes": 1, "head_layer_sizes": (2**30, 2**30)},
        r"hidden_layer_sizes=1 and head_layer_sizes=\(1073741824, 1073741824\)",
    ),
    "many layers": ({"hidden_layer_sizes": [2**20] * 100}, "hidden_layer_sizes="),
}


@both
@pytest.mark.parametrize(
    ("parameters", "match"), HUGE_NETWORKS.values(), ids=HUGE_NETWORKS
)
def test_network_that_no_memory_holds_is_refused(estimator, parameters, match):
    model = estimator(**SMALL | parameters)
    with pytest.raises(ValueError, match=match + r".* [\d,]+ parameters.* GiB"):
        model.fit(make_cube(), make_y(estimator))


def test_network_is_measured_by_the_memory_of_the_machine(monkeypatch):
    X, y = make_cube(), make_y(LSTMRegressor)
    n_parameters = 4 * 4 * (3 + 1 + 4) + 4 + 1  # the layer of 4 units, and the output
    for n_bytes, dtype in ((4, "float32"), (8, "float64")):
        model = LSTMRegressor(**SMALL, dtype=dtype)
        model.set_params(standardize=False, recurrent_dropout=0.0)  # no copies of X
        needed = 4 * n_bytes * n_parameters
        # It is enough for the parameters, but for nothing else.
        monkeypatch.setattr("sklstm._memory._memory", lambda n=needed: n)
        with pytest.raises(ValueError, match="Training on sequences"):
            model.fit(X, y)
        monkeypatch.setattr("sklstm._memory._memory", lambda n=needed: n - 1)
        with pytest.raises(ValueError, match=f"{n_parameters} parameters"):
            model.fit(X, y)


def unrecognized(name):
    raise ValueError(f"unrecognized configuration name {name}")


@pytest.mark.parametrize("sysconf", [unrecognized, lambda name: -1])
def test_network_of_any_size_is_tried_where_the_memory_is_not_known(
    sysconf, monkeypatch
):
    monkeypatch.setattr("os.sysconf", sysconf)
    monkeypatch.setattr(_memory, "LIMITS", ())
    assert _memory._memory.__wrapped__() == math.inf


@pytest.mark.parametrize(("limit", "expected"), [("8192", 8192), ("max", math.inf)])
def test_memory_of_a_container_is_what_it_may_have(
    limit, expected, monkeypatch, tmp_path
):
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    files = (str(tmp_path / "memory.max"), str(tmp_path / "of_another_version"))
    monkeypatch.setattr(_memory, "LIMITS", files)
    monkeypatch.setattr(_memory, "_physical_memory", lambda: math.inf)
    assert _memory._memory.__wrapped__() == expected


# The lower layer's states are kept for the upper one, a step each.
STACKED = {"hidden_layer_sizes": (4, 4), "bidirectional": True}


@pytest.mark.parametrize("method", ["predict", "transform"])
def test_prediction_is_measured_by_the_memory_of_the_machine(method, monkeypatch):
    X, y = make_cube(), make_y(LSTMRegressor)
    model = LSTMRegressor(**SMALL | STACKED).fit(X, y)
    monkeypatch.setattr("sklstm._memory._memory", lambda: 10**6)
    assert len(getattr(model, method)(X)) == len(X)
    with pytest.raises(
        ValueError, match=r"Predictions for .* 50,000 steps take .*n_jobs"
    ):
        getattr(model, method)(np.zeros((2, 50_000, 3)))


def test_prediction_that_more_steps_do_not_take_more_for_is_not_told_so(monkeypatch):
    """As of one layer, whose steps nobody keeps."""
    X, y = make_cube(), make_y(LSTMRegressor)
    for parameters, told in ((STACKED, True), ({"bidirectional": True}, False)):
        model = LSTMRegressor(**SMALL | parameters).fit(X, y)
        with monkeypatch.context() as patch:
            patch.setattr("sklstm._memory._memory", lambda: 10)
            with pytest.raises(ValueError, match="Predictions for") as caught:
                model.predict(X)
        assert ("bidirectional=False" in str(caught.value)) == told


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_copies_of_the_data_are_measured_by_the_memory_of_the_machine(
    method, monkeypatch
):
    X, y = np.zeros((2, 20_000, 3)), [0.0, 1.0]
    monkeypatch.setattr("sklstm._memory._memory", lambda: 10**6)
    plain = {"standardize": False, "recurrent_dropout": 0.0}
    model = LSTMRegressor(**SMALL | {"bptt_length": 100, "batch_size": 2})
    getattr(model.set_params(**plain), method)(X, y)
    for name, value in (("standardize", True), ("recurrent_dropout", 0.1)):
        scales = LSTMRegressor(**model.get_params() | {name: value})
        needed = 40_000 * (12 if name == "standardize" else 40)
        monkeypatch.setattr("sklstm._memory._memory", lambda n=needed: n - 1)
        with pytest.raises(ValueError, match=r"40,000 steps of X .* partial_fit"):
            getattr(scales, method)(X, y)


def test_prediction_for_validation_data_is_measured_before_training(monkeypatch):
    X, y = make_cube(), make_y(LSTMRegressor)
    monkeypatch.setattr("sklstm._memory._memory", lambda: 10**6)
    model = LSTMRegressor(**SMALL | STACKED | {"early_stopping": True})
    with pytest.raises(ValueError, match=r"Predictions for .* 50,000 steps"):
        model.fit(X, y, X_val=np.zeros((2, 50_000, 3)), y_val=[0.0, 1.0])


EDGES = {
    "hidden_layer_sizes": [1, np.int64(4), [4], np.array([4, 3])],
    "head_layer_sizes": [1, (), [4], np.array([4, 3])],
    "alpha": [0, 1],
    "batch_size": [1, N_SAMPLES, np.int32(5)],
    "learning_rate_init": [5e-324, np.float32(0.1)],
    "max_grad_norm": [None, 5e-324, 1e300],
    "random_state": [None, 0, 2**32 - 1, np.random.RandomState(0)],
    "tol": [0, 1e300],
    "beta_1": [0, np.nextafter(1, 0)],
    "beta_2": [0, np.nextafter(1, 0)],
    "epsilon": [5e-324, 1],
    "n_iter_no_change": [1, 10**12, np.inf],
    "n_jobs": [None, -1, 2, -1000],
    "shuffle": [np.True_],
}


@both
@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}-{value}")
        for name, values in EDGES.items()
        for value in values
    ],
)
def test_fit_takes_parameters_at_the_edge_of_their_range(estimator, name, value):
    model = estimator(**{**SMALL, name: value}).fit(make_cube(), make_y(estimator))
    assert np.isfinite(model.transform(make_cube())).all()


@both
@pytest.mark.parametrize("name", ["n_jobs", "batch_size", "bptt_length", "max_iter"])
def test_small_integers_of_numpy_do_not_overflow(estimator, name):
    X, y = np.tile(make_cube(), (10, 20, 1)), np.tile(make_y(estimator), 10)
    model = estimator(**{**SMALL, name: np.int8(3)}).fit(X, y)
    same = estimator(**{**SMALL, name: 3}).fit(X, y)
    assert_array_equal(model.transform(X), same.transform(X))


@both
def test_failed_fit_leaves_the_model_fitted_before(estimator):
    model = make_fitted(estimator, "3-D")
    expected = model.predict(make_cube())
    for X, y in [(CUBE, None), (CUBE * np.nan, CLASSES), (CUBE, CLASSES[1:])]:
        with pytest.raises(ValueError, match=r"y|X"):
            model.fit(X, y)
    assert_array_equal(model.predict(make_cube()), expected)


# --- what is given stays as it is -----------------------------------------------------


@both
@all_forms
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_data_is_never_modified(estimator, form, dtype):
    make_X, parameters = FORMS[form]
    X, y = make_X(), make_y(estimator)
    weights = np.random.default_rng(0).uniform(size=N_SAMPLES)
    if form == "ragged":  # one array, which takes no copy in `dtype`
        X = [x.astype(dtype) for x in X]
    elif form != "series":
        X = X.astype(dtype)
    before = copy.deepcopy((X, y, weights))
    hashed = joblib.hash((X, y, weights))
    model = estimator(**SMALL, **parameters, dtype=dtype).fit(X, y, weights)
    for method in METHODS[estimator]:
        getattr(model, method)(X)
    model.score(X, y, weights)
    assert joblib.hash((X, y, weights)) == hashed == joblib.hash(before)


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def unaligned(array):
    buffer = np.empty(array.nbytes + 1, dtype=np.uint8)
    moved = buffer[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


LAYOUTS = {
    "read-only": read_only,
    "Fortran order": lambda array: np.asfortranarray(array.copy()),
    "every second value": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "backwards": lambda array: array[::-1].copy()[::-1],
    "big endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "unaligned": unaligned,
}


def in_layout(X, layout):
    """X with its arrays laid out otherwise; a frame stays as it is."""
    if isinstance(X, pd.DataFrame):
        return X
    return [layout(x) for x in X] if isinstance(X, list) else layout(X)


def fit_and_predict(estimator, form, X, y, weights, dtype):
    model = estimator(**SMALL, **FORMS[form][1], dtype=dtype).fit(X, y, weights)
    return [getattr(model, method)(X) for method in METHODS[estimator]]


@both
@pytest.mark.parametrize("form", ["3-D", "ragged", "rows", "window"])
@pytest.mark.parametrize("layout", [*LAYOUTS, "memory map"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layout_of_data_does_not_matter(estimator, form, layout, dtype, tmp_path):
    X = in_layout(FORMS[form][0](), lambda array: array.astype(dtype))
    data = [X, make_y(estimator), np.linspace(0.5, 2, N_SAMPLES)]
    expected = fit_and_predict(estimator, form, *data, dtype)
    if layout == "memory map":
        joblib.dump(data, tmp_path / "data.pkl")
        data = joblib.load(tmp_path / "data.pkl", mmap_mode="r")
        assert isinstance(data[0][0], np.memmap)
    else:
        data = [in_layout(array, LAYOUTS[layout]) for array in data]
    found = fit_and_predict(estimator, form, *data, dtype)
    for result, same in zip(found, expected, strict=True):
        assert_array_equal(result, same)
