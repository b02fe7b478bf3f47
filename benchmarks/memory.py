"""Row 9: peak memory of fit and predict, and what a process holds epoch after epoch.

Each measurement is a process of its own (Linux). The peak is how far it is above what
the process held before, after a small fit has loaded and compiled all that is needed,
beside what a formula says, and PyTorch. A fit on 200,000 sequences is measured after
its first epoch, the second and the last: a ratio of 1 is no growth.
"""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.side_by_side import Row, Skipped

CASES = [  # method, samples, steps, channels, hidden, batch size, what else is set
    ("fit", 256, 1000, 8, 64, 64, {}),
    ("fit", 256, 4000, 8, 64, 64, {}),
    ("fit", 4000, 200, 8, 64, 64, {}),
    ("fit", 32, 20000, 8, 64, 32, {}),
    ("fit", 256, 4000, 8, 64, 8, {}),
    ("fit", 256, 4000, 8, 64, 64, {"n_jobs": 2}),
    ("fit", 256, 4000, 8, 64, 64, {"bidirectional": True}),
    ("fit", 256, 4000, 8, 64, 64, {"standardize": True}),
    ("fit", 256, 4000, 8, 64, 64, {"bptt_length": 500}),
    ("fit", 64, 10, 8, 1024, 32, {}),
    ("predict", 256, 4000, 8, 64, 64, {}),
    ("predict", 4000, 200, 8, 64, 64, {}),
    ("predict", 32, 20000, 8, 64, 32, {}),
    ("predict", 32, 20000, 8, (64, 64), 32, {}),
    ("predict", 256, 4000, 8, 64, 64, {"standardize": True}),
]
BESIDE_PYTORCH = [*CASES[:4], *CASES[10:13]]
FORMS = ("3-D", "ragged", "window")  # of X, of a fit on many sequences
N_MANY, N_EPOCHS = 200_000, 20
SHARD = 16
NEVER = 2**62  # steps
MIB = 2**20

PROGRAM = r"""
import ctypes, gc, json, re, sys, warnings
from pathlib import Path
import numpy as np
warnings.simplefilter("ignore")
side, method, n, steps, channels, hidden, batch_size, more = json.loads(sys.argv[1])
if side == "sklstm":
    from benchmarks.plain import PLAIN
    from sklstm import LSTMRegressor
    def model():
        parameters = PLAIN | {"batch_size": batch_size, "max_iter": 2} | more
        return LSTMRegressor(hidden, **parameters)
else:
    import torch
    from benchmarks.torch_lstm import TorchRegressor
    torch.set_num_threads(1)
    def model():
        return TorchRegressor(hidden, batch_size=batch_size, max_iter=2)
def now(entry):
    status = Path("/proc/self/status").read_text()
    return int(re.search(entry + r":\s+(\d+)", status)[1])
small = np.zeros((4, 1 + more.get("bptt_length", 19), channels), np.float32)
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

EPOCHS = r"""
import json, re, sys, warnings
from pathlib import Path
import numpy as np
from sklstm import LSTMRegressor
warnings.simplefilter("ignore")
form, n, n_epochs = json.loads(sys.argv[1])
class Resident:
    def setup(self, estimator, context):
        self.kilobytes = []
    def on_fit_task_begin(self, estimator, context):
        pass
    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        status = Path("/proc/self/status").read_text()
        self.kilobytes.append(int(re.search(r"VmRSS:\s+(\d+)", status)[1]))
    def teardown(self, estimator, context):
        pass
X = np.random.default_rng(0).standard_normal((n, 10, 2), np.float32)
y = X[:, -1, 0].astype(float)
if form == "ragged":
    X = [x[: 1 + k % 10] for k, x in enumerate(X)]
if form == "window":
    X = X[:, -1]
model = LSTMRegressor(
    (16,), window=10 if form == "window" else None, batch_size=200, max_iter=n_epochs,
    early_stopping=form == "ragged", tol=0, n_iter_no_change=n_epochs,
)
resident = Resident()
model.set_callbacks(resident).fit(X, y)
print(*resident.kilobytes[:n_epochs])
"""


def printed(program, argument):
    """Return the kilobytes that a process prints, in MiB."""
    output = subprocess.run(
        [sys.executable, "-c", program, json.dumps(argument)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [int(number) * 1024 / MIB for number in output.split()]


def formula(n_samples, n_steps, n_channels, hidden, batch_size, more):
    """Return the MiB that a fit takes beside X, in float32.

    As the guide has it, for one layer: for each step of a shard of 16 sequences its
    inputs, a one and the hidden state, four gates, the cell state and its tanh; for
    each shard of a minibatch, up to 32, a gradient; and ten times the parameters.
    """
    copied = n_samples * n_steps * n_channels if more.get("standardize") else 0
    shard, n_kept = min(SHARD, batch_size), min(n_steps, more.get("bptt_length", NEVER))
    kept = shard * n_kept * (n_channels + 1 + 7 * hidden)
    if n_kept < n_steps:
        kept += -(-n_steps // n_kept) * 2 * shard * hidden
    n_parameters = 4 * hidden * (n_channels + 1 + hidden)
    if more.get("bidirectional"):
        kept, n_parameters = 2 * kept, 2 * n_parameters
    n_parts = min(-(-batch_size // SHARD), 32)
    kept *= more.get("n_jobs", 1)
    return 4 * (copied + kept + (n_parts + 10) * n_parameters) / MIB


def measure_all(n_threads, quick):
    """Yield all rows, once for all numbers of threads."""
    if n_threads > 1:
        return
    if not Path("/proc/self/clear_refs").exists():
        raise Skipped("the peak of a process is told by Linux alone")
    for case in CASES[:1] if quick else CASES:
        method, n, steps, channels, hidden, batch_size, more = case
        name = f"{method}: {n} x {steps} x {channels}, H {hidden}, batch {batch_size}"
        name += "".join(f", {key} {value}" for key, value in more.items())
        n_threads = more.get("n_jobs", 1)
        (ours,) = printed(PROGRAM, ["sklstm", *case])
        peers = {}
        if method == "fit":  # a prediction takes next to nothing, whatever the case
            peers["formula"] = formula(*case[1:])
        if case in BESIDE_PYTORCH:
            (peers["PyTorch"],) = printed(PROGRAM, ["torch", *case])
        for peer, amount in peers.items() or [("", None)]:
            yield Row("peak memory", name, n_threads, ours, peer, amount, unit="MiB")
    for form in FORMS[:1] if quick else FORMS:
        first, second, *_, last = printed(EPOCHS, [form, N_MANY, N_EPOCHS])
        for epoch, held in ((2, second), (N_EPOCHS, last)):
            name = f"{N_MANY:,} sequences, {form}, after epoch {epoch}"
            yield Row("held", name, 1, held, "after epoch 1", first, unit="MiB")
