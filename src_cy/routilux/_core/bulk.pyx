"""Post in bulk: many items by one call, under one lock for as many as there is room.

Called from any thread, like post, and with the same promises for each item: it lies in
the slot and its job is known, or neither. With a job for each item, jobs enter one by
one and can end while later items wait for room. With one job for all, the call itself
holds the job open, so that it can't end between two of its items.
"""

from itertools import islice

from cpython.object cimport PyObject

from routilux._core.status cimport (
    JOB_COMPLETED,
    JOB_PENDING,
    OVERFLOW_BLOCK,
    OVERFLOW_ERROR,
)
from routilux._core.platform cimport rlx_add, rlx_load, rlx_lock, rlx_show, rlx_unlock
from routilux._core.job cimport new_job
from routilux._core.ledger cimport Ledger, effects_t, reserve
from routilux._core.block cimport Block
from routilux._core.portion cimport blocks_for
from routilux._core.count cimport hold, release
from routilux._core.hooks cimport HOOKED
from routilux._core.engine cimport zero
from routilux._core.route cimport slot_full
from routilux._core.place cimport no_place
from routilux._core.deadline cimport deadline_in
from routilux._core.entry cimport (
    ENTERED,
    JOB_ENDED,
    NO_ROOM,
    claim_name,
    deadline_from,
    enter,
    frame_in,
    make_room,
    try_enter,
)

from routilux.errors import QueueFullError

cdef enum:
    CHUNK = 256              # items that enter under one hold of the lock at most

cdef object MISSING = object()


cdef class BulkCore(RuntimeCore):
    """The compiled half of :class:`routilux.Runtime`, bulk posts included."""

    def post_many(
        self,
        flow_id=None,
        routine_id=None,
        slot=None,
        items=MISSING,
        worker_id=None,
        job_id=None,
        metadata=None,
        *,
        jobs="each",
        block=True,
        timeout=None,
        deadline=None,
        copy=False,
        flow_name=None,
        routine_name=None,
        slot_name=None,
    ):
        """Submit many items by one call: the bulk form of :meth:`post`.

        1. Finds the worker and the slot once.
        2. Queues the items in their order, as many at a time as there is room for.
        3. Waits for room like :meth:`post`, and goes on.

        Args:
            flow_id: the flow's id or registered name, or the Flow; also ``flow_name``.
            routine_id: the routine to start with; also ``routine_name``.
            slot: the slot to put the items into; also ``slot_name``.
            items: any iterable; it is read as room comes. For a typed slot an array,
                or what numpy makes one of; it is taken whole, by reference.
            worker_id: which worker of the flow.
            job_id: a name for the job, with ``jobs="one"`` only; that of a live job
                adds the items to it.
            metadata: dict, copied into each job.
            jobs: "each": a job for each item; "one": one job for all of them.
            block: False posts all items at once or none.
            timeout: seconds to wait for room in all; None waits without a limit.
            deadline: seconds for each job, from when it is accepted; see :meth:`post`.
            copy: typed slots: copy the array, so that it may be changed afterwards.

        Returns:
            With "each" the list of the jobs, in the order of the items; with "one" the
            job, which is completed at once when there are no items.

        Raises:
            WorkerNotRunningError: the flow has no running worker: call ``exec()`` first.
            ValueError: an unknown flow, worker, routine, slot or value of ``jobs``.
            QueueFullError: no room for all with ``block=False``, and nothing was
                posted; or none within ``timeout``: then the jobs that entered before
                are in the error's ``jobs``, and with "one" the job is cancelled.
            RuntimeError: after ``shutdown()``.

        Example:
            >>> jobs = runtime.post_many("flow", "routine", "input", [{"x": 1}, {"x": 2}])
            >>> [job.result() for job in jobs]
            [None, None]
        """
        cdef WorkerCore worker
        cdef JobContext job
        cdef Block blocks
        cdef target_t target
        if items is MISSING:
            raise TypeError("post_many() needs items; give [] to post none")
        if jobs not in ("each", "one"):
            raise ValueError(f"jobs must be 'each' or 'one', not {jobs!r}")
        if job_id is not None and jobs == "each":
            raise TypeError("job_id names one job: give jobs='one' with it")
        worker = self.worker_for(flow_id if flow_name is None else flow_name, worker_id)
        target.slot = self.slot_for(
            worker,
            routine_id if routine_name is None else routine_name,
            slot if slot_name is None else slot_name,
        )
        target.lifetime = <PyObject*>deadline
        deadline_in(deadline)
        target.frame = frame_in(self.core)
        target.deadline = deadline_from(self.core, timeout) if block else 0
        if target.slot.typed != NULL:
            blocks = blocks_for(worker, target.slot, items, copy)
            items = blocks if jobs == "each" else [blocks] if blocks.n else []
        elif copy:
            raise TypeError("copy=True is for typed slots, and this slot has no dtype")
        try:
            items = iter(items)
        except TypeError:
            raise TypeError(f"items must be iterable, not {items!r}") from None
        if jobs == "one":
            job = self.named_job(worker, job_id, metadata)
            enter_one(self.core, worker, &target, items, job)
            limit(self.core, &target, [job])
            worker.remember_post(job.seq, job._id)
            return job
        return post_each(self.core, worker, &target, items, metadata, block)


