"""Row 6: one step of one series, or of 256, beside ONNX Runtime and PyTorch."""

import numpy as np
import torch
from onnx import helper
from sklearn.utils._testing import ignore_warnings

from benchmarks.plain import PLAIN
from benchmarks.prediction import onnx_weights, session
from benchmarks.side_by_side import in_turn, rows
from sklstm import LSTMRegressor

CASES = [  # series, hidden, whether steps are standardised, as by default
    (1, 64, False),
    (1, 128, False),
    (256, 64, False),
    (1, 64, True),
    (256, 64, True),
]
N_CHANNELS = 16
STEPS_IN_A_TURN = 200


class OnnxStream:
    """A graph of one step, whose states go round; the input first is scaled, or not."""

    def __init__(self, n_series, hidden, weights, n_threads, scaling):
        states = {"h": (1, n_series, hidden), "c": (1, n_series, hidden)}
        nodes = [
            helper.make_node(
                "LSTM",
                ["scaled" if scaling else "x", "W", "R", "B", "", "h", "c"],
                ["", "h_next", "c_next"],
                hidden_size=hidden,
            ),
            helper.make_node("Squeeze", ["h_next", "axis"], ["last"]),
            helper.make_node("MatMul", ["last", "W_head"], ["product"]),
            helper.make_node("Add", ["product", "b_head"], ["y"]),
        ]
        constants = onnx_weights(weights) | {"axis": np.array([0])}
        if scaling:
            constants |= {name: value.astype(np.float32) for name, value in scaling}
            nodes = [
                helper.make_node("Sub", ["x", "offset"], ["centred"]),
                helper.make_node("Div", ["centred", "scale"], ["scaled"]),
                *nodes,
            ]
        self.run = session(
            nodes,
            {"x": (1, n_series, N_CHANNELS)} | states,
            {"y": (n_series, 1), "h_next": states["h"], "c_next": states["c"]},
            constants,
            n_threads,
        ).run
        self.h = np.zeros(states["h"], np.float32)
        self.c = np.zeros(states["c"], np.float32)

    def __call__(self, x):
        feed = {"x": x[None], "h": self.h, "c": self.c}
        y, self.h, self.c = self.run(None, feed)
        return y.ravel()


class TorchStream:
    """``torch.nn.LSTM``, step by step; the input first is scaled, or not."""

    def __init__(self, hidden, weights, scaling):
        self.scaling = [torch.tensor(value).float() for _, value in scaling]
        self.lstm = torch.nn.LSTM(N_CHANNELS, hidden)
        self.head = torch.nn.Linear(hidden, 1)
        with torch.no_grad():
            self.lstm.bias_hh_l0.zero_()
            for name in ("weight_ih_l0", "weight_hh_l0", "bias_l0"):
                parameter = getattr(self.lstm, name.replace("bias", "bias_ih"))
                parameter.copy_(torch.tensor(np.ascontiguousarray(weights[name])))
            self.head.weight.copy_(torch.tensor(weights["head.weight_0"].copy()))
            self.head.bias.copy_(torch.tensor(weights["head.bias_0"].copy()))
        self.state = None

    def __call__(self, x):
        with torch.inference_mode():
            x = torch.from_numpy(x)[None]
            if self.scaling:
                offset, scale = self.scaling
                x = (x - offset) / scale
            out, self.state = self.lstm(x, self.state)
            return self.head(out[0]).numpy().ravel()


@ignore_warnings
def measure(case, n_threads, repeats):
    """Return the rows of one case, once all sides have given the same numbers."""
    n_series, hidden, standardize = case
    rng = np.random.RandomState(0)
    X = rng.randn(20, 5, N_CHANNELS)
    y = X[:, -1, 0]
    parameters = PLAIN | {"standardize": standardize, "normalize_y": False}
    model = LSTMRegressor((hidden,), max_iter=1, n_jobs=n_threads, **parameters)
    model.fit(X, y)
    scaling = [("offset", model.X_offset_), ("scale", model.X_scale_)]
    scaling = scaling if standardize else []
    torch.set_num_threads(n_threads)
    x = rng.randn(n_series, N_CHANNELS).astype(np.float32)
    sides = {
        "sklstm": model.stream(n_series).predict,
        "ONNX Runtime": OnnxStream(
            n_series, hidden, model.weights_, n_threads, scaling
        ),
        "PyTorch": TorchStream(hidden, model.weights_, scaling),
    }
    for _ in range(3):
        ref = sides["sklstm"](x)
        for step in sides.values():
            if step != sides["sklstm"]:
                np.testing.assert_allclose(step(x), ref, atol=1e-5)

    def steps(step):
        for _ in range(STEPS_IN_A_TURN):
            step(x)

    medians, limit = in_turn(
        {name: lambda step=step: steps(step) for name, step in sides.items()},
        repeats,
        n_threads=n_threads,
    )
    medians = {name: seconds / STEPS_IN_A_TURN for name, seconds in medians.items()}
    operations = 8 * hidden * (N_CHANNELS + hidden) * n_series
    name = f"{n_series} series, {N_CHANNELS} channels, H {hidden}"
    name += ", standardised" if standardize else ""
    return rows("one step", name, n_threads, medians, limit, operations)


def measure_all(n_threads, quick):
    """Yield all rows."""
    for case in CASES:
        yield from measure(case, n_threads, 1 if quick else 12)
