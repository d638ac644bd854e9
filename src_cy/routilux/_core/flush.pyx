"""Moving what is parked: flushes, timers, retries that are due.

Called by the engine when nothing else moves, when a timer is due, or when a user asks.
Each function only marks cells and puts them on the ready list; the pump does the rest,
so a flushed batch runs exactly like a full one.
"""

from routilux._core.status cimport (
    FLUSH_ALL,
    FLUSH_ONCE,
    OWNER_GROUP,
    POLICY_BATCH,
    POLICY_INTERVAL,
)
from routilux._core.platform cimport rlx_lock, rlx_unlock
from routilux._core.job cimport JobContext, owner_t
from routilux._core.group cimport is_dead, jobs_of
from routilux._core.slot cimport slot_at, slot_t
from routilux._core.routine cimport Node
from routilux._core.worker cimport Activation
from routilux._core.drain cimport recheck, wake_helper


cdef bint flush_lowest(WorkerCore worker, effects_t* fx) noexcept nogil:
    cdef cell_t* cell
    cdef Py_ssize_t i
    cdef int lowest = -1
    if worker.n_ready or worker.running:
        return True
    if worker.queued == 0:
        return False
    for i in range(worker.n_cells):
        cell = &worker.cells[i]
        if cell.total == 0:
            continue
        if cell.policy.kind == POLICY_INTERVAL:
            return True             # its timer will move it, and perhaps fill a batch
        if cell.policy.kind == POLICY_BATCH and (lowest < 0 or cell.rank < lowest):
            lowest = cell.rank
    if lowest < 0:
        return False
    flush_cells(worker, lowest, fx)
    return True


cdef void flush_cells(WorkerCore worker, int rank, effects_t* fx) noexcept nogil:
    cdef cell_t* cell
    cdef Py_ssize_t i
    for i in range(worker.n_cells):
        cell = &worker.cells[i]
        if cell.policy.kind != POLICY_BATCH or cell.total == 0:
            continue
        if rank < 0 or cell.rank == rank:
            cell.flush = FLUSH_ALL
            recheck(worker, cell, worker.ready_tail, fx)


cdef void check_time(WorkerCore worker, cell_t* cell, int64_t now, effects_t* fx) noexcept nogil:
    # The policy's timer is due. A batch goes only if its oldest item waited for it.
    cdef int64_t oldest = 0, stamp
    cdef int i
    cell.timed = False
    if cell.total == 0:
        return
    if cell.policy.kind == POLICY_BATCH:
        for i in range(cell.n_slots):
            if cell.slots[i].size:
                stamp = <int64_t>slot_at(&cell.slots[i], 0).stamp
                if oldest == 0 or stamp < oldest:
                    oldest = stamp
        if oldest + cell.policy.wait_ns <= now and not cell.flush:
            cell.flush = FLUSH_ONCE
    recheck(worker, cell, worker.ready_tail, fx)


cdef void resume(
    WorkerCore worker, cell_t* cell, PyObject* activation, effects_t* fx
) noexcept nogil:
    # The cell never gave the turn back, so it goes to the ready list beyond its limit.
    cdef PyObject** place = &cell.resumed
    while place[0] != NULL:
        place = &(<Activation>place[0]).resumed
    (<Activation>activation).resumed = NULL
    place[0] = activation
    if not cell.ready:
        worker.push_ready(cell, worker.ready_tail)
    if not worker.in_runq:
        fx.runnable = True
    wake_helper(worker, cell, fx)


cdef object parked_in(WorkerCore worker):
    # A job that holds a parked item, and where: (job, text); None when there is none.
    cdef slot_t* slot
    cdef owner_t* owner
    cdef cell_t* cell
    cdef Py_ssize_t i
    cdef Node node
    for i in range(worker.n_slots):
        slot = &worker.slots[i]
        owner = NULL
        rlx_lock(&worker.lock)
        if slot.parked:
            owner = slot_at(slot, 0).owner
        rlx_unlock(&worker.lock)
        if owner == NULL:
            continue
        cell = <cell_t*>slot.cell
        node = <Node>cell.node
        text = f"{node.labels[slot.index]} ({node.why()})"
        for job in jobs_of(owner):
            if not (<JobContext>job).own.dead:
                return job, text
    return None
