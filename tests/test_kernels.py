"""The kernels' building blocks against plain NumPy."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError
from numpy.testing import assert_allclose, assert_array_equal

from sklstm._network import Network
from sklstm.kernels import cells, outline, simd
from sklstm.kernels.gemm import ADD, OVERWRITE, PANEL, Matrix, Panels, gemm
from sklstm.kernels.layout import layer_table
from sklstm.kernels.packing import add_gradients, pack
from sklstm.kernels.simd import lanes, lanes_of, load, pointer, store

DTYPES = [np.float32, np.float64]


@pytest.fixture(autouse=True, scope="module")
def _kernels_that_the_product_calls():
    for dtype in DTYPES:
        outline.ready(np.dtype(dtype))


@njit
def apply_tanh(x, out):
    x_values, out_values = pointer(x), pointer(out)
    for i in range(0, x.size, lanes(x_values)):
        store(out_values, i, cells.tanh(load(x_values, i)))


@njit
def apply_sigmoid(x, out):
    x_values, out_values = pointer(x), pointer(out)
    for i in range(0, x.size, lanes(x_values)):
        store(out_values, i, cells.sigmoid(load(x_values, i)))


@njit
def product(accumulate, m, n_vectors, k, a, a_row, a_col, b, b_row, c, c_row):
    gemm(
        accumulate,
        m,
        n_vectors,
        k,
        Matrix(pointer(a), 0, a_row, a_col),
        Panels(pointer(b), 0, k * b_row, b_row),
        Panels(pointer(c), 0, m * c_row, c_row),
    )


@njit
def transpose_block(source, row, n_rows, n_columns, target, target_row):
    simd.transpose(
        pointer(source), 0, row, n_rows, n_columns, pointer(target), 0, target_row
    )


@njit
def copy_row(source, target, n):
    simd.copy(pointer(source), 0, pointer(target), 0, n)


@njit
def add_row(target, source, n):
    simd.add_to(pointer(target), 0, pointer(source), 0, n)


@njit
def multiply_flushed(x, factor):
    mode = simd.flush_denormals()
    values = pointer(x)
    store(values, 0, load(values, 0) * factor)
    simd.restore_denormals(mode)


def whole_vectors(x, dtype):
    """Return `x`, padded with zeros to whole vectors, and an array for the result."""
    x = np.concatenate([x, np.zeros(-len(x) % lanes_of(dtype))]).astype(dtype)
    return x, np.empty_like(x)


def to_panels(matrix):
    """Return a matrix (rows, columns) in panels, and the length of a panel's row."""
    width = lanes_of(matrix.dtype)
    n_vectors = -(-matrix.shape[1] // width)
    row = min(n_vectors, PANEL) * width
    n_panels = -(-n_vectors // PANEL)
    panels = np.zeros((n_panels, len(matrix), row), matrix.dtype)
    for p in range(n_panels):
        part = matrix[:, p * PANEL * width : (p + 1) * PANEL * width]
        panels[p, :, : part.shape[1]] = part
    return panels, row


def from_panels(panels, n_columns):
    return np.concatenate(list(panels), axis=1)[:, :n_columns]


def multiply(a, b, c=None, transposed=False):
    """Return ``a @ b``, or ``c + a @ b``, by the kernel."""
    n_columns = b.shape[1]
    width = lanes_of(a.dtype)
    b_panels, row = to_panels(b)
    if c is None:
        c_panels = np.full((len(b_panels), len(a), row), np.nan, a.dtype)
    else:
        c_panels, _ = to_panels(c)
    memory = np.ascontiguousarray(a.T if transposed else a)
    strides = (1, len(a)) if transposed else (a.shape[1], 1)
    accumulate = OVERWRITE if c is None else ADD
    product(
        accumulate,
        len(a),
        -(-n_columns // width),
        len(b),
        memory.reshape(-1),
        *strides,
        b_panels.reshape(-1),
        row,
        c_panels.reshape(-1),
        row,
    )
    return from_panels(c_panels, n_columns)


@pytest.mark.parametrize(
    ("features", "n_bytes"),
    [("+sse2", 16), ("+avx2", 16), ("+avx2,+fma", 32), ("+avx2,+fma,+avx512f", 64)],
)
def test_vectors_fill_the_widest_registers_with_multiply_add(features, n_bytes):
    assert simd._register_bytes(features) == n_bytes


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("less_rows", [0, 1])
@pytest.mark.parametrize("less_columns", [0, 1])
def test_transpose_writes_a_block_transposed_and_nothing_else(
    less_rows, less_columns, dtype
):
    width = lanes_of(dtype)
    n_rows, n_columns = width - less_rows, width - less_columns
    source = np.random.RandomState(0).randn(width, width + 3).astype(dtype)
    target = np.full((width, width + 5), np.nan, dtype)
    transpose_block(source, width + 3, n_rows, n_columns, target, width + 5)
    expected = np.full_like(target, np.nan)
    expected[:n_columns, :n_rows] = source[:n_rows, :n_columns].T
    assert_array_equal(target, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 7, 16, 21, 32])
def test_copy_and_add_to_write_n_values_and_nothing_else(n, dtype):
    source = np.random.RandomState(0).randn(40).astype(dtype)
    copied, added = np.full(40, 7, dtype), np.full(40, 7, dtype)
    copy_row(source, copied, n)
    add_row(added, source, n)
    assert_array_equal(copied, np.r_[source[:n], np.full(40 - n, 7, dtype)])
    assert_array_equal(added, np.r_[source[:n] + dtype(7), np.full(40 - n, 7, dtype)])


@pytest.mark.parametrize(("dtype", "ulps"), [(np.float32, 6), (np.float64, 4)])
def test_tanh_is_right_to_a_few_units_in_the_last_place(dtype, ulps):
    x = np.concatenate([np.linspace(-25, 25, 100_001), np.logspace(-30, 2, 10_001)])
    x, out = whole_vectors(x, dtype)
    apply_tanh(x, out)
    expected = np.tanh(x.astype(np.longdouble))
    unit = np.spacing(np.abs(expected).astype(dtype))
    assert np.max(np.abs(out - expected) / unit) <= ulps


@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_is_never_above_one(dtype):
    x, out = whole_vectors(np.linspace(5, 25, 1_000_001), dtype)
    apply_tanh(x, out)
    assert np.max(out) <= 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_is_right_to_rounding(dtype):
    x, out = whole_vectors(np.linspace(-40, 40, 100_001), dtype)
    apply_sigmoid(x, out)
    expected = 1 / (1 + np.exp(-x.astype(np.longdouble)))
    assert np.max(np.abs(out - expected)) <= 3 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", [apply_tanh, apply_sigmoid])
def test_activations_keep_nan(function, dtype):
    x, out = whole_vectors(np.full(1, np.nan), dtype)
    function(x, out)
    assert np.isnan(out[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_of_infinity_is_one(dtype):
    x, out = whole_vectors(np.array([np.inf, -np.inf]), dtype)
    apply_tanh(x, out)
    assert_allclose(out[:2], [1, -1], rtol=5 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("m", [1, 2, 3, 5, 7, 8, 13, 16, 17, 31])
def test_product_equals_numpy(m, transposed, dtype):
    rng = np.random.RandomState(m)
    for n_vectors in (1, 2, 3, 4, 6, 7, 9):
        for k in (1, 5, 128, 129, 260):
            n = n_vectors * lanes_of(dtype)
            a = rng.standard_normal((m, k)).astype(dtype)
            b = rng.standard_normal((k, n)).astype(dtype)
            bound = 2 * np.finfo(dtype).eps * k * (np.abs(a) @ np.abs(b)).max()
            expected = a.astype(np.float64) @ b.astype(np.float64)
            found = multiply(a, b, transposed=transposed)
            assert_allclose(found, expected, rtol=0, atol=bound)


@pytest.mark.parametrize("dtype", DTYPES)
def test_product_adds_to_what_is_there(dtype):
    rng = np.random.RandomState(0)
    n = 5 * lanes_of(dtype)
    a, b, c = (
        rng.standard_normal(shape).astype(dtype)
        for shape in ((16, 200), (200, n), (16, n))
    )
    bound = 4 * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b)).max()
    expected = c + a.astype(np.float64) @ b.astype(np.float64)
    assert_allclose(multiply(a, b, c), expected, rtol=0, atol=bound)


@pytest.mark.parametrize("dtype", DTYPES)
def test_row_of_a_product_has_the_same_bits_among_any_rows(dtype):
    rng = np.random.RandomState(0)
    a = rng.standard_normal((23, 150)).astype(dtype)
    b = rng.standard_normal((150, 7 * lanes_of(dtype))).astype(dtype)
    alone = np.vstack([multiply(row[np.newaxis], b) for row in a])
    for m in range(1, 24):
        assert_array_equal(multiply(a[:m], b), alone[:m])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", [1, 5, 8, 16, 17, 40, 64])
def test_forward_part_of_packed_weights_holds_each_weight_once(hidden, dtype):
    network = Network(3, (hidden, 2), True, (4,), 2)
    layers, packed_size, gradient_size = layer_table(network, dtype)
    parameters = np.arange(1, network.n_parameters + 1, dtype=dtype)
    packed = np.zeros(packed_size, dtype)
    pack(layers.view(np.int64), parameters, True, packed)
    gradient = np.zeros_like(parameters)
    # A gradient has the form of the forward part.
    forward = np.zeros((1, gradient_size), dtype)
    ends = [*layers["gradient"][1:], gradient_size]
    for layer, end in zip(layers, ends, strict=True):
        size = end - layer["gradient"]
        start = layer["forward"]
        forward[0, layer["gradient"] : end] = packed[start : start + size]
    add_gradients(layers.view(np.int64), forward, gradient)
    assert_array_equal(gradient, parameters)


def test_gradients_are_added_in_order():
    network = Network(3, (17,), False, (), 2)
    layers, _, gradient_size = layer_table(network, np.float32)
    rng = np.random.RandomState(0)
    lanes_of_one = rng.standard_normal((5, gradient_size)).astype(np.float32)
    gradient = np.empty(network.n_parameters, np.float32)
    add_gradients(layers.view(np.int64), lanes_of_one, gradient)
    each = np.empty((5, network.n_parameters), np.float32)
    for one, lane in zip(each, lanes_of_one, strict=True):
        add_gradients(layers.view(np.int64), lane[np.newaxis], one)
    expected = each[0]
    for one in each[1:]:
        expected = expected + one
    assert_array_equal(gradient, expected)


@pytest.mark.skipif(not simd.ON_X86, reason="denormals are flushed on x86 only")
@pytest.mark.skipif(simd.IN_PYTHON, reason="a kernel in Python keeps denormals")
@pytest.mark.parametrize(("value", "factor"), [(1e-37, 1e-3), (1e-40, 1e5)])
def test_denormals_are_flushed_in_a_kernel_and_kept_outside(value, factor):
    """As what comes out of a product, and as what goes into it."""
    x = np.full(lanes_of(np.float32), value, np.float32)
    multiply_flushed(x, factor)
    assert_array_equal(x, 0)
    assert np.float32(1e-37) / np.float32(1024) > 0


@pytest.mark.skipif(simd.IN_PYTHON, reason="nothing is compiled")
def test_denormals_are_kept_by_processors_of_another_kind(monkeypatch):
    monkeypatch.setattr(simd, "ON_X86", False)

    @njit
    def halved(value):
        mode = simd.flush_denormals()
        half = value / 2
        simd.restore_denormals(mode)
        return half, mode

    assert halved(1e-310) == (5e-311, 0)


@pytest.mark.skipif(simd.IN_PYTHON, reason="nothing is compiled")
def test_product_of_a_vector_and_no_number_is_refused():
    @njit
    def wrong(x):
        store(pointer(x), 0, load(pointer(x), 0) * "two")

    with pytest.raises(TypingError, match="No implementation of function"):
        wrong(np.zeros(lanes_of(np.float32), np.float32))
