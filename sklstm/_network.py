"""The network's shape, its flat parameter vector, and the vector's named views."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class LayerShape:
    """One direction of a recurrent layer, or one dense layer.

    Its parameters are a matrix (n_rows, n_columns), row-major: a row for each input,
    one for the bias, one for each hidden unit if it is recurrent; columns gate by gate.
    """

    name: str
    n_inputs: int
    n_units: int
    n_gates: int
    recurrent: bool
    n_above: int  # values a step handed to a recurrent layer above, both directions
    passes_gradient_down: bool
    pooling: str = "last"  # how its steps are summed up, if no recurrent layer is above
    dropout: float = 0.0  # of its inputs
    recurrent_dropout: float = 0.0  # of its hidden state before

    @property
    def n_rows(self):
        """Rows of the parameter matrix."""
        return self.n_inputs + 1 + (self.n_units if self.recurrent else 0)

    @property
    def n_columns(self):
        """Columns of the parameter matrix."""
        return self.n_gates * self.n_units


class Network:
    """Stacked recurrent layers, what sums a sequence up, and dense layers on top.

    Parameters
    ----------
    n_channels : int
        Values in a step of a sequence.
    hidden_layer_sizes : tuple of int
        Hidden units of each recurrent layer (in each direction).
    bidirectional : bool
        Whether each recurrent layer also reads the sequence backward.
    head_layer_sizes : tuple of int
        Units of each dense ReLU layer between the recurrent layers and the output.
    n_outputs : int
        Units of the output layer.
    pooling : {"last", "mean", "max"}
        What sums a sequence up: the last state, or the mean or maximum of all.
    dropout, recurrent_dropout : float
        In training: of what a recurrent layer, or the head, takes from the layer below;
        of the hidden state that a layer takes from the step before.

    Attributes
    ----------
    layers : tuple of LayerShape
        The directions of each recurrent layer, bottom up, then the dense layers.
    n_recurrent : int
        How many of the `layers` are recurrent.
    n_directions : int
    n_pooled : int
        Values that sum a sequence up.
    n_parameters : int
    """

    def __init__(
        self,
        n_channels,
        hidden_layer_sizes,
        bidirectional,
        head_layer_sizes,
        n_outputs,
        pooling="last",
        dropout=0.0,
        recurrent_dropout=0.0,
    ):
        self.n_channels = n_channels
        self.n_outputs = n_outputs
        self.n_directions = 2 if bidirectional else 1
        layers = []
        n_inputs = n_channels
        for level, n_units in enumerate(hidden_layer_sizes):
            top = level == len(hidden_layer_sizes) - 1
            layers += [
                LayerShape(
                    name=f"l{level}{suffix}",
                    n_inputs=n_inputs,
                    n_units=n_units,
                    n_gates=4,
                    recurrent=True,
                    n_above=0 if top else n_units * self.n_directions,
                    passes_gradient_down=level > 0,
                    pooling=pooling if top else "last",
                    dropout=dropout if level > 0 else 0.0,
                    recurrent_dropout=recurrent_dropout,
                )
                for suffix in ("", "_reverse")[: self.n_directions]
            ]
            n_inputs = n_units * self.n_directions
        self.n_recurrent = len(layers)
        self.n_pooled = n_inputs
        for level, n_units in enumerate((*head_layer_sizes, n_outputs)):
            layers.append(
                LayerShape(
                    name=str(level),
                    n_inputs=n_inputs,
                    n_units=n_units,
                    n_gates=1,
                    recurrent=False,
                    n_above=0,
                    passes_gradient_down=True,
                    dropout=dropout if level == 0 else 0.0,
                )
            )
            n_inputs = n_units
        self.layers = tuple(layers)
        self.n_parameters = sum(layer.n_rows * layer.n_columns for layer in layers)

    def matrices(self, parameters):
        """Return each layer's matrix (n_rows, n_columns): views of `parameters`."""
        matrices, start = [], 0
        for layer in self.layers:
            size = layer.n_rows * layer.n_columns
            matrix = parameters[start : start + size]
            matrices.append(matrix.reshape(layer.n_rows, layer.n_columns))
            start += size
        return matrices

    def views(self, parameters):
        """Return the named weights: writable views of `parameters`.

        Names, shapes and gate order are those of ``torch.nn.LSTM``, whose two biases
        are here summed: ``weight_ih_l0`` (4 * hidden, input), ``weight_hh_l0``
        (4 * hidden, hidden), ``bias_l0`` (4 * hidden,), the same with ``_reverse``,
        then ``head.weight_0`` (output, input), ``head.bias_0`` (output,) and so on.
        """
        views = {}
        for layer, matrix in zip(self.layers, self.matrices(parameters), strict=True):
            n = layer.n_inputs
            if layer.recurrent:
                views[f"weight_ih_{layer.name}"] = matrix[:n].T
                views[f"weight_hh_{layer.name}"] = matrix[n + 1 :].T
                views[f"bias_{layer.name}"] = matrix[n]
            else:
                views[f"head.weight_{layer.name}"] = matrix[:n].T
                views[f"head.bias_{layer.name}"] = matrix[n]
        return views

    def penalised(self):
        """Return a mask of the parameters that `alpha` holds small: all but biases."""
        mask = np.ones(self.n_parameters, dtype=bool)
        for layer, matrix in zip(self.layers, self.matrices(mask), strict=True):
            matrix[layer.n_inputs] = False
        return mask

    def initialise(self, random_state, dtype, *, channels_as_one=False):
        """Draw the parameters.

        Weights on inputs are uniform on +-sqrt(6 / (inputs + units)) (Glorot & Bengio
        2010, eq. 16), those on hidden states before on +-1 / sqrt(units), as PyTorch's
        are. Biases are 0, but 1 for forget gates, which so begin open (Gers,
        Schmidhuber & Cummins 2000; Jozefowicz, Zaremba & Sutskever 2015). With
        `channels_as_one` the range on channels is over the square root of their number,
        so that all together move a gate by as much as one would.
        """
        parameters = np.zeros(self.n_parameters, dtype=dtype)
        matrices = self.matrices(parameters)
        for e, (layer, matrix) in enumerate(zip(self.layers, matrices, strict=True)):
            n, units, columns = layer.n_inputs, layer.n_units, layer.n_columns
            bound = np.sqrt(6 / (n + units))
            if channels_as_one and e < self.n_directions:
                bound /= np.sqrt(n)
            matrix[:n] = random_state.uniform(-bound, bound, size=(n, columns))
            if layer.recurrent:
                bound = 1 / np.sqrt(units)
                hidden = random_state.uniform(-bound, bound, size=(units, columns))
                matrix[n + 1 :] = hidden
                matrix[n, units : 2 * units] = 1
        return parameters
