"""A fit is a plain training loop, from the first random number to the last epoch."""

import math
import pickle
import re
import warnings
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils import check_random_state

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm._training import Training
from sklstm.engines.cpu import CPUEngine

# Most fits here are cut short on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# The largest error of a weight, as a share of the largest weight of its name. Training
# amplifies rounding, but over few epochs not by much.
TOLERANCE = 1e-11

N_SAMPLES = 23
SMALL = {
    **reference.PLAIN,
    "hidden_layer_sizes": (3,),
    "learning_rate_init": 0.05,
    "batch_size": 8,
    "max_iter": 3,
    "dtype": "float64",
    "random_state": 0,
}
LARGE = {
    **SMALL,
    "hidden_layer_sizes": (3, 2),
    "bidirectional": True,
    "head_layer_sizes": (4,),
}


class Task(NamedTuple):
    """An estimator and data for it, and what its network is trained on."""

    estimator: type
    X: list
    y: np.ndarray
    kind: str
    n_outputs: int

    @property
    def score(self):
        return r2_score if self.estimator is LSTMRegressor else accuracy_score

    def fit(self, sample_weight=None, **parameters):
        return self.estimator(**parameters).fit(self.X, self.y, sample_weight)

    def take(self, samples):
        X = [self.X[sample] for sample in samples]
        return self._replace(X=X, y=self.y[samples])

    def mean_and_scale(self, sample_weight, rows):
        """Of targets that are trained on in units of their standard deviation."""
        y, sample_weight = self.y.reshape(len(self.y), -1)[rows], sample_weight[rows]
        mean = np.average(y, axis=0, weights=sample_weight)
        variance = np.average((y - mean) ** 2, axis=0, weights=sample_weight)
        return mean, np.sqrt(variance)

    def targets(self, sample_weight, normalize_y, rows):
        """What the network is trained on, (n_samples, n_targets)."""
        if self.estimator is LSTMRegressor and normalize_y:
            mean, scale = self.mean_and_scale(sample_weight, rows)
            return (self.y.reshape(len(self.y), -1) - mean) / scale
        y = self.y
        if y.dtype.kind == "U":
            y = np.array([sorted(set(y)).index(label) for label in y])
        return y.reshape(len(y), -1).astype(np.float64)

    def decode(self, raw, sample_weight, normalize_y, rows):
        """The predictions that raw outputs stand for, shaped as y."""
        if self.estimator is LSTMRegressor:
            mean, scale = 0.0, 1.0
            if normalize_y:
                mean, scale = self.mean_and_scale(sample_weight, rows)
            return (raw * scale + mean).reshape(-1, *self.y.shape[1:])
        if self.y.ndim == 2:
            return (raw > 0).astype(int)
        classes = np.array(sorted(set(self.y)))
        codes = raw.argmax(axis=1) if len(classes) > 2 else (raw[:, 0] > 0).astype(int)
        return classes[codes]


def make_task(name, X=None, n_samples=N_SAMPLES):
    """Sequences, random ones unless given, and targets that have to do with them."""
    rng = np.random.default_rng(0)
    if X is None:
        X = reference.random_sequences(rng, rng.integers(1, 5, size=n_samples), 2)
    signal = np.array([[x[-1, 0], x[0, 1], x[:, 0].mean()] for x in X])
    signal += rng.normal(scale=0.3, size=signal.shape)
    if name == "regression":
        return Task(LSTMRegressor, X, 3 + 2 * signal[:, 0], "squared_error", 1)
    if name == "several outputs":
        y = [5, -1, 0] + signal * [3, 0.5, 1]
        return Task(LSTMRegressor, X, y, "squared_error", 3)
    if name == "binary":
        y = np.where(signal[:, 0] > 0.3, "no", "yes")
        return Task(LSTMClassifier, X, y, "binary_log_loss", 1)
    if name == "multiclass":
        y = np.array(["b", "a", "c"])[np.digitize(signal[:, 0], [-0.3, 0.7])]
        return Task(LSTMClassifier, X, y, "log_loss", 3)
    y = (signal[:, :2] > [0, 0.3]).astype(int)
    return Task(LSTMClassifier, X, y, "binary_log_loss", 2)


for_all_tasks = pytest.mark.parametrize(
    "name", ["regression", "several outputs", "binary", "multiclass", "multi-label"]
)


class Epoch(NamedTuple):
    """The weights after an epoch, its loss, and the mean norm of its gradients."""

    weights: dict
    loss: float
    gradient_norm: float


def initial_weights(
    random_state,
    estimator,
    n_channels,
    n_outputs,
    hidden_layer_sizes,
    bidirectional,
    head_layer_sizes,
):
    """Weights drawn layer by layer: for each input, then for each gate.

    Uniform on ±√(6 / (inputs + units)), on channels in a regression that over their
    square root, between hidden units on ±1 / √units; biases are 0, those of forget
    gates 1.
    """
    weights = {}
    n_in = n_channels
    for layer, hidden in enumerate(hidden_layer_sizes):
        for suffix in ("", "_reverse")[: 1 + bidirectional]:
            bound = np.sqrt(6 / (n_in + hidden))
            if layer == 0 and estimator is LSTMRegressor:
                bound /= np.sqrt(n_channels)
            weight_ih = random_state.uniform(-bound, bound, size=(n_in, 4 * hidden)).T
            bound = 1 / np.sqrt(hidden)
            weight_hh = random_state.uniform(-bound, bound, size=(hidden, 4 * hidden)).T
            weights[f"weight_ih_l{layer}{suffix}"] = weight_ih
            weights[f"bias_l{layer}{suffix}"] = np.repeat([0.0, 1.0, 0.0, 0.0], hidden)
            weights[f"weight_hh_l{layer}{suffix}"] = weight_hh
        n_in = (1 + bidirectional) * hidden
    for layer, (n_below, n_out) in enumerate(
        pairwise((n_in, *head_layer_sizes, n_outputs))
    ):
        bound = np.sqrt(6 / (n_below + n_out))
        matrix = random_state.uniform(-bound, bound, size=(n_below, n_out))
        weights[f"head.weight_{layer}"] = matrix.T
        weights[f"head.bias_{layer}"] = np.zeros(n_out)
    return weights


