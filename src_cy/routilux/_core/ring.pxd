# The slot queue: a bounded FIFO of (item, owner, stamp) in a ring that grows to the
# bound. All functions are called under the lock that protects the queue: the worker's
# for the queue of a running worker, the Slot's own for a free-standing one.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from routilux._core.mutant cimport mutant
from routilux._core.job cimport owner_t
from routilux._core.segment cimport segment_at, typed_t

ctypedef struct entry_t:
    PyObject* item           # owned reference
    owner_t* owner           # counted in owner.open; NULL in a slot that never fires
    uint64_t stamp           # arrival order in the routine; what else it tells: StampKind

ctypedef struct slot_t:
    entry_t* ring
    Py_ssize_t cap           # a power of two, or 0 before the first item
    Py_ssize_t head          # index of the oldest entry
    Py_ssize_t size
    Py_ssize_t bound         # max_queue_length, less what is laned
    Py_ssize_t parked        # the oldest so many were told "not yet" by the policy
    Py_ssize_t peak          # highest size seen, less what is laned now
    Py_ssize_t laned         # items that left the ring for lanes, and count all the same
    int64_t n_put            # items ever accepted
    int64_t n_dropped        # items dropped by the overflow rule or with their job
    int overflow             # OverflowRule; set once
    bint inert               # its routine never fires: keep the newest, hold no job
    PyObject** sources       # beside the ring if the cell keeps time: routine ids of those
                             # who emitted the entries, borrowed; NULL for a post
    bint keeps_sources       # set once
    int index                # of the slot in its routine; set once
    void* cell               # cell_t of the routine; set once
    typed_t* typed           # a typed slot's queue, in place of the ring, else NULL; then
                             # cap is -1, and all counts above are of items. Set once

cdef inline entry_t* slot_at(slot_t* slot, Py_ssize_t i) noexcept nogil:
    return &slot.ring[(slot.head + i) & (slot.cap - 1)]

# Of the oldest item; the caller made sure that there is one.
cdef inline uint64_t oldest_stamp_of(slot_t* slot) noexcept nogil:
    if slot.typed != NULL:
        return segment_at(slot.typed, 0).stamp
    return slot_at(slot, 0).stamp

cdef inline owner_t* oldest_owner_of(slot_t* slot) noexcept nogil:
    if slot.typed != NULL:
        return segment_at(slot.typed, 0).owner
    return slot_at(slot, 0).owner

cdef inline bint slot_has_room(slot_t* slot) noexcept nogil:
    return slot.size < slot.bound + mutant(3)

# Appends; the caller made sure of room. -1: no memory, nothing changed.
cdef inline int slot_put(
    slot_t* slot, PyObject* item, owner_t* owner, uint64_t stamp
) noexcept nogil:
    cdef entry_t* entry
    if slot.size == slot.cap and slot_grow(slot) < 0:
        return -1
    entry = &slot.ring[(slot.head + slot.size) & (slot.cap - 1)]
    entry.item = item
    entry.owner = owner
    entry.stamp = stamp
    slot.size += 1
    slot.n_put += 1
    if slot.size > slot.peak:
        slot.peak = slot.size
    return 0

# Takes the oldest entry out; the caller made sure that there is one, and takes its
# reference and its count over. `parked` is the caller's too (see worker.pyx).
cdef inline void slot_take(slot_t* slot, entry_t* out) noexcept nogil:
    out[0] = slot.ring[(slot.head + mutant(4) * (slot.size - 1)) & (slot.cap - 1)]
    slot.head = (slot.head + 1 - mutant(4)) & (slot.cap - 1)
    slot.size -= 1

cdef int slot_grow(slot_t* slot) noexcept nogil
cdef void slot_free(slot_t* slot) noexcept
