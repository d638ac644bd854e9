"""Logic: builds what it is called with, calls it, and judges how it ended.

Called by the pump between taking an activation and settling it, with no lock held:
policies, logic, error handlers and hooks are user code. The only try/except around a
user's logic is here. Whatever it raises, BaseException included, ends in one of three
outcomes: fine, failed, or set aside (a coroutine that runs, a retry that waits).
"""

import logging

from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libc.string cimport memset

from routilux._core.status cimport (
    OUTCOME_ASIDE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    POLICY_IMMEDIATE,
    TIMER_RETRY,
)
from routilux._core.platform cimport (
    RLX_FREE_THREADED,
    rlx_incref,
    rlx_lock,
    rlx_unlock,
    rlx_xdecref,
)
from routilux._core.job cimport error_of, owner_t
from routilux._core.group cimport JobGroup, is_dead, new_group, newest_job
from routilux._core.ledger cimport effects_t
from routilux._core.count cimport hold, release
from routilux._core.routine cimport Node, cell_t
from routilux._core.slot cimport slot_at
from routilux._core.drain cimport claim_owner, claim_room, recheck, take_entry
from routilux._core.settle cimport fail
from routilux._core.frame cimport set_context, set_frame, unnest
from routilux._core.engine cimport HOOKED, Engine, ask_hook, call_hook, log_safely, zero
from routilux._core.ask cimport ask, claim_all, form_group, give

from types import CoroutineType

logger = logging.getLogger("routilux")

