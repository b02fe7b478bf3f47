"""Cases for `test_any_input.py`: estimators and data, of which some is odd.

What is usual can be used, whatever else that is usual comes with it. What is odd may
be of use or not; where it is, a fit still takes milliseconds.
"""

import array
import datetime
import tempfile
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from scipy import sparse
from sparse_cube import sparse_cube

from sklstm import LSTMClassifier

one_of = st.sampled_from

MISSING = [np.nan, None, pd.NA, pd.NaT, Decimal("NaN"), np.datetime64("nat", "D")]
TOO_LARGE = [1e39, 1e300, 1.7e308, np.inf, -np.inf, np.longdouble("1e400"), 10**400]
STRANGE = [
    *[*MISSING, *TOO_LARGE],
    *[0, 1, -1, 3, True, False, 0.5, -0.0, 1.5, 5e-324, np.int8(2), np.uint64(2**63)],
    *[2**31 - 1, 2**31, 2**63, 2**64, -(10**30), -(10**400), np.longdouble("1e-400")],
    *[np.float16(0.5), np.float32(1e-45), np.bool_(1), Fraction(1, 3), Decimal("0.1")],
    *[1j, np.complex64(1), "", "a", "1", "auto", "ä\ud800\x00", b"a", np.str_("{0}")],
    *[(), [], {}, set(), [1], (2, 2), [[1]], [None], [[]], {"a": 1}, {1, 2}, range(2)],
    *[np.array(2), np.array([]), np.array([2, 1]), np.array(["a"]), np.ones((2, 2))],
    *[object(), int, len, np.float32, slice(2), ..., NotImplemented, ValueError("a")],
    *[np.datetime64(1, "D"), np.timedelta64(1, "s"), datetime.date(2020, 1, 1)],
    *[pd.Series([2, 1]), pd.DataFrame({"a": [1]}), sparse.csr_array(np.eye(2))],
    *[np.random.default_rng(0), np.random.RandomState(0), SimpleNamespace(columns=[1])],
]
strange = one_of(STRANGE)


class Unreadable:
    """Claims to be an array, and fails with an error that names nothing."""

    def __array__(self, *args, **kwargs):
        raise RuntimeError("locked")


# --- parameters -----------------------------------------------------------------------


def reals(low, high):
    """Numbers of all types from low to high, powers of 2, and those two."""
    kinds = one_of([float, np.float16, np.float32, np.longdouble])
    between = st.builds(lambda kind, x: kind(x), kinds, st.floats(low, high))
    return st.one_of(between, one_of([low, high, float(low), np.float64(high)]))


def wholes(low, high):
    kinds = one_of([int, np.int8, np.uint8, np.int32, np.int64, np.uint64])
    return st.builds(lambda kind, x: kind(x), kinds, st.integers(low, high))


