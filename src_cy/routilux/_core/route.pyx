"""Delivery of an item into a slot, and what a thread does when the slot is full.

Called by event (emit) and entry (post) with the worker's lock held; the table of
targets was resolved when the worker was made, so there is nothing to look up. An item
either lies in the slot, counted for its owner, or the caller is told why not: nothing
is lost silently. A thread that would block on a full slot runs the target's ready work
itself; if no activation of the worker can move any more, waiting would never end and
is refused.
"""

from libc.stdint cimport int64_t, uint64_t

from routilux._core.status cimport ENGINE_OPEN, FLUSH_ALL, OVERFLOW_BLOCK
from routilux._core.status cimport OVERFLOW_DROP_NEWEST, OVERFLOW_DROP_OLDEST
from routilux._core.status cimport OVERFLOW_ERROR, OWNER_GROUP, POLICY_BATCH
from routilux._core.status cimport PUT_DROPPED, PUT_FULL, PUT_NO_MEMORY, PUT_OK
from routilux._core.status cimport PUT_REFUSED, STAMP_CLOCK
from routilux._core.platform cimport WAIT_HELP, WAIT_SLOT, rlx_add, rlx_incref, rlx_load
from routilux._core.platform cimport rlx_lock, rlx_unlock, waiter_free, waiter_init
from routilux._core.platform cimport waiter_link, waiter_pick, waiter_t, wake_chain
from routilux._core.mutant cimport cut, mutant
from routilux._core.job cimport wall_ns
from routilux._core.group cimport is_dead
from routilux._core.count cimport hold, litter, release
from routilux._core.slot cimport entry_t, slot_has_room, slot_put, slot_take
from routilux._core.routine cimport Node
from routilux._core.block cimport Block
from routilux._core.recorder cimport RECORD_DROP, rlx_exact_wall_ns
from routilux._core.measure cimport arrived, record
from routilux._core.segment cimport segment_room
from routilux._core.portion cimport drop_portion, put_portion
from routilux._core.drain cimport place_behind, recheck, take_oldest
from routilux._core.settle cimport all_blocked, is_stuck
from routilux._core.flush cimport flush_cell, is_flushable
from routilux._core.frame cimport current_frame, depth_of, pump_engine
from routilux._core.engine cimport Engine, zero

from routilux.errors import SlotQueueFullError

cdef help_t HELP = NULL
cdef int64_t RELIEF_NS = 10000000


cdef void set_help(help_t help) noexcept:
    global HELP
    HELP = help


cdef int help_once(WorkerCore worker, cell_t* cell, bint anything) except -1:
    return HELP(worker, cell, anything)


cdef cell_t* helpable(WorkerCore worker, frame_t* frame) noexcept nogil:
    cdef cell_t* cell = worker.ready_head
    if frame == NULL or frame.worker != <PyObject*>worker:
        return cell
    while cell != NULL and cell.rank < frame.act.cell.rank:
        cell = cell.next
    return cell


cdef int deliver(
    WorkerCore worker,
    slot_t* slot,
    PyObject* item,
    owner_t* owner,
    frame_t* frame,
    bint over,
    effects_t* fx,
) noexcept nogil:
    cdef cell_t* cell = <cell_t*>slot.cell
    cdef int result
    if slot.typed != NULL:
        return deliver__typed(worker, slot, item, owner, frame, over, fx)
    if slot.inert:
        return deliver__inert(worker, slot, item, fx)
    if (owner.dead or (owner.kind == OWNER_GROUP and is_dead(owner))) and not mutant(27):
        worker.n_dropped += 1
        return PUT_DROPPED
    if not slot_has_room(slot) and not over:
        if slot.overflow == OVERFLOW_BLOCK and not mutant(7):
            return PUT_FULL
        if slot.overflow == OVERFLOW_ERROR:
            return PUT_REFUSED
        count_drop(worker, slot, 1, fx)
        if slot.overflow == OVERFLOW_DROP_NEWEST:
            return PUT_DROPPED
        # Held first: the oldest item may be the last one of the same job.
        hold(worker.ledger, owner, fx)
        drop_oldest(worker, slot, fx)
    else:
        hold(worker.ledger, owner, fx)
    cut(55, &worker.lock)
    cell.stamp += 1
    if cell.stamping:
        result = put__timed(worker, slot, item, owner, fx)
    else:
        result = slot_put(slot, item, owner, cell.stamp)
    if result < 0:
        release(worker.ledger, owner, 1, fx)
        return PUT_NO_MEMORY
    if not mutant(30): rlx_incref(item)
    if slot.size == slot.bound + 1:
        rlx_add(&worker.n_crowded, 1)
    cell.total += 1
    worker.queued += 1
    if cell.meter != NULL:
        arrived(worker, slot, owner, source_of(worker, frame, fx), 0)
    arrive(worker, cell, frame, fx)
    return PUT_OK


