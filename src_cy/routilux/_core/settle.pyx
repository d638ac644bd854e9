"""Settling: what becomes of jobs, items and queues when an activation ended.

Called by the pump (and by the event loop's callback) under the worker's lock, right
before it takes the next activation. A failed or cancelled job loses its queued items
here, at once, in one pass over the worker's queues; what its running activations still
emit is dropped in route. Both are counted.
"""

from cpython.object cimport PyObject
from libc.stdlib cimport free

from routilux._core.status cimport (
    JOB_FAILED,
    JOB_RUNNING,
    OWNER_JOB,
)
from routilux._core.platform cimport (
    rlx_add,
    rlx_load,
    rlx_show,
    rlx_xdecref,
    waiter_pick,
    waiter_t,
)
from routilux._core.mutant cimport mutant
from routilux._core.job cimport JobContext
from routilux._core.group cimport JobGroup, is_dead
from routilux._core.count cimport litter, release, unpark
from routilux._core.slot cimport entry_t, slot_at, slot_has_room, slot_t
from routilux._core.lane cimport lane_end, laned_t
from routilux._core.portion cimport purge_portions
from routilux._core.measure cimport measure
from routilux._core.park cimport wake_slot
from routilux._core.drain cimport place_behind, recheck, recheck_held, take_laned


cdef void settle(
    WorkerCore worker, activation_t* act, cell_t* anchor, effects_t* fx
) noexcept nogil:
    cdef cell_t* cell = act.cell
    cdef cell_t* after = anchor
    cdef Py_ssize_t i
    cell.running -= 1
    worker.running -= 1
    if act.lane != NULL and not mutant(18):
        lane_end(cell.lanes, act.lane, fx)
    if act.began:
        measure(worker, act)
    if act.owner != NULL:
        release(worker.ledger, act.owner, act.held, fx)
    else:
        # No group could be made (no memory): every item stands for itself.
        for i in range(act.n_entries):
            release(worker.ledger, act.entries[i].owner, 1, fx)
        if rlx_load(&worker.ledger.admitted) == 0 and worker.ledger.is_wanted():
            fx.quiet = True     # a policy said no: perhaps it was the last to be asked
    if cell.rank == 0:
        after = worker.ready_tail       # a source goes behind everything downstream
    else:
        after = place_behind(anchor, act.tag)
    recheck(worker, cell, after, fx)


cdef bint all_blocked(WorkerCore worker, Py_ssize_t more) noexcept nogil:
    cdef waiter_t* waiter = worker.slot_waiters.head
    cdef Py_ssize_t still = worker.nested + more
    while waiter != NULL:
        if waiter.suspends and not slot_has_room(<slot_t*>waiter.target):
            still += 1
        waiter = waiter.next
    # A retry that is due waits for a thread itself: it is on the ready list.
    return worker.running - worker.n_resumed <= still


cdef bint is_stuck(WorkerCore worker, Py_ssize_t more) noexcept nogil:
    if mutant(48): return False
    return worker.n_ready == 0 and worker.timers == 0 and all_blocked(worker, more)


cdef void wake_idle(WorkerCore worker, effects_t* fx) noexcept nogil:
    if worker.running > worker.n_waiting:
        return
    while worker.idle_waiters.head != NULL:
        waiter_pick(&worker.idle_waiters, worker.idle_waiters.head, &fx.wake)


cdef void wake_if_blocked(WorkerCore worker, effects_t* fx) noexcept nogil:
    if worker.idle_waiters.head != NULL and not mutant(47):
        wake_idle(worker, fx)
    if worker.slot_waiters.head == NULL or not all_blocked(worker, 0):
        return
    while worker.slot_waiters.head != NULL:
        waiter_pick(&worker.slot_waiters, worker.slot_waiters.head, &fx.wake)


cdef bint mark(owner_t* owner, int state, object error) noexcept:
    cdef JobContext job = <JobContext>owner.obj
    if job.state > JOB_RUNNING and not mutant(24):
        return False
    job._error = error          # was None: nothing is released under the lock
    rlx_show(&job.state, state)     # after the error, which belongs to it
    owner.dead = True
    return True


cdef bint mark_all(owner_t* owner, int state, object error) noexcept:
    # The work list is a chain through `link`, as in count.balance; a group that is
    # marked is not entered again, since groups that share members are many.
    cdef owner_t* todo = owner
    cdef owner_t* member
    cdef JobGroup group
    cdef Py_ssize_t i
    cdef bint any_of_them = False
    if owner.kind == OWNER_JOB:
        return mark(owner, state, error)
    owner.link = NULL
    while todo != NULL:
        owner = todo
        todo = owner.link
        owner.link = NULL
        if owner.kind == OWNER_JOB:
            any_of_them |= mark(owner, state, error)
            continue
        group = <JobGroup>owner.obj
        owner.dead = True
        for i in range(group.n_members):
            member = group.members[i]
            if not member.dead and member.link == NULL and member != todo:
                member.link = todo
                todo = member
    return any_of_them


