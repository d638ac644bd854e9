"""Post: makes a job, puts its item into a slot, sees to it that a pump comes by.

Called from any thread, from inside logic too. Everything that can be refused is
refused before the job exists: one critical section finds room in the slot, a place
under max_queue_size and puts the item, or changes nothing at all. A poster at the
bound sleeps; logic that posts helps instead, because it may be what the bound waits for.
"""

import logging

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from routilux._core.status cimport (
    ENGINE_CLOSED,
    ENGINE_OPEN,
    JOB_CANCELLED,
    JOB_COMPLETED,
    OVERFLOW_BLOCK,
    OVERFLOW_ERROR,
    PUT_FULL,
    WORKER_RUNNING,
)
from routilux._core.platform cimport (
    RLX_FREE_THREADED,
    rlx_incref,
    rlx_load,
    rlx_lock,
    rlx_look,
    rlx_next,
    rlx_show,
    rlx_unlock,
)
from routilux._core.mutant cimport cut, mutant
from routilux._core.job cimport JobContext, new_job
from routilux._core.ledger cimport reserve
from routilux._core.block cimport shown_of
from routilux._core.recorder cimport RECORD_WAIT
from routilux._core.routine cimport Node, Plan, cell_t
from routilux._core.measure cimport record, ticks_for
from routilux._core.segment cimport segment_room
from routilux._core.portion cimport refuses
from routilux._core.slot cimport slot_grow, slot_has_room
from routilux._core.frame cimport current_frame
from routilux._core.hooks cimport HOOKED, call_hook, log_safely
from routilux._core.engine cimport is_idle, zero
from routilux._core.letter cimport set_enter_letter
from routilux._core.route cimport deliver, slot_full
from routilux._core.place cimport await_place, await_slot

from routilux._core.job import JobError
from routilux.errors import WorkerNotRunningError

logger = logging.getLogger("routilux")


cdef frame_t* frame_in(Control core) noexcept:
    cdef frame_t* frame = current_frame()
    if frame != NULL and (
        (<WorkerCore>frame.worker).engine is not core or rlx_look(<int*>&frame.gone)
    ):
        return NULL
    return frame


cdef int claim_name(Ledger ledger, JobContext job) except -1:
    if job._id is not None and ledger.named.setdefault(job._id, job) is not job:
        raise ValueError(f"job_id {job._id!r} is being posted by another thread")
    return 0


cdef int name_early(Ledger ledger, JobContext job) except -1:
    # Hooks may ask for its id before it has the number that ids are made of.
    # Each number is for one job, whatever becomes of it; a user may have taken the name.
    name = None
    while name is None or ledger.named.setdefault(name, job) is not job:
        name = f"job_{ledger.prefix}{rlx_next(&ledger.early):06x}h"
    job._id = name
    return 0


cdef int unname(Ledger ledger, JobContext job) except -1:
    # It did not enter. By now another one may have its name.
    if job._id is not None and ledger.named.get(job._id) is job:
        ledger.named.pop(job._id, None)
    return 0


cdef int enter(
    Control core,
    WorkerCore worker,
    slot_t* slot,
    object data,
    JobContext job,
    int64_t deadline,
    bint bare,
) except -1:
    cdef frame_t* frame = frame_in(core)
    cdef bint vetoed = bare
    cdef effects_t fx
    cdef int result
    if job.seq == 0:
        reserve(core.ledger)
        if job._id is not None:
            claim_name(core.ledger, job)
        elif rlx_load(&HOOKED) and not bare:
            name_early(core.ledger, job)
    if rlx_load(&HOOKED) and not bare:
        vetoed = is_vetoed(worker, slot, data, job, job.seq != 0)
    zero(&fx)
    rlx_lock(&worker.lock)
    result = try_enter(
        core, worker, slot, <PyObject*>data, job, False, False, vetoed, frame, &fx
    )
    rlx_unlock(&worker.lock)
    if not is_idle(&fx):
        core.apply(worker, &fx)
    if result == ENTERED:
        return 0
    return enter_later(core, worker, slot, data, job, deadline, vetoed, frame, result)


cdef int enter_later(
    Control core,
    WorkerCore worker,
    slot_t* slot,
    object data,
    JobContext job,
    int64_t deadline,
    bint vetoed,
    frame_t* frame,
    int result,
) except -1:
    cdef bint joins = job.seq != 0
    cdef bint over = False           # max_queue_size: logic with nothing to help goes in
    cdef bint crowd = False          # the slot's bound: logic too deep to help goes in
    cdef effects_t fx
    try:
        while result != ENTERED:
            make_room(core, worker, slot, job, frame, deadline, result, &over, &crowd)
            zero(&fx)
            rlx_lock(&worker.lock)
            result = try_enter(
                core, worker, slot, <PyObject*>data, job, over, crowd, vetoed, frame, &fx
            )
            rlx_unlock(&worker.lock)
            core.apply(worker, &fx)
    except BaseException:
        if not joins:
            unname(core.ledger, job)
        if rlx_load(&HOOKED) and not joins:    # its start was told
            call_hook("on_job_end", (job, worker, "cancelled", None))
        raise
    return 0


