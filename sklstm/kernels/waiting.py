"""Waiting for another thread without going to sleep."""

from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, type_callable

from sklstm.kernels import entry_point
from sklstm.kernels.simd import ON_X86

# A pause is 40 to 140 cycles of an x86 processor: so long a wait is 30 to 100 us there,
# and a few elsewhere, where there is no pause.
MOST_PAUSES = 2000
# Pauses after the news: whoever brought it holds the interpreter's lock for a little
# longer, and to ask for a lock that is taken is to go to sleep.
GRACE = 60


def _read_again(values, index):
    """Read ``values[index]`` from memory, after a pause."""
    return values[index]


@type_callable(_read_again)
def _type_read_again(context):
    return lambda values, index: values.dtype


@lower_builtin(_read_again, types.Array, types.Integer)
def _lower_read_again(context, builder, sig, args):
    if ON_X86:
        name = "llvm.x86.sse2.pause"
        pause = builder.module.globals.get(name)
        if pause is None:
            kind = ir.FunctionType(ir.VoidType(), [])
            pause = ir.Function(builder.module, kind, name)
        builder.call(pause, [])
    array = context.make_array(sig.args[0])(context, builder, args[0])
    place = builder.gep(array.data, [args[1]])
    return builder.load_atomic(place, "acquire", 8)


@entry_point
def wait_for(version):
    def wait_for(counts, place, count):
        """Wait until ``counts[place] >= count``, or for up to 100 us.

        Parameters
        ----------
        counts : array of int64
            Read: written to by other threads.
        place, count : int
        """
        version  # noqa: B018
        for _ in range(MOST_PAUSES):
            if _read_again(counts, place) >= count:
                for _ in range(GRACE):
                    _read_again(counts, place)
                return

    return wait_for
