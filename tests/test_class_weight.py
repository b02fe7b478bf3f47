"""class_weight is a sample_weight for each class."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils.class_weight import compute_sample_weight
from test_training import SMALL, assert_weights_equal, make_task

from sklstm import LSTMClassifier

# Most fits here are cut short on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

for_all_weights = pytest.mark.parametrize(
    "class_weight",
    [{"a": 2.0, "b": 0.3, "c": 5}, {"b": 4.0}, {"a": 0.0}, {}, "balanced"],
    ids=str,
)


def some_weights(task):
    return np.random.default_rng(1).uniform(0.1, 5, size=len(task.y))


def weights_by_hand(class_weight, y, sample_weight):
    """The weight of each sample: its own times that of its class."""
    labels = set(y[sample_weight > 0])
    if class_weight == "balanced":
        of_label = {label: sample_weight[y == label].sum() for label in labels}
        total = sum(of_label.values())
        class_weight = {k: total / len(labels) / share for k, share in of_label.items()}
    return sample_weight * np.array([class_weight.get(label, 1.0) for label in y])


def assert_same_fit(comp, ref):
    assert_weights_equal(comp.weights_, ref.weights_)
    assert_allclose(comp.loss_curve_, ref.loss_curve_, rtol=1e-12)


@for_all_weights
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_class_weights_multiply_sample_weights(class_weight, weighted, alpha):
    task = make_task("multiclass")
    sample_weight = some_weights(task) if weighted else np.ones(len(task.y))
    parameters = SMALL | {"alpha": alpha}  # it stands beside the sum of the weights
    comp = task.fit(
        sample_weight if weighted else None, class_weight=class_weight, **parameters
    )
    ref = task.fit(weights_by_hand(class_weight, task.y, sample_weight), **parameters)
    assert_same_fit(comp, ref)


def test_product_of_weights_may_be_too_small_for_float64():
    task, class_weight = make_task("multiclass"), {"a": 0.25, "b": 0.125, "c": 0.125}
    parameters = SMALL | {"alpha": 0.0, "class_weight": class_weight}
    comp = task.fit(np.full(len(task.y), 5e-324), **parameters)
    assert_same_fit(comp, task.fit(np.ones(len(task.y)), **parameters))
    with pytest.raises(ValueError, match=r"alpha=1 is too large for sample_weight"):
        task.fit(np.full(len(task.y), 5e-324), **parameters | {"alpha": 1})


@pytest.mark.parametrize("name", ["binary", "multiclass"])
def test_balanced_weights_are_those_of_scikit_learn(name):
    task = make_task(name)
    comp = task.fit(class_weight="balanced", **SMALL)
    assert_same_fit(comp, task.fit(compute_sample_weight("balanced", task.y), **SMALL))


def test_balanced_weights_make_up_for_repeated_samples():
    task = make_task("binary")
    often = task.y == "yes"
    repeated = task.take(np.repeat(np.arange(len(often)), np.where(often, 3, 1)))
    parameters = SMALL | {"class_weight": "balanced", "shuffle": False}
    comp = repeated.fit(**parameters | {"batch_size": len(repeated.y)})
    assert_same_fit(comp, task.fit(**parameters | {"batch_size": len(often)}))


@pytest.mark.parametrize("class_weight", ["balanced", {"a": 3.0, "b": 0.1}], ids=str)
def test_classes_whose_samples_have_no_weight_are_as_good_as_absent(class_weight):
    task = make_task("multiclass")
    sample_weight = some_weights(task) * (task.y != "c")
    parameters = SMALL | {"alpha": 0.1}  # it stands beside the sum of the weights
    comp = task.fit(sample_weight, class_weight=class_weight, **parameters)
    weights = weights_by_hand(class_weight, task.y, sample_weight)
    assert_same_fit(comp, task.fit(weights, **parameters))
    assert_array_equal(comp.classes_, ["a", "b", "c"])


@pytest.mark.parametrize(
    "labels", [[0, 1, 2], [-3, 5, 7], [1.0, 2.0, 3.0], ["0", "1", "2"]], ids=str
)
def test_classes_are_told_by_their_values(labels):
    """Strings of digits too, which scikit-learn takes for numbers."""
    task = make_task("multiclass")
    y = np.array(labels)[np.searchsorted(["a", "b", "c"], task.y)]
    comp = LSTMClassifier(class_weight={labels[1]: 4.0}, **SMALL).fit(task.X, y)
    assert_same_fit(comp, task.fit(class_weight={"b": 4.0}, **SMALL))


def test_class_weights_weigh_the_held_out_samples():
    task = make_task("binary", n_samples=40)
    parameters = SMALL | {"early_stopping": True, "validation_fraction": 0.4}
    class_weight = {"yes": 7.0}
    comp = task.fit(class_weight=class_weight, **parameters)
    weights = weights_by_hand(class_weight, task.y, np.ones(40))
    ref = task.fit(weights, **parameters)
    assert_allclose(comp.validation_scores_, ref.validation_scores_, rtol=1e-12)
    plain = task.fit(**parameters)
    assert not np.allclose(comp.validation_scores_[0], plain.validation_scores_[0])


def test_class_weights_weigh_validation_data():
    task = make_task("multiclass", n_samples=40)
    some = np.flatnonzero(task.y != "c")[:12]  # of a class that is not there
    data = {"X_val": [task.X[k] for k in some], "y_val": task.y[some]}
    model = LSTMClassifier(
        early_stopping=True, class_weight={"a": 7.0, "c": 2.0}, **SMALL
    )
    model.fit(task.X, task.y, **data)
    for weight in model.weights_.values():
        weight[:] = 0
    model.weights_["head.bias_0"][1] = 1  # all of class b
    model.set_params(warm_start=True, learning_rate_init=1e-300, max_iter=1)
    model.fit(task.X, task.y, **data)
    n_a, n_b = np.sum(data["y_val"] == "a"), np.sum(data["y_val"] == "b")
    assert_allclose(model.validation_scores_[-1], n_b / (n_b + 7 * n_a), rtol=1e-12)


@pytest.mark.parametrize("class_weight", [{"a": 3.0, "c": 0.2}, {"c": 2.0}], ids=str)
def test_class_weights_hold_in_partial_fit_for_the_classes_that_are_there(class_weight):
    task = make_task("multiclass")
    part = task.take(np.flatnonzero(task.y != "b")[:12])
    some = part.take(np.flatnonzero(part.y == "a"))
    comp = LSTMClassifier(class_weight=class_weight, **SMALL)
    ref = LSTMClassifier(**SMALL)
    for data in (part, task, some):
        parameters = {"batch_size": min(8, len(data.y))}
        comp.set_params(**parameters).partial_fit(
            data.X, data.y, classes=["a", "b", "c"]
        )
        weights = weights_by_hand(class_weight, data.y, np.ones(len(data.y)))
        ref.set_params(**parameters).partial_fit(
            data.X, data.y, weights, classes=["a", "b", "c"]
        )
    assert_same_fit(comp, ref)


def test_balanced_weights_are_refused_in_partial_fit():
    task = make_task("multiclass")
    with pytest.raises(ValueError, match=r'class_weight="balanced".*partial_fit'):
        LSTMClassifier(class_weight="balanced").partial_fit(
            task.X, task.y, classes=["a", "b", "c"]
        )


@pytest.mark.parametrize("class_weight", [{0: 2.0}, "balanced"], ids=str)
def test_class_weights_of_labels_are_refused(class_weight):
    task = make_task("multi-label")
    with pytest.raises(ValueError, match=r"class_weight.*multi-label.*sample_weight"):
        task.fit(class_weight=class_weight, **SMALL)


@pytest.mark.parametrize(
    "weight",
    [-1, np.nan, np.inf, 10**400, "heavy", None, 1j, [1, 2]],
    ids=lambda weight: str(weight)[:8],
)
def test_weights_of_classes_that_are_no_weights_are_refused(weight):
    task = make_task("multiclass")
    with pytest.raises(ValueError, match=r"class_weight=.*expected finite weights"):
        task.fit(class_weight={"a": weight}, **SMALL)


@pytest.mark.parametrize("class_weight", [[1, 2, 3], "heavy", 2.0, True], ids=str)
def test_class_weights_of_another_kind_are_refused(class_weight):
    task = make_task("multiclass")
    with pytest.raises(ValueError, match="'class_weight' parameter"):
        task.fit(class_weight=class_weight, **SMALL)


@pytest.mark.parametrize("class_weight", [{"d": 2.0}, {"a": 1.0, 0: 2.0}], ids=str)
def test_misspelt_class_is_refused(class_weight):
    task = make_task("multiclass")
    with pytest.raises(ValueError, match=r"class_weight=.*which are no classes"):
        task.fit(class_weight=class_weight, **SMALL)


@pytest.mark.parametrize("way", ["partial_fit", "fit"])
def test_misspelt_class_is_refused_when_training_goes_on(way):
    task = make_task("binary")
    model = task.fit(warm_start=True, **SMALL).set_params(
        class_weight={"yes": 2, "n": 1}
    )
    with pytest.raises(ValueError, match=r"weights of \['n'\], .*none of \['no'\]"):
        getattr(model, way)(task.X, task.y)


def test_weights_may_be_of_classes_that_a_part_of_the_samples_lacks():
    """Where all that are there have one, as in a fold of a cross-validation."""
    task = make_task("binary")
    class_weight = {"yes": 2.0, "no": 3.0, "maybe": 4.0}
    comp = task.fit(class_weight=class_weight, **SMALL)
    ref = task.fit(class_weight={"yes": 2.0, "no": 3.0}, **SMALL)
    assert_same_fit(comp, ref)


def test_weights_that_leave_no_sample_are_refused():
    task = make_task("binary")
    with pytest.raises(ValueError, match="class_weight and sample_weight leave no"):
        task.fit(np.where(task.y == "yes", 1.0, 0.0), class_weight={"yes": 0}, **SMALL)


def test_class_weight_changes_neither_itself_nor_the_weights_given():
    task = make_task("binary")
    class_weight, sample_weight = {"yes": 2.0}, some_weights(task)
    before = sample_weight.copy()
    task.fit(sample_weight, class_weight=class_weight, **SMALL)
    assert class_weight == {"yes": 2.0}
    assert_array_equal(sample_weight, before)
