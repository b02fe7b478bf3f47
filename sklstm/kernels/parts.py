"""What the engine calls: the gradient of some shards, predictions, steps of streams."""

import math

from sklstm.kernels import entry_point, inner
from sklstm.kernels.dropout import take_keys
from sklstm.kernels.layout import (
    BESIDE,
    C0,
    GATES,
    N_FIELDS,
    N_REGIONS,
    POOL,
    C,
    H,
    Z,
    layer_of,
    place_regions,
    places_of,
)
from sklstm.kernels.losses import losses_at
from sklstm.kernels.pooling import LAST
from sklstm.kernels.recurrent import KEEP, SUM, TRAIN
from sklstm.kernels.shard import (
    BEGIN,
    END,
    HEAD,
    SHARD,
    backward,
    find_rows,
    forward,
)
from sklstm.kernels.simd import (
    copy,
    flush_denormals,
    lanes,
    offset_of,
    pointer,
    restore_denormals,
    zero,
)


def scratch_size(n_layers, n_steps):
    """Return the int64 that the kernels need for sequences of up to `n_steps`."""
    return n_steps + 1 + 3 * SHARD + n_layers * N_REGIONS


@inner
def _scratch_of(offset, n_layers):
    """Return pointers: rows of steps, starts, lengths and keys of a shard, places."""
    rows = pointer(offset)
    starts = offset_of(rows, len(offset) - n_layers * N_REGIONS - 3 * SHARD)
    lengths, keys = offset_of(starts, SHARD), offset_of(starts, 2 * SHARD)
    return rows, starts, lengths, keys, offset_of(starts, 3 * SHARD)


@inner
def _shard_from(first, starts, lengths):
    """Return starts, lengths and number of the sequences of the shard from `first`."""
    n = len(lengths) - first if len(lengths) - first < SHARD else SHARD
    return offset_of(pointer(starts), first), offset_of(pointer(lengths), first), n


@inner
def _add_losses(
    table, n_layers, places, scratch, n, samples,
    loss, kind, quantile, targets, weights, total,
):  # fmt: skip
    """Add the losses of a shard up; leave their gradient in the last layer's GATES."""
    last = layer_of(table, n_layers - 1)
    losses_at(
        loss, scratch, n, places_of(places, n_layers - 1)[GATES],
        last["n_vectors"] * lanes(scratch), last["n_units"], pointer(targets),
        targets.shape[1], samples, pointer(weights), kind, quantile, pointer(total),
    )  # fmt: skip


@entry_point
def gradient_of_part(version):
    def gradient_of_part(
        layers, sizes, n_recurrent, n_directions, packed, values,
        starts, lengths, samples, part, n_parts, work, offset, stop,
        dropout_keys, loss, kind, quantile, targets, weights, total, gradient,
    ):  # fmt: skip
        """Write the loss of every n_parts-th shard from `part` on, and its gradient.

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
            Read: the rows of `targets`, `weights` and `dropout_keys` of these
            sequences.
        part, n_parts : int
        work : array
            Scratch for `workspace_size` values.
        offset : array of int64
            Scratch of `scratch_size`.
        stop : array of int64 (1,)
            Read at each step: not 0 where all is to end at once, whatever comes out.
        dropout_keys : array of int64 (n_samples,)
            Read: what the dropout of each sample depends on; empty where there is none.
        loss, kind : int
            The address of one of the kernels of `losses`, and what it takes.
        quantile : float
            Of the loss of that name.
        targets : array (n_samples, n_targets)
            Read.
        weights : array of float64 (n_samples,)
            Read.
        total : array of float64 (1,)
            Written: the sum of weighted losses.
        gradient : array
            Written: the sum of weighted gradients, in packed form.
        """
        version  # noqa: B018
        mode = flush_denormals()
        table, n_layers = pointer(layers), len(layers) // N_FIELDS
        scratch, out, ending = pointer(work), pointer(gradient), pointer(stop)
        rows, _, _, keys, places = _scratch_of(offset, n_layers)
        zero(out, 0, len(gradient))
        total[0] = 0.0
        for first in range(part * SHARD, len(samples), n_parts * SHARD):
            starts_all, lengths_all, n = _shard_from(first, starts, lengths)
            those = offset_of(pointer(samples), first)
            if len(dropout_keys) > 0:
                take_keys(pointer(dropout_keys), those, n, keys)
            find_rows(lengths_all, n, rows)
            n_rows = rows[lengths_all[0]]
            place_regions(n_layers, pointer(sizes), n_rows, n_rows, n, places, 0)
            forward(
                table, n_layers, n_recurrent, n_directions, places,
                TRAIN | KEEP | BEGIN | SUM | END | HEAD, 0,
                pointer(packed), pointer(values), starts_all, lengths_all, n,
                lengths_all, n, rows, keys, ending, scratch,
            )  # fmt: skip
            _add_losses(
                table, n_layers, places, scratch, n, those,
                loss, kind, quantile, targets, weights, total,
            )  # fmt: skip
            backward(
                table, n_layers, n_recurrent, n_directions, places, HEAD, 0,
                pointer(packed), lengths_all, n, lengths_all, n, rows, keys, ending,
                scratch, out,
            )  # fmt: skip
        restore_denormals(mode)

    return gradient_of_part


