"""Post in bulk: many items by one call.

Called from any thread, like post, and with the same promises for each item: it lies in
the slot and its job is known, or neither. Finds worker and slot, takes the items in
chunks, and has fill put them in.
"""

from itertools import islice

from cpython.object cimport PyObject

from routilux._core.job cimport JobContext, new_job
from routilux._core.block cimport Block
from routilux._core.worker cimport WorkerCore
from routilux._core.portion cimport blocks_for
from routilux._core.deadline cimport deadline_in
from routilux._core.control cimport Control
from routilux._core.entry cimport deadline_from, frame_in
from routilux._core.fill cimport CHUNK, enter_all, enter_each, enter_one, limit, target_t

from routilux.errors import QueueFullError

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
        target.limited = 0
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
            limit(self.core, &target, [job], 1)
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
        target.limited = 0
        try:
            if block:
                enter_each(core, worker, target, chunk, made)
            else:
                enter_all(core, worker, target, chunk, made)
        except BaseException as error:
            made = [job for job in made if job.seq]
            limit(core, target, made, len(made))
            if isinstance(error, QueueFullError):
                error.jobs = posted + made
            raise
        limit(core, target, made, len(made))
        posted.extend(made)
    if posted:
        job = posted[len(posted) - 1]
        worker.remember_post(job.seq, job._id)
    return posted


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