def plain_gradient(kind, weights, sequences, targets, sample_weight):
    """The gradient of the loss, by a complex step in each number of weights.

    All steps are taken at once: networks here are small, and the loop is long.
    """
    n = sum(weight.size for weight in weights.values())
    stepped, places, first = {}, {}, 0
    for name, weight in weights.items():
        directions = np.eye(n, weight.size, -first).reshape(n, *weight.shape)
        stepped[name] = weight + 1j * reference.COMPLEX_STEP * directions
        places[name] = slice(first, first + weight.size)
        first += weight.size
    raw = reference.raw_output(stepped, sequences)
    losses = reference.loss(kind, raw, targets, sample_weight)
    gradient = losses.imag / reference.COMPLEX_STEP
    return {
        name: gradient[place].reshape(weights[name].shape)
        for name, place in places.items()
    }


class PlainFit:
    """Training in plain NumPy, told by the estimators' own parameters.

    `rows` are the samples to train on, all by default.
    """

    def __init__(
        self,
        task,
        sample_weight=None,
        rows=None,
        *,
        hidden_layer_sizes,
        bidirectional=False,
        head_layer_sizes=(),
        alpha=0.0,
        batch_size="auto",
        learning_rate_init=0.001,
        max_iter=200,
        max_grad_norm=1.0,
        shuffle=True,
        random_state=0,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        solver="adam",
        momentum=0.9,
        nesterovs_momentum=True,
        learning_rate="constant",
        power_t=0.5,
        tol=1e-4,
        n_iter_no_change=10,
        normalize_y=True,
        dtype="float64",
        **plain,
    ):
        assert plain.items() <= reference.PLAIN.items()
        n_samples = len(task.y)
        self.task = task
        self.sample_weight = sample_weight
        if sample_weight is None:
            self.sample_weight = np.ones(n_samples)
        self.rows = np.arange(n_samples) if rows is None else rows
        self.normalize_y = normalize_y
        self.targets = task.targets(self.sample_weight, normalize_y, self.rows)
        self.batch_size = 200 if batch_size == "auto" else batch_size
        self.max_iter, self.shuffle = max_iter, shuffle
        self.alpha, self.max_grad_norm = alpha, max_grad_norm
        self.rate = self.learning_rate_init = learning_rate_init
        self.learning_rate, self.power_t = learning_rate, power_t
        self.tol, self.n_iter_no_change = tol, n_iter_no_change
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.momentum, self.nesterov = momentum, nesterovs_momentum
        self.optimize = {"adam": self.adam, "sgd": self.sgd}[solver]
        self.random_state = check_random_state(random_state)
        self.weights = initial_weights(
            self.random_state,
            task.estimator,
            task.X[0].shape[1],
            task.n_outputs,
            hidden_layer_sizes,
            bidirectional,
            head_layer_sizes,
        )

    def epochs(self):
        """Train; yield each epoch, max_iter of them or what "adaptive" makes of it."""
        rows = self.rows
        self.n_steps, self.since, t, all_losses = 0, 0, 0, []
        self.m = {name: np.zeros(w.shape) for name, w in self.weights.items()}
        self.v = {name: np.zeros(w.shape) for name, w in self.weights.items()}
        for _ in range(self.max_iter):
            order = rows
            if self.shuffle:
                order = rows[self.random_state.permutation(len(rows))]
            losses, norms = [], []
            if self.learning_rate == "invscaling":
                self.rate = self.learning_rate_init / (t + 1) ** self.power_t
            for first in range(0, len(rows), self.batch_size):
                batch = order[first : first + self.batch_size]
                if self.learning_rate == "cosine":
                    n = self.max_iter * len(rows)
                    up = min(1, (t + len(batch)) / (n / 20))
                    half_cosine = (1 + math.cos(math.pi * t / n)) / 2
                    self.rate = self.learning_rate_init * up * half_cosine
                loss, norm = self.step(batch)
                losses.append(loss)
                norms.append(norm)
                t += len(batch)
            loss = np.sum(losses) / self.sample_weight[rows].sum()
            yield Epoch(self.weights, loss, np.mean(norms))
            all_losses.append(loss)
            if self.learning_rate == "adaptive" and self.is_stuck(all_losses):
                if self.rate <= 1e-6:
                    return
                self.rate /= 5
                self.since = len(all_losses)

    def is_stuck(self, losses):
        """Whether the last epochs since the rate was lowered did not improve."""
        last = range(len(losses) - self.n_iter_no_change - 1, len(losses))
        if last[0] < self.since:
            return False
        return all(losses[k] > min(losses[:k], default=np.inf) - self.tol for k in last)

    def step(self, batch):
        """Take one step; return the batch's loss (a sum) and its gradient's norm."""
        sequences = [self.task.X[sample] for sample in batch]
        targets, sample_weight = self.targets[batch], self.sample_weight[batch]
        kind = self.task.kind
        raw = reference.raw_output(self.weights, sequences)
        loss = reference.loss(kind, raw, targets, sample_weight)
        gradient = plain_gradient(kind, self.weights, sequences, targets, sample_weight)
        for name, weight in self.weights.items():
            if "weight" in name:  # no penalty is on a bias
                loss += self.alpha / 2 * (weight**2).sum()
                gradient[name] = gradient[name] + self.alpha * weight
        gradient = {name: g / sample_weight.sum() for name, g in gradient.items()}
        norm = math.sqrt(sum((g**2).sum() for g in gradient.values()))
        if self.max_grad_norm is not None and norm > self.max_grad_norm:
            gradient = {
                name: g * self.max_grad_norm / norm for name, g in gradient.items()
            }
        self.optimize(gradient)
        return loss, norm

    def adam(self, gradient):
        """Algorithm 1 of Kingma & Ba (2015)."""
        self.n_steps += 1
        weights = {}
        for name, g in gradient.items():
            self.m[name] = self.beta_1 * self.m[name] + (1 - self.beta_1) * g
            self.v[name] = self.beta_2 * self.v[name] + (1 - self.beta_2) * g**2
            m_hat = self.m[name] / (1 - self.beta_1**self.n_steps)
            v_hat = self.v[name] / (1 - self.beta_2**self.n_steps)
            step = self.rate * m_hat / (np.sqrt(v_hat) + self.epsilon)
            weights[name] = self.weights[name] - step
        self.weights = weights

    def sgd(self, gradient):
        """Eq. 3 and 4 of Sutskever et al. (2013), or momentum as of old.

        Of the former the weights are those looked ahead to, at which gradients are.
        """
        self.n_steps += 1
        weights = {}
        for name, g in gradient.items():
            self.v[name] = self.momentum * self.v[name] - self.rate * g
            weights[name] = self.weights[name] + self.v[name]
            if self.nesterov:
                ahead = self.momentum * self.v[name]
                weights[name] = self.weights[name] - self.rate * g + ahead
        self.weights = weights

    def score(self, weights, samples):
        """R² or accuracy on some samples, as scikit-learn has it."""
        task = self.task
        raw = reference.raw_output(weights, [task.X[sample] for sample in samples])
        prediction = task.decode(raw, self.sample_weight, self.normalize_y, self.rows)
        return task.score(
            task.y[samples], prediction, sample_weight=self.sample_weight[samples]
        )


