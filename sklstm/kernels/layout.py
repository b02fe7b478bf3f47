"""Where each layer's numbers lie: parameters, packed weights, gradient, workspace.

A layer's parameters are one matrix with a row for each input, a row for the bias and,
if the layer is recurrent, a row for each hidden unit; its columns are the units, gate
by gate. The kernels read it *packed*: columns in vectors (see `gemm`), the gates of a
vector of units side by side; and transposed, to take gradients back.
"""

import numpy as np
from numba import from_dtype, types
from numba.extending import lower_builtin, type_callable

from sklstm.kernels import dropout, inner, pooling
from sklstm.kernels.gemm import K_BLOCK, PANEL
from sklstm.kernels.simd import lanes_of, offset_of

LAYER = np.dtype(
    [
        (name, np.int64)
        for name in (
            "n_inputs",
            "n_units",
            "n_gates",  # 4 for an LSTM layer, 1 for a dense one
            "n_rows",  # of the matrix: n_inputs + 1, + n_units if recurrent
            "n_vectors",  # of the matrix's columns
            "n_input_vectors",
            "n_unit_vectors",
            "z_width",  # values in a row of Z
            # Values in a row of a panel with columns for ...
            "panel_row",  # the matrix's columns
            "input_panel_row",  # inputs
            "unit_panel_row",  # units
            "pooling",  # of `pooling`: LAST also where a recurrent layer is above
            "dropout",  # of the inputs, as `dropout` takes rates
            "recurrent_dropout",  # of the hidden state before
            # Addresses of kernels, where the layer needs them.
            "pool_none",
            "make_means",
            "pool_step",
            "pool_step_backward",
            "drop_step",
            "draw_masks",
            "mask_rows",
            "above",  # values in a row that the layer (both directions) hands up; or 0
            # Where the layer's part begins in ...
            "parameters",
            "forward",  # packed: the matrix
            "to_inputs",  # packed: its input rows, transposed; -1 if never needed
            "to_hidden",  # packed: its hidden rows, transposed; -1 if there are none
            "gradient",
        )
    ]
)
N_FIELDS = len(LAYER)

# A layer's regions of the workspace, columns of `places`.
Z = 0  # rows of input, 1, hidden state before: the left side of the product
GATES = 1  # rows of what the product gives, panel by panel
C = 2  # rows of the cell state
TANH_C = 3
H = 4  # hidden state, a row a sequence: before the first step, at last after the last
DH = 5
DC = 6
C0 = 7  # the cell state before the first step
DX = 8  # gradient of the inputs, a block of rows
OUT = 9  # hidden states for the layer above: a row a step, both directions
DOUT = 10
POOL = 11  # the sum or maximum of the hidden states; on the way back the gradient of
# what sums the sequence up
BESIDE = 12  # the step of each maximum; what rounding has left over of each sum
MASK = 13  # what dropout multiplies the hidden state before with
N_REGIONS = 14
_OF_WAY_BACK = [DH, DC, DX, DOUT, MASK]


# Kernels get pointers to the int64 that the layers, and that the places, are made of.


def layer_of(layers, e):
    """Return layer `e`, a record of LAYER."""
    return layers[e * N_FIELDS : (e + 1) * N_FIELDS].view(LAYER)[0]


@type_callable(layer_of)
def _type_layer_of(context):
    return lambda layers, e: from_dtype(LAYER)


@lower_builtin(layer_of, types.CPointer, types.Integer)
def _lower_layer_of(context, builder, sig, args):
    layers, e = args
    layer = builder.gep(layers, [builder.mul(e, e.type(N_FIELDS))])
    return builder.bitcast(layer, context.get_value_type(sig.return_type))


@inner
def places_of(places, e):
    """Return a pointer to the places of the regions of layer `e`."""
    return offset_of(places, e * N_REGIONS)


