"""A plain function as a routine: an item in, what it returns to the next slot.

Called by invoke in the place of a logic, with the frame and the context set and no lock
held; calls event to hand the values on. Nothing is built around the item: no slot_data,
no policy message, no dict of keywords. Which of the four forms the function has (plain,
generator, and both as `async def`) was read off it once, when the plan was made. What no
slot is connected to becomes the result of the job.
"""

from enum import Enum

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from routilux._core.status cimport (
    FORM_COROUTINE,
    FORM_FUNCTION,
    FORM_GENERATOR,
    OWNER_JOB,
)
from routilux._core.platform cimport (
    rlx_incref,
    rlx_load,
    rlx_lock,
    rlx_store,
    rlx_store_ptr,
    rlx_unlock,
    rlx_xdecref,
)
from routilux._core.job cimport JobContext, owner_t
from routilux._core.group cimport jobs_of
from routilux._core.ledger cimport effects_t
from routilux._core.slot cimport slot_has_room, slot_t
from routilux._core.routine cimport Node, cell_t
from routilux._core.worker cimport Activation
from routilux._core.drain cimport recheck
from routilux._core.frame cimport context_value
from routilux._core.hooks cimport HOOKED
from routilux._core.engine cimport Engine, zero
from routilux._core.room cimport bell_for_slot
from routilux._core.event cimport emit_c
from routilux._core.judge cimport is_over

from types import CoroutineType

cdef extern from "Python.h":
    bint PyObject_IS_GC(object value)
    object PyObject_CallOneArg(object function, object item)


class Skip(Enum):
    """The type of :data:`SKIP`."""

    SKIP = "skip"

    def __repr__(self):
        return "SKIP"


cdef object SKIPPED = Skip.SKIP


cdef object call(WorkerCore worker, activation_t* act, frame_t* frame):
    cdef Node node = <Node>act.cell.node
    if node.form != FORM_FUNCTION:
        return call__yielding(worker, act, node, frame)
    while True:
        if node.gathers:
            gather(act.owner)
        if act.item != NULL and act.cell.n_typed == 0:
            value = PyObject_CallOneArg(node.logic, <object>act.item)
        else:
            value = node.logic(*lists_of(act, node))
        if type(value) is CoroutineType:
            return relay(value)
        if value is SKIPPED:
            return None
        if not go_on(worker, act, frame, <PyObject*>value):
            break
        node = <Node>act.cell.node
    hand_on(worker, act.cell, value, act.owner, frame, False)
    return None


cdef bint go_on(
    WorkerCore worker, activation_t* act, frame_t* frame, PyObject* value
) except -1:
    # Nearly every value goes to one plain function that idles, and this thread would
    # take it up next. What deliver, settle and take would do then, done in one: `act`
    # becomes the activation of the target. False: they have to.
    cdef cell_t* cell = act.cell
    cdef cell_t* target
    cdef slot_t* slot
    cdef PyObject* old = act.item
    cdef int64_t* beats = &(<Engine>worker.engine).beats
    cdef effects_t fx
    if frame.left <= 1 or frame.until_tail <= 1:
        return False
    if cell.events.n_targets != 1 or cell.meter != NULL:
        return False
    if frame.anchor != NULL or rlx_load(&HOOKED):
        return False
    slot = cell.events.targets[0]
    target = <cell_t*>slot.cell
    if old == NULL or (<Node>target.node).form != FORM_FUNCTION:
        return False
    if act.lane != NULL:
        return False            # its key is free when this activation ends, not the next
    fx.runnable = False
    rlx_lock(&worker.lock)
    # Its queue is empty and it idles; nobody sleeps or holds more than he should.
    if (
        not cell.straight
        or not target.straight
        or target.total
        or target.running
        or target == cell
        or act.owner.dead
        or act.owner.kind != OWNER_JOB
        or worker.slot_waiters.head != NULL
        or worker.n_held
        or worker.n_crowded
    ):
        rlx_unlock(&worker.lock)
        return False
    cell.events.n_emitted += 1
    cell.running -= 1
    target.running += 1
    rlx_store_ptr(&target.current, act.owner)
    target.stamp += 1
    slot.n_put += 1
    if slot.peak == 0:
        slot.peak = 1
    worker.n_taken += 1
    act.tag = worker.n_taken
    act.cell = target
    act.item = value
    act.failures = 0
    if cell.total:
        zero(&fx)
        recheck(worker, cell, worker.ready_tail if cell.rank == 0 else NULL, &fx)
    rlx_unlock(&worker.lock)
    rlx_incref(value)
    rlx_xdecref(old)
    frame.left -= 1
    frame.until_tail -= 1
    if frame.place != NULL:
        rlx_store_ptr(frame.place, target)
    rlx_store(beats, rlx_load(beats) + 1)
    if fx.runnable:
        (<Engine>worker.engine).apply(worker, &fx)
    return True


