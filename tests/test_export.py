"""Weights as plain arrays in a file."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm.export import load_weights, save_weights

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
PARAMETERS = {
    "hidden_layer_sizes": (5, 3),
    "bidirectional": True,
    "head_layer_sizes": (4,),
    "max_iter": 1,
}
both = pytest.mark.parametrize("estimator", [LSTMRegressor, LSTMClassifier])


def data():
    X = np.random.default_rng(0).normal(size=(20, 6, 2))
    return X, np.arange(20) % 3


def fitted(estimator=LSTMRegressor, seed=0, **parameters):
    return estimator(random_state=seed, **PARAMETERS | parameters).fit(*data())


@both
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loaded_weights_are_those_saved(estimator, dtype, tmp_path):
    first, second = (fitted(estimator, seed, dtype=dtype) for seed in (0, 1))
    save_weights(first, tmp_path / "weights.npz")
    load_weights(second, tmp_path / "weights.npz")
    X, _ = data()
    assert_array_equal(second.predict(X), first.predict(X))
    assert_array_equal(second.transform(X), first.transform(X))


def test_file_has_the_name_that_was_given(tmp_path):
    first, second = fitted(seed=0), fitted(seed=1)
    save_weights(first, tmp_path / "weights")
    load_weights(second, tmp_path / "weights")
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]
    assert_array_equal(second.predict(data()[0]), first.predict(data()[0]))


def test_file_is_read_by_numpy_without_pickle(tmp_path):
    model = fitted()
    save_weights(model, tmp_path / "weights.npz")
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as archive:
        assert set(archive.files) == set(model.weights_)
        for name, weight in model.weights_.items():
            assert_array_equal(archive[name], weight)


def file_of(arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    return file


def saved(model):
    return {name: weight.copy() for name, weight in model.weights_.items()}


def without_one(arrays):
    del arrays["bias_l0"]


def with_another(arrays):
    arrays["bias_l7"] = np.zeros(3)


def transposed(arrays):
    arrays["weight_ih_l0"] = arrays["weight_ih_l0"].T


def of_integers(arrays):
    arrays["bias_l0"] = arrays["bias_l0"].astype(int)


def of_nan(arrays):
    arrays["bias_l0"][3] = np.nan


def beyond_float32(arrays):
    arrays["bias_l0"] = arrays["bias_l0"].astype(float) + 1e300


def of_objects(arrays):
    arrays["bias_l0"] = arrays["bias_l0"].astype(object)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_one, "expected"),
        (with_another, "bias_l7"),
        (transposed, r"weight_ih_l0 .* has shape \(2, 20\), expected \(20, 2\)"),
        (of_integers, "bias_l0 .* has dtype int64, expected real numbers"),
        (of_nan, "bias_l0 .* is not finite in float32"),
        (beyond_float32, "bias_l0 .* is not finite in float32"),
        (of_objects, "no file of weights, or broken: Object arrays"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_none_is_taken(change, message):
    model, other = fitted(), saved(fitted(seed=1))
    before = saved(model)
    change(other)
    with pytest.raises(ValueError, match=message):
        load_weights(model, file_of(other))
    for name, weight in before.items():
        assert_array_equal(model.weights_[name], weight)


@pytest.mark.parametrize("share", np.linspace(0, 0.999, 25))
def test_truncated_file_is_refused(share, tmp_path):
    model = fitted()
    whole = file_of(saved(model)).getvalue()
    path = tmp_path / "weights.npz"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"weights\.npz is no file of weights"):
        load_weights(model, path)


def test_damaged_file_is_refused_or_differs_nowhere():
    """A byte of it changed: in the arrays, where a checksum finds it, or beside."""
    model, other = fitted(), fitted(seed=1)
    whole = file_of(saved(other)).getvalue()
    rng = np.random.default_rng(0)
    n_refused = 0
    for place in rng.integers(len(whole), size=200):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        try:
            load_weights(model, io.BytesIO(bytes(damaged)))
        except ValueError:
            n_refused += 1
            continue
        for name, weight in other.weights_.items():
            assert_array_equal(model.weights_[name], weight)
    assert n_refused > 100


def with_byte(n_before, value):
    """Return what sets a byte in the directory of an archive, of its first member."""

    def damage(whole):
        place = whole.index(b"PK\x01\x02") + n_before
        return whole[:place] + bytes([value]) + whole[place + 1 :]

    return damage


def claiming(shape):
    """Return what puts another array first, whose header claims a shape."""

    def damage(whole):
        file = io.BytesIO(whole)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        with zipfile.ZipFile(file, "a") as archive, archive.open("a.npy", "w") as array:
            np.lib.format.write_array_header_1_0(array, header)
            array.write(bytes(16))
        return file.getvalue()

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        with_byte(8, 1),
        *[with_byte(10, method) for method in (8, 12, 14, 99)],
        *[claiming(shape) for shape in ((5,), (10**12, 10**4), (10**30,), (-1,))],
    ],
    ids=[
        "encrypted",
        *["deflated", "bzip2", "lzma", "unknown compression"],
        *["one value more", "more than any memory", "more than counts", "negative"],
    ],
)
def test_archive_that_lies_about_what_is_in_it_is_refused(damage):
    model, other = fitted(), fitted(seed=1)
    before = saved(model)
    with pytest.raises(ValueError, match="no file of weights, or broken"):
        load_weights(model, io.BytesIO(damage(file_of(saved(other)).getvalue())))
    for name, weight in before.items():
        assert_array_equal(model.weights_[name], weight)


class Trap:
    """Notes that it was unpickled."""

    sprung = False

    def __reduce__(self):
        return setattr, (Trap, "sprung", True)


def test_no_code_in_a_file_is_run():
    arrays = saved(model := fitted())
    arrays["bias_l0"] = np.array([Trap()])
    with pytest.raises(ValueError, match="Object arrays"):
        load_weights(model, file_of(arrays))
    assert not Trap.sprung
    file = file_of(arrays)
    with np.load(file, allow_pickle=True) as archive:  # the trap is a good one
        archive["bias_l0"]
    assert Trap.sprung


@pytest.mark.parametrize(
    "content",
    [pickle.dumps({"bias_l0": np.zeros(3)}), b"", b"no archive"],
    ids=["pickle", "nothing", "text"],
)
def test_file_of_something_else_is_refused(content):
    with pytest.raises(ValueError, match="no file of weights"):
        load_weights(fitted(), io.BytesIO(content))


def test_single_array_is_refused():
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    file.seek(0)
    with pytest.raises(ValueError, match="it is a single array"):
        load_weights(fitted(), file)


def test_file_that_does_not_exist_is_said_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_weights(fitted(), tmp_path / "none.npz")


@pytest.mark.parametrize("function", [save_weights, load_weights])
def test_estimator_that_is_not_fitted_is_refused(function, tmp_path):
    with pytest.raises(NotFittedError):
        function(LSTMRegressor(), tmp_path / "weights.npz")
