"""The pump: take, invoke, settle; over and over, for one worker after the other.

A pump is one task of the thread pool. It serves many activations for one submit, asks
the engine where to go next, sleeps a little when there is nothing and then ends. No
lock is held while user code runs: one critical section settles the last activation
and takes the next, and what it decided is carried out after it; before it takes the
next where that may run user code. A thread that would block in emit() comes back in
here and helps.
"""

import logging

from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libc.string cimport memset

from routilux._core.status cimport OUTCOME_ASIDE, OUTCOME_OK
from routilux._core.platform cimport (
    PyThread_get_thread_ident,
    rlx_load,
    rlx_lock,
    rlx_look,
    rlx_store,
    rlx_store_ptr,
    rlx_unlock,
)
from routilux._core.mutant cimport mutant
from routilux._core.job cimport JobContext, owner_t
from routilux._core.ledger cimport effects_t
from routilux._core.routine cimport Node, cell_t
from routilux._core.worker cimport activation_t
from routilux._core.measure cimport measure, ticks_for
from routilux._core.drain cimport take, take_ready
from routilux._core.settle cimport (
    clear,
    settle,
    wake_idle,
    wake_if_blocked,
)
from routilux._core.straight cimport settle_straight, take_straight
from routilux._core.frame cimport (
    context_value,
    current_frame,
    frame_t,
    here,
    here_t,
    set_context,
    set_pump_engine,
    unnest,
)
from routilux._core.hooks cimport HOOKED, log_safely
from routilux._core.engine cimport is_idle, zero
from routilux._core.overtime cimport Watch, watch_end
from routilux._core.route cimport helpable, set_help
from routilux._core.judge cimport end__hooked, judge, rescue
from routilux._core.invoke cimport invoke_safely, invoke_straight


logger = logging.getLogger("routilux")


cdef int serve(Engine engine, WorkerCore worker, pump_t* pump, int quantum) except -1:
    cdef activation_t pair[2]
    cdef activation_t* act = pair
    cdef activation_t* following = pair + 1
    cdef activation_t* spare
    cdef frame_t frame
    cdef effects_t fx
    cdef here_t* h = here()
    cdef int outcome
    cdef int64_t now = 0
    cdef bint more
    cdef list fatal = []
    zero(&fx)
    memset(pair, 0, sizeof(pair))
    frame.up = h.frame
    frame.nests = frame.gone = False
    frame.over = NULL
    frame.place = NULL if pump == NULL else &pump.cell
    frame.left = abs(quantum)
    frame.until_tail = TAIL_EVERY
    rlx_lock(&worker.lock)
    more = take(worker, act, quantum < 0, &fx)
    if worker.n_ready and not rlx_load(&worker.in_runq):
        fx.runnable = True
    rlx_unlock(&worker.lock)
    engine.apply(worker, &fx)
    while more:
        frame.anchor = NULL
        now = begin(engine, pump, act, now)
        outcome = invoke_straight(worker, act, &frame, h, fatal)
        frame.left -= 1
        frame.until_tail -= 1
        end(engine, pump)
        rlx_lock(&worker.lock)
        if act.began and outcome != OUTCOME_ASIDE:
            now = measure(worker, act)
        if outcome != OUTCOME_OK or not settle_straight(
            worker, act, frame.anchor, &fx
        ):
            if outcome != OUTCOME_ASIDE:
                settle(worker, act, frame.anchor, &fx)
        if fx.done != NULL or fx.n_litter:
            # Callbacks, hooks and __del__ may post and wait: nothing may lie taken below
            # them, and what is ready has to be seen by others meanwhile.
            if worker.n_ready and not rlx_load(&worker.in_runq) and is_heard(&fx):
                fx.runnable = True
            rlx_unlock(&worker.lock)
            engine.apply(worker, &fx)
            now = 0
            rlx_lock(&worker.lock)
        if frame.left <= 0 or fatal:
            more = False
        elif frame.until_tail and take_straight(worker, following):
            pass
        else:
            more = take(worker, following, frame.until_tail == 0, &fx)
            if frame.until_tail == 0:
                frame.until_tail = TAIL_EVERY
        if worker.n_ready and not rlx_load(&worker.in_runq):
            fx.runnable = True
        if not more:
            wake_if_blocked(worker, &fx)
        elif pump != NULL and following.cell.total and rlx_load(&engine.keeper_asleep):
            fx.nudge = not mutant(37)         # it has to see whether this routine blocks the rest
        rlx_unlock(&worker.lock)
        clear(act)
        if not is_idle(&fx):
            engine.apply(worker, &fx)
            now = 0                 # callbacks and hooks may have taken their time
        spare = act
        act = following
        following = spare
    if fatal and engine.driver.is_inline():
        raise fatal[0]
    return abs(quantum) - frame.left


