# What happens when nothing moves any more, and to jobs that are cancelled.

from routilux._core.job cimport JobContext
from routilux._core.worker cimport WorkerCore
from routilux._core.engine cimport Engine

cdef class Quiet(Engine):
    cdef bint in_quiet               # a call of quiet is at work; guarded by the lock
    cdef Py_ssize_t quiet_calls      # calls that came since it looked; guarded by the lock
    cdef bint more_quiet(self) noexcept nogil
    cdef bint flush_quiet(self) except -1
    cdef int cancel_parked(self) except -1
    cdef bint end_for(self, JobContext job, int state, object reason) except -1
    cdef int cancel_many(self, WorkerCore worker, list jobs, list texts) except -1
