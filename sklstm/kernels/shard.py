"""One shard, whole: a few sequences through all layers, the head, the loss, and back.

A shard is at most SHARD sequences, longest first, so that step t is one product over
the first ``active`` sequences, those that are still running. Its rows are these steps
one after the other: row ``offset[t] + b`` is step t of sequence b.

All that a shard needs lies in one array, ``work``, at the ``places`` that `layout`
gives each layer; a kernel takes the array and the places.
"""

import math

import numpy as np

from sklstm.kernels import entry_point, inner
from sklstm.kernels.dense import dense_backward, dense_forward
from sklstm.kernels.layout import (
    C0,
    DH,
    DOUT,
    DX,
    GATES,
    N_FIELDS,
    N_REGIONS,
    POOL,
    WHERE,
    C,
    H,
    Z,
    layer_of,
    place_regions,
    places_of,
)
from sklstm.kernels.losses import loss_and_gradient
from sklstm.kernels.outline import out_of_line
from sklstm.kernels.pooling import LAST, MAX, MEAN, divide_all, pool_none
from sklstm.kernels.recurrent import recurrent_backward, recurrent_forward
from sklstm.kernels.simd import (
    copy,
    flush_denormals,
    lanes,
    offset_of,
    pointer,
    restore_denormals,
    zero,
)

# Sequences in a shard. Sixteen rows keep a product at the multiply-add limit; more
# would leave threads without work in small minibatches.
SHARD = 16

_KEEP, _FORGET, _WITH_HEAD = np.intp(1), np.intp(0), np.intp(1)


@inner
def _shard_from(first, starts, lengths):
    """Return starts, lengths and number of the sequences of the shard from `first`."""
    n = len(lengths) - first if len(lengths) - first < SHARD else SHARD
    return offset_of(pointer(starts), first), offset_of(pointer(lengths), first), n


@inner
def _find_rows(lengths, n, offset):
    """Write the row at which each step begins, and after the last step how many."""
    offset[0] = 0
    active = n
    for t in range(lengths[0]):
        while lengths[active - 1] <= t:
            active -= 1
        offset[t + 1] = offset[t] + active


@inner
def _pool(layers, n_recurrent, n_directions, places, lengths, n, work):
    """Write what sums each sequence up into Z of the head."""
    z, row = places_of(places, n_recurrent)[Z], layer_of(layers, n_recurrent)["z_width"]
    for direction in range(n_directions):
        e = n_recurrent - n_directions + direction
        layer, at = layer_of(layers, e), places_of(places, e)
        source = at[H] if layer["pooling"] == LAST else at[POOL]
        h_row = layer["n_unit_vectors"] * lanes(work)
        for b in range(n):
            target = z + b * row + direction * layer["n_units"]
            copy(work, source + b * h_row, work, target, layer["n_units"])
            if layer["pooling"] == MEAN:
                divide_all(work, target, layer["n_units"], lengths[b])


@inner
def _pool_backward(layers, n_recurrent, n_directions, places, lengths, n, work):
    """Hand the gradient of what sums sequences up to DH or POOL of the top layer."""
    dx = places_of(places, n_recurrent)[DX]
    dx_row = layer_of(layers, n_recurrent)["n_input_vectors"] * lanes(work)
    for direction in range(n_directions):
        e = n_recurrent - n_directions + direction
        layer, at = layer_of(layers, e), places_of(places, e)
        h_row = layer["n_unit_vectors"] * lanes(work)
        zero(work, at[DH], n * h_row)
        target = at[DH]
        if layer["pooling"] != LAST:
            target = at[POOL]
            zero(work, target, n * h_row)
        for b in range(n):
            source = dx + b * dx_row + direction * layer["n_units"]
            copy(work, source, work, target + b * h_row, layer["n_units"])
            if layer["pooling"] == MEAN:
                divide_all(work, target + b * h_row, layer["n_units"], lengths[b])


