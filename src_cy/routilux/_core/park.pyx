"""Parking: what a policy said "not yet" to, and whom a change of a queue wakes.

Called by the activation check and by everybody who takes items out, under the worker's
lock. What is parked counts as such for its job, which is how the ledger knows that
nothing moves any more; a policy that has a clock of its own gets its timer here. Who
sleeps until a slot has room, or until there is work to help with, is only picked: the
bell rings after the lock was given back.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from routilux._core.status cimport POLICY_INTERVAL, TIMER_CHECK
from routilux._core.platform cimport (
    WAIT_HELP,
    rlx_add,
    rlx_incref,
    waiter_pick,
    waiter_t,
)
from routilux._core.mutant cimport mutant
from routilux._core.lane cimport laned_t
from routilux._core.count cimport park
from routilux._core.slot cimport oldest_stamp_of, slot_at
from routilux._core.portion cimport park_portions


cdef int64_t POSTPONED_NS = 10000000


cdef void park_rest(WorkerCore worker, cell_t* cell, effects_t* fx) noexcept nogil:
    cdef slot_t* slot
    cdef int i
    cdef int64_t when = 0
    for i in range(cell.n_slots):
        slot = &cell.slots[i]
        if slot.typed != NULL:
            park_portions(worker, slot, fx)
        while slot.parked < slot.size:
            slot.parked += 1
            park(worker.ledger, slot_at(slot, slot.parked - 1).owner, fx)
        if slot.laned:
            park_lanes(worker, cell, i, fx)
        if (slot.size or slot.laned) and worker.slot_waiters.head != NULL:
            wake_slot(worker, slot, fx)
    if cell.timed or cell.held or cell.policy.wait_ns == 0:
        return
    if cell.policy.kind == POLICY_INTERVAL:
        when = cell.policy.last_ns + cell.policy.wait_ns
    else:
        when = oldest_stamp(cell) + cell.policy.wait_ns
    set_clock(worker, cell, when, fx)


cdef void set_clock(
    WorkerCore worker, cell_t* cell, int64_t when, effects_t* fx
) noexcept nogil:
    cdef int first = -1
    if not mutant(39):
        first = worker.clock.arm(when, TIMER_CHECK, <PyObject*>worker, cell, NULL)
    if first < 0:
        return                  # never: the clock keeps a place for every cell
    rlx_incref(<PyObject*>worker)
    cell.timed = True
    rlx_add(&worker.timers, 1)
    if first and not mutant(40):
        fx.nudge = True


cdef void postpone(WorkerCore worker, cell_t* cell, effects_t* fx) noexcept nogil:
    cdef int64_t when = worker.clock.now() + POSTPONED_NS
    if not cell.timed:
        set_clock(worker, cell, when, fx)
    elif worker.clock.hasten(cell, when):
        fx.nudge = True


cdef void park_lanes(WorkerCore worker, cell_t* cell, int index, effects_t* fx) noexcept nogil:
    cdef laned_t* laned = cell.lanes.columns[index].oldest
    while laned != NULL:
        if not laned.parked:
            laned.parked = True
            park(worker.ledger, laned.entry.owner, fx)
        laned = laned.younger


cdef int64_t oldest_stamp(cell_t* cell) noexcept nogil:
    cdef int64_t oldest = 0, stamp
    cdef int i
    for i in range(cell.n_slots):
        if cell.slots[i].size:
            stamp = <int64_t>oldest_stamp_of(&cell.slots[i])
            if oldest == 0 or stamp < oldest:
                oldest = stamp
    return oldest


cdef void wake_slot(WorkerCore worker, slot_t* slot, effects_t* fx) noexcept nogil:
    # A queue that is half empty is worth a hand-off; one whose routine does not fire
    # will not get emptier, so any room counts.
    cdef waiter_t* waiter = worker.slot_waiters.head
    cdef waiter_t* following
    cdef Py_ssize_t laned = slot.laned
    cdef bint moves = slot.parked < slot.size or (laned and not (<cell_t*>slot.cell).held)
    cdef Py_ssize_t mark = (slot.bound + laned) // 2 - mutant(15)
    if slot.size >= slot.bound or (moves and slot.size + laned > mark):
        return
    while waiter != NULL:
        following = waiter.next
        if waiter.target == <void*>slot:
            waiter_pick(&worker.slot_waiters, waiter, &fx.wake)
        waiter = following


cdef void wake_helper(WorkerCore worker, cell_t* cell, effects_t* fx) noexcept nogil:
    # Something got ready while a thread sleeps in emit(): it may be the last thread of
    # the pool, so it is woken to help.
    cdef waiter_t* waiter = worker.slot_waiters.head
    while waiter != NULL and (waiter.kind != WAIT_HELP or waiter.rank > cell.rank):
        waiter = waiter.next
    if waiter != NULL:
        waiter_pick(&worker.slot_waiters, waiter, &fx.wake)
