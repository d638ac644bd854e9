"""Census: what the picture of a runtime is made of, counted and handed over.

Called from Python at any time, by `Runtime.metrics()`. Takes a worker's lock for each
routine, never for all at once, and the ledger's to go over the jobs that live, so that
a picture of a thousand routines holds nothing up; its numbers are each true, not of one
moment.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libc.string cimport memset

from routilux._core.platform cimport rlx_load, rlx_lock, rlx_look, rlx_unlock
from routilux._core.job cimport JobContext, wall_ns
from routilux._core.ledger cimport Ledger
from routilux._core.slot cimport slot_t
from routilux._core.meter cimport meter_t, times_t
from routilux._core.routine cimport Node, cell_t
from routilux._core.worker cimport WorkerCore
from routilux._core.control cimport Control

from routilux._core.job import JobStatus

cdef tuple STATUS = tuple([str(status) for status in JobStatus])    # as the enum JobState


def tally(Control core):
    """Return what is counted for a runtime as a whole; times in seconds."""
    cdef int64_t jobs[5]
    cdef int i
    count_jobs(core.ledger, jobs)
    virtual = &core.clock.virtual_wall_ns if core.clock.is_virtual else NULL
    return {
        "wall": wall_ns(virtual) / 1e9,
        "clock": core.clock.now() / 1e9,
        "jobs": {STATUS[i]: jobs[i] for i in range(5)},
        "pumps_busy": rlx_load(&core.n_pumps) - rlx_load(&core.n_parked),
        "pool_size": core.pool_size,
        "waits_for_room": rlx_load(&core.n_waits),
    }


cdef void count_jobs(Ledger ledger, int64_t* jobs) noexcept nogil:
    # By state. One that failed and is not finished is in no count of the ledger yet.
    cdef PyObject* job
    cdef int64_t left
    cdef Py_ssize_t i
    rlx_lock(&ledger.lock)
    jobs[0] = jobs[1] = 0
    jobs[2] = rlx_load(&ledger.completed)
    jobs[3] = rlx_load(&ledger.failed)
    jobs[4] = rlx_load(&ledger.cancelled)
    left = ledger.live
    for i in range(ledger.n_buckets):
        if left == 0:
            break
        job = ledger.buckets[i]
        while job != NULL:
            if not (<JobContext>job).ended:
                jobs[rlx_look(&(<JobContext>job).state)] += 1
                left -= 1
            job = (<JobContext>job).bucket_next
    rlx_unlock(&ledger.lock)


def rows(WorkerCore worker):
    """Return the counts of all routines of a worker as dicts; see observability.snapshot.

    Durations are triples of a count, nanoseconds and a histogram of 64 buckets, bucket i
    for 2**i up to 2**(i+1) ns.
    """
    return [row(worker, node) for node in worker.plan.nodes]


cdef dict row(WorkerCore worker, Node node):
    cdef cell_t* cell = &worker.cells[node.index]
    cdef meter_t meter
    cdef slot_t slot
    cdef times_t waits
    cdef Py_ssize_t running
    cdef int64_t items_out = 0
    cdef int i
    memset(&meter, 0, sizeof(meter_t))
    memset(&waits, 0, sizeof(times_t))
    rlx_lock(&worker.lock)
    if cell.own_meter != NULL:
        meter = cell.own_meter[0]
    running = cell.running
    for i in range(cell.n_events):
        items_out += cell.events[i].n_emitted
    rlx_unlock(&worker.lock)
    slots = []
    for i in range(cell.n_slots):
        rlx_lock(&worker.lock)
        slot = cell.slots[i]
        if cell.own_meter != NULL:
            waits = cell.own_meter.waits[i].times
        rlx_unlock(&worker.lock)
        slots.append(
            (
                node.slot_names[i],
                slot.size + slot.laned,
                slot.peak + slot.laned,
                slot.bound + slot.laned,
                slot.n_put,
                slot.n_dropped,
                plain(&waits),
            )
        )
    return {
        "flow_id": worker.ident.flow_id,
        "worker_id": worker.ident.worker_id,
        "routine_id": node.routine_id,
        "activations": meter.logic.count,
        "failures": meter.failures,
        "retries": meter.retries,
        "running": running,
        "items_in": meter.items_in,
        "items_out": items_out,
        "logic": plain(&meter.logic),
        "slots": slots,
    }


cdef tuple plain(times_t* times):
    cdef int i
    return (times.count, times.ns, [times.histogram[i] for i in range(64)])


def edges(WorkerCore worker):
    """Return what went over each connection of a worker; see EdgeMetrics."""
    cdef int64_t items
    found = []
    for source, event, target, slot in worker.plan.edges:
        rlx_lock(&worker.lock)
        items = worker.cells[<int>source].events[<int>event].n_emitted
        rlx_unlock(&worker.lock)
        sender = <Node>worker.plan.nodes[source]
        receiver = <Node>worker.plan.nodes[target]
        found.append(
            (
                worker.ident.flow_id,
                worker.ident.worker_id,
                sender.routine_id,
                sender.event_names[event],
                receiver.routine_id,
                receiver.slot_names[slot],
                items,
            )
        )
    return found
