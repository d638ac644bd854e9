"""Measuring: what the core tells its meters and its flight recorder.

Called where an item arrives and where an activation ends, under the worker's lock and
only while meters are there. One clock is read for the end of an activation and the
begin of the next, and one for an arrival that is measured: of each slot the first 64
items, then every 16th, and whatever comes from outside. Such an item has an odd arrival
number, which is its time; the others have even ones. All grow, as the rest of the core
needs it.
"""

from libc.stdint cimport int16_t, int32_t

from routilux._core.status cimport (
    OWNER_JOB,
    STAMP_CLOCK,
    STAMP_ORDER,
)
from routilux._core.platform cimport rlx_load
from routilux._core.recorder cimport (
    RECORD_ACTIVATION,
    RECORD_EMIT,
    RECORD_END,
    RECORD_POST,
    RECORD_TAKE,
    begin_record,
    record_t,
    rlx_exact_wall_ns,
    rlx_publish,
    ticks,
)
from routilux._core.meter cimport add_time, meter_t, wait_t
from routilux._core.job cimport JobContext
from routilux._core.group cimport JobGroup
from routilux._core.slot cimport slot_at


cdef extern from *:
    """
    #include "rlx_platform.h"
    /* Asking for it costs a quarter of a record. */
    static RLX_THREAD_LOCAL uint64_t rlx_me = 0;
    static inline uint64_t rlx_thread_ident(void) {
        if (rlx_me == 0) rlx_me = PyThread_get_thread_ident();
        return rlx_me;
    }
    """
    uint64_t rlx_thread_ident() nogil


cdef inline uint64_t seq_of(owner_t* owner) noexcept nogil:
    if owner == NULL:
        return 0
    if owner.kind != OWNER_JOB:
        owner = (<JobGroup>owner.obj).newest
    return (<JobContext>owner.obj).seq


cdef inline void write(
    meter_t* meter, int kind, owner_t* owner, int64_t at, int64_t more, int cell, int slot,
    uint64_t link, int64_t extra,
) noexcept nogil:
    cdef uint64_t number
    cdef record_t* record = begin_record(meter.recorder, &number)
    if record == NULL:
        return
    record.thread = rlx_thread_ident()
    record.at = at
    record.more = more
    record.job = seq_of(owner)
    record.link = link
    record.track = meter.track
    record.cell = cell
    record.extra = <int32_t>extra
    record.slot = <int16_t>slot
    record.kind = kind
    rlx_publish(&record.number, number)


cdef void arrived(
    WorkerCore worker, slot_t* slot, owner_t* owner, cell_t* source, uint64_t stamp
) noexcept nogil:
    cdef cell_t* cell = <cell_t*>slot.cell
    cdef meter_t* meter = cell.meter
    cdef wait_t* wait = &meter.waits[slot.index]
    cdef bint tells = source == NULL or rlx_load(&meter.recorder.detailed)
    cdef int64_t now = 0
    if tells or is_measured(meter, slot.n_put):
        now = ticks(meter.recorder)
    if slot.typed != NULL:
        if now and wait.followed == 0:
            wait.followed = <uint64_t>slot.n_put
            wait.since = now
    elif cell.stamping == STAMP_ORDER:
        stamp = (cell.stamp + 1) & ~<uint64_t>1         # no time; see straight.put_straight
        if now:
            stamp = max(stamp, <uint64_t>now) | 1
        cell.stamp = stamp
        slot_at(slot, slot.size - 1).stamp = stamp
    else:
        stamp = slot_at(slot, slot.size - 1).stamp
    if tells:
        write(
            meter, RECORD_POST if source == NULL else RECORD_EMIT, owner, now, cell.index,
            -1 if source == NULL else source.index, slot.index, stamp, cell.total,
        )


cdef void left(slot_t* slot) noexcept nogil:
    cdef meter_t* meter = (<cell_t*>slot.cell).meter
    cdef wait_t* wait = &meter.waits[slot.index]
    if wait.followed and <uint64_t>(slot.n_put - slot.size) >= wait.followed:
        wait.followed = 0
        add_time(
            &wait.times,
            <int64_t>((ticks(meter.recorder) - wait.since) * meter.recorder.tick_ns),
        )


cdef int64_t measure(WorkerCore worker, activation_t* act) noexcept nogil:
    cdef cell_t* cell = act.cell
    cdef meter_t* meter = cell.meter
    cdef int64_t began = act.began, now
    cdef uint64_t link = act.arrived
    if meter == NULL:
        act.began = 0
        return 0
    now = ticks(meter.recorder)
    meter.items_in += 1 if act.item != NULL and cell.n_typed == 0 else items_of(act)
    add_time(&meter.logic, <int64_t>((now - began) * meter.recorder.tick_ns))
    if link & 1 or cell.stamping != STAMP_ORDER or act.item == NULL:
        note_waits(worker, act, now)
    write(
        meter, RECORD_ACTIVATION, owner_of_act(act), began, now - began, cell.index,
        act.slot_index, link, cell.total,
    )
    act.began = 0
    return now


