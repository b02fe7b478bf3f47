"""Any input, however odd, is used or refused by name, and stays as it is."""

import copy
import faulthandler
import re
import sys
import warnings
from collections import Counter
from contextlib import contextmanager, suppress

import numpy as np
import pandas as pd
import pytest
from any_input import DATA, USUAL, cases
from hypothesis import HealthCheck, Phase, given, settings
from pandas.api.extensions import ExtensionArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning

from sklstm import LSTMClassifier, LSTMRegressor

ESTIMATORS = {"classifier": LSTMClassifier, "regressor": LSTMRegressor}
NOT_OURS = re.compile("numba|typing ?error|llvm|njit|traceback", re.IGNORECASE)
# What an odd argument may be at odds with, for a message to name in its place.
AT_ODDS = {
    "X": {"n_channels", "window", "group_column", "feature names"},
    "y": {"loss", "early_stopping", "class_weight", "classes"},
    "group_column": {"X"},
    "sample_weight": {"alpha", "early_stopping", "class_weight"},
    "n_series": {"window", "bidirectional"},
    "x": {"window", "bidirectional"},
}
HANGS = 300  # seconds; the first case may have kernels to compile


class Refused(Exception):
    """What a ValueError or TypeError becomes that names its cause."""


@contextmanager
def refused_by_name(odd):
    """Tell a refusal that names what is odd from anything else that may happen."""
    names = {*odd, *(name for cause in odd for name in AT_ODDS.get(cause, ()))}
    faulthandler.dump_traceback_later(HANGS, exit=True, file=sys.__stderr__)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    except (ValueError, TypeError) as error:
        message = str(error)
        assert not NOT_OURS.search(message), message
        assert names_one_of(message, names), f"{message!r} names none of {names}"
        raise Refused from error
    finally:
        faulthandler.cancel_dump_traceback_later()
        for warning in caught:
            assert is_documented(warning), repr(warning.message)


def names_one_of(message, names):
    return any(re.search(rf"\b{name}\b", message) for name in names)


def is_documented(warning):
    if warning.category in (ConvergenceWarning, DataConversionWarning):
        return True
    named = names_one_of(str(warning.message), [*USUAL, *DATA])
    return warning.category is UserWarning and named


def fingerprint(data):
    """All that there is of data, to be compared with it later."""
    if isinstance(data, dict):
        return [fingerprint(item) for pair in data.items() for item in pair]
    if isinstance(data, list | tuple) and not (data and data[0] is data):
        return type(data), [fingerprint(item) for item in data]
    if isinstance(data, pd.DataFrame):
        columns = [data.iloc[:, place] for place in range(data.shape[1])]
        return fingerprint([data.columns, data.index, *columns])
    if isinstance(data, pd.Series | pd.Index | ExtensionArray):
        return str(data.dtype), fingerprint(np.asarray(data))
    if isinstance(data, np.ndarray):
        own = type(data), str(data.flags), data.dtype.str, data.shape, data.strides
        items = data.ravel().tolist() if data.dtype.hasobject else [data.tobytes()]
        return own, fingerprint(items)
    if sparse.issparse(data):
        return fingerprint(vars(data))
    return repr(data)


def check_outputs(model, X):
    """Check that what comes of X is finite and of the right shape."""
    n_samples = len(model._given(X))
    states, predictions = model.transform(X), model.predict(X)
    assert states.shape == (n_samples, model._n_features_out)
    assert np.isfinite(states).all()
    check_predictions(model, predictions, n_samples)
    if isinstance(model, LSTMClassifier):
        shape = n_samples, len(model.classes_)
        probabilities, logs = model.predict_proba(X), model.predict_log_proba(X)
        assert probabilities.shape == logs.shape == shape
        assert ((probabilities >= 0) & (probabilities <= 1)).all()
        assert not np.isnan(logs).any()


def check_predictions(model, predictions, n_samples):
    assert predictions.shape in [(n_samples,), (n_samples, model.n_outputs_)]
    if isinstance(model, LSTMClassifier):
        assert np.isin(predictions, model.classes_).all()
    else:
        assert predictions.dtype == np.float64
        assert np.isfinite(predictions).all()


def fit(case):
    """Fit an estimator, which then is of use for all that it was given."""
    model = case.estimator(**case.parameters)
    with refused_by_name(case.odd):
        assert getattr(model, case.method)(**case.data) is model
        check_outputs(model, case.data["X"])
    given = case.parameters.items()
    assert all(getattr(model, name) is value for name, value in given)
    return model


def use_further(model, case):
    """Call methods of a fitted estimator with more that is odd, one thing a call."""
    usual = {name: case.data[name] for name in ("X", "y", "sample_weight")}
    for name in usual:
        data = usual | {name: case.later[name]}
        with suppress(Refused), refused_by_name({name, *case.odd}):
            assert not np.isnan(model.score(**data))
        not_further = {"early_stopping", "class_weight"}
        with suppress(Refused), refused_by_name({name, *case.odd, *not_further}):
            further = copy.deepcopy(model).partial_fit(**data)
            check_outputs(further, data["X"])
    with suppress(Refused), refused_by_name({"X"}):
        check_outputs(model, case.later["X"])
    with suppress(Refused), refused_by_name({"n_series"}):
        model.stream(case.later["n_series"])
    with suppress(Refused), refused_by_name({"x"}):
        predictions = model.stream(2).predict(case.later["x"])
        check_predictions(model, predictions, 2)


@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
@pytest.mark.parametrize("n_cases", [150, pytest.param(5000, marks=pytest.mark.slow)])
def test_any_input_is_used_or_refused_by_name_and_stays_as_it_is(estimator, n_cases):
    outcomes = Counter()

    def check(case):
        before = fingerprint([case.data, case.later])
        try:
            use_further(fit(case), case)
            outcomes["used"] += 1
        except Refused:
            outcomes["refused"] += 1
        assert fingerprint([case.data, case.later]) == before

    # How much is odd is not left to Hypothesis, whose few draws are not evenly spread.
    for n_odd, share in ((0, 0.4), (1, 0.4), (2, 0.2)):
        some = settings(
            max_examples=round(share * n_cases),
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],  # to make a case smaller takes minutes
            suppress_health_check=[*HealthCheck],
        )
        some(given(case=cases(estimator, n_odd))(check))()
    # Else the cases are too tame, or too wild.
    assert min(outcomes["used"], outcomes["refused"]) >= n_cases / 3, outcomes


def test_every_parameter_is_drawn():
    for estimator in ESTIMATORS.values():
        assert estimator().get_params().keys() <= USUAL.keys()
