"""What the core needs of the platform: a sleep that exactly one wake ends.

Called by every stage that may have to wait (entry, route, ledger, pump). A sleeper
links its waiter under the lock of the thing it waits for, gives the lock back and
sleeps with the GIL released; the waker unlinks it under the same lock and rings after
giving the lock back, so no wake can be lost between the check and the sleep. Signals
end the sleep with the exception that the signal handler raised.
"""

import os

from cpython.exc cimport PyErr_CheckSignals
from libc.stdlib cimport realloc

cdef extern from "rlx_platform.h" nogil:
    bint rlx_spin(PyThread_type_lock bell, int64_t* pulse)

if hasattr(os, "sched_getaffinity"):
    SPINS = len(os.sched_getaffinity(0)) > 1
else:
    SPINS = (os.cpu_count() or 1) > 1

cdef long long FOREVER_US = -1
cdef int ACQUIRED = 1
cdef int INTERRUPTED = 2


cdef bint (*ALLOC_FAILS)() noexcept nogil
ALLOC_FAILS = NULL


cdef void* alloc(size_t size) noexcept nogil:
    return alloc_again(NULL, size)


cdef void* alloc_again(void* block, size_t size) noexcept nogil:
    if ALLOC_FAILS != NULL and ALLOC_FAILS():
        return NULL
    return realloc(block, size)


cdef void set_alloc_fails(bint (*fails)() noexcept nogil) noexcept:
    global ALLOC_FAILS
    ALLOC_FAILS = fails


cdef int waiter_init(waiter_t* waiter, int kind, void* target) except -1:
    waiter.bell = PyThread_allocate_lock()
    if waiter.bell == NULL:
        raise MemoryError()
    # A fresh lock is free: take it, so that the first sleep waits for the first ring.
    PyThread_acquire_lock_timed(waiter.bell, 0, 0)
    waiter.next = waiter.prev = NULL
    waiter.target = target
    waiter.kind = kind
    waiter.rank = 0
    waiter.pulse = NULL
    waiter.suspends = False
    waiter.linked = waiter.woken = False
    waiter.ring = NULL
    waiter.listener = NULL
    return 0


cdef void waiter_free(waiter_t* waiter) noexcept:
    # A semaphore may be freed while taken; a lock made of a mutex may not.
    PyThread_release_lock(waiter.bell)
    PyThread_free_lock(waiter.bell)
    waiter.bell = NULL


cdef void waiter_link(waiters_t* waiters, waiter_t* waiter) noexcept nogil:
    waiter.next = NULL
    waiter.prev = waiters.tail
    if waiters.tail != NULL:
        waiters.tail.next = waiter
    else:
        rlx_store_ptr(&waiters.head, waiter)
    waiters.tail = waiter
    waiter.linked = True
    waiter.woken = False


cdef void waiter_unlink(waiters_t* waiters, waiter_t* waiter) noexcept nogil:
    if waiter.prev != NULL:
        waiter.prev.next = waiter.next
    else:
        rlx_store_ptr(&waiters.head, waiter.next)
    if waiter.next != NULL:
        waiter.next.prev = waiter.prev
    else:
        waiters.tail = waiter.prev
    waiter.next = waiter.prev = NULL
    waiter.linked = False


cdef void waiter_pick(waiters_t* waiters, waiter_t* waiter, waiter_t** chain) noexcept nogil:
    waiter_unlink(waiters, waiter)
    waiter.woken = True
    waiter.next = chain[0]
    chain[0] = waiter


cdef void wake_chain(waiter_t* chain) noexcept nogil:
    cdef waiter_t* following
    while chain != NULL:
        # The sleeper may free the waiter as soon as the bell rings: read on first.
        following = chain.next
        if chain.ring != NULL:
            chain.ring(chain)
        else:
            PyThread_release_lock(chain.bell)
        chain = following


cdef int ring_wait(waiter_t* waiter, int64_t deadline, int interruptible) noexcept:
    cdef long long us = FOREVER_US
    cdef int64_t left
    cdef int got
    if deadline >= 0:
        left = deadline - rlx_monotonic_ns()
        us = 0 if left <= 0 else <long long>((left + 999) // 1000)
    with nogil:
        got = bell_wait(waiter.bell, waiter.pulse, us, interruptible)
    return got


cdef int bell_wait(
    PyThread_type_lock bell, int64_t* pulse, long long us, int interruptible
) noexcept nogil:
    if pulse != NULL and SPINS and (us < 0 or us > 2000) and rlx_spin(bell, pulse):
        return ACQUIRED
    return PyThread_acquire_lock_timed(bell, us, interruptible)


cdef bint waiter_sleep(
    waiters_t* waiters, waiter_t* waiter, rlx_lock_t* lock, int64_t deadline
) except -1:
    try:
        if waiter_nap(waiter, deadline):
            return True
    except BaseException:
        waiter_leave(waiters, waiter, lock)
        raise
    return waiter_leave(waiters, waiter, lock)


cdef bint waiter_nap(waiter_t* waiter, int64_t deadline) except -1:
    # Until the bell rings (True) or the deadline. A signal's exception comes through.
    cdef int got
    while True:
        got = ring_wait(waiter, deadline, 1)
        if got != INTERRUPTED:
            return got == ACQUIRED
        PyErr_CheckSignals()


cdef bint waiter_leave(waiters_t* waiters, waiter_t* waiter, rlx_lock_t* lock) noexcept:
    # Leaves the list. A waker that was faster will ring: wait for it, it is at work.
    cdef bint woken
    rlx_lock(lock)
    woken = waiter.woken
    if not woken:
        waiter_unlink(waiters, waiter)
    rlx_unlock(lock)
    if woken:
        ring_wait(waiter, -1, 0)
    return woken


cdef int64_t deadline_of(object timeout, int64_t now) except? -2:
    # Seconds (None: forever) to a point of the clock that says `now`, ns (-1: forever).
    cdef double seconds
    if timeout is None:
        return -1
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds or None, not {timeout!r}")
    if timeout > 3e8:                   # and an int may be too large for a double
        return -1
    seconds = 0 if timeout < 0 else timeout
    if seconds != seconds:
        raise ValueError("timeout must be a number of seconds, not nan")
    return now + <int64_t>(seconds * 1e9)
