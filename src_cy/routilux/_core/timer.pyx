"""Time as the core sees it: a clock that a driver may replace, and a heap of deadlines.

Policies with a clock of their own (interval, max_wait) and retries arm a timer here;
the driver sleeps until the earliest and hands what is due to Engine.fire. Nothing
polls, and a runtime that arms no timer never touches this file again.
"""

cimport cython
from libc.stdlib cimport free

from routilux._core.status cimport TIMER_CHECK, TIMER_TIMEOUT
from routilux._core.platform cimport (
    alloc_again,
    rlx_lock,
    rlx_monotonic_ns,
    rlx_store,
    rlx_unlock,
)


cdef inline bint is_before(timer_t* a, timer_t* b) noexcept nogil:
    return a.when < b.when or (a.when == b.when and a.order < b.order)


cdef Py_ssize_t sift_up(timer_t* heap, Py_ssize_t i, timer_t* timer) noexcept nogil:
    # Puts a timer at place i of the heap or above; returns where.
    cdef Py_ssize_t up
    while i > 0:
        up = (i - 1) >> 1
        if not is_before(timer, &heap[up]):
            break
        heap[i] = heap[up]
        i = up
    heap[i] = timer[0]
    return i


@cython.final
cdef class Clock:
    def __cinit__(self):
        self.next_ns = -1

    def __dealloc__(self):
        free(self.heap)         # a timer in it would keep its worker, and that this clock

    cdef int64_t now(self) noexcept nogil:
        return self.virtual_ns if self.is_virtual else rlx_monotonic_ns()

    cdef void start(self, int64_t wall_ns) noexcept:
        self.is_virtual = True
        self.virtual_ns = 1         # 0 means "never" to those who note times
        self.virtual_wall_ns = wall_ns

    cdef void pass_to(self, int64_t when) noexcept nogil:
        if when > self.virtual_ns:
            self.virtual_wall_ns += when - self.virtual_ns
            self.virtual_ns = when

    cdef int arm(
        self, int64_t when, int kind, PyObject* worker, void* cell, PyObject* activation
    ) noexcept nogil:
        cdef timer_t fresh
        cdef int result
        rlx_lock(&self.lock)
        if self.make_room(
            1 if kind == TIMER_CHECK or kind == TIMER_TIMEOUT else 1 + self.reserved
        ) < 0:
            rlx_unlock(&self.lock)
            return -1
        self.armed += 1
        fresh.when = when
        fresh.order = self.armed
        fresh.kind = kind
        fresh.worker = worker
        fresh.cell = cell
        fresh.activation = activation
        self.size += 1
        result = sift_up(self.heap, self.size - 1, &fresh) == 0
        rlx_store(&self.next_ns, self.heap[0].when)
        rlx_unlock(&self.lock)
        return result

    cdef bint hasten(self, void* cell, int64_t when) noexcept nogil:
        cdef timer_t timer
        cdef Py_ssize_t i = 0
        cdef bint first = False
        rlx_lock(&self.lock)
        while i < self.size and (
            self.heap[i].cell != cell or self.heap[i].kind != TIMER_CHECK
        ):
            i += 1
        if i < self.size and self.heap[i].when > when:
            timer = self.heap[i]
            timer.when = when
            first = sift_up(self.heap, i, &timer) == 0
            rlx_store(&self.next_ns, self.heap[0].when)
        rlx_unlock(&self.lock)
        return first

    cdef int make_room(self, Py_ssize_t n) noexcept nogil:
        # Under the lock.
        cdef timer_t* bigger
        cdef Py_ssize_t cap = self.cap
        if self.size + n <= cap:
            return 0
        cap = max(16, 2 * cap, self.size + n)
        bigger = <timer_t*>alloc_again(self.heap, cap * sizeof(timer_t))
        if bigger == NULL:
            return -1
        self.heap = bigger
        self.cap = cap
        return 0

    cdef int reserve(self, Py_ssize_t n) noexcept nogil:
        cdef int result
        rlx_lock(&self.lock)
        result = self.make_room(self.reserved + n)
        if result == 0:
            self.reserved += n
        rlx_unlock(&self.lock)
        return result

    cdef void put_back(self, timer_t* heap, Py_ssize_t size, Py_ssize_t cap) noexcept nogil:
        cdef timer_t timer
        cdef Py_ssize_t i
        cdef bint alone
        rlx_lock(&self.lock)
        alone = self.heap == NULL
        if alone:
            self.heap = heap
            self.size = size
            self.cap = cap
            for i in range(size):
                timer = heap[i]
                sift_up(heap, i, &timer)
            rlx_store(&self.next_ns, heap[0].when if size else -1)
        rlx_unlock(&self.lock)
        if not alone:               # others armed meanwhile
            for i in range(size):
                self.arm(
                    heap[i].when, heap[i].kind, heap[i].worker, heap[i].cell, heap[i].activation
                )
            free(heap)

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
