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
    void* cell               # cell_t; TIMER_DEADLINE: the number of a job
    PyObject* activation     # TIMER_RETRY: Activation; owned

# The activations of a cell with a timeout; see overtime.pyx. Guarded by the worker's lock.
ctypedef struct watches_t:
    int64_t timeout_ns       # set once
    PyObject* head           # Watch: due first; owned references
    PyObject* tail
    bint timing              # a TIMER_TIMEOUT is pending

cdef class Clock:
    cdef rlx_lock_t lock             # protects the heap; innermost lock
    cdef timer_t* heap               # a binary heap, earliest first
    cdef Py_ssize_t size
    cdef Py_ssize_t cap
    cdef Py_ssize_t reserved         # places that only TIMER_CHECK and _TIMEOUT may take
    cdef int64_t armed               # timers ever armed
    cdef int64_t next_ns             # when the earliest is due, -1: none; read without lock
    cdef bint is_virtual             # set once: time stands still unless `virtual_ns` moves
    cdef int64_t virtual_ns          # changed by `pass_to` alone
    cdef int64_t virtual_wall_ns     # what a wall clock shows meanwhile

    cdef int64_t now(self) noexcept nogil
    cdef void start(self, int64_t wall_ns) noexcept      # to be virtual, before any use
    cdef void pass_to(self, int64_t when) noexcept nogil # virtual time, never backwards
    # Takes over one reference of worker and activation, unless the answer is -1.
    # -1: no memory; 1: it is the new earliest, the driver must hear of it; else 0.
    cdef int arm(
        self, int64_t when, int kind, PyObject* worker, void* cell, PyObject* activation
    ) noexcept nogil
    # The TIMER_CHECK of a cell, if it is later, comes then. True: it is the new earliest.
    cdef bint hasten(self, void* cell, int64_t when) noexcept nogil
    # Every cell has one TIMER_CHECK at most, and one TIMER_TIMEOUT if it has a timeout:
    # with a place kept for each, arming it can't fail.
    cdef int reserve(self, Py_ssize_t n) noexcept nogil
    cdef int make_room(self, Py_ssize_t n) noexcept nogil
    # Gives back what was taken out of `heap`, `size` and `cap` to be changed.
    cdef void put_back(self, timer_t* heap, Py_ssize_t size, Py_ssize_t cap) noexcept nogil
    cdef bint pop_due(self, int64_t now, timer_t* out) noexcept nogil
