"""Failure: what a job says of its end, and when things happened to it.

Made by judge and quiet when a job ends badly, read by users for as long as they keep
the job. The text of an exception is the user's code, so nothing here is called while a
lock is held; what it raises itself becomes part of the text.
"""

import logging
import traceback
from datetime import datetime, timezone

from routilux.errors import ActivationTimeout, DeadlineExceeded

logger = logging.getLogger("routilux")

cdef dict CAUSES = {cls.__name__: cls for cls in (ActivationTimeout, DeadlineExceeded)}


class JobError(str):
    """Why a job failed or was cancelled: ``"ValueError: bad input"`` and its parts.

    Attributes:
        type: name of the exception's class.
        message: the exception's text.
        traceback: the formatted traceback, ``""`` when nothing was raised.
        routine_id: the routine whose activation failed, or None.
    """

    def __new__(cls, type, message, traceback="", routine_id=None):
        self = super().__new__(cls, f"{type}: {message}" if message else type)
        self.type = type
        self.message = message
        self.traceback = traceback
        self.routine_id = routine_id
        return self

    def __reduce__(self):
        return JobError, (self.type, self.message, self.traceback, self.routine_id)


cdef object error_of(BaseException error, str routine_id):
    # An exception's text is user code: __str__ may raise, the traceback may not print.
    try:
        message = str.__str__(str(error))       # an exact str, whatever __str__ returned
    except BaseException as exc:
        message = f"<{type(error).__name__}.__str__ raised {type(exc).__name__}>"
    try:
        text = "".join(
            traceback.format_exception(type(error), error, error.__traceback__)
        )
    except BaseException:
        text = ""
    return JobError(type(error).__name__, message, text, routine_id)


cdef object cause_of(object error):
    # The exception that nobody raised, for those who ask for a result.
    cls = CAUSES.get(getattr(error, "type", None))
    return None if cls is None else cls(error.message)


cdef object failure_of(object error, str routine_id):
    # What somebody gave as the reason: an exception, a JobError, any text, or None.
    if error is None or isinstance(error, JobError):
        return error
    if isinstance(error, BaseException):
        return error_of(error, routine_id)
    return JobError(str(error), "", "", routine_id)


cdef object moment(int64_t ns):
    if ns == 0:
        return None
    return datetime.fromtimestamp(ns // 1000 / 1e6, tz=timezone.utc)


cdef int64_t instant(object when) except? -1:
    # The other way round, for what comes from outside: a datetime, its ISO text, None.
    if when is None:
        return 0
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    if not isinstance(when, datetime):
        raise TypeError(f"a time must be a datetime or its ISO text, not {when!r}")
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    return <int64_t>(when.timestamp() * 1e6) * 1000


cdef object TELL = None
cdef object MOMENTS = None


def set_tell(tell):
    """Have ``tell(job, log)`` make what ``job.trace_log`` is."""
    global TELL
    TELL = tell


def set_moments(moments):
    """Have ``moments(core)`` say what happened last, for the log."""
    global MOMENTS
    MOMENTS = moments


def log_failure(core, flow_id, routine_id, error):
    """Log the first failure of a routine, with the moments before it."""
    last = "" if MOMENTS is None else MOMENTS(core)
    logger.error(
        "routine %r of flow %r failed its job: %s (logged once; see job.error)%s",
        routine_id,
        flow_id,
        error,
        f"; what happened last: {last}" if last else "",
    )


cdef object tell_log(object job, list log):
    return log if TELL is None else TELL(job, log)