def assert_weights_equal(comp, ref, tolerance=TOLERANCE):
    assert comp.keys() == ref.keys()
    for name, weight in comp.items():
        assert reference.relative_error(weight, ref[name]) <= tolerance, name


def assert_fit_is_plain(task, sample_weight=None, tolerance=TOLERANCE, **parameters):
    """Compare weights, losses and norms of a fit with those of the plain loop."""
    model = task.fit(sample_weight, **parameters)
    epochs = list(PlainFit(task, sample_weight, **parameters).epochs())
    assert_weights_equal(model.weights_, epochs[-1].weights, tolerance)
    losses = [epoch.loss for epoch in epochs]
    norms = [epoch.gradient_norm for epoch in epochs]
    assert_allclose(model.loss_curve_, losses, rtol=tolerance)
    assert_allclose(model.grad_norm_curve_, norms, rtol=tolerance)


# --- the loop -----------------------------------------------------------------------


@for_all_tasks
def test_fit_is_a_plain_training_loop(name):
    assert_fit_is_plain(make_task(name), **LARGE)


@pytest.mark.parametrize("name", ["regression", "several outputs"])
def test_targets_are_trained_on_as_they_are_without_normalize_y(name):
    assert_fit_is_plain(make_task(name), normalize_y=False, **SMALL)


@for_all_tasks
def test_sample_weights_weigh_losses_and_targets(name):
    sample_weight = np.random.default_rng(1).uniform(0.1, 5, size=N_SAMPLES)
    assert_fit_is_plain(make_task(name), sample_weight, **SMALL)


@pytest.mark.parametrize("name", ["regression", "multiclass"])
def test_fit_in_float32_is_a_plain_training_loop_to_rounding(name):
    assert_fit_is_plain(make_task(name), tolerance=1e-4, **SMALL | {"dtype": "float32"})


@pytest.mark.parametrize("name", ["regression", "binary"])
def test_samples_are_taken_in_their_order_without_shuffle(name):
    assert_fit_is_plain(make_task(name), shuffle=False, **SMALL)


@pytest.mark.parametrize(
    "constant",
    [
        {"learning_rate_init": 0.3},
        {"beta_1": 0.4},
        {"beta_2": 0.7},
        {"epsilon": 0.1},
        {"random_state": 5},
    ],
    ids=str,
)
def test_constants_of_the_optimizer_are_those_given(constant):
    assert_fit_is_plain(make_task("regression"), **SMALL | constant)


@pytest.mark.parametrize("batch_size", [1, 5, 22, 23])
def test_last_minibatch_is_what_is_left(batch_size):
    assert_fit_is_plain(
        make_task("multiclass"), **SMALL | {"batch_size": batch_size, "max_iter": 2}
    )


@pytest.mark.parametrize("batch_size", [24, 10**12])
def test_minibatch_larger_than_the_data_is_clipped_with_a_warning(batch_size):
    parameters = SMALL | {"batch_size": batch_size, "max_iter": 2}
    task = make_task("multiclass")
    with pytest.warns(UserWarning, match=rf"batch_size={batch_size}\b.* 23 ") as record:
        comp = LSTMClassifier(**parameters).fit(task.X, task.y)
    assert record[0].filename == __file__  # where fit was called
    ref = task.fit(**parameters | {"batch_size": N_SAMPLES})
    assert_weights_equal(comp.weights_, ref.weights_, 0)


def test_minibatch_is_clipped_to_the_samples_that_are_trained_on():
    task = make_task("regression", n_samples=20)
    with pytest.warns(UserWarning, match=r"batch_size=15\b.* 14 "):
        task.fit(
            early_stopping=True, validation_fraction=0.3, **SMALL | {"batch_size": 15}
        )
    task.fit(early_stopping=True, validation_fraction=0.3, **SMALL | {"batch_size": 14})
    task.fit(early_stopping=True, **SMALL | {"batch_size": "auto"})


