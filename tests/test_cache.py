"""Compiled kernels are kept on disk, no longer than their sources, or done without.

Each test is told by fresh processes, which run this file as a program on a copy of the
package: it fits a model, and writes down what came of it.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import config
from numpy.testing import assert_allclose, assert_array_equal

import sklstm
from sklstm import LSTMRegressor

pytestmark = [
    pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is compiled"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

WARNING = "RuntimeWarning: Compiled kernels cannot be kept in any folder"


def make_fit():
    """The losses of a short fit, and what the network then predicts."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 5, 2)), rng.normal(size=20)
    model = LSTMRegressor(3, max_iter=2, random_state=0).fit(X, y)
    return [*model.loss_curve_, *model.predict(X)]


@pytest.fixture
def package(tmp_path):
    """A copy of the package, without what was compiled."""
    copy = tmp_path / "copy" / "sklstm"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(sklstm.__file__).parent, copy, ignore=ignored)
    return copy


def fit_in_a_fresh_process(package, prepare=None, **environment):
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME")
    }
    process = subprocess.run(
        [sys.executable, "-W", "always", __file__],
        env={**inherited, "PYTHONPATH": str(package.parent), **environment},
        preexec_fn=prepare,
        check=True,
        capture_output=True,
        text=True,
    )
    outcome = json.loads(process.stdout)
    assert Path(outcome["package"]) == package
    return np.array(outcome["fit"]), process.stderr


def test_kernels_are_kept_until_a_source_changes(package, tmp_path):
    cache = tmp_path / "cache"
    compiled, warned = fit_in_a_fresh_process(package, NUMBA_CACHE_DIR=str(cache))
    assert WARNING not in warned
    files = set(cache.rglob("*.nbc"))
    assert files
    kept, _ = fit_in_a_fresh_process(package, NUMBA_CACHE_DIR=str(cache))
    assert_array_equal(kept, compiled)
    assert set(cache.rglob("*.nbc")) == files

    source = package / "kernels" / "losses.py"
    text = source.read_text(encoding="utf-8")
    assert text.count("0.5 * (x - y)") == 1
    source.write_text(text.replace("0.5 * (x", "1.5 * (x"), encoding="utf-8")
    changed, _ = fit_in_a_fresh_process(package, NUMBA_CACHE_DIR=str(cache))
    assert_allclose(changed[0], 3 * compiled[0], rtol=1e-12)
    # The kernels of other files are compiled anew too: they may hold what has changed.
    added = set(cache.rglob("*.nbc")) - files
    modules, compiled_anew = (
        {file.name.split(".")[0] for file in some} for some in (files, added)
    )
    assert compiled_anew == modules - {"losses"}  # whose own are overwritten


@pytest.mark.skipif(os.name != "posix", reason="the folders of users differ")
def test_fit_without_a_folder_to_keep_kernels_in_warns_once(package):
    # Even the superuser can make no folder of these.
    (package / "kernels" / "__pycache__").touch()
    no_folder = {"HOME": os.devnull, "XDG_CACHE_HOME": os.devnull}
    found, warned = fit_in_a_fresh_process(package, **no_folder)
    assert_array_equal(found, make_fit())
    assert warned.count(WARNING) == 1


@pytest.mark.skipif(os.name != "posix", reason="files have no limit of size")
def test_fit_on_a_full_disk_warns_once(package, tmp_path):
    def fill_disk():
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    cache = str(tmp_path / "cache")
    found, warned = fit_in_a_fresh_process(package, fill_disk, NUMBA_CACHE_DIR=cache)
    assert_allclose(found, make_fit(), rtol=1e-4)
    assert warned.count(WARNING) == 1


if __name__ == "__main__":
    package = str(Path(sklstm.__file__).parent)
    json.dump({"fit": make_fit(), "package": package}, sys.stdout)
