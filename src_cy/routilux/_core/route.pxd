# Delivery: one item into one slot, by the slot's rule, and what to do when it is full.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from routilux._core.job cimport owner_t
from routilux._core.ledger cimport effects_t
from routilux._core.routine cimport cell_t
from routilux._core.slot cimport slot_t
from routilux._core.worker cimport WorkerCore
from routilux._core.frame cimport frame_t

# Under the worker's lock. Takes a reference to `item` and a count of `owner` when the
# answer is PUT_OK (PutResult). `frame` is the activation that emits, or NULL. `over`
# lets the item in although the slot is full, whatever its rule.
cdef int deliver(
    WorkerCore worker,
    slot_t* slot,
    PyObject* item,
    owner_t* owner,
    frame_t* frame,
    bint over,
    effects_t* fx,
) noexcept nogil

# A full slot: help (if `helps`), or sleep until it may have room. Raises
# SlotQueueFullError when the wait can't end. No lock held.
cdef enum AwaitResult:
    AWAIT_TIMEOUT            # the deadline passed
    AWAIT_AGAIN              # look again
    AWAIT_OVER               # too deep to help any more: go in over the bound
cdef int await_room(
    WorkerCore worker, slot_t* slot, frame_t* frame, bint helps, int64_t deadline
) except -1

cdef object slot_full(WorkerCore worker, slot_t* slot, str why)

# Runs one ready activation of the worker on this thread, that of `cell` if it is ready,
# else any that may run on top of the thread's frame; with `anything`, any at all.
# 1: it did; 0: there was none. Set by pump.pyx, which comes later in the order.
ctypedef int (*help_t)(WorkerCore worker, cell_t* cell, bint anything) except -1
cdef void set_help(help_t help) noexcept
cdef int help_once(WorkerCore worker, cell_t* cell, bint anything) except -1

# The ready cell to help with, under the lock. Nothing upstream of what the thread has
# suspended: it would fill a slot that only the suspended activation can empty. Ranks
# grow along every connection, so in a flow without cycles no two threads can ever wait
# for each other.
cdef cell_t* helpable(WorkerCore worker, frame_t* frame) noexcept nogil
cdef enum:
    HELP_DEPTH = 48          # helping nests on the C stack: about 1 KiB and a Python call each
