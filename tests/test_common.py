"""scikit-learn's own checks of estimators."""

import pytest
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    parametrize_with_checks,
)

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm.preprocessing import PerStep

ESTIMATORS = [LSTMClassifier(), LSTMRegressor(), PerStep(StandardScaler())]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_check(estimator, check):
    name = getattr(check, "func", check).__name__
    if name == "check_sample_weight_equivalence_on_dense_data":
        # It compares two trained networks to 1e-7, and training amplifies rounding;
        # scikit-learn's own MLPs are checked with few iterations too.
        estimator = clone(estimator)
        if not isinstance(estimator, PerStep):
            estimator.set_params(dtype="float64", max_iter=15)
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
@pytest.mark.parametrize(
    "check", [check_param_validation, check_dataframe_column_names_consistency]
)
def test_scikit_learn_check_that_is_never_yielded(estimator, check):
    check(type(estimator).__name__, estimator)
