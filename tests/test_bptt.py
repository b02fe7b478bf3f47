"""Truncated backpropagation: states are carried on, gradients are cut."""

import numpy as np
import pytest
import reference
from numpy.testing import assert_array_equal
from sklearn.base import clone
from test_dropout import SEED, Masks

from sklstm import LSTMRegressor, _base
from sklstm._network import Network
from sklstm._sequences import Sequences
from sklstm.engines.cpu import CPUEngine
from sklstm.kernels.dropout import keys_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("dropout", [(0.0, 0.0), (0.5, 0.3)], ids=["whole", "dropped"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("bptt_length", [1, 3, 4, 9, 10])
@pytest.mark.parametrize("sizes", [(5,), (3, 17)])
@pytest.mark.parametrize("lengths", [[9, 2, 4, 3, 1, 8], [6] * 18])
def test_loss_and_gradient(lengths, sizes, bptt_length, pooling, dropout):
    rng = np.random.default_rng(0)
    weights = reference.random_weights(rng, 2, sizes, False, (), 2)
    sequences = reference.random_sequences(rng, lengths, 2)
    targets = rng.normal(size=(len(lengths), 2))
    network = Network(2, sizes, False, (), 2, pooling, *dropout)
    parameters = network.initialise(np.random.RandomState(0), np.float64)
    reference.fill(network.views(parameters), weights)
    with CPUEngine(
        network,
        loss="squared_error",
        dtype=np.float64,
        n_threads=1,
        bptt_length=bptt_length,
    ) as engine:
        loss, gradient = engine.loss_and_gradient(
            parameters,
            Sequences(*reference.packed(sequences, np.float64)),
            np.arange(len(lengths)),
            targets,
            dropout_keys=keys_of(SEED, np.arange(len(lengths), dtype=np.uint64)),
        )
    masks = Masks(sizes, 1, *dropout)
    options = {"pooling": pooling, "bptt_length": bptt_length, "masks": masks}
    raw = reference.raw_output(weights, sequences, **options)
    assert loss == pytest.approx(reference.loss("squared_error", raw, targets))
    for name, comp in network.views(gradient).items():
        direction = rng.normal(size=comp.shape)
        ref = reference.complex_step_derivatives(
            "squared_error",
            weights,
            sequences,
            targets,
            None,
            name,
            direction[np.newaxis],
            **options,
        )
        scale = np.abs(comp).sum() + 1e-300
        assert abs((comp * direction).sum() - ref[0]) <= 1e-12 * scale, name


def data(n_steps=40):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, n_steps, 2))
    return X, X[:, -3:, 0].sum(axis=1)


SMALL = {
    "hidden_layer_sizes": 5,
    "max_iter": 3,
    "n_iter_no_change": 3,
    "random_state": 0,
}


def fitted(X, y, **parameters):
    return LSTMRegressor(**SMALL | parameters).fit(X, y)


def test_as_many_steps_as_there_are_cut_nothing():
    X, y = data()
    ref = fitted(X, y).weights_
    for bptt_length in (40, 10**6):
        comp = fitted(X, y, bptt_length=bptt_length).weights_
        for name in ref:
            assert_array_equal(comp[name], ref[name])


def test_same_masks_of_dropout_in_each_piece():
    """The loss of the first minibatch is one before any gradient is cut."""
    X, y = data()
    options = {"recurrent_dropout": 0.5, "dropout": 0.5, "max_iter": 1}
    ref, comp = (
        fitted(X, y, bptt_length=length, **options).loss_ for length in (None, 7)
    )
    assert comp == ref


def test_same_bits_for_any_number_of_threads():
    X, y = data()
    ref, comp = (
        fitted(X, y, bptt_length=7, batch_size=30, n_jobs=n).weights_ for n in (1, 2)
    )
    for name in ref:
        assert_array_equal(comp[name], ref[name])


def test_memory_is_that_of_the_pieces():
    network = Network(2, (32,), False, (), 1)
    sequences = Sequences(
        np.zeros((16 * 2000, 2)), np.arange(16) * 2000, np.full(16, 2000)
    )
    sizes = {}
    for bptt_length in (None, 20):
        with CPUEngine(
            network,
            loss="squared_error",
            dtype=np.float64,
            n_threads=1,
            bptt_length=bptt_length,
        ) as engine:
            parameters = network.initialise(np.random.RandomState(0), np.float64)
            engine.loss_and_gradient(
                parameters, sequences, np.arange(16), np.zeros((16, 1))
            )
            sizes[bptt_length] = engine._work[0].nbytes
    assert sizes[20] < sizes[None] / 20


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint64])
def test_small_integer_of_numpy_is_as_good_as_any(kind):
    X, y = data(300)
    ref, comp = (
        fitted(X, y, bptt_length=length, max_iter=1).loss_ for length in (7, kind(7))
    )
    assert comp == ref


def test_both_directions_are_refused_when_training_goes_on_too():
    X, y = data()
    model = fitted(X, y, bidirectional=True).set_params(bptt_length=7)
    with pytest.raises(ValueError, match="bptt_length is not for bidirectional=True"):
        model.partial_fit(X, y)


def test_both_directions_are_refused():
    X, y = data()
    with pytest.raises(ValueError, match="bptt_length is not for bidirectional=True"):
        fitted(X, y, bptt_length=7, bidirectional=True)


def test_more_steps_than_float32_can_count_are_refused_to_a_maximum(monkeypatch):
    assert _base.MOST_STEPS == 2**24
    monkeypatch.setattr(_base, "MOST_STEPS", 9)
    X, y = np.zeros((2, 10, 1)), [0.0, 1.0]
    model = LSTMRegressor(1, pooling="max", max_iter=1, batch_size=2)
    match = r"10 steps, but pooling='max' with dtype='float32' learns from at most 9"
    with pytest.raises(ValueError, match=match):
        model.fit(X, y)
    model.fit(X[:, :9], y)
    for others in ({"dtype": "float64"}, {"pooling": "mean"}):
        clone(model).set_params(**others).fit(X, y)


def test_sequences_too_long_for_the_memory_are_refused(monkeypatch):
    X, y = data(400)
    monkeypatch.setattr("sklstm._memory._memory", lambda: 10**6)
    with pytest.raises(ValueError, match=r"400 steps, .* set bptt_length"):
        fitted(X, y, hidden_layer_sizes=32)
    assert fitted(X, y, hidden_layer_sizes=32, bptt_length=20).n_iter_ == 3
