"""Models that are kept and loaded."""

import io
import pickle
import subprocess
import sys
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from numpy.testing import assert_array_equal
from sklearn.base import clone

import sklstm
from sklstm import LSTMClassifier, LSTMRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N_CHANNELS = 2


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
    monkeypatch.setattr("sklstm._fitted.VERSION", "0.0.1")
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


# --- any keeper, another process, any number of threads -------------------------------


def by_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    return file.getvalue()


def from_skops(kept):
    """Load what skops kept, which asks whether its types are to be trusted."""
    types = skops.io.get_untrusted_types(data=kept)
    assert all(name.startswith("sklstm.") for name in types), types
    return skops.io.loads(kept, trusted=types)


KEEPERS = {
    "pickle": (pickle.dumps, pickle.loads),
    "joblib": (by_joblib, lambda kept: joblib.load(io.BytesIO(kept))),
    "cloudpickle": (cloudpickle.dumps, cloudpickle.loads),
    "skops": (skops.io.dumps, from_skops),
}
X = sequences()
Y = X[:, -1, 0]
TABLE = pd.DataFrame(X[:, 0], columns=["load", "wind"])
CASES = {  # an estimator, X and y
    "deep": (
        LSTMRegressor(
            (5, 3), bidirectional=True, head_layer_sizes=(4,), random_state=0
        ),
        [x[: 1 + k % 6] for k, x in enumerate(X)],
        np.column_stack([Y, Y**2]),
    ),
    "poisson": (
        LSTMRegressor(
            5, loss="poisson", dtype="float64", random_state=np.random.RandomState(0)
        ),
        X,
        np.exp(Y),
    ),
    "labels": (
        LSTMClassifier(5, solver="sgd", early_stopping=True, random_state=0),
        X,
        np.array(["low", "middle", "high"])[np.digitize(Y, [-0.5, 0.5])],
    ),
    "table": (LSTMClassifier(5, window=3, random_state=0), TABLE, Y > 0),
}
N_JOBS = (1, 2, 5)
cases = pytest.mark.parametrize("case", CASES)
keepers = pytest.mark.parametrize("keeper", KEEPERS)


def fitted_case(case):
    estimator, X, y = CASES[case]
    return clone(estimator).set_params(max_iter=2, batch_size=16, n_jobs=2).fit(X, y)


def answers(model, X):
    predict = getattr(model, "predict_proba", model.predict)
    return np.column_stack([model.transform(X), predict(X)])


@cases
@keepers
def test_loaded_model_answers_and_goes_on_as_the_first_does(keeper, case):
    model = fitted_case(case)
    dumps, loads = KEEPERS[keeper]
    loaded = loads(dumps(model))
    _, X, y = CASES[case]
    assert_array_equal(answers(loaded, X), answers(model, X))
    for each in (model, loaded):
        each.set_params(early_stopping=False).partial_fit(X, y)
    for name, weight in model.weights_.items():
        assert_array_equal(loaded.weights_[name], weight)
    assert loaded.loss_curve_ == model.loss_curve_


ANSWER = """
import sys, warnings
from pathlib import Path
import numpy as np
warnings.simplefilter("error")
sys.path.append(sys.argv[1])
from test_persistence import CASES, KEEPERS, N_JOBS, answers
for path in Path(sys.argv[2]).glob("*.kept"):
    keeper, case = path.stem.split()
    _, loads = KEEPERS[keeper]
    model = loads(path.read_bytes())
    _, X, _ = CASES[case]
    given = [answers(model.set_params(n_jobs=n_jobs), X) for n_jobs in N_JOBS]
    np.save(path.with_suffix(".npy"), given)
"""


@pytest.fixture(scope="module")
def answers_elsewhere(tmp_path_factory):
    """The folder of what another process answers with the models that it loads."""
    folder = tmp_path_factory.mktemp("models")
    for case in CASES:
        model = fitted_case(case)
        np.save(folder / f"{case}.npy", answers(model, CASES[case][1]))
        for keeper, (dumps, _) in KEEPERS.items():
            (folder / f"{keeper} {case}.kept").write_bytes(dumps(model))
    subprocess.run(
        [sys.executable, "-c", ANSWER, Path(__file__).parent, folder],
        cwd=Path(sklstm.__file__).parents[1],
        check=True,
    )
    return folder


@cases
@keepers
def test_another_process_answers_the_same_on_any_number_of_threads(
    keeper, case, answers_elsewhere
):
    ref = np.load(answers_elsewhere / f"{case}.npy")
    comp = np.load(answers_elsewhere / f"{keeper} {case}.npy")
    assert len(comp) == len(N_JOBS)
    for given in comp:
        assert_array_equal(given, ref)


@keepers
def test_every_keeper_notes_the_version(keeper, monkeypatch):
    dumps, loads = KEEPERS[keeper]
    model = fitted_case("deep")
    monkeypatch.setattr("sklstm._fitted.VERSION", "0.0.1")
    kept = dumps(model)
    monkeypatch.undo()
    with pytest.warns(UserWarning, match=r"kept by sklstm 0\.0\.1, and this is"):
        loads(kept)


def test_class_of_a_notebook_is_kept_by_cloudpickle():
    class Mine(LSTMRegressor):
        """One that no module holds."""

    model = fitted(Mine)
    loaded = cloudpickle.loads(cloudpickle.dumps(model))
    assert_array_equal(loaded.predict(X), model.predict(X))
