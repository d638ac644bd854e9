"""The window on a worker's queue, with the interface of a Slot.

Made for a policy that is asked (the pump makes them, once per cell and asking) and for
users who look. What a policy consumes is claimed by the activation that it decides on;
what anybody else consumes is settled at once, so its job can end.
"""

cimport cython
from libc.stdlib cimport free

from libc.stdint cimport uint64_t

from routilux._core.status cimport OWNER_GROUP, STAMP_ORDER, STAMP_WALL
from routilux._core.platform cimport (
    alloc,
    rlx_add,
    rlx_incref,
    rlx_lock,
    rlx_unlock,
    rlx_xdecref,
)
from routilux._core.job cimport JobContext, owner_t, wall_ns
from routilux._core.group cimport JobGroup
from routilux._core.ledger cimport effects_t
from routilux._core.count cimport litter, release, unpark
from routilux._core.block cimport part_t
from routilux._core.slot cimport entry_t, slot_at, slot_t, slot_take
from routilux._core.lane cimport laned_t, lanes_t
from routilux._core.portion cimport take_portion
from routilux._core.drain cimport claim_room, made_room, take_laned, take_oldest
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
        got = self.queue.size > 0 or self.queue.laned > 0
        if got and claim != NULL and claim_room(claim, 1, claim.cell.n_slots) < 0:
            got = -1
        if got > 0:
            take_oldest(worker, self.queue, &entry, &fx)
            item[0] = entry.item
            if claim != NULL:
                entry.item = NULL
                claim.entries[claim.n_entries] = entry
                claim.n_entries += 1
            elif entry.owner != NULL:
                release(worker.ledger, entry.owner, 1, &fx)
        rlx_unlock(&worker.lock)
        (<Engine>worker.engine).apply(worker, &fx)
        if got < 0:
            raise MemoryError("no memory for what a policy takes")
        return got

    cdef int cut_c(self, Py_ssize_t n, part_t* part) except -1:
        cdef WorkerCore worker = self.worker
        cdef activation_t* claim
        cdef entry_t entry
        cdef effects_t fx
        cdef int got
        zero(&fx)
        rlx_lock(&worker.lock)
        claim = self.claim
        got = self.queue.size > 0
        if got and claim != NULL and claim_room(claim, 1, claim.cell.n_slots) < 0:
            got = -1
        if got > 0:
            take_portion(worker, self.queue, n, &entry, part, &fx)
            made_room(worker, self.queue, &fx)
            entry.item = NULL           # the caller's now
            if claim != NULL:
                claim.entries[claim.n_entries] = entry
                claim.parts[claim.n_entries].n = part.n
                claim.n_entries += 1
            elif entry.owner != NULL:
                release(worker.ledger, entry.owner, 1, &fx)
        rlx_unlock(&worker.lock)
        (<Engine>worker.engine).apply(worker, &fx)
        if got < 0:
            raise MemoryError("no memory for what a policy takes")
        return got

    def peek_all_new(self):
        cdef lanes_t* lanes = (<cell_t*>self.queue.cell).lanes
        cdef list items = []
        cdef PyObject** found
        cdef Py_ssize_t i, n = 0, most = len(self)
        if lanes == NULL:
            return Slot.peek_all_new(self)
        found = <PyObject**>alloc((most + 1) * sizeof(PyObject*))
        if found == NULL:
            raise MemoryError()
        rlx_lock(self.lock)
        n = list_items(self.queue, lanes, found, most)
        rlx_unlock(self.lock)
        for i in range(n):
            items.append(<object>found[i])
            rlx_xdecref(found[i])
        free(found)
        return items

    cdef bint look(self, Py_ssize_t i, entry_t* entry, PyObject** source) noexcept:
        # What waits in lanes is older.
        cdef lanes_t* lanes = (<cell_t*>self.queue.cell).lanes
        cdef laned_t* laned = NULL
        if lanes == NULL:
            return Slot.look(self, i, entry, source)
        rlx_lock(self.lock)
        laned = lanes.columns[self.queue.index].oldest
        while laned != NULL and i > 0:
            laned = laned.younger
            i -= 1
        if laned != NULL:
            entry[0] = laned.entry
            source[0] = laned.source
            rlx_incref(entry.item)
        rlx_unlock(self.lock)
        return laned != NULL or Slot.look(self, i, entry, source)

    cdef int64_t arrived(self, uint64_t stamp):
        cdef cell_t* cell = <cell_t*>self.queue.cell
        if stamp == 0 or cell.stamping == STAMP_ORDER:
            return 0
        if cell.stamping == STAMP_WALL:
            return <int64_t>stamp
        if self.offset == 0:        # once a view, or equal clocks would seem to jitter
            self.offset = wall_ns(self.worker.ident.virtual_wall) - self.worker.clock.now()
        return self.offset + <int64_t>stamp

    def discard(self, item, JobContext job=None):
        """Take one item out wherever it lies, and settle it; False if it is not there.

        It counts as dropped. Of equal items it is that very object; of several places
        where it lies, the oldest, or the oldest that belongs to the job.

        Raises:
            TypeError: the slot has a dtype, so its items are not objects.
        """
        cdef WorkerCore worker = self.worker
        cdef effects_t fx
        cdef bint found
        if self.queue.typed != NULL:
            raise TypeError(f"items of slot {self.name!r} are values of an array")
        zero(&fx)
        rlx_lock(&worker.lock)
        found = discard_item(
            worker,
            self.queue,
            <PyObject*>item,
            NULL if job is None else <PyObject*>job,
            &fx,
        )
        rlx_unlock(&worker.lock)
        (<Engine>worker.engine).apply(worker, &fx)
        return found

    def enqueue(self, data, emitted_from="", emitted_at=None):
        raise RuntimeError(
            f"slot {self.name!r} belongs to a running worker: post() to it, or emit"
        )


