# The straight way: one item, one slot, one at a time, nobody waits. Steps of drain, settle
# and route, inlined; to what is unusual each says no, and changes nothing. Under the lock.

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from routilux._core.status cimport JOB_COMPLETED, JOB_RUNNING, OWNER_JOB
from routilux._core.platform cimport rlx_incref, rlx_load, rlx_show
from routilux._core.mutant cimport mutant
from routilux._core.job cimport JobContext, owner_t
from routilux._core.ledger cimport effects_t
from routilux._core.routine cimport cell_t
from routilux._core.slot cimport entry_t, slot_put, slot_t, slot_take
from routilux._core.worker cimport WorkerCore, activation_t
from routilux._core.measure cimport arrived, is_measured
from routilux._core.drain cimport has_begun, place_behind, push_ready, unlink_ready
from routilux._core.frame cimport frame_t

# As drain.take, from the head of the ready list. `act` was cleared (settle.clear).
cdef inline bint take_straight(WorkerCore worker, activation_t* act) noexcept nogil:
    cdef cell_t* cell = worker.ready_head
    cdef slot_t* slot
    cdef entry_t entry
    if cell == NULL or not cell.straight or cell.resumed != NULL:
        return False
    slot = cell.slots
    if slot.size == 0 or slot.parked or slot.size > slot.bound or worker.n_held:
        return False
    if worker.slot_waiters.head != NULL:
        return False
    unlink_ready(worker, cell)
    slot_take(slot, &entry)
    act.cell = cell
    act.item = entry.item
    act.owner = entry.owner
    act.held = 1
    act.asks = act.partial = False
    act.slot_index = act.failures = act.began = 0
    act.arrived = entry.stamp
    cell.total -= 1
    cell.running = 1
    worker.queued -= 1
    worker.running += 1
    worker.n_taken += 1
    act.tag = worker.n_taken
    has_begun(act.owner)
    return True

# As settle.settle, for one job; its last item may be this one.
cdef inline bint settle_straight(
    WorkerCore worker, activation_t* act, cell_t* anchor, effects_t* fx
) noexcept nogil:
    cdef cell_t* cell = act.cell
    cdef owner_t* owner = act.owner
    if (
        not cell.straight or owner.parked or owner.kind != OWNER_JOB
        or cell.total and worker.slot_waiters.head != NULL
    ):
        return False
    if owner.open > act.held:
        owner.open -= act.held + mutant(20)
    elif (<JobContext>owner.obj).state != JOB_RUNNING:
        return False
    else:
        owner.open = 0
        rlx_show(&(<JobContext>owner.obj).state, JOB_COMPLETED)
        owner.link = fx.done
        fx.done = owner
    cell.running = 0
    worker.running -= 1
    if cell.total:
        anchor = place_behind(anchor, act.tag) if cell.rank else worker.ready_tail
        push_ready(worker, cell, anchor)
    return True

# As route.deliver, for an activation that emits on its own thread.
cdef inline bint put_straight(
    WorkerCore worker, slot_t* slot, PyObject* item, owner_t* owner, frame_t* frame
) noexcept nogil:
    cdef cell_t* cell = <cell_t*>slot.cell
    cdef uint64_t stamp = (cell.stamp | 1) + 1      # even: no time
    if (
        not cell.straight or slot.size >= slot.bound
        or owner.kind != OWNER_JOB or owner.dead or owner.parked
        or worker.slot_waiters.head != NULL or not (cell.ready or rlx_load(&worker.in_runq))
        or slot_put(slot, item, owner, stamp) < 0
    ):
        return False
    rlx_incref(item)
    owner.open += 1
    cell.stamp = stamp
    cell.total += 1
    worker.queued += 1
    if cell.meter != NULL and is_measured(cell.meter, slot.n_put):
        arrived(worker, slot, owner, frame.act.cell, 0)
    if not (cell.ready or cell.running):
        push_ready(worker, cell, place_behind(frame.anchor, frame.act.tag))
        cell.tag = frame.act.tag
        frame.anchor = cell
    return True