cdef list post_each(
    Control core, WorkerCore worker, target_t* target, object items, metadata, bint block
):
    cdef JobContext job
    cdef list chunk, made, posted = []
    while True:
        chunk = list(islice(items, CHUNK) if block else items)
        if not chunk:
            break
        made = jobs_for(worker, len(chunk), metadata)
        try:
            if block:
                enter_each(core, worker, target, chunk, made)
            else:
                enter_all(core, worker, target, chunk, made)
        except QueueFullError as error:
            for job in made:
                if job.seq:
                    posted.append(job)
            limit(core, target, [job for job in made if job.seq])
            error.jobs = posted
            raise
        limit(core, target, made)
        posted.extend(made)
    if posted:
        job = posted[len(posted) - 1]
        worker.remember_post(job.seq, job._id)
    return posted


cdef int limit(Control core, target_t* target, list jobs) except -1:
    if target.lifetime != <PyObject*>None:
        for job in jobs:
            core.limit_job(job, <object>target.lifetime)
    return 0


cdef list jobs_for(WorkerCore worker, Py_ssize_t n, metadata):
    cdef JobContext job
    cdef list made = []
    if metadata is not None and not isinstance(metadata, dict):
        raise TypeError(f"metadata must be a dict, not {metadata!r}")
    for _ in range(n):
        job = new_job(worker.ident, None)
        if metadata is not None:
            job.show()
            job._metadata = dict(metadata)
        made.append(job)
    return made


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
    if rlx_load(&HOOKED):
        return enter_each(core, worker, target, items, jobs)
    reserve(core.ledger)
    zero(&fx)
    rlx_lock(&worker.lock)
    room = fits(slot, n)
    rlx_lock(&ledger.lock)
    place = ledger.bound - ledger.admitted >= n
    rlx_add(&ledger.admitted, n)            # reserved, so that no other thread takes a place
    rlx_unlock(&ledger.lock)
    if not room or not place:
        n = 0
    while i < n and result == ENTERED:
        result = try_enter(
            core, worker, slot, <PyObject*>items[i], <JobContext>jobs[i],
            True, False, False, target.frame, &fx,
        )
        i += 1
    rlx_lock(&ledger.lock)
    rlx_add(&ledger.admitted, -len(items))
    ledger.wake_room(False, &fx)
    rlx_unlock(&ledger.lock)
    rlx_unlock(&worker.lock)
    core.apply(worker, &fx)
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
    elif job._id is not None:
        ledger.named.pop(job._id, None)
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
    reserve(core.ledger)
    while i < n:
        if rlx_load(&HOOKED):
            enter(core, worker, target.slot, items[i], job, target.deadline, False)
            i += 1
            continue
        zero(&fx)
        rlx_lock(&worker.lock)
        if whole and not fits(target.slot, items_in(items)):
            result = NO_ROOM
        while i < n and result != NO_ROOM:
            result = try_enter(
                core, worker, target.slot, <PyObject*>items[i], job,
                over, crowd, False, target.frame, &fx,
            )
            if result != ENTERED:
                break
            over = crowd = False
            i += 1
        rlx_unlock(&worker.lock)
        core.apply(worker, &fx)
        if result == JOB_ENDED:
            return False
        if i < n:
            make_room(
                core, worker, target.slot, job, target.frame, target.deadline, result,
                &over, &crowd,
            )
            result = ENTERED
    return True


cdef Py_ssize_t items_in(list items):
    # For a typed slot they are one block, if they are not a job each.
    return (<Block>items[0]).n if type(items[0]) is Block else len(items)


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
