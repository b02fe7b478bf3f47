"""The NumPy reference is right: against PyTorch, Keras and finite differences."""

import numpy as np
import pytest
import reference

KINDS = ["squared_error", "log_loss", "binary_log_loss"]
LENGTHS = [4, 1, 6, 3]
NETWORKS = [
    ((3,), False, ()),
    ((3,), True, ()),
    ((3, 3), False, (4,)),
    ((3, 3), True, (4,)),
    ((2, 2, 2), True, (4, 3)),
]


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def make_problem(kind, hidden_layer_sizes, bidirectional, head_layer_sizes):
    rng = np.random.default_rng(0)
    weights = reference.random_weights(
        rng, 2, hidden_layer_sizes, bidirectional, head_layer_sizes, 3
    )
    sequences = reference.random_sequences(rng, LENGTHS, 2)
    targets = reference.random_targets(rng, kind, len(LENGTHS), 3)
    sample_weight = rng.uniform(0.5, 2, size=len(LENGTHS))
    return weights, sequences, targets, sample_weight


def torch_network(torch, weights, n_layers, bidirectional):
    """The same network: a torch.nn.LSTM and its head, each with its own weights."""
    n_in, hidden = weights["weight_ih_l0"].shape[1], weights["weight_hh_l0"].shape[1]
    lstm = torch.nn.LSTM(
        n_in, hidden, n_layers, bidirectional=bidirectional, dtype=torch.float64
    )
    head = torch.nn.Sequential()
    for name, weight in weights.items():
        if name.startswith("head.weight"):
            head.append(torch.nn.Linear(*weight.shape[::-1], dtype=torch.float64))
    tensors = {**dict(lstm.named_parameters()), **head_parameters(head)}
    with torch.no_grad():
        for name, tensor in tensors.items():
            if name.startswith("bias_hh"):
                tensor.zero_()
            else:
                weight = weights[name.replace("bias_ih", "bias")]
                tensor.copy_(torch.from_numpy(weight))
    return lstm, head


def head_parameters(head):
    return {
        f"head.{kind}_{layer}": getattr(dense, kind)
        for layer, dense in enumerate(head)
        for kind in ("weight", "bias")
    }


def torch_raw_output(torch, lstm, head, sequences):
    rows = []
    for sequence in sequences:
        _, (h, _) = lstm(torch.from_numpy(sequence))
        row = h[-2:].flatten() if lstm.bidirectional else h[-1]
        for layer, dense in enumerate(head):
            row = dense(row if layer == 0 else torch.relu(row))
        rows.append(row)
    return torch.stack(rows)


def torch_loss(torch, kind, raw, targets, sample_weight):
    functional = torch.nn.functional
    targets = torch.from_numpy(targets)
    if kind == "squared_error":
        losses = 0.5 * functional.mse_loss(raw, targets, reduction="none").mean(dim=1)
    elif kind == "log_loss":
        classes = targets[:, 0].long()
        losses = functional.cross_entropy(raw, classes, reduction="none")
    else:
        losses = functional.binary_cross_entropy_with_logits(
            raw, targets, reduction="none"
        ).sum(dim=1)
    return (torch.from_numpy(sample_weight) * losses).sum()


