"""Judging: what the end of a logic, or an error around it, means for its jobs.

Called by invoke right after logic returned or raised, and by the event loop's callback
for async logic; no lock held, since handlers and hooks are user code. The outcome is
fine, failed (the jobs are failed at once), or set aside: a retry that waits on a timer,
a coroutine that runs on the loop. An activation that is set aside keeps its routine's
turn and its counts, and holds no thread.
"""

import logging

from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libc.string cimport memset

from routilux._core.status cimport (
    OUTCOME_ASIDE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    POLICY_KEYED,
    TIMER_RETRY,
)
from routilux._core.platform cimport (
    rlx_add,
    rlx_incref,
    rlx_load,
    rlx_lock,
    rlx_unlock,
    rlx_xdecref,
)
from routilux._core.failure cimport error_of
from routilux._core.group cimport is_dead, newest_job
from routilux._core.ledger cimport effects_t
from routilux._core.recorder cimport RECORD_FAILURE, RECORD_RETRY
from routilux._core.routine cimport Node, cell_t
from routilux._core.measure cimport note_waits, record, ticks_for
from routilux._core.settle cimport clear, fail
from routilux._core.hooks cimport HOOKED, call_hook, log_safely
from routilux._core.engine cimport Engine, zero
from routilux._core.letter cimport letters_of, send_letters
from routilux._core.overtime cimport watch_coroutine, watch_end
from routilux._core.ask cimport claim_all

from routilux._core.failure import JobError, log_failure

logger = logging.getLogger("routilux")

# Made while there is memory, for those that end when there is none.
cdef object NO_MEMORY = JobError("MemoryError", "no memory to say what went wrong")


cdef bint is_over(WorkerCore worker, owner_t* owner) noexcept:
    cdef bint dead
    rlx_lock(&worker.lock)
    dead = is_dead(owner)
    rlx_unlock(&worker.lock)
    return dead


cdef int rescue(WorkerCore worker, activation_t* act, BaseException error) noexcept:
    if act.cell == NULL:
        return OUTCOME_ASIDE            # it had left this thread
    if error is not None and (act.owner == NULL or not is_over(worker, act.owner)):
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
        fail(worker, act.owner, act.held, NO_MEMORY, &fx)
    for i in range(act.n_entries if act.owner == NULL else 0):
        fail(worker, act.entries[i].owner, 1, NO_MEMORY, &fx)
    rlx_unlock(&worker.lock)
    try:
        (<Engine>worker.engine).apply(worker, &fx)
    except BaseException:
        pass


cdef int judge__policy(WorkerCore worker, activation_t* act, BaseException error) except -1:
    # A policy that raises can't be asked again about the same items: their jobs fail.
    cdef effects_t fx
    if act.cell.policy.kind == POLICY_KEYED:
        return judge__key(worker, act, error)
    zero(&fx)
    rlx_lock(&worker.lock)
    if act.asks and act.owner == NULL:
        claim_all(worker, act, &fx)
    act.asks = act.cell.asking = False
    rlx_unlock(&worker.lock)
    (<Engine>worker.engine).apply(worker, &fx)
    return fail_all(worker, act, error)


cdef int fail_all(WorkerCore worker, activation_t* act, BaseException error) except -1:
    cdef effects_t fx
    cdef Py_ssize_t i
    cdef Node node = <Node>act.cell.node
    cdef list letters
    reason = error_of(error, node.routine_id)
    letters = letters_of(worker, act)
    zero(&fx)
    rlx_lock(&worker.lock)
    act.asks = act.cell.asking = False
    if act.cell.meter != NULL:
        act.cell.meter.failures += 1
        record(act.cell, RECORD_FAILURE, act.owner, 0, 0, -1, 0)
    if act.owner != NULL:
        fail(worker, act.owner, act.held, reason, &fx)
    else:
        for i in range(act.n_entries):
            fail(worker, act.entries[i].owner, 1, reason, &fx)
    first = not act.cell.logged
    act.cell.logged = True
    rlx_unlock(&worker.lock)
    (<Engine>worker.engine).apply(worker, &fx)
    if rlx_load(&worker.timers) and act.owner != NULL and act.owner.open > act.held:
        (<Engine>worker.engine).hurry()     # retries of the same job need not wait
    if letters is not None:
        send_letters(worker, node, letters, reason)
    job_id = "" if act.owner == NULL else newest_job(act.owner).job_id
    log_safely(worker._note_failure, (node.routine_id, job_id, reason))
    if first:
        log_safely(
            log_failure, (worker.engine, worker.ident.flow_id, node.routine_id, reason)
        )
    return OUTCOME_FAILED


