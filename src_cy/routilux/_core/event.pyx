"""Emit: hands an item over to every slot that the event is connected to.

Called by logic, on the thread that runs it or on one that carries its context; calls
route for each target under one hold of the worker's lock. The kwargs dict of the call
is the item, shared by all targets. An event without connections is counted and
dropped by design; emitting outside of an activation is an error that says so.
"""

from datetime import datetime, timezone

cimport cython
from cpython.tuple cimport PyTuple_GET_ITEM

from routilux._core.platform cimport rlx_add_method, rlx_load, rlx_lock, rlx_unlock
from routilux._core.group cimport newest_job
from routilux._core.routine cimport event_t
from routilux._core.worker cimport Activation, worker_of
from routilux._core.straight cimport put_straight
from routilux._core.frame cimport context_value, here, here_t, holds, owner_of
from routilux._core.hooks cimport HOOKED
from routilux._core.block cimport Block
from routilux._core.portion cimport blocks_for
from routilux._core.cargo cimport Cargo, load_array, load_item, rows_of
from routilux._core.send cimport relieve, send

from routilux._core.frame import get_current_routine_id, get_current_worker_state
from routilux._core.slot import Slot
from routilux.arguments import check_type
from routilux.errors import name_hint


cdef class Event:
    """A named output of a routine; made by :meth:`Routine.add_event`.

    Args:
        name: the event's name within its routine.
        routine: the routine that emits it, or None.
        output_params: names of the values that it carries, for documentation.
    """

    def __init__(self, name, routine=None, output_params=None):
        if not isinstance(name, str) or not name:
            raise ValueError(f"an event's name must be a non-empty string, not {name!r}")
        self.name = str(name)
        self.routine = routine
        if output_params is not None and not hasattr(type(output_params), "__iter__"):
            raise TypeError(
                f"output_params must be a list of names, not {output_params!r}"
            )
        self.output_params = list(output_params or ())
        self.connected_slots = []

    def emit(self, runtime=None, worker_state=None, **item):
        """Emit the event of its routine; see :meth:`Routine.emit`.

        Args:
            runtime: who routes it (`Runtime.handle_event_emit`, or your own object with
                such a method); None: the activation that is going on.
            worker_state: the worker to route in; None: the current one.
            **item: the values.

        Raises:
            RuntimeError: no activation is going on and no runtime is given.
        """
        if runtime is None:
            if self.routine is None:
                raise RuntimeError(f"{self!r} belongs to no routine, so nobody can emit it")
            self.routine.emit(self.name, **item)
            return
        handle = getattr(runtime, "handle_event_emit", None)
        if not callable(handle) or isinstance(runtime, type):
            raise TypeError(f"runtime must have a handle_event_emit(), not be {runtime!r}")
        facts = {
            "emitted_at": datetime.now(timezone.utc),
            "emitted_from": get_current_routine_id() or getattr(self.routine, "_id", ""),
            "event_name": self.name,
        }
        if worker_state is None:
            worker_state = get_current_worker_state()
        handle(self, {"data": item, "metadata": facts}, worker_state)

    def connect(self, slot):
        """Note that the event leads to a slot; items flow only by `Flow.connect`."""
        check_type("slot", slot, Slot)
        slot.connect(self)

    def disconnect(self, slot):
        """Take back what `connect` noted."""
        check_type("slot", slot, Slot)
        slot.disconnect(self)

    def __repr__(self):
        return f"<Event {self.name!r}>"


