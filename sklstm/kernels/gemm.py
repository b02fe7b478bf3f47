"""Matrix products from a register-blocked tile, and the packing of its operand.

``C (m, n) = A (m, k) @ B (k, n)``, where a column of C is a vector wide: n counts
vectors. B and C lie in *panels* of up to four vectors: within a panel, a row is
contiguous. A panel of B so is read front to back, and stays in the L1 cache while the
rows of A pass by.
"""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, type_callable

from sklstm.kernels.outline import out_of_line
from sklstm.kernels.simd import (
    N_REGISTERS,
    REGISTER_BYTES,
    VectorType,
    call_intrinsic,
    lanes,
    opaque,
    splat_value,
)

PANEL = 4  # vectors in a row of a panel
# Rows of a panel that all rows of A meet before the next ones are read: 64 rows of
# 4 x 64 bytes are 16 KiB, a third of an L1 cache of 48 KiB. With 128, and a hyperthread
# beside that wants the cache too, a training step takes 2 to 9 % longer.
K_BLOCK = 64

OVERWRITE, ADD = np.intp(0), np.intp(1)  # what `gemm` does to C


class Matrix(NamedTuple):
    """A matrix in flat memory; element (i, j) is ``values[start + i*row + j*col]``."""

    values: np.ndarray
    start: int
    row: int
    col: int


class Panels(NamedTuple):
    """A matrix in panels; row i of panel p begins at ``start + p*panel + i*row``."""

    values: np.ndarray
    start: int
    panel: int
    row: int


# Vectors of sums that a tile keeps in registers. The others hold what is multiplied
# and, without fused multiply-add (SSE2), each product.
_N_SUMS = {(64, 32): 24, (32, 16): 6, (16, 32): 6, (16, 16): 2}[
    REGISTER_BYTES, N_REGISTERS
]
_WIDEST = 4 if _N_SUMS == 24 else 1
_TALLEST = _N_SUMS // _WIDEST
# Vectors in a row of a tile, and how many rows there may be: as the registers allow.
_HEIGHTS = {_WIDEST: range(1, _TALLEST + 1)} | {
    n_vectors: (1, 2, 3, 4, 6, 8) for n_vectors in (2, 1) if n_vectors < _WIDEST
}


def _tile(
    n_vectors, height, accumulate, k, a, a_start, a_row, a_col, b, b_start, b_row,
    c, c_start, c_row,
):  # fmt: skip
    """Multiply `height` rows of A by `n_vectors` vectors of the columns of B.

    The sums stay in registers over all of k. With at least 8 sums on AVX-512, LLVM's
    code reaches 93 to 98 % of the multiply-add limit.
    """
    rows = np.arange(height)[:, None]
    columns = np.arange(n_vectors * lanes(b))
    out = c_start + rows * c_row + columns
    total = c[out] if accumulate else np.zeros(out.shape, c.dtype)
    for i in range(k):
        column = a[a_start + rows * a_row + i * a_col]
        total += column * b[b_start + i * b_row + columns]
    c[out] = total


@type_callable(_tile)
def _type_tile(context):
    def typer(
        n_vectors, height, accumulate, k, a, a_start, a_row, a_col, b, b_start, b_row,
        c, c_start, c_row,
    ):  # fmt: skip
        return types.none

    return typer


