"""A recurrent layer: one direction over all steps of a shard, and back.

Row ``offset[t] + b`` is step t of sequence b (see `shard`). The backward direction
reads each sequence from its own end, in rows of the same shape.

What the functions take, all of it the caller's:

layers, places : pointer to int64
    Read: the table of all layers, and the places of their regions (see `layout`).
mode : int
    KEEP: there is a row of Z, GATES, C and TANH_C for each step, for the way back,
    else the rows of one step, used again and again. TRAIN: dropout sets in, and the
    steps of maxima are taken down. SUM: steps are taken into POOL.
t0 : int
    How many steps went before; a backward direction reads whole sequences only.
e, direction, n_directions : int
    The layer in the table; which direction it is, of how many.
packed, gradient : pointer
    The packed weights, read; their gradient, added to.
values, starts, lengths, n : pointer, pointer to int64 (twice), int
    Read: the shard, n sequences, the longest first.
offset : pointer to int64
    Read: the row at which each step begins, and after the last step how many.
keys : pointer to int64
    Read in training: what the dropout of each sequence is keyed by.
stop : pointer to int64
    Read before each step: not 0 where all is to end at once, whatever comes out.
work : pointer
    Read and written: the regions of all layers.
"""

from sklstm.kernels import inner
from sklstm.kernels.cells import lstm_backward, lstm_forward
from sklstm.kernels.dropout import draw_masks, drop_step, mask_rows
from sklstm.kernels.gemm import ADD, K_BLOCK, OVERWRITE, PANEL, Matrix, Panels, gemm
from sklstm.kernels.layout import (
    BESIDE,
    C0,
    DC,
    DH,
    DOUT,
    DX,
    GATES,
    MASK,
    OUT,
    POOL,
    TANH_C,
    C,
    H,
    Z,
    layer_of,
    places_of,
)
from sklstm.kernels.outline import out_of_line
from sklstm.kernels.pooling import LAST, MEAN, pool_step, pool_step_backward
from sklstm.kernels.simd import add_to, copy, lanes, zero

KEEP, TRAIN, SUM = 1, 2, 4


@inner
def _handed_up(layers, e, places, region, direction, t, b, lengths, offset):
    """Return where OUT or DOUT of layer `e` has what a direction reads as step `t`."""
    row = offset[lengths[b] - 1 - t if direction == 1 else t] + b
    return places_of(places, e)[region] + row * layer_of(layers, e)["above"]


