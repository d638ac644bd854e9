# The queue of a typed slot: a ring of segments. A segment is a run of items that lie side
# by side in memory, kept alive by some Python object. Whole arrays are queued as they are,
# by reference; small ones are copied into a chunk, so that what arrives one by one lies
# side by side too. Functions of typed_t: under the lock that protects the queue.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from routilux._core.platform cimport rlx_lock_t
from routilux._core.job cimport owner_t
from routilux._core.block cimport Block, Layout, part_t

ctypedef struct segment_t:
    PyObject* base           # keeps the bytes alive; owned reference
    char* data               # its oldest item
    Py_ssize_t n             # items, at least 1
    owner_t* owner           # holds one count of it, for all items; NULL: none
    uint64_t stamp           # arrival of its oldest item; of the next: stamp + step
    PyObject* source         # routine id of who emitted it, borrowed; NULL: not kept, a post

ctypedef struct typed_t:
    segment_t* ring
    Py_ssize_t cap           # a power of two, or 0 before the first item
    Py_ssize_t head          # index of the oldest segment
    Py_ssize_t count         # segments
    Py_ssize_t parked        # the oldest so many were told "not yet" by the policy
    Py_ssize_t itemsize      # bytes of one item; set once
    uint64_t step            # 0 when stamps are times, else 1
    int64_t wanted           # bytes of the next chunk, 0: none; also read without lock
    PyObject* chunk          # Chunk that small blocks are copied into; owned, or NULL
    PyObject* layout         # Layout; borrowed from the slot's definition; set once

cdef enum:
    SMALL = 512              # bytes that are copied rather than referred to
    CHUNK = 32768            # bytes of a chunk at most, unless one item has more

cdef inline segment_t* segment_at(typed_t* typed, Py_ssize_t i) noexcept nogil:
    return &typed.ring[(typed.head + i) & (typed.cap - 1)]

cdef typed_t* new_typed(Layout layout) except NULL
cdef void free_typed(typed_t* typed) noexcept

# Sees to it that there is a place for one segment more; -1: no memory.
cdef int segment_room(typed_t* typed) noexcept nogil

# Appends a segment, for which there is room, and takes a reference of `base`; 1: it went
# into the newest segment, whose owner and bytes it continues; 0: it is one of its own.
cdef int segment_put(
    typed_t* typed, part_t* part, owner_t* owner, uint64_t stamp, PyObject* source
) noexcept nogil

# Takes up to `n` of the oldest segment's items out. True: all of them, and with them the
# queue's reference and its count; else the caller has to see to a count of its own.
cdef bint segment_cut(
    typed_t* typed, Py_ssize_t n, part_t* part, owner_t** owner, uint64_t* stamp
) noexcept nogil

# What is queued, under `lock`: as one array, or as (array, stamp, source) a segment.
cdef object peek_array(typed_t* typed, rlx_lock_t* lock)
cdef list peek_segments(typed_t* typed, rlx_lock_t* lock)

# Segments that the oldest `n` items lie in.
cdef Py_ssize_t segments_of(typed_t* typed, Py_ssize_t n) noexcept nogil

# Copies a small part into the chunk, and says so in `part`. `spare` is taken when the
# chunk is full; `old`: a reference to drop, or NULL.
cdef void chunk_put(
    typed_t* typed, part_t* part, PyObject** spare, PyObject** old
) noexcept nogil

# Bytes that single items and small blocks lie in, side by side. Written once, before the
# item is queued, and never again: whoever reads an item needs no lock.
cdef class Chunk:
    cdef char* data                  # set once
    cdef Py_ssize_t size             # bytes; set once
    cdef Py_ssize_t used             # guarded by the lock of the one queue that fills it

# Gives a small block a spare chunk if the queue wants one. No lock held.
cdef int bring_chunk(typed_t* typed, Block block) except -1
