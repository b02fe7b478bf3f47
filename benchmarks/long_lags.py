"""Two problems of long time lags, beside Hochreiter & Schmidhuber (1997).

    python -m benchmarks.long_lags [--seeds N]

The adding problem with T = 100 (their experiment 4) and temporal order (6a). As theirs,
training reads sequences that are new throughout, and ends once the last 2,000 of them
were right and their mean error is small, here before the network is trained on them. It
then answers 2,560 others.

Rates and sizes were chosen on other seeds than those that are printed.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sklstm import LSTMClassifier, LSTMRegressor

N_RECENT = 2000
N_TEST = 2560
N_UNITS = 8
SETTINGS = {
    "solver": "adam",
    "learning_rate_init": 0.01,
    "epsilon": 0.01,  # smaller steps where gradients are small
    "batch_size": 8,
    "max_grad_norm": 1.0,
    "pooling": "last",
    "recurrent_dropout": 0.0,
    "standardize": False,
}
# In 1997 there were no forget gates: states were kept. Their input gates began closed.
INPUT_BIAS, FORGET_BIAS = -3.0, 5.0
START, END, FIRST_MARK = 6, 7, 4  # symbols: 0 to 3 distract, 4 and 5 are X and Y


def adding(rng):
    """Return a sequence (n_steps, 2) and its target: the sum of two marked values.

    The values are uniform on [-1, 1]. The marks (1) are on one of the first ten steps
    and on one of the 49 first others; the first and the last step bear a -1. Where the
    first step is marked its value is 0.
    """
    n_steps = rng.integers(100, 111)
    values, marks = rng.uniform(-1, 1, n_steps), np.zeros(n_steps)
    marks[[0, -1]] = -1
    first = rng.integers(10)
    second = rng.choice(np.delete(np.arange(50), first)[:49])
    marks[[first, second]] = 1
    if marks[0] == 1:
        values[0] = 0
    target = 0.5 + (values[first] + values[second]) / 4
    return np.column_stack([values, marks]), target


def temporal_order(rng):
    """Return one-hot symbols (n_steps, 8) and the class: which of X and Y came when.

    One of the two stands at step 10 to 20 and one at step 50 to 60.
    """
    symbols = rng.integers(4, size=rng.integers(100, 111))
    symbols[0], symbols[-1] = START, END
    first, second = rng.integers(2, size=2)
    symbols[rng.integers(10, 21)] = FIRST_MARK + first
    symbols[rng.integers(50, 61)] = FIRST_MARK + second
    return np.eye(8)[symbols], 2 * first + second


def errors_of_sums(model, X, y):
    """Return the absolute errors."""
    return np.abs(model.predict(X) - y)


def errors_of_classes(model, X, y):
    """Return the largest absolute errors of an output."""
    return np.abs(model.predict_proba(X) - np.eye(4)[y]).max(axis=1)


@dataclass(frozen=True)
class Problem:
    """A problem, and what they say of it.

    Parameters
    ----------
    draw : callable
        Returns a random sequence and its target.
    estimator : type
    errors : callable
        Returns the error of a model on each of some sequences.
    largest : float
        An error from which on a sequence counts as wrong.
    mean : float
        Training goes on while the mean error is above it.
    theirs : int
        The sequences that they trained on.
    first_call : dict
        What the first call of `partial_fit` takes besides.
    """

    draw: Callable
    estimator: type
    errors: Callable
    largest: float
    mean: float
    theirs: int
    first_call: dict = field(default_factory=dict)

    def sequences(self, rng, n):
        """Return `n` new sequences, a list, and their targets."""
        X, y = zip(*(self.draw(rng) for _ in range(n)), strict=True)
        return list(X), np.array(y)

    def learn(self, seed):
        """Return a model and how many sequences it was trained on, at most `theirs`."""
        rng = np.random.default_rng(seed)
        model = self.estimator(N_UNITS, random_state=seed, **SETTINGS)
        model.partial_fit(*self.sequences(rng, N_RECENT), **self.first_call)
        bias = model.weights_["bias_l0"]
        bias[:N_UNITS], bias[N_UNITS : 2 * N_UNITS] = INPUT_BIAS, FORGET_BIAS
        while model.t_ + N_RECENT <= self.theirs:
            X, y = self.sequences(rng, N_RECENT)
            errors = self.errors(model, X, y)
            if errors.max() < self.largest and errors.mean() < self.mean:
                break
            model.partial_fit(X, y)
        return model, model.t_

    def n_wrong(self, model, seed):
        """Return how many of `N_TEST` sequences that nobody has seen are wrong."""
        rng = np.random.default_rng([seed, N_TEST])
        return int(
            (self.errors(model, *self.sequences(rng, N_TEST)) >= self.largest).sum()
        )


PROBLEMS = {
    "adding, T = 100": Problem(
        adding, LSTMRegressor, errors_of_sums, 0.04, 0.01, 74_000
    ),
    "temporal order": Problem(
        temporal_order,
        LSTMClassifier,
        errors_of_classes,
        0.3,
        0.1,
        31_390,
        {"classes": range(4)},
    ),
}


def main():
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    n_seeds = parser.parse_args().seeds
    print(f"| problem | seed | sequences | wrong of {N_TEST:,} | theirs |")
    print("| --- | --- | --- | --- | --- |")
    for name, problem in PROBLEMS.items():
        for seed in range(n_seeds):
            model, n_sequences = problem.learn(seed)
            print(
                f"| {name} | {seed} | {n_sequences:,} | "
                f"{problem.n_wrong(model, seed)} | {problem.theirs:,} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
