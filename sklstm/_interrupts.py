"""Ctrl-C that is not lost."""

import signal
import threading


class Interrupts:
    """Remembers what Ctrl-C raised, in a ``with`` block.

    Python raises KeyboardInterrupt, or what another handler raises, if any, wherever
    the main thread happens to be. In a callback of the compiler or of a weak reference,
    of which there are many in a first fit, the exception is printed and lost.
    """

    def __init__(self):
        self._raised, self._before = None, None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):
                self._before = before
                signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *exc_info):
        self._raised = None  # which holds all frames that it came through
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _hear(self, number, frame):
        try:
            self._before(number, frame)
        except BaseException as error:
            self._raised = error
            raise

    def raise_again(self):
        """Raise again what was raised before, if anything was."""
        if self._raised is not None:
            raise self._raised
