# Post: how a job enters.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from routilux._core.platform cimport deadline_of
from routilux._core.job cimport JobContext
from routilux._core.ledger cimport Ledger, effects_t
from routilux._core.slot cimport slot_t
from routilux._core.worker cimport WorkerCore
from routilux._core.frame cimport frame_t
from routilux._core.control cimport Control

cdef enum:
    ENTERED
    NO_PLACE         # max_queue_size jobs are unfinished
    NO_ROOM          # the slot is full and its rule is to wait
    REFUSED          # the slot is full and its rule is to raise
    SHUT_DOWN
    JOB_ENDED
    GONE             # the worker was stopped
    NO_MEMORY

# When a timeout in seconds ends, by the runtime's clock; -1: never.
cdef inline int64_t deadline_from(Control core, object timeout) except? -2:
    return -1 if timeout is None else deadline_of(timeout, core.clock.now())

# The frame of logic that runs on this thread for this runtime; NULL: none.
cdef frame_t* frame_in(Control core) noexcept
cdef int claim_name(Ledger ledger, JobContext job) except -1
cdef int name_early(Ledger ledger, JobContext job) except -1
cdef int unname(Ledger ledger, JobContext job) except -1
# Tells the hooks of an item that is about to enter, and asks them.
cdef bint is_vetoed(
    WorkerCore worker, slot_t* slot, data, JobContext job, bint joins
) except -1
# `bare`: the job enters without an item; something else holds it open.
cdef int enter(
    Control core,
    WorkerCore worker,
    slot_t* slot,
    object data,
    JobContext job,
    int64_t deadline,
    bint bare,
) except -1
# Under the worker's lock: all or nothing. `over` and `crowd` lift the two bounds.
cdef int try_enter(
    Control core,
    WorkerCore worker,
    slot_t* slot,
    PyObject* data,
    JobContext job,
    bint over,
    bint crowd,
    bint vetoed,
    frame_t* frame,
    effects_t* fx,
) noexcept nogil
cdef int make_room(
    Control core,
    WorkerCore worker,
    slot_t* slot,
    JobContext job,
    frame_t* frame,
    int64_t deadline,
    int result,
    bint* over,
    bint* crowd,
) except -1