flags = one_of([False, True, np.False_, np.True_])
units = st.lists(wholes(1, 3), min_size=1, max_size=2)
layers = st.one_of(wholes(1, 3), units, units.map(tuple), units.map(np.int64))
shares = one_of([0, 0.0, 0.1, 0.5, 0.99, np.float32(0.3), 5e-324, False])
decays = st.one_of(reals(0, 0.875), one_of([-0.0, 0.9, 0.999, np.nextafter(1, 0)]))
# Those that depend on others are drawn by `usual_parameters`.
USUAL = {
    "hidden_layer_sizes": layers,
    "bidirectional": flags,
    "standardize": flags,
    "pooling": one_of(["last", "mean", "max", np.str_("mean")]),
    "head_layer_sizes": st.one_of(layers, one_of([(), [], np.array([])])),
    "n_channels": st.none(),
    "window": st.none(),
    "group_column": st.none(),
    "dropout": shares,
    "recurrent_dropout": shares,
    "solver": one_of(["adam", "sgd"]),
    "alpha": st.one_of(reals(0, 1), one_of([1e-300, True])),
    "batch_size": st.one_of(wholes(1, 100), one_of(["auto", 2**31, 10**30])),
    "learning_rate": one_of(["constant", "invscaling", "adaptive", "cosine"]),
    "learning_rate_init": st.one_of(reals(2**-9, 2**-3), one_of([5e-324, 1e-30])),
    "power_t": st.one_of(reals(0, 4), one_of([1e300, np.finfo(float).max])),
    "max_iter": wholes(1, 2),
    "max_grad_norm": st.one_of(reals(2**-9, 8), one_of([None, 5e-324, 1e300, True])),
    "bptt_length": st.one_of(wholes(1, 5), one_of([None, 2**31, 2**62, 10**30])),
    "shuffle": flags,
    "random_state": st.one_of(
        one_of([None, 0, 2**32 - 1, np.uint32(3), np.int8(1)]),
        st.builds(np.random.RandomState, st.integers(0, 9)),
    ),
    "tol": st.one_of(reals(0, 1), one_of([1e300, np.finfo(float).max, False])),
    "verbose": one_of([False, True, 0, 1, 10, np.True_, np.int8(2), 10**30]),
    "warm_start": flags,
    "momentum": st.one_of(decays, one_of([1, 1.0, True])),
    "nesterovs_momentum": flags,
    "beta_1": decays,
    "beta_2": decays,
    "epsilon": one_of([1e-8, 1.0, 1, np.float32(1e-3), 1e300, True]),
    "early_stopping": flags,
    "validation_fraction": one_of([0.3, 0.5, np.float32(0.4)]),
    "n_iter_no_change": st.one_of(wholes(1, 100), one_of([np.inf, 10**400])),
    "loss": one_of(["squared_error", "absolute_error", "quantile", "poisson", "gamma"]),
    "quantile": st.one_of(reals(0, 1), one_of([True, 5e-324])),
    "normalize_y": flags,
    "class_weight": st.none(),
    "dtype": one_of(["float32", "float64", np.str_("float32")]),
    "n_jobs": one_of([None, 1, 2, -1, np.int8(2), -1000, 10**30, True]),
}


@st.composite
def usual_parameters(draw, names):
    parameters = {name: draw(USUAL[name]) for name in names}
    if parameters["bidirectional"]:
        parameters["bptt_length"] = None
    return parameters


@st.composite
def odd_parameters(draw, name):
    """Anything, but for what makes a fit long."""
    floats = st.one_of(st.floats(), st.floats(-1.5, 1.5))
    value = draw(st.one_of(strange, floats, st.text(max_size=3)))
    if name in ("hidden_layer_sizes", "head_layer_sizes"):
        value = draw(one_of([value, [value], (2, value), {1: value}]))
    if name == "class_weight":
        value = draw(one_of([value, {0: value}, {0: 1, 1: value}, {repr(value): 1}]))
    if name == "max_iter" and isinstance(value, int | np.integer):
        return min(value, 3)
    return value


# --- arrays ---------------------------------------------------------------------------

DTYPES = [
    *[bool, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64],
    *[np.uint64, np.float16, np.float32, np.float64, np.longdouble, object],
    *[">f2", ">f4", ">f8", ">i2", ">u4", "<f4"],
]
ODD_DTYPES = [np.complex64, np.complex128, "M8[s]", "m8[s]", str, "S", np.clongdouble]
VALUES = {
    "normal": lambda rng, shape: 3 * rng.normal(size=shape),
    "whole": lambda rng, shape: rng.integers(-9, 9, size=shape).astype(float),
    "constant": lambda rng, shape: np.full(shape, 1.25),
    "zeros": lambda rng, shape: rng.choice([0.0, -0.0], size=shape),
    "denormal": lambda rng, shape: rng.choice([5e-324, -1e-310, 1e-45], size=shape),
    "of many scales": lambda rng, shape: 10.0 ** rng.integers(-30, 2, size=shape),
}


def backwards(values):
    return values[::-1].copy()[::-1]


def gapped(values):
    return np.repeat(values, 2, axis=-1)[..., ::2]


def unaligned(values):
    if values.dtype.hasobject:
        return values
    buffer = np.zeros(values.nbytes + 1, dtype=np.uint8)
    moved = buffer[1:].view(values.dtype).reshape(values.shape)
    moved[...] = values
    return moved


