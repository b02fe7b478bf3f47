"""Ctrl-C that is not lost."""

import signal
import threading


class Interrupts:
    """Remembers that Ctrl-C raised KeyboardInterrupt, in a ``with`` block.

    Python raises it wherever the main thread happens to be. In a callback of the
    compiler or of a weak reference, of which there are many in a first fit, the
    exception is printed and lost. A handler of the user's need not raise it.
    """

    def __init__(self):
        self._heard, self._before = False, None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):
                self._before = before
                signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *exc_info):
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _hear(self, number, frame):
        try:
            self._before(number, frame)
        except KeyboardInterrupt:
            self._heard = True
            raise

    def raise_again(self):
        """Raise KeyboardInterrupt if it was raised before."""
        if self._heard:
            raise KeyboardInterrupt
