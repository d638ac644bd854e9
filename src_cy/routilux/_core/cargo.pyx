"""Cargo: what an emit hands over to typed slots, made before any lock is taken.

Called by event for an event that feeds at least one typed slot. The value of the one
keyword, or the array of `emit_many`, becomes a block for each of these slots; slots
without a dtype get dicts. All of it is checked against every target here, so a wrong
dtype stops the emit before any target has anything.
"""

cimport cython

from routilux._core.status cimport FORM_LOGIC
from routilux._core.segment cimport bring_chunk
from routilux._core.slot cimport slot_t
from routilux._core.routine cimport Node, event_t
from routilux._core.portion cimport block_for, blocks_for

cdef extern from "Python.h":
    PyObject* PyList_GET_ITEM(PyObject* items, Py_ssize_t i) nogil


@cython.final
@cython.no_gc       # lives as long as one call of emit
@cython.freelist(8)
cdef class Cargo:
    cdef PyObject* thing(self, Py_ssize_t i) noexcept nogil:
        cdef PyObject* block
        if <PyObject*>self.blocks == <PyObject*>None:
            return <PyObject*>self.block
        block = PyList_GET_ITEM(<PyObject*>self.blocks, i)
        if block != <PyObject*>None:
            return block
        return PyList_GET_ITEM(<PyObject*>self.rows, self.row)

    cdef bint step(self, Py_ssize_t i) noexcept nogil:
        cdef PyObject* block = <PyObject*>self.block
        if <PyObject*>self.blocks != <PyObject*>None:
            block = PyList_GET_ITEM(<PyObject*>self.blocks, i)
        if block != <PyObject*>None:
            (<Block>block).done = 0     # the same block may be the next target's
            return False
        self.row += 1
        if self.row < self.n:
            return True
        self.row = 0
        return False


cdef Cargo load_item(WorkerCore worker, cell_t* cell, int event, object item):
    # The keywords of an emit; the value itself if it is what a plain function returned.
    cdef Cargo cargo = Cargo.__new__(Cargo)
    value = item
    if (<Node>cell.node).form == FORM_LOGIC:
        value = only_value(cell, event, item)
    cargo.n = 1
    cargo.rows = [item]
    cargo.shown = item
    fill(worker, &cell.events[event], cargo, value, True, False)
    return cargo


cdef object only_value(cell_t* cell, int event, dict item):
    if len(item) != 1:
        raise TypeError(
            f"emit({event_of(cell, event).name!r}): an event that feeds a typed slot"
            f" carries one value: give one keyword, not {list(item)}"
        )
    (value,) = item.values()
    return value


cdef Cargo load_array(WorkerCore worker, cell_t* cell, int event, object items, bint copy):
    cdef event_t* routing = &cell.events[event]
    cdef Cargo cargo = Cargo.__new__(Cargo)
    if routing.n_targets == 0:
        cargo.n = len(items)            # an array that is only counted
        cargo.shown = items
        return cargo
    if routing.n_typed > 1 and hasattr(items, "__next__"):
        items = list(items)
    fill(worker, routing, cargo, items, False, copy)
    cargo.shown = cargo.block
    cargo.n = cargo.block.n
    if routing.n_typed < routing.n_targets:
        cargo.rows = rows_of(cell, event, cargo.block.shown(), False)
    return cargo


cdef int fill(
    WorkerCore worker, event_t* routing, Cargo cargo, object value, bint single, bint copy
) except -1:
    # Targets of the same kind share a block.
    cdef slot_t* slot
    cdef Block block = None
    cdef Py_ssize_t i
    cdef list blocks = None
    for i in range(routing.n_targets):
        slot = routing.targets[i]
        if slot.typed == NULL:
            block = None
        elif block is not None and <PyObject*>block.layout == slot.typed.layout:
            bring_chunk(slot.typed, block)
        elif single:
            cargo.block = block = block_for(worker, slot, value)
        else:
            cargo.block = block = blocks_for(worker, slot, value, copy)
        if routing.n_targets > 1:
            if blocks is None:
                blocks = []
            blocks.append(block)
    cargo.blocks = blocks
    return 0


cdef list rows_of(cell_t* cell, int event, object items, bint copy):
    cdef Py_ssize_t i
    if hasattr(items, "dtype"):
        if copy:
            items = items.copy()
        names = event_of(cell, event).output_params
        name = names[0] if len(names) == 1 else "value"
        return [{name: item} for item in items]
    if copy:
        raise TypeError(
            f"emit_many({event_of(cell, event).name!r}): copy=True is for arrays, not for"
            f" {type(items).__name__}"
        )
    rows = list(items)
    for i in range(len(rows)):
        if not isinstance(rows[i], dict):
            raise TypeError(
                f"emit_many({event_of(cell, event).name!r}): items[{i}] must be a dict, as"
                f" emit() makes one of its keywords, not {rows[i]!r}"
            )
    return rows


cdef object event_of(cell_t* cell, int event):
    cdef Node node = <Node>cell.node
    return node.routine._events[node.event_names[event]]