cdef bint is_heard(effects_t* fx) noexcept:
    # Whether user code is told of what ended or was dropped.
    cdef owner_t* owner = fx.done
    if fx.n_litter or rlx_load(&HOOKED):
        return True
    while owner != NULL:
        if rlx_look(<int*>&(<JobContext>owner.obj).has_waiters):
            return True
        owner = owner.link
    return False


cdef inline int64_t begin(
    Engine engine, pump_t* pump, activation_t* act, int64_t now
) noexcept:
    # With meters, the end of one activation is the beginning of the next: reading the
    # clock costs a tenth of a hop. 0: it has to be read.
    rlx_store(&engine.beats, rlx_load(&engine.beats) + 1)
    if pump != NULL:
        rlx_store_ptr(&pump.cell, act.cell)
    if act.cell.meter != NULL:
        act.began = now or ticks_for(act.cell)
    return 0


cdef inline void end(Engine engine, pump_t* pump) noexcept:
    if pump != NULL:
        rlx_store_ptr(&pump.cell, NULL)


cdef int help(WorkerCore worker, cell_t* cell, bint anything) except -1:
    # One activation on a thread that is in the middle of another, whose context is put
    # back afterwards.
    cdef Engine engine = worker.engine
    cdef activation_t act
    cdef frame_t frame
    cdef effects_t fx
    cdef int outcome
    cdef bint got = False
    cdef list fatal = []
    zero(&fx)
    frame.up = current_frame()
    frame.anchor = NULL
    frame.place = NULL
    frame.left = 0
    frame.worker = <PyObject*>worker
    frame.nests = frame.gone = False
    frame.over = NULL
    before = None if context_value() == NULL else <object>context_value()
    rlx_lock(&worker.lock)
    while not got:
        if cell == NULL or not cell.ready:
            cell = worker.ready_head if anything else helpable(worker, frame.up)
        if cell == NULL:
            break
        got = take_ready(worker, cell, &act, &fx)
    if got and frame.up != NULL and frame.up.worker == <PyObject*>worker:
        if not frame.up.gone:
            frame.nests = True
            frame.up.over = &frame
            worker.nested += 1
    rlx_unlock(&worker.lock)
    engine.apply(worker, &fx)
    if not got:
        return 0
    begin(engine, NULL, &act, 0)
    outcome = invoke_safely(worker, &act, &frame, fatal)
    unnest(&frame)
    rlx_lock(&worker.lock)
    if outcome != OUTCOME_ASIDE:
        settle(worker, &act, frame.anchor, &fx)
    if worker.idle_waiters.head != NULL:
        wake_idle(worker, &fx)
    rlx_unlock(&worker.lock)
    clear(&act)
    engine.apply(worker, &fx)
    set_context(NULL if before is None else <PyObject*>before)
    if fatal and engine.driver.is_inline():
        raise fatal[0]              # Ctrl-C is meant for who waits
    return 1


set_help(help)


cdef int pump_task(Engine engine) except -1:
    cdef pump_t pump
    cdef WorkerCore worker
    memset(&pump, 0, sizeof(pump_t))
    pump.here = here()
    pump.thread = PyThread_get_thread_ident()
    engine.join(&pump)
    set_pump_engine(<void*>engine)
    while True:
        worker = engine.next_worker(&pump)
        if worker is None:
            break
        try:
            serve(engine, worker, &pump, QUANTUM)
            set_context(NULL)
        except BaseException:
            # Nothing of the user's gets here; a pump that ended would strand its jobs.
            log_safely(logger.exception, ("routilux: an error of the runtime itself",))
        worker = None
        if engine.hand_over(&pump):
            break
    set_pump_engine(NULL)
    engine.leave(&pump)
    return 0


cdef int finish_async(Activation activation, object error) except -1:
    # Nobody else knows the activation any more; settle it like a pump would.
    cdef WorkerCore worker = activation.worker
    cdef Engine engine = worker.engine
    cdef activation_t act = activation.c
    cdef effects_t fx
    cdef int outcome = 0
    cdef bint in_time = activation.watch is None or watch_end(<Watch>activation.watch)
    zero(&fx)
    rlx_lock(&worker.lock)
    memset(&activation.c, 0, sizeof(activation_t))
    rlx_unlock(&worker.lock)
    activation.watch = None
    if not in_time:
        clear(&act)
        return 0
    try:
        if error is not None:
            outcome = judge(worker, &act, error)
        elif rlx_load(&HOOKED):
            end__hooked(worker, &act, <Node>act.cell.node, "completed", None)
    except BaseException as lost:
        outcome = rescue(worker, &act, lost)
    rlx_lock(&worker.lock)
    if outcome != OUTCOME_ASIDE:
        settle(worker, &act, NULL, &fx)
    wake_if_blocked(worker, &fx)
    rlx_unlock(&worker.lock)
    clear(&act)
    engine.apply(worker, &fx)
    engine.offer_room()             # it may be the last to move, and no pump runs dry
    return 0
