# What Python asks of a running core: see control.pyx.

from routilux._core.engine cimport Engine

cdef class Control(Engine):
    # Nothing can move before some blocked activation returns.
    cdef bint is_stuck_everywhere(self) except -1
