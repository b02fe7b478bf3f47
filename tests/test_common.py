"""scikit-learn's own checks of estimators."""

import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    parametrize_with_checks,
)

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm.preprocessing import PerStep

ESTIMATORS = [LSTMClassifier(), LSTMRegressor(), PerStep(StandardScaler())]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
@pytest.mark.parametrize(
    "check", [check_param_validation, check_dataframe_column_names_consistency]
)
def test_scikit_learn_check_that_is_never_yielded(estimator, check):
    check(type(estimator).__name__, estimator)
