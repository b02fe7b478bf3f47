"""The LSTM network in plain NumPy, one equation per line, and its exact gradient.

Everything here works in float64 and in complex128, so that a derivative is had without
rounding error by a complex step: ``f'(x) = imag(f(x + ih)) / h`` for a tiny h (Squire
and Trapp, SIAM Review 40, 1998). That asks for analytic functions, hence the decisions
on the real part where others take a maximum or an absolute value.

Weights are a dict, named and shaped as in the package:

- ``weight_ih_l0`` (4 * hidden, n_channels), ``weight_hh_l0`` (4 * hidden, hidden),
  ``bias_l0`` (4 * hidden,), gates in the order i, f, g, o;
- ``weight_ih_l0_reverse``, ... for the backward direction;
- ``weight_ih_l1`` (4 * hidden_1, n_directions * hidden_0), ... for the next layer;
- ``head.weight_0`` (n_out, n_in), ``head.bias_0`` (n_out,), ``head.weight_1``, ...

A weight may carry leading axes, for many variants of it at once; they come first in
whatever is computed from it.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

# Parameters of an estimator that is no more than what is written here.
PLAIN = {
    "standardize": False,
    "pooling": "last",
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "learning_rate": "constant",
    "learning_rate_init": 0.001,
    "max_iter": 200,
}

COMPLEX_STEP = 1e-100


def sigmoid(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def relu(x):
    return np.where(x.real > 0, x, 0)


def softplus(x):
    """``log(1 + exp(x))`` without overflow."""
    return relu(x) + np.log1p(np.exp(-np.where(x.real > 0, x, -x)))


def log_softmax(raw):
    shifted = raw - raw.real.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def matvec(weight, x):
    """The product of a matrix (..., n_out, n_in) and a vector (..., n_in)."""
    return (weight @ x[..., np.newaxis])[..., 0]


def join(forward, backward):
    return np.concatenate(np.broadcast_arrays(forward, backward), axis=-1)


def run_layer(xs, weight_ih, weight_hh, bias, mask=1.0, bptt_length=None):
    """The hidden state (hidden,) after each step of xs, a list of vectors (n_in,).

    The hidden state before is multiplied with a mask. To cut the gradient every so many
    steps is to take the real part of what is carried on.
    """
    h = np.zeros(weight_hh.shape[-1])
    c = np.zeros(weight_hh.shape[-1])
    hs = []
    for t, x in enumerate(xs):
        if bptt_length is not None and t % bptt_length == 0:
            h, c = h.real, c.real
        gates = matvec(weight_ih, x) + matvec(weight_hh, mask * h) + bias
        i, f, g, o = np.split(gates, 4, axis=-1)
        i = sigmoid(i)
        f = sigmoid(f)
        g = np.tanh(g)
        o = sigmoid(o)
        c = f * c + i * g
        h = o * np.tanh(c)
        hs.append(h)
    return hs


def layer_weights(weights, suffix):
    return [weights[f"{name}_{suffix}"] for name in ("weight_ih", "weight_hh", "bias")]


def n_layers(weights):
    return sum(f"weight_ih_l{layer}" in weights for layer in range(len(weights)))


class NoMasks:
    """The masks of no dropout."""

    def of_inputs(self, sample, layer, step):
        """What the inputs of a layer but the first, or of the head, are scaled by."""
        return 1.0

    def of_hidden(self, sample, layer, direction):
        """What the hidden states before are scaled by."""
        return 1.0


NO_MASKS = NoMasks()


def hidden_states(weights, sequence, masks=NO_MASKS, sample=0, bptt_length=None):
    """The last layer's states of one sequence (n_steps, n_channels), both directions.

    Returns two lists of n_steps vectors (hidden,), both in the order of time. The
    second is None where the network runs forward only.
    """
    xs = list(sequence)
    for layer in range(n_layers(weights)):
        if layer > 0:
            xs = [masks.of_inputs(sample, layer, t) * x for t, x in enumerate(xs)]
        forward = run_layer(
            xs,
            *layer_weights(weights, f"l{layer}"),
            masks.of_hidden(sample, layer, 0),
            bptt_length,
        )
        if f"weight_ih_l{layer}_reverse" not in weights:
            backward, xs = None, forward
            continue
        backward = run_layer(
            xs[::-1],
            *layer_weights(weights, f"l{layer}_reverse"),
            masks.of_hidden(sample, layer, 1),
        )
        backward = backward[::-1]
        xs = [join(*states) for states in zip(forward, backward, strict=True)]
    return forward, backward


def largest(states):
    """The maximum over the first axis, decided on the real part."""
    states = np.stack(np.broadcast_arrays(*states))
    places = states.real.argmax(axis=0)
    return np.take_along_axis(states, places[np.newaxis], axis=0)[0]


POOLINGS = {  # of the states of a direction, in the order in which it has seen them
    "last": lambda states: states[-1],
    "mean": lambda states: sum(states) / len(states),
    "max": largest,
}


def pooled(weights, sequences, pooling="last", masks=NO_MASKS, bptt_length=None):
    """What sums each sequence up, (n, n_directions * hidden).

    The last state of a direction is the one that has seen the whole sequence: forward
    at the last step, backward at the first.
    """
    pool = POOLINGS[pooling]
    rows = []
    for sample, sequence in enumerate(sequences):
        forward, backward = hidden_states(weights, sequence, masks, sample, bptt_length)
        row = pool(forward)
        rows.append(row if backward is None else join(row, pool(backward[::-1])))
    return np.stack(rows, axis=-2)


def dense_head(weights, x):
    """Dense layers on vectors (n_in,), with ReLU between them."""
    x = matvec(weights["head.weight_0"], x) + weights["head.bias_0"]
    layer = 1
    while f"head.weight_{layer}" in weights:
        x = matvec(weights[f"head.weight_{layer}"], relu(x))
        x = x + weights[f"head.bias_{layer}"]
        layer += 1
    return x


def raw_output(weights, sequences, pooling="last", masks=NO_MASKS, bptt_length=None):
    """The network's output before any link function, (n, n_outputs)."""
    summaries = pooled(weights, sequences, pooling, masks, bptt_length)
    head = n_layers(weights)
    rows = [
        dense_head(weights, masks.of_inputs(k, head, 0) * summaries[..., k, :])
        for k in range(len(sequences))
    ]
    return np.stack(rows, axis=-2)