cdef inline cell_t* source_of(
    WorkerCore worker, frame_t* frame, effects_t* fx
) noexcept nogil:
    if frame != NULL and frame.worker == <PyObject*>worker:
        return frame.act.cell
    return NULL if fx.source == NULL else &worker.cells[(<Node>fx.source).index]


cdef inline void arrive(
    WorkerCore worker, cell_t* cell, frame_t* frame, effects_t* fx
) noexcept nogil:
    # Something arrived in the cell: it may run now.
    cdef cell_t* after
    cell.stale = mutant(8) and cell.stale
    if cell.ready:
        return
    if frame == NULL:
        after = worker.ready_tail
    else:
        # Depth first: what this activation emitted runs next, in the order of emitting.
        after = place_behind(frame.anchor, frame.act.tag)
    recheck(worker, cell, after, fx)
    if frame != NULL and cell.ready:
        cell.tag = frame.act.tag
        frame.anchor = cell


cdef int deliver__typed(
    WorkerCore worker,
    slot_t* slot,
    PyObject* block,
    owner_t* owner,
    frame_t* frame,
    bint over,
    effects_t* fx,
) noexcept nogil:
    # As much of a block as its slot's rule lets in, by items; PUT_FULL: the rest has to
    # wait. Where the rule is to raise, a block goes in whole or not at all.
    cdef Py_ssize_t left = (<Block>block).n - (<Block>block).done
    cdef Py_ssize_t room = slot.bound - slot.size if slot.size < slot.bound else 0
    cdef int rule = slot.overflow
    cdef int result
    if slot.inert:
        rule = OVERFLOW_DROP_OLDEST
    elif is_dead(owner):
        worker.n_dropped += left
        return PUT_DROPPED
    if segment_room(slot.typed) < 0:
        return PUT_NO_MEMORY
    if left > room and not over:
        if rule == OVERFLOW_ERROR:
            return PUT_REFUSED
        if rule == OVERFLOW_DROP_OLDEST:
            return replace(worker, slot, block, owner, frame, fx)
        if rule == OVERFLOW_DROP_NEWEST:
            count_drop(worker, slot, left - room, fx)
        if room == 0:
            return PUT_FULL if rule == OVERFLOW_BLOCK else PUT_DROPPED
        left = room + mutant(50)
    result = put_portion(worker, slot, <Block>block, left, NULL if slot.inert else owner, fx)
    if result == PUT_OK and not slot.inert:
        arrive(worker, <cell_t*>slot.cell, frame, fx)
    if result == PUT_OK and (<Block>block).done < (<Block>block).n:
        return PUT_FULL if rule == OVERFLOW_BLOCK else PUT_OK
    return result


cdef int replace(
    WorkerCore worker,
    slot_t* slot,
    PyObject* block,
    owner_t* owner,
    frame_t* frame,
    effects_t* fx,
) noexcept nogil:
    # What doesn't fit pushes out the oldest items, its own first ones too.
    cdef Py_ssize_t left = (<Block>block).n - (<Block>block).done
    cdef Py_ssize_t skipped = left - slot.bound if left > slot.bound else 0
    cdef Py_ssize_t pushed = slot.size + left - skipped - slot.bound
    cdef int result
    (<Block>block).done = (<Block>block).done + skipped
    if slot.inert:
        slot.n_dropped += skipped + pushed
        drop_portion(worker, slot, pushed, fx)
        return put_portion(worker, slot, <Block>block, left - skipped, NULL, fx)
    count_drop(worker, slot, skipped + pushed, fx)
    # Held first: the oldest items may be the last ones of the same job.
    hold(worker.ledger, owner, fx)
    drop_portion(worker, slot, pushed, fx)
    result = put_portion(worker, slot, <Block>block, left - skipped, owner, fx)
    release(worker.ledger, owner, 1, fx)
    if result == PUT_OK:
        arrive(worker, <cell_t*>slot.cell, frame, fx)
    return result