def read_only(values):
    values = values.copy()
    values.flags.writeable = False
    return values


def memory_map(values):
    if values.dtype.hasobject or values.size == 0:
        return values
    with tempfile.TemporaryFile() as file:
        file.write(values.tobytes())
        file.flush()
        return np.memmap(file, values.dtype, "r", shape=values.shape)


LAYOUTS = [np.array, np.asfortranarray, backwards, gapped, unaligned, read_only]
LAYOUTS += [memory_map, np.ma.masked_array]


@st.composite
def arrays(draw, shape, least=None, dtypes=DTYPES):
    """Numbers of any dtype and layout, from `least` on where it is given."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = VALUES[draw(one_of([*VALUES]))](rng, shape)
    dtype = np.dtype(draw(one_of(dtypes)))
    if dtype.kind == "u" or least is not None:
        values = np.abs(values) + (least or 0)
    return draw(one_of(LAYOUTS))(values.astype(dtype))


# --- X --------------------------------------------------------------------------------


def as_objects(parts):
    listed = np.empty(len(parts), dtype=object)
    for place, part in enumerate(parts):
        listed[place] = part
    return listed


def as_frame(table):
    return pd.DataFrame(table, columns=[f"x{i}" for i in range(table.shape[1])])


def as_extended(table):
    """A frame of pandas' own dtypes, where there are such."""
    if not table.dtype.isnative or table.dtype.type in (np.float16, np.longdouble):
        return as_frame(table)
    return as_frame(table).convert_dtypes()


def each(convert):
    return lambda parts: [convert(part) for part in parts]


def without_one_channel(part):
    return part[:, 0] if part.shape[1] == 1 else part


RAGGED = [list, tuple, as_objects, each(np.ndarray.tolist), each(as_frame)]
RAGGED += [each(as_extended), each(without_one_channel)]
TABLES = [np.asanyarray, np.ndarray.tolist, pd.DataFrame, as_frame, as_extended]


@st.composite
def usual_x(draw, n_samples, n_channels):
    """X, and the parameters that it needs."""
    form = draw(one_of(["3-D", "ragged", "rows", "window", "series"]))
    n_steps = draw(st.integers(1, 4))
    if form == "3-D":
        return draw(arrays((n_samples, n_steps, n_channels))), {}
    if form == "ragged":
        return draw(one_of(RAGGED))(draw(parts(n_samples, n_channels))), {}
    table = draw(one_of(TABLES))
    if form == "rows":
        given = n_channels if n_channels > 1 else draw(one_of([None, 1]))
        X = table(draw(arrays((n_samples, n_steps * n_channels))))
        return X, {"n_channels": given}
    X = draw(arrays((n_samples, n_channels)))
    parameters = {"window": draw(one_of([1, 2, np.int8(3), 100, 2**62, 10**30]))}
    if form == "window":
        return table(X), parameters
    X, parameters["group_column"] = draw(series(X))
    return X, parameters


@st.composite
def parts(draw, n_samples, n_channels):
    """Sequences of any lengths."""
    rows, layout = draw(arrays((5, n_channels))), draw(one_of(LAYOUTS))
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=n_samples))
    return [layout(rows[:n]) for n in (lengths * n_samples)[:n_samples]]


@st.composite
def series(draw, X):
    """A table with a column of labels, and what names the column."""
    labels = np.arange(len(X)) % draw(st.integers(1, 3))
    if X.dtype != object and draw(st.booleans()):
        place = draw(st.integers(0, X.shape[1]))
        table = np.insert(X, place, labels, axis=1)
        return table, draw(one_of([place, place - table.shape[1], np.int8(place)]))
    kinds = [str, int, float, "category", "string", bool]
    labels = pd.Series(labels).astype(draw(one_of(kinds)))
    return as_frame(np.asarray(X)).assign(series=labels), "series"


def recursive():
    nested = []
    nested.append(nested)
    return nested


