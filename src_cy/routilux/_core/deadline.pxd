# Jobs with a deadline.

from libc.stdint cimport int64_t, uint64_t

from routilux._core.timer cimport timer_t
from routilux._core.overtime cimport Overtime

cdef class Deadline(Overtime):
    cdef int64_t n_deadlines         # timers of jobs, ended ones too; a sweep makes it exact

    cdef int end_late(self, uint64_t seq) except -1
    cdef bint is_live(self, uint64_t seq) noexcept nogil
    cdef int sweep(self) except -1

# A deadline in seconds, or None; raises for what is none.
cdef object deadline_in(object seconds)
