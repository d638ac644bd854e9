"""Logic: builds what it is called with, and calls it.

Called by the pump between taking an activation and settling it, with no lock held:
policies, logic and hooks are user code. The only try/except around a user's logic is
here; whatever it raises, BaseException included, judge makes an outcome of it.
"""

from cpython.object cimport PyObject

from routilux._core.status cimport FLUSH_NONE, OUTCOME_ASIDE, OUTCOME_OK
from routilux._core.group cimport newest_job
from routilux._core.routine cimport Node, cell_t
from routilux._core.platform cimport rlx_load, rlx_store_ptr, rlx_xdecref
from routilux._core.frame cimport holds, set_context, set_frame, unnest
from routilux._core.hooks cimport HOOKED, ask_hook
from routilux._core.overtime cimport Watch, watch_begin, watch_end
from routilux._core.window cimport assemble__typed, is_whole, recycle__typed, refill__typed
from routilux._core.ask cimport ask, cause_of, form_group, give
from routilux._core.call cimport call
from routilux._core.judge cimport (
    end__hooked,
    is_over,
    judge,
    judge__policy,
    rescue,
    run_coroutine,
)

from types import CoroutineType

cdef extern from *:
    """
    #include "rlx_platform.h"
    /* NULL: it raised, and the exception is set. */
    static inline PyObject *rlx_call_logic(
        PyObject *function, PyObject *bound, PyObject *data, PyObject *message,
        PyObject *worker
    ) {
        PyObject *args[5] = {NULL, bound, data, message, worker};
        Py_ssize_t n = bound == NULL ? 3 : 4;
        return PyObject_Vectorcall(
            function, args + 5 - n, n | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    static inline int rlx_raise_again(void) { return -1; }
    /* The list in this {name: [item]} if nobody but the caller has either, else NULL.
       The first entry is read, not looked up: a fifth of the cost. */
    static inline PyObject *rlx_shell_list(PyObject *data, PyObject *name) {
        Py_ssize_t at = 0;
        PyObject *key, *list;
        if (RLX_FREE_THREADED || Py_REFCNT(data) != 1 || PyDict_Size(data) != 1
            || !PyDict_Next(data, &at, &key, &list)) return NULL;
        return key == name && PyList_CheckExact(list) && Py_REFCNT(list) == 1
            && PyList_GET_SIZE(list) == 1 ? list : NULL;
    }
    static inline void rlx_refill(PyObject *list, PyObject *item) {
        PyObject *old = PyList_GET_ITEM(list, 0);
        Py_INCREF(item);
        PyList_SET_ITEM(list, 0, item);
        Py_DECREF(old);
    }
    /* The same for {"reason": reason}. */
    static inline int rlx_is_reason(PyObject *message, PyObject *name, PyObject *reason) {
        Py_ssize_t at = 0;
        PyObject *key, *value;
        return !RLX_FREE_THREADED && Py_REFCNT(message) == 1 && PyDict_Size(message) == 1
            && PyDict_Next(message, &at, &key, &value) && value == reason
            && key == name;
    }
    """
    PyObject* rlx_call_logic(
        PyObject* function, PyObject* bound, PyObject* data, PyObject* message, object worker
    )
    int rlx_raise_again() except -1
    PyObject* rlx_shell_list(PyObject* data, PyObject* name)
    void rlx_refill(PyObject* list, PyObject* item)
    bint rlx_is_reason(PyObject* message, PyObject* name, PyObject* reason)

cdef enum:
    UNKNOWN = -2             # no Outcome

cdef str REASON = "reason"
cdef str IMMEDIATE = "immediate"


