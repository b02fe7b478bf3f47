"""What a training step is made of: each kernel by itself, with all it reads in a cache.

A shard of 16 sequences takes a step: a product and the cell forward, the cell back, a
product back to the hidden state, and one to the weights' gradient, which is taken for
64 rows at a time. The peer of each is what all five take together.
"""

import numpy as np
from numba import njit

from benchmarks.side_by_side import Row, in_turn
from sklstm.kernels import outline
from sklstm.kernels.cells import lstm_backward, lstm_forward
from sklstm.kernels.gemm import ADD, K_BLOCK, PANEL, Matrix, Panels, gemm
from sklstm.kernels.shard import SHARD
from sklstm.kernels.simd import (
    flush_denormals,
    lanes_of,
    pointer,
    restore_denormals,
)

CASES = [(8, 32), (28, 64), (16, 128), (32, 256)]  # channels, hidden
WIDTH = lanes_of(np.float32)
N_CALLS = 200  # of a kernel in a turn


@njit(nogil=True)
def _products(n, rows, n_vectors, k, n_sums, left, row, column, weights, out):
    """Add up `n_sums` products with other weights each, `n` times over."""
    panel_row = min(n_vectors, PANEL) * WIDTH
    size = k * n_vectors * WIDTH
    for _ in range(n):
        for s in range(n_sums):
            gemm(
                ADD,
                rows,
                n_vectors,
                k,
                Matrix(pointer(left), 0, row, column),
                Panels(pointer(weights), s * size, k * panel_row, panel_row),
                Panels(pointer(out), 0, rows * panel_row, panel_row),
            )


@njit(nogil=True)
def _cells(n, forward, n_blocks, work):
    """Take a shard's cells a step forward, or back, `n` times over."""
    states = SHARD * n_blocks * WIDTH
    gates, c, tanh_c, h = 0, 4 * states, 5 * states, 6 * states
    panel = SHARD * 4 * WIDTH
    mode = flush_denormals()  # gradients of gradients, as they are here, vanish
    for _ in range(n):
        if forward:
            lstm_forward(
                pointer(work), SHARD, n_blocks, gates, panel, c, c, tanh_c, h, SHARD,
                7 * states, n_blocks * WIDTH,
            )  # fmt: skip
        else:
            lstm_backward(
                pointer(work), SHARD, n_blocks, gates, panel, c, tanh_c, h, 7 * states
            )  # fmt: skip
    restore_denormals(mode)


def sides(channels, hidden):
    """Return for each part of a step what runs it, how often it does, and its work.

    The work is operations of one call, or none where it is no product.
    """
    rng = np.random.default_rng(0)

    def some(*shape):
        return rng.uniform(-1e-3, 1e-3, shape).astype(np.float32)

    n_blocks, n_inputs = -(-hidden // WIDTH), channels + 1 + hidden
    work = some(8 * SHARD * n_blocks * WIDTH)
    products = {
        # rows, vectors of columns, depth, sums, whether the left side is transposed
        "product forward": (SHARD, 4 * n_blocks, n_inputs, 1, False),
        "product to the hidden state": (SHARD, n_blocks, 4 * WIDTH, n_blocks, False),
        "product to the weights": (n_inputs, 4 * n_blocks, K_BLOCK, 1, True),
    }
    found = {}
    for name, (rows, n_vectors, k, n_sums, turned) in products.items():
        row, column = (1, rows) if turned else (k, 1)
        arguments = (
            rows, n_vectors, k, n_sums, some(rows * k), row, column,
            some(n_sums * k * n_vectors * WIDTH), some(rows * n_vectors * WIDTH),
        )  # fmt: skip
        often = SHARD / K_BLOCK if turned else 1
        operations = 2 * rows * n_vectors * WIDTH * k * n_sums
        found[name] = (_call(_products, *arguments), often, operations)
    for name, forward in (("cell forward", True), ("cell back", False)):
        found[name] = (_call(_cells, forward, n_blocks, work), 1, None)
    return found


def _call(function, *arguments):
    return lambda: function(N_CALLS, *arguments)


def measure_all(n_threads, quick):
    """Yield all rows, once for all numbers of threads."""
    if n_threads > 1:
        return
    outline.ready(np.dtype(np.float32))
    for channels, hidden in CASES[1:2] if quick else CASES:
        parts = sides(channels, hidden)
        calls = {name: call for name, (call, _, _) in parts.items()}
        medians, limit = in_turn(calls, 9 if quick else 30)
        of_step = {name: medians[name] * parts[name][1] / N_CALLS for name in parts}
        step = sum(of_step.values())
        for name, (_, often, operations) in parts.items():
            yield Row(
                "part of a step",
                f"{name}, {SHARD} x {channels}, H {hidden}",
                1,
                of_step[name],
                "whole step",
                step,
                operations and operations * often,
                operations and limit,
            )
