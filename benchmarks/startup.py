"""Row 7: importing, and the first fit with an empty and with a filled cache."""

import json
import os
import statistics
import subprocess
import sys
import tempfile

from benchmarks.side_by_side import Row

SKLSTM = """
import json, time
start = time.perf_counter()
import numba, numpy as np, sklearn.base, sklearn.model_selection
shared = time.perf_counter()
from sklstm import LSTMRegressor
imported = time.perf_counter()
X, y = np.random.randn(64, 20, 3), np.random.randn(64)
model = LSTMRegressor(max_iter=1)
seconds = []
import warnings; warnings.simplefilter("ignore")
for _ in range(2):
    begin = time.perf_counter()
    model.fit(X, y)
    seconds.append(time.perf_counter() - begin)
print(json.dumps([shared - start, imported - shared, *seconds]))
"""
PEERS = """
import json, time
start = time.perf_counter()
import torch, skorch
print(json.dumps([time.perf_counter() - start]))
"""


def run(program, cache):
    """Return the seconds that a program prints, in a fresh process."""
    environment = os.environ | {"NUMBA_CACHE_DIR": cache}
    output = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return json.loads(output)


def measure_all(n_threads, quick):
    """Yield all rows, once for all numbers of threads."""
    if n_threads > 1:
        return
    repeats = 1 if quick else 5
    cold, warm, peers = [], [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(run(SKLSTM, cache))
            warm.append(run(SKLSTM, cache))
            peers.append(run(PEERS, cache))
    first = statistics.median(seconds[2] for seconds in cold)
    yield Row("start-up", "first fit, empty cache", 1, first)
    shared, imported, first, second = map(statistics.median, zip(*warm, strict=True))
    peer = statistics.median(seconds[0] for seconds in peers)
    yield Row("start-up", "import, scikit-learn and Numba", 1, shared)
    yield Row(
        "start-up", "import, sklstm on top of them", 1, imported,
        "PyTorch and skorch", peer,
    )  # fmt: skip
    yield Row("start-up", "first fit, filled cache", 1, first)
    yield Row("start-up", "second fit", 1, second)
