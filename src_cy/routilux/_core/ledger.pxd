# Job accounting: which jobs live, which ended last, how many count for the bound of
# post(), and who sleeps until that changes. O(1) an item, also for batches.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from routilux._core.platform cimport rlx_load, rlx_lock_t, waiter_t, waiters_t
from routilux._core.job cimport JobContext, owner_t

# What a critical section decided and could not do while it held a lock. The caller
# carries it out right after giving the lock back (Engine.apply).
ctypedef struct effects_t:
    owner_t* done            # chain of jobs whose last item ended
    waiter_t* wake           # chain of sleepers to wake
    PyObject** litter        # references to drop: their __del__ is user code
    Py_ssize_t n_litter
    Py_ssize_t cap_litter
    Py_ssize_t n_dropped     # items that a rule or an ended job dropped
    PyObject* dropped_by     # label of the slot whose rule dropped an item; borrowed
    PyObject* source         # Node whose emit delivers; borrowed; NULL: a post
    bint first_drop          # the first one of that slot: log it
    bint runnable            # the worker got ready work and no pump knows of it
    bint nudge               # a timer became the earliest: the driver must hear of it
    bint quiet               # nothing moves, somebody waits: look for partial batches

cdef int call_one(JobContext job, object callback) except -1

cdef class Ledger:
    cdef rlx_lock_t lock             # protects all below; taken inside a worker's lock
    cdef int64_t live                # jobs that are not finished; also read without lock
    cdef int64_t admitted            # those that are not `out`; also read without lock
    cdef int64_t bound               # max_queue_size; set once
    cdef Py_ssize_t history_limit    # set once
    cdef Py_ssize_t history_size
    cdef PyObject* history_head      # oldest ended job that is still answered for
    cdef PyObject* history_tail
    cdef PyObject** buckets          # table of jobs by seq; owns one reference each
    cdef int64_t n_buckets           # a power of two; also read without lock
    cdef int64_t n_jobs              # also read without lock
    cdef uint64_t next_seq
    cdef uint64_t early              # names that jobs got before their number; atomic
    cdef waiters_t all_waiters       # WAIT_ALL
    cdef waiters_t job_waiters       # WAIT_JOB
    cdef waiters_t room_waiters      # WAIT_ROOM
    cdef int64_t draining            # shutdown waits: partial batches are to be flushed
    cdef int64_t completed
    cdef int64_t failed
    cdef int64_t cancelled
    cdef dict named                  # ids that users chose -> job
    cdef str prefix         # of the other ids; set once

    cdef void link_job(self, PyObject** buckets, Py_ssize_t n, PyObject* job) noexcept nogil
    cdef void unlink_job(self, PyObject* job) noexcept nogil
    cdef PyObject* remember(self, PyObject* job) noexcept nogil
    cdef int evict(self, PyObject* job) except -1
    cdef bint has_room(self) noexcept nogil
    cdef int grow(self) except -1
    cdef void admit(self, JobContext job) noexcept nogil
    cdef bint is_wanted(self) noexcept nogil
    cdef JobContext find(self, object job_id)
    cdef int finish(self, effects_t* fx) except -1
    cdef void wake_room(self, bint all_of_them, effects_t* fx) noexcept nogil
    cdef void wake_all(self, effects_t* fx) noexcept nogil
    cdef bint listen(self, JobContext job, object callback) except -1
    cdef list live_jobs(self)
    cdef list ended_jobs(self)
    cdef void forget(self)

# Room in the table for one more job; without the lock: what is not used stays.
cdef inline int reserve(Ledger ledger) except -1:
    return 0 if rlx_load(&ledger.n_jobs) < rlx_load(&ledger.n_buckets) else ledger.grow()
