"""One shard, whole: a few sequences through all layers, the head, the loss, and back.

A shard is at most SHARD sequences, longest first, so that step t is one product over
the first ``active`` sequences, those that are still running. Its rows are these steps
one after the other: row ``offset[t] + b`` is step t of sequence b. The backward
direction reads each sequence from its own end, in rows of the same shape.

All that a shard needs lies in one array, ``work``, at the ``places`` that `layout`
gives each layer; a kernel takes the array and the places.
"""

import numpy as np
from numba import njit

from sklstm.kernels import entry_point
from sklstm.kernels.cells import lstm_backward, lstm_forward
from sklstm.kernels.gemm import ADD, K_BLOCK, OVERWRITE, PANEL, Matrix, Panels, gemm
from sklstm.kernels.layout import (
    DC,
    DH,
    DOUT,
    DX,
    GATES,
    N_REGIONS,
    OUT,
    TANH_C,
    ZEROS,
    C,
    H,
    Z,
    place_regions,
)
from sklstm.kernels.losses import loss_and_gradient
from sklstm.kernels.simd import (
    flush_denormals,
    lanes,
    load,
    pointer,
    restore_denormals,
    store,
    where_positive,
    zeros_like,
)

# Sequences in a shard. Sixteen rows keep a product at the multiply-add limit; more
# would leave threads without work in small minibatches.
SHARD = 16

# Numba compiles a kernel anew for each literal argument, which these are not.
_YES, _NO = np.bool_(True), np.bool_(False)


@njit(nogil=True)
def _find_rows(lengths, n, offset):
    """Write the row at which each step begins, and after the last step how many."""
    offset[0] = 0
    active = n
    for t in range(lengths[0]):
        while lengths[active - 1] <= t:
            active -= 1
        offset[t + 1] = offset[t] + active


@njit(nogil=True)
def _zero(work, place, size):
    """Zero whole vectors from `place`."""
    zero = zeros_like(work)
    for i in range(place, place + size, lanes(work)):
        store(work, i, zero)


@njit(nogil=True)
def _row(t, b, direction, lengths, offset):
    """Return the row of the step of sequence `b` that a direction reads as step `t`."""
    return offset[lengths[b] - 1 - t if direction == 1 else t] + b


@njit(nogil=True)
def _recurrent_forward(
    layers, e, direction, n_directions, places, keep,
    packed, values, starts, lengths, n, offset, work,
):  # fmt: skip
    """Run one direction of a recurrent layer over all steps.

    With `keep`, Z, GATES, C and TANH_C hold a row for each step, for the way back;
    else the rows of one step, used again and again.
    """
    layer = layers[e]
    at = places[e]
    width = lanes(work)
    n_steps = lengths[0]
    n_inputs, n_units = layer["n_inputs"], layer["n_units"]
    n_blocks = layer["n_unit_vectors"]
    h_row, z_row, gates_row = n_blocks * width, layer["z_width"], PANEL * width
    rows = offset[n_steps] if keep else n
    below = e - direction - n_directions  # the first direction of the layer below

    _zero(work, at[H], n * h_row)
    _zero(work, at[ZEROS], n * h_row)
    c_before = at[ZEROS]
    for t in range(n_steps):
        active = offset[t + 1] - offset[t]
        slot = offset[t] if keep else 0
        z = at[Z] + slot * z_row
        gates = at[GATES] + slot * gates_row
        c = at[C] + slot * h_row
        for b in range(active):
            row = z + b * z_row
            if below < 0:
                position = lengths[b] - 1 - t if direction == 1 else t
                source = (starts[b] + position) * n_inputs
                for j in range(n_inputs):
                    work[row + j] = values[source + j]
            else:
                source = _row(t, b, direction, lengths, offset)
                source = places[below, OUT] + source * layers[below]["above"]
                for j in range(n_inputs):
                    work[row + j] = work[source + j]
            work[row + n_inputs] = 1
            for u in range(0, h_row, width):
                store(work, row + n_inputs + 1 + u, load(work, at[H] + b * h_row + u))
        gemm(
            OVERWRITE, active, layer["n_vectors"], layer["n_rows"],
            Matrix(work, z, z_row, 1),
            Panels(packed, layer["forward"], layer["n_rows"] * gates_row, gates_row),
            Panels(work, gates, rows * gates_row, gates_row),
        )  # fmt: skip
        lstm_forward(
            work, active, n_blocks, gates, rows * gates_row,
            c_before, c, at[TANH_C] + slot * h_row, at[H],
        )  # fmt: skip
        c_before = c
        if layer["above"] > 0:
            out = places[e - direction, OUT] + direction * n_units
            for b in range(active):
                target = out + _row(t, b, direction, lengths, offset) * layer["above"]
                for u in range(n_units):
                    work[target + u] = work[at[H] + b * h_row + u]


