"""The window on a worker's queue, with the interface of a Slot.

Made for a policy that is asked (the pump makes them, once per cell and asking) and for
users who look. What a policy consumes is claimed by the activation that it decides on;
what anybody else consumes is settled at once, so its job can end.
"""

cimport cython

from routilux._core.platform cimport rlx_lock, rlx_unlock
from routilux._core.ledger cimport effects_t
from routilux._core.count cimport release
from routilux._core.slot cimport entry_t
from routilux._core.drain cimport claim_room, take_entry
from routilux._core.engine cimport Engine, zero


@cython.final
cdef class QueueView(Slot):
    """A :class:`Slot` that shows the queue of one worker."""

    cdef int pop_c(self, PyObject** item) except -1:
        cdef WorkerCore worker = self.worker
        cdef activation_t* claim
        cdef entry_t entry
        cdef effects_t fx
        cdef int got = 0
        zero(&fx)
        rlx_lock(&worker.lock)
        claim = self.claim
        if self.queue.size and (claim == NULL or claim_room(claim, 1, claim.cell.n_slots) == 0):
            got = 1
            take_entry(worker, self.queue, &entry, &fx)
            item[0] = entry.item
            if claim != NULL:
                entry.item = NULL
                claim.entries[claim.n_entries] = entry
                claim.n_entries += 1
            elif entry.owner != NULL:
                release(worker.ledger, entry.owner, 1, &fx)
        rlx_unlock(&worker.lock)
        (<Engine>worker.engine).apply(worker, &fx)
        return got

    def enqueue(self, data, emitted_from="", emitted_at=None):
        raise RuntimeError(
            f"slot {self.name!r} belongs to a running worker: post() to it, or emit"
        )


cdef QueueView view_of(WorkerCore worker, Node node, int index):
    cdef Slot definition = node.slots[index]
    cdef QueueView view = QueueView(
        definition.name,
        definition.routine,
        definition.max_queue_length,
        definition.watermark,
        overflow=definition.overflow,
    )
    view.connected_events = definition.connected_events
    view.worker = worker
    view.queue = worker.slot_of(node.index, index)
    view.lock = &worker.lock
    return view