cdef class RoutineCore:
    """The compiled half of :class:`routilux.Routine`."""


    def emit_many(self, event_name, items, /, *, copy=False):
        """Emit many items by one call, in their order.

        Slots without a dtype get one dict an item, as if ``emit`` had been called for
        each. A typed slot gets the whole array at once, by reference.

        Args:
            event_name: one of the routine's events.
            items: an iterable of dicts; an array (or what numpy makes one of) if the
                event feeds a typed slot. Of an array, a slot without a dtype gets dicts
                of one value, named like the event's only output parameter, else "value".
            copy: copy the array, so that it may be changed afterwards.

        Raises:
            TypeError: an item is no dict, or the array has not the dtype and shape of a
                typed slot; nothing was emitted.
            ValueError: the routine has no such event; the message lists them.
            RuntimeError: no activation is going on, or its job is finished.
            SlotQueueFullError: a target is full and its rule is "error", or waiting for
                room can't end.

        Example:
            >>> self.emit_many("output", np.sqrt(slot_data["input"]))
        """
        cdef here_t* h = here()
        cdef frame_t* frame = h.frame
        cdef WorkerCore worker
        cdef Cargo cargo = None
        cdef Block block
        cdef Py_ssize_t n
        cdef origin_t origin
        cdef event_t* routing
        cdef int index
        keep = None
        if (
            frame != NULL
            and holds(h, frame.act.owner.obj)
            and (<Node>frame.act.cell.node).routine is self
        ):
            origin.worker = frame.worker
            origin.cell = frame.act.cell
            origin.owner = frame.act.owner
            origin.on_loop = False
        else:
            keep = find_origin(self, event_name, context_value(), &origin)
            if frame != NULL and frame.worker != origin.worker:
                frame = NULL
        worker = <WorkerCore>origin.worker
        index = event_at(<Node>origin.cell.node, event_name)
        routing = &origin.cell.events[index]
        if routing.n_typed == 0 and (routing.n_targets or not hasattr(items, "dtype")):
            for item in rows_of(origin.cell, index, items, copy):
                emit_c(worker, origin.cell, index, item, origin.owner, frame, origin.on_loop)
            return
        if routing.n_typed == routing.n_targets == 1:
            item = block = blocks_for(worker, routing.targets[0], items, copy)
            n = block.n
        else:
            item = None
            cargo = load_array(worker, origin.cell, index, items, copy)
            n = cargo.n
        if n:
            send(
                worker, origin.cell, index, item, cargo, origin.owner, frame, origin.on_loop
            )


_EMIT_DOC = b"""emit($self, event_name, /, **item)
--

Emit an event: every connected slot gets the keywords as one dict.

Inside logic only, or on a thread that carries its context
(``asyncio.to_thread``, ``contextvars.copy_context().run``).

Args:
    event_name: one of the routine's events.
    **item: the values; the dict is shared by reference with all targets.

Raises:
    ValueError: the routine has no such event; the message lists them.
    RuntimeError: no activation is going on, or its job is finished.
    SlotQueueFullError: a target is full and its rule is "error", or waiting for
        room can't end.

Example:
    >>> self.emit("output", result=42)
"""

# A method in C form: the general way to parse keywords costs a tenth of a hop.
rlx_add_method(RoutineCore, b"emit", <void*>&emit, _EMIT_DOC)


cdef object emit(PyObject* routine, PyObject** args, Py_ssize_t n_args, PyObject* names):
    cdef dict item = {}
    cdef Py_ssize_t i
    if n_args != 1:
        raise TypeError(
            f"emit() takes the event's name and keywords, but {n_args} positional"
            " arguments were given"
        )
    if names != NULL:
        for i in range(len(<tuple>names)):
            item[<object>PyTuple_GET_ITEM(<tuple>names, i)] = <object>args[i + 1]
    emit_item(<object>routine, <object>args[0], item)


cdef int emit_item(object routine, object event_name, dict item) except -1:
    cdef here_t* h = here()
    cdef frame_t* frame = h.frame
    cdef PyObject* value
    cdef origin_t origin
    cdef Node node
    if frame != NULL and holds(h, frame.act.owner.obj):
        node = <Node>frame.act.cell.node
        if node.routine is routine:
            return emit_c(
                <WorkerCore>frame.worker,
                frame.act.cell,
                event_at(node, event_name),
                item,
                frame.act.owner,
                frame,
                False,
            )
    value = context_value()
    keep = find_origin(routine, event_name, value, &origin)
    node = <Node>origin.cell.node
    return emit_c(
        <WorkerCore>origin.worker,
        origin.cell,
        event_at(node, event_name),
        item,
        origin.owner,
        frame if frame != NULL and frame.worker == origin.worker else NULL,
        origin.on_loop,
    )


