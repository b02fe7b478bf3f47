"""Rows 1 and 2: a training step (forward, loss, backward) beside ``torch.nn.LSTM``."""

import numpy as np
import torch

from benchmarks.side_by_side import in_turn, rows
from sklstm._network import Network
from sklstm._sequences import Sequences
from sklstm.engines.cpu import CPUEngine

SHALLOW = [  # batch, steps, channels, hidden, layers, directions
    (32, 28, 28, 64, 1, 1),
    (32, 100, 8, 32, 1, 1),
    (64, 50, 16, 128, 1, 1),
    (128, 28, 28, 128, 1, 1),
    (256, 100, 16, 64, 1, 1),
    (32, 200, 32, 256, 1, 1),
    (32, 1000, 8, 64, 1, 1),
]
DEEP = [
    (64, 200, 32, 128, 2, 2),
    (128, 200, 32, 256, 2, 1),
]


def operations(batch, steps, channels, hidden, n_layers, n_directions):
    """Return the floating-point operations of the multiply-adds of a step."""
    total = 0
    n_inputs = channels
    for layer in range(n_layers):
        forward = 8 * hidden * (n_inputs + hidden)
        recurrent = 8 * hidden * hidden
        weights = 8 * hidden * (n_inputs + hidden)
        inputs = 8 * hidden * n_inputs if layer > 0 else 0
        total += n_directions * (forward + recurrent + weights + inputs)
        n_inputs = hidden * n_directions
    return total * batch * steps


def traffic(batch, steps, channels, hidden, n_layers, n_directions):
    """Return the bytes of what the way forward keeps, written once and read twice.

    For each step the input, a one and the hidden state, four gates, the cell state and
    its tanh. The way back reads gates and states for the cells, and gates and inputs
    for the weights' gradient.
    """
    total = 0
    n_inputs = channels
    for _ in range(n_layers):
        total += n_directions * (n_inputs + 1 + 7 * hidden)
        n_inputs = hidden * n_directions
    return 3 * 4 * total * batch * steps


def case_name(case):
    """Return sizes as the table has them."""
    batch, steps, channels, hidden, n_layers, n_directions = case
    name = f"{batch}, {steps}, {channels}, {hidden}"
    if n_layers > 1:
        name += f", {n_layers} layers"
    return name + (", both directions" if n_directions == 2 else "")


class Ours:
    """The step on sklstm's engine."""

    def __init__(self, x, y, case, n_threads, dtype):
        batch, steps, channels, hidden, n_layers, n_directions = case
        network = Network(channels, (hidden,) * n_layers, n_directions == 2, (), 1)
        self.parameters = network.initialise(np.random.RandomState(0), dtype)
        self.network = network
        self.engine = CPUEngine(
            network, loss="squared_error", dtype=dtype, n_threads=n_threads
        )
        starts = np.arange(batch) * steps
        lengths = np.full(batch, steps)
        self.arguments = (
            Sequences(x.reshape(-1, channels), starts, lengths),
            np.arange(batch),
            y,
            np.ones(batch),
        )

    def __call__(self):
        return self.engine.loss_and_gradient(self.parameters, *self.arguments)


class Torch:
    """The same step on ``torch.nn.LSTM``."""

    def __init__(self, x, y, case, weights):
        _, _, channels, hidden, n_layers, n_directions = case
        dtype = torch.from_numpy(x).dtype
        self.lstm = torch.nn.LSTM(
            channels,
            hidden,
            n_layers,
            bidirectional=n_directions == 2,
            batch_first=True,
            dtype=dtype,
        )
        self.head = torch.nn.Linear(hidden * n_directions, 1, dtype=dtype)
        self.hidden, self.n_directions = hidden, n_directions
        with torch.no_grad():
            for name, parameter in self.lstm.named_parameters():
                if name.startswith("bias_hh"):
                    parameter.zero_()
                else:
                    value = weights[name.replace("bias_ih", "bias")]
                    parameter.copy_(torch.tensor(np.ascontiguousarray(value)))
            self.head.weight.copy_(torch.tensor(weights["head.weight_0"].copy()))
            self.head.bias.copy_(torch.tensor(weights["head.bias_0"].copy()))
        self.x, self.y = torch.tensor(x), torch.tensor(y)

    def __call__(self):
        self.lstm.zero_grad(set_to_none=True)
        self.head.zero_grad(set_to_none=True)
        out, _ = self.lstm(self.x)
        last = out[:, -1, : self.hidden]
        if self.n_directions == 2:
            last = torch.cat([last, out[:, 0, self.hidden :]], dim=1)
        loss = 0.5 * ((self.head(last) - self.y) ** 2).sum()
        loss.backward()
        return loss.item()


def measure(case, n_threads, repeats):
    """Return the row of one case, once both sides have given the same numbers."""
    batch, steps, channels = case[:3]
    dtype = np.float32
    rng = np.random.RandomState(0)
    x = rng.randn(batch, steps, channels).astype(dtype)
    y = rng.randn(batch, 1).astype(dtype)
    torch.set_num_threads(n_threads)
    # As our kernels do: gradients that vanish end in denormal numbers, on which
    # PyTorch otherwise takes up to 20 times as long.
    torch.set_flush_denormal(True)
    ours = Ours(x, y, case, n_threads, dtype)
    with ours.engine:
        peer = Torch(x, y, case, ours.network.views(ours.parameters))
        loss, gradient = ours()
        np.testing.assert_allclose(loss, peer(), rtol=1e-4)
        named = ours.network.views(gradient)
        for name, parameter in peer.lstm.named_parameters():
            np.testing.assert_allclose(
                named[name.replace("bias_ih", "bias").replace("bias_hh", "bias")],
                parameter.grad.numpy(),
                atol=1e-4 * np.abs(gradient).max(),
            )
        sides = {"sklstm": ours, "PyTorch": peer}
        if n_threads > 1:
            sides["sklstm, 1 thread"] = Ours(x, y, case, 1, dtype)
        medians, limit = in_turn(sides, repeats, n_threads=n_threads, dtype=dtype)
    what = "training step" if case in SHALLOW else "deep training step"
    return rows(
        what, case_name(case), n_threads, medians, limit, operations(*case),
        traffic(*case),
    )  # fmt: skip


def measure_all(n_threads, quick):
    """Yield all rows."""
    for case in SHALLOW:
        yield from measure(case, n_threads, 6 if quick else 30)
    if not quick:
        for case in DEEP:
            yield from measure(case, n_threads, 6)
