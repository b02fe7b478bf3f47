"""Rows 3 and 4: a whole fit beside skorch, a plain PyTorch loop, and Keras.

Row 3 has sequences of equal lengths, row 4 ragged ones, which PyTorch takes packed
(``pack_padded_sequence``) and padded. Keras takes part where it is installed.
"""

import importlib.util
import time
from unittest import mock

import numpy as np
import skorch
import torch
from sklearn.utils._testing import ignore_warnings
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

from benchmarks.data import folder, load_sequences
from benchmarks.plain import PLAIN
from benchmarks.side_by_side import Row, Skipped, in_turn, rows
from benchmarks.torch_lstm import TorchRegressor
from benchmarks.training_step import operations
from benchmarks.turbofan import load_engines
from sklstm import LSTMRegressor
from sklstm._network import Network
from sklstm.engines import cpu

N_EPOCHS = 5
CASES = [  # samples, steps, channels, hidden, batch size
    (2000, 50, 8, 32, 32),
    (2000, 28, 28, 64, 128),
    (1000, 100, 16, 128, 64),
]


class PackedRegressor(TorchRegressor):
    """As its parent, but ragged minibatches are packed."""

    def _raw(self, X, lengths):
        packed = pack_padded_sequence(
            X, lengths, batch_first=True, enforce_sorted=False
        )
        _, (h, _) = self.lstm_(packed)
        return self.head_(h[-1])


class Net(torch.nn.Module):
    """What skorch trains: an LSTM and a linear output on its last state."""

    def __init__(self, n_channels, hidden):
        super().__init__()
        self.lstm = torch.nn.LSTM(n_channels, hidden, batch_first=True)
        self.head = torch.nn.Linear(hidden, 1)

    def forward(self, x):
        """Return the output for a minibatch."""
        return self.head(self.lstm(x)[0][:, -1])


def ours(X, y, hidden, batch_size, n_threads):
    """Fit by sklstm."""
    model = LSTMRegressor(
        (hidden,),
        batch_size=batch_size,
        max_iter=N_EPOCHS,
        n_iter_no_change=N_EPOCHS,
        max_grad_norm=None,
        **PLAIN,
        random_state=0,
        n_jobs=n_threads,
    )
    return model.fit(X, y)


def with_skorch(X, y, hidden, batch_size):
    """Fit by skorch, without validation and printing."""
    net = skorch.NeuralNetRegressor(
        Net,
        module__n_channels=X.shape[2],
        module__hidden=hidden,
        batch_size=batch_size,
        max_epochs=N_EPOCHS,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )
    return net.fit(X, y.reshape(-1, 1))


def with_keras(X, hidden, batch_size):
    """Return a function that fits by Keras; a list X is padded and masked.

    A fit takes what a user's does: the model is built, and its graph is traced.
    """
    import keras

    ragged = isinstance(X, list)
    if ragged:
        X = keras.utils.pad_sequences(X, padding="post", dtype="float32")

    def fit(y):
        layers = [keras.layers.Input(X.shape[1:])]
        if ragged:
            layers.append(keras.layers.Masking())
        layers += [keras.layers.LSTM(hidden), keras.layers.Dense(1)]
        model = keras.Sequential(layers)
        model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
        model.fit(X, y, batch_size=batch_size, epochs=N_EPOCHS, verbose=0)

    return fit


def keras_keeps_to(n_threads):
    """Let TensorFlow have so many threads; whether it is not too late for it."""
    import tensorflow as tf

    if tf.config.threading.get_intra_op_parallelism_threads() == n_threads:
        return True
    try:
        tf.config.threading.set_intra_op_parallelism_threads(n_threads)
        tf.config.threading.set_inter_op_parallelism_threads(n_threads)
    except RuntimeError:  # it has begun with another number
        return False
    return True


def check(X, y, hidden):
    """Refuse to measure sides that differ in the loss of the first weights."""
    model = LSTMRegressor(
        (hidden,), batch_size=len(y), max_iter=1, random_state=0, **PLAIN
    )
    loss = model.fit(X, y).loss_
    network = Network(X[0].shape[1], (hidden,), False, (), 1)
    first = network.initialise(np.random.RandomState(0), np.float32)
    values = {k: torch.tensor(v.copy()) for k, v in network.views(first).items()}
    net = Net(X[0].shape[1], hidden)
    state = {f"lstm.{name}": values[name] for name in ("weight_ih_l0", "weight_hh_l0")}
    state |= {"lstm.bias_ih_l0": values["bias_l0"]}
    state |= {"lstm.bias_hh_l0": torch.zeros(4 * hidden)}
    state |= {f"head.{k}": values[f"head.{k}_0"] for k in ("weight", "bias")}
    net.load_state_dict(state)
    padded = pad_sequence([torch.from_numpy(x) for x in X], batch_first=True)
    last = torch.tensor([len(x) - 1 for x in X])
    with torch.no_grad():
        out = net.head(net.lstm(padded)[0][torch.arange(len(X)), last]).numpy().ravel()
    target = (y - y.mean()) / y.std()
    np.testing.assert_allclose(loss, 0.5 * np.mean((out - target) ** 2), rtol=1e-4)