@pytest.mark.parametrize(
    ("n_samples", "batch_size", "n_epochs"),
    [(20, 20, 2000), (40, 32, 1000), (8191, 32, 10), (9000, 35, 10), (70_000, 256, 10)],
)
def test_minibatches_and_epochs_of_auto(n_samples, batch_size, n_epochs):
    """Of 32 samples, or a 256th of all up to 256; 2,000 minibatches, or 10 epochs."""
    schedules = []

    def remember(training):
        schedules.append(training._schedule)
        raise KeyboardInterrupt

    model = LSTMRegressor(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklstm._base.Training.run", remember)
        with pytest.raises(KeyboardInterrupt):
            model.fit(np.zeros((n_samples, 1)), np.arange(n_samples))
    (schedule,) = schedules
    assert (schedule.batch_size, schedule.max_iter) == (batch_size, n_epochs)


@pytest.mark.parametrize("name", ["regression", "binary"])
def test_weight_of_a_sample_counts_as_so_many_samples(name):
    task = make_task(name)
    repeats = np.random.default_rng(1).integers(1, 4, size=N_SAMPLES)
    repeated = task.take(np.repeat(np.arange(N_SAMPLES), repeats))
    parameters = SMALL | {"shuffle": False}
    parameters["batch_size"] = N_SAMPLES
    comp = task.fit(repeats.astype(float), **parameters)
    parameters["batch_size"] = repeats.sum()
    ref = repeated.fit(**parameters)
    assert_weights_equal(comp.weights_, ref.weights_)
    assert_allclose(comp.loss_curve_, ref.loss_curve_, rtol=1e-12)


@pytest.mark.parametrize("name", ["regression", "multiclass", "multi-label"])
@pytest.mark.parametrize("hidden_layer_sizes", [(3,), (3, 3)])
def test_fit_is_a_training_loop_of_torch(hidden_layer_sizes, name):
    torch = pytest.importorskip("torch")
    task = make_task(name)
    sample_weight = np.random.default_rng(1).uniform(0.1, 5, size=N_SAMPLES)
    parameters = {
        **LARGE,
        "hidden_layer_sizes": hidden_layer_sizes,
        "head_layer_sizes": (),
        "max_grad_norm": 0.5,
    }
    model = task.fit(sample_weight, alpha=0.3, **parameters)
    plain = PlainFit(task, sample_weight, **parameters)
    ref, losses = loop_of_torch(torch, plain, alpha=0.3)
    assert_weights_equal(model.weights_, ref)
    assert_allclose(model.loss_curve_, losses, rtol=TOLERANCE)


def loop_of_torch(torch, plain, alpha):
    """Train PyTorch's own LSTM from the weights that plain starts with."""
    task, weights = plain.task, plain.weights
    hidden = weights["weight_hh_l0"].shape[1]
    lstm = torch.nn.LSTM(
        task.X[0].shape[1],
        hidden,
        reference.n_layers(weights),
        bidirectional=True,
        dtype=torch.float64,
    )
    head = torch.nn.Linear(2 * hidden, task.n_outputs, dtype=torch.float64)
    tensors = {"head.weight_0": head.weight, "head.bias_0": head.bias}
    for name, tensor in lstm.named_parameters():
        if "bias_hh" in name:  # the second bias of a gate, which we have not
            torch.nn.init.zeros_(tensor).requires_grad_(False)
        else:
            tensors[name.replace("bias_ih", "bias")] = tensor
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(torch.from_numpy(weights[name]))
    optimizer = torch.optim.Adam(tensors.values(), lr=plain.rate)
    penalised = [tensor for name, tensor in tensors.items() if "weight" in name]
    targets = torch.from_numpy(plain.targets)
    sample_weight = torch.from_numpy(plain.sample_weight)
    losses = []
    for _ in range(plain.max_iter):
        order = torch.from_numpy(plain.random_state.permutation(len(task.y)))
        total = 0.0
        for batch in order.split(plain.batch_size):
            x = torch.nn.utils.rnn.pack_sequence(
                [torch.from_numpy(task.X[sample]) for sample in batch],
                enforce_sorted=False,
            )
            _, (h, _) = lstm(x)
            raw = head(torch.cat([h[-2], h[-1]], dim=1))
            each = losses_of_torch(torch, task.kind, raw, targets[batch])
            loss = (sample_weight[batch] * each).sum()
            loss = loss + alpha / 2 * sum((tensor**2).sum() for tensor in penalised)
            total += loss.item()
            optimizer.zero_grad()
            (loss / sample_weight[batch].sum()).backward()
            # torch.nn.utils.clip_grad_norm_ adds 1e-6 to the norm.
            norm = torch.cat([t.grad.flatten() for t in tensors.values()]).norm()
            for tensor in tensors.values():
                tensor.grad *= min(1.0, plain.max_grad_norm / norm)
            optimizer.step()
        losses.append(total / plain.sample_weight.sum())
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}, losses


def losses_of_torch(torch, kind, raw, targets):
    functional = torch.nn.functional
    if kind == "squared_error":
        return 0.5 * functional.mse_loss(raw, targets, reduction="none").mean(dim=1)
    if kind == "log_loss":
        return functional.cross_entropy(raw, targets[:, 0].long(), reduction="none")
    return functional.binary_cross_entropy_with_logits(
        raw, targets, reduction="none"
    ).sum(dim=1)


# --- the first weights --------------------------------------------------------------


def first_weights(task="multiclass"):
    """As they are drawn: a rate so low that none moves."""
    parameters = LARGE | {"hidden_layer_sizes": (30, 20), "learning_rate_init": 1e-300}
    parameters |= {"bidirectional": True, "max_iter": 1}
    return make_task(task).fit(**parameters).weights_


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_first_weights_are_uniform_in_their_range(task):
    """That of Glorot and Bengio on inputs, that of PyTorch between hidden units.

    In a regression that on channels is over the square root of their number.
    """
    for name, weight in first_weights(task).items():
        if "bias" not in name:
            n_units, n_inputs = weight.shape
            n_units //= 1 if "head" in name else 4
            bound = np.sqrt(6 / (n_inputs + n_units))
            if "hh" in name:
                bound = n_units**-0.5
            elif task == "regression" and "ih_l0" in name:
                bound /= np.sqrt(n_inputs)
            share = np.abs(weight) / bound
            assert share.max() <= 1 + 1e-15, name
            if weight.size > 50:
                assert share.max() > 0.9, name
                # |u| has mean 1/2 and variance 1/12.
                tolerance = 4 * np.sqrt(1 / 12 / share.size)
                assert share.mean() == pytest.approx(1 / 2, abs=tolerance)


def test_first_biases_open_the_forget_gates():
    for name, bias in first_weights().items():
        if name.startswith("bias"):
            gates = bias.reshape(4, -1)
            expected = np.ones_like(gates) * [[0], [1], [0], [0]]
            assert_allclose(gates, expected, atol=1e-290)
        elif "bias" in name:
            assert_allclose(bias, 0, atol=1e-290)


# --- penalty and clipping -----------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.1, 10.0])
@pytest.mark.parametrize("name", ["several outputs", "binary"])
def test_penalty_is_on_weights_not_biases_and_shared_by_the_minibatch(name, alpha):
    sample_weight = np.random.default_rng(1).uniform(0.1, 5, size=N_SAMPLES)
    assert_fit_is_plain(make_task(name), sample_weight, alpha=alpha, **LARGE)


@pytest.mark.parametrize("max_grad_norm", [None, 0.01, 0.3, 100.0])
def test_gradient_is_clipped_by_its_norm_over_all_weights(max_grad_norm):
    task = make_task("regression")
    assert_fit_is_plain(task, max_grad_norm=max_grad_norm, alpha=1.0, **LARGE)


def test_gradient_below_max_grad_norm_is_left_alone():
    task = make_task("regression")
    ref = task.fit(max_grad_norm=None, **SMALL)
    comp = task.fit(max_grad_norm=100.0, **SMALL)
    assert max(ref.grad_norm_curve_) < 100
    for name, weight in ref.weights_.items():
        assert_array_equal(comp.weights_[name], weight)


def test_norms_are_those_before_clipping():
    task = make_task("regression")
    parameters = SMALL | {"max_iter": 1, "batch_size": N_SAMPLES}
    norms = [
        task.fit(max_grad_norm=max_grad_norm, **parameters).grad_norm_curve_
        for max_grad_norm in (None, 1e-3)
    ]
    assert norms[0] == norms[1]
    assert norms[0][0] > 1e-3


# --- when training stops ------------------------------------------------------------


