"""Matrix products from a register-blocked tile, and the packing of its operand.

``C (m, n) = A (m, k) @ B (k, n)``, where a column of C is a vector wide: n counts
vectors. B and C lie in *panels* of up to four vectors: within a panel, a row is
contiguous. A panel of B so is read front to back, and stays in the L1 cache while the
rows of A pass by.
"""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import lower_builtin, type_callable

from sklstm.kernels.outline import out_of_line
from sklstm.kernels.simd import (
    N_REGISTERS,
    VectorType,
    call_intrinsic,
    lanes,
    opaque,
    splat_value,
    vector_pointer,
)

PANEL = 4  # vectors in a row of a panel
# Rows of a panel that all rows of A meet before the next ones are read: 128 rows of
# 4 x 64 bytes are 32 KiB, which leaves room in an L1 cache of 48 KiB.
K_BLOCK = 128

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


def _make_tile(n_rows, n_vectors):
    """Return ``tile``: `n_rows` rows of A by `n_vectors` vectors of the columns of B.

    The sums stay in registers over all of k. With 4 x 4, 6 x 4 and 8 x 2 sums on
    AVX-512, LLVM's code reaches 93 to 98 % of the multiply-add limit.
    """

    def tile(
        accumulate, k, a, a_start, a_row, a_col, b, b_start, b_row, c, c_start, c_row
    ):
        rows = np.arange(n_rows)[:, None]
        columns = np.arange(n_vectors * lanes(b))
        out = c_start + rows * c_row + columns
        total = c[out] if accumulate else np.zeros(out.shape, c.dtype)
        for i in range(k):
            column = a[a_start + rows * a_row + i * a_col]
            total += column * b[b_start + i * b_row + columns]
        c[out] = total

    def emit(context, builder, sig, args):
        """Build the loop over k, with one phi node for each vector of sums."""
        accumulate, k, a, a_start, a_row, a_col = args[:6]
        b, b_start, b_row, c, c_start, c_row = args[6:]
        vector = context.get_value_type(VectorType(sig.args[9].dtype))
        align = sig.args[9].dtype.bitwidth // 8
        index = k.type
        a, b, c = (
            builder.gep(base, [place])
            for base, place in ((a, a_start), (b, b_start), (c, c_start))
        )
        cells = [(row, j) for row in range(n_rows) for j in range(n_vectors)]

        def vector_at(base, offset, j):
            offset = builder.add(offset, index(j * vector.count))
            return vector_pointer(builder, base, offset, vector)

        # One pointer a row, hidden from LLVM, which else steps from row to row by
        # additions: 42 instead of 37 micro-operations for 24 multiply-adds.
        a_rows = [
            opaque(builder, builder.gep(a, [builder.mul(a_row, index(row))]))
            for row in range(n_rows)
        ]
        out = {
            (row, j): vector_at(c, builder.mul(c_row, index(row)), j)
            for row, j in cells
        }
        start = builder.block
        resume = builder.append_basic_block("resume")
        loop = builder.append_basic_block("loop")
        done = builder.append_basic_block("done")
        builder.cbranch(accumulate, resume, loop)

        builder.position_at_end(resume)
        before = {cell: builder.load(out[cell], align=align) for cell in cells}
        builder.branch(loop)

        builder.position_at_end(loop)
        i = builder.phi(index)
        total = {cell: builder.phi(vector) for cell in cells}
        b_offset = builder.mul(i, b_row)
        columns = [
            builder.load(vector_at(b, b_offset, j), align=align)
            for j in range(n_vectors)
        ]
        after = {}
        a_offset = builder.mul(i, a_col)
        for row in range(n_rows):
            value = builder.load(builder.gep(a_rows[row], [a_offset]))
            value = splat_value(builder, value, vector)
            for j in range(n_vectors):
                operands = [value, columns[j], total[row, j]]
                after[row, j] = call_intrinsic(
                    builder, "llvm.fmuladd", vector, operands
                )
        following = builder.add(i, index(1))
        builder.cbranch(builder.icmp_signed("<", following, k), loop, done)
        i.add_incoming(index(0), start)
        i.add_incoming(index(0), resume)
        i.add_incoming(following, loop)
        for cell in cells:
            total[cell].add_incoming(ir.Constant(vector, None), start)
            total[cell].add_incoming(before[cell], resume)
            total[cell].add_incoming(after[cell], loop)

        builder.position_at_end(done)
        for cell in cells:
            builder.store(after[cell], out[cell], align=align)
        return context.get_dummy_value()

    @type_callable(tile)
    def _type_tile(context):
        def typer(
            accumulate,
            k,
            a,
            a_start,
            a_row,
            a_col,
            b,
            b_start,
            b_row,
            c,
            c_start,
            c_row,
        ):
            return types.none

        return typer

    number = types.Integer
    array = types.CPointer
    kinds = (array, number, number, number, array, number, number, array)
    lower_builtin(tile, types.Boolean, number, *kinds, number, number)(emit)
    return tile


