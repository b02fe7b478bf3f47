"""Dropout: which numbers are dropped, and the gradient through those that are not."""

from copy import deepcopy

import numpy as np
import pytest
import reference
from numba import njit, types
from numpy.testing import assert_array_equal

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm._fingerprints import fingerprints
from sklstm._network import Network
from sklstm._sequences import Sequences
from sklstm.engines.cpu import CPUEngine
from sklstm.kernels.dropout import _overload_mixed, keys_of, mixed

SEED = 12345
WORD = 2**64


def splitmix64(key, counter):
    """The generator of Steele, Lea & Flood (2014), as Vigna's C code has it."""
    z = (key + (counter + 1) * 0x9E3779B97F4A7C15) % WORD
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
    return z ^ (z >> 31)


def draw(*keys):
    """A number below 2 ** 32 that a chain of keys leads to."""
    first, *others = keys
    for key in others:
        first = splitmix64(first, key) >> 1
    return first % 2**32


class Masks:
    """What the kernels are to drop, one number at a time."""

    def __init__(self, hidden_layer_sizes, n_directions, dropout, recurrent_dropout):
        self.sizes, self.n_directions = hidden_layer_sizes, n_directions
        self.dropout, self.recurrent_dropout = dropout, recurrent_dropout

    def mask(self, rate, draws):
        rate = round(rate * 2**32)  # as the kernels keep it
        return np.where(np.array(draws) >= rate, 1 / (1 - rate / 2**32), 0.0)

    def of_inputs(self, sample, layer, step):
        n = self.sizes[layer - 1] * self.n_directions
        which = 2 * layer * self.n_directions
        draws = [draw(SEED, sample, which, step * n + j) for j in range(n)]
        return self.mask(self.dropout, draws)

    def of_hidden(self, sample, layer, direction):
        which = 2 * (layer * self.n_directions + direction) + 1
        draws = [draw(SEED, sample, which, j) for j in range(self.sizes[layer])]
        return self.mask(self.recurrent_dropout, draws)


def test_generator_gives_the_published_numbers():
    """Of Vigna's splitmix64.c, seeded with 1234567."""
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    jitted = njit(lambda key, counter: mixed(key, counter))
    # What the compiler is given, in the unsigned numbers of NumPy.
    unsigned = _overload_mixed(types.int64, types.int64)
    for counter, number in enumerate(published):
        assert mixed(1234567, counter) == number >> 1
        assert jitted(1234567, counter) == number >> 1
        with np.errstate(over="ignore"):
            assert unsigned(1234567, counter) == number >> 1


def test_keys_of_samples_are_mixed_from_seed_and_identity():
    identities = np.array([0, 1, 2**40, 2**64 - 1], np.uint64)
    for seed in (0, SEED, 2**63 - 1):
        comp = keys_of(seed, identities)
        assert comp.tolist() == [mixed(seed, number) for number in identities.tolist()]


@pytest.mark.parametrize("dropout", [(0.3, 0.0), (0.0, 0.4), (0.5, 0.2)])
@pytest.mark.parametrize("pooling", ["last", "max"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("sizes", [(5,), (4, 3), (18, 3, 4)])
def test_loss_and_gradient(sizes, bidirectional, pooling, dropout):
    rng = np.random.default_rng(0)
    lengths, n_directions = [4, 1, 6, 2], 1 + bidirectional
    weights = reference.random_weights(rng, 2, sizes, bidirectional, (3,), 2)
    sequences = reference.random_sequences(rng, lengths, 2)
    targets = rng.normal(size=(4, 2))
    network = Network(2, sizes, bidirectional, (3,), 2, pooling, *dropout)
    parameters = network.initialise(np.random.RandomState(0), np.float64)
    reference.fill(network.views(parameters), weights)
    engine = CPUEngine(network, loss="squared_error", dtype=np.float64, n_threads=1)
    with engine:
        loss, gradient = engine.loss_and_gradient(
            parameters,
            Sequences(*reference.packed(sequences, np.float64)),
            np.arange(4),
            targets,
            dropout_keys=keys_of(SEED, np.arange(4, dtype=np.uint64)),
        )
    masks = Masks(sizes, n_directions, *dropout)
    options = {"pooling": pooling, "masks": masks}
    raw = reference.raw_output(weights, sequences, **options)
    assert loss == pytest.approx(reference.loss("squared_error", raw, targets))
    ref = reference.complex_step_gradient(
        "squared_error", weights, sequences, targets, **options
    )
    for name, comp in network.views(gradient).items():
        assert reference.relative_error(comp, ref[name]) <= 1e-12, name


def data(n=60):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(length, 2)) for length in rng.integers(3, 9, n)]
    return X, np.array([x[:, 0].sum() for x in X])