cdef extern from *:
    """
    #include "rlx_platform.h"
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
    PyObject* rlx_shell_list(PyObject* data, PyObject* name)
    void rlx_refill(PyObject* list, PyObject* item)
    bint rlx_is_reason(PyObject* message, PyObject* name, PyObject* reason)

cdef str REASON = "reason"
cdef str IMMEDIATE = "immediate"


cdef int invoke(WorkerCore worker, activation_t* act, frame_t* frame, list fatal) except -1:
    cdef Node node = <Node>act.cell.node
    cdef int outcome
    if act.cell.shell != NULL and act.item != NULL and act.slot_data == NULL:
        refill(act)
    if act.slot_data == NULL or act.message == NULL:
        try:
            if act.asks and not ask(worker, act, node):
                return OUTCOME_OK
            if act.slot_data == NULL:
                assemble(act, node)
            if act.message == NULL:
                message = node.partial_message if act.partial else node.message
                give(&act.message, message.copy())
        except BaseException as error:
            return judge__policy(worker, act, error)
    if act.failures and is_over(worker, act.owner):
        return OUTCOME_OK           # a retry whose job ended meanwhile
    act.cell.current = act.owner
    frame.worker = <PyObject*>worker
    frame.act = act
    set_context(act.owner.obj)
    if HOOKED and not start__hooked(worker, act, node):
        return OUTCOME_OK
    set_frame(frame)
    try:
        if not node.by_slot:
            result = node.logic(<object>act.slot_data, <object>act.message, worker)
        else:
            result = call__by_slot(worker, act, node)
    except BaseException as error:
        set_frame(frame.up)
        unnest(frame)
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            fatal.append(error)
        outcome = judge(worker, act, error)
    else:
        set_frame(frame.up)
        unnest(frame)       # before a coroutine may end on another thread
        if result is not None and type(result) is CoroutineType:
            return run_coroutine(worker, act, result)
        outcome = OUTCOME_OK
        recycle(act, node)
        if HOOKED:
            end__hooked(worker, act, node, "completed", None)
    return outcome


cdef bint is_over(WorkerCore worker, owner_t* owner) noexcept:
    cdef bint dead
    rlx_lock(&worker.lock)
    dead = is_dead(owner)
    rlx_unlock(&worker.lock)
    return dead


cdef int invoke_safely(
    WorkerCore worker, activation_t* act, frame_t* frame, list fatal
) noexcept:
    try:
        return invoke(worker, act, frame, fatal)
    except BaseException as error:
        set_frame(frame.up)
        unnest(frame)
        return rescue(worker, act, error)


cdef int rescue(WorkerCore worker, activation_t* act, BaseException error) noexcept:
    if act.cell == NULL:
        return OUTCOME_ASIDE            # it had left this thread
    try:
        return fail_all(worker, act, error)
    except BaseException:
        pass
    fail_bare(worker, act)
    return OUTCOME_FAILED


cdef void fail_bare(WorkerCore worker, activation_t* act) noexcept:
    # Without making a single object.
    cdef effects_t fx
    cdef Py_ssize_t i
    zero(&fx)
    rlx_lock(&worker.lock)
    act.asks = act.cell.asking = False
    if act.owner != NULL:
        fail(worker, act.owner, act.held, None, &fx)
    for i in range(act.n_entries if act.owner == NULL else 0):
        fail(worker, act.entries[i].owner, 1, None, &fx)
    rlx_unlock(&worker.lock)
    try:
        (<Engine>worker.engine).apply(worker, &fx)
    except BaseException:
        pass


cdef object call__by_slot(WorkerCore worker, activation_t* act, Node node):
    lists = [(<dict>act.slot_data).get(name, []) for name in node.slot_names]
    keywords = {}
    for name in node.keywords:
        keywords[name] = <object>act.message if name == "policy_message" else worker
    return node.logic(*lists, **keywords)


cdef int assemble(activation_t* act, Node node) except -1:
    # slot_data has a key for every slot; the items of each, oldest first.
    cdef dict data
    cdef list items
    cdef Py_ssize_t i, at = 0
    cdef int s
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


cdef int judge__policy(WorkerCore worker, activation_t* act, BaseException error) except -1:
    # A policy that raises can't be asked again about the same items: their jobs fail.
    cdef effects_t fx
    cdef Node node = <Node>act.cell.node
    zero(&fx)
    rlx_lock(&worker.lock)
    act.asks = act.cell.asking = False
    if act.owner == NULL:
        claim_all(worker, act, &fx)
    rlx_unlock(&worker.lock)
    (<Engine>worker.engine).apply(worker, &fx)
    return fail_all(worker, act, error)


cdef int fail_all(WorkerCore worker, activation_t* act, BaseException error) except -1:
    cdef effects_t fx
    cdef Py_ssize_t i
    cdef Node node = <Node>act.cell.node
    reason = error_of(error, node.routine_id)
    zero(&fx)
    rlx_lock(&worker.lock)
    act.asks = act.cell.asking = False
    if act.cell.meter != NULL:
        act.cell.meter.failures += 1
    if act.owner != NULL:
        fail(worker, act.owner, act.held, reason, &fx)
    else:
        for i in range(act.n_entries):
            fail(worker, act.entries[i].owner, 1, reason, &fx)
    first = not act.cell.logged
    act.cell.logged = True
    rlx_unlock(&worker.lock)
    (<Engine>worker.engine).apply(worker, &fx)
    if worker.timers and act.owner != NULL and act.owner.open > act.held:
        (<Engine>worker.engine).hurry()     # retries of the same job need not wait
    if first:
        log_safely(
            logger.error,
            (
                "routine %r of flow %r failed its job: %s (logged once; see job.error)",
                node.routine_id,
                worker.ident.flow_id,
                reason,
            ),
        )
    return OUTCOME_FAILED


cdef int judge(WorkerCore worker, activation_t* act, BaseException error) except -1:
    cdef Node node = <Node>act.cell.node
    verdict = "stop"
    delay = 0.0
    act.failures += 1
    if node.handler is not None:
        try:
            decided, seconds = node.handler.decide(error, act.failures)
            delay = float(seconds)
            verdict = str(decided)
        except BaseException:
            log_safely(
                logger.exception,
                (
                    "the error handler of routine %r of flow %r raised; the job fails",
                    node.routine_id,
                    worker.ident.flow_id,
                ),
            )
    if verdict == "retry" and is_over(worker, act.owner):
        verdict = "stop"        # its job ended meanwhile: nothing to try again for
    if verdict == "retry":
        if act.cell.meter != NULL:
            act.cell.meter.retries += 1
        return wait_to_retry(worker, act, delay)
    if HOOKED:
        status = "failed" if verdict == "stop" else "error_continued"
        end__hooked(worker, act, node, status, error)
    if verdict == "stop":
        return fail_all(worker, act, error)
    name = "skipped" if verdict == "skip" else "error_continued"
    reason = error_of(error, node.routine_id)
    log_safely(
        worker.record_execution,
        (
            node.routine_id,
            name,
            {"error": str(reason), "job_id": newest_job(act.owner).job_id},
        ),
    )
    return OUTCOME_OK


cdef Activation set_aside(WorkerCore worker, activation_t* act):
    # Moves the activation off the pump's stack; its counts go with it.
    cdef Activation activation = Activation.__new__(Activation)
    activation.worker = worker
    activation.c = act[0]
    memset(act, 0, sizeof(activation_t))
    return activation


cdef int wait_to_retry(WorkerCore worker, activation_t* act, double delay) except -1:
    # The routine keeps its turn, the thread does not wait.
    cdef Activation activation = set_aside(worker, act)
    cdef cell_t* cell = activation.c.cell
    cdef int first
    rlx_incref(<PyObject*>activation)
    rlx_incref(<PyObject*>worker)
    rlx_lock(&worker.lock)
    worker.timers += 1
    first = worker.clock.arm(
        worker.clock.now() + <int64_t>(delay * 1e9),
        TIMER_RETRY,
        <PyObject*>worker,
        cell,
        <PyObject*>activation,
    )
    if first < 0:
        worker.timers -= 1
    rlx_unlock(&worker.lock)
    if first < 0:
        rlx_xdecref(<PyObject*>activation)
        rlx_xdecref(<PyObject*>worker)
        act[0] = activation.c
        memset(&activation.c, 0, sizeof(activation_t))
        return fail_all(worker, act, MemoryError("no memory for a retry's timer"))
    if first:
        (<Engine>worker.engine).driver.nudge()
    return OUTCOME_ASIDE


cdef int run_coroutine(WorkerCore worker, activation_t* act, object coroutine) except -1:
    cdef Activation activation = set_aside(worker, act)
    activation.coroutine = coroutine
    try:
        (<Engine>worker.engine).driver.spawn(activation)
    except BaseException as error:
        coroutine.close()
        act[0] = activation.c
        memset(&activation.c, 0, sizeof(activation_t))
        return fail_all(worker, act, error)
    return OUTCOME_ASIDE


cdef bint start__hooked(WorkerCore worker, activation_t* act, Node node) except -1:
    job = newest_job(act.owner)
    return ask_hook("on_routine_start", (node.routine_id, worker, job))


cdef int end__hooked(
    WorkerCore worker, activation_t* act, Node node, str status, error
) except -1:
    job = newest_job(act.owner)
    call_hook("on_routine_end", (node.routine_id, worker, job, status, error))
    return 0