# --- a piece of a shard's steps at a time -------------------------------------------


@inner
def _take_steps(starts, lengths, n, t0, most, starts_now, lengths_now, rows):
    """Write starts, lengths and rows of up to `most` steps from `t0` on.

    Returns
    -------
    n_now : int
        The sequences that still run at `t0`.
    any_ends : bool
        Whether a sequence ends within these steps.
    """
    n_now, any_ends = 0, False
    while n_now < n and lengths[n_now] > t0:
        left = lengths[n_now] - t0
        starts_now[n_now] = starts[n_now] + t0
        lengths_now[n_now] = left if left < most else most
        any_ends = any_ends or left <= most
        n_now += 1
    find_rows(lengths_now, n_now, rows)
    return n_now, any_ends


@inner
def _carry_on(layers, n_recurrent, places, n, work):
    """Make the cell states after the last step those before the next one."""
    for e in range(n_recurrent):
        at = places_of(places, e)
        size = n * layer_of(layers, e)["n_unit_vectors"] * lanes(work)
        copy(work, at[C], work, at[C0], size)


# --- truncated backpropagation -----------------------------------------------------


@inner
def _state_row(layers, n_recurrent, work):
    """Return how many values the states of a sequence in all layers take."""
    row = 0
    for e in range(n_recurrent):
        row += 2 * layer_of(layers, e)["n_unit_vectors"] * lanes(work)
    return row


@inner
def _keep_states(layers, n_recurrent, places, n, work, kept):
    """Copy the states before the first step of `n` sequences to `kept`."""
    for e in range(n_recurrent):
        at = places_of(places, e)
        size = n * layer_of(layers, e)["n_unit_vectors"] * lanes(work)
        copy(work, at[H], work, kept, size)
        copy(work, at[C0], work, kept + size, size)
        kept += 2 * size


@inner
def _restore_states(layers, n_recurrent, places, n, work, kept):
    """Undo what has become of the states since `_keep_states`."""
    for e in range(n_recurrent):
        at = places_of(places, e)
        size = n * layer_of(layers, e)["n_unit_vectors"] * lanes(work)
        copy(work, kept, work, at[H], size)
        copy(work, kept + size, work, at[C0], size)
        kept += 2 * size


@entry_point
def truncated_gradient_of_part(version):
    def truncated_gradient_of_part(
        layers, sizes, n_recurrent, packed, values,
        starts, lengths, samples, part, n_parts, work, offset, stop,
        dropout_keys, loss, kind, quantile, targets, weights, total, gradient,
        bptt_length,
    ):  # fmt: skip
        """Write loss and gradient, the latter cut every `bptt_length` steps.

        A shard goes through all steps first, and keeps the states before each piece of
        `bptt_length` steps only; then again through each piece, and back.

        Parameters as in `gradient_of_part`. The network reads forward only.
        """
        version  # noqa: B018
        mode = flush_denormals()
        table, n_layers = pointer(layers), len(layers) // N_FIELDS
        scratch, out, ending = pointer(work), pointer(gradient), pointer(stop)
        rows, starts_now, lengths_now, keys, places = _scratch_of(offset, n_layers)
        zero(out, 0, len(gradient))
        total[0] = 0.0
        last = layer_of(table, n_recurrent - 1)["pooling"] == LAST
        for first in range(part * SHARD, len(samples), n_parts * SHARD):
            starts_all, lengths_all, n = _shard_from(first, starts, lengths)
            those = offset_of(pointer(samples), first)
            if len(dropout_keys) > 0:
                take_keys(pointer(dropout_keys), those, n, keys)
            states = n * _state_row(table, n_recurrent, scratch)
            kept = (lengths_all[0] + bptt_length - 1) // bptt_length * states
            n_rows = n * bptt_length
            place_regions(n_layers, pointer(sizes), n_rows, n_rows, n, places, kept)
            zero(scratch, 0, states)  # before the first piece
            n_pieces = kept // states
            for piece in range(n_pieces):
                t0 = piece * bptt_length
                n_now, _ = _take_steps(
                    starts_all, lengths_all, n, t0, bptt_length,
                    starts_now, lengths_now, rows,
                )  # fmt: skip
                how = TRAIN | SUM | (BEGIN if piece == 0 else 0)
                if piece > 0:
                    _carry_on(table, n_recurrent, places, n_now, scratch)
                    before = piece * states
                    _keep_states(table, n_recurrent, places, n_now, scratch, before)
                forward(
                    table, n_layers, n_recurrent, 1, places,
                    how | (END | HEAD if piece == n_pieces - 1 else 0), t0,
                    pointer(packed), pointer(values), starts_now, lengths_now, n_now,
                    lengths_all, n, rows, keys, ending, scratch,
                )  # fmt: skip
            _add_losses(
                table, n_layers, places, scratch, n, those,
                loss, kind, quantile, targets, weights, total,
            )  # fmt: skip
            for piece in range(n_pieces - 1, -1, -1):
                t0 = piece * bptt_length
                n_now, any_ends = _take_steps(
                    starts_all, lengths_all, n, t0, bptt_length,
                    starts_now, lengths_now, rows,
                )  # fmt: skip
                if last and not any_ends:  # no gradient comes here
                    continue
                before = piece * states
                _restore_states(table, n_recurrent, places, n_now, scratch, before)
                forward(
                    table, n_layers, n_recurrent, 1, places, TRAIN | KEEP, t0,
                    pointer(packed), pointer(values), starts_now, lengths_now, n_now,
                    lengths_all, n, rows, keys, ending, scratch,
                )  # fmt: skip
                backward(
                    table, n_layers, n_recurrent, 1, places,
                    HEAD if piece == n_pieces - 1 else 0, t0,
                    pointer(packed), lengths_now, n_now, lengths_all, n, rows, keys,
                    ending, scratch, out,
                )  # fmt: skip
        restore_denormals(mode)

    return truncated_gradient_of_part