SMALL = {
    **reference.PLAIN,
    "hidden_layer_sizes": (6, 5),
    "max_iter": 3,
    "batch_size": 20,
    "n_iter_no_change": 3,
    "dropout": 0.4,
    "recurrent_dropout": 0.3,
    "random_state": 0,
}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
def test_dropout_changes_training(name):
    X, y = data()
    with_it, without = (
        LSTMRegressor(**SMALL | {name: rate}).fit(X, y) for rate in (0.4, 0.0)
    )
    assert with_it.loss_ != without.loss_


def test_nothing_is_dropped_in_predictions():
    X, y = data()
    model = LSTMRegressor(**SMALL).fit(X, y)
    raw = reference.raw_output(model.weights_, X).ravel()
    np.testing.assert_allclose(
        model.predict(X), raw * y.std() + y.mean(), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("estimator", [LSTMRegressor, LSTMClassifier])
def test_same_bits_for_any_number_of_threads(estimator):
    X, y = data()
    y = y > 0 if estimator is LSTMClassifier else y
    ref, comp = (
        estimator(**SMALL, n_jobs=n_jobs).fit(X, y).weights_ for n_jobs in (1, 3)
    )
    for name in ref:
        assert_array_equal(comp[name], ref[name])


def test_each_epoch_drops_anew():
    """A step of size zero, almost: losses then differ by what is dropped alone."""
    X, y = data()
    model = LSTMRegressor(**SMALL | {"learning_rate_init": 1e-30, "shuffle": False})
    assert len(set(model.fit(X, y).loss_curve_)) == 3


def test_each_call_of_partial_fit_drops_anew():
    X, y = data()
    model = LSTMRegressor(**SMALL | {"learning_rate_init": 1e-30, "shuffle": False})
    losses = [model.partial_fit(X, y).loss_ for _ in range(3)]
    assert len(set(losses)) == 3


def test_each_random_state_drops_otherwise():
    """In the same network, as it was after an epoch."""
    X, y = data()
    parameters = SMALL | {"learning_rate_init": 1e-30, "shuffle": False}
    model = LSTMRegressor(**parameters).partial_fit(X, y)
    others = [deepcopy(model).set_params(random_state=seed) for seed in range(1, 4)]
    assert len({other.partial_fit(X, y).loss_ for other in others}) == 3


@pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
@pytest.mark.parametrize("rates", [(0.0, 0.5), (0.5, 0.0)])
def test_rate_may_change_when_training_goes_on(name, rates):
    X, y = data()
    still = {"learning_rate_init": 1e-30, "shuffle": False, "batch_size": 60}
    none = {"dropout": 0.0, "recurrent_dropout": 0.0}
    model = LSTMRegressor(**SMALL | still | none | {name: rates[0]}).partial_fit(X, y)
    first = model.loss_
    second = model.set_params(**{name: rates[1]}).partial_fit(X, y).loss_
    whole = LSTMRegressor(**SMALL | still | none).partial_fit(X, y).loss_
    comp = [loss == pytest.approx(whole, rel=1e-6) for loss in (first, second)]
    assert comp == [rate == 0 for rate in rates]


@pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
@pytest.mark.parametrize("value", [-0.1, 1.0, np.nan])
def test_rate_out_of_range_is_refused(name, value):
    X, y = data()
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        LSTMRegressor(**SMALL | {name: value}).fit(X, y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weight_of_a_sample_counts_as_repetitions(dtype):
    X, y = data(20)
    weights = np.arange(20) % 3
    repeated = np.repeat(np.arange(20), weights)
    parameters = SMALL | {"shuffle": False, "dtype": dtype, "standardize": True}
    parameters["batch_size"] = len(repeated)
    ref = LSTMRegressor(**parameters).fit([X[i] for i in repeated], y[repeated])
    parameters["batch_size"] = np.count_nonzero(weights)
    comp = LSTMRegressor(**parameters).fit(X, y, weights)
    rtol = 1e-4 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(comp.predict(X), ref.predict(X), rtol=rtol)


def test_sample_drops_the_same_wherever_it_stands():
    X, y = data(20)
    parameters = SMALL | {"shuffle": False, "dtype": "float64"}
    order = np.random.default_rng(0).permutation(20)
    ref = LSTMRegressor(**parameters).fit(X, y)
    comp = LSTMRegressor(**parameters).fit([X[i] for i in order], y[order])
    np.testing.assert_allclose(comp.predict(X), ref.predict(X), rtol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_what_is_dropped_does_not_depend_on_the_dtype_of_x(dtype):
    X, y = data(20)
    X = [np.round(4 * x) for x in X]
    ref = LSTMRegressor(**SMALL).fit(X, y)
    comp = LSTMRegressor(**SMALL).fit([x.astype(dtype) for x in X], y)
    assert_array_equal(comp.predict(X), ref.predict(X))


def test_sequences_of_other_values_have_other_fingerprints():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2, (2000, 2)).astype(np.float32)
    lengths = np.full(200, 10)
    starts = np.arange(200) * 10
    windows = Sequences(values, np.arange(1990), np.full(1990, 10))
    for sequences in (Sequences(values, starts, lengths), windows):
        contents = [
            values[start : start + 10].tobytes() for start in sequences.starts.tolist()
        ]
        assert len(set(fingerprints(sequences).tolist())) == len(set(contents))


def test_sequences_that_differ_beyond_float32_are_told_apart(monkeypatch):
    """As the times of a day in seconds, or the pressure of air: once standardised."""
    seen = []

    def watch(sequences):
        seen.append(fingerprints(sequences))
        return seen[-1]

    monkeypatch.setattr("sklstm._base.fingerprints", watch)
    X = 1.7e9 + np.random.default_rng(0).normal(size=(40, 5, 1))
    LSTMRegressor(**SMALL | {"standardize": True}).fit(X, X[:, 0, 0])
    assert len(set(seen[0].tolist())) == 40


def test_what_is_dropped_does_not_depend_on_the_last_digits_of_float64():
    """Which scalers, for one, round otherwise in a DataFrame than in an array."""
    X, y = data(20)
    rng = np.random.default_rng(0)
    rounded = [x * (1 + rng.choice([-1, 1], x.shape) * 1e-16) for x in X]
    assert any((x != same).any() for x, same in zip(X, rounded, strict=True))
    parameters = SMALL | {"standardize": True, "dtype": "float64"}
    ref = LSTMRegressor(**parameters).fit(X, y)
    comp = LSTMRegressor(**parameters).fit(rounded, y)
    np.testing.assert_allclose(comp.predict(X), ref.predict(X), rtol=1e-9)


def test_equal_sequences_have_equal_fingerprints():
    values = np.tile(np.random.default_rng(0).normal(size=(5, 2)), (3, 1))
    sequences = Sequences(values, np.array([0, 5, 10, 1]), np.array([5, 5, 5, 5]))
    first, second, third, shifted = fingerprints(sequences).tolist()
    assert first == second == third != shifted


def test_sequences_of_zeros_have_fingerprints_of_their_lengths():
    values = np.zeros((10, 2))
    sequences = Sequences(values, np.zeros(10, np.int64), np.arange(1, 11))
    assert len(set(fingerprints(sequences).tolist())) == 10
