# What travels: the job, and the group of jobs that a batch stands for. Every queued or
# executing item has one owner, and the owner counts it.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from routilux._core.platform cimport rlx_store, rlx_wall_ns

# Guarded by the lock of the worker that the job belongs to.
ctypedef struct owner_t:
    PyObject* obj        # the JobContext or JobGroup around this struct; set once
    owner_t* link        # chain of ended jobs, or a work list while counts are settled
    Py_ssize_t open      # items queued or executing, groups of which it is a member
    Py_ssize_t parked    # those of them that a policy has said "not yet" to
    int kind             # OwnerKind; set once
    bint out             # parked == open: it does not count for max_queue_size
    bint dead            # failed or cancelled: what it still emits is dropped
    bint grouped         # some batch holds it together with others

# Who a job belongs to, shared by all jobs of a worker; outlives the worker.
cdef class Ident:
    cdef str worker_id      # set once
    cdef str flow_id        # set once
    cdef str prefix                  # of the ids of jobs that were not named; set once
    cdef object worker               # WorkerCore until the runtime is gone, then None
    cdef object engine               # Engine, or what a job without a runtime asks; set once
    cdef int64_t* virtual_wall       # the engine's clock in a simulation, else NULL; set once
    cdef int64_t n_completed         # jobs that ended so; written under the ledger's lock
    cdef int64_t n_failed            # likewise

# Wall clock, ns: the real one, or that of a simulation.
cdef inline int64_t wall_ns(int64_t* virtual_wall) noexcept nogil:
    return rlx_wall_ns() if virtual_wall == NULL else virtual_wall[0]

# Thread-safety: counts and state change under the worker's lock; `ended`, `has_waiters`
# and the links under the ledger's lock; the lazy objects under a critical section.
cdef class JobContext:
    cdef owner_t own
    cdef Ident ident                 # set once
    cdef uint64_t seq                # 1, 2, 3... within the runtime; set once
    cdef int state                   # JobState
    cdef bint ended                  # waiters were told; no item of it is left
    cdef bint has_waiters            # somebody sleeps until it ends, or is to be called
    cdef bint letter                 # it is for a dead letter; set once
    cdef int64_t created             # wall clock ns; 0 when it did not happen yet
    cdef int64_t started
    cdef int64_t completed
    cdef PyObject* bucket_next       # ledger's table
    cdef PyObject* history_next      # ledger's list of ended jobs, oldest first
    cdef object _id                  # str that names it; None: it has its number. Set once
    cdef object _data                # dict, made when asked for
    cdef object _metadata            # dict, made when asked for
    cdef object _trace               # list of dicts, made when asked for
    cdef object _error               # JobError or None
    cdef object _result              # what set_result() gave, else None
    cdef object _callbacks           # list or None; guarded by the ledger's lock

    # Call before a user's object is stored in it, or before the job is handed out to
    # be stored in a user's object: from then on the collector sees it.
    cdef void show(self) noexcept
    cdef list own_log(self)          # what trace() wrote

cdef inline void stamp_start(JobContext job) noexcept nogil:
    rlx_store(&job.started, wall_ns(job.ident.virtual_wall))

cdef JobContext new_job(Ident ident, object job_id)