def n_epochs_until_stop(costs, tol, n_iter_no_change):
    """The rule of scikit-learn's MLPs; infinite where it does not stop training."""
    in_a_row = 0
    for epoch, cost in enumerate(costs):
        best = min(costs[:epoch], default=np.inf)
        in_a_row = in_a_row + 1 if cost > best - tol else 0
        if in_a_row > n_iter_no_change:
            return epoch + 1
    return math.inf


@pytest.mark.parametrize(
    ("learning_rate_init", "tol", "n_iter_no_change"),
    [(0.2, 0.0, 1), (0.4, 0.0, 4), (0.1, 0.02, 3), (0.05, 0.01, 5), (0.3, 0.02, 2)],
)
def test_training_stops_once_losses_improve_no_more(
    learning_rate_init, tol, n_iter_no_change
):
    task = make_task("regression", n_samples=9)
    parameters = {
        **SMALL,
        "hidden_layer_sizes": (2,),
        "learning_rate_init": learning_rate_init,
        "max_iter": 40,
    }
    epochs = list(PlainFit(task, **parameters).epochs())
    losses = [epoch.loss for epoch in epochs]
    n_epochs = n_epochs_until_stop(losses, tol, n_iter_no_change)
    assert n_iter_no_change + 2 < n_epochs < 40  # neither at once nor never

    model = task.fit(tol=tol, n_iter_no_change=n_iter_no_change, **parameters)
    assert model.n_iter_ == n_epochs
    assert_allclose(model.loss_curve_, losses[:n_epochs], rtol=1e-9)
    assert_weights_equal(model.weights_, epochs[n_epochs - 1].weights, 1e-9)


def test_loss_that_stays_the_same_is_no_failure_where_tol_is_zero():
    """In scikit-learn's MLPs too. The rate is so low that no weight moves."""
    parameters = SMALL | {"learning_rate_init": 1e-300, "max_iter": 5, "shuffle": False}
    model = make_task("regression").fit(tol=0.0, n_iter_no_change=1, **parameters)
    assert len(set(model.loss_curve_)) == 1
    assert model.n_iter_ == 5


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("n_iter_no_change", [1, 4])
def test_epochs_without_improvement_are_as_many_as_in_mlp(
    n_iter_no_change, early_stopping
):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
    for estimators, target in (
        ((LSTMRegressor, MLPRegressor), y),
        ((LSTMClassifier, MLPClassifier), y > 0),
    ):
        n_iter = [
            estimator(
                hidden_layer_sizes=2,
                tol=1e9,
                n_iter_no_change=n_iter_no_change,
                early_stopping=early_stopping,
                random_state=0,
                **parameters,
            )
            .fit(X, target)
            .n_iter_
            for estimator, parameters in zip(
                estimators, (reference.PLAIN, {}), strict=True
            )
        ]
        assert n_iter == [n_iter_no_change + 2] * 2


def test_warning_where_max_iter_ends_training_points_to_the_call_of_fit():
    task = make_task("regression")
    with pytest.warns(ConvergenceWarning, match=r"max_iter=3\)") as record:
        LSTMRegressor(**SMALL).fit(task.X, task.y)
    assert [warning.filename for warning in record] == [__file__]


def test_no_warning_where_training_stops_in_the_last_epoch_allowed():
    task = make_task("regression")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = task.fit(tol=1e9, n_iter_no_change=3, **SMALL | {"max_iter": 5})
    assert model.n_iter_ == 5


@for_all_tasks
def test_curves_have_an_entry_an_epoch_and_the_last_and_least_are_named(name):
    # A step so large that the first epoch is the better one.
    parameters = {"learning_rate_init": 10.0, "batch_size": N_SAMPLES, "max_iter": 2}
    model = make_task(name).fit(**SMALL | parameters)
    assert model.n_iter_ == 2
    assert model.t_ == 2 * N_SAMPLES
    assert len(model.loss_curve_) == len(model.grad_norm_curve_) == 2
    assert model.loss_ == model.loss_curve_[-1]
    assert model.best_loss_ == min(model.loss_curve_) != model.loss_
    assert model.validation_scores_ is None
    assert model.best_validation_score_ is None


# --- early stopping -----------------------------------------------------------------

EARLY = {
    **reference.PLAIN,
    "hidden_layer_sizes": (3,),
    "learning_rate_init": 0.15,
    "batch_size": 6,
    "max_iter": 100,
    "dtype": "float64",
    "random_state": 0,
}


def assert_early_stopping_is_plain(model, plain, held_out, rule):
    """Compare scores, the epoch that training stopped at, and the weights kept."""
    epochs, scores = [], []
    for epoch in plain.epochs():
        epochs.append(epoch)
        scores.append(plain.score(epoch.weights, held_out))
        if n_epochs_until_stop([-score for score in scores], **rule) <= len(epochs):
            break
    best = int(np.argmax(scores))
    assert 0 < best < len(epochs) - 1  # the best weights are not those left anyway

    assert model.n_iter_ == len(epochs) < plain.max_iter
    assert model.t_ == len(epochs) * len(plain.rows)
    assert_allclose(model.validation_scores_, scores, rtol=1e-8)
    assert model.best_validation_score_ == max(model.validation_scores_)
    losses = [epoch.loss for epoch in epochs]
    assert_allclose(model.loss_curve_, losses, rtol=1e-8)
    assert model.loss_ == model.loss_curve_[-1]
    assert model.best_loss_ is None
    assert_weights_equal(model.weights_, epochs[best].weights, 1e-8)


@for_all_tasks
def test_early_stopping_holds_out_samples_class_by_class(name):
    """Of multi-label and real targets it holds out any samples."""
    task = make_task(name, n_samples=30)
    sample_weight = np.random.default_rng(1).uniform(0.1, 5, size=30)
    rule = {"tol": 1e-3, "n_iter_no_change": 3}
    random_state = np.random.RandomState(0)
    train_rows, held_out = train_test_split(
        np.arange(30),
        test_size=0.3,
        stratify=task.y if name in ("binary", "multiclass") else None,
        random_state=random_state,
    )
    parameters = EARLY | {"random_state": random_state}
    plain = PlainFit(task, sample_weight, train_rows, **parameters)
    model = task.fit(
        sample_weight, early_stopping=True, validation_fraction=0.3, **EARLY, **rule
    )
    assert_early_stopping_is_plain(model, plain, held_out, rule)


SERIES = np.array([2, 0, 0, 1, 0, 2, 0, 1, 0, 0, 2, 1, 2, 0, 0, 1, 2, 0, 2, 0] * 2)


