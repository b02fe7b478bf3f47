"""Which core a thread runs on, and how to keep others off it, on Linux."""

import contextlib
import ctypes
import os

try:
    current = ctypes.PyDLL(None).sched_getcpu
except (AttributeError, OSError, TypeError):  # another system

    def current():
        """Return no core."""


def keep_off(core, threads):
    """Let threads run on any core that the caller may run on, but not on `core`.

    Parameters
    ----------
    core : int or None
    threads : list of int
        Native identifiers.
    """
    # Where there is no such thing, or a sandbox forbids it, they stay where they are.
    with contextlib.suppress(AttributeError, OSError):
        others = os.sched_getaffinity(0) - {core}
        for thread in threads if others else ():
            os.sched_setaffinity(thread, others)
