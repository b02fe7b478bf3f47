"""One training step (forward, loss, backward) beside ``torch.nn.LSTM``.

    python -m benchmarks.training_step [--repeats N]

Both sides run in one process, in turn; the table gives medians. GFLOP/s count the
multiply-adds of the LSTM layer; the share is that of the multiply-add limit measured
in the same run, times the number of threads.
"""

import argparse
import statistics
import time

import numpy as np
import torch

from benchmarks.limit import gflops_of_one_run
from sklstm._network import Network
from sklstm._sequences import Sequences
from sklstm.engines.cpu import CPUEngine

ROWS = [  # batch, steps, channels, hidden
    (32, 28, 28, 64),
    (32, 100, 8, 32),
    (64, 50, 16, 128),
    (128, 28, 28, 128),
    (256, 100, 16, 64),
    (32, 200, 32, 256),
    (32, 1000, 8, 64),
]


def flops(batch, steps, channels, hidden):
    """Return the floating-point operations of a step of one layer, one direction."""
    forward = 8 * hidden * (channels + hidden)
    recurrent = 8 * hidden * hidden
    weights = 8 * hidden * (channels + hidden)
    return (forward + recurrent + weights) * batch * steps


class Ours:
    """The step on sklstm's engine."""

    def __init__(self, x, y, hidden, n_threads):
        batch, steps, channels = x.shape
        network = Network(channels, (hidden,), False, (), 1)
        self.parameters = network.initialise(np.random.RandomState(0), np.float32)
        self.network = network
        self.engine = CPUEngine(
            network, loss="squared_error", dtype=np.float32, n_threads=n_threads
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

    def close(self):
        self.engine.__exit__()


class Torch:
    """The same step on ``torch.nn.LSTM``."""

    def __init__(self, x, y, hidden, weights):
        self.lstm = torch.nn.LSTM(x.shape[2], hidden, batch_first=True)
        self.head = torch.nn.Linear(hidden, 1)
        pairs = [
            (self.lstm.weight_ih_l0, weights["weight_ih_l0"]),
            (self.lstm.weight_hh_l0, weights["weight_hh_l0"]),
            (self.lstm.bias_ih_l0, weights["bias_l0"]),
            (self.lstm.bias_hh_l0, 0 * weights["bias_l0"]),
            (self.head.weight, weights["head.weight_0"]),
            (self.head.bias, weights["head.bias_0"]),
        ]
        with torch.no_grad():
            for parameter, value in pairs:
                parameter.copy_(torch.tensor(np.ascontiguousarray(value)))
        self.x, self.y = torch.tensor(x), torch.tensor(y)
        self.parameters = [parameter for parameter, _ in pairs]

    def __call__(self):
        for parameter in self.parameters:
            parameter.grad = None
        out, _ = self.lstm(self.x)
        loss = 0.5 * ((self.head(out[:, -1]) - self.y) ** 2).sum()
        loss.backward()
        return loss.item()


def measure(row, n_threads, repeats):
    """Return the median seconds of both sides, and the limit in GFLOP/s."""
    batch, steps, channels, hidden = row
    rng = np.random.RandomState(0)
    x = rng.randn(batch, steps, channels).astype(np.float32)
    y = rng.randn(batch, 1).astype(np.float32)
    torch.set_num_threads(n_threads)
    # As our kernels do: gradients that vanish end in denormal numbers, on which
    # PyTorch otherwise takes up to 20 times as long.
    torch.set_flush_denormal(True)
    ours = Ours(x, y, hidden, n_threads)
    peer = Torch(x, y, hidden, ours.network.views(ours.parameters))
    loss, gradient = ours()
    np.testing.assert_allclose(loss, peer(), rtol=1e-4)
    np.testing.assert_allclose(
        ours.network.views(gradient)["weight_hh_l0"],
        peer.lstm.weight_hh_l0.grad.numpy(),
        atol=1e-4 * np.abs(gradient).max(),
    )
    times, limits = {ours: [], peer: []}, []
    for _ in range(repeats):
        limits.append(gflops_of_one_run(np.float32))
        for side, seconds in times.items():
            for _ in range(3):
                start = time.perf_counter()
                side()
                seconds.append(time.perf_counter() - start)
    ours.close()
    return (
        statistics.median(times[ours]),
        statistics.median(times[peer]),
        statistics.median(limits),
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=20)
    repeats = parser.parse_args().repeats
    print(
        "| B, T, F, H | threads | sklstm ms | GFLOP/s | % of limit | torch ms | ratio |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    ratios = {}
    for n_threads in (1, 2):
        for row in ROWS:
            ours, peer, limit = measure(row, n_threads, repeats)
            rate = flops(*row) / ours / 1e9
            ratios.setdefault(n_threads, []).append(peer / ours)
            print(
                f"| {', '.join(map(str, row))} | {n_threads} | {ours * 1e3:.2f} "
                f"| {rate:.0f} | {100 * rate / limit / n_threads:.0f} "
                f"| {peer * 1e3:.2f} | {peer / ours:.2f} |",
                flush=True,
            )
    for n_threads, values in ratios.items():
        print(
            f"geometric mean, {n_threads} threads: {np.exp(np.log(values).mean()):.2f}"
        )


if __name__ == "__main__":
    main()
