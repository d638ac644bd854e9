# What Python asks of a running core: see control.pyx.

from routilux._core.pause cimport Pause

cdef class Control(Pause):
    # What says of this object in words what holds the unfinished jobs; set once.
    cdef public object holders
    cdef readonly bint forked        # this process is a fork's child: no thread came along
    # Nothing of the whole runtime can move before some blocked activation returns.
    cdef bint is_stuck(self) except -1
    cdef int announce_wait(self, bint quiet) except -1
