"""Vectors of float32 for numba kernels: explicit SIMD without a compiler at install time.

numba's auto-vectoriser gives up silently on loops like the blending of Gaussians (they branch, and `exp` stays
scalar), which costs a factor of ten. This module adds a numba type `<LANES x float>` instead, made of LLVM
vector instructions through llvmlite. Kernels use it like a number:

    weight = transmittance * alpha                       # vector op vector, vector op float32
    store(buffer, i, load(buffer, i) + weight * red)     # contracted to one fused multiply-add

All arithmetic carries LLVM's `fast` flags, so kernels must only meet finite numbers.
LANES is 16 where the CPU has AVX-512, else 8 (on SSE the compiler splits a vector into two registers).
`EMOTALK_LANES` overrides it. Addresses are element indices into C-contiguous float32 arrays and are not
checked: a kernel owns its bounds.
"""

from __future__ import annotations

import operator
import os

import numba
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

from emotalk.core.errors import InputError

FAST = ("fast",)


def cpu_name_and_features() -> tuple[str, str]:
    """What numba compiles for: NUMBA_CPU_NAME / NUMBA_CPU_FEATURES where set, else this machine."""
    name = numba.config.CPU_NAME or binding.get_host_cpu_name()
    features = numba.config.CPU_FEATURES
    if features is None:
        # numba itself drops the features of the machine when a CPU name is asked for.
        features = "" if numba.config.CPU_NAME else binding.get_host_cpu_features().flatten()
    return name, features


def _lanes() -> int:
    configured = os.environ.get("EMOTALK_LANES")
    if configured:
        if configured not in ("4", "8", "16"):
            raise InputError(f"EMOTALK_LANES must be 4, 8 or 16, found {configured!r}; unset it for the default.")
        return int(configured)
    return 16 if "+avx512f" in cpu_name_and_features()[1] else 8


LANES = _lanes()

_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)
_INT32 = ir.IntType(32)


class VectorType(types.Type):
    """`<LANES x float>` in numba's type system."""

    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


vector = VectorType()


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector_type) -> None:
        super().__init__(manager, vector_type, _VECTOR)


def _broadcast(builder, value):
    """The LLVM value `value` in every lane (vectors pass through)."""
    if value.type == _VECTOR:
        return value
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES))


def _address(context, builder, array_type, array, index, pointee):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), pointee.as_pointer())


# Arithmetic ------------------------------------------------------------------------------------------------------


def _define_operator(function, instruction: str) -> None:
    @type_callable(function)
    def typer_of(context):
        def typer(a, b):
            if vector in (a, b) and all(t in (vector, types.float32) for t in (a, b)):
                return vector
            return None

        return typer

    def lower(context, builder, signature, arguments):
        a, b = (_broadcast(builder, argument) for argument in arguments)
        return getattr(builder, instruction)(a, b, flags=FAST)

    for pair in ((VectorType, VectorType), (VectorType, types.Float), (types.Float, VectorType)):
        lower_builtin(function, *pair)(lower)


for _function, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _define_operator(_function, _instruction)


# Making vectors, memory ------------------------------------------------------------------------------------------


@intrinsic
def splat(typing, value):
    """`value` (float32) in every lane."""
    return vector(types.float32), lambda context, builder, signature, a: _broadcast(builder, a[0])


@intrinsic
def lane_numbers(typing):
    """0, 1, 2, ..., LANES - 1."""
    numbers = ir.Constant(_VECTOR, [float(lane) for lane in range(LANES)])
    return vector(), lambda context, builder, signature, a: numbers


@intrinsic
def load(typing, array, index):
    """Elements index ... index + LANES - 1 of a flat float32 array."""

    def generate(context, builder, signature, a):
        value = builder.load(_address(context, builder, signature.args[0], a[0], a[1], _VECTOR))
        value.align = 4
        return value

    return vector(array, types.intp), generate


