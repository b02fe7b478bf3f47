"""Explicit vectors: a Numba type with loads, stores and arithmetic.

Written on this type, a loop is vector code by construction; Numba's autovectoriser
gives up on the cell equations (in a prototype 13.7 ns a cell, not 1.6). LLVM splits a
vector that is wider than the processor's registers, so every width runs everywhere.

Each function below is also its own Python twin on NumPy arrays: with
``NUMBA_DISABLE_JIT=1`` the kernels run as plain Python, for coverage and debugging.
"""

import itertools
import operator

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import (
    lower_builtin,
    models,
    register_model,
    type_callable,
)

from sklstm.kernels import inner


def _register_bytes(features):
    """Return the width of the widest registers that have fused multiply-add."""
    features = features.split(",")
    if "+avx512f" in features:
        return 64
    if "+avx2" in features and "+fma" in features:
        return 32
    return 16


_TRIPLE, _, FEATURES = cpu_target.target_context.codegen().magic_tuple()
REGISTER_BYTES = _register_bytes(FEATURES)
# How many there are: what bounds the tile of the matrix product.
N_REGISTERS = 32 if REGISTER_BYTES == 64 or "+neon" in FEATURES else 16
# A vector is a cache line everywhere, whatever it takes in registers: so panels are of
# one depth, and a step takes 8 % less on AVX2 than with vectors of one register.
VECTOR_BYTES = 64
ON_X86 = _TRIPLE.startswith(("x86", "i686"))
IN_PYTHON = bool(config.DISABLE_JIT)


def lanes_of(dtype):
    """Return how many values of `dtype` make a vector."""
    return VECTOR_BYTES // np.dtype(dtype).itemsize


class VectorType(types.Type):
    """A cache line full of `dtype`."""

    def __init__(self, dtype):
        self.dtype = dtype
        self.lanes = VECTOR_BYTES * 8 // dtype.bitwidth
        super().__init__(name=f"Vector({dtype} x {self.lanes})")


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        element = ir.FloatType() if fe_type.dtype.bitwidth == 32 else ir.DoubleType()
        super().__init__(dmm, fe_type, ir.VectorType(element, fe_type.lanes))


# ---------------------------------------------------------------------------
# LLVM helpers


def splat_value(builder, scalar, vector):
    """Return the LLVM vector of type `vector` with `scalar` in each lane."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, undefined, zeros)


def call_intrinsic(builder, name, vector, args):
    """Call LLVM's intrinsic `name` on vectors, for example ``llvm.fmuladd``."""
    suffix = "f32" if isinstance(vector.element, ir.FloatType) else "f64"
    name = f"{name}.v{vector.count}{suffix}"
    function = builder.module.globals.get(name)
    if function is None:
        signature = ir.FunctionType(vector, [vector] * len(args))
        function = ir.Function(builder.module, signature, name)
    return builder.call(function, args)


def vector_pointer(builder, base, index, vector):
    """Return the LLVM pointer to the `vector` at ``base[index:]``."""
    return builder.bitcast(builder.gep(base, [index]), vector.as_pointer())


def opaque(builder, value):
    """Return `value`, of which LLVM no longer knows how it was computed."""
    kind = ir.FunctionType(value.type, [value.type])
    return builder.asm(kind, "", "=r,0", [value], side_effect=False)


# ---------------------------------------------------------------------------
# Pointers, loads, stores, constants


def pointer(array):
    """Return a pointer to the first element of a C-contiguous array.

    Inside, kernels pass pointers: Numba counts references to an array at each call,
    which took 430 cycles of each matrix product.
    """
    return array.reshape(-1)


@type_callable(pointer)
def _type_pointer(context):
    def typer(array):
        return types.CPointer(array.dtype) if array.layout == "C" else None

    return typer


@lower_builtin(pointer, types.Array)
def _lower_pointer(context, builder, sig, args):
    return context.make_array(sig.args[0])(context, builder, args[0]).data


def offset_of(values, n):
    """Return the pointer to the value `n` after the one that `values` points to."""
    return values[n:]


@type_callable(offset_of)
def _type_offset(context):
    return lambda values, n: values


@lower_builtin(offset_of, types.CPointer, types.Integer)
def _lower_offset(context, builder, sig, args):
    return builder.gep(args[0], [args[1]])