cdef int invoke(WorkerCore worker, activation_t* act, frame_t* frame, list fatal) except -1:
    cdef Node node = <Node>act.cell.node
    cdef Watch watch = None
    cdef bint in_time
    cdef int outcome
    if (
        act.cell.shell != NULL
        and act.item != NULL
        and act.slot_data == NULL
        and act.cell.n_typed == 0
    ):
        refill(act)
    if (act.slot_data == NULL or act.message == NULL) and not (
        node.form and act.item != NULL and act.cell.n_typed == 0
    ):
        try:
            if act.asks and not ask(worker, act, node):
                act.began = 0       # only asked: not an activation for the meters
                return OUTCOME_OK
            if act.slot_data == NULL:
                assemble(act, node)
            if act.message == NULL and act.cell.message != NULL and not act.partial:
                act.message = act.cell.message
                act.cell.message = NULL
            elif act.message == NULL:
                give(&act.message, message_of(node, act.partial))
        except BaseException as error:
            return judge__policy(worker, act, error)
    if act.failures and is_over(worker, act.owner):
        return OUTCOME_OK           # a retry whose job ended meanwhile
    rlx_store_ptr(&act.cell.current, act.owner)
    frame.worker = <PyObject*>worker
    frame.act = act
    set_context(act.owner.obj)
    if rlx_load(&HOOKED) and not start__hooked(worker, act, node):
        return OUTCOME_OK
    if act.cell.watches != NULL:
        watch = watch_begin(worker, act, frame)
    set_frame(frame)
    try:
        if node.form:
            result = call(worker, act, frame)
            node = <Node>act.cell.node      # perhaps that of a later stage by now
        elif not node.by_slot:
            result = node.logic(<object>act.slot_data, <object>act.message, worker)
        else:
            result = call__by_slot(worker, act, node)
    except BaseException as error:
        set_frame(frame.up)
        unnest(frame)
        in_time = watch is None or watch_end(watch)
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            fatal.append(error)
        if not in_time:
            return OUTCOME_ASIDE
        outcome = judge(worker, act, error)
    else:
        set_frame(frame.up)
        unnest(frame)       # before a coroutine may end on another thread
        if result is not None and (node.form or type(result) is CoroutineType):
            return run_coroutine(worker, act, result, watch)
        if watch is not None and not watch_end(watch):
            return OUTCOME_ASIDE
        outcome = OUTCOME_OK
        if not node.form and watch is None:
            recycle(act, node)      # what a timeout has given up may be in use
        if rlx_load(&HOOKED):
            end__hooked(worker, act, node, "completed", None)
    return outcome


cdef int invoke_straight(
    WorkerCore worker, activation_t* act, frame_t* frame, here_t* h, list fatal
) noexcept:
    cdef cell_t* cell = act.cell
    cdef Node node = <Node>cell.node
    cdef PyObject* result
    if (
        cell.shell == NULL
        or cell.message == NULL
        or not (cell.straight or is_whole(act))
        or node.by_slot
        or act.failures
        or rlx_load(&HOOKED)
    ):
        return invoke_safely(worker, act, frame, fatal)
    if not holds(h, act.owner.obj) and not context_set(act.owner.obj):
        return invoke_safely(worker, act, frame, fatal)
    if cell.straight:
        refill(act)
    elif not refill__typed(act, node):
        return invoke_safely(worker, act, frame, fatal)
    rlx_store_ptr(&cell.current, act.owner)
    frame.worker = <PyObject*>worker
    frame.act = act
    h.frame = frame
    result = rlx_call_logic(node.function, node.bound, act.slot_data, act.message, worker)
    h.frame = frame.up
    if result != <PyObject*>None:
        return ended__unusual(worker, act, frame, node, result, fatal)
    rlx_xdecref(result)
    recycle(act, node)
    return OUTCOME_OK


cdef bint context_set(PyObject* value) noexcept:
    try:
        set_context(value)
    except BaseException:
        return False
    return True


cdef int ended__unusual(
    WorkerCore worker,
    activation_t* act,
    frame_t* frame,
    Node node,
    PyObject* result,
    list fatal,
) noexcept:
    cdef int outcome = UNKNOWN
    unnest(frame)
    judge__unusual(worker, act, node, result, fatal, &outcome)
    return rescue(worker, act, None) if outcome == UNKNOWN else outcome