cdef int event_at(Node node, object name) except -1:
    # Names are mostly the very objects that were declared: comparing pointers is cheaper
    # than a look-up, for the first few.
    cdef Py_ssize_t i, n
    if <PyObject*>name == node.event_name:
        return 0
    n = len(node.event_names)
    for i in range(n if n < 4 else 4):
        if <PyObject*>node.event_names[i] == <PyObject*>name:
            return <int>i
    index = node.event_index.get(name)
    if index is None:
        raise no_event(node, name)
    return index


cdef object no_event(Node node, event_name):
    hint = name_hint(str(event_name), node.event_index, "events")
    return ValueError(
        f"Event {event_name!r} not found in routine {node.routine_id!r}. {hint}"
    )


# A name that is wrong anywhere is told before that the place is.
cdef object outside(routine, event_name):
    if event_name not in routine.events:
        hint = name_hint(str(event_name), routine.events, "events")
        return ValueError(f"Event {event_name!r} not found in {routine!r}. {hint}")
    return RuntimeError(
        f"emit({event_name!r}) of {routine!r} outside of an activation: only logic"
        " that a runtime runs can emit; another thread must carry its context"
        " (asyncio.to_thread, contextvars.copy_context().run)"
    )


cdef object find_origin(routine, event_name, PyObject* value, origin_t* origin):
    # The way through the context. Returns what must be kept alive while emitting.
    cdef Activation activation = None
    cdef WorkerCore worker = None
    cdef owner_t* owner = owner_of(value)
    if owner == NULL:
        raise outside(routine, event_name)
    if type(<object>value) is Activation:
        activation = <Activation>value
        worker = activation.worker
    else:
        worker = worker_of(newest_job(owner).ident)
    if worker is None:
        raise RuntimeError(f"emit({event_name!r}): the runtime of the job is shut down")
    index = worker.plan.by_routine.get(id(routine))
    if index is None:
        raise RuntimeError(
            f"emit({event_name!r}): {routine!r} is not a routine of flow"
            f" {worker.ident.flow_id!r}, for which this activation runs"
        )
    origin.worker = <PyObject*>worker
    origin.owner = owner
    origin.cell = &worker.cells[<int>index]
    origin.on_loop = activation is not None
    if activation is not None and (<Node>activation.c.cell.node).routine is routine:
        origin.cell = activation.c.cell
    return <object>value, worker, <object>owner.obj


cdef int emit_c(
    WorkerCore worker,
    cell_t* cell,
    int event,
    object item,
    owner_t* owner,
    frame_t* frame,
    bint on_loop,
) except -1:
    cdef event_t* e = &cell.events[event]
    if e.n_targets == 0 and not rlx_load(&HOOKED) and rlx_load(&worker.n_crowded) == 0:
        rlx_lock(&worker.lock)
        e.n_emitted += 1
        rlx_unlock(&worker.lock)
        return 0
    if frame != NULL and e.n_targets == 1 and not rlx_load(&HOOKED):
        rlx_lock(&worker.lock)
        if put_straight(worker, e.targets[0], <PyObject*>item, owner, frame):
            e.n_emitted += 1
            rlx_unlock(&worker.lock)
            if rlx_load(&worker.n_crowded):
                relieve(worker, frame)
            return 0
        rlx_unlock(&worker.lock)
    return send(
        worker,
        cell,
        event,
        item,
        None if e.n_typed == 0 else load_item(worker, cell, event, item),
        owner,
        frame,
        on_loop,
    )