TABLE, CUBE = np.arange(18.0).reshape(9, 2), np.arange(36.0).reshape(9, 2, 2)
FRAME = as_frame(TABLE)
DATES = pd.date_range("2020", periods=9)
# Made anew for each case: a generator is used up.
ODD_X = {
    "0-D": lambda: np.array(1.0),
    "1-D": lambda: TABLE[:, 0],
    "4-D": lambda: CUBE[None],
    "no samples": lambda: CUBE[:0],
    "no steps": lambda: CUBE[:, :0],
    "no channels": lambda: CUBE[:, :, :0],
    "no rows": lambda: TABLE[:0],
    "no columns": lambda: TABLE[:, :0],
    "an empty frame": pd.DataFrame,
    "a frame without columns": lambda: pd.DataFrame(index=range(9)),
    "series": lambda: pd.Series(TABLE[:, 0]),
    "series of sequences": lambda: pd.Series(list(CUBE)),
    "series of categories": lambda: pd.Series([*"abcabcabc"], dtype="category"),
    "index": lambda: pd.Index(range(9)),
    "strings": lambda: TABLE.astype(str),
    "words": lambda: [*"abcdefghi"],
    "bytes": lambda: [b"abc"] * 9,
    "generator": lambda: (part for part in CUBE),
    "iterator": lambda: iter(CUBE.tolist()),
    "map": lambda: map(np.asarray, CUBE),
    "range": lambda: range(9),
    "set": lambda: {1.0, 2.0},
    "dict": lambda: dict(enumerate(CUBE)),
    "dict of columns": lambda: {"a": [1.0] * 9},
    "list of dicts": lambda: [{"a": 1.0}] * 9,
    "list of sets": lambda: [{1.0, 2.0}] * 9,
    "list of None": lambda: [None] * 9,
    "list of strings": lambda: ["abc", "de"] * 4,
    "list of series": lambda: [pd.Series(part[:, 0]) for part in CUBE],
    "list of tables of one row": lambda: [FRAME[:1], TABLE[:1]] * 4,
    "frames of other columns": lambda: [FRAME, FRAME[["x1", "x0"]]] * 4,
    "uneven channels": lambda: [TABLE, TABLE[:, :1]] * 4,
    "mixed dimensions": lambda: [TABLE, TABLE[0], CUBE] * 3,
    "deep": lambda: [[[[[[1.0]]]]]] * 9,
    "recursive": recursive,
    "records": lambda: np.zeros(9, dtype=[("a", float), ("b", int)]),
    "masked": lambda: np.ma.masked_less(TABLE, 4),
    "masked cube": lambda: np.ma.masked_less(CUBE, 4),
    "void": lambda: np.zeros((9, 2), dtype="V8"),
    "array of the library": lambda: array.array("d", range(9)),
    "memory": lambda: memoryview(TABLE),
    "sparse": lambda: sparse.csr_array(TABLE),
    "sparse matrix": lambda: sparse.coo_matrix(TABLE),
    "sparse cube": lambda: sparse_cube(CUBE),
    "list of sparse": lambda: [sparse.csc_array(TABLE)] * 9,
    "sparse columns": lambda: FRAME.astype(pd.SparseDtype(float, 0.0)),
    "column of dates": lambda: FRAME.assign(x1=DATES),
    "column of dates of a zone": lambda: FRAME.assign(x1=DATES.tz_localize("UTC")),
    "column of periods": lambda: FRAME.assign(x1=DATES.to_period("D")),
    "column of durations": lambda: FRAME.assign(x1=DATES - DATES[0]),
    "column of intervals": lambda: FRAME.assign(x1=pd.interval_range(0, 9)),
    "column of categories": lambda: FRAME.assign(x1=pd.Categorical([*"abcabcabc"])),
    "column of numbered categories": lambda: FRAME.assign(x1=pd.Categorical([1] * 9)),
    "column of strings": lambda: FRAME.assign(x1=pd.array(["a"] * 9, dtype="string")),
    "column of missing": lambda: FRAME.assign(x1=pd.array([pd.NA] * 9, dtype="Int64")),
    "column of lists": lambda: FRAME.assign(x1=[[1.0]] * 9),
    "columns of one name": lambda: pd.DataFrame(TABLE, columns=["series", "series"]),
    "names of several types": lambda: pd.DataFrame(TABLE, columns=["a", 1]),
    "columns of levels": lambda: pd.DataFrame(
        TABLE, columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)])
    ),
    "unreadable": Unreadable,
    "list of unreadable": lambda: [Unreadable()] * 9,
    "object with columns": lambda: SimpleNamespace(columns=["a"], shape=3),
}


