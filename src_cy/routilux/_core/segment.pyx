"""The queue of a typed slot: where values wait that are not Python objects.

Filled by entry (post) and route (emit), emptied by the activation check, like the ring
of objects in `slot`; `slot_t` points here when the slot has a dtype. A block of any size
is one entry that refers to the array it came in, so handing it over costs the same for
one item and for a million; it is cut where a batch or the slot's bound cuts it. Nothing
here knows numpy. It promises first in, first out, and bytes that never change while
anybody can see them, as long as the sender leaves his array alone.
"""

cimport cython
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from routilux._core.platform cimport (
    rlx_incref,
    rlx_load,
    rlx_lock,
    rlx_store,
    rlx_unlock,
    rlx_xdecref,
)
from routilux._core.block cimport (
    parcel_add,
    parcel_begin,
    parcel_join,
    parcel_room,
    parcel_t,
)

cdef enum:
    FIRST_CHUNK = 16         # items


cdef typed_t* new_typed(Layout layout) except NULL:
    cdef typed_t* typed = <typed_t*>calloc(1, sizeof(typed_t))
    if typed == NULL:
        raise MemoryError("no memory for a slot's queue")
    typed.layout = <PyObject*>layout
    typed.itemsize = layout.itemsize
    if layout.itemsize <= SMALL:
        typed.wanted = FIRST_CHUNK * layout.itemsize
    return typed


cdef void free_typed(typed_t* typed) noexcept:
    cdef Py_ssize_t i
    for i in range(typed.count):
        rlx_xdecref(segment_at(typed, i).base)
    rlx_xdecref(typed.chunk)
    free(typed.ring)
    free(typed)


cdef int segment_room(typed_t* typed) noexcept nogil:
    return 0 if typed.count < typed.cap else grow(typed)


cdef int grow(typed_t* typed) noexcept nogil:
    cdef Py_ssize_t cap = 8 if typed.cap == 0 else 2 * typed.cap
    cdef Py_ssize_t i
    cdef segment_t* ring = <segment_t*>malloc(cap * sizeof(segment_t))
    if ring == NULL:
        return -1
    for i in range(typed.count):
        ring[i] = segment_at(typed, i)[0]
    free(typed.ring)
    typed.ring = ring
    typed.cap = cap
    typed.head = 0
    return 0


cdef int segment_put(
    typed_t* typed, part_t* part, owner_t* owner, uint64_t stamp, PyObject* source
) noexcept nogil:
    cdef segment_t* last
    if typed.count:
        last = segment_at(typed, typed.count - 1)
        if (
            last.owner == owner
            and last.source == source
            and last.base == part.base
            and last.data + last.n * typed.itemsize == part.data
            and last.stamp + <uint64_t>last.n * typed.step == stamp
        ):
            last.n += part.n
            return 1
    last = segment_at(typed, typed.count)
    typed.count += 1
    last.base = part.base
    last.data = part.data
    last.n = part.n
    last.owner = owner
    last.stamp = stamp
    last.source = source
    rlx_incref(part.base)
    return 0


cdef bint segment_cut(
    typed_t* typed, Py_ssize_t n, part_t* part, owner_t** owner, uint64_t* stamp
) noexcept nogil:
    cdef segment_t* first = segment_at(typed, 0)
    part.base = first.base
    part.data = first.data
    owner[0] = first.owner
    stamp[0] = first.stamp
    if first.n <= n:
        part.n = first.n
        typed.head = (typed.head + 1) & (typed.cap - 1)
        typed.count -= 1
        return True
    part.n = n
    rlx_incref(first.base)
    first.data += n * typed.itemsize
    first.n -= n
    first.stamp += <uint64_t>n * typed.step
    return False


cdef object peek_array(typed_t* typed, rlx_lock_t* lock):
    cdef parcel_t parcel
    cdef segment_t* segment
    cdef part_t part
    cdef Py_ssize_t i
    parcel_begin(&parcel)
    rlx_lock(lock)
    if parcel_room(&parcel, typed.count) == 0:
        for i in range(typed.count):
            segment = segment_at(typed, i)
            part.base = segment.base
            part.data = segment.data
            part.n = segment.n
            rlx_incref(part.base)
            parcel_add(&parcel, &part)
    rlx_unlock(lock)
    return parcel_join(&parcel, <Layout>typed.layout)


cdef list peek_segments(typed_t* typed, rlx_lock_t* lock):
    cdef segment_t segment
    cdef list found = []
    cdef bint more = True
    while True:
        rlx_lock(lock)
        more = len(found) < typed.count
        if more:
            segment = segment_at(typed, len(found))[0]
            rlx_incref(segment.base)
        rlx_unlock(lock)
        if not more:
            return found
        array = (<Layout>typed.layout).view(segment.base, segment.data, segment.n)
        rlx_xdecref(segment.base)
        source = None if segment.source == NULL else <object>segment.source
        found.append((array, segment.stamp, source))


cdef Py_ssize_t segments_of(typed_t* typed, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i = 0
    while n > 0 and i < typed.count:
        n -= segment_at(typed, i).n
        i += 1
    return i


cdef void chunk_put(
    typed_t* typed, part_t* part, PyObject** spare, PyObject** old
) noexcept nogil:
    # Without room it does nothing, and asks for a chunk: the block is referred to.
    cdef Py_ssize_t size = part.n * typed.itemsize
    cdef PyObject* chunk = typed.chunk
    cdef char* place
    old[0] = NULL
    if chunk == NULL or (<Chunk>chunk).size - (<Chunk>chunk).used < size:
        if chunk != NULL and typed.wanted == 0:
            rlx_store(&typed.wanted, next_size(typed, (<Chunk>chunk).size))
        if spare[0] == NULL or (<Chunk>spare[0]).size < size:
            return
        old[0] = chunk
        chunk = spare[0]
        spare[0] = NULL
        typed.chunk = chunk
        rlx_store(&typed.wanted, 0)
    place = (<Chunk>chunk).data + (<Chunk>chunk).used
    memcpy(place, part.data, size)
    (<Chunk>chunk).used = (<Chunk>chunk).used + size
    part.base = chunk
    part.data = place


cdef inline Py_ssize_t next_size(typed_t* typed, Py_ssize_t size) noexcept nogil:
    return 2 * size if 2 * size <= CHUNK else size


cdef int bring_chunk(typed_t* typed, Block block) except -1:
    cdef Chunk chunk
    cdef Py_ssize_t size = <Py_ssize_t>rlx_load(&typed.wanted)
    if size and block.spare == NULL and not block.keep:
        chunk = Chunk.__new__(Chunk)
        chunk.size = size if size >= SMALL else SMALL
        chunk.data = <char*>malloc(chunk.size)
        if chunk.data == NULL:
            raise MemoryError("no memory for a slot's queue")
        rlx_incref(<PyObject*>chunk)
        block.spare = <PyObject*>chunk
    return 0


@cython.final
@cython.no_gc
cdef class Chunk:
    def __dealloc__(self):
        free(self.data)
