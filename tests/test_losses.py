"""The losses of the regressor, as its users see them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import (
    mean_absolute_error,
    mean_gamma_deviance,
    mean_pinball_loss,
    mean_poisson_deviance,
)

from sklstm import LSTMRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {
    "hidden_layer_sizes": 5,
    "max_iter": 5,
    "n_iter_no_change": 5,
    "learning_rate_init": 0.01,
    "batch_size": 32,
    "random_state": 0,
}
QUANTILE = 0.8


def data(n=120):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(length, 2)) for length in rng.integers(3, 9, n)]
    return X, np.array([np.exp(x[-1, 0] + 0.3 * rng.normal()) for x in X])


# The mean loss of predictions, which are means where raw outputs are logarithms.
MEAN_LOSSES = {
    "absolute_error": mean_absolute_error,
    "quantile": lambda y, mu: mean_pinball_loss(y, mu, alpha=QUANTILE),
    "poisson": lambda y, mu: (
        mean_poisson_deviance(y, mu) / 2 + np.mean(y - y * np.log(y))
    ),
    "gamma": lambda y, mu: mean_gamma_deviance(y, mu) / 2 + np.mean(1 + np.log(y)),
}
for_all_losses = pytest.mark.parametrize("loss", MEAN_LOSSES)


def regressor(loss, **parameters):
    quantile = QUANTILE if loss == "quantile" else None
    return LSTMRegressor(loss=loss, quantile=quantile, **SMALL | parameters)


@for_all_losses
def test_validation_score_is_minus_the_loss(loss):
    X, y = data()
    model = regressor(loss, early_stopping=True, normalize_y=False, dtype="float64")
    model.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
    ref = -MEAN_LOSSES[loss](y[80:], model.predict(X[80:]))
    assert model.best_validation_score_ == pytest.approx(ref)


@for_all_losses
def test_training_lowers_the_loss(loss):
    X, y = data()
    model = regressor(loss, max_iter=60, n_iter_no_change=60).fit(X[:80], y[:80])
    found = MEAN_LOSSES[loss](y[80:], model.predict(X[80:]))
    constant = np.median(y[:80]) if loss == "absolute_error" else y[:80].mean()
    if loss == "quantile":
        constant = np.quantile(y[:80], QUANTILE)
    assert found < MEAN_LOSSES[loss](y[80:], np.full(40, constant))


@for_all_losses
@pytest.mark.parametrize("scale", [2.0**10, 2.0**-600])
def test_predictions_are_in_the_units_of_y(loss, scale):
    X, y = data()
    ref = regressor(loss, dtype="float64").fit(X, y).predict(X)
    comp = regressor(loss, dtype="float64").fit(X, scale * y).predict(X)
    assert_allclose(comp / scale, ref, rtol=1e-9)


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_predictions_of_counts_and_amounts_are_above_zero(loss):
    X, y = data()
    model = regressor(loss).fit(X, y)
    assert model.predict(X).min() > 0
    assert model.out_activation_ == "exp"


@for_all_losses
def test_several_outputs_are_each_its_own(loss):
    X, y = data()
    model = regressor(loss, max_iter=60, n_iter_no_change=60)
    found = model.fit(X, np.column_stack([y, y[::-1] + 50])).predict(X)
    assert found.shape == (120, 2)
    assert abs(found[:, 1] - 50).max() < 20
    assert found[:, 0].max() < 30


@pytest.mark.parametrize(
    ("loss", "value", "message"),
    [
        (
            "poisson",
            -1.0,
            r"y\[7\] is -1.0: loss='poisson' needs targets of at least 0",
        ),
        ("gamma", 0.0, r"y\[7\] is 0.0: loss='gamma' needs targets above 0"),
    ],
)
def test_target_that_a_loss_cannot_have_is_refused(loss, value, message):
    X, y = data()
    y[7] = value
    with pytest.raises(ValueError, match=message):
        regressor(loss).fit(X, y)


def test_counts_that_are_all_zero_are_refused():
    X, y = data()
    with pytest.raises(ValueError, match="y is zero throughout: loss='poisson'"):
        regressor("poisson").fit(X, 0 * y)


def test_counts_of_an_output_that_are_all_zero_are_refused():
    X, y = data()
    with pytest.raises(ValueError, match=r"y\[:, 1\] is zero throughout"):
        regressor("poisson").fit(X, np.column_stack([y, 0 * y]))


def test_counts_that_come_later_may_be_all_zero():
    X, y = data()
    model = regressor("poisson").partial_fit(X, np.floor(y)).partial_fit(X, 0 * y)
    assert np.isfinite(model.predict(X)).all()


def test_counts_to_validate_on_may_be_all_zero():
    X, y = data()
    model = regressor("poisson").set_params(early_stopping=True)
    model.fit(X, np.floor(y), X_val=X, y_val=0 * y)
    assert np.isfinite(model.validation_scores_).all()


def test_counts_may_be_zero():
    X, y = data()
    assert np.isfinite(regressor("poisson").fit(X, np.floor(y)).predict(X)).all()


def test_quantile_without_a_number_is_refused():
    X, y = data()
    with pytest.raises(ValueError, match='loss="quantile" needs quantile'):
        LSTMRegressor(loss="quantile", **SMALL).fit(X, y)


def test_quantile_of_another_loss_may_change_when_training_goes_on():
    X, y = data()
    model = LSTMRegressor(**SMALL).partial_fit(X, y)
    model.set_params(quantile=0.3).partial_fit(X, y)
    with pytest.raises(ValueError, match=r"quantile=0\.4, but the network"):
        regressor("quantile").partial_fit(X, y).set_params(quantile=0.4).partial_fit(
            X, y
        )


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_outputs_whose_exponential_overflows_are_no_infinite_predictions(loss):
    X, y = data()
    model = regressor(loss).fit(X, y)
    model.weights_["head.bias_0"][:] = 1e4
    assert np.isfinite(model.predict(X)).all()
