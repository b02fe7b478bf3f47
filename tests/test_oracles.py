"""The engine agrees with other people's LSTMs: PyTorch, ONNX and Keras."""

import numpy as np
import pytest
import reference

from sklstm._network import Network
from sklstm._sequences import Sequences
from sklstm.engines.cpu import CPUEngine
from sklstm.kernels.gemm import K_BLOCK

KINDS = ["squared_error", "log_loss", "binary_log_loss"]
DTYPES = [np.float64, np.float32]
# The largest error, as a share of the largest number in what is compared.
TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}
RAGGED = [3, 1, 7, 2, 2, 5, 1, 4] * 3

# The node tests of the ONNX standard that use no peepholes.
ONNX_CASES = [
    "test_lstm_defaults",
    "test_lstm_with_initial_bias",
    "test_lstm_batchwise",
    "test_lstm_reverse",
    "test_lstm_bidirectional",
]


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def load(weights, dtype):
    """The network that has these weights, and its flat vector of them."""
    network = Network(**reference.network_sizes(weights))
    parameters = network.initialise(np.random.RandomState(0), dtype=dtype)
    reference.fill(network.views(parameters), weights)
    return network, parameters


def last_states(weights, sequences, dtype):
    """The engine's pooled states with weights of recurrent layers alone."""
    names = [name for name in weights if name.startswith("weight_hh")]
    n_pooled = weights[names[-1]].shape[1] * (1 + names[-1].endswith("_reverse"))
    head = {"head.weight_0": np.zeros((1, n_pooled)), "head.bias_0": np.zeros(1)}
    network, parameters = load({**weights, **head}, dtype)
    packed = Sequences(*reference.packed(sequences, dtype))
    with CPUEngine(network, loss="squared_error", dtype=dtype, n_threads=1) as engine:
        return engine.transform(parameters, packed)


class TorchNetwork:
    """One torch.nn.LSTM per layer, for layers of different sizes, and a dense head."""

    def __init__(self, torch, weights, dtype):
        self.torch = torch
        self.dtype = torch.from_numpy(np.zeros(0, dtype=dtype)).dtype
        sizes = reference.network_sizes(weights)
        self.bidirectional = sizes["bidirectional"]
        self.layers = torch.nn.ModuleList()
        n_in = sizes["n_channels"]
        for hidden in sizes["hidden_layer_sizes"]:
            self.layers.append(
                torch.nn.LSTM(
                    n_in, hidden, bidirectional=self.bidirectional, dtype=self.dtype
                )
            )
            n_in = hidden * (1 + self.bidirectional)
        self.head = torch.nn.ModuleList()
        for n_out in (*sizes["head_layer_sizes"], sizes["n_outputs"]):
            self.head.append(torch.nn.Linear(n_in, n_out, dtype=self.dtype))
            n_in = n_out
        with torch.no_grad():
            for layer in self.layers:
                for tensor in layer.parameters():
                    tensor.zero_()
            for name, tensor in self.parameters().items():
                tensor.copy_(torch.from_numpy(weights[name]))

    def parameters(self):
        """Tensors by our names; of the two biases of a gate the first."""
        tensors = {}
        for layer, lstm in enumerate(self.layers):
            for name, tensor in lstm.named_parameters():
                if not name.startswith("bias_hh"):
                    name = name.replace("bias_ih", "bias").replace("l0", f"l{layer}")
                    tensors[name] = tensor
        for layer, dense in enumerate(self.head):
            tensors[f"head.weight_{layer}"] = dense.weight
            tensors[f"head.bias_{layer}"] = dense.bias
        return tensors

    def raw_output(self, sequences):
        torch = self.torch
        x = torch.nn.utils.rnn.pack_sequence(
            [torch.from_numpy(sequence).to(self.dtype) for sequence in sequences],
            enforce_sorted=False,
        )
        for lstm in self.layers:
            x, (h, _) = lstm(x)
        x = torch.cat([h[0], h[1]], dim=1) if self.bidirectional else h[0]
        for layer, dense in enumerate(self.head):
            x = dense(x if layer == 0 else torch.relu(x))
        return x

    def loss(self, kind, raw, targets, sample_weight):
        functional = self.torch.nn.functional
        targets = self.torch.from_numpy(targets).to(self.dtype)
        if kind == "squared_error":
            losses = functional.mse_loss(raw, targets, reduction="none").mean(dim=1) / 2
        elif kind == "log_loss":
            classes = targets[:, 0].long()
            losses = functional.cross_entropy(raw, classes, reduction="none")
        else:
            losses = functional.binary_cross_entropy_with_logits(
                raw, targets, reduction="none"
            ).sum(dim=1)
        return (self.torch.from_numpy(sample_weight).to(self.dtype) * losses).sum()