@lower_builtin(
    _tile, types.Integer, types.Integer, types.Boolean, types.Integer,
    types.CPointer, types.Integer, types.Integer, types.Integer,
    types.CPointer, types.Integer, types.Integer,
    types.CPointer, types.Integer, types.Integer,
)  # fmt: skip
def _lower_tile(context, builder, sig, args):
    """Build a tile for each size; which it is to be is chosen at run time."""
    width, height, *args = args
    kind = sig.args[11].dtype
    vector = context.get_value_type(VectorType(kind))
    done = builder.append_basic_block("done")
    size = builder.add(builder.mul(width, width.type(16)), height)
    switch = builder.switch(size, done)
    for n_vectors, heights in _HEIGHTS.items():
        for n_rows in heights:
            block = builder.append_basic_block(f"tile_{n_rows}_{n_vectors}")
            switch.add_case(size.type(16 * n_vectors + n_rows), block)
            builder.position_at_end(block)
            _emit_tile(builder, n_rows, n_vectors, vector, kind.bitwidth // 8, *args)
            builder.branch(done)
    builder.position_at_end(done)
    return context.get_dummy_value()


def _emit_tile(
    builder, n_rows, n_vectors, vector, align,
    accumulate, k, a, a_start, a_row, a_col, b, b_start, b_row, c, c_start, c_row,
):  # fmt: skip
    """Build the tile of `n_rows` rows."""
    # A pointer for each row of A, hidden from LLVM, which else goes from row to row by
    # additions: 42 instead of 37 instructions for 24 multiply-adds.
    a_first = builder.gep(a, [a_start])
    a_rows = [
        opaque(builder, builder.gep(a_first, [builder.mul(a_row, k.type(row))]))
        for row in range(n_rows)
    ]
    b_first = builder.gep(b, [b_start])
    c_first = builder.gep(c, [c_start])

    def vectors_at(base, place):
        """Return pointers to a row of vectors."""
        first = builder.bitcast(builder.gep(base, [place]), vector.as_pointer())
        return [builder.gep(first, [k.type(j)]) for j in range(n_vectors)]

    def multiply_add(i, totals):
        """Add column i of A times row i of B."""
        columns = [
            builder.load(column, align=align)
            for column in vectors_at(b_first, builder.mul(i, b_row))
        ]
        place = builder.mul(i, a_col)
        for row, sums in zip(a_rows, totals, strict=True):
            value = builder.load(builder.gep(row, [place]))
            value = splat_value(builder, value, vector)
            yield [
                call_intrinsic(builder, "llvm.fmuladd", vector, [value, *pair])
                for pair in zip(columns, sums, strict=True)
            ]

    out = [
        vectors_at(c_first, builder.mul(c_row, k.type(row))) for row in range(n_rows)
    ]
    _emit_sums(builder, accumulate, k, out, align, multiply_add)


def _emit_sums(builder, accumulate, k, out, align, multiply_add):
    """Build a loop over k whose sums, one for each pointer in `out`, are phi nodes.

    They begin with what `out` points to, if `accumulate`, else with zero.
    """
    vector = out[0][0].type.pointee
    start = builder.block
    resume = builder.append_basic_block("resume")
    loop = builder.append_basic_block("loop")
    done = builder.append_basic_block("done")
    builder.cbranch(accumulate, resume, loop)

    builder.position_at_end(resume)
    before = [[builder.load(place, align=align) for place in row] for row in out]
    builder.branch(loop)

    builder.position_at_end(loop)
    i = builder.phi(k.type)
    totals = [[builder.phi(vector) for _ in row] for row in out]
    after = list(multiply_add(i, totals))
    following = builder.add(i, k.type(1))
    builder.cbranch(builder.icmp_signed("<", following, k), loop, done)
    i.add_incoming(k.type(0), start)
    i.add_incoming(k.type(0), resume)
    i.add_incoming(following, loop)
    for total, first, last in zip(*map(_flat, (totals, before, after)), strict=True):
        total.add_incoming(ir.Constant(vector, None), start)
        total.add_incoming(first, resume)
        total.add_incoming(last, loop)

    builder.position_at_end(done)
    for place, last in zip(_flat(out), _flat(after), strict=True):
        builder.store(last, place, align=align)


def _flat(rows):
    return [value for row in rows for value in row]


@out_of_line("iiii piii pii pii")
def _stripe(version):
    def stripe(
        wide, accumulate, m, k,
        a, a_start, a_row, a_col, b, b_start, b_row, c, c_start, c_row,
    ):  # fmt: skip
        """Multiply all rows of A by `wide` vectors of the columns of B."""
        version  # noqa: B018
        row = 0
        while row < m:
            # Rows are cut as evenly as can be: 7 = 4 + 3, for in a tile of one row
            # each multiply-add waits for the one before.
            rest = m - row
            tallest = _TALLEST if wide == _WIDEST else 8
            n_tiles = (rest + tallest - 1) // tallest
            height = (rest + n_tiles - 1) // n_tiles
            if wide < _WIDEST and height > 4:
                height -= height % 2
            _tile(
                wide, height, accumulate == ADD, k, a, a_start + row * a_row, a_row,
                a_col, b, b_start, b_row, c, c_start + row * c_row, c_row,
            )  # fmt: skip
            row += height

    return stripe


@out_of_line("iiii piii piii piii")
def gemm(version):
    def gemm(
        accumulate, m, n_vectors, k,
        a, a_start, a_row, a_col,
        b, b_start, b_panel, b_row,
        c, c_start, c_panel, c_row,
    ):  # fmt: skip
        """Compute ``C = A @ B`` (OVERWRITE) or ``C += A @ B`` (ADD).

        Each element is summed over k in order, whatever the tile that it falls in: a
        row of C depends on its row of A alone, to the last bit.

        Parameters
        ----------
        accumulate : int
            OVERWRITE or ADD.
        m, n_vectors, k : int
            Rows of A and C, vectors in a row of B and C, columns of A; at least 1.
        a, a_start, a_row, a_col
            A `Matrix` (m, k); read.
        b, b_start, b_panel, b_row
            `Panels` (k, n_vectors); read.
        c, c_start, c_panel, c_row
            `Panels` (m, n_vectors); written.
        """
        version  # noqa: B018
        width = lanes(c)
        for first in range(0, n_vectors, PANEL):
            panel = first // PANEL
            last = n_vectors - first if n_vectors - first < PANEL else PANEL
            for k_start in range(0, k, K_BLOCK):
                depth = k - k_start if k - k_start < K_BLOCK else K_BLOCK
                mode = ADD if k_start > 0 else accumulate
                j = 0
                while j < last:
                    left = last - j
                    wide = _WIDEST if left >= _WIDEST else 2 if left >= 2 else 1
                    _stripe(
                        wide, mode, m, depth,
                        a, a_start + k_start * a_col, a_row, a_col,
                        b, b_start + panel * b_panel + k_start * b_row + j * width,
                        b_row, c, c_start + panel * c_panel + j * width, c_row,
                    )  # fmt: skip
                    j += wide

    return gemm