def windows(table, window, series):
    """For each row of a table, it and the window - 1 before it in its series."""
    samples = []
    for row in range(len(table)):
        past = [k for k in range(row + 1) if series[k] == series[row]]
        samples.append(table[past[-window:]])
    return samples


def last_part(rows, series, fraction):
    """The last rows of each series, rounded up to whole rows; one row stays."""
    held_out = []
    for label in set(series):
        of_label = [row for row in rows if series[row] == label]
        n_held_out = min(math.ceil(fraction * len(of_label)), len(of_label) - 1)
        held_out += of_label[len(of_label) - n_held_out :]
    return np.array(sorted(held_out))


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("name", ["regression", "multiclass"])
def test_early_stopping_with_a_window_holds_out_the_end_of_each_series(name, grouped):
    rng = np.random.default_rng(0)
    n_rows = len(SERIES)
    table = rng.normal(size=(n_rows, 2))
    series = SERIES if grouped else np.zeros(n_rows)
    # Rows without weight stay in the windows, but are neither trained on nor scored.
    sample_weight = rng.uniform(0.1, 5, size=n_rows) * (rng.random(n_rows) > 0.2)
    task = make_task(name, windows(table, 3, series))
    rule = {"tol": 1e-3, "n_iter_no_change": 3}

    rows = np.flatnonzero(sample_weight)
    held_out = last_part(rows, series, 0.3)
    train_rows = np.setdiff1d(rows, held_out)
    model = task.estimator(
        window=3,
        group_column=1 if grouped else None,
        early_stopping=True,
        validation_fraction=0.3,
        **EARLY,
        **rule,
    )
    X = np.insert(table, 1, series, axis=1) if grouped else table
    model.fit(X, task.y, sample_weight)
    plain = PlainFit(task, sample_weight, train_rows, **EARLY)
    assert_early_stopping_is_plain(model, plain, held_out, rule)


@pytest.mark.parametrize("window", [None, 3])
def test_held_out_targets_have_no_part_in_the_scale(window):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)), rng.normal(size=40)
    if window is None:
        split = train_test_split(np.arange(40), test_size=0.3, random_state=0)
    else:
        split = np.arange(28), np.arange(28, 40)
    train_rows, held_out = split
    y[held_out] = 1e6
    comp = LSTMRegressor(
        window=window, early_stopping=True, validation_fraction=0.3, **SMALL
    ).fit(X, y)
    for weight in comp.weights_.values():
        weight[:] = 0
    assert_allclose(comp.predict(X), np.mean(y[train_rows]), rtol=1e-12)


@pytest.mark.parametrize(
    ("X", "parameters", "remedy"),
    [
        (np.zeros((9, 4)), {}, "more samples"),
        (np.zeros((9, 1)), {"window": 3}, "longer series"),
        (
            np.column_stack([np.zeros(10), [0, *range(9)]]),
            {"window": 3, "group_column": 1},
            "longer series",
        ),
    ],
    ids=["samples", "one series", "several series"],
)
def test_too_few_samples_to_hold_out_are_refused(X, parameters, remedy):
    model = LSTMRegressor(2, early_stopping=True, **parameters)
    match = f"raise validation_fraction, or pass {remedy}"
    with pytest.raises(ValueError, match=match):
        model.fit(X, np.arange(len(X), dtype=float))


@pytest.mark.parametrize("y", [[0, 1] * 4, [0] * 10 + [1] * 8 + [2] * 2])
def test_too_few_samples_to_hold_out_of_each_class_are_refused(y):
    model = LSTMClassifier(2, early_stopping=True)
    match = "Set early_stopping=False, change validation_fraction, or pass more samples"
    with pytest.raises(ValueError, match=match):
        model.fit(np.zeros((len(y), 4)), y)


def test_class_too_rare_to_hold_out_is_refused_with_a_way_out():
    y = np.repeat(["a", "b", "rare"], [20, 20, 1])
    match = (
        r"too few members are: \['rare'\]\. Set early_stopping=False, leave such a"
        " class out, or pass more samples"
    )
    with pytest.raises(ValueError, match=match):
        LSTMClassifier(2, early_stopping=True).fit(np.zeros((len(y), 4)), y)
    common = y != "rare"
    model = LSTMClassifier(2, tol=1.0, early_stopping=True)
    model.fit(np.zeros((common.sum(), 4)), y[common])
    model.set_params(early_stopping=False).fit(np.zeros((len(y), 4)), y)


# --- samples without weight ---------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [False, True])
@for_all_tasks
def test_samples_without_weight_are_as_good_as_absent(name, early_stopping):
    task = make_task(name, n_samples=40)
    sample_weight = np.random.default_rng(1).uniform(0.1, 5, size=40)
    sample_weight[::3] = 0
    for sample in range(0, 40, 3):
        task.X[sample][:] = 1e3
        if name in ("regression", "several outputs"):
            task.y[sample] = -1e3
    weighted = np.flatnonzero(sample_weight)
    parameters = SMALL | {"early_stopping": early_stopping, "validation_fraction": 0.3}
    comp = task.fit(sample_weight, **parameters)
    ref = task.take(weighted).fit(sample_weight[weighted], **parameters)
    assert comp.t_ == ref.t_
    if early_stopping:
        assert_allclose(comp.validation_scores_, ref.validation_scores_, rtol=1e-11)
    assert_allclose(comp.loss_curve_, ref.loss_curve_, rtol=1e-12)
    assert_weights_equal(comp.weights_, ref.weights_)


def test_target_without_weight_may_be_of_any_size():
    task = make_task("regression")
    sample_weight = np.ones(N_SAMPLES)
    sample_weight[4] = 0
    task.y[4] = 1e200
    comp = task.fit(sample_weight, **SMALL)
    ref = task.take(np.flatnonzero(sample_weight)).fit(**SMALL)
    assert_allclose(comp.loss_curve_, ref.loss_curve_, rtol=1e-12)


@pytest.mark.parametrize("name", ["several outputs", "multiclass"])
def test_row_without_weight_is_context_for_the_rows_that_follow(name):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(30, 2))
    task = make_task(name, windows(table, 3, np.zeros(30)))
    sample_weight = rng.uniform(0.1, 5, size=30)
    sample_weight[[0, 3, 4, 11, 29]] = 0
    model = task.estimator(window=3, **SMALL).fit(table, task.y, sample_weight)
    plain = PlainFit(task, sample_weight, np.flatnonzero(sample_weight), **SMALL)
    epochs = list(plain.epochs())
    assert_weights_equal(model.weights_, epochs[-1].weights)
    assert_allclose(model.loss_curve_, [epoch.loss for epoch in epochs], rtol=TOLERANCE)
    assert model.t_ == 3 * 25