def assert_same_as_torch(
    torch, dtype, kind="squared_error", lengths=RAGGED, n_channels=3, **sizes
):
    """Compare outputs, loss and the gradient of every parameter."""
    rng = np.random.default_rng(0)
    weights = reference.random_weights(rng, n_channels, n_outputs=3, **sizes)
    sequences = reference.random_sequences(rng, lengths, n_channels)
    targets = reference.random_targets(rng, kind, len(lengths), 3).astype(dtype)
    sample_weight = rng.uniform(0.5, 2, size=len(lengths))

    module = TorchNetwork(torch, weights, dtype)
    ref_raw = module.raw_output(sequences)
    ref_loss = module.loss(kind, ref_raw, targets, sample_weight)
    ref_loss.backward()

    network, parameters = load(weights, dtype)
    packed = Sequences(*reference.packed(sequences, dtype))
    rows = np.arange(len(lengths))
    with CPUEngine(network, loss=kind, dtype=dtype, n_threads=1) as engine:
        raw = engine.predict(parameters, packed)
        loss, gradient = engine.loss_and_gradient(
            parameters, packed, rows, targets, sample_weight
        )

    tolerance = TOLERANCE[dtype]
    assert reference.relative_error(raw, ref_raw.detach().numpy()) <= tolerance
    assert loss == pytest.approx(ref_loss.item(), rel=tolerance)
    tensors = module.parameters()
    for name, comp in network.views(gradient).items():
        ref = tensors[name].grad.numpy()
        assert reference.relative_error(comp, ref) <= tolerance, name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("head_layer_sizes", [(), (6,)])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("hidden_layer_sizes", [(4,), (5, 7), (6, 6, 6)])
