"""Row 9: peak memory of fit and predict, beside what a formula says, and PyTorch.

Each measurement is a process of its own (Linux): how far its peak is above what it
held before, after a small fit has loaded and compiled all that is needed.
"""

import json
import subprocess
import sys

from benchmarks.side_by_side import Row

CASES = [  # method, samples, steps, channels, hidden, batch size
    ("fit", 256, 1000, 8, 64, 64),
    ("fit", 256, 4000, 8, 64, 64),
    ("fit", 4000, 200, 8, 64, 64),
    ("fit", 32, 20000, 8, 64, 32),
    ("predict", 256, 4000, 8, 64, 64),
    ("predict", 4000, 200, 8, 64, 64),
    ("predict", 32, 20000, 8, 64, 32),
]
SHARD = 16
MIB = 2**20

PROGRAM = r"""
import ctypes, gc, json, re, sys, warnings
from pathlib import Path
import numpy as np
warnings.simplefilter("ignore")
side, method, n, steps, channels, hidden, batch_size = json.loads(sys.argv[1])
if side == "sklstm":
    from benchmarks.plain import PLAIN
    from sklstm import LSTMRegressor
    def model():
        return LSTMRegressor((hidden,), batch_size=batch_size, max_iter=2, **PLAIN)
else:
    import torch
    from benchmarks.torch_lstm import TorchRegressor
    torch.set_num_threads(1)
    def model():
        return TorchRegressor(hidden, batch_size=batch_size, max_iter=2)
def now(entry):
    status = Path("/proc/self/status").read_text()
    return int(re.search(entry + r":\s+(\d+)", status)[1])
small = np.zeros((4, 20, channels), np.float32)
model().fit(small, np.arange(4.0)).predict(small)
X = np.random.default_rng(0).standard_normal((n, steps, channels), np.float32)
y = X[:, -1, 0].astype(float)
if method == "predict":
    fitted = model().fit(small, np.arange(4.0))
gc.collect()
ctypes.CDLL(None).malloc_trim(0)
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = now("VmRSS")
model().fit(X, y) if method == "fit" else fitted.predict(X)
print(now("VmHWM") - before)
"""


def measured(side, case):
    """Return the rise of the peak in MiB."""
    output = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([side, *case])],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return int(output) * 1024 / MIB


def formula(method, n_samples, n_steps, n_channels, hidden, batch_size):
    """Return the MiB that fit or predict take beside X, in float32, on one thread.

    As the guide has it: for each step of a shard of 16 sequences its inputs, a one and
    the hidden state, four gates, the cell state and its tanh; for each shard of a
    minibatch, up to 32, a gradient. A prediction keeps one step of a shard.
    """
    n_parameters = 4 * hidden * (n_channels + 1 + hidden)
    if method == "predict":
        return 4 * SHARD * (n_channels + 1 + 9 * hidden) / MIB
    kept = SHARD * n_steps * (n_channels + 1 + 7 * hidden)
    n_parts = min(-(-batch_size // SHARD), 32)
    return 4 * (kept + (n_parts + 6) * n_parameters) / MIB


def measure_all(n_threads, quick):
    """Yield all rows, once for all numbers of threads."""
    if n_threads > 1:
        return
    for case in CASES[:1] if quick else CASES:
        method, n, steps, channels, hidden, batch_size = case
        name = f"{method}: {n} x {steps} x {channels}, H {hidden}, batch {batch_size}"
        ours = measured("sklstm", case)
        for peer, theirs in (
            ("formula", formula(*case)),
            ("PyTorch", measured("torch", case)),
        ):
            yield Row("peak memory", name, 1, ours, peer, theirs, unit="MiB")
