"""The kernels: vectors, matrix products, the cell, one shard through the network."""

import contextlib
import functools
import gc
import hashlib
import warnings
from pathlib import Path

from numba import njit


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
    compiler = functools.partial(
        njit, nogil=True, error_model="numpy", no_cfunc_wrapper=True
    )
    kernel = make(KERNEL_VERSION)
    compiled = compile_cached(compiler, kernel)
    around = no_garbage_collection  # the first call, which compiles

    @functools.wraps(kernel)
    def call(*args):
        nonlocal compiled, around
        try:
            with around():
                result = compiled(*args)
            around = contextlib.nullcontext
            return result
        except OSError:  # the disk is full, say, when the first call is to be kept
            _warn_uncached()
            compiled = compiler()(kernel)
            return compiled(*args)

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


def compile_cached(compiler, kernel):
    """Return ``compiler(cache=True)(kernel)``; no cache where none can be written.

    Numba writes beside the sources, or to a folder of the user's account, or where
    NUMBA_CACHE_DIR says: that others cannot write there is up to the user.
    """
    try:
        return compiler(cache=True)(kernel)
    except (RuntimeError, OSError):
        _warn_uncached()
        return compiler()(kernel)


@functools.cache
def _warn_uncached():
    warnings.warn(
        "Compiled kernels cannot be kept in any folder, so each process compiles "
        "them anew, which takes seconds; set the environment variable "
        "NUMBA_CACHE_DIR to a folder of your own.",
        RuntimeWarning,
        stacklevel=2,
    )
