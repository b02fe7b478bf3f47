"""Compiled kernels on disk, as Numba keeps them, but safe from damage and races."""

import functools
import hashlib
import os
import pickle
import re
import warnings

from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    IndexDataCacheFile,
    InTreeCacheLocator,
    UserProvidedCacheLocator,
    UserWideCacheLocator,
)


def keep(compiled, kernel):
    """Let Numba's `compiled`, of `kernel`, be kept on disk, where a folder is found.

    It is beside the sources, or a folder of the user's account, or where
    NUMBA_CACHE_DIR says: that others cannot write there is up to the user.
    """
    try:
        compiled._cache = _KernelCache(kernel)
    except (RuntimeError, OSError):
        warn_uncached()


class _UserWideLocator(UserWideCacheLocator):
    """The folder of the user's account, if there is one.

    Numba would take "~" in whatever folder the process is in, where anyone may have put
    a file, for the home of an account that has none, as in some containers.
    """

    def ensure_cache_path(self):
        if not os.path.isabs(self.get_cache_path()):
            raise FileNotFoundError(f"no folder: {self.get_cache_path()}")
        super().ensure_cache_path()


class _Locators(CompileResultCacheImpl):
    _locator_classes = [UserProvidedCacheLocator, InTreeCacheLocator, _UserWideLocator]


class SealedFiles(IndexDataCacheFile):
    """A file for each key: the kernel after a seal, a hash of it and of what it is for.

    Numba's own files share an index: two processes that compile at once may give two
    kernels the same name in it. And it runs what it reads, whole or not.
    """

    def load(self, key):
        """Return the kernel, or None where no file is whole and for this key."""
        try:
            with open(self._path(key), "rb") as file:
                seal, kernel = file.read(hashlib.sha256().digest_size), file.read()
        except OSError:
            return None
        return pickle.loads(kernel) if seal == self._seal(key, kernel) else None

    def save(self, key, kernel):
        """Write the kernel to a file that is there whole or not at all."""
        kernel = self._dump(kernel)
        with self._open_for_write(self._path(key)) as file:
            file.write(self._seal(key, kernel) + kernel)

    def _path(self, key):
        """Return the path of the file for this signature and processor.

        One that was written from other sources is overwritten.
        """
        signature, processor, _ = key
        number = hashlib.sha256(repr((signature, processor)).encode()).hexdigest()
        # Without the line that the kernel begins on.
        base = re.sub(r"-\d+(?=\.[^-]*$)", "", self._index_name.removesuffix(".nbi"))
        return self._data_path(f"{base}.{number[:16]}.nbc")

    def _seal(self, key, kernel):
        meant_for = repr((self._version, self._source_stamp, key))
        return hashlib.sha256(meant_for.encode() + kernel).digest()


class _KernelCache(FunctionCache):
    _impl_class = _Locators

    def __init__(self, kernel):
        super().__init__(kernel)
        self._cache_file = SealedFiles(
            self.cache_path,
            self._impl.filename_base,
            self._impl.locator.get_source_stamp(),
        )

    def save_overload(self, signature, compiled):
        try:
            super().save_overload(signature, compiled)
        except OSError:  # the disk is full, say
            warn_uncached()


@functools.cache
def warn_uncached():
    """Warn, once in a process."""
    warnings.warn(
        "Compiled kernels cannot be kept in any folder, so each process compiles "
        "them anew, which takes seconds; set the environment variable "
        "NUMBA_CACHE_DIR to a folder of your own.",
        RuntimeWarning,
        stacklevel=2,
    )
