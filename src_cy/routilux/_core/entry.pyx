"""Post: makes a job, puts its item into a slot, sees to it that a pump comes by.

Called from any thread, from inside logic too. Everything that can be refused is
refused before the job exists: one critical section finds room in the slot, a place
under max_queue_size and puts the item, or changes nothing at all. A poster at the
bound sleeps; logic that posts helps instead, because it may be what the bound waits for.
"""

import logging

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from routilux._core.status cimport (
    ENGINE_CLOSED,
    ENGINE_OPEN,
    JOB_CANCELLED,
    JOB_COMPLETED,
    OVERFLOW_BLOCK,
    OVERFLOW_ERROR,
)
from routilux._core.platform cimport deadline_of, rlx_incref, rlx_lock, rlx_unlock
from routilux._core.job cimport JobContext, new_job
from routilux._core.ledger cimport Ledger, effects_t
from routilux._core.routine cimport Node, cell_t
from routilux._core.slot cimport slot_grow, slot_has_room
from routilux._core.frame cimport current_frame, frame_t
from routilux._core.hooks cimport HOOKED, call_hook, log_safely
from routilux._core.engine cimport zero
from routilux._core.route cimport deliver, slot_full
from routilux._core.place cimport await_place, await_slot

from routilux._core.job import JobError
from routilux.errors import WorkerNotRunningError, name_hint

logger = logging.getLogger("routilux")

cdef object MISSING = object()
cdef object POST_RESULT = tuple          # the class of what post() returns


def set_post_result(cls):
    """Tell the core which subclass of tuple post() returns."""
    global POST_RESULT
    POST_RESULT = cls


cdef extern from *:
    """
    /* A tuple subclass without fields of its own, filled directly: tuple.__new__ would
       cost a call and a temporary tuple. */
    static inline PyObject *rlx_pair(PyObject *type, PyObject *a, PyObject *b) {
        PyObject *pair = ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 2);
        if (pair == NULL) return NULL;
        Py_INCREF(a);
        PyTuple_SET_ITEM(pair, 0, a);
        Py_INCREF(b);
        PyTuple_SET_ITEM(pair, 1, b);
        return pair;
    }
    """
    object rlx_pair(object type, object a, object b)


cdef object unknown(what, name, names, where):
    if not isinstance(name, str):
        parameter = {"Slot": "slot"}.get(what, f"{what.lower()}_id")
        raise TypeError(f"{parameter} must be a string, not {name!r}")
    hint = name_hint(str(name), names, what.lower() + "s")
    return ValueError(f"{what} {name!r} not found {where}. {hint}")


