"""One shard, whole: a few sequences through all layers, the head, the loss, and back.

A shard is at most SHARD sequences, longest first, so that step t is one product over
the first ``active`` sequences, those that are still running. Its rows are these steps
one after the other: row ``offset[t] + b`` is step t of sequence b.

All that a shard needs lies in one array, ``work``, at the ``places`` that `layout`
gives each layer; a kernel takes the array and the places.
"""

import numpy as np
from numba import njit

from sklstm.kernels import entry_point
from sklstm.kernels.dense import dense_backward, dense_forward
from sklstm.kernels.layout import (
    C0,
    DH,
    DOUT,
    DX,
    GATES,
    N_REGIONS,
    C,
    H,
    Z,
    place_regions,
)
from sklstm.kernels.losses import loss_and_gradient
from sklstm.kernels.recurrent import recurrent_backward, recurrent_forward
from sklstm.kernels.simd import (
    copy,
    flush_denormals,
    lanes,
    pointer,
    restore_denormals,
    zero,
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
            copy(work, places[e, H] + b * h_row, work, target, n_units)


@njit(nogil=True)
def _pool_backward(layers, n_recurrent, n_directions, places, n, work):
    """Hand the gradient of what sums each sequence up to DH of the top layer."""
    inputs_row = layers[n_recurrent]["n_input_vectors"] * lanes(work)
    for direction in range(n_directions):
        e = n_recurrent - n_directions + direction
        n_units = layers[e]["n_units"]
        h_row = layers[e]["n_unit_vectors"] * lanes(work)
        zero(work, places[e, DH], n * h_row)
        for b in range(n):
            source = places[n_recurrent, DX] + b * inputs_row + direction * n_units
            copy(work, source, work, places[e, DH] + b * h_row, n_units)


@njit(nogil=True)
def _forward(
    layers, n_recurrent, n_directions, places, keep, head,
    packed, values, starts, lengths, n, offset, work,
):  # fmt: skip
    """Run the shard to the raw outputs, or only to what sums each sequence up."""
    for e in range(n_recurrent):
        size = n * layers[e]["n_unit_vectors"] * lanes(work)
        zero(work, places[e, H], size)
        zero(work, places[e, C0], size)
        recurrent_forward(
            layers, e, e % n_directions, n_directions, places, keep,
            packed, values, starts, lengths, n, offset, work,
        )  # fmt: skip
    _pool(layers, n_recurrent, n_directions, places, n, work)
    if head:
        for e in range(n_recurrent, len(layers)):
            dense_forward(layers, e, places, n, packed, work)


@njit(nogil=True)
def _backward(
    layers, n_recurrent, n_directions, places,
    packed, lengths, n, offset, work, gradient,
):  # fmt: skip
    """Take the gradient in the last layer's GATES back through the whole network."""
    for e in range(len(layers) - 1, n_recurrent - 1, -1):
        dense_backward(layers, e, places, n, packed, work, gradient)
    _pool_backward(layers, n_recurrent, n_directions, places, n, work)
    for e in range(0, n_recurrent - n_directions, n_directions):
        zero(work, places[e, DOUT], offset[lengths[0]] * layers[e]["above"])
    for e in range(n_recurrent - n_directions, -1, -n_directions):
        for direction in range(n_directions):
            if e < n_recurrent - n_directions:
                h_row = layers[e + direction]["n_unit_vectors"] * lanes(work)
                zero(work, places[e + direction, DH], n * h_row)
            recurrent_backward(
                layers, e + direction, direction, n_directions, places,
                packed, lengths, n, offset, work, gradient,
            )  # fmt: skip


@entry_point
def gradient_of_part(version):
    def gradient_of_part(
        layers, sizes, n_recurrent, n_directions, packed, values,
        starts, lengths, samples, part, n_parts, work, offset,
        loss, targets, weights, gradient,
    ):  # fmt: skip
        """Return the loss of every n_parts-th shard from `part` on, and its gradient.

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
        part, n_parts : int
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
        zero(out, 0, len(gradient))
        places = np.empty((len(layers), N_REGIONS), np.int64)
        last = len(layers) - 1
        total = 0.0
        for first in range(part * SHARD, len(samples), n_parts * SHARD):
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

    return gradient_of_part


@entry_point
def predict_part(version):
    def predict_part(
        layers, sizes, n_recurrent, n_directions, packed, values,
        starts, lengths, samples, part, n_parts, work, offset, head, output,
    ):  # fmt: skip
        """Write what the network makes of every n_parts-th shard from `part` on.

        Parameters as in `gradient_of_part`, and:

        head : bool
            Whether to write raw outputs, or what sums each sequence up.
        output : array (n_samples, n_outputs or n_pooled)
            Written: its rows `samples`.
        """
        version  # noqa: B018
        mode = flush_denormals()
        scratch, rows = pointer(work), pointer(offset)
        places = np.empty((len(layers), N_REGIONS), np.int64)
        for first in range(part * SHARD, len(samples), n_parts * SHARD):
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

    return predict_part


@entry_point
def advance(version):
    def advance(
        layers, sizes, n_recurrent, packed, values, starts, lengths, work, state, output
    ):
        """Take a step in all of some series, whose states are kept.

        Parameters as in `predict_part`, and:

        values : array (n_series, n_channels)
            Read: the step of each series.
        starts, lengths : array of int64 (SHARD,)
            Read: 0, 1, 2, ... and ones: each series has one step.
        state : array (state_size * n_series,)
            Read and written: for each layer the hidden states of all series, in whole
            vectors, then the cell states.
        output : array (n_series, n_outputs)
            Written: raw outputs.

        Returns
        -------
        series : int
            The first one with a value that is not finite, in which case nothing has
            been done; else -1.
        """
        version  # noqa: B018
        n_series, n_channels = values.shape
        for series in range(n_series):
            for channel in range(n_channels):
                if not np.isfinite(values[series, channel]):
                    return series
        mode = flush_denormals()
        scratch, kept = pointer(work), pointer(state)
        places = np.empty((len(layers), N_REGIONS), np.int64)
        offset = np.empty(2, np.int64)
        last = len(layers) - 1
        for first in range(0, n_series, SHARD):
            n = min(SHARD, n_series - first)
            place_regions(sizes, n, n, n, places)
            offset[0], offset[1] = 0, n
            base = 0
            for e in range(n_recurrent):
                h_row = layers[e]["n_unit_vectors"] * lanes(scratch)
                h = base + first * h_row
                c = h + n_series * h_row
                copy(kept, h, scratch, places[e, H], n * h_row)
                copy(kept, c, scratch, places[e, C0], n * h_row)
                recurrent_forward(
                    layers, e, 0, 1, places, _NO, pointer(packed),
                    pointer(values[first:]), pointer(starts), pointer(lengths),
                    n, pointer(offset), scratch,
                )  # fmt: skip
                copy(scratch, places[e, H], kept, h, n * h_row)
                copy(scratch, places[e, C], kept, c, n * h_row)
                base += 2 * n_series * h_row
            _pool(layers, n_recurrent, 1, places, n, scratch)
            for e in range(n_recurrent, len(layers)):
                dense_forward(layers, e, places, n, pointer(packed), scratch)
            row = layers[last]["n_vectors"] * lanes(scratch)
            for b in range(n):
                for j in range(output.shape[1]):
                    output[first + b, j] = scratch[places[last, GATES] + b * row + j]
        restore_denormals(mode)
        return -1

    return advance
