"""The slot queue: where an item waits for its routine.

Filled by entry (post) and route (emit), emptied by the activation check. A ring of
24-byte entries that starts empty and doubles up to the slot's bound, so a thousand
idle workers cost nothing. It promises first in, first out, and never more than
`max_queue_length` items; what happens at the bound is the overflow rule's business.
"""

from libc.stdlib cimport free
from libc.string cimport memset

from routilux._core.platform cimport alloc, rlx_xdecref
from routilux._core.segment cimport free_typed


cdef int slot_grow(slot_t* slot) noexcept nogil:
    cdef Py_ssize_t cap = 8 if slot.cap == 0 else 2 * slot.cap
    cdef Py_ssize_t i
    cdef entry_t* ring = <entry_t*>alloc(cap * sizeof(entry_t))
    if ring == NULL or (slot.keeps_sources and grow_sources(slot, cap) < 0):
        free(ring)
        return -1
    for i in range(slot.size):
        ring[i] = slot_at(slot, i)[0]
    free(slot.ring)
    slot.ring = ring
    slot.cap = cap
    slot.head = 0
    return 0


cdef int grow_sources(slot_t* slot, Py_ssize_t cap) noexcept nogil:
    cdef PyObject** sources = <PyObject**>alloc(cap * sizeof(PyObject*))
    cdef Py_ssize_t i
    if sources == NULL:
        return -1
    memset(sources, 0, cap * sizeof(PyObject*))
    for i in range(slot.size):
        sources[i] = slot.sources[(slot.head + i) & (slot.cap - 1)]
    free(slot.sources)
    slot.sources = sources
    return 0


cdef void slot_free(slot_t* slot) noexcept:
    cdef Py_ssize_t i, n = slot.size
    cdef entry_t* ring = slot.ring
    cdef Py_ssize_t head = slot.head, mask = slot.cap - 1
    if slot.typed != NULL:
        free_typed(slot.typed)
        slot.typed = NULL
        return
    slot.ring = NULL
    slot.size = slot.cap = slot.head = slot.parked = 0
    for i in range(n):
        rlx_xdecref(ring[(head + i) & mask].item)
    free(ring)
    free(slot.sources)
    slot.sources = NULL
