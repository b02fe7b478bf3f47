"""Mutants: the package with one piece of a line broken, which the tests must notice.

``python tests/mutants.py`` runs all that `mutants.txt` lists, ``python tests/mutants.py
cells shard`` those of the files whose path holds one of these words.

A mutant is applied to a copy of the package, and the tests that know most of its file
run until one fails. That kills it. One that survives shows a test that is missing,
unless the mutant is equivalent: unless it does what the package does.

Kernels run in Python, which takes no time to compile; what only a compiled kernel has
is broken with the compiler on, each time with an empty cache.
"""

import ast
import importlib.util
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pandas as pd  # noqa: F401
import pytest
import scipy.stats  # noqa: F401
import sklearn.model_selection  # noqa: F401
from numba import config

ROOT = Path(__file__).parents[1]
LIMIT = 300  # seconds for the tests of a mutant: one that never ends is noticed, too


class Mutant(NamedTuple):
    """An entry of `mutants.txt`."""

    file: str
    compiled: bool
    tests: tuple[str, ...]
    function: str
    old: str
    new: str

    def __str__(self):
        return f"{self.file} {self.function}: {self.old} => {self.new}"


def read_list():
    """Return the mutants, and of those that are equivalent why they are."""
    mutants, reasons = [], {}
    _, *rooms = (ROOT / "tests" / "mutants.txt").read_text().split("\n== ")
    for room in rooms:
        title, *lines = room.splitlines()
        file, how = title.split(" ", 1)
        tests, function = (), "-"
        for line in lines:
            if line.startswith("tests: "):
                tests += tuple(line.split()[1:])
            elif line.startswith("        equivalent: "):
                reasons[mutants[-1]] = line.split(": ", 1)[1]
            elif line.startswith("    "):
                old, new = line.strip().split(" => ")
                mutant = Mutant(file, how == "compiled", tests, function, old, new)
                mutants.append(mutant)
            elif line:
                function = line
    return mutants, reasons


def broken(source, mutant):
    """Return the source with a mutant applied."""
    lines = source.splitlines(keepends=True)
    first, last = 0, len(lines)
    if mutant.function != "-":
        node = ast.parse(source)
        for name in mutant.function.split("."):
            node = next(
                child for child in ast.walk(node) if getattr(child, "name", "") == name
            )
        first, last = node.lineno - 1, node.end_lineno
    body = "".join(lines[first:last])
    if body.count(mutant.old) != 1:
        raise ValueError(
            f"{mutant.old!r} is {body.count(mutant.old)} times in {mutant.function}"
        )
    body = body.replace(mutant.old, mutant.new)
    return "".join([*lines[:first], body, *lines[last:]])


def run(folder, compiled, tests, cache):
    """Run tests until one fails; return which, or how they ended, or "" if none does.

    In a fork of this process, which has imported what takes seconds to import.
    """
    log = folder / "log"
    work = multiprocessing.get_context("fork").Process(
        target=run_here, args=(folder, compiled, tests, cache, log)
    )
    work.start()
    work.join(LIMIT)
    if work.is_alive():
        work.kill()
        work.join()
        return f"more than {LIMIT} s"
    if work.exitcode == 0:
        return ""
    lines = log.read_text().splitlines()
    failed = [line for line in lines if line.startswith(("FAILED ", "ERROR "))]
    if failed:
        return failed[0].split(" ", 1)[1].split(" - ")[0]
    if work.exitcode < 0:
        return f"signal {-work.exitcode}"
    raise RuntimeError("\n".join(lines))


def run_here(folder, compiled, tests, cache, log):
    """Run tests of the copy of the package in `folder`; exit as pytest does."""
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    # For processes that tests start, and for Numba, which is there already.
    os.environ["PYTHONPATH"] = str(folder)
    os.environ["NUMBA_CACHE_DIR"] = config.CACHE_DIR = str(cache)
    config.DISABLE_JIT = int(not compiled)
    os.environ["NUMBA_DISABLE_JIT"] = str(config.DISABLE_JIT)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # they take longer than a test
    status = pytest.main(["-x", "-q", "--tb=no", *map(place, tests)])
    sys.stdout.flush()
    os._exit(status)  # without waiting for joblib's processes, which sleep by now


def place(name):
    """Return how pytest is to find a test, or all of a file."""
    file, *test = name.split("::")
    return "::".join([f"tests/test_{file}.py", *(f"test_{name}" for name in test)])


def try_out(folder, mutant):
    """Apply a mutant, run the tests, undo it; return what killed it, or ""."""
    path = folder / "sklstm" / mutant.file
    bytecode = Path(importlib.util.cache_from_source(path))
    source, times = path.read_text(), path.stat()
    of_kernel = mutant.compiled and "kernels" in mutant.file
    cache = folder / ("cache_of_mutant" if of_kernel else "cache")
    path.write_text(broken(source, mutant))
    try:
        bytecode.unlink(missing_ok=True)
        return run(folder, mutant.compiled, mutant.tests, cache)
    finally:
        path.write_text(source)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # for Numba's cache
        bytecode.unlink(missing_ok=True)
        shutil.rmtree(folder / "cache_of_mutant", ignore_errors=True)


def copied(folder):
    """Copy the package and its tests to `folder`."""
    for part in ("sklstm", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)


def main(words):
    """Try the mutants out; return whether one survived that should not."""
    mutants, reasons = read_list()
    if words:
        mutants = [m for m in mutants if any(word in m.file for word in words)]
    for mutant in mutants:  # one that no longer applies is told before any has run
        broken((ROOT / "sklstm" / mutant.file).read_text(), mutant)
    ends = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copied(folder)
        for compiled in (False, True):
            tests = {t: 0 for m in mutants if m.compiled == compiled for t in m.tests}
            failed = run(folder, compiled, tests, folder / "cache") if tests else ""
            if failed:
                raise SystemExit(f"The tests fail before anything is broken: {failed}")
        for mutant in mutants:
            begin = time.perf_counter()
            reason = reasons.get(mutant, "")
            killer = "" if reason else try_out(folder, mutant)
            end = "equivalent" if reason else "killed" if killer else "SURVIVED"
            ends[end] += 1
            seconds = time.perf_counter() - begin
            print(f"{mutant}\n    {end} {reason}{killer} [{seconds:.0f} s]", flush=True)
    print(f"{ends.total()} mutants:", dict(ends))
    return ends["SURVIVED"] > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
