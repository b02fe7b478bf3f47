"""Compiled kernels are kept on disk, no longer than their sources, or done without.

Most tests are told by fresh processes, which run this file as a program on a copy of
the package: it fits a model, and writes down what came of it.
"""

import errno
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numba import config, njit
from numba.core.caching import InTreeCacheLocator
from numpy.testing import assert_allclose, assert_array_equal

import sklstm
from sklstm import LSTMRegressor
from sklstm.kernels.cache import SealedFiles, keep, warn_uncached

pytestmark = [
    pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is compiled"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

WARNING = "RuntimeWarning: Compiled kernels cannot be kept in any folder"


def make_fit(dtype="float32"):
    """The losses of a short fit, and what the network then predicts."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 5, 2)), rng.normal(size=20)
    model = LSTMRegressor(3, max_iter=2, batch_size=20, random_state=0, dtype=dtype)
    model.fit(X, y)
    return [*model.loss_curve_, *model.predict(X)]


@pytest.fixture
def package(tmp_path):
    """A copy of the package, without what was compiled."""
    copy = tmp_path / "copy" / "sklstm"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(sklstm.__file__).parent, copy, ignore=ignored)
    return copy


# What gives the account of the user the home `home`, or takes the account away.
ACCOUNT = """
import pwd
def getpwuid(uid, home={home!r}):
    if home is None:
        raise KeyError(uid)
    return pwd.struct_passwd(["name", "", uid, 0, "", home, ""])
pwd.getpwuid = getpwuid
"""


def fit_in_a_fresh_process(
    package, prepare=None, *, first="", dtype="float32", **environment
):
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME")
    }
    program = f"{first}\nimport runpy\nrunpy.run_path({__file__!r}, {{}}, '__main__')"
    working_folder = package.parent / "empty"
    working_folder.mkdir(exist_ok=True)
    process = subprocess.run(
        [sys.executable, "-W", "always", "-c", program, dtype],
        env={**inherited, "PYTHONPATH": str(package.parent), **environment},
        cwd=working_folder,
        preexec_fn=prepare,
        check=True,
        capture_output=True,
        text=True,
    )
    assert not list(working_folder.iterdir())
    outcome = json.loads(process.stdout)
    assert Path(outcome["package"]) == package
    return np.array(outcome["fit"]), process.stderr


def contents(cache):
    return {file: file.read_bytes() for file in cache.rglob("*.nb*")}


def test_kernels_are_kept_until_a_source_changes(package, tmp_path):
    cache = tmp_path / "cache"
    compiled, warned = fit_in_a_fresh_process(package, NUMBA_CACHE_DIR=str(cache))
    assert WARNING not in warned
    files = contents(cache)
    assert files
    kept, _ = fit_in_a_fresh_process(package, NUMBA_CACHE_DIR=str(cache))
    assert_array_equal(kept, compiled)
    assert contents(cache) == files

    source = package / "kernels" / "losses.py"
    text = source.read_text(encoding="utf-8")
    assert text.count("0.5 * (x - y)") == 1
    text = text.replace("0.5 * (x", "1.5 * (x")
    source.write_text(f"# All is a line further down.\n{text}", encoding="utf-8")
    changed, _ = fit_in_a_fresh_process(package, NUMBA_CACHE_DIR=str(cache))
    assert_allclose(changed[0], 3 * compiled[0], rtol=1e-12)
    # The kernels of other files are compiled anew too: they may hold what has changed.
    # None of the old stays behind.
    anew = contents(cache)
    assert anew.keys() == files.keys()
    assert not any(anew[file] == files[file] for file in files)


@pytest.mark.skipif(os.name != "posix", reason="the folders of users differ")
def test_fit_without_a_folder_to_keep_kernels_in_warns_once(package):
    # Even the superuser can make no folder of these.
    (package / "kernels" / "__pycache__").touch()
    no_folder = {"HOME": os.devnull, "XDG_CACHE_HOME": os.devnull}
    found, warned = fit_in_a_fresh_process(package, **no_folder)
    assert_array_equal(found, make_fit())
    assert warned.count(WARNING) == 1


@pytest.mark.skipif(os.name != "posix", reason="files have no limit of size")
def test_kernel_that_cannot_be_written_is_warned_of_once(monkeypatch):
    def fail(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    @njit
    def kernel(x):
        return x + 1

    warn_uncached.cache_clear()
    keep(kernel, kernel.py_func)
    monkeypatch.setattr(SealedFiles, "save", fail)
    with pytest.warns(RuntimeWarning, match="cannot be kept in any folder"):
        kernel(1)
    assert kernel(1.5) == 2.5  # without a warning, which is an error in tests


def test_fit_on_a_full_disk_warns_once(package, tmp_path):
    def fill_disk():
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    cache = str(tmp_path / "cache")
    found, warned = fit_in_a_fresh_process(package, fill_disk, NUMBA_CACHE_DIR=cache)
    assert_allclose(found, make_fit(), rtol=1e-4)
    assert warned.count(WARNING) == 1


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="the folders of users differ")
@pytest.mark.parametrize("where", ["NUMBA_CACHE_DIR", "account", "nowhere"])
def test_fit_without_home(where, package, tmp_path):
    """In an installation that cannot be written to."""
    (package / "kernels" / "__pycache__").touch()
    home, folder = tmp_path / "home", tmp_path / "cache"
    first = ACCOUNT.format(home=str(home) if where == "account" else None)
    environment = {where: str(folder)} if where == "NUMBA_CACHE_DIR" else {}
    found, warned = fit_in_a_fresh_process(package, first=first, **environment)
    assert_array_equal(found, make_fit())
    assert warned.count("RuntimeWarning") == (where == "nowhere")
    assert warned.count(WARNING) == (where == "nowhere")
    assert bool(contents(folder)) == (where == "NUMBA_CACHE_DIR")
    assert bool(contents(home)) == (where == "account")


@pytest.mark.slow
def test_processes_that_compile_at_once(package, tmp_path):
    cache, dtypes = tmp_path / "cache", ["float32", "float64"] * 2

    def fit(dtype):
        return fit_in_a_fresh_process(package, dtype=dtype, NUMBA_CACHE_DIR=str(cache))

    with ThreadPoolExecutor(len(dtypes)) as threads:
        at_once = list(threads.map(fit, dtypes))
    files = contents(cache)
    later = [fit(dtype) for dtype in dtypes[:2]]
    assert contents(cache) == files  # nothing was left to compile
    for (found, warned), dtype in zip(at_once + later, dtypes * 2, strict=False):
        assert_array_equal(found, make_fit(dtype))
        assert "RuntimeWarning" not in warned


# --- damage -------------------------------------------------------------------------


def noise(content):
    return np.random.default_rng(0).bytes(len(content))


def one_bit(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 8]) + content[middle + 1 :]


DAMAGES = {
    "empty": lambda content: b"",
    "seal alone": lambda content: content[:32],
    "half": lambda content: content[: len(content) // 2],
    "longer": lambda content: content + b".",
    "noise": noise,
    "one bit": one_bit,
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_fit_with_damaged_kernels(damage, package, tmp_path):
    cache = tmp_path / "cache"
    compiled, _ = fit_in_a_fresh_process(package, NUMBA_CACHE_DIR=str(cache))
    for file, content in contents(cache).items():
        file.write_bytes(DAMAGES[damage](content))
    damaged = contents(cache)
    for _ in range(2):
        found, warned = fit_in_a_fresh_process(package, NUMBA_CACHE_DIR=str(cache))
        assert_array_equal(found, compiled)
        assert "RuntimeWarning" not in warned
    assert contents(cache).keys() == damaged.keys()
    assert not any(contents(cache)[file] == damaged[file] for file in damaged)


def twice(x):
    return 2 * x


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def was_kept(x):
    """Call a kernel as a fresh process would; return whether it came from disk."""
    compiled = njit(twice)
    keep(compiled, twice)
    assert compiled(x) == 2 * x
    hits, misses = (sum(s.values()) for s in compiled.stats[1:])
    assert hits + misses == 1
    return bool(hits)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_kernel_is_compiled_anew(damage, cache):
    assert not was_kept(1.5)
    [(file, content)] = contents(cache).items()
    file.write_bytes(DAMAGES[damage](content))
    assert not was_kept(1.5)
    assert was_kept(1.5)


@pytest.mark.skipif(os.name != "posix", reason="links differ")
def test_file_that_cannot_be_read_is_compiled_anew(cache):
    assert not was_kept(1.5)
    [file] = contents(cache)
    file.unlink()
    file.symlink_to(file)
    assert not was_kept(1.5)
    assert was_kept(1.5)


def test_kernel_of_another_signature_is_not_taken_for_this(cache):
    """Whatever the name of its file."""
    assert not was_kept(1.5)
    [(one, content)] = contents(cache).items()
    assert not was_kept(1)
    [other] = set(contents(cache)) - {one}
    other.write_bytes(content)
    assert not was_kept(1)
    assert was_kept(1)
    assert was_kept(1.5)


def test_kernel_kept_while_another_is(tmp_path, monkeypatch):
    keys = [(signature, "processor", "source") for signature in "ab"]
    files = [SealedFiles(str(tmp_path), "kernel", "stamp") for _ in keys]
    dump = files[0]._dump

    def keep_the_other(obj):
        monkeypatch.undo()
        files[1].save(keys[1], "kernel of b")
        return dump(obj)

    monkeypatch.setattr(files[0], "_dump", keep_the_other)
    files[0].save(keys[0], "kernel of a")
    for key in keys:
        assert files[0].load(key) == f"kernel of {key[0]}"


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME"])
def test_home_in_the_working_folder_is_none(variable, tmp_path, monkeypatch):
    """As "~" would be, for an account that has no home."""
    monkeypatch.setattr(InTreeCacheLocator, "from_function", lambda *args: None)
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(variable, "here")
    monkeypatch.chdir(tmp_path)
    warn_uncached.cache_clear()
    with pytest.warns(RuntimeWarning, match="Compiled kernels cannot be kept"):
        assert not was_kept(1.5)
    assert not list(tmp_path.iterdir())


if __name__ == "__main__":
    package = str(Path(sklstm.__file__).parent)
    json.dump({"fit": make_fit(sys.argv[1]), "package": package}, sys.stdout)