def _make_stripe(n_vectors, heights):
    """Return ``stripe``: all rows of A by `n_vectors` vectors of the columns of B."""
    highest = heights[0]
    tile_high, tile_4, tile_2, tile_1 = (_make_tile(h, n_vectors) for h in heights)

    @njit(nogil=True)
    def stripe(accumulate, m, k, a, b, b_start, b_row, c, c_start, c_row):
        row = 0
        while row < m:
            left = m - row
            a_start = a.start + row * a.row
            c_place = c_start + row * c_row
            # Eight rows are better cut 4 + 4 than 6 + 2.
            if left >= highest and (left != 8 or highest == 8):
                tile_high(
                    accumulate, k, a.values, a_start, a.row, a.col,
                    b, b_start, b_row, c, c_place, c_row,
                )  # fmt: skip
                row += highest
            elif left >= 4:
                tile_4(
                    accumulate, k, a.values, a_start, a.row, a.col,
                    b, b_start, b_row, c, c_place, c_row,
                )  # fmt: skip
                row += 4
            elif left >= 2:
                tile_2(
                    accumulate, k, a.values, a_start, a.row, a.col,
                    b, b_start, b_row, c, c_place, c_row,
                )  # fmt: skip
                row += 2
            else:
                tile_1(
                    accumulate, k, a.values, a_start, a.row, a.col,
                    b, b_start, b_row, c, c_place, c_row,
                )  # fmt: skip
                row += 1

    return stripe


_WIDEST = 4 if N_REGISTERS == 32 else 2
_stripe_widest = _make_stripe(_WIDEST, (6, 4, 2, 1))
_stripe_2 = _make_stripe(2, (8, 4, 2, 1)) if _WIDEST == 4 else _stripe_widest
_stripe_1 = _make_stripe(1, (8, 4, 2, 1))


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
            last = min(n_vectors - first, PANEL)
            for k_start in range(0, k, K_BLOCK):
                depth = min(K_BLOCK, k - k_start)
                add = accumulate != 0 or k_start > 0
                block = Matrix(a, a_start + k_start * a_col, a_row, a_col)
                j = 0
                while j < last:
                    b_place = b_start + panel * b_panel + k_start * b_row + j * width
                    c_place = c_start + panel * c_panel + j * width
                    if last - j >= _WIDEST:
                        _stripe_widest(
                            add, m, depth, block, b, b_place, b_row, c, c_place, c_row
                        )
                        j += _WIDEST
                    elif last - j >= 2:
                        _stripe_2(
                            add, m, depth, block, b, b_place, b_row, c, c_place, c_row
                        )
                        j += 2
                    else:
                        _stripe_1(
                            add, m, depth, block, b, b_place, b_row, c, c_place, c_row
                        )
                        j += 1

    return gemm
