"""Blocks: items of a typed slot on their way in, and how they come out again.

A sender's array is made a block before any lock is taken (`block_of`), which is where
a wrong dtype or shape is refused; what a batch took out of the queue is joined into one
array after the lock was given back. Both are the business of a Layout, of which
`typed` has the only kind; this module is what the core needs to name it without
importing numpy.
"""

cimport cython
from libc.stdlib cimport free, realloc

from routilux._core.platform cimport rlx_xdecref


@cython.final
@cython.no_gc       # no Python object refers to it but a view of its bytes, if it has them
@cython.freelist(8)
cdef class Block:
    def __dealloc__(self):
        rlx_xdecref(self.spare)

    cdef void next_part(self, Py_ssize_t n, part_t* part) noexcept nogil:
        part.base = <PyObject*>self.base
        if part.base == <PyObject*>None:
            part.base = <PyObject*>self
        part.data = self.data + self.done * self.layout.itemsize
        part.n = n if n < self.n - self.done else self.n - self.done

    cdef object shown(self):
        return self.layout.view(
            <PyObject*>self if self.base is None else <PyObject*>self.base, self.data, self.n
        )


    def __iter__(self):
        """Yield its items, each as a block."""
        cdef Block one
        cdef Py_ssize_t i
        for i in range(self.n):
            one = Block.__new__(Block)
            one.layout = self.layout
            one.base = self if self.base is None else self.base
            one.data = self.data + i * self.layout.itemsize
            one.n = 1
            one.keep = True
            yield one


cdef object shown_of(object item):
    return (<Block>item).shown() if type(item) is Block else item


cdef class Layout:
    cdef Block block_of(self, object items, bint copy, object label, object flow_id):
        raise NotImplementedError

    cdef Block block_of_item(self, object item, object label, object flow_id):
        raise NotImplementedError

    cdef object view(self, PyObject* base, char* data, Py_ssize_t n):
        raise NotImplementedError

    cdef object join(self, part_t* parts, Py_ssize_t count):
        raise NotImplementedError


cdef void parcel_begin(parcel_t* parcel) noexcept nogil:
    parcel.parts = NULL
    parcel.n = parcel.cap = 0
    parcel.poor = False


cdef int parcel_room(parcel_t* parcel, Py_ssize_t more) noexcept nogil:
    cdef part_t* bigger
    cdef Py_ssize_t cap = parcel.n + more
    if cap > parcel.cap:
        if cap < 2 * parcel.cap:
            cap = 2 * parcel.cap
        bigger = <part_t*>realloc(parcel.parts, cap * sizeof(part_t))
        if bigger == NULL:
            parcel.poor = True
            return -1
        parcel.parts = bigger
        parcel.cap = cap
    return 0


cdef void parcel_add(parcel_t* parcel, part_t* part) noexcept nogil:
    parcel.parts[parcel.n] = part[0]
    parcel.n += 1


cdef object parcel_join(parcel_t* parcel, Layout layout):
    cdef Py_ssize_t i
    try:
        if parcel.poor and parcel.n == 0:
            raise MemoryError("no memory for what lies in a slot's queue")
        return layout.join(parcel.parts, parcel.n)
    finally:
        for i in range(parcel.n):
            rlx_xdecref(parcel.parts[i].base)
        free(parcel.parts)