@out_of_line("niiin ii pp nnin p")
def _forward(version):
    def forward(
        layers, n_layers, n_recurrent, n_directions, places, keep, head,
        packed, values, starts, lengths, n, offset, work,
    ):  # fmt: skip
        """Run the shard to the raw outputs, or only to what sums each sequence up."""
        version  # noqa: B018
        for e in range(n_recurrent):
            at = places_of(places, e)
            size = n * layer_of(layers, e)["n_unit_vectors"] * lanes(work)
            zero(work, at[H], size)
            zero(work, at[C0], size)
            pooling = layer_of(layers, e)["pooling"]
            if pooling != LAST:
                where = at[WHERE] if keep == 1 and pooling == MAX else -1
                pool_none(work, pooling, size, at[POOL], where)
            recurrent_forward(
                layers, e, e % n_directions, n_directions, places, keep,
                packed, values, starts, lengths, n, offset, work,
            )  # fmt: skip
        _pool(layers, n_recurrent, n_directions, places, lengths, n, work)
        if head == 1:
            for e in range(n_recurrent, n_layers):
                dense_forward(layers, n_layers, e, places, n, packed, work)

    return forward


@out_of_line("niiin p nin pp")
def _backward(version):
    def backward(
        layers, n_layers, n_recurrent, n_directions, places,
        packed, lengths, n, offset, work, gradient,
    ):  # fmt: skip
        """Take the gradient in the last layer's GATES back through the network."""
        version  # noqa: B018
        for e in range(n_layers - 1, n_recurrent - 1, -1):
            dense_backward(layers, n_layers, e, places, n, packed, work, gradient)
        _pool_backward(layers, n_recurrent, n_directions, places, lengths, n, work)
        top = n_recurrent - n_directions
        for e in range(0, top, n_directions):
            size = offset[lengths[0]] * layer_of(layers, e)["above"]
            zero(work, places_of(places, e)[DOUT], size)
        for e in range(top, -1, -n_directions):
            for direction in range(n_directions):
                if e < top:
                    h_row = layer_of(layers, e + direction)["n_unit_vectors"]
                    h_row *= lanes(work)
                    zero(work, places_of(places, e + direction)[DH], n * h_row)
                recurrent_backward(
                    layers, e + direction, direction, n_directions, places,
                    packed, lengths, n, offset, work, gradient,
                )  # fmt: skip

    return backward