@intrinsic
def store(typing, array, index, value):
    """Write LANES elements from `index` on."""

    def generate(context, builder, signature, a):
        pointer = _address(context, builder, signature.args[0], a[0], a[1], _VECTOR)
        builder.store(_broadcast(builder, a[2]), pointer).align = 4
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def prefetch(typing, array, index):
    """Have the row `index` of an array [N, ...] brought into the caches; nothing waits for it."""

    def generate(context, builder, signature, a):
        made = context.make_array(signature.args[0])(context, builder, a[0])
        octets = ir.IntType(8).as_pointer()
        offset = builder.mul(builder.extract_value(made.strides, 0), a[1])
        pointer = builder.gep(builder.bitcast(made.data, octets), [offset])
        kind = ir.FunctionType(ir.VoidType(), [octets, _INT32, _INT32, _INT32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        how = [ir.Constant(_INT32, value) for value in (0, 3, 1)]  # to be read, into all caches, data
        builder.call(function, [pointer, *how])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@intrinsic
def store_rgb(typing, array, index, red, green, blue):
    """Write LANES pixels of 8-bit RGB (3 LANES bytes from `index` on): 255 channel, rounded and clipped."""

    def generate(context, builder, signature, a):
        words = ir.VectorType(_INT32, LANES)
        octets = ir.VectorType(ir.IntType(8), 4 * LANES)
        packed = None
        for shift, channel in zip((0, 8, 16), a[2:], strict=True):
            scaled = builder.fadd(
                builder.fmul(channel, ir.Constant(_VECTOR, [255.0] * LANES)), ir.Constant(_VECTOR, [0.5] * LANES)
            )
            low, high = ir.Constant(_VECTOR, [0.0] * LANES), ir.Constant(_VECTOR, [255.0] * LANES)
            scaled = builder.select(builder.fcmp_ordered(">", scaled, low), scaled, low)
            scaled = builder.select(builder.fcmp_ordered("<", scaled, high), scaled, high)
            integers = builder.shl(builder.fptoui(scaled, words), ir.Constant(words, [shift] * LANES))
            packed = integers if packed is None else builder.or_(packed, integers)
        packed = builder.bitcast(packed, octets)
        kept = [4 * lane + channel for lane in range(LANES) for channel in range(3)]
        mask = ir.Constant(ir.VectorType(_INT32, 3 * LANES), kept)
        pixels = builder.shuffle_vector(packed, ir.Constant(octets, ir.Undefined), mask)
        pointer = _address(context, builder, signature.args[0], a[0], a[1], pixels.type)
        builder.store(pixels, pointer).align = 1
        return context.get_dummy_value()

    return types.void(array, types.intp, vector, vector, vector), generate


# Comparisons and reductions --------------------------------------------------------------------------------------


def _select_of(comparison: str):
    @intrinsic
    def choose(typing, a, b):
        def generate(context, builder, signature, arguments):
            x, y = (_broadcast(builder, argument) for argument in arguments)
            return builder.select(builder.fcmp_ordered(comparison, x, y), x, y)

        return vector(a, b), generate

    return choose


minimum = _select_of("<")
maximum = _select_of(">")


def _of_each_lane(name: str):
    @intrinsic
    def apply(typing, value):
        def generate(context, builder, signature, arguments):
            kind = ir.FunctionType(_VECTOR, [_VECTOR])
            function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{LANES}f32")
            return builder.call(function, arguments, fastmath=FAST)

        return vector(value), generate

    return apply


square_root = _of_each_lane("sqrt")
floor = _of_each_lane("floor")


@intrinsic
def keep_where(typing, value, a, b):
    """`value` in the lanes where a >= b, 0 elsewhere."""

    def generate(context, builder, signature, arguments):
        kept, x, y = (_broadcast(builder, argument) for argument in arguments)
        return builder.select(builder.fcmp_ordered(">=", x, y), kept, ir.Constant(_VECTOR, [0.0] * LANES))

    return vector(value, a, b), generate


@intrinsic
def any_above(typing, a, b):
    """True if a > b in any lane."""

    def generate(context, builder, signature, arguments):
        x, y = (_broadcast(builder, argument) for argument in arguments)
        mask = builder.bitcast(builder.fcmp_ordered(">", x, y), ir.IntType(LANES))
        return builder.icmp_unsigned("!=", mask, ir.Constant(ir.IntType(LANES), 0))

    return types.boolean(a, b), generate


@intrinsic
def total(typing, value):
    """The sum of all lanes."""

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(_FLOAT, [_FLOAT, _VECTOR])
        reduce = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}f32")
        return builder.call(reduce, [ir.Constant(_FLOAT, 0.0), arguments[0]], fastmath=FAST)

    return types.float32(vector), generate


# Sharing work between threads ------------------------------------------------------------------------------------


@intrinsic
def claim(typing, counter):
    """Add 1 to counter[0] (int64) and return what it held before, atomically: the next piece of work."""

    def generate(context, builder, signature, a):
        pointer = context.make_array(signature.args[0])(context, builder, a[0]).data
        return builder.atomic_rmw("add", pointer, ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(counter), generate