cdef void judge__unusual(
    WorkerCore worker,
    activation_t* act,
    Node node,
    PyObject* result,
    list fatal,
    int* outcome,
) noexcept:
    try:
        if result != NULL:
            value = <object>result
            rlx_xdecref(result)
            if type(value) is CoroutineType:
                outcome[0] = run_coroutine(worker, act, value, None)
                return
            recycle(act, node)
            outcome[0] = OUTCOME_OK
            return
        try:
            rlx_raise_again()
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                fatal.append(error)
            outcome[0] = judge(worker, act, error)
    except BaseException as error:
        outcome[0] = rescue(worker, act, error)


cdef int invoke_safely(
    WorkerCore worker, activation_t* act, frame_t* frame, list fatal
) noexcept:
    cdef int outcome = UNKNOWN
    invoke_or_rescue(worker, act, frame, fatal, &outcome)
    if outcome == UNKNOWN:
        set_frame(frame.up)
        unnest(frame)
        outcome = rescue(worker, act, None)
    return outcome


cdef void invoke_or_rescue(
    WorkerCore worker, activation_t* act, frame_t* frame, list fatal, int* outcome
) noexcept:
    # The outcome stays unknown if there was not even the memory to catch an exception.
    try:
        outcome[0] = invoke(worker, act, frame, fatal)
    except BaseException as error:
        set_frame(frame.up)
        unnest(frame)
        outcome[0] = rescue(worker, act, error)


cdef object call__by_slot(WorkerCore worker, activation_t* act, Node node):
    lists = [(<dict>act.slot_data).get(name, []) for name in node.slot_names]
    keywords = {}
    for name in node.keywords:
        keywords[name] = <object>act.message if name == "policy_message" else worker
    return node.logic(*lists, **keywords)


cdef dict message_of(Node node, int partial):
    cdef dict message
    if partial == FLUSH_NONE:
        return node.message.copy()
    message = node.partial_message.copy()
    message["cause"] = cause_of(partial)
    return message


cdef int assemble(activation_t* act, Node node) except -1:
    # slot_data has a key for every slot; the items of each, oldest first.
    cdef dict data
    cdef list items
    cdef Py_ssize_t i, at = 0
    cdef int s
    if act.cell.n_typed:
        return assemble__typed(act, node)
    if act.item != NULL:
        items = [<object>act.item]
        if act.cell.n_slots == 1:
            data = {node.slot_names[0]: items}
        else:
            data = {name: [] for name in node.slot_names}
            data[node.slot_names[act.slot_index]] = items
    else:
        data = {}
        for s in range(act.cell.n_slots):
            items = []
            for i in range(act.counts[s]):
                items.append(<object>act.entries[at].item)
                at += 1
            data[node.slot_names[s]] = items
        form_group(act)
    return give(&act.slot_data, data)


cdef inline void refill(activation_t* act) noexcept:
    # The cell's spare containers, see recycle.
    act.slot_data = act.cell.shell
    act.cell.shell = NULL
    rlx_refill(act.cell.shell_list, act.item)
    act.message = act.cell.message
    act.cell.message = NULL


cdef inline void recycle(activation_t* act, Node node) noexcept:
    # What logic got and did not keep is good for the next activation: it saves the
    # making of three containers, a third of a hop. Reference counts prove it, which
    # they can only with a GIL (on other builds rlx_is_* say no).
    cdef PyObject* items
    if act.cell.n_typed:
        recycle__typed(act, node)
        return
    if act.item == NULL or act.cell.n_slots != 1:
        return
    if act.cell.shell == NULL:
        items = rlx_shell_list(act.slot_data, node.slot_name)
        if items != NULL:
            rlx_refill(items, <PyObject*>None)
            act.cell.shell = act.slot_data
            act.cell.shell_list = items
            act.slot_data = NULL
    if act.cell.message == NULL and rlx_is_reason(
        act.message, <PyObject*>REASON, <PyObject*>IMMEDIATE
    ):
        act.cell.message = act.message
        act.message = NULL


cdef bint start__hooked(WorkerCore worker, activation_t* act, Node node) except -1:
    job = newest_job(act.owner)
    return ask_hook("on_routine_start", (node.routine_id, worker, job))