@entry_point
def gradient_of_part(version):
    def gradient_of_part(
        layers, sizes, n_recurrent, n_directions, packed, values,
        starts, lengths, samples, part, n_parts, work, offset,
        loss, quantile, targets, weights, gradient,
    ):  # fmt: skip
        """Return the loss of every n_parts-th shard from `part` on, and its gradient.

        Parameters
        ----------
        layers, sizes : array of int64
            From `layer_table` and `region_sizes`: the numbers that they are made of.
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
            Scratch for one more than the longest sequence has steps, and for the places
            of all regions.
        loss : int
            One of `losses`.
        quantile : float
            Of the loss of that name.
        targets : array (n_samples, n_targets)
            Read.
        weights : array of float64 (n_samples,)
            Read.
        gradient : array
            Written: the sum of weighted gradients, in packed form.
        """
        version  # noqa: B018
        mode = flush_denormals()
        table, n_layers = pointer(layers), len(layers) // N_FIELDS
        scratch, rows, out = pointer(work), pointer(offset), pointer(gradient)
        places = offset_of(rows, len(offset) - n_layers * N_REGIONS)
        zero(out, 0, len(gradient))
        at = places_of(places, n_layers - 1)
        n_outputs = layer_of(table, n_layers - 1)["n_units"]
        row = layer_of(table, n_layers - 1)["n_vectors"] * lanes(scratch)
        total = 0.0
        for first in range(part * SHARD, len(samples), n_parts * SHARD):
            shard = _shard_from(first, starts, lengths)
            n = shard[2]
            _find_rows(shard[1], n, rows)
            steps = rows[shard[1][0]]
            place_regions(n_layers, pointer(sizes), steps, steps, n, places)
            _forward(
                table, n_layers, n_recurrent, n_directions, places, _KEEP, _WITH_HEAD,
                pointer(packed), pointer(values), *shard, rows, scratch,
            )  # fmt: skip
            for b in range(n):
                sample = samples[first + b]
                total += loss_and_gradient(
                    loss, quantile, n_outputs, scratch, at[GATES] + b * row,
                    pointer(targets), sample * targets.shape[1], weights[sample],
                )  # fmt: skip
            _backward(
                table, n_layers, n_recurrent, n_directions, places,
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
        table, n_layers = pointer(layers), len(layers) // N_FIELDS
        scratch, rows = pointer(work), pointer(offset)
        places = offset_of(rows, len(offset) - n_layers * N_REGIONS)
        with_head = 1 if head else 0
        if head:
            at, region = places_of(places, n_layers - 1), GATES
            row = layer_of(table, n_layers - 1)["n_vectors"] * lanes(scratch)
        else:
            at, region = places_of(places, n_recurrent), Z
            row = layer_of(table, n_recurrent)["z_width"]
        for first in range(part * SHARD, len(samples), n_parts * SHARD):
            shard = _shard_from(first, starts, lengths)
            n = shard[2]
            _find_rows(shard[1], n, rows)
            place_regions(n_layers, pointer(sizes), n, rows[shard[1][0]], n, places)
            _forward(
                table, n_layers, n_recurrent, n_directions, places, _FORGET, with_head,
                pointer(packed), pointer(values), *shard, rows, scratch,
            )  # fmt: skip
            for b in range(n):
                source = at[region] + b * row
                for j in range(output.shape[1]):
                    output[samples[first + b], j] = scratch[source + j]
        restore_denormals(mode)

    return predict_part


@entry_point
def advance(version):
    def advance(
        layers, sizes, n_recurrent, packed, values, starts, lengths,
        n_kept, n_steps, work, offset, output,
    ):  # fmt: skip
        """Take a step in all of some series, whose states are kept.

        Parameters as in `predict_part`, and:

        values : array (n_series, n_channels)
            Read: the step of each series.
        starts, lengths : array of int64 (SHARD,)
            Read: 0, 1, 2, ... and ones: each series has one step.
        n_kept : int
            Values of the states.
        n_steps : array of int64 (n_series,)
            How many steps of each series there were; counted up.
        work : array
            The states, read and written: for each layer the hidden states of all
            series, in whole vectors, then the cell states, and at last the pooled
            states where steps are pooled. Behind them scratch.
        output : array (n_series, n_outputs)
            Written: raw outputs.

        Returns
        -------
        finite : bool
            Whether all values are; if not, nothing has been done.
        """
        version  # noqa: B018
        n_series, n_channels = values.shape
        n_bad = 0
        for i in range(values.size):
            n_bad += not math.isfinite(values.flat[i])
        if n_bad > 0:
            return False
        mode = flush_denormals()
        table, n_layers = pointer(layers), len(layers) // N_FIELDS
        scratch, rows = pointer(work), pointer(offset)
        places = offset_of(rows, len(offset) - n_layers * N_REGIONS)
        out = places_of(places, n_layers - 1)
        row = layer_of(table, n_layers - 1)["n_vectors"] * lanes(scratch)
        for first in range(0, n_series, SHARD):
            n = n_series - first if n_series - first < SHARD else SHARD
            shard = pointer(starts), pointer(lengths), n
            _find_rows(shard[1], n, rows)
            place_regions(n_layers, pointer(sizes), n, n, n, places, n_kept)
            states = 0
            for e in range(n_recurrent):
                at = places_of(places, e)
                h_row = layer_of(table, e)["n_unit_vectors"] * lanes(scratch)
                # The layer reads and writes the states where they are kept.
                at[H] = states + first * h_row
                at[C0] = at[C] = at[H] + n_series * h_row
                at[POOL] = at[C] + n_series * h_row
                recurrent_forward(
                    table, e, 0, 1, places, _FORGET, pointer(packed),
                    offset_of(pointer(values), first * n_channels), *shard, rows,
                    scratch,
                )  # fmt: skip
                states += 2 * n_series * h_row
            for b in range(n):
                n_steps[first + b] += 1
            so_far = offset_of(pointer(n_steps), first)
            _pool(table, n_recurrent, 1, places, so_far, n, scratch)
            for e in range(n_recurrent, n_layers):
                dense_forward(table, n_layers, e, places, n, pointer(packed), scratch)
            for b in range(n):
                for j in range(output.shape[1]):
                    output[first + b, j] = scratch[out[GATES] + b * row + j]
        restore_denormals(mode)
        return True

    return advance
