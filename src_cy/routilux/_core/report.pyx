"""What tests and bug reports are told of a worker: its counters.

Called from Python at any time. Reads without the worker's lock, so a report holds
nothing up; its numbers are each true, not of one moment.
"""

from routilux._core.worker cimport WorkerCore


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