@njit(nogil=True)
def _recurrent_backward(
    layers, e, direction, n_directions, places,
    packed, lengths, n, offset, work, gradient,
):  # fmt: skip
    """Take the gradient back through one direction of a recurrent layer.

    DH holds the gradient of the summed-up state on entry; the layer above has put that
    of the single steps into DOUT. The weights' gradient is added to `gradient`.
    """
    layer = layers[e]
    at = places[e]
    width = lanes(work)
    n_steps = lengths[0]
    n_blocks = layer["n_unit_vectors"]
    h_row, z_row, gates_row = n_blocks * width, layer["z_width"], PANEL * width
    rows = offset[n_steps]
    hidden_row = min(n_blocks, PANEL) * width
    end = rows
    _zero(work, at[DC], n * h_row)
    for t in range(n_steps - 1, -1, -1):
        start = offset[t]
        active = offset[t + 1] - start
        gates = at[GATES] + start * gates_row
        if layer["above"] > 0:
            out = places[e - direction, DOUT] + direction * layer["n_units"]
            for b in range(active):
                source = out + _row(t, b, direction, lengths, offset) * layer["above"]
                for u in range(layer["n_units"]):
                    work[at[DH] + b * h_row + u] += work[source + u]
        c_before = at[C] + offset[t - 1] * h_row if t > 0 else at[ZEROS]
        lstm_backward(
            work, active, n_blocks, gates, rows * gates_row,
            c_before, at[TANH_C] + start * h_row, at[DH], at[DC],
        )  # fmt: skip
        if t > 0:
            for p in range(n_blocks):
                gemm(
                    min(p, 1), active, n_blocks, gates_row,
                    Matrix(work, gates + p * rows * gates_row, gates_row, 1),
                    Panels(
                        packed, layer["to_hidden"] + p * gates_row * hidden_row,
                        layer["n_vectors"] * width * hidden_row, hidden_row,
                    ),
                    Panels(work, at[DH], PANEL * width, h_row),
                )  # fmt: skip
        # While a block of rows is still in the cache, take from it all it has to give.
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
                _pass_down(
                    layers, e, direction, n_directions, places, packed,
                    lengths, offset, t, end, work,
                )  # fmt: skip
            end = start


@njit(nogil=True)
def _pass_down(
    layers, e, direction, n_directions, places, packed,
    lengths, offset, t_first, end, work,
):  # fmt: skip
    """Add the inputs' gradient, from step `t_first` to row `end`, to DOUT below."""
    layer = layers[e]
    at = places[e]
    width = lanes(work)
    start = offset[t_first]
    rows = offset[lengths[0]]
    gates_row = PANEL * width
    inputs_row = layer["n_input_vectors"] * width
    panel_row = min(layer["n_input_vectors"], PANEL) * width
    for p in range(layer["n_unit_vectors"]):
        gemm(
            min(p, 1), end - start, layer["n_input_vectors"], gates_row,
            Matrix(
                work, at[GATES] + (p * rows + start) * gates_row, gates_row, 1
            ),
            Panels(
                packed, layer["to_inputs"] + p * gates_row * panel_row,
                layer["n_vectors"] * width * panel_row, panel_row,
            ),
            Panels(work, at[DX], PANEL * width, inputs_row),
        )  # fmt: skip
    below = e - direction - n_directions
    source = at[DX]
    t = t_first
    while t < lengths[0] and offset[t] < end:
        for b in range(offset[t + 1] - offset[t]):
            target = _row(t, b, direction, lengths, offset)
            target = places[below, DOUT] + target * layers[below]["above"]
            for j in range(layer["n_inputs"]):
                work[target + j] += work[source + j]
            source += inputs_row
        t += 1


@njit(nogil=True)
def _pool(layers, n_recurrent, n_directions, places, n, work):
    """Write what sums each sequence up, the last state, into Z of the head."""
    head = layers[n_recurrent]
    row = head["z_width"]
    for direction in range(n_directions):
        e = n_recurrent - n_directions + direction
        n_units = layers[e]["n_units"]
        h_row = layers[e]["n_unit_vectors"] * lanes(work)
        for b in range(n):
            target = places[n_recurrent, Z] + b * row + direction * n_units
            for u in range(n_units):
                work[target + u] = work[places[e, H] + b * h_row + u]