cdef class RuntimeCore:
    """The compiled half of :class:`routilux.Runtime`."""

    def _attach(self, Control core):
        self.core = core

    def post(
        self,
        flow_id=None,
        routine_id=None,
        slot=None,
        data=MISSING,
        worker_id=None,
        job_id=None,
        metadata=None,
        *,
        block=True,
        timeout=None,
        flow_name=None,
        routine_name=None,
        slot_name=None,
    ):
        """Submit a job: put ``data`` into a slot of a running flow.

        1. Finds the worker (``worker_id``, else the newest running one of the flow).
        2. Waits while ``max_queue_size`` jobs are unfinished or the slot is full.
        3. Makes the job and queues ``data``, by reference, as its first item.

        Inside logic it helps with ready work instead of waiting for
        ``max_queue_size``, and goes in over it when there is nothing to help with: the
        calling activation may be what holds the bound up.

        Args:
            flow_id: the flow's id or registered name, or the Flow; also ``flow_name``.
            routine_id: the routine to start with; also ``routine_name``.
            slot: the slot to put ``data`` into; also ``slot_name``.
            data: any object, by custom a dict.
            worker_id: which worker of the flow.
            job_id: a name for the job; that of a live job adds the item to it.
            metadata: dict, copied into the job.
            block: False raises instead of waiting.
            timeout: seconds to wait at most; None waits without a limit.

        Returns:
            The tuple ``(worker_state, job)`` as a :class:`PostResult`, which also
            answers the job's attributes.

        Raises:
            WorkerNotRunningError: the flow has no running worker: call ``exec()`` first.
            ValueError: unknown flow, worker, routine or slot; the valid names are listed.
            QueueFullError: no room with ``block=False``, or not within ``timeout``.
            RuntimeError: after ``shutdown()``.

        Example:
            >>> worker_state, job = runtime.post("flow", "routine", "input", {"x": 1})
        """
        cdef WorkerCore worker
        cdef slot_t* where
        cdef JobContext job
        if flow_name is not None:
            flow_id = flow_name
        if routine_name is not None:
            routine_id = routine_name
        if slot_name is not None:
            slot = slot_name
        if data is MISSING:
            raise TypeError("post() needs data; give None to post None")
        worker = self.worker_for(flow_id, worker_id)
        where = self.slot_for(worker, routine_id, slot)
        if job_id is not None or metadata is not None:
            job = self.named_job(worker, job_id, metadata)
        else:
            job = new_job(worker.ident, None)
        enter(
            self.core,
            worker,
            where,
            data,
            job,
            deadline_of(timeout) if block else 0,
            False,
        )
        worker.remember_post(job.seq, job._id)
        return rlx_pair(POST_RESULT, worker, job)

    cdef slot_t* slot_for(self, WorkerCore worker, routine_id, slot) except NULL:
        cdef Node node
        index = worker.plan.index.get(routine_id)
        if index is None:
            raise unknown(
                "Routine", routine_id, worker.plan.index, f"in flow {worker.flow_id!r}"
            )
        node = <Node>worker.plan.nodes[<int>index]
        index = node.slot_index.get(slot)
        if index is None:
            raise unknown(
                "Slot",
                slot,
                node.slot_index,
                f"in routine {routine_id!r} of flow {worker.flow_id!r}",
            )
        return worker.slot_of(node.index, index)

    cdef JobContext named_job(self, WorkerCore worker, job_id, metadata):
        cdef JobContext job
        if job_id is not None and not isinstance(job_id, str):
            raise TypeError(f"job_id must be a string, not {job_id!r}")
        if metadata is not None and not isinstance(metadata, dict):
            raise TypeError(f"metadata must be a dict, not {metadata!r}")
        found = None if job_id is None else self.core.find_job(str(job_id))
        if found is not None:
            job = found
            if job.ident is not worker.ident:
                raise ValueError(
                    f"job {job_id!r} belongs to worker {job.worker_id!r} of flow"
                    f" {job.flow_id!r}, not to {worker.worker_id!r}"
                )
            if metadata:
                job.metadata.update(metadata)
            return job
        job = new_job(worker.ident, None if job_id is None else str(job_id))
        if metadata is not None:
            job.show()
            job._metadata = dict(metadata)
        return job

    cdef WorkerCore worker_for(self, object flow, object worker_id):
        cdef Control core = self.core
        cdef object found
        if core is None:
            raise RuntimeError(f"{type(self).__name__}.__init__() was not called")
        if worker_id is None:
            found = core.newest.get(flow) if isinstance(flow, str) else None
            if found is not None:
                return <WorkerCore>found
        if core.phase != ENGINE_OPEN:
            raise RuntimeError("the runtime is shut down and takes no more jobs")
        flow = self._resolve(flow)
        if worker_id is None:
            found = core.newest.get(flow)
            if found is None:
                raise WorkerNotRunningError(
                    f"flow {flow!r} has no running worker: call exec({flow!r}) before"
                    " post()"
                )
            return <WorkerCore>found
        found = core.workers.get(worker_id)
        if found is None or (<WorkerCore>found).ident.flow_id != flow:
            running = [w for w in core.workers if core.workers[w].flow_id == flow]
            raise unknown("Worker", worker_id, running, f"among those of flow {flow!r}")
        return <WorkerCore>found

    def _resolve(self, flow):
        # A name, an id or a Flow to the flow's id; the Python half knows the registry.
        raise NotImplementedError


