# What Python asks of a running core: see control.pyx.

from routilux._core.pause cimport Pause

cdef class Control(Pause):
    # Nothing of the whole runtime can move before some blocked activation returns.
    cdef bint is_stuck(self) except -1
    cdef int announce_wait(self, bint quiet) except -1
