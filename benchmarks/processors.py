"""Training steps in float64, and as processors with narrower vectors run them.

The multiply-add limit is measured with the same vectors. A peer takes no part: it would
still use all that the processor has.
"""

import json
import os
import platform
import subprocess
import sys

from benchmarks.side_by_side import Row, Skipped

N_REPEATS = 30
CASE = (64, 50, 16, 128, 1, 1)
VECTORS = {  # as in tox.ini
    "AVX2": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"},
    "SSE2": {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "+sse2"},
}
PROGRAM = """
import json, sys
from dataclasses import asdict
import numpy as np
from benchmarks.side_by_side import Row, in_turn
from benchmarks.training_step import Ours, case_name, operations
name, dtype, case, n_threads, repeats = json.loads(sys.argv[1])
batch, steps, channels = case[:3]
rng = np.random.RandomState(0)
x = rng.randn(batch, steps, channels).astype(dtype)
side = Ours(x, rng.randn(batch, 1).astype(dtype), case, n_threads, np.dtype(dtype))
medians, limit = in_turn(
    {"sklstm": side}, repeats, n_threads=n_threads, dtype=np.dtype(dtype)
)
row = Row(
    f"training step, {name}", case_name(case), n_threads, medians["sklstm"],
    operations=operations(*case), limit=float(limit),
)
print(json.dumps(asdict(row)))
"""


def measure_all(n_threads, quick):
    """Yield all rows."""
    if quick:
        return
    if platform.machine() not in ("x86_64", "AMD64"):
        raise Skipped(f"{platform.machine()} has no AVX2 and SSE2")
    sides = [(name, "float32", force) for name, force in VECTORS.items()]
    for name, dtype, force in [("float64", "float64", {}), *sides]:
        arguments = json.dumps([name, dtype, CASE, n_threads, N_REPEATS])
        output = subprocess.run(
            [sys.executable, "-c", PROGRAM, arguments],
            env=os.environ | force,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        yield Row(**json.loads(output))
