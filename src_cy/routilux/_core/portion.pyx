"""Portions: what items of a typed slot count for, on their way in and out.

Called by route (put), drain and view (take) and settle (purge), where other slots'
items are moved one by one. A segment holds one count of its owner, however many items
it has; cutting it in two takes a second one. Slots, cells and workers count items, so
that every bound, policy and report reads the same for all slots.
"""

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from routilux._core.status cimport (
    OVERFLOW_ERROR,
    PUT_OK,
    STAMP_CLOCK,
    STAMP_ORDER,
    STAMP_WALL,
)
from routilux._core.platform cimport rlx_add
from routilux._core.mutant cimport mutant
from routilux._core.job cimport wall_ns
from routilux._core.group cimport is_dead
from routilux._core.count cimport hold, litter, park, release, unpark
from routilux._core.block cimport Layout
from routilux._core.segment cimport (
    bring_chunk,
    chunk_put,
    segment_at,
    segment_cut,
    segment_put,
    segment_t,
    segments_of,
    typed_t,
)
from routilux._core.routine cimport Node
from routilux._core.measure cimport arrived, left


cdef Block block_for(WorkerCore worker, slot_t* slot, object item):
    cdef Block block = (<Layout>slot.typed.layout).block_of_item(
        item, label_of(slot), worker.ident.flow_id
    )
    bring_chunk(slot.typed, block)
    return block


cdef Block blocks_for(WorkerCore worker, slot_t* slot, object items, bint copy):
    cdef Block block = (<Layout>slot.typed.layout).block_of(
        items, copy, label_of(slot), worker.ident.flow_id
    )
    bring_chunk(slot.typed, block)
    return block


cdef bint refuses(slot_t* slot, PyObject* block) noexcept nogil:
    cdef Py_ssize_t room = slot.bound - slot.size
    if slot.overflow != OVERFLOW_ERROR or slot.inert:
        return False
    return (<Block>block).n - (<Block>block).done > room


cdef object label_of(slot_t* slot):
    return (<Node>(<cell_t*>slot.cell).node).labels[slot.index]


cdef int put_portion(
    WorkerCore worker,
    slot_t* slot,
    Block block,
    Py_ssize_t n,
    owner_t* owner,
    effects_t* fx,
) noexcept nogil:
    cdef typed_t* typed = slot.typed
    cdef cell_t* cell = <cell_t*>slot.cell
    cdef part_t part
    cdef PyObject* old = NULL
    cdef PyObject* source = NULL
    cdef uint64_t stamp = cell.stamp + 1
    cdef int how
    block.next_part(n, &part)
    typed.step = cell.stamping == STAMP_ORDER
    if cell.stamping == STAMP_CLOCK:
        stamp = <uint64_t>worker.clock.now()
    elif cell.stamping == STAMP_WALL:
        stamp = max(stamp, <uint64_t>wall_ns(worker.ident.virtual_wall))
        cell.stamp = stamp - 1          # still unique, like route.put__timed
    if slot.keeps_sources and fx.source != NULL:
        source = <PyObject*>(<Node>fx.source).routine_id
    if not block.keep:
        chunk_put(typed, &part, &block.spare, &old)
        if old != NULL:
            litter(fx, old)
    how = segment_put(typed, &part, owner, stamp, source)
    if how == 0 and owner != NULL:
        hold(worker.ledger, owner, fx)
    elif how and typed.parked == typed.count:
        slot.parked += n        # what it continues is parked, and stays so
    block.done += n
    cell.stamp += n if typed.step else 1
    slot.size += n
    slot.n_put += n
    if slot.size > slot.peak:
        slot.peak = slot.size
    if slot.inert:
        return PUT_OK
    if slot.size > slot.bound and slot.size - n <= slot.bound:
        rlx_add(&worker.n_crowded, 1)
    cell.total += n
    worker.queued += n
    if cell.meter != NULL:
        arrived(
            worker,
            slot,
            owner,
            NULL if fx.source == NULL else &worker.cells[(<Node>fx.source).index],
            stamp,
        )
    return PUT_OK


