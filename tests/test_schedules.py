"""Gradient descent with momentum and learning rates are those of their sources."""

import math
import warnings

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neural_network import MLPRegressor
from sklearn.neural_network._stochastic_optimizers import SGDOptimizer
from test_training import SMALL, assert_fit_is_plain, make_task

from sklstm import LSTMRegressor
from sklstm._optimizers import SGD, LearningRate

# Most fits here are cut short on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N_PARAMETERS = 40
N_STEPS = 60
for_all_momenta = pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 1.0])
with_and_without_nesterov = pytest.mark.parametrize("nesterov", [False, True])


def random_start_and_gradients():
    rng = np.random.default_rng(0)
    scale = 10.0 ** rng.uniform(-3, 3, size=N_PARAMETERS)
    gradients = scale * rng.normal(size=(N_STEPS, N_PARAMETERS))
    return rng.normal(size=N_PARAMETERS), gradients


def way(start, gradients, rates, momentum, nesterov):
    """Where our SGD stands after each step, (n_steps, n_parameters)."""
    parameters = start.copy()
    optimizer = SGD(len(start), start.dtype, momentum, nesterov)
    places = []
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.step(parameters, gradient, rate)
        places.append(parameters.copy())
    return np.array(places)


def way_of_scikit_learn(start, gradients, rates, momentum, nesterov):
    parameters = [start.copy()]
    optimizer = SGDOptimizer(parameters, momentum=momentum, nesterov=nesterov)
    places = []
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.learning_rate = rate
        optimizer.update_params(parameters, [gradient])
        places.append(parameters[0].copy())
    return np.array(places)


# --- gradient descent ---------------------------------------------------------------


@for_all_momenta
@with_and_without_nesterov
def test_sgd_is_that_of_scikit_learn_for_any_rates(momentum, nesterov):
    start, gradients = random_start_and_gradients()
    rates = np.random.default_rng(1).uniform(0.001, 0.1, size=N_STEPS)
    arguments = start, gradients, rates, momentum, nesterov
    assert reference.relative_error(
        way(*arguments), way_of_scikit_learn(*arguments)
    ) < (1e-12)


@pytest.mark.parametrize("momentum", [0.3, 0.9])
@with_and_without_nesterov
def test_sgd_at_a_constant_rate_is_that_of_torch(momentum, nesterov):
    torch = pytest.importorskip("torch")
    start, gradients = random_start_and_gradients()
    parameters = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = torch.optim.SGD(
        [parameters], lr=0.01, momentum=momentum, nesterov=nesterov
    )
    ref = []
    for gradient in gradients:
        parameters.grad = torch.from_numpy(gradient)
        optimizer.step()
        ref.append(parameters.detach().numpy().copy())
    comp = way(start, gradients, [0.01] * N_STEPS, momentum, nesterov)
    assert reference.relative_error(comp, np.array(ref)) < 1e-12


@with_and_without_nesterov
def test_sgd_in_float32_is_that_in_float64_to_rounding(nesterov):
    start, gradients = random_start_and_gradients()
    start, gradients = start.astype(np.float32), gradients.astype(np.float32)
    arguments = [0.01] * N_STEPS, 0.9, nesterov
    comp = way(start, gradients, *arguments)
    ref = way_of_scikit_learn(start.astype(float), gradients.astype(float), *arguments)
    assert comp.dtype == np.float32
    assert reference.relative_error(comp, ref) < 1e-5


@with_and_without_nesterov
def test_step_of_sgd_writes_to_no_gradient(nesterov):
    start, gradients = random_start_and_gradients()
    gradients.flags.writeable = False
    way(start, gradients, [0.01] * N_STEPS, 0.9, nesterov)


@with_and_without_nesterov
def test_sgd_is_finite_only_while_each_velocity_is(nesterov):
    optimizer = SGD(3, np.float64, 0.9, nesterov)
    optimizer.step(np.zeros(3), np.ones(3), 0.1)
    assert optimizer.is_finite()
    optimizer.step(np.zeros(3), np.array([1.0, np.inf, 1.0]), 0.1)
    assert not optimizer.is_finite()


# --- learning rates -----------------------------------------------------------------

INITIAL, N_SAMPLES, N_EPOCHS, BATCH = 0.3, 20, 50, 4
SEEN = np.arange(0, N_SAMPLES * N_EPOCHS, BATCH)


def rates(schedule, *, power_t=0.5, start=0):
    """The rate of each step of a training of N_EPOCHS epochs."""
    total = N_SAMPLES * N_EPOCHS
    rate = LearningRate(schedule, INITIAL, power_t, start, total)
    found = []
    for t in start + SEEN:
        if (t - start) % N_SAMPLES == 0:
            rate.begin_epoch(int(t))
        found.append(rate.at(int(t), BATCH))
    return np.array(found)


