"""Numbers that exist in the compiled code only, so that a formula in plain Python can write that code.

A function of numbers, called once with symbols, leaves behind the instructions that compute its
results: loops over the coefficients of a series are unrolled, and all indices are known. Called
with floats, the same function computes. (numba could compile straight-line code as well, but takes
three times as long over it.)
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, register_jitable
from numba.np.arrayobj import get_cfarray_intrinsic

from gait.simulation import model
from gait.simulation.taylor.layout import GROUP, LINE, ROW

# Without the numpy error model, tests for division by zero keep numba from vectorising. Sums may
# be contracted (fused multiply-add) but not reordered: reordering depends on the vector width, and
# the same seed should give the same bytes on any machine of one kind.
compiled = numba.njit(error_model="numpy", fastmath={"contract"}, nogil=True)
for _, formula in inspect.getmembers(model, inspect.isfunction):
    register_jitable(formula)  # here, so that whoever only reads the model need not load numba

_FUSED = ("contract",)


class Symbol:
    """A float64, a float32 (see `single`), or the result of a comparison. Arithmetic emits instructions."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value):
        self._builder, self.value = builder, value

    def _new(self, emit: str, *operands, **options) -> Symbol:
        return Symbol(self._builder, getattr(self._builder, emit)(*map(self._like, operands), **options))

    def _like(self, number) -> ir.Value:
        return _value(number, self.value.type)

    def __add__(self, other):
        return self._new("fadd", self, other, flags=_FUSED)

    def __radd__(self, other):
        return self._new("fadd", other, self, flags=_FUSED)

    def __sub__(self, other):
        return self._new("fsub", self, other, flags=_FUSED)

    def __rsub__(self, other):
        return self._new("fsub", other, self, flags=_FUSED)

    def __mul__(self, other):
        return self._new("fmul", self, other, flags=_FUSED)

    def __rmul__(self, other):
        return self._new("fmul", other, self, flags=_FUSED)

    def __truediv__(self, other):
        return self._new("fdiv", self, other)

    def __rtruediv__(self, other):
        return self._new("fdiv", other, self)

    def __neg__(self):
        return self._new("fneg", self)

    def __abs__(self):
        return self._call("llvm.fabs")

    def sqrt(self) -> Symbol:
        """Square root, for `numpy.sqrt`."""
        return self._call("llvm.sqrt")

    def _call(self, name: str) -> Symbol:
        function = self._builder.module.declare_intrinsic(name, [self.value.type])
        return Symbol(self._builder, self._builder.call(function, [self.value]))

    def __lt__(self, other):
        return Symbol(self._builder, self._builder.fcmp_ordered("<", self.value, self._like(other)))

    def __gt__(self, other):
        return Symbol(self._builder, self._builder.fcmp_ordered(">", self.value, self._like(other)))

    def __le__(self, other):
        return Symbol(self._builder, self._builder.fcmp_ordered("<=", self.value, self._like(other)))

    def __and__(self, other):
        return self._new("and_", self, other)

    def __or__(self, other):
        return self._new("or_", self, other)

    def __bool__(self):
        raise TypeError("The value of a symbol is known only when the compiled code runs: use `choose`.")


def _value(number, kind: ir.Type) -> ir.Value:
    return number.value if isinstance(number, Symbol) else ir.Constant(kind, float(number))


def single(number):
    """Rounds a number to float32. Arithmetic among such numbers takes half the time."""
    if not isinstance(number, Symbol):
        return np.float32(number)
    return Symbol(number._builder, number._builder.fptrunc(number.value, ir.FloatType()))


def double(number):
    """Converts a float32 to float64."""
    if not isinstance(number, Symbol):
        return float(number)
    return Symbol(number._builder, number._builder.fpext(number.value, ir.DoubleType()))


def choose(condition, yes, no):
    """`yes` if the condition holds, else `no`."""
    if not isinstance(condition, Symbol):
        return yes if condition else no
    kind = next((number.value.type for number in (yes, no) if isinstance(number, Symbol)), ir.DoubleType())
    branches = [_value(number, kind) for number in (yes, no)]
    return Symbol(condition._builder, condition._builder.select(condition.value, *branches))


