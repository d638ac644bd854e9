# Who waits for room without a thread: an event loop, which is called instead.

from routilux._core.platform cimport rlx_lock_t, waiter_t, waiters_t
from routilux._core.slot cimport slot_t
from routilux._core.worker cimport WorkerCore
from routilux._core.engine cimport Engine

# One wait for room. While it is linked the list owns a reference; whoever unlinks it
# takes that over.
cdef class RoomBell:
    cdef waiter_t waiter             # guarded by `lock`
    cdef rlx_lock_t* lock            # of the list; set once
    cdef waiters_t* waiters          # the list; set once
    cdef object keeps                # Engine or WorkerCore that has both; set once
    cdef object call                 # called once, without arguments; set once

    cdef void link(self, waiters_t* waiters, rlx_lock_t* lock) noexcept

# Both call `call()` once, from any thread, when a look is worth while; None: look now.
# A place under max_queue_size.
cdef RoomBell bell_for_place(Engine engine, object call)
# Room in a slot. `suspends`: an activation of the worker waits; None then also when
# waiting might never end, and the item has to go in over the bound.
cdef RoomBell bell_for_slot(WorkerCore worker, slot_t* slot, bint suspends, object call)
