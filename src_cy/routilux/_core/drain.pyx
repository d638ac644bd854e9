"""Activation check and drain: which routine may run, and on which items.

Called under the worker's lock by whoever changed something: post and emit after an
arrival, the pump when it wants work and when an activation ended, a timer when it is
due. A cell is on the ready list exactly while its policy allows an activation, or has
to be asked, and its concurrency is not used up; what a policy said "not yet" to is
parked, which is how the ledger knows that nothing moves any more.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libc.stdlib cimport free
from libc.string cimport memset

from routilux._core.status cimport (
    FLUSH_NONE,
    FLUSH_ONCE,
    OVERFLOW_BLOCK,
    POLICY_BATCH,
    POLICY_CUSTOM,
    POLICY_IMMEDIATE,
    POLICY_INTERVAL,
    POLICY_KEYED,
)
from routilux._core.platform cimport alloc, alloc_again, rlx_add, rlx_load
from routilux._core.mutant cimport cut, mutant
from routilux._core.job cimport owner_t
from routilux._core.count cimport litter, unpark
from routilux._core.slot cimport oldest_stamp_of, slot_take
from routilux._core.lane cimport lane_begin, lane_take
from routilux._core.activation cimport policy_fires
from routilux._core.routine cimport Node
from routilux._core.worker cimport Activation
from routilux._core.portion cimport entries_for, take_portions, take_whole
from routilux._core.block cimport part_t
from routilux._core.park cimport park_rest, postpone, wake_helper, wake_slot

cdef void recheck(
    WorkerCore worker, cell_t* cell, cell_t* after, effects_t* fx
) noexcept nogil:
    cdef int kind = cell.policy.kind
    cdef bint fires
    if cell.ready or cell.running >= cell.limit + mutant(9) or cell.asking:
        return              # it is on its way, or its end will check again
    if cell.held and not is_held(worker, cell):
        cell.held = False
        worker.n_held -= 1
    if cell.total == 0:
        cell.flush = FLUSH_NONE
        return
    if kind == POLICY_IMMEDIATE:
        fires = True
    elif kind == POLICY_KEYED:
        fires = may_move(cell)
        if not fires:
            return          # the end of an activation will move it, or who asks
    elif kind >= POLICY_CUSTOM:
        fires = not cell.stale
    elif cell.flush and kind == POLICY_BATCH:
        fires = True
    else:
        fires = policy_fires(
            &cell.policy,
            cell.slots,
            cell.n_slots,
            worker.clock.now() if kind == POLICY_INTERVAL else 0,
        )
    if fires and (<Node>cell.node).is_async and is_held(worker, cell):
        fires = False
        if not cell.held:
            cell.held = True
            worker.n_held += 1
    if fires:
        push_ready(worker, cell, after)
        if not rlx_load(&worker.in_runq):
            fx.runnable = True
        if worker.slot_waiters.head != NULL and not mutant(16):
            wake_helper(worker, cell, fx)
    else:
        park_rest(worker, cell, fx)


cdef bint may_move(cell_t* cell) noexcept nogil:
    # A routine with a key: a lane is ready, or there are keys to be asked for.
    cdef int i
    if cell.lanes.ready_head != NULL:
        return True
    if not cell.lanes.asking:
        for i in range(cell.n_slots):
            if cell.slots[i].size:
                return True
    return False


cdef bint is_held(WorkerCore worker, cell_t* cell) noexcept nogil:
    # emit() can't make a coroutine wait, so async logic is not started while a slot
    # that it feeds is full: what runs may overshoot the bound, no more than that.
    cdef slot_t* slot
    cdef int i
    cdef Py_ssize_t j
    for i in range(cell.n_events):
        for j in range(cell.events[i].n_targets):
            slot = cell.events[i].targets[j]
            # A full slot of a routine that is held itself, or of this one, is part of a
            # cycle: if both waited for the other, nothing would ever move.
            if (
                slot.size >= slot.bound
                and slot.overflow == OVERFLOW_BLOCK
                and not slot.inert
                and slot.cell != cell
                and not (<cell_t*>slot.cell).held
            ):
                return True
    return False


cdef void recheck_held(WorkerCore worker, effects_t* fx) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(worker.n_cells):
        if worker.cells[i].held:
            recheck(worker, &worker.cells[i], worker.ready_tail, fx)


cdef bint take(
    WorkerCore worker, activation_t* act, bint from_tail, effects_t* fx
) noexcept nogil:
    cdef cell_t* cell
    while worker.ready_head != NULL:
        cell = worker.ready_tail if from_tail else worker.ready_head
        if take_ready(worker, cell, act, fx):
            return True
    return False


cdef bint take_ready(
    WorkerCore worker, cell_t* cell, activation_t* act, effects_t* fx
) noexcept nogil:
    unlink_ready(worker, cell)
    if take_cell(worker, cell, act, fx):
        return True
    # A purge took what made it ready. If that was all that moved, nobody else will
    # notice that nothing does any more.
    if rlx_load(&worker.ledger.admitted) == 0 and worker.ledger.is_wanted():
        fx.quiet = True
    return False


cdef bint take_cell(
    WorkerCore worker, cell_t* cell, activation_t* act, effects_t* fx
) noexcept nogil:
    cdef PyObject* resumed = cell.resumed
    if resumed != NULL:
        # A retry that is due: its activation never ended, so nothing is counted again.
        cell.resumed = (<Activation>resumed).resumed
        worker.n_resumed -= 1
        act[0] = (<Activation>resumed).c
        memset(&(<Activation>resumed).c, 0, sizeof(activation_t))
        worker.n_waiting -= 1
        litter(fx, resumed)
        if cell.resumed != NULL:
            push_ready(worker, cell, worker.ready_tail)     # more of them are due
        else:
            recheck(worker, cell, worker.ready_tail, fx)
        return True
    if cell.total == 0 or cell.running >= cell.limit + mutant(9) or cell.asking:
        return False
    memset(act, 0, sizeof(activation_t))
    act.cell = cell
    if cell.policy.kind == POLICY_IMMEDIATE:
        take__immediate(worker, cell, act, fx)
    elif cell.policy.kind == POLICY_KEYED:
        if cell.lanes.ready_head != NULL:
            take_lane(worker, act, fx)
        elif may_move(cell):
            act.asks = cell.lanes.asking = True
        else:
            return False
    elif cell.policy.kind >= POLICY_CUSTOM:
        act.asks = cell.asking = True
        cell.stale = True
    elif not take__compiled(worker, cell, act, fx):
        return False
    cut(54, &worker.lock)
    cell.running += 1
    worker.running += 1
    worker.n_taken += 1
    act.tag = worker.n_taken
    if cell.limit > 1:
        recheck(worker, cell, worker.ready_tail, fx)
    return True


cdef inline void take__immediate(
    WorkerCore worker, cell_t* cell, activation_t* act, effects_t* fx
) noexcept nogil:
    cdef slot_t* slot = cell.slots
    cdef entry_t entry
    cdef int i, oldest = 0
    if cell.n_slots > 1:
        oldest = -1
        for i in range(cell.n_slots):
            if cell.slots[i].size and (
                oldest < 0
                or (oldest_stamp_of(&cell.slots[i]) < oldest_stamp_of(&cell.slots[oldest]))
                != mutant(12)
            ):
                oldest = i
        slot = &cell.slots[oldest]
    act.slot_index = oldest
    if slot.typed != NULL:
        take_whole(worker, slot, 1, act, fx)
        has_begun(act.owner)
        made_room(worker, slot, fx)
        return
    take_entry(worker, slot, &entry, fx)
    claim_item(act, &entry)


cdef inline void claim_item(activation_t* act, entry_t* entry) noexcept nogil:
    act.item = entry.item
    act.owner = entry.owner
    act.arrived = entry.stamp
    act.held = 1
    has_begun(entry.owner)


cdef void take_lane(WorkerCore worker, activation_t* act, effects_t* fx) noexcept nogil:
    cdef entry_t entry
    act.lane = lane_begin(act.cell.lanes)
    act.slot_index = act.lane.head.slot.index
    take_laned(worker, act.lane.head, &entry, fx)
    claim_item(act, &entry)


cdef void take_unkeyed(
    WorkerCore worker, activation_t* act, slot_t* slot, effects_t* fx
) noexcept nogil:
    cdef entry_t entry
    act.slot_index = slot.index
    take_entry(worker, slot, &entry, fx)
    claim_item(act, &entry)


cdef bint take__compiled(
    WorkerCore worker, cell_t* cell, activation_t* act, effects_t* fx
) noexcept nogil:
    cdef Py_ssize_t n = -1           # items of each slot; -1: all
    cdef Py_ssize_t i, count
    cdef int s
    cdef int64_t now = 0
    cdef int partial = FLUSH_NONE
    if cell.policy.kind == POLICY_INTERVAL:
        now = worker.clock.now()
    if policy_fires(&cell.policy, cell.slots, cell.n_slots, now):
        if cell.policy.kind == POLICY_BATCH:
            n = cell.policy.batch - mutant(10)
        elif cell.policy.kind != POLICY_INTERVAL:
            n = 1
    elif cell.flush and cell.policy.kind == POLICY_BATCH:
        partial = cell.flush
    else:
        recheck(worker, cell, worker.ready_tail, fx)   # parks what is there
        return False
    count = n * cell.n_slots if n > 0 else cell.total
    if cell.n_typed:
        if cell.n_slots == 1 and take_whole(worker, cell.slots, n, act, fx):
            has_begun(act.owner)
            made_room(worker, cell.slots, fx)
            has_fired(cell, act, partial, now)
            return True
        count = entries_for(cell, n)
    if claim_room(act, count, cell.n_slots) < 0:
        free(act.counts)
        act.counts = NULL
        postpone(worker, cell, fx)
        return False
    has_fired(cell, act, partial, now)
    for s in range(cell.n_slots):
        count = n if n > 0 else cell.slots[s].size
        act.counts[s] = count
        if cell.slots[s].typed != NULL:
            act.counts[s] = take_portions(worker, &cell.slots[s], count, act, fx)
            made_room(worker, &cell.slots[s], fx)
            continue
        for i in range(count):
            take_entry(worker, &cell.slots[s], &act.entries[act.n_entries], fx)
            act.n_entries += 1
    claim_owner(act)
    return True


cdef inline void has_fired(cell_t* cell, activation_t* act, int partial, int64_t now) noexcept nogil:
    # A partial batch ends the flush that lets it go, and so does a full one.
    act.partial = partial
    if partial or cell.flush == FLUSH_ONCE:
        cell.flush = FLUSH_NONE
    cell.policy.last_ns = now


cdef void take_entry(
    WorkerCore worker, slot_t* slot, entry_t* entry, effects_t* fx
) noexcept nogil:
    slot_take(slot, entry)
    if slot.inert:
        return                  # it counts nowhere
    (<cell_t*>slot.cell).total -= 1
    worker.queued -= 1
    if slot.size == slot.bound:
        rlx_add(&worker.n_crowded, -1)
    if slot.parked:
        slot.parked -= 1
        if entry.owner != NULL and not mutant(13):
            unpark(worker.ledger, entry.owner, fx)
    if worker.slot_waiters.head != NULL and not mutant(14):
        wake_slot(worker, slot, fx)
    if worker.n_held and slot.size == slot.bound - 1 and not mutant(17):
        recheck_held(worker, fx)


cdef void made_room(WorkerCore worker, slot_t* slot, effects_t* fx) noexcept nogil:
    if worker.slot_waiters.head != NULL:
        wake_slot(worker, slot, fx)
    if worker.n_held and slot.size < slot.bound:
        recheck_held(worker, fx)


cdef void take_laned(
    WorkerCore worker, laned_t* laned, entry_t* entry, effects_t* fx
) noexcept nogil:
    # The same for one that waits in a lane.
    cdef slot_t* slot = laned.slot
    cdef cell_t* cell = <cell_t*>slot.cell
    cdef bint parked = laned.parked
    lane_take(cell.lanes, laned, entry, fx)
    cell.total -= 1
    worker.queued -= 1
    if slot.size == slot.bound:
        rlx_add(&worker.n_crowded, -1)
    if parked:
        unpark(worker.ledger, entry.owner, fx)
    if worker.slot_waiters.head != NULL:
        wake_slot(worker, slot, fx)
    if worker.n_held and slot.size == slot.bound - 1:
        recheck_held(worker, fx)


cdef void take_oldest(
    WorkerCore worker, slot_t* slot, entry_t* entry, effects_t* fx
) noexcept nogil:
    if slot.laned:
        take_laned(worker, (<cell_t*>slot.cell).lanes.columns[slot.index].oldest, entry, fx)
    else:
        take_entry(worker, slot, entry, fx)


cdef int claim_room(activation_t* act, Py_ssize_t n, int n_slots) noexcept nogil:
    cdef entry_t* bigger
    cdef part_t* parts
    cdef Py_ssize_t cap = act.n_entries + n
    if act.counts == NULL:
        act.counts = <Py_ssize_t*>alloc((n_slots + 1) * sizeof(Py_ssize_t))
        if act.counts == NULL:
            return -1
        memset(act.counts, 0, (n_slots + 1) * sizeof(Py_ssize_t))
    if cap > act.cap_entries:
        if cap < 2 * act.cap_entries:
            cap = 2 * act.cap_entries
        bigger = <entry_t*>alloc_again(act.entries, cap * sizeof(entry_t))
        if bigger == NULL:
            return -1
        act.entries = bigger
        if act.cell.n_typed:
            parts = <part_t*>alloc_again(act.parts, cap * sizeof(part_t))
            if parts == NULL:
                return -1
            memset(&parts[act.cap_entries], 0, (cap - act.cap_entries) * sizeof(part_t))
            act.parts = parts
        act.cap_entries = cap
    return 0


cdef void claim_owner(activation_t* act) noexcept nogil:
    # One owner for all items: the activation works for it. Several: a group will be
    # made once the lock is given back; until then the entries hold the counts.
    cdef owner_t* owner
    cdef Py_ssize_t i
    cdef bint same = True
    act.arrived = act.entries[0].stamp if act.n_entries else 0
    for i in range(act.n_entries):
        owner = act.entries[i].owner
        if owner != act.entries[0].owner:
            same = False
        has_begun(owner)
    if same and act.n_entries:
        act.owner = act.entries[0].owner
        act.held = act.n_entries
    elif act.n_entries:
        for i in range(act.n_entries):
            act.entries[i].owner.grouped = True
