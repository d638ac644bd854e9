# Those who act for the core: threads of a pool, or whoever waits.

from libc.stdint cimport int64_t, uint64_t

from routilux._core.platform cimport (
    PyThread_type_lock,
    rlx_lock_t,
    waiter_t,
    waiters_t,
)
from routilux._core.engine cimport Driver, Engine
from routilux._core.timer cimport Clock
from routilux._core.worker cimport Activation
from routilux._core.stall cimport Stall

cdef class ThreadDriver(Driver):
    cdef Engine engine               # set once
    cdef Clock clock                 # the engine's; set once
    cdef object submit               # of the executor; None once it must not be used
    cdef object spawner              # callable(coroutine, callback) of the event loop
    cdef object canceller            # callable(activation) of the event loop
    cdef object spare                # callable(pump): a thread beside the pool
    cdef Stall stall                 # set once; the keeper's
    cdef PyThread_type_lock bell     # the keeper's
    cdef int64_t stopping

    cdef int64_t doze(self) noexcept nogil
    cdef int probe(self) except -1
    cdef int look(self, int64_t waited_ns) except -1

# Somebody who waits and serves meanwhile; on his stack, in the list while he sleeps.
ctypedef struct sleeper_t:
    sleeper_t* next
    waiters_t* waiters       # the list of his waiter, and
    rlx_lock_t* lock         # the lock that protects it
    waiter_t* waiter

cdef class InlineDriver(Driver):
    cdef Engine engine               # set once
    cdef object spawner, canceller   # as above
    cdef rlx_lock_t lock             # protects sleepers; outside of the sleepers' locks
    cdef sleeper_t* sleepers
    cdef uint64_t turns              # activations served one at a time; whoever waits

    cdef int quantum(self) noexcept
    cdef bint nap(self, sleeper_t* sleeper, int64_t deadline) except -1
