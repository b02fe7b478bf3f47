"""Models that releases kept are loaded by this version, and answer as they did then.

`keep_release.py` writes them.
"""

import pickle
import warnings

import numpy as np
import pytest
import reference
from keep_release import FOLDER, answers
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax
from sklearn.exceptions import InconsistentVersionWarning

RELEASES = [path.stem for path in FOLDER.glob("*.pickle")]
NAMES = ["regressor", "counts", "classifier", "two classes"]
of_all = pytest.mark.parametrize(
    ("release", "name"), [(release, name) for release in RELEASES for name in NAMES]
)


def loaded(release):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        warnings.filterwarnings("ignore", "This LSTM.* was kept by sklstm", UserWarning)
        return pickle.loads((FOLDER / f"{release}.pickle").read_bytes())


def kept(release):
    with np.load(FOLDER / f"{release}.npz") as arrays:
        return dict(arrays)


def answers_of_reference(model, X):
    """What a model's weights make of X, in plain NumPy.

    Without predictions in units of the targets, which the weights do not hold.
    """
    weights = {name: weight.astype(float) for name, weight in model.weights_.items()}
    sequences = list((X.astype(float) - model.X_offset_) / model.X_scale_)
    states = reference.pooled(weights, sequences, model.pooling)
    if getattr(model, "normalize_y", False):
        return states
    raw = reference.raw_output(weights, sequences, model.pooling)
    if model.out_activation_ == "softmax":
        raw = softmax(raw, axis=1)
    if model.out_activation_ == "logistic":
        raw = np.column_stack([expit(-raw), expit(raw)])
    return np.column_stack([states, raw])


def test_there_is_a_release():
    assert RELEASES
    assert len(list(FOLDER.glob("*.npz"))) == len(RELEASES)


@pytest.mark.parametrize("release", RELEASES)
def test_files_of_a_release_are_small(release):
    assert sum(path.stat().st_size for path in FOLDER.glob(f"{release}.*")) < 20_000


@of_all
def test_model_of_a_release_answers_as_it_did(release, name):
    arrays = kept(release)
    comp = answers(loaded(release)[name], arrays["X"])
    assert_allclose(comp, arrays[name], rtol=1e-5, atol=1e-6)


@of_all
def test_model_of_a_release_computes_what_its_weights_say(release, name):
    X, model = kept(release)["X"], loaded(release)[name]
    ref = answers_of_reference(model, X)
    comp = answers(model, X)[:, : ref.shape[1]]
    assert_allclose(comp, ref, rtol=1e-5, atol=1e-6)


@of_all
def test_model_of_a_release_goes_on(release, name):
    """With training, and with being kept."""
    X, model = kept(release)["X"], loaded(release)[name]
    y = model.predict(X)
    before = model.t_
    model.set_params(early_stopping=False, batch_size=5).partial_fit(X, y)
    assert model.t_ == before + len(X)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.transform(X), model.transform(X))
