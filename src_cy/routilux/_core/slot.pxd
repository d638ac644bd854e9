# What a routine declares, and the window on one queue.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from routilux._core.platform cimport rlx_lock, rlx_lock_t, rlx_unlock
from routilux._core.block cimport Layout, part_t
from routilux._core.ring cimport (  # for those who say "slot" and mean its queue
    entry_t,
    oldest_owner_of,
    oldest_stamp_of,
    slot_at,
    slot_free,
    slot_grow,
    slot_has_room,
    slot_put,
    slot_t,
    slot_take,
)

# No lock held: what it holds, and what it ever took and dropped.
cdef inline Py_ssize_t slot_counts(
    slot_t* slot, rlx_lock_t* lock, int64_t* put, int64_t* dropped
) noexcept nogil:
    cdef Py_ssize_t size
    rlx_lock(lock)
    size = slot.size + slot.laned
    put[0] = slot.n_put
    dropped[0] = slot.n_dropped
    rlx_unlock(lock)
    return size

# The queue is that of a running worker (a subclass, view.QueueView) or its own, when it
# is used without a worker.
cdef class Slot:
    cdef readonly str name
    cdef readonly object routine
    cdef readonly Py_ssize_t max_queue_length
    cdef readonly double watermark
    cdef readonly str overflow
    cdef Layout layout          # of a typed slot's items, or None
    cdef public list connected_events    # drop-in surface: filled by Flow.connect
    cdef slot_t* queue                   # own.queue, or the worker's
    cdef slot_t own
    cdef rlx_lock_t own_lock
    cdef rlx_lock_t* lock                # protects queue
    cdef readonly bint timestamps        # keep when its items came, and from whom
    cdef dict emitted                    # stamp -> (from, at), for its own queue
    cdef uint64_t head_stamp(self)       # arrival number of the oldest item; 0: none
    cdef int pop_c(self, PyObject** item) except -1
    # Up to n items of a typed slot, as many as lie side by side; the reference moves.
    cdef int cut_c(self, Py_ssize_t n, part_t* part) except -1
    cdef bint look(self, Py_ssize_t i, entry_t* entry, PyObject** source) noexcept
    cdef int64_t arrived(self, uint64_t stamp)       # wall clock ns; 0: not known
