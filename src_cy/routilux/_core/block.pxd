# What the items of a typed slot are, and items on their way into its queue and out of it.

from cpython.object cimport PyObject

# Some items on their way out of a queue.
ctypedef struct part_t:
    PyObject* base           # keeps the bytes alive; whose reference: see the user
    char* data
    Py_ssize_t n

# Items on their way into a queue: what emit and post hand over for a typed slot. Belongs
# to one thread.
cdef class Block:
    cdef Layout layout               # set once
    cdef object base                 # keeps the bytes alive; None: this block has them
    cdef char* data                  # set once
    cdef Py_ssize_t n                # items; set once
    cdef Py_ssize_t done             # those of them that are in the queue, or dropped
    cdef bint keep                   # refer to it, however small; set once
    cdef PyObject* spare             # Chunk for the queue, if it wants one; owned
    cdef double room[2]              # the bytes of a plain number, see typed.pyx

    # The part of it that is not in the queue yet, `n` items at most.
    cdef void next_part(self, Py_ssize_t n, part_t* part) noexcept nogil
    # The array, as hooks see it: read-only.
    cdef object shown(self)

# What hooks are told of an item: itself, or of a block its array.
cdef object shown_of(object item)

# What the items of a typed slot are. Its methods are those of typed.ArrayLayout, which
# alone knows numpy and is imported when a first typed slot is declared.
cdef class Layout:
    cdef object __weakref__
    cdef object dtype       # set once
    cdef tuple shape        # of one item; set once
    cdef Py_ssize_t itemsize    # bytes of one item; set once

    # Each raises a TypeError that names `label` and `flow_id` if it doesn't fit.
    cdef Block block_of(self, object items, bint copy, object label, object flow_id)
    cdef Block block_of_item(self, object item, object label, object flow_id)
    # Read-only arrays: of bytes that `base` keeps alive; of parts, joined by a copy only
    # if they don't lie side by side.
    cdef object view(self, PyObject* base, char* data, Py_ssize_t n)
    cdef object join(self, part_t* parts, Py_ssize_t count)

# Parts in hand, each with a reference of its own, to make one array of.
ctypedef struct parcel_t:
    part_t* parts
    Py_ssize_t n
    Py_ssize_t cap
    bint poor                # there was no memory for one more; without any, none can be made

cdef void parcel_begin(parcel_t* parcel) noexcept nogil
cdef int parcel_room(parcel_t* parcel, Py_ssize_t more) noexcept nogil      # -1: no memory
cdef void parcel_add(parcel_t* parcel, part_t* part) noexcept nogil
cdef object parcel_join(parcel_t* parcel, Layout layout)                    # ends it
