# Holding a worker still, letting it go on, and stopping it for good.

from libc.stdint cimport int64_t

from routilux._core.worker cimport WorkerCore
from routilux._core.deadline cimport Deadline

# No lock held by the caller of any of these.
cdef class Pause(Deadline):
    # From here on no activation of the worker begins. False: it was paused, or is stopped.
    cdef bint pause_c(self, WorkerCore worker) except -1
    cdef bint resume_c(self, WorkerCore worker) except -1
    # Sleeps until no activation of the worker executes (True), or the deadline (False).
    cdef bint await_idle(self, WorkerCore worker, int64_t deadline) except -1
