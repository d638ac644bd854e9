"""Moving what is parked: flushes, timers, retries that are due.

Called by the engine when nothing else moves, when a timer is due, or when a user asks.
Each function only marks cells and puts them on the ready list; the pump does the rest,
so a flushed batch runs exactly like a full one.
"""

from routilux._core.status cimport (
    FLUSH_ONCE,
    POLICY_BATCH,
    POLICY_CALLABLE,
    POLICY_INTERVAL,
)
from cpython.object cimport PyObject
from libc.stdlib cimport free

from routilux._core.platform cimport (
    alloc,
    rlx_incref,
    rlx_load,
    rlx_lock,
    rlx_unlock,
    rlx_xdecref,
)
from routilux._core.mutant cimport mutant
from routilux._core.job cimport JobContext, owner_t
from routilux._core.group cimport JobGroup, jobs_of
from routilux._core.segment cimport segment_at
from routilux._core.slot cimport oldest_stamp_of, slot_at, slot_t
from routilux._core.lane cimport laned_t
from routilux._core.routine cimport Node
from routilux._core.worker cimport Activation
from routilux._core.park cimport wake_helper
from routilux._core.drain cimport push_ready, recheck


cdef enum:
    TIMED = -2


cdef bint flush_lowest(WorkerCore worker, int kind, effects_t* fx) noexcept nogil:
    cdef Py_ssize_t i
    cdef int lowest
    if worker.paused:
        return False
    if worker.n_ready or worker.running:
        return True
    if worker.queued == 0:
        return False
    # A flush may do no more than hold its cell, because a slot that it feeds is full. Then
    # it is the turn of those who would empty that.
    for i in range(worker.n_cells + 1):
        lowest = lowest_rank(worker, kind)
        if lowest == TIMED:
            return True             # its timer will move it, and perhaps fill a batch
        if lowest < 0 or mutant(44):
            return False
        flush_cells(worker, lowest, kind, fx)
        if worker.n_ready:
            return True
    return True


cdef int lowest_rank(WorkerCore worker, int kind) noexcept nogil:
    # Of the cells that a flush can move: the rank nearest to the sources; -1: none.
    cdef cell_t* cell
    cdef Py_ssize_t i
    cdef int lowest = -1
    for i in range(worker.n_cells):
        cell = &worker.cells[i]
        if cell.total == 0 or cell.held:
            continue
        if cell.flush and cell.timed:
            return TIMED            # it was flushed, and is postponed for want of memory
        if is_flushable(cell, kind):
            if lowest < 0 or cell.rank < lowest:
                lowest = cell.rank
        elif cell.policy.kind == POLICY_INTERVAL or cell.timed:
            return TIMED
    return lowest


cdef bint is_flushable(cell_t* cell, int kind) noexcept nogil:
    # A policy in Python that said no to this flush is not asked twice.
    if cell.total == 0:
        return False
    if cell.policy.kind == POLICY_CALLABLE:
        return (<Node>cell.node).flusher is not None and cell.flush_asked < kind
    return cell.policy.kind == POLICY_BATCH


cdef void flush_cells(
    WorkerCore worker, int rank, int kind, effects_t* fx
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(worker.n_cells):
        if rank < 0 or worker.cells[i].rank == rank:
            flush_cell(worker, &worker.cells[i], kind, fx)


cdef void flush_cell(
    WorkerCore worker, cell_t* cell, int kind, effects_t* fx
) noexcept nogil:
    if is_flushable(cell, kind):
        cell.flush = kind
        cell.stale = False
        recheck(worker, cell, worker.ready_tail, fx)


cdef void check_time(WorkerCore worker, cell_t* cell, int64_t now, effects_t* fx) noexcept nogil:
    # The policy's timer is due. A batch goes only if its oldest item waited for it.
    cdef int64_t oldest = 0, stamp
    cdef int i
    cell.timed = False
    cell.stale = False
    if cell.total == 0:
        return
    if cell.policy.kind == POLICY_BATCH:
        for i in range(cell.n_slots):
            if cell.slots[i].size:
                stamp = <int64_t>oldest_stamp_of(&cell.slots[i])
                if oldest == 0 or stamp < oldest:
                    oldest = stamp
        if oldest + cell.policy.wait_ns + mutant(41) <= now and not cell.flush:
            cell.flush = FLUSH_ONCE
    recheck(worker, cell, worker.ready_tail, fx)
    if cell.ready or rlx_load(&worker.ledger.admitted):
        return
    fx.quiet |= worker.ledger.is_wanted()   # who looked before counted on this timer


cdef void resume(
    WorkerCore worker, cell_t* cell, PyObject* activation, effects_t* fx
) noexcept nogil:
    # The cell never gave the turn back, so it goes to the ready list beyond its limit.
    cdef PyObject** place = &cell.resumed
    while place[0] != NULL:
        place = &(<Activation>place[0]).resumed
    (<Activation>activation).resumed = NULL
    place[0] = activation
    worker.n_resumed += 1
    if worker.paused:
        return                  # Pause.resume_c will look
    if not cell.ready:
        push_ready(worker, cell, worker.ready_tail)
    if not rlx_load(&worker.in_runq):
        fx.runnable = True
    wake_helper(worker, cell, fx)


cdef tuple parked_in(WorkerCore worker):
    # The jobs that hold parked items, each once, and where: (jobs, texts).
    cdef slot_t* slot
    cdef Py_ssize_t i, k, n
    cdef PyObject** owners
    cdef PyObject* few[64]
    cdef dict found = {}
    cdef bint held
    for i in range(worker.n_slots):
        slot = &worker.slots[i]
        n = slot.parked + slot.laned
        owners = <PyObject**>alloc((n + 1) * sizeof(PyObject*))
        if owners == NULL:
            owners = few            # the others come next time
            n = min(n, 64)
        rlx_lock(&worker.lock)
        n = list_parked(slot, owners, n)
        held = (<cell_t*>slot.cell).held
        rlx_unlock(&worker.lock)
        for k in range(n):
            note_parked(found, owners[k], slot, held)
            rlx_xdecref(owners[k])
        if owners != few:
            free(owners)
    return list(found), list(found.values())


cdef Py_ssize_t list_parked(slot_t* slot, PyObject** owners, Py_ssize_t most) noexcept nogil:
    cdef laned_t* laned = NULL
    cdef Py_ssize_t k, n = 0
    if slot.laned:
        laned = (<cell_t*>slot.cell).lanes.columns[slot.index].oldest
    while laned != NULL and n < most:
        if laned.parked:
            owners[n] = laned.entry.owner.obj
            n += 1
        laned = laned.younger
    if slot.typed == NULL:
        for k in range(min(slot.parked, most - n)):
            owners[n] = slot_at(slot, k).owner.obj
            n += 1
    else:
        for k in range(min(slot.typed.parked, most)):
            owners[n] = segment_at(slot.typed, k).owner.obj
            n += 1
    for k in range(n):
        rlx_incref(owners[k])
    return n


cdef int note_parked(dict found, PyObject* obj, slot_t* slot, bint held) except -1:
    cdef Node node = <Node>(<cell_t*>slot.cell).node
    cdef owner_t* owner = &(<JobContext>obj).own
    if type(<object>obj) is JobGroup:
        owner = &(<JobGroup>obj).own
    why = "its async logic waits for room in a full slot" if held else node.why()
    text = f"{node.labels[slot.index]} ({why})"
    for job in jobs_of(owner):
        if not (<JobContext>job).own.dead:
            found.setdefault(job, text)
    return 0