@st.composite
def odd_x(draw, usual):
    """Something else than `usual`, or that with something strange in it."""
    how = draw(one_of(["spoiled", "spoiled", "made up", "strange", "odd dtype"]))
    if how == "made up":
        return ODD_X[draw(one_of([*ODD_X]))]()
    if how == "odd dtype":
        shape = draw(one_of([(9, 2), (9, 2, 2)]))
        X = draw(arrays(shape, dtypes=ODD_DTYPES))
        return list(X) if draw(st.booleans()) else X
    return draw(strange) if how == "strange" else draw(spoiled(usual))


@st.composite
def spoiled(draw, data):
    """A copy of `data`, with something strange at one place."""
    value = draw(one_of([*MISSING, *TOO_LARGE]) if draw(st.booleans()) else strange)
    if isinstance(data, tuple):
        data = list(data)
    if isinstance(data, list):
        place = draw(st.integers(0, len(data) - 1))
        deeper = isinstance(data[place], list | np.ndarray | pd.DataFrame)
        if deeper and np.size(data[place]) and draw(st.booleans()):
            value = draw(spoiled(data[place]))
        return [*data[:place], value, *data[place + 1 :]]
    if isinstance(data, pd.DataFrame | pd.Series):
        table = draw(spoiled(data.to_numpy(dtype=object)))
        given = {"columns": data.columns} if data.ndim == 2 else {}
        return type(data)(table, **given)
    table = np.array(data, dtype=object)
    table[tuple(draw(st.integers(0, size - 1)) for size in table.shape)] = value
    is_float = isinstance(value, float) and data.dtype.kind == "f"
    return table.astype(float) if is_float else table


# --- y and sample_weight --------------------------------------------------------------


LABELS = [
    *[np.array([0, 1, 2]), np.array([3, 2, 1], dtype=np.int8), np.array([0, 1, True])],
    *[np.array([False, True, True]), np.array([0, 2**40, 2**50], dtype=np.uint64)],
    *[np.array([-1.0, 0.0, 1e3]), np.array([1, 2, 3], dtype=np.float32)],
    *[np.array(["a", "b", "ä"]), np.array(["", "b", "longer"], dtype=object)],
]


@st.composite
def usual_y(draw, estimator, n_samples, loss):
    """Targets that go with any usual parameters."""
    if estimator is not LSTMClassifier:
        shape = draw(one_of([(n_samples,), (n_samples, 1), (n_samples, 2)]))
        y = draw(arrays(shape, 1 if loss in ("poisson", "gamma") else None))
        return draw(one_of([y, y, y.tolist(), in_frame(y), list(y)]))
    n_classes = draw(st.integers(2, 3))
    codes = np.arange(n_samples) % n_classes
    if draw(st.integers(0, 5)) == 0:
        return draw(one_of(LAYOUTS))(np.eye(n_classes, dtype=int)[codes])
    y = draw(one_of(LAYOUTS))(draw(one_of(LABELS))[codes])
    column = pd.Series(y)
    forms = [y, y, y.tolist(), tuple(y), y.reshape(-1, 1), column]
    return draw(one_of([*forms, column.astype("category"), column.convert_dtypes()]))


def in_frame(y):
    return pd.Series(y) if y.ndim == 1 else pd.DataFrame(y)