cdef inline owner_t* owner_of_act(activation_t* act) noexcept nogil:
    if act.owner == NULL and act.n_entries:
        return act.entries[0].owner
    return act.owner


cdef inline Py_ssize_t items_of(activation_t* act) noexcept nogil:
    # An entry is an item, but of a typed slot a part with some.
    cdef Py_ssize_t i, n = act.n_entries
    if act.cell.n_typed == 0:
        return n + (act.item != NULL)
    if act.item != NULL:
        n += act.n if act.n else 1
    for i in range(act.n_entries if act.parts != NULL else 0):
        n += act.parts[i].n - (act.parts[i].n > 0)
    return n


cdef void note_waits(WorkerCore worker, activation_t* act, int64_t now) noexcept nogil:
    cdef cell_t* cell = act.cell
    cdef meter_t* meter = cell.meter
    cdef uint64_t stamp = act.arrived
    cdef int64_t began = act.began
    cdef double tick_ns = meter.recorder.tick_ns
    cdef Py_ssize_t i
    cdef int s
    if stamp == 0:
        return                  # they are noted
    act.arrived = 0
    if cell.stamping == STAMP_ORDER and act.item != NULL:
        # By far the most: one item. An even number is no time.
        if stamp & 1 and <int64_t>stamp >= meter.recorder.since and cell.n_typed == 0:
            add_time(
                &meter.waits[act.slot_index].times,
                <int64_t>((began - <int64_t>stamp) * tick_ns),
            )
        return
    if cell.stamping != STAMP_ORDER:
        began = begin_by_clock(worker, cell, <int64_t>((now - began) * tick_ns))
        tick_ns = 1.0
    if act.item != NULL:
        note_wait(cell, act.slot_index, stamp, began, tick_ns)
        return
    s = 0
    for i in range(act.n_entries):
        # Entries lie slot by slot; those that a policy took out itself in its own order.
        stamp = act.entries[i].stamp
        s = slot_of_entry(act, i)
        if s < 0:
            break
        note_wait(cell, s, stamp, began, tick_ns)
        if i and rlx_load(&meter.recorder.detailed):
            write(
                meter, RECORD_TAKE, act.entries[i].owner, act.began, 0, cell.index, s, stamp, 0
            )


cdef int slot_of_entry(activation_t* act, Py_ssize_t i) noexcept nogil:
    cdef int s
    if act.cell.n_slots == 1:
        return 0
    for s in range(act.cell.n_slots if act.counts != NULL else 0):
        if i < act.counts[s]:
            return s
        i -= act.counts[s]
    return -1


cdef int64_t begin_by_clock(WorkerCore worker, cell_t* cell, int64_t ns) noexcept nogil:
    # When it began, on the clock that the arrival numbers of the cell are of.
    if cell.stamping == STAMP_CLOCK:
        return worker.clock.now() - ns
    if worker.ident.virtual_wall != NULL:
        return worker.ident.virtual_wall[0] - ns
    return rlx_exact_wall_ns() - ns


cdef void note_wait(
    cell_t* cell, int slot, uint64_t stamp, int64_t began, double tick_ns
) noexcept nogil:
    if cell.slots[slot].typed != NULL:
        return                  # see `left`
    if cell.stamping == STAMP_ORDER and not (
        stamp & 1 and <int64_t>stamp >= cell.meter.recorder.since
    ):
        return
    add_time(&cell.meter.waits[slot].times, <int64_t>((began - <int64_t>stamp) * tick_ns))


cdef int64_t ticks_for(cell_t* cell) noexcept nogil:
    return 0 if cell.meter == NULL else ticks(cell.meter.recorder)


cdef void record(
    cell_t* cell, int kind, owner_t* owner, int64_t at, int64_t more, int slot, int64_t extra
) noexcept nogil:
    cdef meter_t* meter = cell.meter
    if meter == NULL:
        return
    if at == 0:
        at = ticks(meter.recorder)
    write(meter, kind, owner, at, more, cell.index, slot, 0, extra)


cdef void record_ends(Recorder recorder, WorkerCore worker, owner_t* done) noexcept nogil:
    cdef meter_t meter
    cdef int64_t now
    if worker.n_cells == 0 or worker.cells[0].meter == NULL:
        return
    now = ticks(&recorder.c)
    meter.recorder = &recorder.c
    meter.track = worker.cells[0].own_meter.track
    while done != NULL:
        write(&meter, RECORD_END, done, now, 0, -1, -1, 0, (<JobContext>done.obj).state)
        done = done.link
