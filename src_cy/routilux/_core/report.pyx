"""What messages and tests are told of a worker: who holds its jobs, its counters.

Called from Python at any time, by a wait that timed out, by tests. Takes the worker's
lock for each routine, never for all at once, so a report of a thousand routines holds
nothing up; its numbers are each true, not of one moment.
"""

from routilux._core.status cimport POLICY_NONE
from routilux._core.platform cimport rlx_lock, rlx_unlock
from routilux._core.routine cimport Node, cell_t
from routilux._core.worker cimport WorkerCore


def holders(WorkerCore worker):
    """Say which routines and slots hold unfinished jobs: a list of texts."""
    cdef cell_t* cell
    cdef Node node
    cdef Py_ssize_t size, running
    cdef int i
    texts = []
    for node in worker.plan.nodes:
        cell = &worker.cells[node.index]
        if cell.policy.kind == POLICY_NONE:
            continue
        rlx_lock(&worker.lock)
        running = cell.running
        rlx_unlock(&worker.lock)
        if running:
            texts.append(
                f"routine {node.routine_id!r} of flow {worker.ident.flow_id!r} is running"
                f" ({running} activations)"
            )
        for i in range(cell.n_slots):
            rlx_lock(&worker.lock)
            size = cell.slots[i].size + cell.slots[i].laned
            rlx_unlock(&worker.lock)
            if size:
                texts.append(
                    f"{node.labels[i]} of flow {worker.ident.flow_id!r} has {size} items"
                    f" ({node.why()})"
                )
    return texts


def debug(WorkerCore worker):
    """Return the counters of the worker as a dict, for tests and bug reports."""
    return {
        "queued": worker.queued,
        "ready": worker.n_ready,
        "running": worker.running,
        "nested": worker.nested,
        "timers": worker.timers,
        "held": worker.n_held,
        "in_runq": worker.in_runq,
        "slot_waiters": worker.slot_waiters.head != NULL,
        "cells": {
            node.routine_id: {
                "total": worker.cells[i].total,
                "running": worker.cells[i].running,
                "ready": worker.cells[i].ready,
                "held": worker.cells[i].held,
                "lanes": 0 if worker.cells[i].lanes == NULL else worker.cells[i].lanes.n_lanes,
                "flush": worker.cells[i].flush,
                "parked": worker.cells[i].slots[0].parked if worker.cells[i].n_slots else 0,
            }
            for i, node in enumerate(worker.plan.nodes)
        },
    }