@njit(nogil=True)
def _pool_backward(layers, n_recurrent, n_directions, places, n, work):
    """Hand the gradient of what sums each sequence up to DH of the top layer."""
    inputs_row = layers[n_recurrent]["n_input_vectors"] * lanes(work)
    for direction in range(n_directions):
        e = n_recurrent - n_directions + direction
        n_units = layers[e]["n_units"]
        h_row = layers[e]["n_unit_vectors"] * lanes(work)
        _zero(work, places[e, DH], n * h_row)
        for b in range(n):
            source = places[n_recurrent, DX] + b * inputs_row + direction * n_units
            for u in range(n_units):
                work[places[e, DH] + b * h_row + u] = work[source + u]


@njit(nogil=True)
def _dense_forward(layers, e, places, n, packed, work):
    """Run a dense layer; a layer above takes ReLU of what comes out."""
    layer = layers[e]
    at = places[e]
    width = lanes(work)
    z_row = layer["z_width"]
    out_row = layer["n_vectors"] * width
    panel_row = min(layer["n_vectors"], PANEL) * width
    for b in range(n):
        work[at[Z] + b * z_row + layer["n_inputs"]] = 1
    gemm(
        OVERWRITE, n, layer["n_vectors"], layer["n_rows"],
        Matrix(work, at[Z], z_row, 1),
        Panels(packed, layer["forward"], layer["n_rows"] * panel_row, panel_row),
        Panels(work, at[GATES], PANEL * width, out_row),
    )  # fmt: skip
    if e + 1 < len(layers):
        above_row = layers[e + 1]["z_width"]
        for b in range(n):
            for u in range(0, out_row, width):
                x = load(work, at[GATES] + b * out_row + u)
                target = places[e + 1, Z] + b * above_row + u
                store(work, target, where_positive(x, x))


@njit(nogil=True)
def _dense_backward(layers, e, places, n, packed, work, gradient):
    """Take the gradient in GATES back through a dense layer, to DX."""
    layer = layers[e]
    at = places[e]
    width = lanes(work)
    z_row = layer["z_width"]
    out_row = layer["n_vectors"] * width
    inputs_row = layer["n_input_vectors"] * width
    if e + 1 < len(layers):
        for b in range(n):
            for u in range(0, out_row, width):
                x = load(work, at[GATES] + b * out_row + u)
                dx = load(work, places[e + 1, DX] + b * out_row + u)
                store(work, at[GATES] + b * out_row + u, where_positive(x, dx))
    panel_row = min(layer["n_vectors"], PANEL) * width
    gemm(
        ADD, layer["n_rows"], layer["n_vectors"], n,
        Matrix(work, at[Z], 1, z_row),
        Panels(work, at[GATES], PANEL * width, out_row),
        Panels(gradient, layer["gradient"], layer["n_rows"] * panel_row, panel_row),
    )  # fmt: skip
    panel_row = min(layer["n_input_vectors"], PANEL) * width
    gemm(
        OVERWRITE, n, layer["n_input_vectors"], out_row,
        Matrix(work, at[GATES], out_row, 1),
        Panels(packed, layer["to_inputs"], out_row * panel_row, panel_row),
        Panels(work, at[DX], PANEL * width, inputs_row),
    )  # fmt: skip


@njit(nogil=True)
def _forward(
    layers, n_recurrent, n_directions, places, keep, head,
    packed, values, starts, lengths, n, offset, work,
):  # fmt: skip
    """Run the shard to the raw outputs, or only to what sums each sequence up."""
    for e in range(n_recurrent):
        _recurrent_forward(
            layers, e, e % n_directions, n_directions, places, keep,
            packed, values, starts, lengths, n, offset, work,
        )  # fmt: skip
    _pool(layers, n_recurrent, n_directions, places, n, work)
    if head:
        for e in range(n_recurrent, len(layers)):
            _dense_forward(layers, e, places, n, packed, work)


@njit(nogil=True)
def _backward(
    layers, n_recurrent, n_directions, places,
    packed, lengths, n, offset, work, gradient,
):  # fmt: skip
    """Take the gradient in the last layer's GATES back through the whole network."""
    for e in range(len(layers) - 1, n_recurrent - 1, -1):
        _dense_backward(layers, e, places, n, packed, work, gradient)
    _pool_backward(layers, n_recurrent, n_directions, places, n, work)
    for e in range(0, n_recurrent - n_directions, n_directions):
        _zero(work, places[e, DOUT], offset[lengths[0]] * layers[e]["above"])
    for e in range(n_recurrent - n_directions, -1, -n_directions):
        for direction in range(n_directions):
            if e < n_recurrent - n_directions:
                _zero_dh(layers, e + direction, places, n, work)
            _recurrent_backward(
                layers, e + direction, direction, n_directions, places,
                packed, lengths, n, offset, work, gradient,
            )  # fmt: skip


