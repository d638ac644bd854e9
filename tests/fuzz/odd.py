"""Values that nobody should pass, and some that programs pass by mistake."""

import math
import threading
from collections import UserDict
from decimal import Decimal

import numpy
from hypothesis import strategies as st

from routilux import Flow, JobStatus, Routine, Runtime, immediate_policy


class Hostile(Exception):
    """What a hostile object raises: the caller's own error, which may come through."""


def refuse(*args, **kwargs):
    raise Hostile("asked")


class NoEq:
    """An object that raises when it is compared."""

    __eq__ = refuse
    __hash__ = object.__hash__


class NoHash:
    """An object that raises when its hash is asked for."""

    __hash__ = refuse


class NoBool:
    """An object that is neither true nor false."""

    __bool__ = refuse


class NoRepr:
    """An object that can't be shown."""

    __repr__ = refuse


class NoIter:
    """An object that raises when it is iterated."""

    __iter__ = refuse


class Grasping:
    """An object that raises for each attribute that it does not have."""

    def __getattr__(self, name):
        raise Hostile(name)


class Text(str):
    """A str with a comparison of its own."""

    __slots__ = ()

    def __eq__(self, other):
        return str.__eq__(self, other)

    __hash__ = str.__hash__


class Number(int):
    """An int of a class of its own."""


NUMBERS = [
    *(0, -1, 1, 2, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400),
    *(0.0, -0.5, 1.5, 1e-320, 1e300, math.nan, math.inf, -math.inf),
    *(True, False, Decimal("1.5"), 1j, Number(1), numpy.int64(1), numpy.float32(0.5)),
]
TEXTS = ["", " ", "no such", "inputt", "\0", "\ud800", "é" * 40, "x" * 9999, Text("a")]


def odd_objects():
    """Give objects, made anew."""
    return [
        *(None, ..., NotImplemented, object(), type, int, Exception, ValueError("v")),
        *(b"input", bytearray(b"x"), [], ["input"], [[]], {}, {"a": 1}, (), (1,)),
        *(set(), Flow, Routine, Runtime, Routine(), Flow()),
        *(frozenset("ab"), range(3), iter([1]), memoryview(b"x"), UserDict(a=1)),
        *(lambda: None, lambda *a, **k: None, len, print, refuse),
        *(NoEq(), NoHash(), NoBool(), NoRepr(), NoIter(), Grasping()),
        *(numpy.zeros(3), numpy.array("x"), threading.Lock(), JobStatus.FAILED),
        *(immediate_policy, immediate_policy()),
    ]


COUNT = len(odd_objects())

# A value of any type.
ODD = st.one_of(
    st.sampled_from(NUMBERS),
    st.sampled_from(TEXTS),
    st.integers(0, COUNT - 1).map(lambda n: odd_objects()[n]),
    st.text(max_size=5),
    st.integers(),
    st.floats(),
)