@ignore_warnings
def measure(name, what, X, y, hidden, batch_size, n_threads, repeats):
    """Return the rows of a data set."""
    torch.set_num_threads(n_threads)
    torch.set_flush_denormal(True)
    check(X, y, hidden)
    loop = {"batch_size": batch_size, "max_iter": N_EPOCHS}
    sides = {"sklstm": lambda: ours(X, y, hidden, batch_size, n_threads)}
    if isinstance(X, list):
        packed, padded = PackedRegressor(hidden, **loop), TorchRegressor(hidden, **loop)
        sides["PyTorch, packed"] = lambda: packed.fit(X, y)
        sides["PyTorch, padded"] = lambda: padded.fit(X, y)
    else:
        plain = TorchRegressor(hidden, **loop)
        sides["PyTorch loop"] = lambda: plain.fit(X, y)
        sides["skorch"] = lambda: with_skorch(X, y, hidden, batch_size)
    if importlib.util.find_spec("keras") and keras_keeps_to(n_threads):
        keras = with_keras(X, hidden, batch_size)
        sides["Keras"] = lambda: keras(y)
    medians, limit = in_turn(sides, repeats, n_threads=n_threads)
    steps = sum(map(len, X))
    counted = operations(1, steps, X[0].shape[1], hidden, 1, 1) * N_EPOCHS
    return rows(what, name, n_threads, medians, limit, counted)


@ignore_warnings
def outside_the_kernels(name, X, y, hidden, batch_size, repeats):
    """Return how long a fit is outside the kernels of the network, and how long it is.

    Outside are shuffling, gathering, the optimizer, and all of Python.
    """
    inside = 0.0

    def timed(kernel):
        def call(*arguments):
            nonlocal inside
            begin = time.perf_counter()
            result = kernel(*arguments)
            inside += time.perf_counter() - begin
            return result

        return call

    seconds = []
    for _ in range(repeats + 1):
        inside = 0.0
        with mock.patch.multiple(
            cpu,
            pack=timed(cpu.pack),
            gradient_of_part=timed(cpu.gradient_of_part),
            add_gradients=timed(cpu.add_gradients),
        ):
            begin = time.perf_counter()
            ours(X, y, hidden, batch_size, 1)
            total = time.perf_counter() - begin
        seconds.append((total - inside, total))
    outside, total = np.median(seconds[1:], axis=0)
    return Row("fit, outside the kernels", name, 1, outside, "whole fit", total)


def vowels():
    """Return JapaneseVowels: 270 utterances of 7 to 26 steps, and who speaks."""
    X, speakers, _, _ = load_sequences("JapaneseVowels")
    _, speaker = np.unique(speakers, return_inverse=True)
    return X, speaker


def engines():
    """Return 100 whole turbofan engines, and how long each runs."""
    table, _, _, _ = load_engines()
    X = [part.drop(columns="engine") for _, part in table.groupby("engine")]
    X = [(part - part.mean()).fillna(0) / 100 for part in X]
    return X, np.array([len(part) for part in X])


RAGGED = {"JapaneseVowels": vowels, "whole engines": engines}


def measure_all(n_threads, quick):
    """Yield all rows."""
    repeats = 1 if quick else 3
    rng = np.random.RandomState(0)
    for n, steps, channels, hidden, batch_size in CASES[:2] if quick else CASES:
        X = rng.randn(n, steps, channels).astype(np.float32)
        y = X[:, -10:, 0].sum(axis=1)
        name = f"{n} x {steps} x {channels}, H {hidden}, batch {batch_size}"
        yield from measure(name, "fit", X, y, hidden, batch_size, n_threads, repeats)
        if n_threads == 1:
            yield outside_the_kernels(name, X, y, hidden, batch_size, repeats)
    if not folder().is_dir():
        raise Skipped(f"there is no folder {folder()}: set SKLSTM_DATA")
    for name, load in list(RAGGED.items())[: 1 if quick else None]:
        X, y = load()
        X = [np.ascontiguousarray(x, np.float32) for x in X]
        y = y.astype(np.float32)
        yield from measure(name, "ragged fit", X, y, 64, 32, n_threads, repeats)