cdef object call__yielding(
    WorkerCore worker, activation_t* act, Node node, frame_t* frame
):
    cdef bint alone = act.item != NULL and act.cell.n_typed == 0
    if node.gathers:
        gather(act.owner)
    if node.form == FORM_COROUTINE:
        return relay__fresh(node.logic, [<object>act.item] if alone else lists_of(act, node))
    values = node.logic(<object>act.item) if alone else node.logic(*lists_of(act, node))
    if node.form != FORM_GENERATOR:
        return relay_all(values)
    for value in values:
        hand_on(worker, act.cell, value, act.owner, frame, False)
        if is_over(worker, act.owner):
            values.close()          # nobody wants the rest
            break
    return None


cdef list lists_of(activation_t* act, Node node):
    # Another policy than the immediate one: a list of items for each slot. Of a typed
    # slot always an array.
    return [(<dict>act.slot_data)[name] for name in node.slot_names]


cdef int hand_on(
    WorkerCore worker, cell_t* cell, object value, owner_t* owner, frame_t* frame, bint on_loop
) except -1:
    if value is SKIPPED:
        return 0
    if cell.events.n_targets == 0:
        keep(<Node>cell.node, owner, value)
    return emit_c(worker, cell, 0, value, owner, frame, on_loop)


async def relay(coroutine):
    # On the event loop, in the context of the activation.
    value = await coroutine
    hand_on__later(value)


async def relay__fresh(function, args):
    # Called here: a coroutine of it that never began would be warned about.
    value = await function(*args)
    hand_on__later(value)


async def relay_all(values):
    async for value in values:
        if not hand_on__later(value):
            await values.aclose()
            break
        while True:
            rung = room_to_come()
            if rung is None:
                break
            bell, room = rung
            try:
                await room
            finally:
                bell.leave()


cdef object room_to_come():
    # None when every target has room; else the bell and the future that it ends. What
    # a coroutine yields goes in over the bound: one item, since the next one waits.
    cdef Activation activation = <Activation>context_value()
    cdef cell_t* cell = activation.c.cell
    cdef slot_t* slot
    cdef Py_ssize_t i
    cdef bint full
    for i in range(cell.events.n_targets):
        slot = cell.events.targets[i]
        rlx_lock(&activation.worker.lock)
        full = not slot_has_room(slot)
        rlx_unlock(&activation.worker.lock)
        if full:
            future, ring = bell_parts()
            bell = bell_for_slot(activation.worker, slot, True, ring)
            if bell is not None:
                return bell, future
    return None


def bell_parts():
    import asyncio

    loop = asyncio.get_running_loop()
    future = loop.create_future()
    return future, lambda: loop.call_soon_threadsafe(end_future, future)


def end_future(future):
    if not future.done():
        future.set_result(None)


cdef bint hand_on__later(object value) except -1:
    cdef Activation activation = <Activation>context_value()
    cdef owner_t* owner = activation.c.owner
    hand_on(activation.worker, activation.c.cell, value, owner, NULL, True)
    return not is_over(activation.worker, owner)


cdef int keep(Node node, owner_t* owner, object value) except -1:
    # The end of the flow: the value is the result of the job, or one of its results.
    if owner.kind == OWNER_JOB:
        keep_one(<JobContext>owner.obj, value, node.gathers)
    else:
        for job in jobs_of(owner):
            keep_one(job, value, node.gathers)
    return 0


cdef int keep_one(JobContext job, object value, bint gathers) except -1:
    if gathers:
        gather_one(job).append(value)
        return 0
    if PyObject_IS_GC(value):
        job.show()                  # an int can't be part of a cycle
    with cython.critical_section(job):
        job._result = value
    return 0


cdef int gather(owner_t* owner) except -1:
    # The result is a list from the first function on, so that it is one in any case.
    if owner.kind == OWNER_JOB:
        gather_one(<JobContext>owner.obj)
    else:
        for job in jobs_of(owner):
            gather_one(job)
    return 0


cdef list gather_one(JobContext job):
    with cython.critical_section(job):
        if type(job._result) is list:
            return <list>job._result
    job.show()
    fresh = []
    with cython.critical_section(job):
        if type(job._result) is not list:
            job._result = fresh
        return <list>job._result