ODD_Y = {
    "None": lambda y: None,
    "too short": lambda y: y[:-1],
    "too long": lambda y: [*y, *y],
    "empty": lambda y: y[:0],
    "of one value": lambda y: [1] * len(y),
    "zeros": lambda y: np.zeros(len(y)),
    "negative": lambda y: -np.arange(len(y)),
    "continuous": lambda y: np.linspace(0.1, 0.9, len(y)),
    "each another": lambda y: np.arange(len(y)),
    "rare class": lambda y: [0] * (len(y) - 1) + [1],
    "large": lambda y: np.linspace(-1, 1, len(y)) * 1.7e308,
    "tiny": lambda y: np.arange(len(y)) * 5e-324,
    "one large": lambda y: [1e308] + [0.0] * (len(y) - 1),
    "columns of classes": lambda y: np.arange(2 * len(y)).reshape(-1, 2) % 3,
    "no columns": lambda y: np.zeros((len(y), 0)),
    "many columns": lambda y: np.eye(len(y)),
    "3-D": lambda y: np.zeros((len(y), 2, 1)),
    "0-D": lambda y: np.array(1),
    "ragged": lambda y: [[1], [1, 2]] * (len(y) // 2),
    "generator": lambda y: (value for value in y),
    "mixed": lambda y: [1, "a"] * (len(y) // 2),
    "missing": lambda y: pd.array([pd.NA, 1] * (len(y) // 2), dtype="Int64"),
    "dates": lambda y: pd.date_range("2020", periods=len(y)),
    "complex": lambda y: np.ones(len(y)) * 1j,
    "decimals": lambda y: [Decimal(i) for i in range(len(y))],
    "bytes": lambda y: [b"a", b"b"] * (len(y) // 2),
    "records": lambda y: np.zeros(len(y), dtype=[("a", int)]),
    "sparse": lambda y: sparse.csr_array(np.eye(len(y), 2, dtype=int)),
    "sparse series": lambda y: pd.Series(np.ones(len(y))).astype("Sparse[float]"),
    "masked": lambda y: np.ma.masked_equal(np.arange(len(y)), 1),
    "intervals": lambda y: pd.interval_range(0, len(y)),
    "dict": lambda y: dict(enumerate(y)),
    "unreadable": lambda y: Unreadable(),
}


@st.composite
def odd_y(draw, usual):
    if draw(st.integers(0, 2)):
        return ODD_Y[draw(one_of([*ODD_Y]))](np.asarray(usual))
    return draw(spoiled(usual) if draw(st.booleans()) else strange)


@st.composite
def usual_weights(draw, n_samples):
    kinds = [int, np.int8, np.uint64, np.float16, np.float32, float, ">f8", object]
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    weights = rng.uniform(0.5, 3, n_samples).round(1) * 10
    weights = draw(one_of(LAYOUTS))(weights.astype(draw(one_of(kinds))))
    forms = [None, None, weights, weights.tolist(), pd.Series(weights), weights[0]]
    return draw(one_of([*forms, np.ones(n_samples, dtype=bool), 2, True]))


ODD_WEIGHTS = {
    "negative": lambda n: [-1.0] + [1.0] * (n - 1),
    "zeros": np.zeros,
    "one sample": lambda n: np.eye(n)[0],
    "half of them": lambda n: np.arange(n) % 2,
    "a few": lambda n: np.arange(n) > n - 3,
    "tiny": lambda n: np.full(n, 1e-300),
    "least": lambda n: np.full(n, 5e-324),
    "of all scales": lambda n: np.geomspace(5e-324, 1.7e308, n),
    "large": lambda n: np.full(n, 1.7e308),
    "negative zeros": lambda n: np.full(n, -0.0),
    "too short": lambda n: np.ones(n - 1),
    "too long": lambda n: np.ones(n + 1),
    "empty": lambda n: [],
    "2-D": lambda n: np.ones((n, 1)),
    "strings": lambda n: ["1"] * n,
    "complex": lambda n: np.ones(n, dtype=complex),
    "dates": lambda n: pd.date_range("2020", periods=n),
    "sparse": lambda n: sparse.csr_array(np.ones((1, n))),
    "missing": lambda n: pd.array([pd.NA] * n, dtype="Float64"),
    "masked": lambda n: np.ma.masked_equal(np.arange(n), 1),
    "ragged": lambda n: [[1], [1, 2]] * (n // 2),
    "generator": lambda n: (1 for _ in range(n)),
    "dict": lambda n: dict.fromkeys(range(n), 1.0),
    "unreadable": lambda n: Unreadable(),
}


@st.composite
def odd_weights(draw, n_samples):
    how = draw(st.integers(0, 2))
    if how == 0:
        return ODD_WEIGHTS[draw(one_of([*ODD_WEIGHTS]))](n_samples)
    return draw(spoiled(np.ones(n_samples)) if how == 1 else strange)


# --- all of it ------------------------------------------------------------------------

DATA = ["X", "y", "sample_weight", "X_val", "y_val", "sample_weight_val"]


@dataclass
class Case:
    """What an estimator is made with and given, and which of that is odd.

    Attributes
    ----------
    estimator : type
    parameters : dict
    method : "fit" or "partial_fit"
    data : dict
        What the method is given.
    later : dict
        What further methods are given: X, y and sample_weight that may be odd, the
        n_series of a stream, and its x.
    odd : set of str
        Which of the parameters and data.
    """

    estimator: type
    parameters: dict
    method: str
    data: dict
    later: dict
    odd: set


@st.composite
def cases(draw, estimator, n_odd):
    """Cases in which so many of the parameters and data are odd."""
    names = [*estimator().get_params()]
    some = st.one_of(one_of(names), one_of(DATA))
    odd = draw(st.sets(some, min_size=n_odd, max_size=n_odd))
    n_samples, n_channels = draw(st.integers(8, 20)), draw(st.integers(1, 3))
    parameters = draw(usual_parameters(names))
    X, needed = draw(usual_x(n_samples, n_channels))
    y = draw(usual_y(estimator, n_samples, parameters.get("loss")))
    parameters |= needed
    method = draw(one_of(["fit", "fit", "partial_fit"]))
    if method == "partial_fit":
        parameters["early_stopping"] = False
    if estimator is LSTMClassifier:
        parameters["class_weight"] = draw(class_weights(y, method))
        parameters["pooling"] = draw(one_of([parameters["pooling"], "auto"]))
    if draw(st.integers(0, 39)) == 0:  # seldom, as it is 2,000 minibatches
        parameters["max_iter"] = "auto"
    data = {"X": X, "y": y, "sample_weight": draw(usual_weights(n_samples))}
    if method == "fit" and parameters["early_stopping"] and draw(st.booleans()):
        weights = draw(one_of([None, np.ones(6), [1, 2, 3, 4, 5, 6]]))
        data |= {"X_val": X[:6], "y_val": y[:6], "sample_weight_val": weights}
    if method == "partial_fit" and estimator is LSTMClassifier:
        data["classes"] = None if is_multi_label(y) else np.unique(np.asarray(y))
    make_odd = {
        "X": odd_x(X),
        "y": odd_y(y),
        "sample_weight": odd_weights(n_samples),
        "X_val": odd_x(X[:6]),
        "y_val": odd_y(y[:6]),
        "sample_weight_val": odd_weights(6),
        "classes": st.one_of(odd_y(y), strange),
    }
    for name in sorted(odd):
        if name in names:
            parameters[name] = draw(odd_parameters(name))
        elif name in data or method == "fit":
            data[name] = draw(make_odd[name])
    later = {
        "X": draw(make_odd["X"]),
        "y": draw(make_odd["y"]),
        "sample_weight": draw(make_odd["sample_weight"]),
        "n_series": draw(st.one_of(wholes(1, 40), strange)),
        "x": draw(st.one_of(arrays((2, n_channels)), strange)),
    }
    return Case(estimator, parameters, method, data, later, odd)


def is_multi_label(y):
    return np.ndim(y) == 2 and np.shape(y)[1] > 1


@st.composite
def class_weights(draw, y, method):
    if is_multi_label(y):
        return None
    weights = dict.fromkeys(np.unique(np.asarray(y)).tolist(), 0.5)
    return draw(one_of([None, weights, {}, *["balanced"] * (method == "fit")]))
