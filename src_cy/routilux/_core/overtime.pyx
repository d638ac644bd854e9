"""Overtime: gives up activations that last longer than their routine allows.

Invoke puts a watch on each activation of a routine with a timeout and takes it off; the
clock calls when the oldest watch of a cell is due, on the keeper's thread, or on that of
whoever waits. A logic can't be stopped, so its activation is given up: settled without
it. Others never come here.
"""

import logging
import sys
import traceback

cimport cython
from libc.string cimport memset

from routilux._core.status cimport TIMER_TIMEOUT
from routilux._core.platform cimport (
    RLX_FREE_THREADED,
    PyThread_get_thread_ident,
    rlx_add,
    rlx_incref,
    rlx_load,
    rlx_lock,
    rlx_show,
    rlx_store,
    rlx_unlock,
    rlx_xdecref,
    waiter_pick,
)
from routilux._core.group cimport newest_job
from routilux._core.ledger cimport effects_t
from routilux._core.routine cimport Node
from routilux._core.timer cimport watches_t
from routilux._core.measure cimport measure
from routilux._core.settle cimport fail, settle, wake_if_blocked
from routilux._core.hooks cimport HOOKED, call_hook, log_safely
from routilux._core.engine cimport Engine, pump_t, zero
from routilux._core.letter cimport letters_of, send_letters

from routilux._core.failure import JobError

logger = logging.getLogger("routilux")

cdef Watch watch_begin(WorkerCore worker, activation_t* act, frame_t* frame):
    cdef Watch watch = Watch.__new__(Watch)
    cdef watches_t* watches = <watches_t*>act.cell.watches
    cdef int first = 0
    watch.worker = worker
    watch.act = act
    watch.frame = frame
    watch.keeps = <object>act.owner.obj
    watch.thread = PyThread_get_thread_ident()
    watch.letters = letters_of(worker, act)
    watch.due = worker.clock.now() + watches.timeout_ns
    watch.runs = True
    rlx_incref(<PyObject*>watch)        # the list's
    rlx_lock(&worker.lock)
    watch.prev = watches.tail
    if watches.tail != NULL:
        (<Watch>watches.tail).next = <PyObject*>watch
    else:
        watches.head = <PyObject*>watch
    watches.tail = <PyObject*>watch
    if not watches.timing:
        first = arm(worker, act.cell, watch.due)
    rlx_unlock(&worker.lock)
    if first > 0:
        (<Engine>worker.engine).driver.nudge()
    return watch


cdef int arm(WorkerCore worker, cell_t* cell, int64_t when) noexcept nogil:
    # Under the lock. There is a place kept for it.
    rlx_incref(<PyObject*>worker)
    (<watches_t*>cell.watches).timing = True
    return worker.clock.arm(when, TIMER_TIMEOUT, <PyObject*>worker, cell, NULL)


cdef void unlink(Watch watch) noexcept:
    # Under the lock.
    cdef watches_t* watches = <watches_t*>watch.act.cell.watches
    if watch.prev != NULL:
        (<Watch>watch.prev).next = watch.next
    else:
        watches.head = watch.next
    if watch.next != NULL:
        (<Watch>watch.next).prev = watch.prev
    else:
        watches.tail = watch.prev
    watch.next = watch.prev = NULL
    watch.runs = False
    rlx_xdecref(<PyObject*>watch)       # never the last one: the caller has it


cdef bint watch_end(Watch watch) except -1:
    cdef WorkerCore worker = watch.worker
    cdef bint in_time, late
    cdef frame_t* frame = watch.frame
    rlx_lock(&worker.lock)
    late = watch.runs and worker.clock.now() >= watch.due
    in_time = watch.runs and not late
    if in_time:
        unlink(watch)
    rlx_unlock(&worker.lock)
    if in_time:
        watch.activation = None
        return True
    if not late or not (<Overtime>worker.engine).expire(watch, True):
        retire(frame)
    if frame != NULL:
        rlx_show(<int*>&frame.gone, False)
    return False


cdef void retire(frame_t* frame) noexcept:
    # Given up while it ran: its pump has a successor, and ends.
    while frame != NULL and frame.place == NULL and frame.up != NULL:
        frame = frame.up
    if frame != NULL:
        frame.left = 0


cdef Activation watch_coroutine(Watch watch):
    cdef Activation activation = Activation.__new__(Activation)
    cdef WorkerCore worker = watch.worker
    cdef bint moved
    activation.worker = worker
    activation.watch = watch
    watch.activation = activation
    rlx_lock(&worker.lock)
    moved = watch.runs
    if moved:
        activation.c = watch.act[0]
        memset(watch.act, 0, sizeof(activation_t))
        watch.act = &activation.c
        watch.frame = NULL
    rlx_unlock(&worker.lock)
    if moved:
        return activation
    activation.watch = watch.activation = None
    watch_end(watch)
    return None


@cython.final
cdef class Watch:
    pass


