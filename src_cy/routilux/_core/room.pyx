"""Room in a queue, announced to an event loop: back-pressure without a blocked thread.

A coroutine must not sleep in a lock. It tries without waiting, and when there is no room
leaves a bell here: in the list in which threads wait for the same thing (places under
max_queue_size, or one slot), so it is woken under the same rules. What it calls then
only tells its loop to look again. Called by post, and for async generators that yield
faster than others take; the bell is rung by the thread that made room, no lock held.
"""

import logging

cimport cython
from cpython.object cimport PyObject

from routilux._core.status cimport ENGINE_OPEN, FLUSH_ALL, OVERFLOW_BLOCK, POLICY_BATCH
from routilux._core.platform cimport (
    WAIT_ROOM,
    WAIT_SLOT,
    rlx_incref,
    rlx_lock,
    rlx_unlock,
    rlx_xdecref,
    waiter_link,
    waiter_unlink,
)
from routilux._core.ledger cimport Ledger, effects_t
from routilux._core.slot cimport slot_has_room
from routilux._core.routine cimport cell_t
from routilux._core.drain cimport recheck
from routilux._core.settle cimport is_stuck
from routilux._core.hooks cimport log_safely
from routilux._core.engine cimport zero

logger = logging.getLogger("routilux")


@cython.final
cdef class RoomBell:
    """A wait for room."""

    def __init__(self):
        raise TypeError("a wait for room is made by the core")

    cdef void link(self, waiters_t* waiters, rlx_lock_t* lock) noexcept:
        # Under that lock.
        self.waiters = waiters
        self.lock = lock
        self.waiter.ring = ring
        self.waiter.listener = <void*>self
        waiter_link(waiters, &self.waiter)
        rlx_incref(<PyObject*>self)         # the list's

    def leave(self):
        """Wait no longer; False when it has rung, or is about to."""
        cdef bint left
        rlx_lock(self.lock)
        left = self.waiter.linked
        if left:
            waiter_unlink(self.waiters, &self.waiter)
        rlx_unlock(self.lock)
        if left:
            rlx_xdecref(<PyObject*>self)
        return left


cdef void ring(waiter_t* waiter) noexcept nogil:
    with gil:
        tell(waiter)


cdef void tell(waiter_t* waiter) noexcept:
    cdef PyObject* listener = <PyObject*>waiter.listener
    cdef RoomBell bell = <RoomBell>listener
    rlx_xdecref(listener)               # the list's
    try:
        bell.call()
    except BaseException:
        # The loop is closed, so nobody waits any more.
        log_safely(logger.debug, ("routilux: a loop that waited for room is gone",))


cdef RoomBell bell_for_place(Engine engine, object call):
    cdef RoomBell bell = RoomBell.__new__(RoomBell)
    cdef Ledger ledger = engine.ledger
    cdef bint full
    bell.keeps = engine
    bell.call = call
    bell.waiter.kind = WAIT_ROOM
    rlx_lock(&ledger.lock)
    full = not ledger.has_room() and engine.phase == ENGINE_OPEN
    if full:
        bell.link(&ledger.room_waiters, &ledger.lock)
    rlx_unlock(&ledger.lock)
    return bell if full else None


cdef RoomBell bell_for_slot(WorkerCore worker, slot_t* slot, bint suspends, object call):
    cdef RoomBell bell = RoomBell.__new__(RoomBell)
    cdef Engine engine = worker.engine
    cdef effects_t fx
    cdef bint full
    bell.keeps = worker
    bell.call = call
    bell.waiter.kind = WAIT_SLOT
    bell.waiter.suspends = suspends
    bell.waiter.target = <void*>slot
    zero(&fx)
    rlx_lock(&worker.lock)
    full = (
        slot.overflow == OVERFLOW_BLOCK
        and not slot.inert
        and not slot_has_room(slot)
        and (suspends or engine.phase == ENGINE_OPEN)
        and may_move(worker, slot, suspends, &fx)
    )
    if full:
        bell.link(&worker.slot_waiters, &worker.lock)
    rlx_unlock(&worker.lock)
    engine.apply(worker, &fx)
    return bell if full else None


cdef bint may_move(
    WorkerCore worker, slot_t* slot, bint suspends, effects_t* fx
) noexcept:
    # As route.await_room before it sleeps.
    cdef cell_t* cell = <cell_t*>slot.cell
    if not is_stuck(worker, suspends):
        return True
    if cell.policy.kind == POLICY_BATCH and worker.ledger.is_wanted() and not cell.held:
        # Somebody waits and this batch is all that could move: it goes partial.
        cell.flush = FLUSH_ALL
        recheck(worker, cell, worker.ready_tail, fx)
        return True
    return not suspends             # a post from outside may still come
