"""Where a post waits when there is no room: back-pressure.

Called by entry with no lock held. A thread from outside sleeps until enough jobs ended
or the slot drained; logic that posts helps first, because its own job may be part of
what it would wait for. Whatever happens, nothing was posted yet.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from routilux._core.status cimport ENGINE_OPEN
from routilux._core.platform cimport (
    WAIT_ROOM,
    rlx_load,
    rlx_lock,
    rlx_unlock,
    waiter_free,
    waiter_init,
    waiter_link,
    waiter_t,
)
from routilux._core.ledger cimport Ledger
from routilux._core.slot cimport slot_has_room
from routilux._core.frame cimport depth_of, loop_engine, pump_engine
from routilux._core.route cimport (
    AWAIT_OVER,
    AWAIT_TIMEOUT,
    HELP_DEPTH,
    await_room,
    help_once,
    slot_full,
)

from routilux.errors import QueueFullError, SlotQueueFullError

cdef int64_t LOOK_AGAIN_NS = 20000000


cdef bint await_place(
    Control core, WorkerCore worker, frame_t* frame, int64_t deadline
) except -1:
    # True: enter although the bound is reached.
    cdef Ledger ledger = core.ledger
    cdef waiter_t waiter
    cdef bint woken, full
    if deadline == 0:
        raise no_place(core, worker)
    if loop_engine() == <void*>core:
        return True             # async logic: the loop must not block
    if frame != NULL or pump_engine() == <void*>core:
        # Logic holds its own job open, and with it perhaps all that could make room:
        # it helps, and when there is nothing to help with, it goes in.
        if frame != NULL and depth_of(frame) < HELP_DEPTH:
            return not help_once(<WorkerCore>frame.worker, NULL, False)
        return True
    waiter_init(&waiter, WAIT_ROOM, NULL)
    try:
        rlx_lock(&ledger.lock)
        full = not ledger.has_room() and rlx_load(&core.phase) == ENGINE_OPEN
        if full:
            waiter_link(&ledger.room_waiters, &waiter)
        rlx_unlock(&ledger.lock)
        if full and not core.driver.block(
            &ledger.room_waiters, &waiter, &ledger.lock, deadline
        ):
            # It is woken when half of the places are free; a few may be free before.
            if not ledger.has_room():
                raise no_place(core, worker)
    finally:
        waiter_free(&waiter)
    return False


cdef object no_place(Control core, WorkerCore worker):
    return QueueFullError(
        f"{rlx_load(&core.ledger.admitted)} jobs are unfinished (max_queue_size="
        f"{core.ledger.bound}): nothing was posted to flow {worker.ident.flow_id!r}"
    )


cdef bint await_slot(
    Control core, WorkerCore worker, slot_t* slot, frame_t* frame, int64_t deadline
) except -1:
    # True: go in over the slot's bound.
    cdef int result
    if deadline == 0:
        raise slot_full(worker, slot, "nothing was posted")
    if loop_engine() == <void*>core:
        return True
    if frame != NULL and frame.worker != <PyObject*>worker:
        return await_slot__outside(core, worker, slot, <WorkerCore>frame.worker, deadline)
    try:
        result = await_room(worker, slot, frame, frame != NULL, deadline)
    except SlotQueueFullError:
        if frame != NULL or rlx_load(&core.phase) == ENGINE_OPEN:
            raise
        return False        # shut down meanwhile: the next look says so
    if result == AWAIT_TIMEOUT and not slot_has_room(slot):
        raise slot_full(worker, slot, "nothing was posted within the timeout")
    return result == AWAIT_OVER


cdef bint await_slot__outside(
    Control core, WorkerCore worker, slot_t* slot, WorkerCore mine, int64_t deadline
) except -1:
    # Logic of one worker posts to a full slot of another, which may be doing the same.
    # No lock covers both, so it looks again from time to time whether anything moves.
    cdef int64_t until = core.clock.now() + LOOK_AGAIN_NS
    cdef int result
    if deadline >= 0 and deadline < until:
        until = deadline
    rlx_lock(&mine.lock)
    mine.blocked_outside += 1
    rlx_unlock(&mine.lock)
    try:
        if core.is_stuck():
            raise slot_full(worker, slot, "nothing moves before this post returns")
        result = await_room(worker, slot, NULL, True, until)
    finally:
        rlx_lock(&mine.lock)
        mine.blocked_outside -= 1
        rlx_unlock(&mine.lock)
    if deadline >= 0 and core.clock.now() >= deadline and not slot_has_room(slot):
        raise slot_full(worker, slot, "nothing was posted within the timeout")
    return result == AWAIT_OVER
