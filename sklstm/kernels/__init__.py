"""The kernels: vectors, matrix products, the cell, one shard through the network."""

import contextlib
import functools
import gc
import hashlib
from pathlib import Path

from numba import config, njit

from sklstm.kernels.cache import keep


def _hash_of_sources():
    """Return a hash of all kernel sources."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


KERNEL_VERSION = _hash_of_sources()


def entry_point(make):
    """Compile the kernel that ``make(version)`` returns, and keep it in Numba's cache.

    The kernel has to close over `version`, the hash of all kernel sources: what it
    closes over is part of its key in the cache, which by itself sees only changes in
    the file that the kernel is written in.
    """
    kernel = make(KERNEL_VERSION)
    if config.DISABLE_JIT:
        return kernel
    options = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    compiled = njit(**options)(kernel)
    keep(compiled, kernel)

    around = no_garbage_collection  # the first call, which compiles

    @functools.wraps(kernel)
    def call(*args):
        nonlocal around
        with around():
            result = compiled(*args)
        around = contextlib.nullcontext
        return result

    return call


def inner(function, **options):
    """Compile a function that only kernels call.

    It gets no wrappers for calls from Python and C, whose compilation took a tenth of
    a first fit.
    """
    options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return njit(nogil=True, error_model="numpy", **options)(function)


@contextlib.contextmanager
def no_garbage_collection():
    """Pause Python's garbage collector, which took a twelfth of a first fit.

    What a compilation makes, it keeps: the collector goes through it in vain.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
