# The straight way: what most messages take. One item goes into one slot, its routine
# runs on one item at a time, and nobody waits for anything. Three short steps of drain,
# settle and route, inlined into the loop; each says no when something is out of the
# ordinary, changes nothing then, and leaves it to the general form. Under the worker's
# lock, like those.

from cpython.object cimport PyObject

from routilux._core.status cimport JOB_PENDING, JOB_RUNNING, OWNER_JOB
from routilux._core.platform cimport rlx_incref, rlx_wall_ns
from routilux._core.job cimport JobContext, owner_t
from routilux._core.routine cimport cell_t
from routilux._core.slot cimport entry_t, slot_at, slot_t
from routilux._core.worker cimport WorkerCore, activation_t
from routilux._core.drain cimport push_ready, unlink_ready
from routilux._core.frame cimport frame_t

# As drain.take, from the head of the ready list. `act` was cleared (settle.clear).
cdef inline bint take_straight(WorkerCore worker, activation_t* act) noexcept nogil:
    cdef cell_t* cell = worker.ready_head
    cdef slot_t* slot
    cdef entry_t* entry
    if cell == NULL or not cell.straight or cell.resumed != NULL:
        return False
    slot = cell.slots
    if slot.size == 0 or slot.parked or slot.size > slot.bound:
        return False
    if worker.slot_waiters.head != NULL or worker.n_held:
        return False
    unlink_ready(worker, cell)
    entry = slot_at(slot, 0)
    act.cell = cell
    act.item = entry.item
    act.owner = entry.owner
    act.held = 1
    act.asks = act.partial = False
    act.slot_index = act.failures = 0
    act.began = 0
    slot.head = (slot.head + 1) & (slot.cap - 1)
    slot.size -= 1
    cell.total -= 1
    cell.running = 1
    worker.queued -= 1
    worker.running += 1
    worker.n_taken += 1
    act.tag = worker.n_taken
    if act.owner.kind == OWNER_JOB and (<JobContext>act.owner.obj).state == JOB_PENDING:
        (<JobContext>act.owner.obj).state = JOB_RUNNING
        (<JobContext>act.owner.obj).started = rlx_wall_ns()
    return True

# As settle.settle: the job lives on, and nothing more is queued for the routine.
cdef inline bint settle_straight(WorkerCore worker, activation_t* act) noexcept nogil:
    cdef cell_t* cell = act.cell
    cdef owner_t* owner = act.owner
    if not cell.straight or cell.total or act.began:
        return False
    if owner.open <= act.held or owner.parked:
        return False
    owner.open -= act.held
    cell.running = 0
    worker.running -= 1
    return True

# As route.deliver, for an activation that emits on its own thread.
cdef inline bint put_straight(
    WorkerCore worker, slot_t* slot, PyObject* item, owner_t* owner, frame_t* frame
) noexcept nogil:
    cdef cell_t* cell = <cell_t*>slot.cell
    cdef cell_t* after
    cdef entry_t* entry
    if not cell.straight or slot.size >= slot.bound or slot.size == slot.cap:
        return False
    if owner.kind != OWNER_JOB or owner.dead or owner.parked:
        return False
    if worker.slot_waiters.head != NULL or not (cell.ready or worker.in_runq):
        return False
    owner.open += 1
    cell.stamp += 1
    entry = slot_at(slot, slot.size)
    entry.item = item
    entry.owner = owner
    entry.stamp = cell.stamp
    rlx_incref(item)
    slot.size += 1
    slot.n_put += 1
    if slot.size > slot.peak:
        slot.peak = slot.size
    cell.total += 1
    worker.queued += 1
    if cell.ready or cell.running:
        return True
    after = frame.anchor
    if after != NULL and not (after.ready and after.tag == frame.act.tag):
        after = NULL
    push_ready(worker, cell, after)
    cell.tag = frame.act.tag
    frame.anchor = cell
    return True