def _round_up(n, multiple):
    return -(-n // multiple) * multiple


def layer_table(network, dtype):
    """Return the table of the network's layers for vectors of `dtype`.

    Returns
    -------
    layers : array of LAYER
        The directions of each recurrent layer, bottom up, then the dense layers.
    packed_size, gradient_size : int
        Values of the packed weights and of a gradient in packed form.
    """
    width = lanes_of(dtype)
    layers = np.zeros(len(network.layers), LAYER)
    parameters = packed = gradient = 0
    for layer, shape in zip(layers, network.layers, strict=True):
        n_unit_vectors = -(-shape.n_units // width)
        n_input_vectors = -(-shape.n_inputs // width)
        n_vectors = shape.n_gates * n_unit_vectors
        layer["n_inputs"] = shape.n_inputs
        layer["n_units"] = shape.n_units
        layer["n_gates"] = shape.n_gates
        layer["pooling"] = pooling.KINDS[shape.pooling]
        layer["dropout"] = dropout.parts_of(shape.dropout)
        layer["recurrent_dropout"] = dropout.parts_of(shape.recurrent_dropout)
        layer["n_rows"] = shape.n_rows
        layer["n_vectors"] = n_vectors
        layer["n_input_vectors"] = n_input_vectors
        layer["n_unit_vectors"] = n_unit_vectors
        layer["panel_row"] = min(n_vectors, PANEL) * width
        layer["input_panel_row"] = min(n_input_vectors, PANEL) * width
        layer["unit_panel_row"] = min(n_unit_vectors, PANEL) * width
        # The hidden state is written in whole vectors.
        hidden = n_unit_vectors * width if shape.recurrent else 0
        layer["z_width"] = _round_up(shape.n_inputs + 1 + hidden, width)
        layer["above"] = _round_up(shape.n_above, width)
        layer["parameters"] = parameters
        parameters += shape.n_rows * shape.n_columns
        layer["gradient"] = gradient
        gradient += _packed_size(shape.n_rows, n_vectors, width)

        layer["forward"] = packed
        packed += _packed_size(shape.n_rows, n_vectors, width)
        layer["to_inputs"] = layer["to_hidden"] = -1
        if shape.passes_gradient_down:
            layer["to_inputs"] = packed
            packed += _packed_size(n_vectors * width, n_input_vectors, width)
        if shape.recurrent:
            layer["to_hidden"] = packed
            packed += _packed_size(n_vectors * width, n_unit_vectors, width)
    return layers, packed, gradient


def _packed_size(n_rows, n_vectors, width):
    return -(-n_vectors // PANEL) * n_rows * min(n_vectors, PANEL) * width


def region_sizes(layers, n_recurrent, n_directions, dtype, *, way_back):
    """Return how large each region of the workspace is, with or without a way back.

    Returns
    -------
    sizes : array of int64 (n_layers, N_REGIONS, 4)
        Values for each row kept, each step, each sequence, and in any case, where the
        steps are those of all sequences, and the rows kept either all steps (there is a
        way back) or as many as there are sequences (there is none).
    """
    width = lanes_of(dtype)
    sizes = np.zeros((len(layers), N_REGIONS, 4), np.int64)
    for e, (layer, size) in enumerate(zip(layers, sizes, strict=True)):
        units = layer["n_unit_vectors"] * width
        inputs = layer["n_input_vectors"] * width
        gates = layer["n_vectors"] * width
        if e < n_recurrent:
            size[[Z, GATES, C, TANH_C], 0] = layer["z_width"], gates, units, units
            size[[H, DH, DC, C0], 2] = units
            size[DX, 3] = K_BLOCK * inputs
            if e >= n_recurrent - n_directions:
                size[POOL, 2] = units
            if layer["recurrent_dropout"] > 0:
                size[MASK, 2] = units
            if layer["pooling"] == pooling.MEAN or (
                layer["pooling"] == pooling.MAX and way_back
            ):
                size[BESIDE, 2] = units
            if e % n_directions == 0:  # one for both directions
                size[[OUT, DOUT], 1] = layer["above"]
        else:
            size[[Z, GATES, DX], 2] = layer["z_width"], gates, inputs
    if not way_back:
        sizes[:, _OF_WAY_BACK] = 0
    return sizes


def workspace_size(sizes, rows, steps, n):
    """Return the values of the workspace of a shard of `n` sequences."""
    of_row, of_step, of_sequence, fixed = sizes.sum(axis=(0, 1)).tolist()
    return of_row * rows + of_step * steps + of_sequence * n + fixed


@inner
def place_regions(n_layers, sizes, rows, steps, n, places, top=0):
    """Write to `places` (n_layers, N_REGIONS) where each region begins, from `top`."""
    for region in range(n_layers * N_REGIONS):
        places[region] = top
        size = offset_of(sizes, 4 * region)
        top += size[0] * rows + size[1] * steps + size[2] * n + size[3]
