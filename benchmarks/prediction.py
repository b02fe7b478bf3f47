"""Row 5: the predictions of a batch beside ONNX Runtime and PyTorch.

By the engine alone, from where it lies to where it comes out, as the peers do; and by
``predict``, with all that it checks.
"""

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.utils._testing import ignore_warnings

from benchmarks.plain import PLAIN
from benchmarks.side_by_side import in_turn, rows
from benchmarks.training_step import Ours, Torch
from sklstm import LSTMRegressor

CASES = [  # batch, steps, channels, hidden
    (32, 28, 28, 64),
    (32, 100, 8, 32),
    (64, 50, 16, 128),
    (256, 100, 16, 64),
    (1024, 100, 16, 64),
    (32, 200, 32, 256),
]


def onnx_weights(weights):
    """Return the weights in ONNX's layout: gates i, o, f, c, and two biases."""

    def reorder(matrix):
        i, f, g, o = np.split(np.asarray(matrix), 4)
        return np.concatenate([i, o, f, g])

    bias = reorder(weights["bias_l0"])
    return {
        "W": reorder(weights["weight_ih_l0"])[None],
        "R": reorder(weights["weight_hh_l0"])[None],
        "B": np.concatenate([bias, np.zeros_like(bias)])[None],
        "W_head": np.ascontiguousarray(weights["head.weight_0"].T),
        "b_head": np.asarray(weights["head.bias_0"]),
    }


def session(nodes, inputs, outputs, weights, n_threads):
    """Return an ONNX Runtime session for a graph."""

    def infos(shapes):
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in shapes.items()
        ]

    constants = [
        numpy_helper.from_array(np.ascontiguousarray(value), name)
        for name, value in weights.items()
    ]
    graph = helper.make_graph(nodes, "lstm", infos(inputs), infos(outputs), constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, ["CPUExecutionProvider"]
    )


def onnx_predict(x, hidden, weights, n_threads):
    """Return a function that predicts `x` with ONNX Runtime."""
    batch, steps, channels = x.shape
    nodes = [
        helper.make_node("LSTM", ["x", "W", "R", "B"], ["", "h"], hidden_size=hidden),
        helper.make_node("Squeeze", ["h", "axis"], ["last"]),
        helper.make_node("MatMul", ["last", "W_head"], ["product"]),
        helper.make_node("Add", ["product", "b_head"], ["y"]),
    ]
    run = session(
        nodes,
        {"x": (steps, batch, channels)},
        {"y": (batch, 1)},
        onnx_weights(weights) | {"axis": np.array([0])},
        n_threads,
    ).run
    data = {"x": np.ascontiguousarray(x.transpose(1, 0, 2))}
    return lambda: run(None, data)[0]


@ignore_warnings
def measure(case, n_threads, repeats):
    """Return the rows of one case, once all sides have given the same numbers."""
    batch, steps, channels, hidden = case
    rng = np.random.RandomState(0)
    x = rng.randn(batch, steps, channels).astype(np.float32)
    y = np.zeros((batch, 1), np.float32)
    torch.set_num_threads(n_threads)
    ours = Ours(x, y, (*case, 1, 1), n_threads, np.float32)
    model = LSTMRegressor((hidden,), max_iter=1, normalize_y=False, **PLAIN)
    model.set_params(n_jobs=n_threads).fit(x[:1], y[:1, 0])
    weights = ours.network.views(ours.parameters)
    for name, weight in model.weights_.items():
        weight[:] = weights[name]
    lstm = Torch(x, y, (*case, 1, 1), weights)

    def of_torch():
        with torch.inference_mode():
            return lstm.head(lstm.lstm(lstm.x)[0][:, -1]).numpy()

    with ours.engine:
        sides = {
            "sklstm": lambda: ours.engine.predict(ours.parameters, ours.arguments[0]),
            "ONNX Runtime": onnx_predict(x, hidden, weights, n_threads),
            "PyTorch": of_torch,
            "predict": lambda: model.predict(x)[:, np.newaxis],
        }
        for side in sides.values():
            np.testing.assert_allclose(side(), sides["sklstm"](), atol=1e-5)
        medians, limit = in_turn(sides, repeats, n_threads=n_threads)
    of_predict = {"predict": medians.pop("predict")} | medians
    of_predict.pop("sklstm")
    operations = 8 * hidden * (channels + hidden) * batch * steps
    name = ", ".join(map(str, case))
    return [
        *rows("prediction", name, n_threads, medians, limit, operations),
        *rows("predict", name, n_threads, of_predict, limit, operations),
    ]


def measure_all(n_threads, quick):
    """Yield all rows."""
    for case in CASES:
        yield from measure(case, n_threads, 6 if quick else 30)
