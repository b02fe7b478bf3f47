"""The optimizers take the steps of the papers that they come from, and of PyTorch."""

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal

from sklstm._optimizers import Adam

N_PARAMETERS = 40
N_STEPS = 60
for_all_constants = pytest.mark.parametrize(
    ("learning_rate", "beta_1", "beta_2", "epsilon"),
    [
        (0.001, 0.9, 0.999, 1e-8),
        (0.1, 0.5, 0.9, 1e-3),
        (0.01, 0.0, 0.99, 1e-8),
        (0.01, 0.9, 0.5, 1e-2),
    ],
)


def random_start_and_gradients(rng):
    """Parameters, and gradients of N_STEPS steps, whose sizes are far apart."""
    scale = 10.0 ** rng.uniform(-6, 3, size=N_PARAMETERS)
    gradients = scale * rng.normal(size=(N_STEPS, N_PARAMETERS))
    return rng.normal(size=N_PARAMETERS), gradients


def way(start, gradients, learning_rates, beta_1, beta_2, epsilon):
    """Where our Adam stands after each step, (n_steps, n_parameters)."""
    parameters = start.copy()
    optimizer = Adam(len(start), start.dtype, beta_1, beta_2, epsilon)
    places = []
    for gradient, learning_rate in zip(gradients, learning_rates, strict=True):
        optimizer.step(parameters, gradient, learning_rate)
        places.append(parameters.copy())
    return np.array(places)


def way_of_the_paper(start, gradients, learning_rates, beta_1, beta_2, epsilon):
    """Algorithm 1 of Kingma & Ba (2015), in its letters."""
    theta, m, v = start, np.zeros_like(start), np.zeros_like(start)
    places = []
    for t, (g, alpha) in enumerate(zip(gradients, learning_rates, strict=True), 1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        m_hat = m / (1 - beta_1**t)
        v_hat = v / (1 - beta_2**t)
        theta = theta - alpha * m_hat / (np.sqrt(v_hat) + epsilon)
        places.append(theta)
    return np.array(places)


def way_of_torch(torch, start, gradients, learning_rates, beta_1, beta_2, epsilon):
    parameters = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = torch.optim.Adam([parameters], betas=(beta_1, beta_2), eps=epsilon)
    places = []
    for gradient, learning_rate in zip(gradients, learning_rates, strict=True):
        optimizer.param_groups[0]["lr"] = learning_rate
        parameters.grad = torch.from_numpy(gradient)
        optimizer.step()
        places.append(parameters.detach().numpy().copy())
    return np.array(places)


@for_all_constants
def test_adam_is_that_of_the_paper(learning_rate, beta_1, beta_2, epsilon):
    start, gradients = random_start_and_gradients(np.random.default_rng(0))
    arguments = (start, gradients, [learning_rate] * N_STEPS, beta_1, beta_2, epsilon)
    ref = way_of_the_paper(*arguments)
    assert reference.relative_error(way(*arguments), ref) <= 1e-12


@for_all_constants
def test_adam_is_that_of_torch(learning_rate, beta_1, beta_2, epsilon):
    torch = pytest.importorskip("torch")
    start, gradients = random_start_and_gradients(np.random.default_rng(0))
    arguments = (start, gradients, [learning_rate] * N_STEPS, beta_1, beta_2, epsilon)
    ref = way_of_torch(torch, *arguments)
    assert reference.relative_error(way(*arguments), ref) <= 1e-12


@pytest.mark.parametrize(("beta_1", "beta_2"), [(0.0, 0.0), (0.0, 0.9), (1e-25, 1e-25)])
def test_adam_keeps_all_digits_of_a_gradient_that_follows_a_large_one(beta_1, beta_2):
    rng = np.random.default_rng(0)
    large, small = 1e9 * rng.normal(size=5), rng.normal(size=5)
    optimizer = Adam(5, np.float64, beta_1, beta_2, 1e-8)
    optimizer.step(np.zeros(5), large, 1.0)
    comp = np.zeros(5)
    optimizer.step(comp, small, 1.0)
    m = beta_1 * large + small
    v = (beta_2 * (1 - beta_2) * large**2 + (1 - beta_2) * small**2) / (1 - beta_2**2)
    assert_allclose(comp, -m / (np.sqrt(v) + 1e-8), rtol=1e-14)


def test_learning_rate_of_adam_may_change_from_step_to_step():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    start, gradients = random_start_and_gradients(rng)
    learning_rates = rng.uniform(0.001, 0.1, size=N_STEPS)
    arguments = (start, gradients, learning_rates, 0.9, 0.999, 1e-8)
    ref = way_of_torch(torch, *arguments)
    assert reference.relative_error(way(*arguments), ref) <= 1e-12


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e15])
def test_first_step_of_adam_is_the_learning_rate_whatever_the_gradient(scale):
    rng = np.random.default_rng(0)
    start = np.zeros(N_PARAMETERS)
    gradient = scale * rng.choice([-2.0, -0.5, 0.5, 2.0], size=(1, N_PARAMETERS))
    comp = way(start, gradient, [0.01], 0.9, 0.999, 1e-30)
    assert reference.relative_error(comp, -0.01 * np.sign(gradient)) <= 1e-14


def test_parameter_without_a_gradient_is_left_by_adam_where_it_is():
    start, gradients = random_start_and_gradients(np.random.default_rng(0))
    gradients[:, ::3] = 0
    comp = way(start, gradients, [0.01] * N_STEPS, 0.9, 0.999, 1e-8)
    assert_array_equal(comp[:, ::3], np.tile(start[::3], (N_STEPS, 1)))


def test_step_of_adam_writes_to_no_gradient():
    start, gradients = random_start_and_gradients(np.random.default_rng(0))
    gradients.flags.writeable = False
    way(start, gradients, [0.01] * N_STEPS, 0.9, 0.999, 1e-8)


def test_adam_in_float32_is_that_of_the_paper_to_rounding():
    start, gradients = random_start_and_gradients(np.random.default_rng(0))
    start, gradients = start.astype(np.float32), gradients.astype(np.float32)
    comp = way(start, gradients, [0.01] * N_STEPS, 0.9, 0.999, 1e-8)
    ref = way_of_the_paper(
        start.astype(np.float64),
        gradients.astype(np.float64),
        [0.01] * N_STEPS,
        0.9,
        0.999,
        1e-8,
    )
    assert comp.dtype == np.float32
    assert reference.relative_error(comp, ref) <= 1e-6