# --- predictions -------------------------------------------------------------------


@entry_point
def predict_part(version):
    def predict_part(
        layers, sizes, n_recurrent, n_directions, packed, values,
        starts, lengths, samples, part, n_parts, work, offset, stop,
        piece, head, output,
    ):  # fmt: skip
        """Write what the network makes of every n_parts-th shard from `part` on.

        Parameters as in `gradient_of_part`, and:

        piece : int
            A shard goes through all layers for so many steps at a time, so that what
            a layer hands up takes no more than that: where there is a backward
            direction, at least all steps.
        head : bool
            Whether to write raw outputs, or what sums each sequence up.
        output : array (n_samples, n_outputs or n_pooled)
            Written: its rows `samples`.
        """
        version  # noqa: B018
        mode = flush_denormals()
        table, n_layers = pointer(layers), len(layers) // N_FIELDS
        scratch = pointer(work)
        rows, starts_now, lengths_now, keys, places = _scratch_of(offset, n_layers)
        if head:
            at, region = places_of(places, n_layers - 1), GATES
            row = layer_of(table, n_layers - 1)["n_vectors"] * lanes(scratch)
        else:
            at, region = places_of(places, n_recurrent), Z
            row = layer_of(table, n_recurrent)["z_width"]
        for first in range(part * SHARD, len(samples), n_parts * SHARD):
            starts_all, lengths_all, n = _shard_from(first, starts, lengths)
            n_steps = lengths_all[0]
            most = n_steps if n_steps < piece else piece
            n_rows = 0
            for b in range(n):
                n_rows += lengths_all[b] if lengths_all[b] < most else most
            place_regions(n_layers, pointer(sizes), n, n_rows, n, places, 0)
            for t0 in range(0, n_steps, most):
                n_now, _ = _take_steps(
                    starts_all, lengths_all, n, t0, most, starts_now, lengths_now, rows
                )
                how = SUM | (BEGIN if t0 == 0 else 0)
                if t0 > 0:
                    _carry_on(table, n_recurrent, places, n_now, scratch)
                if t0 + most >= n_steps:
                    how |= END | (HEAD if head else 0)
                forward(
                    table, n_layers, n_recurrent, n_directions, places, how, t0,
                    pointer(packed), pointer(values), starts_now, lengths_now, n_now,
                    lengths_all, n, rows, keys, pointer(stop), scratch,
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
        n_kept, n_steps, work, offset, stop, output,
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
            states where steps are pooled, and what is left over of a mean's sum. Behind
            them scratch.
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
        scratch = pointer(work)
        rows, _, _, keys, places = _scratch_of(offset, n_layers)
        out = places_of(places, n_layers - 1)
        row = layer_of(table, n_layers - 1)["n_vectors"] * lanes(scratch)
        for first in range(0, n_series, SHARD):
            n = n_series - first if n_series - first < SHARD else SHARD
            find_rows(pointer(lengths), n, rows)
            place_regions(n_layers, pointer(sizes), n, n, n, places, n_kept)
            # Layers read and write the states where they are kept.
            kept = 0
            for e in range(n_recurrent):
                at = places_of(places, e)
                size = n_series * layer_of(table, e)["n_unit_vectors"] * lanes(scratch)
                at[H] = kept + first * (size // n_series)
                at[C0] = at[C] = at[H] + size
                at[POOL] = at[C] + size
                at[BESIDE] = at[POOL] + size
                kept += 2 * size
            for b in range(n):
                n_steps[first + b] += 1
            forward(
                table, n_layers, n_recurrent, 1, places, SUM | END | HEAD, 0,
                pointer(packed), offset_of(pointer(values), first * n_channels),
                pointer(starts), pointer(lengths), n,
                offset_of(pointer(n_steps), first), n, rows, keys, pointer(stop),
                scratch,
            )  # fmt: skip
            for b in range(n):
                for j in range(output.shape[1]):
                    output[first + b, j] = scratch[out[GATES] + b * row + j]
        restore_denormals(mode)
        return True

    return advance
