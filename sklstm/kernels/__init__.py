"""The kernels: vectors, matrix products, the cell, one shard through the network."""

import contextlib
import functools
import gc
import hashlib
import os
from pathlib import Path

from numba import config, njit, typeof
from numba.core.compiler_lock import global_compiler_lock

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

    @functools.wraps(kernel)
    def call(*args):
        if not compiled.overloads:
            with compiling():
                compiled.compile(tuple(typeof(arg) for arg in args))
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
def compiling():
    """Let one thread compile, without the garbage collector, and let forks wait for it.

    The collector took a twelfth of a first fit: what a compilation makes, it keeps. A
    fork amid a compilation in another thread would leave the child with half of what it
    makes, with its lock taken, and with no garbage collector.
    """
    with global_compiler_lock:
        enabled = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if enabled:
                gc.enable()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )
