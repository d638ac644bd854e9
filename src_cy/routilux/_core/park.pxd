# What can't move now: its jobs are told, and so is who waits for room. All under the
# worker's lock.

from routilux._core.ledger cimport effects_t
from routilux._core.routine cimport cell_t
from routilux._core.slot cimport slot_t
from routilux._core.worker cimport WorkerCore

# Parks all that is queued and arms the policy's clock.
cdef void park_rest(WorkerCore worker, cell_t* cell, effects_t* fx) noexcept nogil

# No memory for an activation: its policy's clock has the cell looked at again.
cdef void postpone(WorkerCore worker, cell_t* cell, effects_t* fx) noexcept nogil

# Wakes who sleeps until the slot has room, if it is worth it.
cdef void wake_slot(WorkerCore worker, slot_t* slot, effects_t* fx) noexcept nogil

# Wakes a thread that sleeps in emit() and may run the cell, which got ready.
cdef void wake_helper(WorkerCore worker, cell_t* cell, effects_t* fx) noexcept nogil
