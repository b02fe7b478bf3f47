"""Parameters into the packed form that the kernels read, and gradients out of it."""

from sklstm.kernels import entry_point, inner
from sklstm.kernels.gemm import PANEL
from sklstm.kernels.layout import N_FIELDS, layer_of
from sklstm.kernels.simd import lanes, load, load_part, pointer, store_part, transpose


@entry_point
def pack(version):
    def pack(layers, parameters, way_back, packed):
        """Write the packed form of the parameters.

        Parameters
        ----------
        layers : array of int64
            Read: what the records of `layer_table` are made of.
        parameters : array (n_parameters,)
            Read.
        way_back : bool
            Whether to write what only gradients need, too.
        packed : array (packed_size,)
            Written, but for what fills the last vectors up: zeros from the start.
        """
        version  # noqa: B018
        source, target = pointer(parameters), pointer(packed)
        for e in range(len(layers) // N_FIELDS):
            layer = layer_of(pointer(layers), e)
            n_columns = layer["n_gates"] * layer["n_units"]
            _pack_forward(layer, source, target)
            if way_back and layer["to_inputs"] >= 0:
                _pack_transposed(
                    layer, layer["n_inputs"], layer["input_panel_row"],
                    source, layer["parameters"], target, layer["to_inputs"],
                )  # fmt: skip
            if way_back and layer["to_hidden"] >= 0:
                hidden_rows = (layer["n_inputs"] + 1) * n_columns
                _pack_transposed(
                    layer, layer["n_units"], layer["unit_panel_row"],
                    source, layer["parameters"] + hidden_rows,
                    target, layer["to_hidden"],
                )  # fmt: skip

    return pack


@entry_point
def add_gradients(version):
    def add_gradients(layers, gradients, gradient):
        """Add gradients up in the order they are in.

        Parameters
        ----------
        layers : array of int64
            Read: what the records of `layer_table` are made of.
        gradients : array (n, gradient_size)
            Read: gradients in packed form.
        gradient : array (n_parameters,)
            Written: their sum.
        """
        version  # noqa: B018
        source, target = pointer(gradients), pointer(gradient)
        n, size = gradients.shape
        width = lanes(target)
        for e in range(len(layers) // N_FIELDS):
            layer = layer_of(pointer(layers), e)
            n_columns = layer["n_gates"] * layer["n_units"]
            panel_row = layer["panel_row"]
            for j in range(layer["n_vectors"]):
                column, count = _column(layer, j, width)
                place = layer["gradient"] + _vector(layer, j, width)
                for row in range(layer["n_rows"]):
                    into = layer["parameters"] + row * n_columns + column
                    _add(source, place + row * panel_row, n, size, target, into, count)

    return add_gradients


@inner
def _column(layer, j, width):
    """Return the matrix's column at which vector `j` begins, and how many it takes."""
    unit = j // layer["n_gates"] * width
    gate = j % layer["n_gates"]
    count = layer["n_units"] - unit
    return gate * layer["n_units"] + unit, count if count < width else width


@inner
def _vector(layer, j, width):
    """Return the place of vector `j` of the first row in the layer's packed matrix."""
    panel_row = layer["panel_row"]
    return j // PANEL * layer["n_rows"] * panel_row + j % PANEL * width


@inner
def _add(source, place, n, size, target, into, count):
    """Add up `n` vectors, `size` apart in `source`; write `count` values of the sum."""
    total = load(source, place)
    for i in range(1, n):
        total = total + load(source, place + i * size)
    store_part(target, into, total, count)


@inner
def _pack_forward(layer, source, target):
    """Pack a layer's matrix."""
    width = lanes(target)
    n_columns = layer["n_gates"] * layer["n_units"]
    panel_row = layer["panel_row"]
    for j in range(layer["n_vectors"]):
        column, count = _column(layer, j, width)
        place = layer["forward"] + _vector(layer, j, width)
        for row in range(layer["n_rows"]):
            start = layer["parameters"] + row * n_columns + column
            into = place + row * panel_row
            store_part(target, into, load_part(source, start, count), count)


@inner
def _pack_transposed(layer, n_rows, panel_row, source, start, target, place):
    """Pack a matrix's rows from `start` on as columns; its columns become the rows."""
    width = lanes(target)
    n_columns = layer["n_gates"] * layer["n_units"]
    panel_size = layer["n_vectors"] * width * panel_row
    for i in range(0, n_rows, width):
        n = n_rows - i if n_rows - i < width else width
        panel = i // (PANEL * width)
        into = place + panel * panel_size + i % (PANEL * width)
        for j in range(layer["n_vectors"]):
            column, count = _column(layer, j, width)
            block = start + i * n_columns + column
            to = into + j * width * panel_row
            transpose(source, block, n_columns, n, count, target, to, panel_row)
