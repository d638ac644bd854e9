"""Time as the core sees it: a clock that a driver may replace, and a heap of deadlines.

Policies with a clock of their own (interval, max_wait) and retries arm a timer here;
the driver sleeps until the earliest and hands what is due to Engine.fire. Nothing
polls, and a runtime that arms no timer never touches this file again.
"""

cimport cython
from libc.stdlib cimport free, realloc

from routilux._core.platform cimport (
    rlx_lock,
    rlx_monotonic_ns,
    rlx_store,
    rlx_unlock,
    rlx_xdecref,
)


cdef inline bint is_before(timer_t* a, timer_t* b) noexcept nogil:
    return a.when < b.when or (a.when == b.when and a.order < b.order)


@cython.final
cdef class Clock:
    def __cinit__(self):
        self.next_ns = -1

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.size):
            rlx_xdecref(self.heap[i].activation)
            rlx_xdecref(self.heap[i].worker)
        free(self.heap)

    cdef int64_t now(self) noexcept nogil:
        return self.virtual_ns if self.is_virtual else rlx_monotonic_ns()

    cdef int arm(
        self, int64_t when, int kind, PyObject* worker, void* cell, PyObject* activation
    ) noexcept nogil:
        cdef timer_t* bigger
        cdef timer_t* heap
        cdef timer_t fresh
        cdef Py_ssize_t i, up
        cdef int result
        rlx_lock(&self.lock)
        if self.size == self.cap:
            i = 16 if self.cap == 0 else 2 * self.cap
            bigger = <timer_t*>realloc(self.heap, i * sizeof(timer_t))
            if bigger == NULL:
                rlx_unlock(&self.lock)
                return -1
            self.heap = bigger
            self.cap = i
        self.armed += 1
        fresh.when = when
        fresh.order = self.armed
        fresh.kind = kind
        fresh.worker = worker
        fresh.cell = cell
        fresh.activation = activation
        heap = self.heap
        i = self.size
        self.size += 1
        while i > 0:
            up = (i - 1) >> 1
            if not is_before(&fresh, &heap[up]):
                break
            heap[i] = heap[up]
            i = up
        heap[i] = fresh
        result = i == 0
        rlx_store(&self.next_ns, heap[0].when)
        rlx_unlock(&self.lock)
        return result

    cdef bint pop_due(self, int64_t now, timer_t* out) noexcept nogil:
        cdef timer_t* heap
        cdef timer_t last
        cdef Py_ssize_t i = 0, child
        cdef bint got = False
        rlx_lock(&self.lock)
        heap = self.heap
        if self.size and heap[0].when <= now:
            got = True
            out[0] = heap[0]
            self.size -= 1
            last = heap[self.size]
            while True:
                child = 2 * i + 1
                if child >= self.size:
                    break
                if child + 1 < self.size and is_before(&heap[child + 1], &heap[child]):
                    child += 1
                if not is_before(&heap[child], &last):
                    break
                heap[i] = heap[child]
                i = child
            if self.size:
                heap[i] = last
            rlx_store(&self.next_ns, heap[0].when if self.size else -1)
        rlx_unlock(&self.lock)
        return got