QUANTILE = 0.3  # of the loss of that name


def sample_losses(kind, raw, targets):
    """The loss of each sample, (n,)."""
    targets = np.asarray(targets)
    if kind == "squared_error":
        return 0.5 * ((raw - targets) ** 2).mean(axis=-1)
    if kind == "absolute_error":
        return (relu(raw - targets) + relu(targets - raw)).mean(axis=-1)
    if kind == "quantile":
        over, under = relu(raw - targets), relu(targets - raw)
        return ((1 - QUANTILE) * over + QUANTILE * under).mean(axis=-1)
    if kind == "poisson":
        return (np.exp(raw) - targets * raw).mean(axis=-1)
    if kind == "gamma":
        return (raw + targets * np.exp(-raw)).mean(axis=-1)
    if kind == "log_loss":
        classes = targets.reshape(-1).astype(np.intp)
        return -log_softmax(raw)[..., np.arange(len(classes)), classes]
    if kind == "binary_log_loss":
        return (softplus(raw) - targets * raw).sum(axis=-1)
    raise ValueError(f"unknown loss {kind!r}")


def loss(kind, raw, targets, sample_weight=None):
    """The sum over samples of weight times loss: not divided by anything."""
    losses = sample_losses(kind, raw, targets)
    return (losses if sample_weight is None else losses * sample_weight).sum(axis=-1)


def complex_step_derivatives(
    kind, weights, sequences, targets, sample_weight, name, directions, **network
):
    """How the loss changes with one weight along each of directions (k, *shape)."""
    stepped = weights[name] + 1j * COMPLEX_STEP * directions
    raw = raw_output({**weights, name: stepped}, sequences, **network)
    return loss(kind, raw, targets, sample_weight).imag / COMPLEX_STEP


def complex_step_gradient(
    kind, weights, sequences, targets, sample_weight=None, block=256, **network
):
    """The gradient of the loss, a dict named and shaped as weights.

    One complex step per number in weights; a block of them is taken at once. What else
    `raw_output` takes is `network`.
    """
    gradient = {}
    for name, weight in weights.items():
        parts = []
        for first in range(0, weight.size, block):
            k = min(block, weight.size - first)
            directions = np.eye(k, weight.size, first).reshape(k, *weight.shape)
            parts.append(
                complex_step_derivatives(
                    kind,
                    weights,
                    sequences,
                    targets,
                    sample_weight,
                    name,
                    directions,
                    **network,
                )
            )
        gradient[name] = np.concatenate(parts).reshape(weight.shape)
    return gradient


class KerasCase(NamedTuple):
    """A figure of Keras' own test of its LSTM layer, good to 1e-5.

    All weights are constant, so that all units agree; the forget gate has another bias
    than the rest where Keras is not told otherwise.
    """

    sequences: np.ndarray | list
    hidden: int
    bias: float
    forget_bias: float
    direction: int
    last_state: tuple

    def weights(self):
        """The layer's weights, the same in both directions."""
        hidden, n_channels = self.hidden, self.sequences[0].shape[1]
        bias = [self.bias, self.forget_bias, self.bias, self.bias]
        weights = {
            "weight_ih_l0": np.full((4 * hidden, n_channels), 0.01),
            "weight_hh_l0": np.full((4 * hidden, hidden), 0.02),
            "bias_l0": np.repeat(bias, hidden),
        }
        return weights | {f"{name}_reverse": weight for name, weight in weights.items()}

    def error(self, last_states):
        """The largest error of the last states of both directions, side by side."""
        comp = np.split(last_states, 2, axis=1)[self.direction]
        return np.abs(comp - np.array(self.last_state)[:, np.newaxis]).max()


