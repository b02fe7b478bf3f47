"""The limits of cores: of multiply-adds in registers, and of memory."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
from llvmlite import ir
from numba import njit
from numba.extending import intrinsic

from sklstm.kernels.simd import REGISTER_BYTES, call_intrinsic, splat_value

N_CHAINS = 12  # independent sums: more than latency times multiply-adds a cycle
N_STEPS = 400_000


@intrinsic
def _multiply_add(typing_context, x, n_steps):
    def emit(context, builder, sig, args):
        lanes = REGISTER_BYTES * 8 // sig.args[0].bitwidth
        vector = ir.VectorType(context.get_value_type(sig.args[0]), lanes)
        x = splat_value(builder, args[0], vector)
        start = builder.block
        loop = builder.append_basic_block("loop")
        done = builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        step = builder.phi(args[1].type)
        chains = [builder.phi(vector) for _ in range(N_CHAINS)]
        after = [
            call_intrinsic(builder, "llvm.fmuladd", vector, [chain, x, x])
            for chain in chains
        ]
        following = builder.add(step, step.type(1))
        builder.cbranch(builder.icmp_signed("<", following, args[1]), loop, done)
        step.add_incoming(step.type(0), start)
        step.add_incoming(following, loop)
        for chain, value in zip(chains, after, strict=True):
            chain.add_incoming(x, start)
            chain.add_incoming(value, loop)
        builder.position_at_end(done)
        total = after[0]
        for value in after[1:]:
            total = builder.fadd(total, value)
        return builder.extract_element(total, ir.IntType(32)(0))

    return x(x, n_steps), emit


@njit(nogil=True)
def _run(x, n_steps):
    return _multiply_add(x, n_steps)


def gflops_of_a_thread(dtype, n_threads):
    """Return the GFLOP/s of each of some threads in one short run (3 ms) of all.

    Threads may have to share a core: then each gets a part of what one alone would.
    """
    x = np.dtype(dtype).type(0.5)
    _run(x, 1)
    together = Barrier(n_threads)

    def seconds(_):
        together.wait()
        start = time.perf_counter()
        _run(x, N_STEPS)
        return time.perf_counter() - start

    with ThreadPoolExecutor(n_threads) as threads:
        mean = np.mean(list(threads.map(seconds, range(n_threads))))
    lanes = REGISTER_BYTES // np.dtype(dtype).itemsize
    return 2 * N_CHAINS * lanes * N_STEPS / mean / 1e9


def gigabytes_per_second():
    """Return the median rate of a copy on one core, of bytes read and written."""
    source = np.ones(2**25, np.float64)  # zeros might be one page, read again and again
    target = np.ones_like(source)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        np.copyto(target, source)
        seconds.append(time.perf_counter() - start)
    return 2 * source.nbytes / sorted(seconds)[2] / 1e9