cdef class Overtime(Quiet):
    """The engine, and how it gives activations up."""

    cdef int late(self, timer_t* timer) except -1:
        cdef WorkerCore worker = <WorkerCore>timer.worker
        rlx_xdecref(timer.worker)
        return self.expire_due(worker, <cell_t*>timer.cell)

    cdef int expire_due(self, WorkerCore worker, cell_t* cell) except -1:
        cdef watches_t* watches = <watches_t*>cell.watches
        cdef PyObject* found
        cdef Watch watch
        while True:
            rlx_lock(&worker.lock)
            found = watches.head
            if found == NULL:
                watches.timing = False
            elif (<Watch>found).due > self.clock.now():
                arm(worker, cell, (<Watch>found).due)
                found = NULL
            else:
                rlx_incref(found)
            rlx_unlock(&worker.lock)
            if found == NULL:
                return 0
            watch = <Watch>found
            rlx_xdecref(found)          # never the last one: `watch` has it
            try:
                self.expire(watch, False)
            except BaseException:
                log_safely(logger.exception, ("routilux: a timeout met an error",))

    cdef bint expire(self, Watch watch, bint over) except -1:
        # Gives an activation up, unless its logic is over. `over`: its own thread says
        # so. False: somebody was faster.
        cdef WorkerCore worker = watch.worker
        cdef activation_t* act
        cdef activation_t left
        cdef frame_t* frame
        cdef Node node
        cdef effects_t fx
        cdef bint shared, first
        reason = None if not watch.runs else overdue(watch, over)
        zero(&fx)
        memset(&left, 0, sizeof(activation_t))
        rlx_lock(&worker.lock)
        if not watch.runs:
            rlx_unlock(&worker.lock)
            return False
        act = watch.act
        frame = watch.frame
        unlink(watch)
        left.cell = act.cell
        left.owner = act.owner
        left.held = act.held
        left.lane = act.lane
        left.tag = act.tag
        act.held = 0
        if act.began:
            measure(worker, act)
        if left.cell.meter != NULL:
            left.cell.meter.failures += 1
        if frame != NULL:
            rlx_show(<int*>&frame.gone, True)
            # It does not wait for what helps on top of it any more; and what waits below
            # it goes on when it returns, so that is not to be taken for stuck.
            if frame.over != NULL:
                rlx_show(<int*>&frame.over.nests, False)
                frame.over = NULL
                worker.nested -= 1
            if frame.nests:
                rlx_show(<int*>&frame.nests, False)
                frame.up.over = NULL
                worker.nested -= 1
        fail(worker, left.owner, left.held, reason, &fx)
        while worker.slot_waiters.head != NULL:
            waiter_pick(&worker.slot_waiters, worker.slot_waiters.head, &fx.wake)
        shared = left.owner.open > left.held
        first = not left.cell.logged
        left.cell.logged = True
        rlx_unlock(&worker.lock)
        self.apply(worker, &fx)
        node = <Node>left.cell.node
        job = newest_job(left.owner)
        if watch.letters is not None:
            send_letters(worker, node, watch.letters, reason)
            watch.letters = None
        if not over:
            self.make_up(frame)
        # Before its job ends: who waits for that may stop the loop.
        if watch.activation is not None:
            self.driver.cancel(watch.activation)
            watch.activation = None
        rlx_lock(&worker.lock)
        settle(worker, &left, NULL, &fx)
        wake_if_blocked(worker, &fx)
        if worker.n_ready and not rlx_load(&worker.in_runq):
            fx.runnable = True
        rlx_unlock(&worker.lock)
        self.apply(worker, &fx)
        if shared and rlx_load(&worker.timers):
            self.hurry()                # retries of the same job need not wait
        self.offer_room()
        tell(worker, node, job, reason, first)
        return True

    cdef int make_up(self, frame_t* frame) except -1:
        # The thread may be gone for long: another pump takes its place.
        cdef pump_t* pump
        cdef int64_t stuck = 0
        while frame != NULL and frame.place == NULL:
            frame = frame.up
        if frame == NULL:
            return 0                    # a coroutine, or the thread of a caller
        rlx_lock(&self.lock)
        pump = self.pumps
        while pump != NULL and &pump.cell != frame.place:
            pump = pump.next
        if pump != NULL and not pump.stuck:
            rlx_store(&pump.stuck, 1)
            rlx_add(&self.n_pumps, -1)
            rlx_add(&self.n_stuck, 1)
        rlx_unlock(&self.lock)
        self.add_pumps(1)
        return 0

    def n_given_up(self):
        """Return how many threads run logic that was given up."""
        return rlx_load(&self.n_stuck)


cdef object overdue(Watch watch, bint over):
    # Why the jobs fail, with the line that their logic has come to.
    cdef WorkerCore worker = watch.worker
    cdef cell_t* cell
    stack = ""
    rlx_lock(&worker.lock)
    cell = watch.act.cell if watch.runs else NULL
    rlx_unlock(&worker.lock)
    if cell == NULL:
        return None
    # Without a GIL its thread goes on meanwhile, and its frames with it.
    if watch.frame != NULL and not over and not RLX_FREE_THREADED:
        try:
            stack = "".join(traceback.format_stack(sys._current_frames()[watch.thread]))
        except BaseException:
            pass
    seconds = (<watches_t*>cell.watches).timeout_ns / 1e9
    routine_id = (<Node>cell.node).routine_id
    text = f"routine {routine_id!r} took longer than {seconds:g} s"
    return JobError("ActivationTimeout", text, stack, routine_id)


cdef int tell(WorkerCore worker, Node node, job, reason, bint first) except -1:
    if rlx_load(&HOOKED):
        call_hook("on_routine_end", (node.routine_id, worker, job, "failed", reason))
    log_safely(worker._note_failure, (node.routine_id, job.job_id, reason))
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
    return 0
