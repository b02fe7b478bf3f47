"""Keeps models of this version in a file, for all versions to come to load.

python tests/keep_release.py
"""

import pickle
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import sklstm
from sklstm import LSTMClassifier, LSTMRegressor

FOLDER = Path(__file__).parent / "releases"
PARAMETERS = {"max_iter": 3, "batch_size": 8, "random_state": 0}


def fitted_models(X):
    """Return fitted models by name."""
    y = X[:, :, 0].sum(axis=1)
    labels = np.array(["low", "middle", "high"])[np.digitize(y, [-1, 1])]
    models = {
        "regressor": LSTMRegressor(
            (4, 3), bidirectional=True, normalize_y=False, **PARAMETERS
        ),
        "counts": LSTMRegressor(4, loss="poisson", pooling="mean", **PARAMETERS),
        "classifier": LSTMClassifier(4, pooling="max", solver="sgd", **PARAMETERS),
        "two classes": LSTMClassifier(
            4, head_layer_sizes=(3,), early_stopping=True, **PARAMETERS
        ),
    }
    targets = {
        "regressor": np.column_stack([y, -y]),
        "counts": np.floor(np.exp(y / 2)),
        "classifier": labels,
        "two classes": y > 0,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return {name: model.fit(X, targets[name]) for name, model in models.items()}


def answers(model, X):
    """Return what is kept of a model's answers, (n_samples, n_values)."""
    predict = getattr(model, "predict_proba", model.predict)
    return np.column_stack([model.transform(X), predict(X)])


def main():
    """Write the models, sequences and the models' answers."""
    X = np.random.default_rng(0).normal(size=(40, 5, 2)).astype(np.float32)
    models, shown = fitted_models(X), X[:10]
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{sklstm.__version__}.pickle"
    path.write_bytes(pickle.dumps(models, protocol=5))
    kept = {name: answers(model, shown) for name, model in models.items()}
    np.savez_compressed(FOLDER / f"{sklstm.__version__}.npz", X=shown, **kept)


if __name__ == "__main__":
    main()
