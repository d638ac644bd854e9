# What Python asks of a running core: see control.pyx.

from routilux._core.quiet cimport Quiet

cdef class Control(Quiet):
    # Nothing of the whole runtime can move before some blocked activation returns.
    cdef bint is_stuck(self) except -1
    cdef int announce_wait(self, bint quiet) except -1