def quick_root(constant: float, number, degree: int):
    """A root of constant/number, both positive, or up to 6 per cent more. The degree is a power of two.

    The bits of a positive float64, read as an integer, are its logarithm up to a scale and an
    offset: exactly at powers of two, and interpolated in between. So division and root become a
    subtraction and a shift.
    """
    if not isinstance(number, Symbol):
        return (constant / number) ** (1.0 / degree)
    integer, builder = ir.IntType(64), number._builder
    of_one = 1023 << 52
    of_constant = of_one + int(math.log2(constant) * (1 << 52))
    shifted = builder.lshr(builder.bitcast(number.value, integer), ir.Constant(integer, degree.bit_length() - 1))
    bits = builder.sub(ir.Constant(integer, of_one + of_constant // degree), shifted)
    return Symbol(builder, builder.bitcast(bits, ir.DoubleType()))


def larger(a, b):
    """The larger of two numbers, or the second if one is not a number."""
    return choose(a > b, a, b)


def smaller(a, b):
    """The smaller of two numbers, or the second if one is not a number."""
    return choose(a < b, a, b)


def lane_loop(reads: tuple[str, ...], body: Callable[[SimpleNamespace], dict]) -> Callable:
    """A compiled function of the work array and a number of lanes that does the same for each of the first lanes.

    It does so for whole groups of lanes, see `GROUP`.

    The body is called whenever the function is compiled, to write the instructions down. All rows
    are read before one is written. The array must be float64 and of `SIZE`, which is not checked.

    Args:
        reads: rows that the body starts from.
        body: from an object with these rows as attributes, the new values of rows by their names.
    """

    def write_lane(typing_context, work, lane):
        def write_code(context, builder, signature, arguments):
            data = context.make_array(signature.args[0])(context, builder, arguments[0]).data

            def pointer(name: str) -> ir.Value:
                return builder.gep(data, [builder.add(arguments[1], ir.Constant(ir.IntType(64), getattr(ROW, name)))])

            # Most numbers are kept on the stack. There, too, vectors should not straddle lines of the cache.
            builder.function.attributes.add("nounwind")  # without any other, llvmlite forgets the alignment
            builder.function.attributes.alignstack = LINE
            given = {name: Symbol(builder, builder.load(pointer(name))) for name in reads}
            for name, number in body(SimpleNamespace(**given)).items():
                builder.store(_value(number, ir.DoubleType()), pointer(name))
            return context.get_dummy_value()

        return types.void(work, lane), write_code

    one_lane: Any = intrinsic(write_lane)

    @compiled
    def lanes(work, used):
        for first in range(0, used, GROUP):
            for lane in range(GROUP):
                one_lane(work, first + lane)

    return lanes


array_at: Any = get_cfarray_intrinsic("C", None)
"""An array from the address of its first number and its shape, for compiled code. The caller keeps it alive.

It is `numba.carray` for code that does not count the users of its arrays.
"""
_MATHEMATICS = {"sin", "cos"}
"""Functions of the C library that compiled code may call."""


def object_file(function: Callable, signature) -> tuple[str, bytes]:
    """Compiles a function of numbers and pointers so that a process without numba can call it.

    Args:
        function: what to compile; it allocates no arrays.
        signature: types of numba.

    Returns:
        The function's name, and an object file. The function there returns 0, or else there was an error. It takes the
        addresses of its result and of an error before its arguments.
    """
    dispatcher = numba.njit(
        error_model="numpy", nogil=True, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True
    )(function)  # fmt: skip
    dispatcher.compile(signature)
    (found,) = dispatcher.overloads.values()
    needed = re.findall(r'^declare [^@]*@"?([\w.$]+)', found.library.get_llvm_str(), re.MULTILINE)
    missing = {name for name in needed if not name.startswith("llvm.")} - _MATHEMATICS
    if missing:  # loading the file would end a process that has them not
        raise RuntimeError(f"The compiled code cannot stand alone: it needs {', '.join(sorted(missing))}.")
    _, _, (content, *_) = found.library.serialize_using_object_code()
    return found.fndesc.llvm_func_name, content
