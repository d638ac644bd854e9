"""Fill: many items enter by one call, under one lock for as many as there is room.

Called by bulk, from any thread and with no lock held. With a job for each item, jobs
enter one by one and can end while later items wait for room; each has its deadline
before this waits. With one job for all, the call itself holds the job open, so that it
can't end between two of its items.
"""

from itertools import islice

from cpython.object cimport PyObject

from routilux._core.status cimport (
    JOB_COMPLETED,
    JOB_PENDING,
    OVERFLOW_BLOCK,
    OVERFLOW_ERROR,
)
from routilux._core.platform cimport rlx_add, rlx_load, rlx_lock, rlx_look, rlx_show, rlx_unlock
from routilux._core.ledger cimport Ledger, effects_t, reserve
from routilux._core.block cimport Block
from routilux._core.count cimport hold, release
from routilux._core.hooks cimport HOOKED, call_hook
from routilux._core.engine cimport zero
from routilux._core.route cimport slot_full
from routilux._core.place cimport no_place
from routilux._core.entry cimport (
    ENTERED,
    JOB_ENDED,
    NO_ROOM,
    claim_name,
    enter,
    is_vetoed,
    make_room,
    name_early,
    try_enter,
    unname,
)


cdef int limit(Control core, target_t* target, list jobs, Py_ssize_t n) except -1:
    if target.lifetime != <PyObject*>None:
        for job in jobs[target.limited:n]:
            core.limit_job(job, <object>target.lifetime)
    target.limited = n
    return 0


cdef list asked(
    Control core, WorkerCore worker, slot_t* slot, list items, list jobs
):
    # Before anything enters, so that all of it does, or nothing. Answers which are vetoed.
    cdef JobContext job
    cdef JobContext last = None
    cdef list vetoes = []
    reserve(core.ledger)
    for item, job in zip(items, jobs):
        if job.seq == 0 and job._id is None:
            name_early(core.ledger, job)
        vetoes.append(is_vetoed(worker, slot, item, job, job.seq != 0 or job is last))
        last = job
    return vetoes


cdef int take_back(Control core, WorkerCore worker, list jobs) except -1:
    # They were told of, and did not enter.
    cdef JobContext job
    for job in dict.fromkeys(jobs):
        if job.seq == 0:
            unname(core.ledger, job)
            call_hook("on_job_end", (job, worker, "cancelled", None))
    return 0


cdef int enter_each(
    Control core, WorkerCore worker, target_t* target, list items, list jobs
) except -1:
    cdef effects_t fx
    cdef Py_ssize_t i = 0, n = len(items)
    cdef bint over = False, crowd = False
    cdef int result = ENTERED
    while i < n:
        if rlx_load(&HOOKED):
            enter(core, worker, target.slot, items[i], jobs[i], target.deadline, False)
            i += 1
            limit(core, target, jobs, i)
            continue
        reserve(core.ledger)
        zero(&fx)
        rlx_lock(&worker.lock)
        while i < n:
            result = try_enter(
                core,
                worker,
                target.slot,
                <PyObject*>items[i],
                <JobContext>jobs[i],
                over,
                crowd,
                False,
                target.frame,
                &fx,
            )
            if result != ENTERED:
                break
            over = crowd = False
            i += 1
        rlx_unlock(&worker.lock)
        core.apply(worker, &fx)
        if i < n:
            limit(core, target, jobs, i)
            make_room(
                core, worker, target.slot, jobs[i], target.frame, target.deadline,
                result, &over, &crowd,
            )
    return 0


cdef int enter_all(
    Control core, WorkerCore worker, target_t* target, list items, list jobs
) except -1:
    cdef Ledger ledger = core.ledger
    cdef slot_t* slot = target.slot
    cdef effects_t fx
    cdef Py_ssize_t i = 0, n = len(items)
    cdef bint room, place
    cdef int result = ENTERED
    cdef list vetoes = None
    if rlx_load(&HOOKED):
        vetoes = asked(core, worker, slot, items, jobs)
    reserve(core.ledger)
    zero(&fx)
    rlx_lock(&worker.lock)
    room = fits(slot, n if vetoes is None else vetoes.count(False))
    rlx_lock(&ledger.lock)
    place = ledger.bound - ledger.admitted >= n
    rlx_add(&ledger.admitted, n)            # reserved, so that no other thread takes a place
    rlx_unlock(&ledger.lock)
    if not room or not place:
        n = 0
    while i < n and result == ENTERED:
        result = try_enter(
            core, worker, slot, <PyObject*>items[i], <JobContext>jobs[i],
            True, False, vetoes is not None and vetoes[i], target.frame, &fx,
        )
        i += 1
    rlx_lock(&ledger.lock)
    rlx_add(&ledger.admitted, -len(items))
    ledger.wake_room(False, &fx)
    if ledger.admitted == 0 and ledger.live and ledger.is_wanted():
        fx.quiet = True         # what was parked meanwhile saw the reserved places
    rlx_unlock(&ledger.lock)
    rlx_unlock(&worker.lock)
    core.apply(worker, &fx)
    if vetoes is not None and not (room and place and result == ENTERED):
        take_back(core, worker, jobs)
    if not room:
        raise slot_full(worker, slot, f"no room for {len(items)} items, none was posted")
    if not place:
        raise no_place(core, worker)
    if result != ENTERED:
        make_room(core, worker, slot, jobs[i - 1], target.frame, 0, result, &place, &room)
    return 0


