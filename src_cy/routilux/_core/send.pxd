# Send: from one emit to all targets of the event, and what stands in the way.

from routilux._core.job cimport owner_t
from routilux._core.routine cimport cell_t
from routilux._core.worker cimport WorkerCore
from routilux._core.frame cimport frame_t
from routilux._core.cargo cimport Cargo

# `item` to every target (a Block to a typed slot that is the only one); or, if some are
# typed slots, what `cargo` has for each.
cdef int send(
    WorkerCore worker,
    cell_t* cell,
    int event,
    object item,
    Cargo cargo,
    owner_t* owner,
    frame_t* frame,
    bint on_loop,
) except -1

# An emit's share of the work of crowded slots.
cdef int relieve(WorkerCore worker, frame_t* frame) except -1