cdef int put__timed(
    WorkerCore worker, slot_t* slot, PyObject* item, owner_t* owner, effects_t* fx
) noexcept nogil:
    # For a cell whose stamps are times, and a slot that remembers who emitted.
    cdef cell_t* cell = <cell_t*>slot.cell
    cdef uint64_t stamp = <uint64_t>wall_ns(worker.ident.virtual_wall)
    cdef PyObject* name = NULL
    if cell.stamping == STAMP_CLOCK:
        stamp = <uint64_t>worker.clock.now()
    elif cell.meter != NULL and worker.ident.virtual_wall == NULL:
        stamp = max(<uint64_t>rlx_exact_wall_ns(), cell.stamp)
        cell.stamp = stamp
    elif stamp > cell.stamp:
        cell.stamp = stamp
    else:
        stamp = cell.stamp
    if slot_put(slot, item, owner, stamp) < 0:
        return -1
    if slot.sources != NULL:
        if fx.source != NULL:
            name = <PyObject*>(<Node>fx.source).routine_id
        slot.sources[(slot.head + slot.size - 1) & (slot.cap - 1)] = name
    return 0


cdef int deliver__inert(
    WorkerCore worker, slot_t* slot, PyObject* item, effects_t* fx
) noexcept nogil:
    # A routine that never runs: keep the newest for inspection, hold no job open.
    cdef entry_t oldest
    if not slot_has_room(slot):
        slot_take(slot, &oldest)
        litter(fx, oldest.item)
        slot.n_dropped += 1
    if put__timed(worker, slot, item, NULL, fx) < 0:
        return PUT_NO_MEMORY
    rlx_incref(item)
    return PUT_OK


cdef void count_drop(
    WorkerCore worker, slot_t* slot, Py_ssize_t n, effects_t* fx
) noexcept nogil:
    fx.dropped_by = label_of(slot)
    if slot.n_dropped == 0:
        fx.first_drop = True
    slot.n_dropped += n * (1 - mutant(5))
    fx.n_dropped += n
    record(<cell_t*>slot.cell, RECORD_DROP, NULL, 0, 0, slot.index, n)


cdef PyObject* label_of(slot_t* slot) noexcept nogil:
    return (<Node>(<cell_t*>slot.cell).node).label_at[slot.index]


cdef void drop_oldest(WorkerCore worker, slot_t* slot, effects_t* fx) noexcept nogil:
    cdef entry_t oldest
    take_oldest(worker, slot, &oldest, fx)
    litter(fx, oldest.item)
    if not mutant(6): release(worker.ledger, oldest.owner, 1, fx)


cdef object slot_full(WorkerCore worker, slot_t* slot, str why):
    # No lock held.
    cdef Node node = <Node>(<cell_t*>slot.cell).node
    cdef Py_ssize_t bound
    rlx_lock(&worker.lock)
    bound = slot.bound + slot.laned
    rlx_unlock(&worker.lock)
    return SlotQueueFullError(
        f"Slot {node.slot_names[slot.index]!r} of routine {node.routine_id!r} in flow"
        f" {worker.ident.flow_id!r} is full (max_queue_length={bound}): {why}"
    )


cdef void wake_roomy(WorkerCore worker, waiter_t** chain) noexcept nogil:
    # Who sleeps until a queue is half empty need not, when others are about to sleep.
    cdef waiter_t* waiter = worker.slot_waiters.head
    cdef waiter_t* following
    while waiter != NULL:
        following = waiter.next
        if waiter.suspends and slot_has_room(<slot_t*>waiter.target):
            waiter_pick(&worker.slot_waiters, waiter, chain)
        waiter = following