cdef int enter_one(
    Control core, WorkerCore worker, target_t* target, object items, JobContext job
) except -1:
    cdef bint joins = job.seq != 0
    cdef bint whole = target.deadline == 0
    cdef list chunk = list(items if whole else islice(items, CHUNK))
    cdef bint empty = not chunk
    if joins:
        hold_live(core, worker, target.slot, job)
    else:
        job.own.open = 1            # this call's own; nobody knows the job yet
        claim_name(core.ledger, job)
    try:
        if empty and not joins:
            enter(core, worker, target.slot, None, job, target.deadline, True)
        while chunk and enter_chunk(core, worker, target, chunk, job, whole):
            limit(core, target, [job], 1)       # reading on may take long
            chunk = list(islice(items, CHUNK))
    except BaseException:
        if not joins:
            give_up(core.ledger, job)   # a part of what was meant for it is no use
        raise
    finally:
        if job.seq:
            let_go(core, worker, target.slot, job, empty)
    return 0


cdef int give_up(Ledger ledger, JobContext job) except -1:
    if job.seq:
        job.cancel()
    else:
        unname(ledger, job)
    return 0


cdef int hold_live(Control core, WorkerCore worker, slot_t* slot, JobContext job) except -1:
    cdef effects_t fx
    cdef bint lives
    zero(&fx)
    rlx_lock(&worker.lock)
    lives = job.own.open > 0 and not job.own.dead
    if lives:
        hold(core.ledger, &job.own, &fx)
    rlx_unlock(&worker.lock)
    core.apply(worker, &fx)
    if not lives:
        make_room(core, worker, slot, job, NULL, 0, JOB_ENDED, NULL, NULL)
    return 0


cdef bint enter_chunk(
    Control core, WorkerCore worker, target_t* target, list items, JobContext job, bint whole
) except -1:
    # False: the job failed or was cancelled, so what would follow is dropped with it.
    # `whole`: all of them in one critical section, or none.
    cdef effects_t fx
    cdef Py_ssize_t i = 0, n = len(items)
    cdef bint over = False, crowd = False
    cdef int result = ENTERED
    cdef list vetoes = None
    reserve(core.ledger)
    if whole and rlx_load(&HOOKED):
        vetoes = asked(core, worker, target.slot, items, [job] * n)
    while i < n:
        if not whole and rlx_load(&HOOKED):
            try:
                enter(core, worker, target.slot, items[i], job, target.deadline, False)
            except ValueError:
                if job.seq and (rlx_look(<int*>&job.own.dead) or rlx_look(<int*>&job.ended)):
                    return False
                raise
            i += 1
            limit(core, target, [job], 1)
            continue
        zero(&fx)
        rlx_lock(&worker.lock)
        if whole and not fits(target.slot, items_in(items, vetoes)):
            result = NO_ROOM
        while i < n and result != NO_ROOM:
            result = try_enter(
                core, worker, target.slot, <PyObject*>items[i], job,
                over, crowd, vetoes is not None and vetoes[i], target.frame, &fx,
            )
            if result != ENTERED:
                break
            over = crowd = False
            i += 1
        rlx_unlock(&worker.lock)
        core.apply(worker, &fx)
        if result == JOB_ENDED:
            return False
        if i < n and vetoes is not None:
            take_back(core, worker, [job])
        if i < n:
            limit(core, target, [job], job.seq != 0)
            make_room(
                core, worker, target.slot, job, target.frame, target.deadline, result,
                &over, &crowd,
            )
            result = ENTERED
    return True


cdef Py_ssize_t items_in(list items, list vetoes):
    # For a typed slot they are one block, if they are not a job each.
    if type(items[0]) is Block:
        return 0 if vetoes is not None and vetoes[0] else (<Block>items[0]).n
    return len(items) if vetoes is None else vetoes.count(False)


cdef bint fits(slot_t* slot, Py_ssize_t n) noexcept nogil:
    if slot.overflow != OVERFLOW_BLOCK and slot.overflow != OVERFLOW_ERROR:
        return True
    return slot.inert or slot.bound - slot.size >= n


cdef int let_go(
    Control core, WorkerCore worker, slot_t* slot, JobContext job, bint empty
) except -1:
    cdef effects_t fx
    zero(&fx)
    rlx_lock(&worker.lock)
    if job.state == JOB_PENDING and (empty or slot.inert):
        rlx_show(&job.state, JOB_COMPLETED)       # there is nothing to run
    release(core.ledger, &job.own, 1, &fx)
    rlx_unlock(&worker.lock)
    core.apply(worker, &fx)
    return 0
