"""Models that are kept and loaded."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import sklstm
from sklstm import LSTMClassifier, LSTMRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N_CHANNELS = 2

LOAD = """
import json, sys, warnings
import joblib, numpy as np
warnings.simplefilter("error")
model = joblib.load(sys.argv[1]).set_params(n_jobs=3)
X = np.load(sys.argv[2])
print(json.dumps([model.predict(X).tolist(), model.transform(X).tolist()]))
"""


def sequences(n=50):
    return np.random.default_rng(0).normal(size=(n, 6, N_CHANNELS))


def fitted(estimator, **parameters):
    X = sequences()
    y = X[:, -1, 0] if estimator is LSTMRegressor else X[:, -1, 0] > 0
    return estimator(5, max_iter=2, random_state=0, **parameters).fit(X, y)


both = pytest.mark.parametrize("estimator", [LSTMRegressor, LSTMClassifier])


@both
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_model_gives_the_same_bits(estimator, protocol):
    model, X = fitted(estimator), sequences()
    loaded = pickle.loads(pickle.dumps(model, protocol))
    assert_array_equal(loaded.predict(X), model.predict(X))
    assert_array_equal(loaded.transform(X), model.transform(X))


@both
def test_kept_model_gives_the_same_bits_in_another_process(estimator, tmp_path):
    model, X = fitted(estimator), sequences()
    joblib.dump(model, tmp_path / "model.joblib")
    np.save(tmp_path / "X.npy", X)
    process = subprocess.run(
        [sys.executable, "-c", LOAD, tmp_path / "model.joblib", tmp_path / "X.npy"],
        env=None,
        cwd=Path(sklstm.__file__).parents[1],
        check=True,
        capture_output=True,
        text=True,
    )
    prediction, states = json.loads(process.stdout)
    assert_array_equal(prediction, model.predict(X))
    assert_array_equal(states, model.transform(X))


@both
def test_loaded_model_goes_on_training_as_the_first_does(estimator):
    model, X = fitted(estimator), sequences()
    loaded = pickle.loads(pickle.dumps(model))
    y = model.predict(X)
    for each in (model, loaded):
        each.partial_fit(X, y)
    assert_array_equal(loaded.weights_["weight_hh_l0"], model.weights_["weight_hh_l0"])
    assert loaded.t_ == model.t_


@both
def test_weights_of_a_loaded_model_are_its_own(estimator):
    model, X = fitted(estimator), sequences()
    ref = model.transform(X)
    loaded = pickle.loads(pickle.dumps(model))
    loaded.weights_["weight_ih_l0"][:] = 0
    assert_array_equal(model.transform(X), ref)
    assert not (loaded.transform(X) == ref).all()


@both
def test_model_of_another_version_is_loaded_with_a_warning(estimator, monkeypatch):
    model, X = fitted(estimator), sequences()
    monkeypatch.setattr("sklstm._base.VERSION", "0.0.1")
    kept = pickle.dumps(model)
    monkeypatch.undo()
    message = f"kept by sklstm 0.0.1, and this is {sklstm.__version__}"
    with pytest.warns(UserWarning, match=message.replace(".", r"\.")):
        loaded = pickle.loads(kept)
    assert_array_equal(loaded.predict(X), model.predict(X))


@both
def test_model_that_is_not_fitted_can_be_kept(estimator):
    loaded = pickle.loads(pickle.dumps(estimator(7)))
    assert loaded.get_params() == estimator(7).get_params()
