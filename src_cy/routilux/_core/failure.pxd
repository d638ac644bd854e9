# Why a job ended badly, and points in time as users see them. No lock held.

from libc.stdint cimport int64_t

cdef object error_of(BaseException error, str routine_id)
# The same for whatever a user gave as the reason; None stays None.
cdef object failure_of(object error, str routine_id)
# The exception behind a failure that nobody raised (a timeout), or None.
cdef object cause_of(object error)
# What a job has written of itself, with what was recorded of it (see recall.pyx).
cdef object tell_log(object job, list log)
# Wall clock ns to a UTC datetime, 0 to None; and back.
cdef object moment(int64_t ns)
cdef int64_t instant(object when) except? -1
