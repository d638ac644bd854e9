# What Python asks of a running core: see control.pyx.

from routilux._core.job cimport JobContext
from routilux._core.worker cimport WorkerCore
from routilux._core.engine cimport Engine

cdef class Control(Engine):
    # Nothing of the whole runtime can move before some blocked activation returns.
    cdef bint is_stuck(self) except -1
    cdef bint in_quiet               # a call of quiet is at work
    cdef Py_ssize_t quiet_calls      # calls that came since it looked
    cdef int announce_wait(self, bint quiet) except -1
    cdef bint more_quiet(self) noexcept nogil
    cdef bint flush_quiet(self) except -1
    cdef int cancel_parked(self) except -1
    cdef bint cancel_for(self, JobContext job, object text) except -1
    cdef int cancel_many(self, WorkerCore worker, list jobs, list reasons) except -1