@out_of_line("niiin ii pp nninnn p")
def recurrent_forward(version):
    def recurrent_forward(
        layers, e, direction, n_directions, places, mode, t0,
        packed, values, starts, lengths, n, offset, keys, stop, work,
    ):  # fmt: skip
        """Run one direction of a recurrent layer over all steps.

        H and C0 hold the states before the first step; H is left with those after the
        last. POOL goes on from what steps before gave.
        """
        version  # noqa: B018
        layer = layer_of(layers, e)
        at = places_of(places, e)
        width = lanes(work)
        n_steps = lengths[0]
        hidden_column = layer["n_inputs"] + 1
        n_blocks = layer["n_unit_vectors"]
        h_row, z_row, gates_row = n_blocks * width, layer["z_width"], PANEL * width
        keep, training = (mode & KEEP) != 0, (mode & TRAIN) != 0
        masked = training and layer["recurrent_dropout"] > 0
        rows = offset[n_steps] if keep else n
        if masked:
            draw_masks(
                layer["draw_masks"], work, n, at[MASK], h_row, keys, 2 * e + 1,
                layer["n_units"], layer["recurrent_dropout"],
            )  # fmt: skip

        for b in range(n):
            hidden = at[Z] + b * z_row + hidden_column
            copy(work, at[H] + b * h_row, work, hidden, h_row)
        c_before = at[C0]
        for t in range(n_steps):
            if stop[0] != 0:
                return
            active = offset[t + 1] - offset[t]
            slot = offset[t] if keep else 0
            z = at[Z] + slot * z_row
            gates = at[GATES] + slot * gates_row
            c = at[C] + slot * h_row
            _read_inputs(
                layers, e, direction, n_directions, places, mode, t0,
                values, starts, lengths, offset, keys, t, work, z,
            )  # fmt: skip
            if masked:
                mask_rows(
                    layer["mask_rows"], work, active, z + hidden_column, z_row,
                    at[MASK], h_row,
                )  # fmt: skip
            gemm(
                OVERWRITE, active, layer["n_vectors"], layer["n_rows"],
                Matrix(work, z, z_row, 1),
                Panels(
                    packed, layer["forward"], layer["n_rows"] * gates_row, gates_row
                ),
                Panels(work, gates, rows * gates_row, gates_row),
            )  # fmt: skip
            n_next = offset[t + 2] - offset[t + 1] if t + 1 < n_steps else 0
            next_hidden = at[Z] + hidden_column + (offset[t + 1] * z_row if keep else 0)
            lstm_forward(
                work, active, n_blocks, gates, rows * gates_row,
                c_before, c, at[TANH_C] + slot * h_row, at[H],
                n_next, next_hidden, z_row,
            )  # fmt: skip
            c_before = c
            if (mode & SUM) != 0 and layer["pooling"] != LAST:
                beside = at[BESIDE] if training or layer["pooling"] == MEAN else -1
                pool_step(
                    layer["pool_step"], work, layer["pooling"], t0 + t, active * h_row,
                    at[H], at[POOL], beside,
                )  # fmt: skip
            for b in range(active if layer["above"] > 0 else 0):
                target = direction * layer["n_units"] + _handed_up(
                    layers, e - direction, places, OUT, direction, t, b, lengths, offset
                )
                copy(work, at[H] + b * h_row, work, target, layer["n_units"])

    return recurrent_forward


@inner
def _read_inputs(
    layers, e, direction, n_directions, places, mode, t0,
    values, starts, lengths, offset, keys, t, work, z,
):  # fmt: skip
    """Write step `t` of X, or of the layer below, and 1 for the bias to rows of Z."""
    layer = layer_of(layers, e)
    n_inputs, z_row = layer["n_inputs"], layer["z_width"]
    active = offset[t + 1] - offset[t]
    below = e - direction - n_directions  # the first direction of the layer below
    if below < 0:
        for b in range(active):
            position = lengths[b] - 1 - t if direction == 1 else t
            source = (starts[b] + position) * n_inputs
            copy(values, source, work, z + b * z_row, n_inputs)
    else:
        for b in range(active):
            source = _handed_up(
                layers, below, places, OUT, direction, t, b, lengths, offset
            )
            copy(work, source, work, z + b * z_row, n_inputs)
        if (mode & TRAIN) != 0 and layer["dropout"] > 0:
            drop_step(
                layer["drop_step"], work, active, z, z_row, keys, 2 * (e - direction),
                n_inputs, lengths, direction, t0 + t, layer["dropout"],
            )  # fmt: skip
    for b in range(active):
        work[z + b * z_row + n_inputs] = 1


