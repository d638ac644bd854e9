"""What logic gets of typed slots: an array for each, in the dict of all slots.

Called by invoke on the pump's thread with no lock held. The arrays are made by the
layouts of the slots: read-only windows on what was taken out of the queues.
"""

from cpython.object cimport PyObject

from routilux._core.block cimport Layout
from routilux._core.segment cimport typed_t
from routilux._core.slot cimport slot_t
from routilux._core.ask cimport form_group, give

cdef extern from *:
    """
    #include "rlx_platform.h"
    /* Takes the value out of {name: value} if nobody else has the dict. */
    static inline int rlx_empty_shell(PyObject *data, PyObject *name) {
        Py_ssize_t at = 0;
        PyObject *key, *value;
        if (RLX_FREE_THREADED || Py_REFCNT(data) != 1 || PyDict_Size(data) != 1
            || !PyDict_Next(data, &at, &key, &value) || key != name) return 0;
        if (PyDict_SetItem(data, key, Py_None) == 0) return 1;
        PyErr_Clear();
        return 0;
    }
    /* Whether nobody else has this copy of a dict, and it is still one. */
    static inline int rlx_is_copy(PyObject *copy, PyObject *of) {
        Py_ssize_t i = 0, j = 0, n = PyDict_GET_SIZE(of);
        PyObject *key, *value, *key_of, *value_of;
        if (RLX_FREE_THREADED || Py_REFCNT(copy) != 1 || !PyDict_CheckExact(copy)
            || PyDict_GET_SIZE(copy) != n) return 0;
        while (n-- > 0)
            if (!PyDict_Next(copy, &i, &key, &value) || !PyDict_Next(of, &j, &key_of,
                &value_of) || key != key_of || value != value_of) return 0;
        return 1;
    }
    """
    bint rlx_empty_shell(PyObject* data, PyObject* name)
    bint rlx_is_copy(PyObject* copy, PyObject* of)


cdef int assemble__typed(activation_t* act, Node node) except -1:
    # The same where some slots, or all, have arrays.
    cdef dict data
    cdef Py_ssize_t i, count, at = 0
    cdef int s
    cdef slot_t* slot
    if act.cell.shell != NULL:
        act.slot_data = act.cell.shell
        act.cell.shell = NULL
        data = <dict>act.slot_data
    else:
        data = {}
        give(&act.slot_data, data)
    for s in range(act.cell.n_slots):
        slot = &act.cell.slots[s]
        count = act.counts[s] if act.item == NULL else s == act.slot_index
        if slot.typed == NULL and act.item != NULL:
            items = [<object>act.item] if count else []
        elif slot.typed == NULL:
            items = [<object>act.entries[i].item for i in range(at, at + count)]
        elif act.item != NULL and count:
            items = (<Layout>slot.typed.layout).view(act.item, act.data, act.n)
        else:
            items = (<Layout>slot.typed.layout).join(act.parts + at, count)
        at += count
        data[node.slot_names[s]] = items
    if act.item == NULL:
        form_group(act)
    return 0


cdef bint refill__typed(activation_t* act, Node node) noexcept:
    cdef typed_t* typed = act.cell.slots.typed
    cdef dict data = <dict>act.cell.shell
    try:
        data[<object>node.slot_name] = (<Layout>typed.layout).view(
            act.item, act.data, act.n
        )
    except BaseException:
        return False                # it will fail again, where that has a meaning
    act.slot_data = act.cell.shell
    act.message = act.cell.message
    act.cell.shell = act.cell.message = NULL
    return True


cdef void recycle__typed(activation_t* act, Node node) noexcept:
    # The same two dicts; the array in one of them goes.
    # Emptying it may run code of the user's, and with it another thread: the cell is
    # looked at after that.
    if (
        act.cell.n_slots == 1
        and rlx_empty_shell(act.slot_data, node.slot_name)
        and act.cell.shell == NULL
    ):
        act.cell.shell = act.slot_data
        act.slot_data = NULL
    if (
        act.cell.message == NULL
        and not act.partial
        and rlx_is_copy(act.message, <PyObject*>node.message)
    ):
        act.cell.message = act.message
        act.message = NULL
