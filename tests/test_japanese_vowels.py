"""A search over a pipeline on ragged real sequences works, and survives pickling."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from numba import config
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMClassifier
from sklstm.preprocessing import PerStep

BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="module")
def japanese_vowels():
    """X_train, y_train, X_test, y_test; X is a list of sequences of 7 to 29 steps."""
    folder = Path(os.environ.get("SKLSTM_DATA") or BESIDE_THE_REPOSITORY)
    path = folder / "JapaneseVowels" / "JapaneseVowels.npz"
    if not path.is_file():
        pytest.skip("SKLSTM_DATA names no folder that holds JapaneseVowels")
    with np.load(path, allow_pickle=False) as arrays:
        return tuple(
            part
            for split in ("train", "test")
            for part in (
                np.split(
                    arrays[f"X_{split}_values"],
                    np.cumsum(arrays[f"X_{split}_lengths"])[:-1],
                ),
                arrays[f"y_{split}"],
            )
        )


@pytest.mark.skipif(config.DISABLE_JIT, reason="trains for hours without a compiler")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_search_over_pipeline_on_ragged_sequences(japanese_vowels):
    X_train, y_train, X_test, y_test = japanese_vowels
    classifier = LSTMClassifier(
        32, learning_rate_init=0.01, batch_size=32, max_iter=15, random_state=0
    )
    pipeline = Pipeline(
        [("scale", PerStep(StandardScaler())), ("classify", classifier)]
    )
    grid = {"classify__hidden_layer_sizes": [8, (32,)]}
    search = GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(X_train, y_train)

    assert search.score(X_test, y_test) > 0.85
    restored = pickle.loads(pickle.dumps(search))
    assert restored.best_params_ == search.best_params_
    assert_array_equal(restored.predict(X_test), search.predict(X_test))
    assert_array_equal(restored.predict_proba(X_test), search.predict_proba(X_test))
