"""Whereabouts: what of a job, or of all jobs, is where in a worker, and since when.

Called from Python by whoever explains: `Runtime.explain`, a wait that timed out, the
live page, a dump. Nothing of it is for the core and nothing is kept for it: it reads
queues, timers, sleepers and pumps as they are. The worker's lock is held for one
routine at a time, so a report holds nothing up; its numbers are each true, not of one
moment. Batches that belong to several jobs are told apart after the lock was given back.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc, realloc

from routilux._core.status cimport (
    OWNER_GROUP,
    POLICY_BATCH,
    POLICY_CALLABLE,
    POLICY_INTERVAL,
    POLICY_NONE,
    STAMP_CLOCK,
    TIMER_RETRY,
)
from routilux._core.platform cimport (
    RLX_FREE_THREADED,
    PyThread_get_thread_ident,
    WAIT_HELP,
    rlx_incref,
    rlx_load_ptr,
    rlx_lock,
    rlx_unlock,
    rlx_xdecref,
    waiter_t,
)
from routilux._core.recorder cimport ticks
from routilux._core.group cimport JobGroup, jobs_of
from routilux._core.segment cimport segment_at
from routilux._core.slot cimport oldest_stamp_of, slot_at, slot_t
from routilux._core.lane cimport laned_t
from routilux._core.routine cimport Node, cell_t
from routilux._core.timer cimport timer_t
from routilux._core.worker cimport Activation, activation_t
from routilux._core.frame cimport current_frame, frame_t, here_t, pump_engine
from routilux._core.engine cimport pump_t

cdef enum:
    MOST = 4096              # activations, timers or sleepers that are looked at


cdef void note(
    tally_t* tally, slot_t* slot, int place, owner_t* owner, bint parked,
    Py_ssize_t n, Py_ssize_t* mine, Py_ssize_t* mine_parked
) noexcept nogil:
    # `n` items of one owner, side by side.
    cdef shared_t* bigger
    cdef shared_t* last = NULL
    if owner == NULL:
        return
    if owner == tally.owner:
        mine[0] += n
        mine_parked[0] += n if parked else 0
        return
    if owner.kind != OWNER_GROUP or not tally.grouped:
        return
    if tally.n_shared:
        last = &tally.shared[tally.n_shared - 1]
    if last == NULL or last.group != <void*>owner.obj or last.slot != place:
        if tally.n_shared == tally.cap_shared:
            bigger = <shared_t*>realloc(
                tally.shared, (2 * tally.cap_shared + 16) * sizeof(shared_t)
            )
            if bigger == NULL:
                return
            tally.shared = bigger
            tally.cap_shared = 2 * tally.cap_shared + 16
        last = &tally.shared[tally.n_shared]
        tally.n_shared += 1
        last.group = <void*>owner.obj
        last.slot = place
        last.n = last.parked = 0
        rlx_incref(owner.obj)
    last.n += n
    last.parked += n if parked else 0


cdef void count_slot(
    tally_t* tally, slot_t* slot, int place, Py_ssize_t* mine, Py_ssize_t* parked
) noexcept nogil:
    cdef laned_t* laned = NULL
    cdef Py_ssize_t i
    mine[0] = parked[0] = 0
    if slot.laned:
        laned = (<cell_t*>slot.cell).lanes.columns[slot.index].oldest
    if tally.owner == NULL:
        mine[0] = slot.size + slot.laned
        parked[0] = slot.parked
        while laned != NULL:
            parked[0] += laned.parked
            laned = laned.younger
        return
    while laned != NULL:
        note(tally, slot, place, laned.entry.owner, laned.parked, 1, mine, parked)
        laned = laned.younger
    if slot.typed != NULL:
        for i in range(slot.typed.count):
            note(
                tally, slot, place, segment_at(slot.typed, i).owner,
                i < slot.typed.parked, segment_at(slot.typed, i).n, mine, parked,
            )
        return
    for i in range(slot.size):
        note(tally, slot, place, slot_at(slot, i).owner, i < slot.parked, 1, mine, parked)


cdef bint works_for(object owner, JobContext job) except -1:
    # Whether a JobContext or JobGroup is, or holds, a job; any does for no job.
    if job is None or owner is job:
        return True
    if type(owner) is not JobGroup or not job.own.grouped:
        return False
    return job in jobs_of(&(<JobGroup>owner).own)


cdef dict cell_facts(WorkerCore worker, Node node, tally_t* tally, int64_t now):
    cdef cell_t* cell = &worker.cells[node.index]
    cdef slot_t* slot
    cdef Py_ssize_t mine, parked, size, bound, running, limit
    cdef int64_t oldest = 0
    cdef int s
    cdef bint ready, held, flagged, paused
    cdef list slots = []
    for s in range(cell.n_slots):
        slot = &cell.slots[s]
        rlx_lock(&worker.lock)
        count_slot(tally, slot, <int>(slot - worker.slots), &mine, &parked)
        size = slot.size + slot.laned
        bound = slot.bound + slot.laned
        rlx_unlock(&worker.lock)
        slots.append([node.slot_names[s], size, bound, mine, parked])
    rlx_lock(&worker.lock)
    running = cell.running
    limit = -cell.limit if cell.limit < 0 else cell.limit
    ready = cell.ready
    held = cell.held
    paused = worker.paused
    flagged = running > 0 and tally.owner != NULL
    flagged = flagged and rlx_load_ptr(&cell.current) == tally.owner
    if cell.policy.kind == POLICY_INTERVAL and cell.policy.last_ns:
        oldest = cell.policy.last_ns + cell.policy.wait_ns
    elif cell.policy.kind == POLICY_CALLABLE and cell.timed:
        oldest = cell.policy.last_ns
    elif cell.stamping == STAMP_CLOCK and cell.policy.kind == POLICY_BATCH and cell.policy.wait_ns:
        for s in range(cell.n_slots):
            if cell.slots[s].size and (
                oldest == 0 or <int64_t>oldest_stamp_of(&cell.slots[s]) < oldest
            ):
                oldest = <int64_t>oldest_stamp_of(&cell.slots[s])
        oldest += cell.policy.wait_ns if oldest else 0
    rlx_unlock(&worker.lock)
    return {
        "routine_id": node.routine_id,
        "policy": "key" if node.key is not None else getattr(node.policy, "kind", "callable"),
        "runs": cell.policy.kind != POLICY_NONE,
        "batch": cell.policy.batch,
        "due": (oldest - now) / 1e9 if oldest else None,
        "running": running,
        "limit": limit,
        "ready": ready,
        "held": held,
        "paused": paused,
        "current": flagged,
        "is_async": node.is_async,
        "slots": slots,
    }


cdef Py_ssize_t find_on_threads(Control core, WorkerCore worker, found_t* found) noexcept:
    # Frames of other threads stand still while this one has the GIL. Without a GIL only
    # the cell that a pump shows may be read.
    cdef pump_t* pump
    cdef frame_t* frame
    cdef cell_t* cell
    cdef Py_ssize_t n = 0
    rlx_lock(&core.lock)
    pump = core.pumps
    while pump != NULL and n < MOST:
        cell = <cell_t*>rlx_load_ptr(&pump.cell)
        if RLX_FREE_THREADED:
            if cell >= worker.cells and cell < worker.cells + worker.n_cells:
                add_found(found, &n, cell.index, NULL, -1, pump.thread)
        elif pump.here != NULL:
            frame = (<here_t*>pump.here).frame
            n = find_in_frames(worker, frame, found, n, pump.thread)
        pump = pump.next
    rlx_unlock(&core.lock)
    if pump_engine() != <void*>core and current_frame() != NULL:
        n = find_in_frames(
            worker, current_frame(), found, n, PyThread_get_thread_ident()
        )
    return n


cdef Py_ssize_t find_in_frames(
    WorkerCore worker, frame_t* frame, found_t* found, Py_ssize_t n, unsigned long thread
) noexcept nogil:
    cdef activation_t* act
    while frame != NULL and n < MOST:
        act = frame.act
        if frame.worker == <PyObject*>worker and act.cell != NULL and act.owner != NULL:
            add_found(
                found, &n, act.cell.index, act.owner.obj,
                ns_since(act), thread,
            )
        frame = frame.up
    return n


cdef int64_t ns_since(activation_t* act) noexcept nogil:
    # How long it executes by now; -1: nobody read a clock when it began.
    if act.began == 0 or act.cell.meter == NULL:
        return -1
    return <int64_t>(
        (ticks(act.cell.meter.recorder) - act.began) * act.cell.meter.recorder.tick_ns
    )


cdef void add_found(
    found_t* found, Py_ssize_t* n, int cell, PyObject* owner, int64_t ns,
    unsigned long thread
) noexcept nogil:
    found[n[0]].cell = cell
    found[n[0]].owner = <void*>owner
    found[n[0]].ns = ns
    found[n[0]].thread = thread
    found[n[0]].slot = -1
    found[n[0]].failures = 0
    n[0] += 1
    if owner != NULL:
        rlx_incref(owner)


cdef Py_ssize_t find_retries(WorkerCore worker, found_t* found) noexcept nogil:
    cdef timer_t* timer
    cdef activation_t* act
    cdef PyObject* resumed
    cdef Py_ssize_t i, n = 0
    cdef int64_t now = worker.clock.now()
    rlx_lock(&worker.lock)
    rlx_lock(&worker.clock.lock)
    for i in range(worker.clock.size):
        timer = &worker.clock.heap[i]
        if timer.kind != TIMER_RETRY or timer.worker != <PyObject*>worker or n >= MOST:
            continue
        act = &(<Activation>timer.activation).c
        if act.cell != NULL and act.owner != NULL:
            add_found(found, &n, act.cell.index, act.owner.obj, max(0, timer.when - now), 0)
            found[n - 1].failures = act.failures
    rlx_unlock(&worker.clock.lock)
    for i in range(worker.n_cells):
        resumed = worker.cells[i].resumed
        while resumed != NULL and n < MOST:
            act = &(<Activation>resumed).c
            if act.owner != NULL:
                add_found(found, &n, <int>i, act.owner.obj, 0, 0)
                found[n - 1].failures = act.failures
            resumed = (<Activation>resumed).resumed
    rlx_unlock(&worker.lock)
    return n


cdef Py_ssize_t find_sleepers(WorkerCore worker, found_t* found) noexcept nogil:
    cdef waiter_t* waiter
    cdef activation_t* act
    cdef Py_ssize_t n = 0
    rlx_lock(&worker.lock)
    waiter = worker.slot_waiters.head
    while waiter != NULL and n < MOST:
        act = NULL
        if waiter.kind == WAIT_HELP:
            act = <activation_t*>waiter.listener
        if act != NULL and act.owner != NULL:
            add_found(found, &n, act.cell.index, act.owner.obj, -1, 0)
        else:
            add_found(found, &n, -1, NULL, -1, 0)
        found[n - 1].slot = <int>(<slot_t*>waiter.target - worker.slots)
        waiter = waiter.next
    rlx_unlock(&worker.lock)
    return n


cdef list to_python(WorkerCore worker, JobContext job, found_t* found, Py_ssize_t n):
    cdef list texts = []
    cdef Node node
    cdef cell_t* cell
    cdef Py_ssize_t i
    cdef bint mine
    for i in range(n):
        owner = None if found[i].owner == NULL else <object>found[i].owner
        rlx_xdecref(<PyObject*>found[i].owner)
        found[i].owner = NULL
        if owner is not None:
            mine = works_for(owner, job)
        else:
            # Without a GIL: whom the routine's newest activation works for.
            mine = job is None or (
                found[i].cell >= 0
                and rlx_load_ptr(&worker.cells[found[i].cell].current) == &job.own
            )
        slot = None
        if found[i].slot >= 0:
            cell = <cell_t*>worker.slots[found[i].slot].cell
            node = <Node>cell.node
            slot = (node.routine_id, node.slot_names[worker.slots[found[i].slot].index])
        texts.append({
            "routine_id": None if found[i].cell < 0 else
                (<Node>worker.plan.nodes[found[i].cell]).routine_id,
            "seconds": None if found[i].ns < 0 else found[i].ns / 1e9,
            "thread": found[i].thread or None,
            "slot": slot,
            "failures": found[i].failures,
            "mine": mine,
            "owner": owner,
        })
    return texts


cdef int share_out(WorkerCore worker, JobContext job, tally_t* tally, list cells) except -1:
    # What batches of several jobs own, to the slots' own numbers.
    cdef Py_ssize_t i
    cdef slot_t* slot
    cdef dict known = {}
    cdef dict by_id = {facts["routine_id"]: facts for facts in cells}
    for i in range(tally.n_shared):
        group = <object>tally.shared[i].group
        if id(group) not in known:
            known[id(group)] = works_for(group, job)
        if not known[id(group)]:
            continue
        slot = &worker.slots[tally.shared[i].slot]
        numbers = by_id[(<Node>(<cell_t*>slot.cell).node).routine_id]["slots"][slot.index]
        numbers[3] += tally.shared[i].n
        numbers[4] += tally.shared[i].parked
    return 0


def survey(Control core, WorkerCore worker, JobContext job=None):
    """Return what a worker holds and does, or the part of it that is for one job.

    Returns:
        A dict of four lists. "cells": routines, with ``slots`` as
        ``[name, items, bound, items of the job, parked ones of the job]``. "executing",
        "retries" and "sleeping": activations, with ``seconds`` that they execute or
        will wait for (None: unknown), and whether they are ``mine``.
    """
    cdef tally_t tally
    cdef Py_ssize_t i, n
    cdef int64_t now = core.clock.now()
    cdef found_t* found = <found_t*>malloc((MOST + 1) * sizeof(found_t))
    if found == NULL:
        raise MemoryError()
    tally.owner = NULL if job is None else &job.own
    tally.grouped = job is not None and job.own.grouped
    tally.shared = NULL
    tally.n_shared = tally.cap_shared = 0
    try:
        cells = [cell_facts(worker, node, &tally, now) for node in worker.plan.nodes]
        share_out(worker, job, &tally, cells)
        n = find_on_threads(core, worker, found)
        executing = to_python(worker, job, found, n)
        n = find_retries(worker, found)
        retries = to_python(worker, job, found, n)
        n = find_sleepers(worker, found)
        sleeping = to_python(worker, job, found, n)
    finally:
        for i in range(tally.n_shared):
            rlx_xdecref(<PyObject*>tally.shared[i].group)
        free(tally.shared)
        free(found)
    return {
        "cells": cells, "executing": executing, "retries": retries, "sleeping": sleeping
    }


def core_of(JobContext job):
    """Return the core that a job belongs to; of one made by hand, what stands for it."""
    return job.ident.engine