# --- divergence ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["regression", "multiclass"])
@pytest.mark.parametrize("max_grad_norm", [1.0, None])
def test_divergence_raises_an_error_that_says_what_to_do(max_grad_norm, name):
    parameters = SMALL | {"dtype": "float32", "learning_rate_init": 1e30}
    with pytest.raises(ValueError, match=r"diverged in epoch [12]:") as error:
        make_task(name).fit(max_grad_norm=max_grad_norm, **parameters)
    message = str(error.value)
    assert "lower learning_rate_init" in message
    assert ("max_grad_norm" in message) == (max_grad_norm is None)


ALWAYS_ADVISED = ["lower learning_rate_init"]
OF_X = "set standardize=True or scale X"


@pytest.mark.parametrize(
    ("name", "parameters", "advised"),
    [
        ("multiclass", {}, []),
        ("regression", {}, []),
        ("regression", {"normalize_y": False}, ["scale y or set normalize_y=True"]),
        ("regression", {"standardize": False}, [OF_X]),
        ("multiclass", {"alpha": 1e-3}, ["lower alpha"]),
        ("multiclass", {"epsilon": 1e-12}, ["raise epsilon"]),
        ("multiclass", {"max_grad_norm": None}, ["clip gradients with max_grad_norm"]),
    ],
)
def test_divergence_is_met_with_the_advice_that_fits(name, parameters, advised):
    with pytest.raises(ValueError, match="diverged") as error:
        make_task(name).fit(
            **SMALL | {"learning_rate_init": 1e308, "standardize": True} | parameters
        )
    advice = str(error.value).split(" Try to ")[1].removesuffix(".")
    comp = advice.replace(", or to ", ", to ").split(", to ")
    assert sorted(comp) == sorted(ALWAYS_ADVISED + advised)


@pytest.mark.parametrize("channel", [0.0, 1e-30])
def test_step_that_alone_is_not_finite_is_said_so(channel):
    """A channel of zeros has no gradient, one of tiny values no square of it."""
    task = make_task("regression")
    X = [np.insert(x, 1, channel, axis=1) for x in task.X]
    parameters = {"epsilon": 1e-100, "dtype": "float32", "batch_size": N_SAMPLES}
    model = LSTMRegressor(**SMALL | parameters | {"max_iter": 1})
    with pytest.raises(ValueError, match=r"a step is not finite.*raise epsilon"):
        model.fit(X, task.y)


def test_divergence_leaves_the_model_fitted_before():
    task = make_task("regression")
    model = task.fit(**SMALL)
    ref = model.predict(task.X)
    with pytest.raises(ValueError, match="diverged"):
        model.set_params(learning_rate_init=1e308).fit(task.X, task.y)
    assert_array_equal(model.predict(task.X), ref)


@pytest.mark.parametrize("name", ["regression", "multiclass"])
def test_divergence_in_the_last_step_raises_an_error_too(name):
    parameters = SMALL | {"learning_rate_init": 1e308, "batch_size": N_SAMPLES}
    with pytest.raises(ValueError, match="diverged"):
        make_task(name).fit(**parameters | {"max_iter": 1})


@pytest.mark.parametrize("name", ["regression", "multiclass"])
def test_divergence_is_told_from_bad_scores_of_early_stopping(name):
    parameters = SMALL | {"learning_rate_init": 1e308, "batch_size": "auto"}
    with pytest.raises(ValueError, match="diverged"):
        make_task(name).fit(
            early_stopping=True,
            validation_fraction=0.3,
            **parameters | {"max_iter": 1},
        )


@pytest.mark.parametrize(
    ("dtype", "learning_rate_init", "max_grad_norm"),
    [
        ("float32", 1e10, None),  # where a gradient is squared in the optimizer
        ("float32", 1e38, 1.0),  # where the parameters are moved
        ("float64", 1e200, 1.0),  # where the norm of the gradient is taken
    ],
)
def test_divergence_raises_no_warnings_besides(
    dtype, learning_rate_init, max_grad_norm
):
    parameters = {
        **SMALL,
        "dtype": dtype,
        "learning_rate_init": learning_rate_init,
        "max_iter": 50,
    }
    with pytest.raises(ValueError, match="diverged"):
        make_task("regression").fit(max_grad_norm=max_grad_norm, **parameters)


# --- what a fit prints, draws, writes and forgets -----------------------------------


def test_verbose_prints_a_line_an_epoch(capsys):
    model = make_task("regression").fit(verbose=True, **SMALL)
    curves = zip(model.loss_curve_, model.grad_norm_curve_, strict=True)
    ref = [
        f"Epoch {epoch}, loss = {loss:.8f}, gradient norm = {norm:.4g}"
        for epoch, (loss, norm) in enumerate(curves, 1)
    ]
    lines = capsys.readouterr().out.splitlines()
    comp, seconds = zip(*(line.rsplit(", ", 1) for line in lines), strict=True)
    assert list(comp) == ref
    assert all(re.fullmatch(r"\d+\.\d\d s", taken) for taken in seconds)


def test_verbose_prints_scores_of_early_stopping(capsys):
    model = make_task("regression").fit(verbose=1, early_stopping=True, **SMALL)
    lines = capsys.readouterr().out.splitlines()
    scores = [float(re.search(r"score = ([^,]+),", line)[1]) for line in lines]
    assert_allclose(scores, model.validation_scores_, atol=1e-6)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_nothing_is_printed_unless_verbose(early_stopping, capfd):
    task = make_task("multiclass")
    task.fit(early_stopping=early_stopping, **SMALL).predict(task.X)
    assert capfd.readouterr() == ("", "")


def fit_twice(task, random_state):
    """The same fit two times over, the random state being the same object."""
    models = [task.fit(**SMALL | {"random_state": random_state}) for _ in range(2)]
    return [model.weights_["weight_ih_l0"].copy() for model in models]


def test_int_as_random_state_gives_the_same_fit_each_time():
    task = make_task("regression")
    first, second = fit_twice(task, 7)
    assert_array_equal(first, second)
    assert not np.array_equal(first, fit_twice(task, 8)[0])


def test_random_state_instance_goes_on_from_fit_to_fit():
    task = make_task("regression")
    first, second = fit_twice(task, np.random.RandomState(7))
    assert_array_equal(first, fit_twice(task, 7)[0])
    assert not np.array_equal(first, second)