cdef int try_enter(
    Control core,
    WorkerCore worker,
    slot_t* slot,
    PyObject* data,
    JobContext job,
    bint over,
    bint crowd,
    bint vetoed,
    frame_t* frame,
    effects_t* fx,
) noexcept nogil:
    # Under the worker's lock: all or nothing. Afterwards the item lies in the slot and
    # the job is known, or neither.
    cdef bint joins = job.seq != 0
    cdef bint may
    if rlx_load(&core.phase) != ENGINE_OPEN and not mutant(1) and (
        frame == NULL or rlx_load(&core.phase) == ENGINE_CLOSED
    ):
        return SHUT_DOWN
    if worker.phase != WORKER_RUNNING:
        return GONE
    if joins and (job.own.open == 0 or job.own.dead):
        return JOB_ENDED
    if not slot.inert and not crowd and not slot_has_room(slot):
        if slot.overflow == OVERFLOW_BLOCK:
            return NO_ROOM
        if slot.overflow == OVERFLOW_ERROR:
            return REFUSED
    if slot.typed != NULL and not crowd and refuses(slot, data):
        return REFUSED
    if slot.size == slot.cap and slot_grow(slot) < 0:
        return NO_MEMORY
    if slot.typed != NULL and segment_room(slot.typed) < 0:
        return NO_MEMORY
    if not joins:
        rlx_lock(&core.ledger.lock)
        if RLX_FREE_THREADED and frame == NULL and rlx_load(&core.ledger.draining):
            # A shutdown began since the look at the phase, and may count no job by now.
            rlx_unlock(&core.ledger.lock)
            return SHUT_DOWN
        may = over or core.ledger.has_room()
        cut(53, &core.ledger.lock)
        if may:
            core.ledger.admit(job)
        rlx_unlock(&core.ledger.lock)
        if not may:
            return NO_PLACE
        rlx_incref(<PyObject*>job)           # the table's
    if not vetoed and deliver(worker, slot, data, &job.own, NULL, crowd, fx) == PUT_FULL:
        return NO_ROOM          # a part of a block went in
    if job.own.open == 0:
        # Nothing to run: an inert slot kept it, or a rule or a hook dropped it.
        rlx_show(&job.state, JOB_COMPLETED if slot.inert and not vetoed else JOB_CANCELLED)
        job.own.link = fx.done
        fx.done = &job.own
    return ENTERED


cdef int enter_letter(WorkerCore worker, object letter) except -1:
    # A dead letter never waits: whoever sends it has a failure to settle.
    cdef Control core = worker.engine
    cdef Plan plan = worker.plan
    cdef slot_t* slot = worker.slot_of(plan.letter_cell, plan.letter_slot)
    cdef JobContext job = new_job(worker.ident, None)
    cdef bint vetoed = False
    cdef frame_t frame          # it enters while a shutdown finishes jobs, as from logic
    cdef effects_t fx
    cdef int result
    job.letter = True
    reserve(core.ledger)
    if rlx_load(&HOOKED):
        vetoed = is_vetoed(worker, slot, letter, job, False)
    zero(&fx)
    rlx_lock(&worker.lock)
    result = try_enter(
        core,
        worker,
        slot,
        <PyObject*>letter,
        job,
        True,
        slot.overflow == OVERFLOW_BLOCK,
        vetoed,
        &frame,
        &fx,
    )
    worker.n_dropped += result != ENTERED
    rlx_unlock(&worker.lock)
    core.apply(worker, &fx)
    if result != ENTERED:
        refuse(worker, slot, job, result)
    return 0


set_enter_letter(enter_letter)


cdef int make_room(
    Control core,
    WorkerCore worker,
    slot_t* slot,
    JobContext job,
    frame_t* frame,
    int64_t deadline,
    int result,
    bint* over,
    bint* crowd,
) except -1:
    # No lock held. Waits for what try_enter missed, or says why that is no use.
    cdef int64_t began = 0
    if deadline and (result == NO_PLACE or result == NO_ROOM):
        rlx_next(<uint64_t*>&core.n_waits)
        began = ticks_for(<cell_t*>slot.cell)
    if result == NO_PLACE:
        over[0] = await_place(core, worker, frame, deadline)
    elif result == NO_ROOM:
        crowd[0] = await_slot(core, worker, slot, frame, deadline)
    else:
        refuse(worker, slot, job, result)
    if began:
        record(
            <cell_t*>slot.cell, RECORD_WAIT, &job.own if job.seq else NULL, began,
            ticks_for(<cell_t*>slot.cell) - began, slot.index, 0,
        )
    return 0


cdef int refuse(WorkerCore worker, slot_t* slot, JobContext job, int result) except -1:
    if result == SHUT_DOWN:
        raise RuntimeError("Runtime is shut down: it takes no more jobs")
    if result == GONE:
        raise WorkerNotRunningError(
            f"worker {worker.ident.worker_id!r} of flow {worker.ident.flow_id!r} was stopped"
        )
    if result == REFUSED:
        raise slot_full(worker, slot, "its overflow rule is 'error'")
    if result == JOB_ENDED:
        raise ValueError(
            f"job {job.job_id!r} of flow {job.flow_id!r} is {job.status}: a finished job"
            " takes no more items"
        )
    raise MemoryError("no memory for a slot's queue")


cdef bint is_vetoed(
    WorkerCore worker, slot_t* slot, data, JobContext job, bint joins
) except -1:
    cdef Node node = <Node>(<cell_t*>slot.cell).node
    if not joins:
        call_hook("on_job_start", (job, worker))
    answer = call_hook(
        "on_slot_before_enqueue",
        (node.slots[slot.index], node.routine_id, job, shown_of(data), worker.ident.flow_id),
    )
    if answer is None:
        return False
    try:
        goes_in, why = answer
        if goes_in:
            return False
        reason = f"by the execution hook: {why}"
    except BaseException:
        log_safely(
            logger.exception,
            ("routilux: the answer of on_slot_before_enqueue is no (bool, reason)",),
        )
        return False
    if not joins:
        job._error = JobError("Dropped", reason)
    return True
