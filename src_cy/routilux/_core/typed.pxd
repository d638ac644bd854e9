# What the items of a typed slot are, in the words of numpy. Nothing else in the core
# knows numpy; this module is imported when a first typed slot is declared.

cimport numpy as cnp

from routilux._core.block cimport Block, Layout

cdef class ArrayLayout(Layout):
    cdef cnp.dtype descr             # the dtype again; set once
    cdef int ndim                    # dimensions of an array of items; set once
    cdef cnp.npy_intp dims[64]       # its shape, from the second on; set once
    cdef int plain                   # PlainKind; set once

    cdef Block plain_block(self, object item)
    cdef Block new_block(self, cnp.ndarray array, Py_ssize_t n, bint copy)
    cdef cnp.ndarray new_array(self, Py_ssize_t n)
    cdef cnp.ndarray unmasked(self, object value, object label, object flow_id)
    cdef cnp.ndarray converted(self, object value, int ndim, object label, object flow_id)
    cdef bint fits(self, cnp.ndarray array, int ndim) except -1
    cdef object misfit(self, object what, object found, object label, object flow_id)

# Kinds of items that a Python number becomes without asking numpy.
cdef enum PlainKind:
    PLAIN_NOT
    PLAIN_DOUBLE             # float64, native
    PLAIN_LONG               # int64, native
