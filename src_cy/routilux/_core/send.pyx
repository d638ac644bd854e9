"""Send: one emit to all the targets of its event.

Called by event with no lock held, for all that doesn't go the straight way; calls
route for each target under one hold of the worker's lock, given back only to wait for
room and to ask hooks. A target either has all of it when this returns, or its rule
dropped and counted the rest.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from routilux._core.status cimport (
    OVERFLOW_BLOCK,
    PUT_DROPPED,
    PUT_NO_MEMORY,
    PUT_OK,
    PUT_REFUSED,
)
from routilux._core.platform cimport rlx_load, rlx_lock, rlx_next, rlx_unlock
from routilux._core.group cimport newest_job
from routilux._core.ledger cimport effects_t
from routilux._core.block cimport Block, shown_of
from routilux._core.slot cimport slot_t
from routilux._core.recorder cimport RECORD_WAIT
from routilux._core.routine cimport Node, cell_t, event_t
from routilux._core.measure cimport record, ticks_for
from routilux._core.frame cimport depth_of
from routilux._core.hooks cimport HOOKED, ask_hook
from routilux._core.engine cimport Engine, is_idle, zero
from routilux._core.cargo cimport event_of
from routilux._core.route cimport (
    AWAIT_OVER,
    HELP_DEPTH,
    await_room,
    deliver,
    help_once,
    slot_full,
)

cdef enum:
    RELIEF = 8               # activations that one emit runs for others at most


cdef int send(
    WorkerCore worker,
    cell_t* cell,
    int event,
    object item,
    Cargo cargo,
    owner_t* owner,
    frame_t* frame,
    bint on_loop,
) except -1:
    cdef event_t* e = &cell.events[event]
    cdef Engine engine = worker.engine
    cdef PyObject* thing = <PyObject*>item
    cdef slot_t* slot
    cdef effects_t fx
    cdef Py_ssize_t i = 0, n = 1
    cdef int result = PUT_OK
    cdef int64_t began
    cdef bint over = on_loop, waited = False, asked = False
    if cargo is not None:
        n = cargo.n
    elif type(item) is Block:
        n = (<Block>item).n
    if rlx_load(&HOOKED) and not emit__hooked(worker, cell, event, item, cargo, owner):
        return 0
    zero(&fx)
    fx.source = cell.node
    rlx_lock(&worker.lock)
    e.n_emitted += n
    while i < e.n_targets:
        slot = e.targets[i]
        if cargo is not None:
            thing = cargo.thing(i)
        if rlx_load(&HOOKED) and not asked and not is_let_in(
            worker, slot, <object>thing, owner
        ):
            i += cargo is None or not cargo.step(i)
            continue
        asked = True            # once, however often it waits
        # An activation that goes on holds its job open. Another thread, or a context
        # that was kept, may come after its end, also while it waited for room. What
        # is emitted for a dead job is dropped, then as before.
        if owner.open == 0 and not owner.dead:
            rlx_unlock(&worker.lock)
            engine.apply(worker, &fx)
            raise RuntimeError(
                f"emit() of routine {(<Node>cell.node).routine_id!r} after the end of"
                f" job {newest_job(owner).job_id!r}: its activation is over"
            )
        result = deliver(
            worker, slot, thing, owner, frame, over and slot.overflow == OVERFLOW_BLOCK, &fx
        )
        if result == PUT_OK or result == PUT_DROPPED:
            over = on_loop
            asked = False
            i += cargo is None or not cargo.step(i)
            continue
        rlx_unlock(&worker.lock)
        engine.apply(worker, &fx)
        if result == PUT_REFUSED:
            raise slot_full(worker, slot, "its overflow rule is 'error'")
        if result == PUT_NO_MEMORY:
            raise MemoryError("no memory for a slot's queue")
        if not waited:
            rlx_next(<uint64_t*>&engine.n_waits)
        waited = True
        began = ticks_for(cell)
        over = await_room(worker, slot, frame, True, -1) == AWAIT_OVER
        if began:
            record(
                <cell_t*>slot.cell, RECORD_WAIT, owner, began, ticks_for(cell) - began,
                slot.index, 0,
            )
        rlx_lock(&worker.lock)
    rlx_unlock(&worker.lock)
    if not is_idle(&fx):
        engine.apply(worker, &fx)
    if rlx_load(&worker.n_crowded) and frame != NULL:
        relieve(worker, frame)
    return 0


cdef int relieve(WorkerCore worker, frame_t* frame) except -1:
    # Somewhere a slot holds more than its bound, because an activation was too deep to
    # help or must not block its loop: those that emit take their share of the work.
    cdef int left = RELIEF
    while rlx_load(&worker.n_crowded) and left > 0 and depth_of(frame) < HELP_DEPTH:
        if not help_once(worker, NULL, False):
            break
        left -= 1
    return 0


cdef bint emit__hooked(
    WorkerCore worker, cell_t* cell, int event, object item, Cargo cargo, owner_t* owner
) except -1:
    return ask_hook(
        "on_event_emit",
        (
            event_of(cell, event),
            (<Node>cell.node).routine_id,
            worker,
            newest_job(owner),
            shown_of(item if cargo is None else cargo.shown),
        ),
    )


cdef bint is_let_in(WorkerCore worker, slot_t* slot, object item, owner_t* owner) except -1:
    # The hook is user code: the lock is given back around it.
    cdef Node node = <Node>(<cell_t*>slot.cell).node
    cdef bint answer = True
    rlx_unlock(&worker.lock)
    try:
        answer = ask_hook(
            "on_slot_before_enqueue",
            (
                node.slots[slot.index],
                node.routine_id,
                newest_job(owner),
                shown_of(item),
                worker.ident.flow_id,
            ),
        )
    finally:
        rlx_lock(&worker.lock)
    return answer