@out_of_line("niiin i p ninnn pp")
def recurrent_backward(version):
    def recurrent_backward(
        layers, e, direction, n_directions, places, t0,
        packed, lengths, n, offset, keys, stop, work, gradient,
    ):  # fmt: skip
        """Take the gradient back through one direction of a recurrent layer.

        DH, or where steps are pooled POOL, holds the gradient of what sums the sequence
        up; the layer above has put that of the single steps into DOUT. The weights'
        gradient is added to `gradient`.
        """
        version  # noqa: B018
        layer = layer_of(layers, e)
        at = places_of(places, e)
        width = lanes(work)
        n_steps = lengths[0]
        n_blocks = layer["n_unit_vectors"]
        h_row, z_row, gates_row = n_blocks * width, layer["z_width"], PANEL * width
        rows = offset[n_steps]
        zero(work, at[DC], n * h_row)
        end = rows
        for t in range(n_steps - 1, -1, -1):
            if stop[0] != 0:
                return
            start = offset[t]
            active = offset[t + 1] - start
            gates = at[GATES] + start * gates_row
            for b in range(active if layer["above"] > 0 else 0):
                source = direction * layer["n_units"] + _handed_up(
                    layers, e - direction, places, DOUT, direction, t, b, lengths,
                    offset,
                )  # fmt: skip
                add_to(work, at[DH] + b * h_row, work, source, layer["n_units"])
            if layer["pooling"] != LAST:
                pool_step_backward(
                    layer["pool_step_backward"], work, layer["pooling"], t0 + t,
                    active * h_row, at[DH], at[POOL], at[BESIDE],
                )  # fmt: skip
            c_before = at[C] + offset[t - 1] * h_row if t > 0 else at[C0]
            lstm_backward(
                work, active, n_blocks, gates, rows * gates_row,
                c_before, at[TANH_C] + start * h_row, at[DH], at[DC],
            )  # fmt: skip
            if t > 0:
                _through_weights(
                    layer, active, work, gates, rows,
                    packed, layer["to_hidden"], n_blocks,
                    layer["unit_panel_row"], at[DH],
                )  # fmt: skip
                if layer["recurrent_dropout"] > 0:
                    mask_rows(
                        layer["mask_rows"], work, active, at[DH], h_row,
                        at[MASK], h_row,
                    )  # fmt: skip
            # Take from a block of rows all it has to give while it is in the cache.
            if t == 0 or end - offset[t - 1] > K_BLOCK:
                gemm(
                    ADD, layer["n_rows"], layer["n_vectors"], end - start,
                    Matrix(work, at[Z] + start * z_row, 1, z_row),
                    Panels(work, gates, rows * gates_row, gates_row),
                    Panels(
                        gradient, layer["gradient"],
                        layer["n_rows"] * gates_row, gates_row,
                    ),
                )  # fmt: skip
                if layer["to_inputs"] >= 0:
                    _through_weights(
                        layer, end - start, work, gates, rows,
                        packed, layer["to_inputs"], layer["n_input_vectors"],
                        layer["input_panel_row"], at[DX],
                    )  # fmt: skip
                    _hand_down(
                        layers, e, direction, n_directions, places, t0,
                        lengths, offset, keys, t, end, work,
                    )  # fmt: skip
                end = start

    return recurrent_backward


@inner
def _through_weights(
    layer, m, work, gates, rows, packed, weights, n_vectors, panel_row, out
):  # fmt: skip
    """Write `m` rows of gradients of gates, times transposed weights, to `out`.

    The panels of GATES lie `rows` rows apart; each is a part of the sum.
    """
    width = lanes(work)
    gates_row = PANEL * width
    for p in range(layer["n_unit_vectors"]):
        gemm(
            OVERWRITE if p == 0 else ADD, m, n_vectors, gates_row,
            Matrix(work, gates + p * rows * gates_row, gates_row, 1),
            Panels(
                packed, weights + p * gates_row * panel_row,
                layer["n_vectors"] * width * panel_row, panel_row,
            ),
            Panels(work, out, gates_row, n_vectors * width),
        )  # fmt: skip


@inner
def _hand_down(
    layers, e, direction, n_directions, places, t0,
    lengths, offset, keys, t_first, end, work,
):  # fmt: skip
    """Add the inputs' gradient, from step `t_first` to row `end`, to DOUT below."""
    layer = layer_of(layers, e)
    below = e - direction - n_directions
    source = places_of(places, e)[DX]
    t = t_first
    while t < lengths[0] and offset[t] < end:
        if layer["dropout"] > 0:
            drop_step(
                layer["drop_step"], work, offset[t + 1] - offset[t], source,
                layer["n_input_vectors"] * lanes(work), keys, 2 * (e - direction),
                layer["n_inputs"], lengths, direction, t0 + t, layer["dropout"],
            )  # fmt: skip
        for b in range(offset[t + 1] - offset[t]):
            target = _handed_up(
                layers, below, places, DOUT, direction, t, b, lengths, offset
            )
            add_to(work, target, work, source, layer["n_inputs"])
            source += layer["n_input_vectors"] * lanes(work)
        t += 1