cdef void take_portion(
    WorkerCore worker,
    slot_t* slot,
    Py_ssize_t n,
    entry_t* entry,
    part_t* part,
    effects_t* fx,
) noexcept nogil:
    cdef typed_t* typed = slot.typed
    cdef bint parked = typed.parked > 0
    cdef bint whole = segment_cut(typed, n, part, &entry.owner, &entry.stamp)
    entry.item = part.base
    slot.size -= part.n
    if slot.inert:
        return                  # it counts nowhere
    (<cell_t*>slot.cell).total -= part.n
    worker.queued -= part.n
    if slot.size <= slot.bound and slot.size + part.n > slot.bound:
        rlx_add(&worker.n_crowded, -1)
    if parked:
        slot.parked -= part.n
    if (<cell_t*>slot.cell).meter != NULL:
        left(slot)
    if not whole and not mutant(51):
        hold(worker.ledger, entry.owner, fx)
    elif parked:
        typed.parked -= 1
        unpark(worker.ledger, entry.owner, fx)


cdef void drop_portion(
    WorkerCore worker, slot_t* slot, Py_ssize_t n, effects_t* fx
) noexcept nogil:
    cdef entry_t entry
    cdef part_t part
    while n > 0:
        take_portion(worker, slot, n, &entry, &part, fx)
        n -= part.n
        litter(fx, entry.item)
        if entry.owner != NULL:
            release(worker.ledger, entry.owner, 1, fx)


cdef Py_ssize_t entries_for(cell_t* cell, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t entries = 0
    cdef Py_ssize_t count
    cdef int s
    for s in range(cell.n_slots):
        count = cell.slots[s].size if n < 0 else n
        if cell.slots[s].typed != NULL:
            count = segments_of(cell.slots[s].typed, count)
        entries += count
    return entries


cdef bint take_whole(
    WorkerCore worker, slot_t* slot, Py_ssize_t n, activation_t* act, effects_t* fx
) noexcept nogil:
    cdef entry_t entry
    cdef part_t part
    if n < 0:
        n = slot.size
    if segment_at(slot.typed, 0).n < n:
        return False
    take_portion(worker, slot, n, &entry, &part, fx)
    act.item = entry.item
    act.data = part.data
    act.n = part.n
    act.owner = entry.owner
    act.arrived = entry.stamp
    act.held = 1
    return True


cdef Py_ssize_t take_portions(
    WorkerCore worker, slot_t* slot, Py_ssize_t n, activation_t* act, effects_t* fx
) noexcept nogil:
    cdef Py_ssize_t before = act.n_entries
    cdef part_t* part
    while n > 0:
        part = &act.parts[act.n_entries]
        take_portion(worker, slot, n, &act.entries[act.n_entries], part, fx)
        n -= part.n
        act.n_entries += 1
    return act.n_entries - before


cdef void park_portions(WorkerCore worker, slot_t* slot, effects_t* fx) noexcept nogil:
    cdef typed_t* typed = slot.typed
    cdef segment_t* segment
    while typed.parked < typed.count:
        segment = segment_at(typed, typed.parked)
        typed.parked += 1
        slot.parked += segment.n
        park(worker.ledger, segment.owner, fx)


cdef Py_ssize_t purge_portions(
    WorkerCore worker, slot_t* slot, effects_t* fx
) noexcept nogil:
    cdef typed_t* typed = slot.typed
    cdef Py_ssize_t i, kept = 0, gone = 0, parked = typed.parked
    cdef segment_t segment
    for i in range(typed.count):
        segment = segment_at(typed, i)[0]
        if not is_dead(segment.owner):
            if kept != i:
                segment_at(typed, kept)[0] = segment
            kept += 1
            continue
        if i < parked:
            typed.parked -= 1
            slot.parked -= segment.n
            unpark(worker.ledger, segment.owner, fx)
        gone += segment.n
        litter(fx, segment.base)
        release(worker.ledger, segment.owner, 1, fx)
    typed.count = kept
    return gone
