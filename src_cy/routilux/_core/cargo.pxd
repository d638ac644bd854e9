# Cargo: what one emit hands over when some of its targets are typed slots.

from cpython.object cimport PyObject

from routilux._core.block cimport Block
from routilux._core.routine cimport cell_t
from routilux._core.worker cimport WorkerCore

cdef class Cargo:
    cdef Block block                 # what every target gets, if `blocks` is None
    cdef list blocks                 # else for each target its Block, or None: it gets `rows`
    cdef list rows                   # dicts, one after the other
    cdef Py_ssize_t row              # the next of them, for the target at hand
    cdef Py_ssize_t n                # items
    cdef object shown                # what hooks are told of: a dict, or a Block

    # What target i gets next; borrowed. It may be called under the worker's lock.
    cdef PyObject* thing(self, Py_ssize_t i) noexcept nogil
    # Target i has that. True: there is more for it.
    cdef bint step(self, Py_ssize_t i) noexcept nogil

# Of an emit of one item, and of an array of items. TypeError if a slot can't take it,
# before anything is queued.
cdef Cargo load_item(WorkerCore worker, cell_t* cell, int event, object item)
cdef Cargo load_array(WorkerCore worker, cell_t* cell, int event, object items, bint copy)

# The dicts that slots without a dtype get of these items, of an array too.
cdef list rows_of(cell_t* cell, int event, object items, bint copy)

# The Event that an event of a cell was declared as.
cdef object event_of(cell_t* cell, int event)
