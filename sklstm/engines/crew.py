"""Threads that share out the calls of a kernel."""

import threading
from queue import SimpleQueue

import numpy as np

from sklstm.engines import cores
from sklstm.kernels.waiting import wait_for

ANY = -1  # what some threads keep off and others do not


class Crew:
    """Threads that wait for work, beside the one that asks for it.

    To wake a thread up takes tens of microseconds, as long as a tenth of a small
    minibatch, and so it does with the one that waits for it to end. So both first look
    for a while (`wait_for`, outside the interpreter's lock) whether there is news.

    Nor is it for the system to choose their cores. Where there are two, Linux woke a
    thread up on the core of the caller, to wait until that had done all by itself: 0.6
    ms of work for each took 1.3 ms after a rest, and not 0.8.

    Parameters
    ----------
    n_threads : int
        At most so many threads run, the caller's among them. They start when there is
        work for them, as far as the system lets them.
    """

    def __init__(self, n_threads):
        self._n_threads = n_threads
        self._calls, self._ids = [], []  # of the threads started so far
        self._core = None  # which they keep off; None where they need not
        # How often each thread has been given work, and how often it has ended it.
        self._posted = np.zeros(n_threads + 1, np.int64)
        self._ended = np.zeros(n_threads + 1, np.int64)

    def run(self, function, n, stop=None):
        """Call ``function(item, worker)`` for each item below `n`, on all threads.

        `worker` tells apart what runs at the same time: a number below `n_threads`.

        Parameters
        ----------
        function : callable
        n : int
        stop : array of int64 (1,), optional
            For calls that take long: the caller's thread then only waits, so that it
            hears Ctrl-C, upon which ``stop[0]`` is 1 from then on.
        """
        items = iter(range(n))

        def work(thread):
            worker = thread if stop is None else max(thread - 1, 0)
            try:
                for item in items:
                    function(item, worker)
            except BaseException:
                for _ in items:  # leave nothing for the others
                    pass
                raise

        n_helpers = self._helpers(min(n, self._n_threads) - (stop is None))
        core = cores.current() if stop is None else None  # where the caller works
        if n_helpers > 0 and core != self._core:
            cores.keep_off(core, self._ids)
            self._core = core
        try:
            finished = self._give(work, n_helpers)
            if stop is None or n_helpers == 0:
                work(0)
            errors = self._gather(finished, n_helpers)
        except BaseException:
            for _ in items:
                pass
            if stop is not None:
                stop[0] = 1
            self._settle()
            raise
        for error in errors:
            if error is not None:
                raise error

    def _helpers(self, n_wanted):
        """Start threads that are wanted still; return how many there are to work."""
        try:
            while len(self._calls) < n_wanted:
                self._start_thread()
        except RuntimeError:  # too many, or none any more, where Python is to exit
            pass
        return min(n_wanted, len(self._calls))

    def _give(self, work, n_helpers):
        """Give `work` to some threads; return the queue of what each raised, or None.

        The queue is of this call alone: what an interrupt leaves behind is in no later
        one.
        """
        finished = SimpleQueue()
        for thread in range(1, n_helpers + 1):
            self._calls[thread - 1].put((work, finished))
            self._posted[thread] += 1
        return finished

    def _gather(self, finished, n_helpers):
        """Wait for the threads; return what each raised, or None."""
        for thread in range(1, n_helpers + 1):
            wait_for(self._ended, thread, self._posted[thread])
        return [finished.get() for _ in range(n_helpers)]

    def _settle(self):
        """Wait until no thread works, however often there is Ctrl-C.

        An interrupt may have lost count of who was given work and who has ended it. But
        each thread goes through its calls in order: so it is given one more.
        """
        n_helpers = len(self._calls)
        while True:
            try:
                self._gather(self._give(lambda thread: None, n_helpers), n_helpers)
                return
            except KeyboardInterrupt:
                pass

    def dismiss(self):
        """End the threads; others start when there is work again."""
        threads, self._calls, self._ids = self._calls, [], []
        self._posted, self._ended = 0 * self._posted, 0 * self._ended
        for calls in threads:
            calls.put(None)

    def _start_thread(self):
        calls = SimpleQueue()
        arguments = len(self._calls) + 1, calls
        thread = threading.Thread(target=self._serve, args=arguments, daemon=True)
        try:
            thread.start()
            self._calls.append(calls)  # not before it has started
            self._ids.append(thread.native_id)
            self._core = ANY  # until it is told
        except BaseException:
            if calls not in self._calls:
                calls.put(None)  # for a thread that has started all the same
            raise

    def _serve(self, thread, calls):
        n_calls = 0
        while (call := calls.get()) is not None:
            work, finished = call
            n_calls += 1
            try:
                work(thread)
            except BaseException as error:
                finished.put(error)
            else:
                finished.put(None)
            self._ended[thread] = n_calls
            wait_for(self._posted, thread, n_calls + 1)
