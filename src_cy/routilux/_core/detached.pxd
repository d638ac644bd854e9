# Jobs without a runtime: made by hand, copied, unpickled. See detached.pyx.

from routilux._core.job cimport JobContext

cdef class Detached:
    # Ends a job that no engine counts; False when it had ended.
    cdef bint finish(self, JobContext job, int state, object error) except -1