cdef int judge__key(WorkerCore worker, activation_t* act, BaseException error) except -1:
    # Like an error of logic, but an item's key is the same the next time: no retry.
    act.failures += 1
    verdict, _ = decide(worker, act, error)
    if act.owner == NULL or verdict in ("stop", "retry"):
        return fail_all(worker, act, error)
    return go_on(worker, act, verdict, error)


cdef tuple decide(WorkerCore worker, activation_t* act, BaseException error):
    # What the error handler says: (verdict, seconds until a retry).
    cdef Node node = <Node>act.cell.node
    verdict = "stop"
    delay = 0.0
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
    return verdict, delay


cdef int judge(WorkerCore worker, activation_t* act, BaseException error) except -1:
    act.failures += 1
    verdict, delay = decide(worker, act, error)
    if verdict == "retry" and is_over(worker, act.owner):
        verdict = "stop"        # its job ended meanwhile: nothing to try again for
    if verdict == "retry":
        if rlx_load(&HOOKED):
            end__hooked(worker, act, <Node>act.cell.node, "retrying", error)
        return wait_to_retry(worker, act, delay)
    if rlx_load(&HOOKED):
        status = "failed" if verdict == "stop" else "error_continued"
        end__hooked(worker, act, <Node>act.cell.node, status, error)
    if verdict == "stop":
        return fail_all(worker, act, error)
    return go_on(worker, act, verdict, error)


cdef int go_on(WorkerCore worker, activation_t* act, verdict, error) except -1:
    cdef Node node = <Node>act.cell.node
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
    cdef int64_t at
    cdef int first
    rlx_incref(<PyObject*>activation)
    rlx_incref(<PyObject*>worker)
    rlx_lock(&worker.lock)
    if cell.meter != NULL:
        cell.meter.retries += 1
        at = ticks_for(cell)
        if activation.c.began:
            note_waits(worker, &activation.c, at)
            record(
                cell, RECORD_RETRY, activation.c.owner, activation.c.began,
                at - activation.c.began, -1, activation.c.failures,
            )
    rlx_add(&worker.timers, 1)
    worker.n_waiting += 1
    first = worker.clock.arm(
        worker.clock.now() + <int64_t>(delay * 1e9),
        TIMER_RETRY,
        <PyObject*>worker,
        cell,
        <PyObject*>activation,
    )
    if first < 0:
        rlx_add(&worker.timers, -1)
        worker.n_waiting -= 1
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


cdef int run_coroutine(
    WorkerCore worker, activation_t* act, object coroutine, Watch watch
) except -1:
    cdef Activation activation
    if watch is None:
        activation = set_aside(worker, act)
    else:
        activation = watch_coroutine(watch)
        if activation is None:
            coroutine.close()           # it took too long to begin
            return OUTCOME_ASIDE
    activation.coroutine = coroutine
    try:
        (<Engine>worker.engine).driver.spawn(activation)
    except BaseException as error:
        coroutine.close()
        if watch is not None and not watch_end(watch):
            clear(&activation.c)
            return OUTCOME_ASIDE
        act[0] = activation.c
        memset(&activation.c, 0, sizeof(activation_t))
        return fail_all(worker, act, error)
    return OUTCOME_ASIDE


cdef int end__hooked(
    WorkerCore worker, activation_t* act, Node node, str status, error
) except -1:
    job = newest_job(act.owner)
    call_hook("on_routine_end", (node.routine_id, worker, job, status, error))
    return 0