STEPS = np.arange(72.0).reshape(3, 6, 4)
MASKED = [np.arange(9.0).reshape(3, 3), np.arange(12.0, 18.0).reshape(2, 3)]
KERAS_CASES = {
    "forward": KerasCase(STEPS, 3, 0.03, 1.0, 0, (0.6288687, 0.86899155, 0.9460773)),
    "backward": KerasCase(STEPS, 3, 0.03, 1.0, 1, (0.35622165, 0.74789524, 0.8872726)),
    "one bias": KerasCase(STEPS, 3, 0.03, 0.03, 0, (0.57019705, 0.8661914, 0.9459622)),
    "no bias": KerasCase(STEPS, 3, 0.0, 0.0, 0, (0.54986924, 0.86226785, 0.9443936)),
    "masked": KerasCase(MASKED, 2, 0.03, 1.0, 0, (0.11755939, 0.28556206)),
}


def random_weights(
    rng,
    n_channels,
    hidden_layer_sizes,
    bidirectional=False,
    head_layer_sizes=(),
    n_outputs=1,
):
    """Weights of a network, dense enough in every gate that no gradient vanishes."""
    suffixes = ("", "_reverse") if bidirectional else ("",)
    weights = {}
    n_in = n_channels
    for layer, hidden in enumerate(hidden_layer_sizes):
        for suffix in (f"l{layer}{direction}" for direction in suffixes):
            weights[f"weight_ih_{suffix}"] = rng.normal(size=(4 * hidden, n_in))
            weights[f"weight_hh_{suffix}"] = rng.normal(size=(4 * hidden, hidden))
            weights[f"bias_{suffix}"] = rng.normal(size=4 * hidden)
        n_in = len(suffixes) * hidden
    sizes = (n_in, *head_layer_sizes, n_outputs)
    for layer, (n_below, n_out) in enumerate(pairwise(sizes)):
        weights[f"head.weight_{layer}"] = rng.normal(size=(n_out, n_below))
        weights[f"head.bias_{layer}"] = rng.normal(size=n_out)
    return {
        name: weight / np.sqrt(weight.shape[1] if weight.ndim == 2 else 4)
        for name, weight in weights.items()
    }


def random_sequences(rng, lengths, n_channels):
    return [rng.normal(size=(length, n_channels)) for length in lengths]


def random_targets(rng, kind, n_samples, n_outputs):
    """Targets (n_samples, n_outputs); of "log_loss" a class number (n_samples, 1)."""
    if kind == "log_loss":
        return rng.integers(n_outputs, size=(n_samples, 1)).astype(np.float64)
    if kind == "binary_log_loss":
        return rng.integers(2, size=(n_samples, n_outputs)).astype(np.float64)
    if kind in ("poisson", "gamma"):
        return rng.gamma(2, size=(n_samples, n_outputs))
    return rng.normal(size=(n_samples, n_outputs))


def network_sizes(weights):
    """What the package's Network is told to have just these weights."""
    hidden = [
        weights[f"weight_hh_l{layer}"].shape[1] for layer in range(n_layers(weights))
    ]
    dense = [
        len(weight) for name, weight in weights.items() if name.startswith("head.w")
    ]
    return {
        "n_channels": weights["weight_ih_l0"].shape[1],
        "hidden_layer_sizes": tuple(hidden),
        "bidirectional": "weight_ih_l0_reverse" in weights,
        "head_layer_sizes": tuple(dense[:-1]),
        "n_outputs": dense[-1],
    }


def fill(views, weights):
    """Write weights into the named views of a flat vector; both name the same ones."""
    shapes = [
        {name: array.shape for name, array in arrays.items()}
        for arrays in (views, weights)
    ]
    assert shapes[0] == shapes[1]
    for name, view in views.items():
        view[...] = weights[name]


def packed(sequences, dtype=np.float64):
    """The three arrays that hold a list of sequences: values, starts and lengths."""
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    values = np.concatenate(sequences).astype(dtype)
    return values, np.cumsum(lengths) - lengths, lengths


def relative_error(comp, ref):
    """The largest difference, as a share of the largest number in ref.

    Infinite where ref is zero throughout and comp is not.
    """
    difference = np.abs(np.asarray(comp, dtype=np.float64) - ref).max()
    largest = np.abs(ref).max()
    if largest == 0:
        return 0.0 if difference == 0 else np.inf
    return difference / largest
