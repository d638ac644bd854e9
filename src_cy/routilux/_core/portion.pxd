# What items of a typed slot count for: putting a portion of a block into its queue and
# taking one out. But for the first two, under the worker's lock.

from cpython.object cimport PyObject

from routilux._core.ledger cimport effects_t
from routilux._core.block cimport Block, part_t
from routilux._core.routine cimport cell_t
from routilux._core.slot cimport entry_t, slot_t
from routilux._core.worker cimport WorkerCore, activation_t
from routilux._core.job cimport owner_t

# One item, or an array of items, as the slot takes it; TypeError if it can't. No lock.
cdef Block block_for(WorkerCore worker, slot_t* slot, object item)
cdef Block blocks_for(WorkerCore worker, slot_t* slot, object items, bint copy)

# Whether a slot whose rule is to raise has no room for all of the block.
cdef bint refuses(slot_t* slot, PyObject* block) noexcept nogil

# Appends `n` more items of the block and counts them. The caller made sure of room, in the
# slot and for a segment more. The PutResult PUT_OK.
cdef int put_portion(
    WorkerCore worker,
    slot_t* slot,
    Block block,
    Py_ssize_t n,
    owner_t* owner,
    effects_t* fx,
) noexcept nogil

# Takes up to `n` of the oldest items out, as far as they lie side by side and have one
# owner. A reference and a count move to `entry`, which is what other slots' items are.
cdef void take_portion(
    WorkerCore worker,
    slot_t* slot,
    Py_ssize_t n,
    entry_t* entry,
    part_t* part,
    effects_t* fx,
) noexcept nogil

# Drops the `n` oldest items; -> drop rules.
cdef void drop_portion(
    WorkerCore worker, slot_t* slot, Py_ssize_t n, effects_t* fx
) noexcept nogil

# Entries that an activation of a cell with typed slots needs for `n` items of each slot,
# all of them if it is negative.
cdef Py_ssize_t entries_for(cell_t* cell, Py_ssize_t n) noexcept nogil
# Takes the `n` oldest items (all, if negative) into act.item and sets act.owner, if they
# lie side by side and have one owner; else it does nothing.
cdef bint take_whole(
    WorkerCore worker, slot_t* slot, Py_ssize_t n, activation_t* act, effects_t* fx
) noexcept nogil
# Takes the `n` oldest items into act.entries and act.parts; returns how many entries.
cdef Py_ssize_t take_portions(
    WorkerCore worker, slot_t* slot, Py_ssize_t n, activation_t* act, effects_t* fx
) noexcept nogil

# Parks what is not parked yet.
cdef void park_portions(WorkerCore worker, slot_t* slot, effects_t* fx) noexcept nogil
# Drops what belongs to dead owners; returns how many items.
cdef Py_ssize_t purge_portions(
    WorkerCore worker, slot_t* slot, effects_t* fx
) noexcept nogil
