"""What travels: the job that one post() makes, and the group that a batch stands for.

A job is cheap enough for one per item: its id, dicts and timestamps are made when
somebody asks, and the cyclic collector does not see it until a user can hang
something on it. Made by entry, counted by ledger, stamped on every queued item; the
pump's threads change it under the lock of its worker, users read it from anywhere.
"""

from datetime import datetime, timezone
from enum import Enum

cimport cython
from routilux._core.status cimport JOB_CANCELLED, JOB_FAILED, JOB_RUNNING, OWNER_JOB
from routilux._core.platform cimport (
    rlx_gc_hide,
    rlx_gc_show,
    rlx_load,
    rlx_lock,
    rlx_lock_t,
    rlx_look,
    rlx_unlock,
)
from routilux._core.failure cimport cause_of, moment, tell_log

# The one rule of HOUSE that is bent here: the errors are defined once, in a module of
# the Python layer that imports nothing, because users catch them by that name.
from routilux._core.failure import JobError
from routilux.errors import JobCancelledError, JobFailedError


class JobStatus(str, Enum):
    """Where a job is in its life; compares equal to its plain string."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    __str__ = str.__str__
    __format__ = str.__format__


cdef list STATUS = list(JobStatus)      # in the order of the enum JobState
cdef object DETACHED = None             # what stands in for the engine of a job without one
cdef rlx_lock_t SHOW_LOCK               # protects the switch from hidden to shown


@cython.final
cdef class Ident:
    def __init__(self, str worker_id, str flow_id, str prefix, worker, engine):
        self.worker_id = worker_id
        self.flow_id = flow_id
        self.prefix = prefix
        self.worker = worker
        self.engine = engine

    def now(self):
        return wall_ns(self.virtual_wall)


# The freelist keeps a burst's memory warm: 8 ns less a job (off on free-threaded builds).
@cython.final
@cython.freelist(256)
cdef class JobContext:
    """One ``post()`` and everything that it causes.

    Made by :meth:`Runtime.post`; answers from any thread, during the run and after it.
    One that is made by hand, copied or unpickled belongs to no runtime: it holds the
    same facts, and changes only by what you call on it.

    Attributes:
        job_id: unique id, a string.
        status: a :class:`JobStatus`; prints as the bare word.
        data: dict of the job's own, shared by all its activations.
        metadata: dict given to ``post(metadata=...)``.
        trace_log: what :meth:`trace` wrote, and activations if they are recorded.
        created_at, started_at, completed_at: UTC datetimes, None before they happened;
            they carry the resolution of the system's coarse clock (1 to 4 ms on Linux).
        error: a :class:`JobError` (a string with parts) or None.

    Example:
        >>> _, job = runtime.post("flow", "routine", "input", {"x": 1})
        >>> job.wait(timeout=5)
        True
        >>> print(job.status)
        completed
    """

    def __init__(
        self, job_id=None, worker_id="", flow_id="", created_at=None, completed_at=None,
        metadata=None, data=None, trace_log=None, status="pending", error=None,
    ):
        if self.ident is not None:
            raise TypeError(f"{self!r} is made already")
        DETACHED.make(
            self, job_id, worker_id, flow_id, created_at, completed_at,
            metadata, data, trace_log, status, error,
        )

    def __reduce__(self):
        # A copy is a picture of the moment: it belongs to no runtime.
        return DETACHED.remake, (DETACHED.facts(self),)

    cdef void show(self) noexcept:
        rlx_lock(&SHOW_LOCK)
        rlx_gc_show(<PyObject*>self)
        rlx_unlock(&SHOW_LOCK)

    @property
    def job_id(self):
        if self._id is not None:
            return self._id
        return f"job_{self.ident.prefix}{self.seq:06x}"     # not kept: others read _id

    @property
    def worker_id(self):
        return self.ident.worker_id

    @property
    def flow_id(self):
        return self.ident.flow_id

    @property
    def status(self):
        return STATUS[rlx_look(&self.state)]

    @status.setter
    def status(self, value):
        self.ident.engine.set_status(self, JobStatus(value))

    @property
    def error(self):
        with cython.critical_section(self):
            return self._error

    @error.setter
    def error(self, value):
        self.ident.engine.set_error(self, value)

    @property
    def created_at(self):
        return moment(self.created)

    @property
    def started_at(self):
        return moment(rlx_load(&self.started))

    @property
    def completed_at(self):
        return moment(rlx_load(&self.completed))

    @property
    def data(self):
        if self.ident.virtual_wall != NULL:
            self.ident.engine.preempt()     # another routine may be at it
        self.show()
        with cython.critical_section(self):
            if self._data is None:
                self._data = {}
            return self._data

    @data.setter
    def data(self, dict value not None):
        self.show()
        with cython.critical_section(self):
            self._data = value

    @property
    def metadata(self):
        self.show()
        with cython.critical_section(self):
            if self._metadata is None:
                self._metadata = {}
            return self._metadata

    @metadata.setter
    def metadata(self, dict value not None):
        self.show()
        with cython.critical_section(self):
            self._metadata = value

    @property
    def trace_log(self):
        return tell_log(self, self.own_log())

    cdef list own_log(self):
        self.show()
        with cython.critical_section(self):
            if self._trace is None:
                self._trace = []
            return self._trace

    @trace_log.setter
    def trace_log(self, list value not None):
        self.show()
        with cython.critical_section(self):
            self._trace = value

    def set_data(self, key, value):
        """Store ``value`` under ``key`` in the job's own data."""
        self.data[key] = value

    def get_data(self, key, default=None):
        """Return what :meth:`set_data` stored under ``key``, else ``default``."""
        return self.data.get(key, default)

    def set_routine_data(self, routine_id, key, value):
        """Store ``value`` in the job's data under ``"{routine_id}_{key}"``."""
        self.data[f"{routine_id}_{key}"] = value

    def get_routine_data(self, routine_id, key=None, default=None):
        """Return what :meth:`set_routine_data` stored; all of a routine's without key."""
        if key is not None:
            return self.data.get(f"{routine_id}_{key}", default)
        prefix = f"{routine_id}_"
        return {
            name[len(prefix):]: value
            for name, value in list(self.data.items())
            if isinstance(name, str) and name.startswith(prefix)
        }

    def trace(self, routine_id, action, details=None):
        """Append an entry to ``trace_log``.

        Args:
            routine_id: the routine that speaks.
            action: what it did, in a word.
            details: anything worth keeping, by custom a dict.
        """
        self.own_log().append(
            {
                "timestamp": moment(self.ident.now()).isoformat(),
                "routine_id": routine_id,
                "action": action,
                "details": {} if details is None else details,
            }
        )

    def set_result(self, value):
        """Give the value that :meth:`result` returns; the last call wins."""
        self.show()
        with cython.critical_section(self):
            self._result = value

    def done(self):
        """Return whether the job is finished."""
        return bool(rlx_look(<int*>&self.ended))

    def wait(self, timeout=None):
        """Sleep until the job is finished.

        Args:
            timeout: seconds; None waits without a limit.

        Returns:
            True when no item of the job is left, False at the timeout.

        Raises:
            RuntimeError: inside logic of this job, which would wait for itself.
        """
        return self.ident.engine.wait_job(self, timeout)

    def result(self, timeout=None):
        """Wait, then return what :meth:`set_result` was given (None if nothing was).

        Raises:
            TimeoutError: the job is not finished after ``timeout`` seconds.
            JobFailedError: the job failed; ``.error`` tells why.
            JobCancelledError: the job was cancelled.
        """
        if not self.wait(timeout):
            raise TimeoutError(
                f"job {self.job_id!r} of flow {self.flow_id!r} is still"
                f" {self.status} after {timeout} s"
            )
        return self._outcome()

    def _outcome(self):
        if self.state == JOB_FAILED:
            raise JobFailedError(
                f"job {self.job_id!r} of flow {self.flow_id!r} failed: {self.error}",
                job_id=self.job_id,
                error=self.error,
            ) from cause_of(self.error)
        if self.state == JOB_CANCELLED:
            raise JobCancelledError(
                f"job {self.job_id!r} of flow {self.flow_id!r} was cancelled"
                + (f": {self.error}" if self.error else ""),
                job_id=self.job_id,
            )
        with cython.critical_section(self):
            return self._result

    def cancel(self):
        """Cancel the job; what is queued of it is dropped and counted.

        Logic that already runs is not interrupted; what it emits for the job is dropped.

        Returns:
            True when this call cancelled it, False when it was finished before.
        """
        return self.ident.engine.cancel_job(self)

    def start(self):
        """Note that work has begun; a runtime does it for its own jobs."""
        if self.state < JOB_RUNNING and self.ident.worker is None:
            self.ident.engine.set_status(self, JobStatus.RUNNING)

    def complete(self, status="completed", error=None):
        """End the job now, whatever of it is still queued.

        What is queued is dropped and counted, and what running logic still emits for the
        job. A job that has ended already stays as it is.

        Args:
            status: "completed", "failed" or "cancelled".
            error: why: an exception or a text.

        Raises:
            ValueError: ``status`` is none of the three.
        """
        if status not in ("completed", "failed", "cancelled"):
            raise ValueError(
                f"status must be 'completed', 'failed' or 'cancelled', not {status!r}"
            )
        self.ident.engine.end_job(self, JobStatus(status), error)

    def add_done_callback(self, callback):
        """Call ``callback(job)`` once the job is finished, at once if it is already."""
        if not callable(callback):
            raise TypeError(f"callback must be callable, not {callback!r}")
        self.show()
        self.ident.engine.add_callback(self, callback)

    def __await__(self):
        return outcome_of(self).__await__()

    def to_dict(self):
        """Return the job's public facts as a dict of plain values."""

        def text(when):
            return when.isoformat() if when else None

        return {
            "job_id": self.job_id,
            "worker_id": self.worker_id,
            "flow_id": self.flow_id,
            "status": str(self.status),
            "created_at": text(self.created_at),
            "started_at": text(self.started_at),
            "completed_at": text(self.completed_at),
            "metadata": dict(self.metadata),
            "data": dict(self.data),
            "trace_log": list(self.trace_log),
            "error": None if self.error is None else str(self.error),
        }

    def __repr__(self):
        return f"<JobContext {self.job_id} of {self.flow_id!r}: {self.status}>"


def set_detached(stand_in):
    """Tell jobs that belong to no runtime whom to ask; see detached.pyx."""
    global DETACHED
    DETACHED = stand_in


async def outcome_of(JobContext job):
    if job.done():
        return job._outcome()
    import asyncio          # here, because it takes longer to import than all of routilux

    if job.ident.engine.is_inline() and not job.ident.engine.is_inside():
        job.ident.engine.wait_job(job, None)    # there is nobody else to do the work
        return job._outcome()
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def tell(_):
        try:
            loop.call_soon_threadsafe(lambda: ended.done() or ended.set_result(None))
        except RuntimeError:
            pass                # the loop closed, so nobody waits any more

    job.add_done_callback(tell)
    await ended
    return job._outcome()


cdef JobContext new_job(Ident ident, object job_id):
    cdef JobContext job = JobContext.__new__(JobContext)
    rlx_gc_hide(<PyObject*>job)
    job.own.obj = <PyObject*>job
    job.own.kind = OWNER_JOB
    job.ident = ident
    job._id = job_id
    job.created = wall_ns(ident.virtual_wall)
    return job