cdef frame_t* frame_in(Control core) noexcept:
    cdef frame_t* frame = current_frame()
    if frame != NULL and (<WorkerCore>frame.worker).engine is not core:
        return NULL
    return frame


cdef int claim_name(Ledger ledger, JobContext job) except -1:
    if job._id is not None and ledger.named.setdefault(job._id, job) is not job:
        raise ValueError(f"job_id {job._id!r} is being posted by another thread")
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
    cdef Ledger ledger = core.ledger
    cdef bint joins = job.seq != 0
    cdef bint over = False           # max_queue_size: logic with nothing to help goes in
    cdef bint crowd = False          # the slot's bound: logic too deep to help goes in
    cdef bint vetoed = bare
    cdef effects_t fx
    cdef int result
    if not joins:
        ledger.reserve()
        claim_name(ledger, job)
    if HOOKED and not bare:
        vetoed = is_vetoed(worker, slot, data, job, joins)
    try:
        while True:
            zero(&fx)
            rlx_lock(&worker.lock)
            result = try_enter(core, worker, slot, <PyObject*>data, job, over, crowd, vetoed, frame, &fx)
            rlx_unlock(&worker.lock)
            core.apply(worker, &fx)
            if result == ENTERED:
                return 0
            make_room(core, worker, slot, job, frame, deadline, result, &over, &crowd)
    except BaseException:
        if not joins and job._id is not None:
            ledger.named.pop(job._id, None)
        raise


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
    if core.phase != ENGINE_OPEN and (frame == NULL or core.phase == ENGINE_CLOSED):
        return SHUT_DOWN
    if joins and (job.own.open == 0 or job.own.dead):
        return JOB_ENDED
    if not slot.inert and not crowd and not slot_has_room(slot):
        if slot.overflow == OVERFLOW_BLOCK:
            return NO_ROOM
        if slot.overflow == OVERFLOW_ERROR:
            return REFUSED
    if slot.size == slot.cap and slot_grow(slot) < 0:
        return NO_MEMORY
    if not joins:
        rlx_lock(&core.ledger.lock)
        may = over or core.ledger.has_room()
        if may:
            core.ledger.admit(job)
        rlx_unlock(&core.ledger.lock)
        if not may:
            return NO_PLACE
        rlx_incref(<PyObject*>job)           # the table's
    if not vetoed:
        deliver(worker, slot, data, &job.own, NULL, crowd, fx)
    if job.own.open == 0:
        # Nothing to run: an inert slot kept it, or a rule or a hook dropped it.
        job.state = JOB_COMPLETED if slot.inert and not vetoed else JOB_CANCELLED
        job.own.link = fx.done
        fx.done = &job.own
    return ENTERED


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
    if result == NO_PLACE:
        over[0] = await_place(core, worker, frame, deadline)
    elif result == NO_ROOM:
        crowd[0] = await_slot(core, worker, slot, frame, deadline)
    else:
        refuse(worker, slot, job, result)
    return 0


cdef int refuse(WorkerCore worker, slot_t* slot, JobContext job, int result) except -1:
    if result == SHUT_DOWN:
        raise RuntimeError("the runtime is shut down and takes no more jobs")
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
        (node.slots[slot.index], node.routine_id, job, data, worker.ident.flow_id),
    )
    try:
        if answer is None or answer[0]:
            return False
        reason = f"by the execution hook: {answer[1]}"
    except BaseException:
        log_safely(
            logger.exception,
            ("routilux: the answer of on_slot_before_enqueue is no (bool, reason)",),
        )
        return False
    if not joins:
        job._error = JobError("Dropped", reason)
    return True
