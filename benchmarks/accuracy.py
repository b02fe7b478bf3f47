"""Test accuracy on real data beside ``torch.nn.LSTM`` under the same protocol.

    python -m benchmarks.accuracy [--defaults] [--seeds N] [--sets NAME ...]

Both sides are one layer of 64 and a linear output on the last state, trained by Adam
(learning rate 0.001) on minibatches of 32 for about 3,000 updates, without clipping or
early stopping, in one thread. Both stand in one pipeline, behind the same scaling of
channels. What differs: first weights are drawn as each side does by default; for two
classes sklstm has one logistic output, PyTorch two softmax outputs; and sklstm has one
bias where PyTorch has two, which Adam moves twice as fast. With `--defaults` sklstm is
``LSTMClassifier()`` instead, with nothing set.

A set passes if sklstm's mean is at least PyTorch's less twice the standard error of
the difference. Sides take turns; seconds are the processor's, medians of a fit.
"""

import argparse
import time
import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.data import load_sequences
from benchmarks.plain import PLAIN
from benchmarks.torch_lstm import TorchClassifier
from sklstm import LSTMClassifier
from sklstm.preprocessing import PerStep

SETS = ("JapaneseVowels", "ItalyPowerDemand", "BasicMotions", "ECG5000")
BATCH_SIZE = 32
N_UPDATES = 3000
HEADER = (
    "| set | sklstm | torch | difference | standard error | verdict "
    "| sklstm s | torch s | ratio |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def sides(n_samples, defaults):
    """Return the two classifiers, of which PyTorch's trains for `N_UPDATES`.

    sklstm does as well, unless it is at its `defaults`.
    """
    updates_per_epoch = -(-n_samples // BATCH_SIZE)
    n_epochs = round(N_UPDATES / updates_per_epoch)
    common = {"batch_size": BATCH_SIZE, "max_iter": n_epochs}
    ours = LSTMClassifier()
    if not defaults:
        ours.set_params(
            hidden_layer_sizes=(64,),
            max_grad_norm=None,
            tol=0,
            n_iter_no_change=n_epochs,
            **PLAIN,
            **common,
        )
    return ours, TorchClassifier(64, **common)


def measure(classifier, data, seed):
    """Return the test accuracy and the seconds of a fit."""
    X_train, y_train, X_test, y_test = data
    classifier.set_params(random_state=seed)
    model = make_pipeline(PerStep(StandardScaler()), classifier)
    start = time.process_time()
    model.fit(X_train, y_train)
    seconds = time.process_time() - start
    return model.score(X_test, y_test), seconds


def compare(data, n_seeds, defaults):
    """Return accuracies and seconds (n_sides, n_seeds)."""
    pair = sides(len(data[0]), defaults)
    results = np.empty((2, 2, n_seeds))
    for seed in range(n_seeds):
        for side in (0, 1) if seed % 2 == 0 else (1, 0):
            results[:, side, seed] = measure(pair[side], data, seed)
    return results


def line(name, accuracies, seconds):
    """Return a set's line of the table."""
    ours, peer = accuracies
    difference = ours.mean() - peer.mean()
    error = np.sqrt((ours.var(ddof=1) + peer.var(ddof=1)) / len(ours))
    verdict = "PASS" if difference >= -2 * error else "FAIL"
    our_seconds, peer_seconds = np.median(seconds, axis=1)
    return (
        f"| {name} | {ours.mean():.4f} ± {ours.std(ddof=1):.4f} | {peer.mean():.4f} ± "
        f"{peer.std(ddof=1):.4f} | {difference:+.4f} | {error:.4f} | {verdict} "
        f"| {our_seconds:.1f} | {peer_seconds:.1f} "
        f"| {np.median(seconds[1] / seconds[0]):.2f} |"
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--defaults", action="store_true")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    arguments = parser.parse_args()
    if arguments.seeds < 2:
        parser.error("a standard error needs at least 2 seeds")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)  # all epochs are meant to run
    LSTMClassifier(64, max_iter=1).fit(np.zeros((2, 2, 1)), [0, 1])  # compiles
    print(HEADER, flush=True)
    for name in arguments.sets:
        data = load_sequences(name)
        results = compare(data, arguments.seeds, arguments.defaults)
        print(line(name, *results), flush=True)


if __name__ == "__main__":
    main()
