# Where a post waits: for a place under max_queue_size, and for room in its slot. No lock
# is held by the caller; afterwards it looks again.

from libc.stdint cimport int64_t

from routilux._core.slot cimport slot_t
from routilux._core.worker cimport WorkerCore
from routilux._core.frame cimport frame_t
from routilux._core.control cimport Control

# `frame`: the activation that posts, or NULL. `deadline`: monotonic ns, 0 not to wait, -1
# to wait without a limit. Both raise QueueFullError (SlotQueueFullError for a slot) when
# the deadline passed or the wait can't end, and return True to go in over the bound.
cdef bint await_place(
    Control core, WorkerCore worker, frame_t* frame, int64_t deadline
) except -1
cdef bint await_slot(
    Control core, WorkerCore worker, slot_t* slot, frame_t* frame, int64_t deadline
) except -1
cdef object no_place(Control core, WorkerCore worker)
