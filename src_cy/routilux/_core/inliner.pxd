# Who acts for a core without threads: whoever waits.

from libc.stdint cimport int64_t, uint64_t

from routilux._core.platform cimport rlx_lock_t, waiter_t, waiters_t
from routilux._core.engine cimport Driver, Engine
from routilux._core.worker cimport Activation

# Somebody who waits and serves meanwhile; on his stack, in the list while he sleeps.
ctypedef struct sleeper_t:
    sleeper_t* next
    waiters_t* waiters       # the list of his waiter, and
    rlx_lock_t* lock         # the lock that protects it
    waiter_t* waiter

cdef class InlineDriver(Driver):
    cdef Engine engine               # set once
    cdef object spawner, canceller   # of the event loop; see driver.pxd
    cdef rlx_lock_t lock             # protects sleepers; outside of the sleepers' locks
    cdef sleeper_t* sleepers
    cdef uint64_t turns              # activations served one at a time; whoever waits

    cdef int quantum(self) noexcept
    cdef bint nap(self, sleeper_t* sleeper, int64_t deadline) except -1