def test_torch(torch, hidden_layer_sizes, bidirectional, head_layer_sizes, dtype):
    assert_same_as_torch(
        torch,
        dtype,
        hidden_layer_sizes=hidden_layer_sizes,
        bidirectional=bidirectional,
        head_layer_sizes=head_layer_sizes,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_torch_losses(torch, kind, dtype):
    assert_same_as_torch(torch, dtype, kind, hidden_layer_sizes=(5,))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden_size", [1, 3, 5, 16, 17, 33, 64])
def test_torch_hidden_sizes(torch, hidden_size, dtype):
    assert_same_as_torch(
        torch,
        dtype,
        lengths=[4, 1, 2, 3],
        hidden_layer_sizes=(hidden_size, hidden_size),
        bidirectional=True,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_samples", [1, 15, 16, 17, 33])
def test_torch_batch_sizes(torch, n_samples, dtype):
    lengths = np.random.default_rng(1).integers(1, 9, size=n_samples)
    assert_same_as_torch(torch, dtype, lengths=lengths, hidden_layer_sizes=(5,))


@pytest.mark.parametrize("dtype", DTYPES)
def test_torch_long_sequences(torch, dtype):
    assert_same_as_torch(torch, dtype, lengths=[100, 60], hidden_layer_sizes=(8,))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_torch_many_blocks_of_rows_between_layers(torch, bidirectional, dtype):
    """The way back takes the rows of a shard, which are its steps, block by block."""
    lengths = np.random.default_rng(1).integers(1, 61, size=24)
    assert lengths.sum() > 4 * K_BLOCK
    assert_same_as_torch(
        torch,
        dtype,
        lengths=lengths,
        hidden_layer_sizes=(8, 5),
        bidirectional=bidirectional,
    )


def onnx_case(name):
    """A node test of the standard: its inputs, expected outputs and attributes.

    Of all node tests only the module of the LSTM is imported: it registers its cases
    as it is imported, and those of all operators take long.
    """
    onnx = pytest.importorskip("onnx")
    registry = pytest.importorskip("onnx.backend.test.case.node")
    pytest.importorskip("onnx.backend.test.case.node.lstm")
    cases = {case.name: case for case in registry._NodeTestCases}
    if name not in cases:
        pytest.skip(f"this version of onnx has no {name}")
    node = cases[name].model.graph.node[0]
    inputs, outputs = cases[name].data_sets[0]
    attributes = {
        attribute.name: onnx.helper.get_attribute_value(attribute)
        for attribute in node.attribute
    }
    named_inputs = dict(zip(filter(None, node.input), inputs, strict=True))
    named_outputs = dict(zip(filter(None, node.output), outputs, strict=True))
    return named_inputs, named_outputs, attributes


def from_onnx_gates(array):
    """Gates i, o, f, c of the first axis, as ONNX has them, in our order i, f, g, o."""
    i, o, f, c = np.split(array, 4)
    return np.concatenate([i, f, c, o])


def from_onnx_weights(direction, W, R, B):
    """Our weights of one layer.

    No network of ours runs backward only: it has a forward direction of zeros besides.
    """
    if direction == "reverse":
        W, R, B = (np.concatenate([np.zeros_like(array), array]) for array in (W, R, B))
    weights = {}
    for k, suffix in enumerate(("", "_reverse")[: len(W)]):
        weights[f"weight_ih_l0{suffix}"] = from_onnx_gates(W[k])
        weights[f"weight_hh_l0{suffix}"] = from_onnx_gates(R[k])
        weights[f"bias_l0{suffix}"] = from_onnx_gates(np.add(*np.split(B[k], 2)))
    return weights


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ONNX_CASES)
def test_onnx_node_tests(name, dtype):
    inputs, outputs, attributes = onnx_case(name)
    X, W, R, ref = inputs["X"], inputs["W"], inputs["R"], outputs["Y_h"]
    B = inputs.get("B", np.zeros((len(W), 2 * W.shape[1])))
    if attributes.get("layout", 0) == 0:  # time (or the direction) before the sample
        X, ref = X.swapaxes(0, 1), ref.swapaxes(0, 1)
    ref = ref.reshape(len(X), -1)
    direction = attributes.get("direction", b"forward").decode()
    comp = last_states(from_onnx_weights(direction, W, R, B), list(X), dtype)
    # The expected outputs are float32, hence one tolerance.
    assert reference.relative_error(comp[:, -ref.shape[1] :], ref) <= 1e-5


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_onnx_specification_with_random_weights(direction):
    """The node tests' weights are constant; here each gate and direction has its own.

    The sequences are all beginnings of one, so that `ref` shows the state of each step.
    """
    lstm = pytest.importorskip("onnx.backend.test.case.node.lstm")
    rng = np.random.default_rng(0)
    n_directions = 1 + (direction == "bidirectional")
    hidden, n_channels, n_steps = 5, 3, 6
    W = rng.normal(size=(n_directions, 4 * hidden, n_channels))
    R = rng.normal(size=(n_directions, 4 * hidden, hidden))
    B = rng.normal(size=(n_directions, 8 * hidden))
    X = rng.normal(size=(n_steps, n_channels))
    beginnings = [X[: step + 1] for step in range(n_steps)]
    ref = []
    for sequence in beginnings:
        helper = lstm.LSTMHelper(
            X=sequence[:, np.newaxis], W=W, R=R, B=B, direction=direction
        )
        _, Y_h, _ = helper.step()
        ref.append(Y_h.reshape(-1))
    weights = from_onnx_weights(direction, W, R, B)
    comp = last_states(weights, beginnings, np.float64)
    ref = np.array(ref)
    assert reference.relative_error(comp[:, -ref.shape[1] :], ref) <= 1e-12


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", reference.KERAS_CASES)
def test_keras(case, dtype):
    case = reference.KERAS_CASES[case]
    comp = last_states(case.weights(), case.sequences, dtype)
    assert case.error(comp) <= 1e-5