cdef void fail(
    WorkerCore worker, owner_t* owner, Py_ssize_t held, object error, effects_t* fx
) noexcept:
    if not mark_all(owner, JOB_FAILED, error) or worker.queued == 0:
        return
    if owner.kind == OWNER_JOB and not owner.grouped and owner.open == held:
        return                  # all that is left of it is the activation that failed
    purge(worker, fx)


cdef bint end_early(
    WorkerCore worker, owner_t* owner, int state, object reason, effects_t* fx
) noexcept:
    if owner.open == 0 or not mark_all(owner, state, reason):
        return False
    if worker.queued and not mutant(26):
        purge(worker, fx)
    return True


cdef void purge(WorkerCore worker, effects_t* fx) noexcept nogil:
    cdef slot_t* slot
    cdef Py_ssize_t i
    for i in range(worker.n_slots):
        slot = &worker.slots[i]
        if slot.laned:
            purge_lanes(worker, slot, fx)
        if slot.size and not slot.inert:
            purge_slot(worker, slot, fx)
    if worker.n_held:
        recheck_held(worker, fx)


cdef Py_ssize_t purge_ring(WorkerCore worker, slot_t* slot, effects_t* fx) noexcept nogil:
    # Closes the ring up over the entries of dead owners. The counts go back after the
    # ring is whole again: releasing may free a group and with it its members.
    cdef Py_ssize_t i, kept = 0, parked = slot.parked, size = slot.size
    cdef entry_t entry
    for i in range(size):
        entry = slot_at(slot, i)[0]
        if not is_dead(entry.owner):
            if kept != i:
                slot_at(slot, kept)[0] = entry
                if slot.sources != NULL:
                    source_at(slot, kept)[0] = source_at(slot, i)[0]
            kept += 1
            continue
        if i < parked:
            slot.parked -= 1
            unpark(worker.ledger, entry.owner, fx)
        litter(fx, entry.item)
        if not mutant(25): release(worker.ledger, entry.owner, 1, fx)
    return size - kept


cdef void purge_slot(WorkerCore worker, slot_t* slot, effects_t* fx) noexcept nogil:
    cdef cell_t* cell = <cell_t*>slot.cell
    cdef Py_ssize_t size = slot.size, gone
    if slot.typed == NULL:
        gone = purge_ring(worker, slot, fx)
    else:
        gone = purge_portions(worker, slot, fx)
    if gone == 0:
        return
    if size > slot.bound and size - gone <= slot.bound:
        rlx_add(&worker.n_crowded, -1)
    slot.size = size - gone
    slot.n_dropped += gone
    cell.total -= gone
    worker.queued -= gone
    worker.n_dropped += gone
    fx.n_dropped += gone
    if worker.slot_waiters.head != NULL:
        wake_slot(worker, slot, fx)
    if cell.total == 0:
        cell.flush = 0


cdef void purge_lanes(WorkerCore worker, slot_t* slot, effects_t* fx) noexcept nogil:
    cdef laned_t* laned = (<cell_t*>slot.cell).lanes.columns[slot.index].oldest
    cdef laned_t* younger
    cdef entry_t entry
    while laned != NULL:
        younger = laned.younger
        if is_dead(laned.entry.owner):
            take_laned(worker, laned, &entry, fx)
            litter(fx, entry.item)
            release(worker.ledger, entry.owner, 1, fx)
            slot.n_dropped += 1
            worker.n_dropped += 1
            fx.n_dropped += 1
        laned = younger


cdef inline PyObject** source_at(slot_t* slot, Py_ssize_t i) noexcept nogil:
    return &slot.sources[(slot.head + i) & (slot.cap - 1)]


cdef void clear(activation_t* act) noexcept:
    # Reading and zeroing first: dropping a reference may run user code.
    cdef PyObject* item = act.item
    cdef PyObject* data = act.slot_data
    cdef PyObject* message = act.message
    cdef entry_t* entries = act.entries
    cdef Py_ssize_t i, n = act.n_entries
    act.item = act.slot_data = act.message = NULL
    act.lane = NULL
    act.entries = NULL
    act.n_entries = act.cap_entries = act.n = 0
    free(act.counts)
    free(act.parts)
    act.counts = NULL
    act.parts = NULL
    for i in range(n):
        rlx_xdecref(entries[i].item)
    free(entries)
    if not mutant(28): rlx_xdecref(item)
    rlx_xdecref(data)
    rlx_xdecref(message)
