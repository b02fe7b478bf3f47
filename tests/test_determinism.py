"""The same seed gives the same bits: for any threads, process, batch and order.

Run as a program, this file fits each case and saves what came out: so a test has the
same fits from a fresh process.
"""

import functools
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
import reference
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning

import sklstm
from sklstm import LSTMClassifier, LSTMRegressor
from sklstm._network import Network
from sklstm._sequences import Sequences
from sklstm.engines.cpu import CPUEngine

N_SAMPLES = 50
OPTIONS = {
    "equal": {"hidden_layer_sizes": (6,)},
    "ragged": {
        "hidden_layer_sizes": (5, 3),
        "bidirectional": True,
        "head_layer_sizes": (4,),
        "early_stopping": True,
    },
}
CASES = {
    f"{estimator.__name__} {form} {dtype}": (estimator, form, dtype)
    for estimator in (LSTMClassifier, LSTMRegressor)
    for form in OPTIONS
    for dtype in ("float32", "float64")
}
for_all_cases = pytest.mark.parametrize("case", CASES)


def differing_bits(a, b):
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    a, b = (np.frombuffer(array.tobytes(), dtype=np.uint8) for array in (a, b))
    return np.unpackbits(a ^ b).sum()


def assert_same_bits(comp, ref):
    assert comp.keys() == ref.keys()
    differing = {name: differing_bits(comp[name], ref[name]) for name in ref}
    assert not any(differing.values()), differing


def make_data(case):
    estimator, form, _ = CASES[case]
    rng = np.random.default_rng(0)
    if form == "equal":
        X = rng.normal(size=(N_SAMPLES, 4, 2))
    else:
        lengths = rng.integers(1, 7, size=N_SAMPLES)
        X = reference.random_sequences(rng, lengths, 2)
    if estimator is LSTMClassifier:
        return X, rng.integers(3, size=N_SAMPLES)
    return X, rng.normal(size=N_SAMPLES)


def fit(case, n_jobs):
    """A short fit, of minibatches of several shards and a last one that is smaller."""
    estimator, form, dtype = CASES[case]
    model = estimator(
        **OPTIONS[form],
        dtype=dtype,
        batch_size=35,
        max_iter=2,
        random_state=0,
        n_jobs=n_jobs,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # cut short on purpose
        return model.fit(*make_data(case))


fitted = functools.cache(fit)


def predictions(model, X):
    predict = model.predict_proba if is_classifier(model) else model.predict
    return {"prediction": predict(X), "pooled state": model.transform(X)}


def outcome(case, model):
    X, _ = make_data(case)
    losses = {"loss_curve_": np.array(model.loss_curve_)}
    return {**model.weights_, **losses, **predictions(model, X)}


@for_all_cases
@pytest.mark.parametrize("n_jobs", [2, 4])
def test_fit_with_any_number_of_threads(n_jobs, case):
    ref = outcome(case, fitted(case, 1))
    assert_same_bits(outcome(case, fitted(case, n_jobs)), ref)


@for_all_cases
def test_fit_with_threads_from_joblib(case):
    ref = outcome(case, fitted(case, 1))
    with joblib.parallel_config(backend="threading", n_jobs=2):
        comp = outcome(case, fit(case, None))
    assert_same_bits(comp, ref)


@pytest.fixture(scope="module")
def fresh_process(tmp_path_factory):
    """The outcome of each case in a process of its own, on two threads."""
    path = tmp_path_factory.mktemp("fresh") / "outcomes.npz"
    package = Path(sklstm.__file__).parents[1]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(package), os.environ.get("PYTHONPATH")])
        ),
        "PYTHONHASHSEED": "1",
    }
    subprocess.run([sys.executable, __file__, str(path)], env=environment, check=True)
    with np.load(path) as arrays:
        return dict(arrays)


@for_all_cases
def test_fit_in_a_fresh_process(case, fresh_process):
    comp = {
        name.removeprefix(f"{case}/"): array
        for name, array in fresh_process.items()
        if name.startswith(f"{case}/")
    }
    assert_same_bits(comp, outcome(case, fitted(case, 1)))


@for_all_cases
def test_second_fit_of_one_estimator(case):
    model = fit(case, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(*make_data(case))
    assert_same_bits(outcome(case, model), outcome(case, fitted(case, 1)))


@for_all_cases
def test_sample_predicted_alone(case):
    X, _ = make_data(case)
    ref = predictions(fitted(case, 1), X)
    for sample in range(0, N_SAMPLES, 7):
        comp = predictions(fitted(case, 1), X[sample : sample + 1])
        alone = {name: array[sample : sample + 1] for name, array in ref.items()}
        assert_same_bits(comp, alone)


@for_all_cases
@pytest.mark.parametrize("n_samples", [2, 15, 16, 17, 33])
def test_samples_predicted_in_any_batch(n_samples, case):
    X, _ = make_data(case)
    ref = predictions(fitted(case, 1), X)
    for first in (0, 5):
        batch = slice(first, first + n_samples)
        comp = predictions(fitted(case, 1), X[batch])
        assert_same_bits(comp, {name: array[batch] for name, array in ref.items()})


@for_all_cases
@pytest.mark.parametrize("n_jobs", [1, 4])
def test_samples_predicted_in_any_order(n_jobs, case):
    X, _ = make_data(case)
    ref = predictions(fitted(case, 1), X)
    order = np.random.default_rng(1).permutation(N_SAMPLES)
    shuffled = [X[sample] for sample in order]
    comp = predictions(fitted(case, n_jobs), shuffled)
    assert_same_bits(comp, {name: array[order] for name, array in ref.items()})


@for_all_cases
def test_predictions_of_one_model_in_many_threads_at_once(case):
    X, _ = make_data(case)
    model = fitted(case, 2)
    ref = predictions(model, X)
    with ThreadPoolExecutor(4) as threads:
        for comp in threads.map(predictions, [model] * 8, [X] * 8):
            assert_same_bits(comp, ref)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_samples", [1, 16, 17, 100, 600])
def test_engine_with_any_number_of_threads(n_samples, dtype):
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 4, size=n_samples)
    sequences = reference.random_sequences(rng, lengths, 3)
    sequences = Sequences(*reference.packed(sequences, dtype))
    network = Network(
        n_channels=3,
        hidden_layer_sizes=(3, 2),
        bidirectional=True,
        head_layer_sizes=(4,),
        n_outputs=2,
    )
    parameters = network.initialise(np.random.RandomState(0), dtype=dtype)
    targets = rng.normal(size=(n_samples, 2)).astype(dtype)
    outcomes = []
    for n_threads in (1, 2, 4):
        with CPUEngine(
            network, loss="squared_error", dtype=dtype, n_threads=n_threads
        ) as engine:
            loss, gradient = engine.loss_and_gradient(
                parameters, sequences, np.arange(n_samples), targets, None
            )
            raw = engine.predict(parameters, sequences)
        outcomes.append({"loss": np.array(loss), "gradient": gradient, "raw": raw})
    for comp in outcomes[1:]:
        assert_same_bits(comp, outcomes[0])


if __name__ == "__main__":
    np.savez(
        sys.argv[1],
        **{
            f"{case}/{name}": array
            for case in CASES
            for name, array in outcome(case, fit(case, n_jobs=2)).items()
        },
    )