@pytest.mark.parametrize("schedule", ["constant", "adaptive"])
def test_rate_stays_unless_it_is_lowered(schedule):
    assert set(rates(schedule)) == {INITIAL}


@pytest.mark.parametrize("start", [0, 1000])
@pytest.mark.parametrize("power_t", [0.0, 0.5, 2.0])
def test_inverse_scaling_of_the_rate_is_by_samples_seen_before_the_epoch(
    power_t, start
):
    seen_before = start + SEEN // N_SAMPLES * N_SAMPLES
    ref = INITIAL / (seen_before + 1) ** power_t
    assert_allclose(rates("invscaling", power_t=power_t, start=start), ref, rtol=1e-13)


def test_inverse_scaling_of_the_rate_is_that_of_scikit_learn():
    optimizer = SGDOptimizer([], INITIAL, "invscaling", power_t=0.7)
    ref = []
    for epoch in range(N_EPOCHS):
        ref += [optimizer.learning_rate] * (N_SAMPLES // BATCH)
        optimizer.iteration_ends((epoch + 1) * N_SAMPLES)
    assert_allclose(rates("invscaling", power_t=0.7), ref, rtol=1e-13)


def test_rate_of_any_power_is_a_number():
    rate = LearningRate("invscaling", INITIAL, 1e300, 0, 1)
    rate.begin_epoch(10**9)
    assert rate.at(10**9, 1) == 0.0


@pytest.mark.parametrize("start", [0, 1000])
def test_cosine_goes_up_for_a_20th_of_the_steps_and_then_down_to_zero(start):
    share_before = SEEN / (N_SAMPLES * N_EPOCHS)
    share_after = (SEEN + BATCH) / (N_SAMPLES * N_EPOCHS)
    ref = INITIAL * np.cos(np.pi / 2 * share_before) ** 2  # half a cosine, 1 to 0
    warming_up = share_after < 0.05
    ref[warming_up] *= 20 * share_after[warming_up]
    comp = rates("cosine", start=start)
    assert_allclose(comp, ref, rtol=1e-12)
    assert comp.argmax() == (share_after >= 0.05).argmax()
    assert 0 < comp.min() == comp[-1] < 1e-4 * INITIAL


@pytest.mark.parametrize("initial", [INITIAL, 1e-6])
def test_adaptive_rate_is_lowered_as_often_as_in_scikit_learn(initial):
    optimizer = SGDOptimizer([], initial, "adaptive")
    rate = LearningRate("adaptive", initial, 0.5, 0, 1)
    for _ in range(20):
        goes_on = not optimizer.trigger_stopping("", verbose=False)
        assert rate.go_on() == goes_on
        rate.begin_epoch(0)
        assert rate.at(0, 1) == optimizer.learning_rate
    assert not goes_on


@pytest.mark.parametrize("schedule", ["constant", "invscaling", "cosine"])
def test_other_rates_are_not_lowered(schedule):
    rate = LearningRate(schedule, INITIAL, 0.5, 0, 1)
    rate.go_on()
    assert rate.at(0, 1) == LearningRate(schedule, INITIAL, 0.5, 0, 1).at(0, 1)


@pytest.mark.parametrize("schedule", ["constant", "invscaling", "cosine"])
def test_cosine_alone_goes_on_where_nothing_improves(schedule):
    rate = LearningRate(schedule, INITIAL, 0.5, 0, 1)
    assert rate.go_on() == (schedule == "cosine")


def test_fit_with_cosine_runs_all_epochs_and_does_not_warn():
    task = make_task("regression")
    rule = {"tol": 1e9, "n_iter_no_change": 1, "learning_rate": "cosine"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = task.fit(**SMALL | rule | {"max_iter": 7})
    assert model.n_iter_ == 7


def test_early_stopping_keeps_the_best_epoch_of_a_whole_fit_with_cosine():
    rule = {"n_iter_no_change": 1, "learning_rate": "cosine", "max_iter": 20}
    rule |= {"early_stopping": True, "validation_fraction": 0.3}
    task = make_task("regression")
    model = task.fit(**SMALL | rule | {"learning_rate_init": 0.3})
    best = int(np.argmax(model.validation_scores_))
    assert model.n_iter_ == 20 > best + 1
    epochs = []

    class Keep:
        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            epochs.append(fitted_estimator.weights_["bias_l0"].copy())

        def teardown(self, estimator, context):
            pass

    kept = LSTMRegressor(**SMALL | rule | {"learning_rate_init": 0.3})
    kept.set_callbacks(Keep()).fit(task.X, task.y)
    assert_array_equal(model.weights_["bias_l0"], epochs[best])


# --- whole fits ---------------------------------------------------------------------

DESCENT = {**SMALL, "solver": "sgd", "learning_rate_init": 0.3}
SCHEDULES = ["constant", "invscaling", "adaptive", "cosine"]


@pytest.mark.parametrize("name", ["regression", "multiclass", "multi-label"])
def test_fit_by_sgd_is_a_plain_training_loop(name):
    assert_fit_is_plain(make_task(name), **DESCENT)


@pytest.mark.parametrize(
    "constant",
    [{"momentum": 0.0}, {"momentum": 0.4}, {"nesterovs_momentum": False}],
    ids=str,
)
def test_constants_of_sgd_are_those_given(constant):
    assert_fit_is_plain(make_task("regression"), **DESCENT | constant)


def test_fit_by_sgd_in_float32_is_a_plain_training_loop_to_rounding():
    parameters = DESCENT | {"dtype": "float32"}
    assert_fit_is_plain(make_task("regression"), tolerance=1e-4, **parameters)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("learning_rate", SCHEDULES)
def test_fit_at_any_rate_is_a_plain_training_loop(learning_rate, solver):
    parameters = DESCENT if solver == "sgd" else SMALL
    assert_fit_is_plain(
        make_task("regression"), **parameters | {"learning_rate": learning_rate}
    )


def test_power_of_inverse_scaling_is_that_given():
    assert_fit_is_plain(
        make_task("regression"),
        **DESCENT | {"learning_rate": "invscaling", "power_t": 0.1},
    )


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_adaptive_rate_is_lowered_where_training_would_stop(solver):
    task = make_task("regression", n_samples=9)
    parameters = SMALL | {
        "solver": solver,
        "learning_rate_init": 0.5,
        "max_iter": 25,
        "tol": 0.02,
        "n_iter_no_change": 2,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        n_epochs = task.fit(**parameters).n_iter_
    assert n_epochs < 25
    parameters["learning_rate"] = "adaptive"
    assert_fit_is_plain(task, tolerance=1e-8, **parameters)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_training_at_an_adaptive_rate_stops_where_that_of_an_mlp_does(early_stopping):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
    n_iter = [
        estimator(
            hidden_layer_sizes=2,
            solver="sgd",
            learning_rate="adaptive",
            learning_rate_init=0.01,
            tol=1e9,
            n_iter_no_change=3,
            early_stopping=early_stopping,
            random_state=0,
        )
        .fit(X, y)
        .n_iter_
        for estimator in (LSTMRegressor, MLPRegressor)
    ]
    # Until the rate is 1e-6 or less, and once more.
    assert n_iter == [1 + 4 * (1 + math.ceil(math.log(0.01 / 1e-6, 5)))] * 2


def test_cosine_begins_anew_with_each_fit():
    task = make_task("regression")
    models = []
    for max_iter in (1, 3):  # samples seen before do not matter
        model = task.fit(warm_start=True, **SMALL | {"max_iter": max_iter})
        for weight in model.weights_.values():
            weight[:] = np.linspace(-0.5, 0.5, weight.size).reshape(weight.shape)
        model.set_params(learning_rate="cosine", max_iter=4).fit(task.X, task.y)
        models.append(model)
    for name, weight in models[0].weights_.items():
        assert_array_equal(models[1].weights_[name], weight)
    assert models[1].loss_curve_[3:] == models[0].loss_curve_[1:]


def test_rate_of_inverse_scaling_goes_on_with_the_samples_seen():
    task = make_task("regression", n_samples=8)
    parameters = SMALL | {"solver": "sgd", "momentum": 0.0, "max_iter": 1}
    parameters |= {"max_grad_norm": None, "shuffle": False}
    parameters["warm_start"] = True
    model = task.fit(**parameters | {"learning_rate": "invscaling"})
    before = model.weights_["weight_hh_l0"].copy()
    model.fit(task.X, task.y)
    step = model.weights_["weight_hh_l0"] - before

    full = task.fit(**parameters | {"learning_rate": "constant"})
    middle = full.weights_["weight_hh_l0"].copy()
    full.fit(task.X, task.y)
    full_step = full.weights_["weight_hh_l0"] - middle
    assert_array_equal(before, middle)  # the rate of the first epoch is the initial one
    assert reference.relative_error(step, full_step / 9**0.5) < 1e-9