@njit(nogil=True)
def _zero_dh(layers, e, places, n, work):
    _zero(work, places[e, DH], n * layers[e]["n_unit_vectors"] * lanes(work))


@entry_point
def gradient_lane(version):
    def gradient_lane(
        layers, sizes, n_recurrent, n_directions, packed, values,
        starts, lengths, samples, lane, n_lanes, work, offset,
        loss, targets, weights, gradient,
    ):  # fmt: skip
        """Return the loss of every n_lanes-th shard from `lane` on, and its gradient.

        Parameters
        ----------
        layers, sizes : array
            From `layer_table` and `region_sizes`.
        n_recurrent, n_directions : int
            How many of the layers are recurrent ones; directions of each.
        packed : array
            Read: the packed weights.
        values : array (n_rows, n_channels)
            Read: the steps of all sequences.
        starts, lengths : array of int64 (n,)
            Read: the minibatch, longest sequence first; sequence i is
            ``values[starts[i] : starts[i] + lengths[i]]``.
        samples : array of int64 (n,)
            Read: the rows of `targets` and `weights` of these sequences.
        lane, n_lanes : int
        work : array
            Scratch for `workspace_size` values.
        offset : array of int64
            Scratch for one more than the longest sequence has steps.
        loss : int
            One of `losses`.
        targets : array (n_samples, n_targets)
            Read.
        weights : array of float64 (n_samples,)
            Read.
        gradient : array
            Written: the sum of weighted gradients, in packed form.
        """
        version  # noqa: B018
        mode = flush_denormals()
        scratch, rows, out = pointer(work), pointer(offset), pointer(gradient)
        _zero(out, 0, len(gradient))
        places = np.empty((len(layers), N_REGIONS), np.int64)
        last = len(layers) - 1
        total = 0.0
        for first in range(lane * SHARD, len(samples), n_lanes * SHARD):
            n = min(SHARD, len(samples) - first)
            steps = lengths[first : first + n].sum()
            place_regions(sizes, steps, steps, n, places)
            shard = pointer(starts[first:]), pointer(lengths[first:]), n
            _find_rows(shard[1], n, rows)
            _forward(
                layers, n_recurrent, n_directions, places, _YES, _YES,
                pointer(packed), pointer(values), *shard, rows, scratch,
            )  # fmt: skip
            row = layers[last]["n_vectors"] * lanes(scratch)
            for b in range(n):
                sample = samples[first + b]
                total += loss_and_gradient(
                    loss, layers[last]["n_units"],
                    scratch, places[last, GATES] + b * row,
                    targets, sample, weights[sample],
                )  # fmt: skip
            _backward(
                layers, n_recurrent, n_directions, places,
                pointer(packed), shard[1], n, rows, scratch, out,
            )  # fmt: skip
        restore_denormals(mode)
        return total

    return gradient_lane


@entry_point
def predict_lane(version):
    def predict_lane(
        layers, sizes, n_recurrent, n_directions, packed, values,
        starts, lengths, samples, lane, n_lanes, work, offset, head, output,
    ):  # fmt: skip
        """Write what the network makes of every n_lanes-th shard from `lane` on.

        Parameters as in `gradient_lane`, and:

        head : bool
            Whether to write raw outputs, or what sums each sequence up.
        output : array (n_samples, n_outputs or n_pooled)
            Written: its rows `samples`.
        """
        version  # noqa: B018
        mode = flush_denormals()
        scratch, rows = pointer(work), pointer(offset)
        places = np.empty((len(layers), N_REGIONS), np.int64)
        for first in range(lane * SHARD, len(samples), n_lanes * SHARD):
            n = min(SHARD, len(samples) - first)
            place_regions(sizes, n, lengths[first : first + n].sum(), n, places)
            shard = pointer(starts[first:]), pointer(lengths[first:]), n
            _find_rows(shard[1], n, rows)
            _forward(
                layers, n_recurrent, n_directions, places, _NO, head,
                pointer(packed), pointer(values), *shard, rows, scratch,
            )  # fmt: skip
            if head:
                last = len(layers) - 1
                source = places[last, GATES]
                row = layers[last]["n_vectors"] * lanes(scratch)
            else:
                source = places[n_recurrent, Z]
                row = layers[n_recurrent]["z_width"]
            for b in range(n):
                for j in range(output.shape[1]):
                    output[samples[first + b], j] = work[source + b * row + j]
        restore_denormals(mode)

    return predict_lane
