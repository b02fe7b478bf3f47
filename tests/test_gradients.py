"""The engine's outputs, loss and gradients are those of the NumPy reference."""

import copy

import numpy as np
import pytest
import reference
from numba import config
from numpy.testing import assert_allclose, assert_array_equal

from sklstm._network import Network
from sklstm._sequences import Sequences
from sklstm.engines import cpu
from sklstm.engines.cpu import CPUEngine

KINDS = [
    "squared_error",
    "absolute_error",
    "quantile",
    "poisson",
    "gamma",
    "log_loss",
    "binary_log_loss",
]
DTYPES = [np.float64, np.float32]
LOG_LINK = ["poisson", "gamma"]
# The largest error, as a share of the largest number in what is compared.
TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}
RAGGED = [2, 5, 1, 3, 1]


class Problem:
    """A random network, samples and targets: numbers that dtype can hold exactly."""

    def __init__(
        self,
        *,
        kind="squared_error",
        dtype=np.float64,
        lengths=RAGGED,
        n_channels=2,
        hidden_layer_sizes=(3, 4),
        bidirectional=True,
        head_layer_sizes=(4,),
        n_outputs=3,
        pooling="last",
    ):
        rng = np.random.default_rng(0)
        weights = reference.random_weights(
            rng,
            n_channels,
            hidden_layer_sizes,
            bidirectional,
            head_layer_sizes,
            n_outputs,
        )
        sequences = reference.random_sequences(rng, lengths, n_channels)
        targets = reference.random_targets(rng, kind, len(lengths), n_outputs)
        self.kind = kind
        self.dtype = dtype
        self.pooling = pooling
        self.weights = {
            name: weight.astype(dtype).astype(np.float64)
            for name, weight in weights.items()
        }
        self.sequences = [
            sequence.astype(dtype).astype(np.float64) for sequence in sequences
        ]
        self.targets = targets.astype(dtype)
        self.sample_weight = rng.uniform(0.5, 2, size=len(lengths))
        self.network = Network(
            n_channels=n_channels,
            hidden_layer_sizes=hidden_layer_sizes,
            bidirectional=bidirectional,
            head_layer_sizes=head_layer_sizes,
            n_outputs=n_outputs,
            pooling=pooling,
        )

    def only(self, samples):
        """The same problem with these samples alone."""
        problem = copy.copy(self)
        problem.sequences = [self.sequences[sample] for sample in samples]
        problem.targets = self.targets[samples]
        problem.sample_weight = self.sample_weight[samples]
        return problem

    def engine(self):
        return CPUEngine(
            self.network,
            loss=self.kind,
            quantile=reference.QUANTILE,
            dtype=self.dtype,
            n_threads=1,
        )

    def parameters(self):
        parameters = self.network.initialise(np.random.RandomState(0), dtype=self.dtype)
        reference.fill(self.network.views(parameters), self.weights)
        return parameters

    def packed(self):
        return Sequences(*reference.packed(self.sequences, self.dtype))

    def loss_and_gradient(self, rows=None, engine=None):
        """What the engine returns for the samples in rows, each one unless told."""
        if rows is None:
            rows = np.arange(len(self.sequences))
        if engine is None:
            with self.engine() as engine:
                return self.loss_and_gradient(rows, engine)
        return engine.loss_and_gradient(
            self.parameters(), self.packed(), rows, self.targets, self.sample_weight
        )

    def reference_loss(self):
        raw = reference.raw_output(self.weights, self.sequences, self.pooling)
        return reference.loss(self.kind, raw, self.targets, self.sample_weight)

    def reference_gradient(self):
        return reference.complex_step_gradient(
            self.kind,
            self.weights,
            self.sequences,
            self.targets,
            self.sample_weight,
            pooling=self.pooling,
        )

    def assert_gradient_equal(self, comp, ref):
        """Compare flat comp with ref, flat or named, parameter by parameter."""
        if not isinstance(ref, dict):
            ref = self.network.views(ref)
        for name, gradient in self.network.views(comp).items():
            error = reference.relative_error(gradient, ref[name])
            assert error <= TOLERANCE[self.dtype], name