cdef inline bint is_that(entry_t* entry, PyObject* item, PyObject* job) noexcept nogil:
    # What a routine without a policy keeps has no owner: any job will do. Of a batch
    # it is the newest job that hooks are told of.
    cdef owner_t* owner = entry.owner
    if entry.item != item or job == NULL or owner == NULL:
        return entry.item == item
    if owner.kind == OWNER_GROUP:
        owner = (<JobGroup>owner.obj).newest
    return owner.obj == job


cdef bint discard_item(
    WorkerCore worker, slot_t* slot, PyObject* item, PyObject* job, effects_t* fx
) noexcept nogil:
    cdef cell_t* cell = <cell_t*>slot.cell
    cdef laned_t* laned = NULL
    cdef entry_t entry
    cdef Py_ssize_t i, at = 0
    if cell.lanes != NULL:
        laned = cell.lanes.columns[slot.index].oldest
    while laned != NULL and not is_that(&laned.entry, item, job):
        laned = laned.younger
    if laned != NULL:
        take_laned(worker, laned, &entry, fx)
    else:
        while at < slot.size and not is_that(slot_at(slot, at), item, job):
            at += 1
        if at == slot.size:
            return False
        # What is older moves up by one, so that the place of the item is the first.
        entry = slot_at(slot, at)[0]
        for i in range(at, 0, -1):
            slot_at(slot, i)[0] = slot_at(slot, i - 1)[0]
            if slot.sources != NULL:
                source_at(slot, i)[0] = source_at(slot, i - 1)[0]
        slot_at(slot, 0)[0] = entry
        slot_take(slot, &entry)
        if not slot.inert:
            cell.total -= 1
            worker.queued -= 1
            if slot.size == slot.bound:
                rlx_add(&worker.n_crowded, -1)
        if at < slot.parked:
            slot.parked -= 1
            if entry.owner != NULL:
                unpark(worker.ledger, entry.owner, fx)
        made_room(worker, slot, fx)
    slot.n_dropped += 1
    worker.n_dropped += 1
    litter(fx, entry.item)
    if entry.owner != NULL:
        release(worker.ledger, entry.owner, 1, fx)
    return True


cdef inline PyObject** source_at(slot_t* slot, Py_ssize_t i) noexcept nogil:
    return &slot.sources[(slot.head + i) & (slot.cap - 1)]


cdef Py_ssize_t list_items(
    slot_t* slot, lanes_t* lanes, PyObject** found, Py_ssize_t most
) noexcept nogil:
    # What waits in lanes is older than what the ring holds.
    cdef laned_t* laned = lanes.columns[slot.index].oldest
    cdef Py_ssize_t i, n = 0
    while laned != NULL and n < most:
        found[n] = laned.entry.item
        laned = laned.younger
        n += 1
    for i in range(min(slot.size, most - n)):
        found[n] = slot_at(slot, i).item
        n += 1
    for i in range(n):
        rlx_incref(found[i])
    return n


cdef QueueView view_of(WorkerCore worker, Node node, int index):
    cdef Slot definition = node.slots[index]
    cdef QueueView view = QueueView(
        definition.name,
        definition.routine,
        definition.max_queue_length,
        definition.watermark,
        overflow=definition.overflow,
        timestamps=definition.timestamps,
    )
    view.connected_events = definition.connected_events
    view.layout = definition.layout
    view.worker = worker
    view.queue = worker.slot_of(node.index, index)
    view.lock = &worker.lock
    return view
