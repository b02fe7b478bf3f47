"""What all tests need."""

import signal

from sklstm.engines import cpu


def pytest_configure():
    """Hear Ctrl-C, which a shell turns off in what it runs in the background.

    So would the programs be deaf that tests start.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart():
    """Let small predictions take all threads that they may, as large ones do."""
    cpu.WORTH_A_THREAD = 1