@pytest.mark.parametrize(("sizes", "bidirectional", "head"), NETWORKS)
def test_forward_is_that_of_torch(torch, sizes, bidirectional, head):
    weights, sequences, _, _ = make_problem("squared_error", sizes, bidirectional, head)
    lstm, dense = torch_network(torch, weights, len(sizes), bidirectional)
    with torch.no_grad():
        ref = torch_raw_output(torch, lstm, dense, sequences).numpy()
    comp = reference.raw_output(weights, sequences)
    assert reference.relative_error(comp, ref) <= 1e-13


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("sizes", "bidirectional", "head"), NETWORKS)
def test_loss_and_gradient_are_those_of_torch(torch, sizes, bidirectional, head, kind):
    weights, sequences, targets, sample_weight = make_problem(
        kind, sizes, bidirectional, head
    )
    lstm, dense = torch_network(torch, weights, len(sizes), bidirectional)
    raw = torch_raw_output(torch, lstm, dense, sequences)
    ref_loss = torch_loss(torch, kind, raw, targets, sample_weight)
    ref_loss.backward()
    ref = {**dict(lstm.named_parameters()), **head_parameters(dense)}

    raw = reference.raw_output(weights, sequences)
    loss = reference.loss(kind, raw, targets, sample_weight)
    comp = reference.complex_step_gradient(
        kind, weights, sequences, targets, sample_weight
    )

    assert loss == pytest.approx(ref_loss.item(), rel=1e-13)
    for name, gradient in comp.items():
        ref_name = name if name.startswith("head") else name.replace("bias", "bias_ih")
        error = reference.relative_error(gradient, ref[ref_name].grad.numpy())
        assert error <= 1e-12, name


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_is_that_of_finite_differences(kind):
    weights, sequences, targets, sample_weight = make_problem(kind, (2, 3), True, (4,))
    gradient = reference.complex_step_gradient(
        kind, weights, sequences, targets, sample_weight
    )
    step = 1e-5
    for name, weight in weights.items():
        steps = step * np.eye(weight.size).reshape(-1, *weight.shape)
        before, after = (
            reference.loss(
                kind,
                reference.raw_output({**weights, name: stepped}, sequences),
                targets,
                sample_weight,
            )
            for stepped in (weight - steps, weight + steps)
        )
        ref = ((after - before) / (2 * step)).reshape(weight.shape)
        assert reference.relative_error(gradient[name], ref) <= 1e-7, name


@pytest.mark.parametrize("case", reference.KERAS_CASES)
def test_last_state_is_that_of_keras(case):
    case = reference.KERAS_CASES[case]
    last_states = reference.pooled(case.weights(), case.sequences)
    assert case.error(last_states) <= 1e-5


def test_each_gate_is_where_torch_has_it():
    """Where all gates have equal weights, as above, their order does not show.

    Computed once by torch.nn.LSTM 2.13 in float64, so that it holds without torch.
    """
    weights = {
        "weight_ih_l0": np.sin(np.arange(1, 17).reshape(8, 2)),
        "weight_hh_l0": np.cos(np.arange(1, 17).reshape(8, 2)),
        "bias_l0": np.sin(np.arange(8) + 0.5),
    }
    sequence = np.cos(np.arange(6).reshape(3, 2) / 2)
    ref = [
        [-0.49215570149130733, -0.42565494707755525],
        [-0.1256681763154931, -0.6961514082962699],
        [-0.0455188331939999, -0.44103568222108774],
    ]
    forward, _ = reference.hidden_states(weights, sequence)
    np.testing.assert_allclose(forward, ref, rtol=0, atol=1e-14)


def test_backward_direction_is_the_forward_one_on_reversed_time():
    rng = np.random.default_rng(0)
    weights = reference.random_weights(rng, 2, (3,), bidirectional=True)
    forward_only = {
        name.removesuffix("_reverse"): weight
        for name, weight in weights.items()
        if name.endswith("_reverse")
    }
    sequence = rng.normal(size=(5, 2))
    _, comp = reference.hidden_states(weights, sequence)
    ref, _ = reference.hidden_states(forward_only, sequence[::-1])
    np.testing.assert_array_equal(comp, ref[::-1])


@pytest.mark.parametrize("kind", KINDS)
def test_loss_of_far_off_outputs_is_finite(kind):
    raw = np.array([[1e4, -1e4, 0.0]])
    targets = np.array([[1.0]] if kind == "log_loss" else [[0.0, 1.0, 1.0]])
    ref = {
        "squared_error": (1e8 + (1e4 + 1) ** 2 + 1) / 6,
        "log_loss": 2e4,
        "binary_log_loss": 2e4 + np.log(2),
    }
    assert reference.loss(kind, raw, targets) == pytest.approx(ref[kind], rel=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_complex_numbers_change_no_real_result(kind):
    weights, sequences, targets, _ = make_problem(kind, (2, 3), True, (4,))
    raw = reference.raw_output(weights, sequences)
    ref = reference.loss(kind, raw, targets)
    weights = {name: weight.astype(np.complex128) for name, weight in weights.items()}
    raw = reference.raw_output(weights, sequences)
    comp = reference.loss(kind, raw, targets)
    assert comp.imag == 0
    assert comp.real == pytest.approx(ref, rel=1e-14)
