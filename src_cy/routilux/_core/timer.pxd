# Time as the core sees it: what the clock says, and what is due when. The core never
# sleeps; the driver asks for the next deadline and calls back.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from routilux._core.platform cimport rlx_lock_t

ctypedef struct timer_t:
    int64_t when             # monotonic ns
    int64_t order            # of arming: equal times fire first in, first out
    int kind                 # TimerKind
    PyObject* worker         # WorkerCore; owned
    void* cell               # cell_t
    PyObject* activation     # TIMER_RETRY: Activation; owned

cdef class Clock:
    cdef rlx_lock_t lock             # protects the heap; innermost lock
    cdef timer_t* heap               # a binary heap, earliest first
    cdef Py_ssize_t size
    cdef Py_ssize_t cap
    cdef int64_t armed               # timers ever armed
    cdef int64_t next_ns             # when the earliest is due, -1: none; read without lock
    cdef bint is_virtual             # set once: time stands still unless `virtual_ns` moves
    cdef int64_t virtual_ns

    cdef int64_t now(self) noexcept nogil
    # Takes over one reference of worker and activation, unless the answer is -1.
    # -1: no memory; 1: it is the new earliest, the driver must hear of it; else 0.
    cdef int arm(
        self, int64_t when, int kind, PyObject* worker, void* cell, PyObject* activation
    ) noexcept nogil
    cdef bint pop_due(self, int64_t now, timer_t* out) noexcept nogil
