"""Keys: asks for the key of each item that arrived, and gives the item its lane.

Called by ask on the pump's thread with no lock held, since the key function, `__hash__`
and `__eq__` of keys are user code. One thread at a time asks in a cell, oldest item
first, so items reach their lanes in the order of arrival; it stops as soon as one may
run. An item stays in its slot until its key is known: who drops or takes it out
meanwhile need not know of the asking, which finds out by the item's stamp.
"""

from collections.abc import Mapping

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t
from libc.string cimport memset

from routilux._core.platform cimport rlx_incref, rlx_lock, rlx_unlock, rlx_xdecref
from routilux._core.job cimport owner_t
from routilux._core.ledger cimport effects_t
from routilux._core.slot cimport slot_at, slot_t
from routilux._core.lane cimport lane_like, lane_put, lane_t, lanes_t
from routilux._core.routine cimport cell_t
from routilux._core.drain cimport recheck, take_lane, take_unkeyed
from routilux._core.frame cimport current_frame, frame_t, set_context, set_frame
from routilux._core.engine cimport Engine, zero

from routilux.errors import name_hint

cdef enum:
    TURN = 256               # items asked for before others get a turn

# Whom an asking activation works for, so that code which looks at its thread's frame
# finds an owner: nobody. No context ever holds None.
cdef owner_t NOBODY
NOBODY.obj = <PyObject*>None
NOBODY.dead = True

# An item that is asked for: where it lies.
ctypedef struct place_t:
    slot_t* slot
    uint64_t stamp


cdef bint ask__key(WorkerCore worker, activation_t* act, Node node) except -1:
    cdef lanes_t* lanes = act.cell.lanes
    cdef frame_t frame
    cdef effects_t fx
    cdef place_t place
    cdef int left = TURN
    cdef bint got = False
    place.slot = NULL
    failure = None
    memset(&frame, 0, sizeof(frame_t))
    frame.worker = <PyObject*>worker
    frame.act = act
    frame.up = current_frame()
    act.owner = &NOBODY
    set_frame(&frame)       # a post from in here is one from inside this routine
    try:
        set_context(NULL)
        while left > 0 and next_place(worker, act.cell, &place):
            place_item(worker, act.cell, node, &place)
            left -= 1
    except BaseException as error:
        failure = error
    set_frame(frame.up)
    act.owner = NULL
    zero(&fx)
    rlx_lock(&worker.lock)
    lanes.asking = act.asks = False
    if failure is not None:
        got = place.slot != NULL and is_there(&place)
        if got:
            take_unkeyed(worker, act, place.slot, &fx)
    elif lanes.ready_head != NULL and not worker.paused:
        take_lane(worker, act, &fx)
        got = True
    recheck(worker, act.cell, worker.ready_tail, &fx)
    rlx_unlock(&worker.lock)
    (<Engine>worker.engine).apply(worker, &fx)
    if failure is not None and (got or place.slot == NULL):
        raise failure
    return got


cdef inline bint is_there(place_t* place) noexcept nogil:
    return place.slot.size > 0 and slot_at(place.slot, 0).stamp == place.stamp


cdef bint next_place(WorkerCore worker, cell_t* cell, place_t* place) noexcept:
    # The oldest item without a lane. False: there is none, or something may run.
    cdef slot_t* slot
    cdef int i
    place.slot = NULL
    place.stamp = 0
    rlx_lock(&worker.lock)
    for i in range(cell.n_slots if cell.lanes.ready_head == NULL else 0):
        slot = &cell.slots[i]
        if slot.size and (place.slot == NULL or slot_at(slot, 0).stamp < place.stamp):
            place.slot = slot
            place.stamp = slot_at(slot, 0).stamp
    rlx_unlock(&worker.lock)
    return place.slot != NULL


cdef int place_item(WorkerCore worker, cell_t* cell, Node node, place_t* place) except -1:
    cdef PyObject* item = NULL
    cdef lane_t* lane
    cdef Py_hash_t hashed
    cdef int result = 0
    rlx_lock(&worker.lock)
    if is_there(place):
        item = slot_at(place.slot, 0).item
        rlx_incref(item)
    rlx_unlock(&worker.lock)
    if item == NULL:
        return 0
    given = <object>item
    rlx_xdecref(item)
    key = key_of(worker, node, place.slot, given)
    hashed = hash_of(worker, node, place.slot, key)
    wanted = key
    rlx_lock(&worker.lock)
    cell.lanes.looks += 1
    lane = lane_like(cell.lanes, <PyObject*>wanted, hashed)
    while lane != NULL and lane.key != <PyObject*>wanted:
        rlx_incref(lane.key)
        item = lane.key
        rlx_unlock(&worker.lock)
        other = <object>item
        rlx_xdecref(item)
        if other == key:
            wanted = other      # its lane, if that is still there
        rlx_lock(&worker.lock)
        lane = lane_like(cell.lanes, <PyObject*>wanted, hashed)
    if is_there(place):
        result = lane_put(cell.lanes, lane, <PyObject*>key, hashed, place.slot)
    rlx_unlock(&worker.lock)
    if result < 0:
        raise MemoryError("no memory for the lane of a key")
    return 0


cdef object key_of(WorkerCore worker, Node node, slot_t* slot, object item):
    # A field: of a dict by its name, of any other object as an attribute.
    cdef object names
    if not isinstance(node.key, str):
        return node.key(item)
    try:
        if isinstance(item, dict) or isinstance(item, Mapping):
            return item[node.key]
        return getattr(item, node.key)
    except KeyError as error:
        cause = error
        names = [name for name in item if isinstance(name, str)]
        what = f"field {node.key!r}. {name_hint(node.key, names, 'fields')}"
    except AttributeError as error:
        cause = error
        what = f"attribute {node.key!r}"
    raise ValueError(
        f"{node.labels[slot.index]} of flow {worker.ident.flow_id!r} got an item without"
        f" its key (set_concurrency): {type(item).__name__} has no {what}"
    ) from cause


cdef Py_hash_t hash_of(WorkerCore worker, Node node, slot_t* slot, object key) except? -1:
    try:
        return hash(key)
    except TypeError as error:
        raise TypeError(
            f"{node.labels[slot.index]} of flow {worker.ident.flow_id!r} got an item whose"
            f" key is a {type(key).__name__} and can't be hashed ({error}); a key"
            " (set_concurrency) is a str, a number, a tuple of such or any other hashable"
        ) from error