def test_none_as_random_state_draws_from_the_global_state_of_numpy():
    task = make_task("regression")
    before = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(7)  # noqa: NPY002
        first, second = fit_twice(task, None)
    finally:
        np.random.set_state(before)  # noqa: NPY002
    assert_array_equal(first, fit_twice(task, 7)[0])
    assert not np.array_equal(first, second)


def test_seeded_fit_leaves_the_global_state_of_numpy_alone():
    before = pickle.dumps(np.random.get_state())  # noqa: NPY002
    make_task("regression").fit(early_stopping=True, **SMALL)
    assert pickle.dumps(np.random.get_state()) == before  # noqa: NPY002


def test_fit_and_predict_write_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    task = make_task("multiclass")
    model = task.fit(early_stopping=True, verbose=True, **SMALL)
    model.predict_proba(task.X)
    assert list(tmp_path.iterdir()) == []


def test_second_fit_forgets_the_first():
    first, second = make_task("multiclass"), make_task("binary")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(N_SAMPLES, 6)), columns=list("abcdef"))
    model = LSTMClassifier(4, early_stopping=True, validation_fraction=0.3)
    model.fit(frame, first.y)
    model.set_params(**LARGE, early_stopping=False).fit(second.X, second.y)
    ref = LSTMClassifier(**LARGE, validation_fraction=0.3).fit(second.X, second.y)
    assert vars(model).keys() == vars(ref).keys()
    for name in ("n_features_in_", "n_iter_", "t_", "loss_curve_", "n_outputs_"):
        assert getattr(model, name) == getattr(ref, name), name
    assert model.validation_scores_ is None
    assert_array_equal(model.classes_, ref.classes_)
    for name, weight in ref.weights_.items():
        assert_array_equal(model.weights_[name], weight)


@pytest.mark.parametrize("name", ["learning_rate_init", "beta_1", "alpha", "epsilon"])
def test_numpy_scalars_as_parameters_give_the_same_bits(name):
    task = make_task("regression")
    value = {"learning_rate_init": 0.01, "beta_1": 0.8, "alpha": 0.1, "epsilon": 1e-6}
    parameters = SMALL | {"dtype": "float32"}
    ref = task.fit(**parameters | {name: value[name]})
    comp = task.fit(**parameters | {name: np.float64(value[name])})
    assert_array_equal(comp.predict(task.X), ref.predict(task.X))


@pytest.mark.parametrize("scale", [1e-40, 1e30])
def test_scale_of_the_weights_does_not_matter(scale):
    task = make_task("regression")
    parameters = SMALL | {"dtype": "float32"}
    ref = task.fit(np.ones(N_SAMPLES), **parameters)
    comp = task.fit(np.full(N_SAMPLES, scale), **parameters)
    assert_array_equal(comp.predict(task.X), ref.predict(task.X))


@pytest.mark.parametrize("alpha", [0.0, 1e-60])
def test_minibatch_of_tiny_weights_is_not_lost_in_float32(alpha):
    task = make_task("multiclass")
    weights = np.where(np.arange(N_SAMPLES) < 10, 1e-60, 1.0)
    weights[:10] *= np.linspace(0.5, 2, 10)
    parameters = SMALL | {"batch_size": 10, "shuffle": False, "alpha": alpha}
    comp, ref = (
        task.fit(weights, **parameters | {"dtype": dtype})
        for dtype in ("float32", "float64")
    )
    assert_allclose(comp.grad_norm_curve_, ref.grad_norm_curve_, rtol=1e-5)
    assert_allclose(comp.loss_curve_, ref.loss_curve_, rtol=1e-5)


def interrupted(*args):
    raise KeyboardInterrupt


@pytest.mark.parametrize("failure", ["y of another length", "interrupt"])
def test_refit_that_fails_on_other_channels_leaves_the_first_fit_whole(
    failure, monkeypatch
):
    # An interrupt while the network is built; one in training ends it with a model.
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((20, 5, 3)), rng.standard_normal(20)
    model = LSTMRegressor(**SMALL).fit(X, y)
    ref = model.predict(X)
    if failure == "interrupt":
        monkeypatch.setattr("sklstm._base.Network", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X[:, :, :1], y)
    else:
        with pytest.raises(ValueError, match="y has 19 entries"):
            model.fit(X[:, :, :1], y[1:])
    assert_array_equal(model.predict(X), ref)
    with pytest.raises(ValueError, match="1 channel"):
        model.predict(X[:, :, :1])


def everything(model, X):
    """What a model says of itself and of X, all in arrays."""
    curve = model.loss_curve_, model.n_features_in_
    return [model.predict(X), model.transform(X), *curve, *model.weights_.values()]


def test_model_stays_as_it_is_until_the_next_fit_is_done(monkeypatch):
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((20, 5, 3)), rng.standard_normal(20)
    model = LSTMRegressor(**SMALL).fit(X, y)
    ref = everything(model, X)
    seen = []

    class Looked(Training):
        def run(self):
            seen.append(everything(model, X))
            n_epochs = super().run()
            seen.append(everything(model, X))
            return n_epochs

    monkeypatch.setattr("sklstm._base.Training", Looked)
    model.set_params(hidden_layer_sizes=5).fit(X[:, :, :1], 1000 * y)
    for comp in seen:
        for array, expected in zip(comp, ref, strict=True):
            assert_array_equal(array, expected)
    assert len(seen) == 2
    assert model.n_features_in_ == 1


def test_fit_in_the_midst_of_a_prediction_does_not_change_it(monkeypatch):
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((20, 5, 3)), rng.standard_normal(20)
    model = LSTMRegressor(**SMALL).fit(X, y)
    ref = model.predict(X)
    predict = CPUEngine.predict

    def predict_and_fit(*args):
        raw = predict(*args)
        model.set_params(hidden_layer_sizes=5).fit(X[:, :, :1], 1000 * y)
        return raw

    monkeypatch.setattr("sklstm.engines.cpu.CPUEngine.predict", predict_and_fit)
    assert_array_equal(model.predict(X), ref)


def test_first_fit_that_fails_leaves_an_unfitted_model():
    model = LSTMRegressor(**SMALL)
    with pytest.raises(ValueError, match="y has 1 entries"):
        model.fit(np.zeros((3, 4, 1)), [1.0])
    with pytest.raises(NotFittedError):
        model.predict(np.zeros((3, 4, 1)))