def for_all_networks(test):
    """Run a test on 1 to 3 layers, all directions, kinds of lengths, heads, dtypes."""
    sizes, lengths = [(4,), (3, 5), (2, 3, 2)], [[4, 4, 4], RAGGED, [1, 1]]
    for name, values, ids in (
        ("dtype", DTYPES, None),
        ("head_layer_sizes", [(), (4, 3)], ["no head", "head"]),
        ("lengths", lengths, ["equal", "ragged", "single steps"]),
        ("bidirectional", [False, True], ["forward", "bidirectional"]),
        ("hidden_layer_sizes", sizes, ["1 layer", "2 layers", "3 layers"]),
    ):
        test = pytest.mark.parametrize(name, values, ids=ids)(test)
    return test


@for_all_networks
def test_raw_output(
    hidden_layer_sizes, bidirectional, lengths, head_layer_sizes, dtype
):
    problem = Problem(
        dtype=dtype,
        lengths=lengths,
        hidden_layer_sizes=hidden_layer_sizes,
        bidirectional=bidirectional,
        head_layer_sizes=head_layer_sizes,
    )
    with problem.engine() as engine:
        comp = engine.predict(problem.parameters(), problem.packed())
    ref = reference.raw_output(problem.weights, problem.sequences)
    assert comp.shape == ref.shape
    assert reference.relative_error(comp, ref) <= TOLERANCE[dtype]


@for_all_networks
def test_pooled_state(
    hidden_layer_sizes, bidirectional, lengths, head_layer_sizes, dtype
):
    problem = Problem(
        dtype=dtype,
        lengths=lengths,
        hidden_layer_sizes=hidden_layer_sizes,
        bidirectional=bidirectional,
        head_layer_sizes=head_layer_sizes,
    )
    with problem.engine() as engine:
        comp = engine.transform(problem.parameters(), problem.packed())
    ref = reference.pooled(problem.weights, problem.sequences)
    assert comp.shape == ref.shape
    assert reference.relative_error(comp, ref) <= TOLERANCE[dtype]


@for_all_networks
def test_gradient(hidden_layer_sizes, bidirectional, lengths, head_layer_sizes, dtype):
    problem = Problem(
        dtype=dtype,
        lengths=lengths,
        hidden_layer_sizes=hidden_layer_sizes,
        bidirectional=bidirectional,
        head_layer_sizes=head_layer_sizes,
    )
    _, gradient = problem.loss_and_gradient()
    problem.assert_gradient_equal(gradient, problem.reference_gradient())


