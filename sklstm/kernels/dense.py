"""A dense layer of the head, forward and back."""

from sklstm.kernels.gemm import ADD, OVERWRITE, PANEL, Matrix, Panels, gemm
from sklstm.kernels.layout import DX, GATES, Z, layer_of, places_of
from sklstm.kernels.outline import out_of_line
from sklstm.kernels.simd import (
    lanes,
    load,
    maximum,
    store,
    where_positive,
    zeros_like,
)


@out_of_line("niini pp")
def dense_forward(version):
    def dense_forward(layers, n_layers, e, places, n, packed, work):
        """Run a dense layer; a layer above takes ReLU of what comes out."""
        version  # noqa: B018
        layer = layer_of(layers, e)
        at = places_of(places, e)
        width = lanes(work)
        z_row = layer["z_width"]
        out_row = layer["n_vectors"] * width
        panel_row = layer["panel_row"]
        for b in range(n):
            work[at[Z] + b * z_row + layer["n_inputs"]] = 1
        gemm(
            OVERWRITE, n, layer["n_vectors"], layer["n_rows"],
            Matrix(work, at[Z], z_row, 1),
            Panels(packed, layer["forward"], layer["n_rows"] * panel_row, panel_row),
            Panels(work, at[GATES], PANEL * width, out_row),
        )  # fmt: skip
        if e + 1 < n_layers:
            above_row = layer_of(layers, e + 1)["z_width"]
            for b in range(n):
                for u in range(0, out_row, width):
                    x = load(work, at[GATES] + b * out_row + u)
                    target = places_of(places, e + 1)[Z] + b * above_row + u
                    # This way round what is NaN stays so.
                    store(work, target, maximum(x, zeros_like(work)))

    return dense_forward


@out_of_line("niini ppp")
def dense_backward(version):
    def dense_backward(layers, n_layers, e, places, n, packed, work, gradient):
        """Take the gradient in GATES back through a dense layer, to DX."""
        version  # noqa: B018
        layer = layer_of(layers, e)
        at = places_of(places, e)
        width = lanes(work)
        z_row = layer["z_width"]
        out_row = layer["n_vectors"] * width
        inputs_row = layer["n_input_vectors"] * width
        if e + 1 < n_layers:
            for b in range(n):
                for u in range(0, out_row, width):
                    x = load(work, at[GATES] + b * out_row + u)
                    dx = load(work, places_of(places, e + 1)[DX] + b * out_row + u)
                    store(work, at[GATES] + b * out_row + u, where_positive(x, dx))
        panel_row = layer["panel_row"]
        gemm(
            ADD, layer["n_rows"], layer["n_vectors"], n,
            Matrix(work, at[Z], 1, z_row),
            Panels(work, at[GATES], PANEL * width, out_row),
            Panels(gradient, layer["gradient"], layer["n_rows"] * panel_row, panel_row),
        )  # fmt: skip
        panel_row = layer["input_panel_row"]
        gemm(
            OVERWRITE, n, layer["n_input_vectors"], out_row,
            Matrix(work, at[GATES], out_row, 1),
            Panels(packed, layer["to_inputs"], out_row * panel_row, panel_row),
            Panels(work, at[DX], PANEL * width, inputs_row),
        )  # fmt: skip

    return dense_backward
