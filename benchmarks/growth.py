"""Row 10: the time of a fit against the number of samples, of steps, and of units.

Each row's peer is the case that comes first, multiplied by how much more there is to
do, in operations: a ratio of 1 is growth in proportion, more of it is better.
"""

import numpy as np
from sklearn.utils._testing import ignore_warnings

from benchmarks.plain import PLAIN
from benchmarks.side_by_side import Row, in_turn
from benchmarks.training_step import operations
from sklstm import LSTMRegressor

SAMPLES = [500, 1000, 2000, 4000]
STEPS = [50, 100, 200, 1000, 5000, 20000]
UNITS = [32, 64, 128, 256]
RAGGED_STEPS = (5, 95)


def fit(X, hidden, n_threads):
    """Return a function that fits an epoch."""
    y = np.array([x[-1, 0] for x in X])
    model = LSTMRegressor(
        (hidden,), batch_size=32, max_iter=1, n_jobs=n_threads, **PLAIN
    )
    return ignore_warnings(lambda: model.fit(X, y))


def measure_all(n_threads, quick):
    """Yield all rows."""
    rng = np.random.default_rng(0)
    repeats = 1 if quick else 6

    def in_proportion(what, cases):
        sides = {name: fit(X, hidden, n_threads) for name, (X, hidden) in cases.items()}
        work = {
            name: operations(1, sum(map(len, X)), 8, hidden, 1, 1)
            for name, (X, hidden) in cases.items()
        }
        medians, _ = in_turn(sides, repeats)
        first, *others = medians
        for name in others:
            expected = medians[first] * work[name] / work[first]
            yield Row(what, name, n_threads, medians[name], f"of {first}", expected)

    X = rng.standard_normal((SAMPLES[-1], 50, 8), np.float32)
    yield from in_proportion(
        "growth", {f"{n} samples of 50 steps": (X[:n], 64) for n in SAMPLES}
    )
    X = rng.standard_normal((32, STEPS[-1], 8), np.float32)
    steps = STEPS[:3] if quick else STEPS
    yield from in_proportion(
        "growth", {f"32 samples of {n} steps": (X[:, :n], 64) for n in steps}
    )
    X = rng.standard_normal((500, 50, 8), np.float32)
    yield from in_proportion(
        "growth", {f"{units} units": (X, units) for units in UNITS}
    )
    lengths = rng.integers(*RAGGED_STEPS, size=1000)
    equal = rng.standard_normal((1000, round(lengths.mean()), 8), np.float32)
    ragged = [rng.standard_normal((n, 8), np.float32) for n in lengths]
    yield from in_proportion(
        "ragged",
        {
            "equal lengths": (equal, 64),
            "5 to 94 steps, as many in all": (ragged, 64),
        },
    )