def lanes(values):
    """Return how many of the values that a pointer points to make a vector."""
    return lanes_of(values.dtype)


@type_callable(lanes)
def _type_lanes(context):
    return lambda values: types.intp


@lower_builtin(lanes, types.CPointer)
def _lower_lanes(context, builder, sig, args):
    width = VECTOR_BYTES * 8 // sig.args[0].dtype.bitwidth
    return context.get_constant(types.intp, width)


def load(values, index):
    """Return the vector at ``values[index:]``."""
    return values[index : index + lanes(values)].copy()


@type_callable(load)
def _type_load(context):
    return lambda values, index: VectorType(values.dtype)


@lower_builtin(load, types.CPointer, types.Integer)
def _lower_load(context, builder, sig, args):
    vector = context.get_value_type(sig.return_type)
    align = sig.args[0].dtype.bitwidth // 8
    return builder.load(vector_pointer(builder, *args, vector), align=align)


def store(values, index, vector):
    """Write `vector` to ``values[index:]``."""
    values[index : index + lanes(values)] = vector


@type_callable(store)
def _type_store(context):
    return lambda values, index, vector: types.none


@lower_builtin(store, types.CPointer, types.Integer, VectorType)
def _lower_store(context, builder, sig, args):
    values, index, vector = args
    place = vector_pointer(builder, values, index, vector.type)
    builder.store(vector, place, align=sig.args[0].dtype.bitwidth // 8)
    return context.get_dummy_value()


def load_part(values, index, n):
    """Return the vector at ``values[index:]``, of which only `n` are read; then zeros.

    So the last values of a row need no loop of their own, which LLVM would unroll and
    make vectors of at the cost of a second of compilation.
    """
    vector = np.zeros(lanes(values), dtype=values.dtype)
    vector[:n] = values[index : index + n]
    return vector


def store_part(values, index, vector, n):
    """Write the first `n` of `vector` to ``values[index:]``."""
    values[index : index + n] = vector[:n]


def _mask(builder, n, vector):
    """Return the mask of the first `n` of a vector."""
    numbers = ir.VectorType(n.type, vector.count)
    every = splat_value(builder, n, numbers)
    return builder.icmp_signed(
        "<", ir.Constant(numbers, list(range(vector.count))), every
    )


def _is_float(kind):
    return isinstance(kind, ir.VectorType) and isinstance(
        kind.element, ir.FloatType | ir.DoubleType
    )


def _call_masked(builder, name, result, args):
    vector = next(arg.type for arg in args if _is_float(arg.type))
    suffix = "f32" if isinstance(vector.element, ir.FloatType) else "f64"
    name = f"llvm.masked.{name}.v{vector.count}{suffix}.p0"
    function = builder.module.globals.get(name)
    if function is None:
        kind = ir.FunctionType(result, [arg.type for arg in args])
        function = ir.Function(builder.module, kind, name)
    return builder.call(function, args)


@type_callable(load_part)
def _type_load_part(context):
    return lambda values, index, n: VectorType(values.dtype)


@lower_builtin(load_part, types.CPointer, types.Integer, types.Integer)
def _lower_load_part(context, builder, sig, args):
    values, index, n = args
    vector = context.get_value_type(sig.return_type)
    place = vector_pointer(builder, values, index, vector)
    align = ir.IntType(32)(sig.args[0].dtype.bitwidth // 8)
    mask = _mask(builder, n, vector)
    zeros = ir.Constant(vector, None)
    return _call_masked(builder, "load", vector, [place, align, mask, zeros])


@type_callable(store_part)
def _type_store_part(context):
    return lambda values, index, vector, n: types.none


@lower_builtin(store_part, types.CPointer, types.Integer, VectorType, types.Integer)
def _lower_store_part(context, builder, sig, args):
    values, index, vector, n = args
    place = vector_pointer(builder, values, index, vector.type)
    align = ir.IntType(32)(sig.args[0].dtype.bitwidth // 8)
    mask = _mask(builder, n, vector.type)
    _call_masked(builder, "store", ir.VoidType(), [vector, place, align, mask])
    return context.get_dummy_value()


def zeros_like(values):
    """Return a vector of zeros like the values that a pointer points to."""
    return np.zeros(lanes(values), dtype=values.dtype)


@type_callable(zeros_like)
def _type_zeros_like(context):
    return lambda values: VectorType(values.dtype)


@lower_builtin(zeros_like, types.CPointer)
def _lower_zeros_like(context, builder, sig, args):
    return ir.Constant(context.get_value_type(sig.return_type), None)


def transpose(source, start, row, n_rows, n_columns, target, into, target_row):
    """Write a block of at most as many rows and columns as a vector has, transposed.

    Element (i, j) goes from ``source[start + i*row + j]`` to
    ``target[into + j*target_row + i]``.
    """
    i, j = np.arange(n_rows)[:, None], np.arange(n_columns)
    target[into + j * target_row + i] = source[start + i * row + j]


@type_callable(transpose)
def _type_transpose(context):
    def typer(source, start, row, n_rows, n_columns, target, into, target_row):
        return types.none

    return typer


@lower_builtin(
    transpose, types.CPointer, types.Integer, types.Integer, types.Integer,
    types.Integer, types.CPointer, types.Integer, types.Integer,
)  # fmt: skip
def _lower_transpose(context, builder, sig, args):
    """Shuffle the rows of the upper and lower half into each other, log2(width) times.

    Each pass takes one bit of an element's number in the block from the front to the
    back, so that the bits of its row and of its column at last have changed places.
    """
    source, start, row, n_rows, n_columns, target, into, target_row = args
    kind = sig.args[0].dtype
    vector = context.get_value_type(VectorType(kind))
    width = vector.count
    align = ir.IntType(32)(kind.bitwidth // 8)

    def place(base, first, step, i):
        offset = builder.add(first, builder.mul(step, step.type(i)))
        return vector_pointer(builder, base, offset, vector)

    def part_of(i, n, others):
        """Return the mask of row `i`: the first `others`, or none from row `n` on."""
        inside = builder.icmp_signed("<", n.type(i), n)
        return _mask(builder, builder.select(inside, others, n.type(0)), vector)

    zeros = ir.Constant(vector, None)
    rows = [
        _call_masked(
            builder, "load", vector,
            [place(source, start, row, i), align, part_of(i, n_rows, n_columns), zeros],
        )
        for i in range(width)
    ]  # fmt: skip
    shuffle = ir.VectorType(ir.IntType(32), width)
    halves = [
        ir.Constant(shuffle, [i // 2 + i % 2 * width + half for i in range(width)])
        for half in (0, width // 2)
    ]
    for _ in range(width.bit_length() - 1):
        upper, lower = rows[: width // 2], rows[width // 2 :]
        rows = [
            builder.shuffle_vector(*pair, half)
            for pair in zip(upper, lower, strict=True)
            for half in halves
        ]
    for j, column in enumerate(rows):
        mask = part_of(j, n_columns, n_rows)
        to = place(target, into, target_row, j)
        _call_masked(builder, "store", ir.VoidType(), [column, to, align, mask])
    return context.get_dummy_value()


# ---------------------------------------------------------------------------
# Arithmetic: a scalar operand is converted to the vector's dtype and spread


def _as_vectors(context, builder, sig, args):
    vector = context.get_value_type(sig.return_type)
    for kind, value in zip(sig.args, args, strict=True):
        if isinstance(kind, VectorType):
            yield value
        else:
            scalar = context.cast(builder, value, kind, sig.return_type.dtype)
            yield splat_value(builder, scalar, vector)


def _vector_of(*operands):
    """Return the type of an operation's result; None where it is not one on vectors."""
    vectors = [kind for kind in operands if isinstance(kind, VectorType)]
    if vectors and all(
        isinstance(kind, VectorType | types.Number) for kind in operands
    ):
        return vectors[0]
    return None


# Numba reads the number of operands from the typer's signature.
_TYPERS = {
    1: lambda context: lambda a: _vector_of(a),
    2: lambda context: lambda a, b: _vector_of(a, b),
    3: lambda context: lambda a, b, c: _vector_of(a, b, c),
    4: lambda context: lambda a, b, c, d: _vector_of(a, b, c, d),
}


def _on_vectors(function, n_operands, emit):
    """Let kernels call `function` on vectors, to mean ``emit(builder, *vectors)``."""
    type_callable(function)(_TYPERS[n_operands])

    def lower(context, builder, sig, args):
        return emit(builder, *_as_vectors(context, builder, sig, args))

    kinds = (VectorType, types.Number)
    for operands in itertools.product(kinds, repeat=n_operands):
        if VectorType in operands:
            lower_builtin(function, *operands)(lower)


def _llvm(name):
    return lambda builder, *args: call_intrinsic(builder, name, args[0].type, args)


def fma(a, b, c):
    """Return ``a * b + c``, rounded once where the processor can."""
    return a * b + c


def minimum(a, b):
    """Return the smaller of `a` and `b`, lane by lane; `a` where one is NaN."""
    return np.where(b < a, b, a)


def maximum(a, b):
    """Return the larger of `a` and `b`, lane by lane; `a` where one is NaN."""
    return np.where(b > a, b, a)


def divide(a, b):
    """Return ``a / b`` to a few units in the last place; `b` is normal and finite.

    float32 takes the processor's reciprocal estimate and one Newton step, where there
    is one: a true division costs 16 cycles a vector, more than the rest of a `tanh`.
    """
    return a / b


def sqrt(a):
    """Return the square root, lane by lane."""
    return np.sqrt(a)


def fabs(a):
    """Return the absolute value, lane by lane."""
    return np.abs(a)


def copysign(a, b):
    """Return `a` with the sign of `b`, lane by lane."""
    return np.copysign(a, b)


def round_even(a):
    """Return the nearest whole numbers, ties to even."""
    return np.rint(a)


def where_positive(a, b):
    """Return `b` where `a` is above zero, and zero elsewhere."""
    return np.where(a > 0, b, np.zeros_like(b))


def where_above(a, b, c, d):
    """Return `c` where `a` is above `b`, and `d` elsewhere."""
    return np.where(a > b, c, d).astype(d.dtype)


def where_equal(a, b, c, d):
    """Return `c` where `a` equals `b`, and `d` elsewhere."""
    return np.where(a == b, c, d).astype(d.dtype)


def exp2_of_whole(a):
    """Return 2 to the power of whole numbers in float64, within -1022 to 1023."""
    return np.exp2(a)


def _emit_minimum(builder, a, b):
    return builder.select(builder.fcmp_ordered("<", b, a), b, a)


def _emit_maximum(builder, a, b):
    return builder.select(builder.fcmp_ordered(">", b, a), b, a)


def _emit_divide(builder, a, b):
    return builder.fdiv(a, b, flags=("arcp", "contract", "ninf"))


def _emit_where_positive(builder, a, b):
    zero = ir.Constant(a.type, None)
    return builder.select(builder.fcmp_ordered(">", a, zero), b, zero)


def _emit_where_above(builder, a, b, c, d):
    return builder.select(builder.fcmp_ordered(">", a, b), c, d)


def _emit_where_equal(builder, a, b, c, d):
    return builder.select(builder.fcmp_ordered("==", a, b), c, d)


def _emit_exp2_of_whole(builder, a):
    """Build the number from its exponent bits."""
    integers = ir.VectorType(ir.IntType(64), a.type.count)
    exponent = builder.add(
        builder.fptosi(a, integers), ir.Constant(integers, [1023] * a.type.count)
    )
    shift = ir.Constant(integers, [52] * a.type.count)
    return builder.bitcast(builder.shl(exponent, shift), a.type)


_on_vectors(operator.add, 2, lambda builder, a, b: builder.fadd(a, b))
_on_vectors(operator.sub, 2, lambda builder, a, b: builder.fsub(a, b))
_on_vectors(operator.mul, 2, lambda builder, a, b: builder.fmul(a, b))
_on_vectors(operator.truediv, 2, lambda builder, a, b: builder.fdiv(a, b))
_on_vectors(operator.neg, 1, lambda builder, a: builder.fneg(a))
_on_vectors(fma, 3, _llvm("llvm.fmuladd"))
_on_vectors(sqrt, 1, _llvm("llvm.sqrt"))
_on_vectors(fabs, 1, _llvm("llvm.fabs"))
_on_vectors(copysign, 2, _llvm("llvm.copysign"))
_on_vectors(round_even, 1, _llvm("llvm.rint"))
_on_vectors(minimum, 2, _emit_minimum)
_on_vectors(maximum, 2, _emit_maximum)
_on_vectors(divide, 2, _emit_divide)
_on_vectors(where_positive, 2, _emit_where_positive)
_on_vectors(where_above, 4, _emit_where_above)
_on_vectors(where_equal, 4, _emit_where_equal)
_on_vectors(exp2_of_whole, 1, _emit_exp2_of_whole)


# Clearing and copying are calls of the C library: as loops on vectors, which LLVM
# unrolls wherever they are called, they took a tenth of the compilation.


def zero(values, index, size):
    """Write zeros to ``values[index : index + size]``."""
    values[index : index + size] = 0


@type_callable(zero)
def _type_zero(context):
    return lambda values, index, size: types.none


@lower_builtin(zero, types.CPointer, types.Integer, types.Integer)
def _lower_zero(context, builder, sig, args):
    values, index, size = args
    n_bytes = builder.mul(size, size.type(sig.args[0].dtype.bitwidth // 8))
    cgutils.memset(builder, builder.gep(values, [index]), n_bytes, 0)
    return context.get_dummy_value()


def copy(source, start, target, into, n):
    """Write ``source[start : start + n]`` to ``target[into : into + n]``."""
    target[into : into + n] = source[start : start + n]


@type_callable(copy)
def _type_copy(context):
    return lambda source, start, target, into, n: types.none


@lower_builtin(
    copy, types.CPointer, types.Integer, types.CPointer, types.Integer, types.Integer
)
def _lower_copy(context, builder, sig, args):
    source, start, target, into, n = args
    from_, to = builder.gep(source, [start]), builder.gep(target, [into])
    cgutils.raw_memcpy(builder, to, from_, n, sig.args[0].dtype.bitwidth // 8)
    return context.get_dummy_value()


@inner
def add_to(target, into, source, start, n):
    """Add ``source[start : start + n]`` to ``target[into : into + n]``."""
    whole = n - n % lanes(target)
    for i in range(0, whole, lanes(target)):
        total = load(target, into + i) + load(source, start + i)
        store(target, into + i, total)
    if whole < n:
        total = load_part(target, into + whole, n - whole)
        total = total + load_part(source, start + whole, n - whole)
        store_part(target, into + whole, total, n - whole)


# ---------------------------------------------------------------------------
# Denormal numbers


def flush_denormals():
    """Have this thread treat denormal numbers as zero; return the mode before.

    A vanishing gradient ends in denormal numbers, on which the processor takes a slow
    path of over a hundred cycles. Does nothing outside x86.
    """
    return 0


def restore_denormals(mode):
    """Return this thread to the `mode` that `flush_denormals` found."""


@type_callable(flush_denormals)
def _type_flush_denormals(context):
    return lambda: types.int32


@type_callable(restore_denormals)
def _type_restore_denormals(context):
    return lambda mode: types.none


def _control_register(builder, name, pointer):
    """Call ``llvm.x86.sse.{ldmxcsr,stmxcsr}`` on a pointer to an int32."""
    byte_pointer = ir.IntType(8).as_pointer()
    name = f"llvm.x86.sse.{name}"
    function = builder.module.globals.get(name)
    if function is None:
        signature = ir.FunctionType(ir.VoidType(), [byte_pointer])
        function = ir.Function(builder.module, signature, name)
    builder.call(function, [builder.bitcast(pointer, byte_pointer)])


@lower_builtin(flush_denormals)
def _lower_flush_denormals(context, builder, sig, args):
    if not ON_X86:
        return ir.IntType(32)(0)
    pointer = builder.alloca(ir.IntType(32))
    _control_register(builder, "stmxcsr", pointer)
    mode = builder.load(pointer)
    # Bit 15 flushes results to zero, bit 6 reads denormal operands as zero.
    builder.store(builder.or_(mode, ir.IntType(32)(0x8040)), pointer)
    _control_register(builder, "ldmxcsr", pointer)
    return mode


@lower_builtin(restore_denormals, types.Integer)
def _lower_restore_denormals(context, builder, sig, args):
    if ON_X86:
        pointer = builder.alloca(ir.IntType(32))
        builder.store(args[0], pointer)
        _control_register(builder, "ldmxcsr", pointer)
    return context.get_dummy_value()
