"""Kernels kept out of line: compiled once, and called by a symbol.

Numba links a copy of all that a kernel calls into it, and optimises the copy again on
every level of calls: for the matrix product, which most other kernels call, half a
second each time. An out-of-line kernel is compiled by itself behind the interface of C;
its callers only know its symbol.
"""

import functools

import llvmlite.binding as llvm
from llvmlite import ir
from numba import from_dtype, types
from numba.core import cgutils
from numba.core.ccallback import CFunc
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin

from sklstm.kernels import KERNEL_VERSION, compiling
from sklstm.kernels.cache import keep
from sklstm.kernels.simd import IN_PYTHON

_SYMBOLS = []
_IN_PYTHON = []  # kernels at the addresses that they have in Python


def out_of_line(arguments, seldom=False):
    """Return a decorator for ``make``, where ``make(version)`` returns the kernel.

    The kernel must be made `ready` for the dtype before the first call. Where its
    callers pass a tuple, it takes the fields.

    A kernel that few networks need is `seldom` compiled: only where someone asks for
    its `address_of`, which its callers get as data and pass before the arguments.

    Parameters
    ----------
    arguments : str
        For each argument of the kernel "i" for an integer, "f" for a float, "p" for a
        pointer to numbers of the dtype, "n" for one to int64, "d" for one to float64.
    seldom : bool
    """

    def decorate(make):
        kernel = make(KERNEL_VERSION)

        def call(*args):
            fields = [arg if isinstance(arg, tuple) else (arg,) for arg in args]
            values = [value for values in fields for value in values]
            if seldom:
                address, *values = values
                return _IN_PYTHON[address](*values)
            return kernel(*values)

        call.kernel = kernel
        if not IN_PYTHON:
            call.symbol = _symbol_of(kernel, arguments)
            if not seldom:
                _SYMBOLS.append(call.symbol)
            _let_kernels_call(call, seldom)
        return call

    return decorate


@functools.cache  # and so there is no lock to wait for once they are
def ready(dtype):
    """Compile all out-of-line kernels for pointers to `dtype`, or load them."""
    if not IN_PYTHON:
        with compiling():
            for symbol in _SYMBOLS:
                symbol(from_dtype(dtype))


@functools.cache
def address_of(call, dtype):
    """Compile a kernel that is seldom needed, or load it; return where it lies."""
    if IN_PYTHON:
        if call.kernel not in _IN_PYTHON:
            _IN_PYTHON.append(call.kernel)
        return _IN_PYTHON.index(call.kernel)
    with compiling():
        kind = from_dtype(dtype)
        call.symbol(kind)
        return call.symbol.kept[kind].address


def _symbol_of(kernel, arguments):
    """Return a function that compiles `kernel` for a dtype and returns its symbol."""

    @functools.cache
    def symbol(dtype):
        kinds = {
            "i": types.intp,
            "f": types.float64,
            "d": types.CPointer(types.float64),
            "p": types.CPointer(dtype),
            "n": types.CPointer(types.int64),
        }
        interface = tuple(kinds[kind] for kind in arguments.replace(" ", ""))
        compiled = CFunc(kernel, (interface, types.void), {}, {"error_model": "numpy"})
        keep(compiled, kernel)
        compiled.compile()
        name = f"sklstm.{kernel.__name__}.{dtype}.{KERNEL_VERSION}"
        llvm.add_symbol(name, compiled.address)
        symbol.kept[dtype] = compiled  # its code lives as long as it does
        return name

    symbol.kept = {}
    return symbol


def _let_kernels_call(call, by_address):
    """Let kernels call `call`, to mean a call of its symbol, or of an address."""

    class _Template(AbstractTemplate):
        key = call

        def generic(self, args, kws):
            return signature(types.none, *args)

    infer_global(call, types.Function(_Template))

    @lower_builtin(call, types.VarArg(types.Any))
    def _lower(context, builder, sig, args):
        kinds, values = [], []
        for kind, value in zip(sig.args[by_address:], args[by_address:], strict=True):
            is_tuple = isinstance(kind, types.BaseTuple)
            kinds += kind.types if is_tuple else [kind]
            values += cgutils.unpack_tuple(builder, value) if is_tuple else [value]
        interface = ir.FunctionType(ir.VoidType(), [value.type for value in values])
        if by_address:
            function = builder.inttoptr(args[0], interface.as_pointer())
        else:
            name = call.symbol(_dtype_of(kinds))
            function = cgutils.get_or_insert_function(builder.module, interface, name)
        builder.call(function, values)
        return context.get_dummy_value()


def _dtype_of(kinds):
    """Return what the first pointer to numbers points to."""
    return next(
        kind.dtype
        for kind in kinds
        if isinstance(kind, types.CPointer) and isinstance(kind.dtype, types.Float)
    )