@pytest.mark.parametrize("pooling", ["mean", "max"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("hidden_layer_sizes", [(4,), (3, 20)])
@pytest.mark.parametrize("lengths", [RAGGED, [1, 1], [7] * 20 + RAGGED])
def test_pooled_states_and_their_gradient(
    lengths, hidden_layer_sizes, bidirectional, dtype, pooling
):
    problem = Problem(
        lengths=lengths,
        hidden_layer_sizes=hidden_layer_sizes,
        bidirectional=bidirectional,
        dtype=dtype,
        head_layer_sizes=(),
        pooling=pooling,
    )
    with problem.engine() as engine:
        comp = engine.transform(problem.parameters(), problem.packed())
    ref = reference.pooled(problem.weights, problem.sequences, pooling)
    assert reference.relative_error(comp, ref) <= TOLERANCE[dtype]
    _, gradient = problem.loss_and_gradient()
    problem.assert_gradient_equal(gradient, problem.reference_gradient())


@pytest.mark.skipif(config.DISABLE_JIT, reason="runs for minutes without a compiler")
@pytest.mark.parametrize("bidirectional", [False, True])
def test_mean_of_many_steps_does_not_drift(bidirectional):
    """A sum in float32 alone would be off by a thousandth."""
    problem = Problem(
        lengths=[300_000, 200_000],
        hidden_layer_sizes=(4,),
        bidirectional=bidirectional,
        dtype=np.float32,
        pooling="mean",
    )
    ref = []
    for x in problem.sequences:
        x[:] = x[0]
        # The state soon stays as it is.
        forward, backward = reference.hidden_states(problem.weights, x[:500])
        states = np.hstack([forward] + ([backward[::-1]] if bidirectional else []))
        assert_allclose(states[-1], states[-2], rtol=1e-12)
        ref.append((states.sum(axis=0) + (len(x) - 500) * states[-1]) / len(x))
    with problem.engine() as engine:
        comp = engine.transform(problem.parameters(), problem.packed())
    assert reference.relative_error(comp, np.array(ref)) <= TOLERANCE[np.float32]


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("hidden_layer_sizes", [(4,), (3, 20, 4)])
@pytest.mark.parametrize("piece", [1, 2, 6])
@pytest.mark.parametrize("lengths", [[6, 1, 6], [7] * 17 + RAGGED])
def test_predictions_a_piece_of_the_steps_at_a_time(
    lengths, piece, hidden_layer_sizes, bidirectional, pooling, monkeypatch
):
    monkeypatch.setattr(cpu, "PIECE", piece)
    problem = Problem(
        lengths=lengths,
        hidden_layer_sizes=hidden_layer_sizes,
        bidirectional=bidirectional,
        pooling=pooling,
    )
    with problem.engine() as engine:
        given = problem.parameters(), problem.packed()
        states, raw = engine.transform(*given), engine.predict(*given)
    ref = reference.pooled(problem.weights, problem.sequences, pooling)
    assert reference.relative_error(states, ref) <= TOLERANCE[np.float64]
    ref = reference.raw_output(problem.weights, problem.sequences, pooling)
    assert reference.relative_error(raw, ref) <= TOLERANCE[np.float64]


def test_prediction_of_layers_takes_no_more_memory_for_more_steps():
    with Problem(bidirectional=False).engine() as engine:
        few, many = (engine.bytes_of_prediction(np.array([n])) for n in (1000, 10**9))
    assert few == many


def test_prediction_in_both_directions_takes_memory_for_true_steps():
    with Problem(bidirectional=True).engine() as engine:
        of_one, of_ragged, of_even = (
            engine.bytes_of_prediction(np.array(lengths))
            for lengths in ([10**6], [10**6] + 15 * [1], 16 * [10**6])
        )
    assert of_one < of_ragged < 1.01 * of_one
    assert of_even > 15 * of_one


@pytest.mark.parametrize("head_layer_sizes", [(), (4,)], ids=["no head", "head"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_outputs_are_no_numbers_where_states_are_none(pooling, head_layer_sizes):
    """No maximum, of steps or of ReLU, hides that a network has diverged."""
    problem = Problem(pooling=pooling, head_layer_sizes=head_layer_sizes)
    parameters = problem.parameters()
    problem.network.views(parameters)["weight_hh_l1"][:] = np.nan
    with problem.engine() as engine:
        assert np.isnan(engine.predict(parameters, problem.packed())).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradient_of_each_loss(kind, dtype):
    problem = Problem(kind=kind, dtype=dtype)
    loss, gradient = problem.loss_and_gradient()
    assert loss == pytest.approx(problem.reference_loss(), rel=TOLERANCE[dtype])
    problem.assert_gradient_equal(gradient, problem.reference_gradient())


@pytest.mark.parametrize("highest", [0, 1, 2])
@pytest.mark.parametrize("kind", ["log_loss", "binary_log_loss"])
def test_loss_and_gradient_of_outputs_whose_exponential_overflows(kind, highest):
    problem = Problem(kind=kind)
    for name in ("head.weight_1", "head.bias_1"):
        weight = 2.0**13 * problem.weights[name]
        problem.weights[name] = np.roll(weight, highest, axis=0)
    raw = reference.raw_output(problem.weights, problem.sequences)
    assert (raw.argmax(axis=1) == highest).all()
    assert (np.ptp(raw, axis=1) > 1000).all()
    loss, gradient = problem.loss_and_gradient()
    assert loss == pytest.approx(problem.reference_loss(), rel=1e-12)
    problem.assert_gradient_equal(gradient, problem.reference_gradient())


@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradient_of_one_output(kind):
    problem = Problem(kind=kind, n_outputs=1)
    loss, gradient = problem.loss_and_gradient()
    assert loss == pytest.approx(problem.reference_loss(), rel=1e-12)
    problem.assert_gradient_equal(gradient, problem.reference_gradient())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden_size", [1, 3, 5, 16, 17, 33, 64])
def test_gradient_of_hidden_sizes_around_the_vector_width(hidden_size, dtype):
    """Wide layers have too many weights for one complex step each.

    Random directions take their place; each mixes all numbers of a weight.
    """
    problem = Problem(
        dtype=dtype,
        lengths=[3, 1, 2],
        hidden_layer_sizes=(hidden_size, hidden_size),
        n_outputs=2,
    )
    _, gradient = problem.loss_and_gradient()
    rng = np.random.default_rng(1)
    for name, comp in problem.network.views(gradient).items():
        directions = rng.normal(size=(8, *comp.shape))
        ref = reference.complex_step_derivatives(
            problem.kind,
            problem.weights,
            problem.sequences,
            problem.targets,
            problem.sample_weight,
            name,
            directions,
        )
        comp = (directions * comp).reshape(8, -1).sum(axis=1)
        assert reference.relative_error(comp, ref) <= TOLERANCE[dtype], name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", [(7,), (8, 15), (16, 17), (33,)])
def test_gradient_of_head_sizes_around_the_vector_width(sizes, dtype):
    problem = Problem(
        hidden_layer_sizes=(3,), head_layer_sizes=sizes, n_outputs=2, dtype=dtype
    )
    _, gradient = problem.loss_and_gradient()
    problem.assert_gradient_equal(gradient, problem.reference_gradient())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_channels", [1, 3, 16, 17, 33])
def test_gradient_for_any_number_of_channels(n_channels, dtype):
    problem = Problem(n_channels=n_channels, hidden_layer_sizes=(3,), dtype=dtype)
    _, gradient = problem.loss_and_gradient()
    problem.assert_gradient_equal(gradient, problem.reference_gradient())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_outputs", [2, 16, 17, 33])
def test_gradient_for_any_number_of_outputs(n_outputs, kind):
    problem = Problem(
        kind=kind,
        hidden_layer_sizes=(3,),
        head_layer_sizes=(n_outputs + 1,),
        n_outputs=n_outputs,
    )
    _, gradient = problem.loss_and_gradient()
    problem.assert_gradient_equal(gradient, problem.reference_gradient())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_samples", [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65])
def test_gradient_of_batch_sizes_around_the_shard(n_samples, dtype):
    lengths = np.random.default_rng(0).integers(1, 5, size=n_samples)
    problem = Problem(lengths=lengths, dtype=dtype, hidden_layer_sizes=(3,))
    loss, gradient = problem.loss_and_gradient()
    assert loss == pytest.approx(problem.reference_loss(), rel=TOLERANCE[dtype])
    problem.assert_gradient_equal(gradient, problem.reference_gradient())


def test_gradient_of_more_shards_than_are_kept_apart():
    """Past some number of shards several share one sum."""
    lengths = np.random.default_rng(0).integers(1, 3, size=600)
    problem = Problem(lengths=lengths, hidden_layer_sizes=(2,))
    loss, gradient = problem.loss_and_gradient()
    assert loss == pytest.approx(problem.reference_loss(), rel=1e-12)
    problem.assert_gradient_equal(gradient, problem.reference_gradient())


@pytest.mark.parametrize("rows", [[4, 0, 2], [3], [4, 3, 2, 1, 0]])
def test_rows_choose_samples_with_their_targets_and_weights(rows):
    problem = Problem()
    loss, gradient = problem.loss_and_gradient(np.array(rows))
    chosen = problem.only(rows)
    assert loss == pytest.approx(chosen.reference_loss(), rel=1e-12)
    problem.assert_gradient_equal(gradient, chosen.reference_gradient())


def test_no_weights_are_weights_of_one():
    problem = Problem()
    problem.sample_weight = np.ones(len(problem.sequences))
    ref_loss, ref = problem.loss_and_gradient()
    problem.sample_weight = None
    loss, comp = problem.loss_and_gradient()
    assert loss == ref_loss
    np.testing.assert_array_equal(comp, ref)


@pytest.mark.parametrize("kind", KINDS)
def test_weighted_samples_are_repeated_samples(kind):
    problem = Problem(kind=kind, lengths=RAGGED * 8)
    times = np.random.default_rng(1).integers(4, size=len(problem.sequences))
    problem.sample_weight = times.astype(np.float64)
    ref_loss, ref = problem.loss_and_gradient()
    problem.sample_weight = np.ones(len(problem.sequences))
    rows = np.repeat(np.arange(len(times)), times)
    loss, comp = problem.loss_and_gradient(rows)
    assert loss == pytest.approx(ref_loss, rel=1e-12)
    problem.assert_gradient_equal(comp, ref)


def test_samples_without_weight_are_no_samples():
    problem = Problem(lengths=RAGGED * 5)
    rows = np.flatnonzero(np.arange(25) % 3)
    ref_loss, ref = problem.loss_and_gradient(rows)
    problem.sample_weight[::3] = 0
    loss, comp = problem.loss_and_gradient()
    assert loss == pytest.approx(ref_loss, rel=1e-12)
    problem.assert_gradient_equal(comp, ref)


def test_gradient_without_any_weight_is_zero():
    problem = Problem()
    problem.sample_weight = np.zeros(len(problem.sequences))
    loss, gradient = problem.loss_and_gradient()
    assert loss == 0
    np.testing.assert_array_equal(gradient, 0)


def test_overlapping_windows_are_the_same_as_copies():
    """Windows over a table share its rows; in `ref` each window has rows of its own."""
    problem = Problem(lengths=[1, 2, 3, 4, 4, 4, 4, 4])
    table = np.random.default_rng(1).normal(size=(8, 2))
    lengths = np.array([1, 2, 3, 4, 4, 4, 4, 4])
    starts = np.arange(8) + 1 - lengths
    windows = Sequences(table, starts, lengths)
    problem.sequences = [
        table[start : start + length]
        for start, length in zip(starts, lengths, strict=True)
    ]
    ref_loss, ref = problem.loss_and_gradient()
    with problem.engine() as engine:
        loss, comp = engine.loss_and_gradient(
            problem.parameters(),
            windows,
            np.arange(8),
            problem.targets,
            problem.sample_weight,
        )
    assert loss == ref_loss
    np.testing.assert_array_equal(comp, ref)


def test_sequences_of_other_channels_than_the_network_takes_are_refused():
    """The kernels would read beyond their rows."""
    problem = Problem(n_channels=2)
    three = Sequences(np.zeros((4, 3)), np.zeros(1, np.int64), np.full(1, 4))
    with (
        problem.engine() as engine,
        pytest.raises(ValueError, match="X has 3 channels, but the network takes 2"),
    ):
        engine.predict(problem.parameters(), three)


def test_a_call_leaves_no_trace_in_the_next():
    """Workspaces are used again: what a longer, larger call left must not show."""
    problem = Problem(lengths=[9, 8, 7, *RAGGED * 8])
    rows = np.array([4, 5, 7])
    ref_loss, ref = problem.loss_and_gradient(rows)
    with problem.engine() as engine:
        problem.loss_and_gradient(engine=engine)
        engine.predict(problem.parameters(), problem.packed())
        loss, comp = problem.loss_and_gradient(rows, engine)
    assert loss == ref_loss
    np.testing.assert_array_equal(comp, ref)


def test_a_returned_gradient_is_not_overwritten():
    problem = Problem()
    with problem.engine() as engine:
        _, gradient = problem.loss_and_gradient(engine=engine)
        ref = gradient.copy()
        problem.loss_and_gradient(np.array([1]), engine)
    np.testing.assert_array_equal(gradient, ref)


@pytest.mark.parametrize("dtype", DTYPES)
def test_types_and_shapes_of_what_is_returned(dtype):
    problem = Problem(dtype=dtype)
    parameters = problem.parameters()
    loss, gradient = problem.loss_and_gradient()
    with problem.engine() as engine:
        raw = engine.predict(parameters, problem.packed())
        pooled = engine.transform(parameters, problem.packed())
    assert isinstance(loss, float)
    assert (gradient.shape, gradient.dtype) == (parameters.shape, dtype)
    assert (raw.shape, raw.dtype) == ((5, 3), dtype)
    assert (pooled.shape, pooled.dtype) == ((5, 8), dtype)


def test_inputs_may_be_read_only():
    problem = Problem()
    ref_loss, ref = problem.loss_and_gradient()
    parameters, sequences = problem.parameters(), problem.packed()
    rows = np.arange(len(problem.sequences))
    for array in (
        *(parameters, rows, problem.targets, problem.sample_weight),
        *(sequences.values, sequences.starts, sequences.lengths),
    ):
        array.flags.writeable = False
    with problem.engine() as engine:
        loss, comp = engine.loss_and_gradient(
            parameters, sequences, rows, problem.targets, problem.sample_weight
        )
        engine.predict(parameters, sequences)
        engine.transform(parameters, sequences)
    assert loss == ref_loss
    np.testing.assert_array_equal(comp, ref)


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [
        *((np.float64, scale) for scale in (1e2, 1e6, 1e300)),
        *((np.float32, scale) for scale in (1e6, 1e30)),
    ],
)
def test_saturated_gates(dtype, scale):
    """Inputs so large that few gates, and none in float32, are between 0 and 1."""
    problem = Problem(dtype=dtype)
    problem.sequences = [
        (scale * sequence).astype(dtype).astype(np.float64)
        for sequence in problem.sequences
    ]
    with problem.engine() as engine:
        comp = engine.predict(problem.parameters(), problem.packed())
    ref = reference.raw_output(problem.weights, problem.sequences)
    assert reference.relative_error(comp, ref) <= TOLERANCE[dtype]
    loss, gradient = problem.loss_and_gradient()
    assert loss == pytest.approx(problem.reference_loss(), rel=TOLERANCE[dtype])
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in LOG_LINK])
def test_loss_of_far_off_outputs(kind, dtype):
    """Outputs of some thousands: exponentials of them overflow in either dtype."""
    problem = Problem(kind=kind, dtype=dtype, head_layer_sizes=())
    weight = 4096 * problem.weights["head.weight_0"]
    problem.weights["head.weight_0"] = weight
    loss, gradient = problem.loss_and_gradient()
    assert loss == pytest.approx(problem.reference_loss(), rel=TOLERANCE[dtype])
    problem.assert_gradient_equal(gradient, problem.reference_gradient())


def test_kernels_that_are_stopped_do_no_more(monkeypatch):
    """As Ctrl-C has them do, here before their first step."""
    run = CPUEngine._run

    def run_stopped(self, kernel, n_parts, n_steps, stop):
        stop[0] = 1
        run(self, kernel, n_parts, n_steps, stop)

    monkeypatch.setattr(CPUEngine, "_run", run_stopped)
    problem = Problem(lengths=[3, 4, 2])
    _, gradient = problem.loss_and_gradient()
    for name, weight in problem.network.views(gradient).items():
        if "head" not in name:
            assert_array_equal(weight, 0)
    with problem.engine() as engine:
        states = engine.transform(problem.parameters(), problem.packed())
    assert_array_equal(states, 0)