cdef int await_room(
    WorkerCore worker, slot_t* slot, frame_t* frame, bint helps, int64_t deadline
) except -1:
    cdef Engine engine = worker.engine
    cdef cell_t* cell = <cell_t*>slot.cell
    cdef waiter_t waiter
    cdef waiter_t* chain = NULL
    cdef bint deep, alone, forbidden, sleeps, hopeless = False
    cdef int64_t until = deadline
    cdef effects_t fx
    zero(&fx)
    if helps and deadline < 0 and worker.paused:
        return AWAIT_OVER           # it has to end, and nothing drains the slot meanwhile
    helps = helps or pump_engine() == <void*>engine
    deep = helps and depth_of(current_frame()) >= HELP_DEPTH
    alone = engine.pool_size == 1 or engine.driver.is_inline()
    if helps and not deep and help_once(worker, cell, False):
        return AWAIT_AGAIN
    if deep and alone:
        return AWAIT_OVER
    waiter_init(&waiter, WAIT_HELP if helps else WAIT_SLOT, slot)
    if frame != NULL:
        waiter.suspends = True
        waiter.rank = frame.act.cell.rank
        waiter.listener = frame.act
    try:
        rlx_lock(&worker.lock)
        if frame != NULL and frame.gone:
            rlx_unlock(&worker.lock)
            return AWAIT_OVER       # given up: it counts as nobody who waits
        # Before sleeping: 1. still no room, 2. still nothing to help with, 3. somebody
        # else may move this slot: an activation that is not blocked itself, a timer,
        # or, while posts are taken, a post that the target's policy waits for.
        # Helping asks by the frame of this thread, given up or not.
        if slot_has_room(slot) or (
            helps and not deep and helpable(worker, current_frame()) != NULL
        ):
            rlx_unlock(&worker.lock)
            return AWAIT_AGAIN
        # Work is ready that may not run on top of this activation. If nobody else can
        # do it, it has to: better a cycle that may turn out to be full than a hang.
        forbidden = (
            helps
            and not deep
            and worker.n_ready > 0
            and worker.timers == 0
            and all_blocked(worker, frame != NULL)
        )
        if (
            is_flushable(cell, FLUSH_ALL)
            and cell.running < cell.limit
            and is_stuck(worker, frame != NULL)
            and worker.ledger.is_wanted()
            and not cell.held
        ):
            # Somebody waits and this batch is all that could move: it goes partial.
            flush_cell(worker, cell, FLUSH_ALL, &fx)
            rlx_unlock(&worker.lock)
            engine.apply(worker, &fx)
            return AWAIT_AGAIN
        if not forbidden:
            hopeless = is_stuck(worker, frame != NULL) and (
                (frame != NULL and (cell.running > 0 or cell.held))
                or rlx_load(&engine.phase) != ENGINE_OPEN
            )
        sleeps = not hopeless and not (forbidden and alone)
        if sleeps:
            waiter_link(&worker.slot_waiters, &waiter)
            wake_roomy(worker, &chain)
        rlx_unlock(&worker.lock)
        wake_chain(chain)
        if hopeless:
            raise slot_full(
                worker,
                slot,
                "its routine can't take anything before this call returns (a cycle of"
                " full slots, or a shutdown)",
            )
        if not sleeps:
            help_once(worker, NULL, True)
            return AWAIT_AGAIN
        if deep or forbidden:
            # Other threads of the pool may run what this one should not.
            until = engine.clock.now() + RELIEF_NS
            if 0 <= deadline < until:
                until = deadline
        if engine.driver.block(&worker.slot_waiters, &waiter, &worker.lock, until):
            return AWAIT_AGAIN
    finally:
        waiter_free(&waiter)
    if forbidden:
        help_once(worker, NULL, True)
        return AWAIT_AGAIN
    if deep or deadline >= 0:
        return AWAIT_OVER if deep else AWAIT_TIMEOUT
    # The driver can't wait: who could make room lies suspended below on its one thread.
    if frame != NULL and cell.rank <= frame.act.cell.rank:
        raise slot_full(worker, slot, "a cycle of full slots, on one thread")
    return AWAIT_OVER
