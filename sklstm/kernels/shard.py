"""One shard, whole: a few sequences through all layers, the head, the loss, and back.

A shard is at most SHARD sequences, longest first, so that step t is one product over
the first ``active`` sequences, those that are still running. Its rows are these steps
one after the other: row ``offset[t] + b`` is step t of sequence b.

All that a shard needs lies in one array, ``work``, at the ``places`` that `layout`
gives each layer; a kernel takes the array and the places. What the functions take is
the caller's, and as in `recurrent`.
"""

from sklstm.kernels import inner
from sklstm.kernels.dense import dense_backward, dense_forward
from sklstm.kernels.dropout import drop_step
from sklstm.kernels.layout import (
    BESIDE,
    C0,
    DH,
    DOUT,
    DX,
    POOL,
    H,
    Z,
    layer_of,
    places_of,
)
from sklstm.kernels.outline import out_of_line
from sklstm.kernels.pooling import LAST, MEAN, make_means, pool_none
from sklstm.kernels.recurrent import TRAIN, recurrent_backward, recurrent_forward
from sklstm.kernels.simd import copy, lanes, zero

# Sequences in a shard. Sixteen rows keep a product at the multiply-add limit; more
# would leave threads without work in small minibatches.
SHARD = 16


@inner
def find_rows(lengths, n, offset):
    """Write the row at which each step begins, and after the last step how many."""
    offset[0] = 0
    active = n
    for t in range(lengths[0]):
        while lengths[active - 1] <= t:
            active -= 1
        offset[t + 1] = offset[t] + active


# What `forward` does beside running the layers, and `recurrent` knows nothing of.
BEGIN, END, HEAD = 8, 16, 32


@out_of_line("niiin ii ppnnininnnp")
def forward(version):
    def forward(
        layers, n_layers, n_recurrent, n_directions, places, mode, t0,
        packed, values, starts, lengths, n, whole, n_all, offset, keys, stop, work,
    ):  # fmt: skip
        """Run all recurrent layers over `lengths` steps of `n` sequences, from `t0` on.

        With BEGIN in `mode` from the states of no step. With END, what the steps come
        to goes into Z of the head, for all `n_all` sequences, `whole` their lengths;
        and with HEAD through it.
        """
        version  # noqa: B018
        if (mode & BEGIN) != 0:
            _begin(layers, n_recurrent, places, n, work)
        for e in range(n_recurrent):
            recurrent_forward(
                layers, e, e % n_directions, n_directions, places, mode, t0,
                packed, values, starts, lengths, n, offset, keys, stop, work,
            )  # fmt: skip
        if (mode & END) != 0:
            _pool(layers, n_recurrent, n_directions, places, whole, n_all, work)
        if (mode & HEAD) != 0:
            if (mode & TRAIN) != 0:
                layer = layer_of(layers, n_recurrent)
                z = places_of(places, n_recurrent)[Z]
                row = layer["z_width"]
                _drop_pooled(layer, n_recurrent, whole, n_all, keys, work, z, row)
            for e in range(n_recurrent, n_layers):
                dense_forward(layers, n_layers, e, places, n_all, packed, work)

    return forward


@out_of_line("niiin ii pnininnnpp")
def backward(version):
    def backward(
        layers, n_layers, n_recurrent, n_directions, places, mode, t0,
        packed, lengths, n, whole, n_all, offset, keys, stop, work, gradient,
    ):  # fmt: skip
        """Take the gradient back through `lengths` steps of `n` sequences from `t0` on.

        With HEAD in `mode` from the last layer's GATES, through the head, to POOL, for
        all `n_all` sequences, `whole` their lengths; else from what POOL holds.
        """
        version  # noqa: B018
        if (mode & HEAD) != 0:
            for e in range(n_layers - 1, n_recurrent - 1, -1):
                dense_backward(
                    layers, n_layers, e, places, n_all, packed, work, gradient
                )
            layer = layer_of(layers, n_recurrent)
            dx_row = layer["n_input_vectors"] * lanes(work)
            dx = places_of(places, n_recurrent)[DX]
            _drop_pooled(layer, n_recurrent, whole, n_all, keys, work, dx, dx_row)
            _pool_backward(
                layers, n_recurrent, n_directions, places, whole, n_all, work
            )
        top = n_recurrent - n_directions
        for e in range(0, top, n_directions):
            size = offset[lengths[0]] * layer_of(layers, e)["above"]
            zero(work, places_of(places, e)[DOUT], size)
        for e in range(top, -1, -n_directions):
            for direction in range(n_directions):
                layer = layer_of(layers, e + direction)
                at = places_of(places, e + direction)
                h_row = layer["n_unit_vectors"] * lanes(work)
                zero(work, at[DH], n * h_row)
                if e == top and layer["pooling"] == LAST:
                    for b in range(n):
                        if whole[b] == t0 + lengths[b]:  # it ends here
                            pool, dh = at[POOL] + b * h_row, at[DH] + b * h_row
                            copy(work, pool, work, dh, h_row)
                recurrent_backward(
                    layers, e + direction, direction, n_directions, places, t0,
                    packed, lengths, n, offset, keys, stop, work, gradient,
                )  # fmt: skip

    return backward


@inner
def _begin(layers, n_recurrent, places, n, work):
    """Set states, and what steps sum up to, to those of no step."""
    for e in range(n_recurrent):
        layer, at = layer_of(layers, e), places_of(places, e)
        size = n * layer["n_unit_vectors"] * lanes(work)
        zero(work, at[H], size)
        zero(work, at[C0], size)
        if layer["pooling"] != LAST:
            pool_none(layer["pool_none"], work, layer["pooling"], size, at[POOL])
        if layer["pooling"] == MEAN:
            zero(work, at[BESIDE], size)


@inner
def _drop_pooled(layer, e, lengths, n, keys, work, start, row):
    """Set some of what sums sequences up, or its gradient, to zero."""
    if layer["dropout"] > 0:
        drop_step(
            layer["drop_step"], work, n, start, row, keys, 2 * e, layer["n_inputs"],
            lengths, 0, 0, layer["dropout"],
        )  # fmt: skip


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
            make_means(
                layer["make_means"], work, n, z + direction * layer["n_units"], row,
                layer["n_units"], lengths,
            )  # fmt: skip


@inner
def _pool_backward(layers, n_recurrent, n_directions, places, lengths, n, work):
    """Hand the gradient of what sums sequences up to POOL of the top layer."""
    dx = places_of(places, n_recurrent)[DX]
    dx_row = layer_of(layers, n_recurrent)["n_input_vectors"] * lanes(work)
    for direction in range(n_directions):
        e = n_recurrent - n_directions + direction
        layer, pool = layer_of(layers, e), places_of(places, e)[POOL]
        h_row = layer["n_unit_vectors"] * lanes(work)
        zero(work, pool, n * h_row)
        for b in range(n):
            source = dx + b * dx_row + direction * layer["n_units"]
            copy(work, source, work, pool + b * h_row, layer["n_units"])
        if layer["pooling"] == MEAN:
            make_means(
                layer["make_means"], work, n, pool, h_row, layer["n_units"], lengths
            )
