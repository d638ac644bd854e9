"""Jobs that belong to no runtime: made by hand, copied or unpickled.

Such a job asks one object here for all that a job of a runtime asks its engine for.
Nobody else counts or changes it, so there is no lock but the job's own critical section;
whoever calls is the only thread in here as far as that job is concerned.
"""

import uuid
from collections.abc import Mapping

cimport cython
from routilux._core.status cimport (
    JOB_CANCELLED,
    JOB_COMPLETED,
    JOB_FAILED,
    JOB_RUNNING,
    OWNER_JOB,
)
from cpython.object cimport PyObject

from routilux._core.platform cimport rlx_load, rlx_show, rlx_wall_ns
from routilux._core.failure cimport failure_of, instant
from routilux._core.job cimport Ident
from routilux._core.ledger cimport call_one
from routilux._core.hooks cimport HOOKED, call_hook

from routilux._core.job import JobStatus, set_detached

cdef list STATUS = list(JobStatus)      # in the order of the enum JobState


cdef dict as_dict(name, value):
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict or None, not {value!r}")
    return dict(value or {})


cdef class Detached:
    """What a job without a runtime has in the place of its engine."""

    def make(
        self,
        JobContext job,
        job_id,
        str worker_id not None,
        str flow_id not None,
        created_at,
        completed_at,
        metadata,
        data,
        trace_log,
        status,
        error,
    ):
        """Fill a job that was just made by hand."""
        if job_id is not None and (not isinstance(job_id, str) or not job_id):
            raise TypeError(f"job_id must be a non-empty str, not {job_id!r}")
        state = STATUS.index(JobStatus(status))
        created, completed = instant(created_at), instant(completed_at)
        job.own.obj = <PyObject*>job
        job.own.kind = OWNER_JOB
        job._id = f"job_{uuid.uuid4().hex}" if job_id is None else str(job_id)
        rlx_show(&job.state, state)
        job.created = created or rlx_wall_ns()
        job.completed = completed
        job.ended = state > JOB_RUNNING
        job._metadata = as_dict("metadata", metadata)
        job._data = as_dict("data", data)
        job._trace = list(() if trace_log is None else trace_log)
        job._error = failure_of(error, None)
        job.ident = Ident(worker_id, flow_id, "", None, self)

    def facts(self, JobContext job):
        """Return what makes an equal job, as `remake` takes it."""
        return {
            "job_id": job.job_id,
            "worker_id": job.worker_id,
            "flow_id": job.flow_id,
            "created_at": job.created_at,
            "completed_at": job.completed_at,
            "metadata": dict(job.metadata),
            "data": dict(job.data),
            "trace_log": list(job.trace_log),
            "status": str(job.status),
            "error": job.error,
            "started_at": job.started_at,
            "result": job._result,
            "letter": job.letter,
        }

    def remake(self, facts):
        """Make a job of the answer of `facts`."""
        cdef JobContext job
        facts = dict(facts)
        started, result = facts.pop("started_at"), facts.pop("result")
        letter = facts.pop("letter")
        job = JobContext(**facts)
        job.started = instant(started)
        job._result = result
        job.letter = letter
        return job

    def __reduce__(self):
        return stand_in, ()

    cdef bint finish(self, JobContext job, int state, object error) except -1:
        with cython.critical_section(job):
            if job.state > JOB_RUNNING:
                return False
            rlx_show(&job.state, state)
            job.ended = True
            job.completed = rlx_wall_ns()
            if error is not None:
                job._error = error
            callbacks = job._callbacks
            job._callbacks = None
        for callback in callbacks or ():
            call_one(job, callback)
        return True

    def end_job(self, JobContext job, status, error):
        """End a job; see JobContext.complete."""
        done = self.finish(job, STATUS.index(status), failure_of(error, None))
        if done and rlx_load(&HOOKED):
            call_hook("on_job_end", (job, None, str(status), job.error))
        return done

    def cancel_job(self, JobContext job):
        return self.finish(job, JOB_CANCELLED, failure_of("cancelled", None))

    def set_status(self, JobContext job, status):
        """Say where a job is in its life."""
        state = STATUS.index(status)
        if state > JOB_RUNNING:
            self.finish(job, state, None)
        elif job.state <= JOB_RUNNING:
            rlx_show(&job.state, state)
            if state == JOB_RUNNING and not job.started:
                job.started = rlx_wall_ns()

    def set_error(self, JobContext job, error):
        reason = failure_of(error, None)
        with cython.critical_section(job):
            job._error = reason

    def wait_job(self, JobContext job, timeout):
        if not job.ended:
            raise RuntimeError(
                f"job {job.job_id!r} belongs to no runtime: nothing will end it but"
                " complete()"
            )
        return True

    def add_callback(self, JobContext job, callback):
        with cython.critical_section(job):
            waits = not job.ended
            if waits:
                job._callbacks = [*(job._callbacks or ()), callback]
        if not waits:
            call_one(job, callback)

    def is_inline(self):
        return True

    def is_inside(self):
        return False


cdef Detached STAND_IN = Detached()


def stand_in():
    """Return the one object that jobs without a runtime ask."""
    return STAND_IN


set_detached(STAND_IN)
