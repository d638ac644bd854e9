"""Exceptions of routilux, and the hint that errors about names carry.

Every failure that is particular to routilux derives from `RoutiluxError`. Wrong
types and unknown names stay what Python users expect them to be, a `TypeError`
and a `ValueError`; `name_hint` gives the latter their list of valid names.

All layers raise from here and nothing here calls anything else: the module has
no imports of routilux, no state and no locks, and runs on any thread. Message
texts live near their raise; the classes only add the fields a handler needs. It
promises that each exception survives pickling with its fields.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routilux._core import JobContext, JobError

__all__ = [
    "ActivationTimeout",
    "ConfigurationError",
    "DeadlineExceeded",
    "ExecutionError",
    "JobCancelledError",
    "JobFailedError",
    "QueueFullError",
    "RoutiluxError",
    "SerializationError",
    "SimulationError",
    "SlotHandlerError",
    "SlotQueueFullError",
    "StateError",
    "WorkerNotRunningError",
    "name_hint",
    "near_names",
]

# More names than this in one message hide the one that the reader looks for.
LISTED_NAMES = 20


class RoutiluxError(Exception):
    """Root of all exceptions that are particular to routilux."""


class ExecutionError(RoutiluxError):
    """Something went wrong while a routine ran.

    For your own use: the runtime reports failures as `job.error`.

    Args:
        message: The text of the exception.
        routine_id: The routine, afterwards the attribute `routine_id`.
    """

    def __init__(self, message: str = "", routine_id: str | None = None) -> None:
        super().__init__(message)
        self.routine_id = routine_id


class SerializationError(RoutiluxError, ValueError):
    """Something can't be written to a document, or made of one.

    Args:
        message: The text of the exception.
        object_type: What it is about, afterwards the attribute `object_type`.
    """

    def __init__(self, message: str = "", object_type: str | None = None) -> None:
        super().__init__(message)
        self.object_type = object_type


class StateError(RoutiluxError):
    """A state is not what an operation needs; for your own use."""


class SlotHandlerError(RoutiluxError):
    """The handler of a slot failed; for your own use.

    Args:
        message: The text of the exception.
        slot_name: The slot, afterwards the attribute `slot_name`.
    """

    def __init__(self, message: str = "", slot_name: str | None = None) -> None:
        super().__init__(message)
        self.slot_name = slot_name


class ConfigurationError(RoutiluxError, ValueError):
    """A flow is built in a way that can never work.

    Raised when a worker is started, for example when a batch policy asks for
    more items than its slot can hold.
    """


class WorkerNotRunningError(RoutiluxError, RuntimeError, ValueError):
    """Something was posted to a flow that no worker runs.

    Call `Runtime.exec` first. It is a `RuntimeError` and a `ValueError`, so
    that callers who catch either of them see it.
    """


class QueueFullError(RoutiluxError):
    """A bounded queue had no room, and the caller did not want to wait longer.

    Raised by `Runtime.post` with `block=False` or a spent `timeout`. Nothing
    was posted; by `post_many`, only what is in `jobs`.

    Attributes:
        jobs: The jobs that `post_many` had posted before the timeout.
    """

    jobs: Sequence[JobContext] = ()


class SlotQueueFullError(QueueFullError):
    """The queue of one slot is full and its overflow rule is not to drop.

    Raised into the logic that emits: at once with `overflow="error"`, and with
    `overflow="block"` when the wait could never end (a full cycle).
    """


class ActivationTimeout(RoutiluxError, TimeoutError):
    """An activation took longer than `Routine.set_timeout` allows.

    It is what `job.error.type` names, and the `__cause__` of the `JobFailedError` that
    `job.result()` raises.
    """


class DeadlineExceeded(RoutiluxError, TimeoutError):
    """A job was not finished within the `deadline` of its post.

    It is what `job.error.type` names, and the `__cause__` of the `JobFailedError` that
    `job.result()` raises.
    """


class SimulationError(RoutiluxError, RuntimeError):
    """A simulated runtime can't go on.

    Raised by a wait without a timeout that would never end: nothing can move any more,
    and in a simulation nobody else can come and help. The text names the seed and what
    holds the jobs.
    """


class JobFailedError(RoutiluxError):
    """A job ended as failed; raised when its result is asked for.

    Args:
        message: The text of the exception.
        job_id: Id of the job, afterwards the attribute `job_id`.
        error: What the logic raised, afterwards the attribute `error`.

    Example:
        >>> try:
        ...     value = job.result(timeout=5)
        ... except JobFailedError as failure:
        ...     print(failure.job_id, failure.error.type)
    """

    def __init__(
        self, message: str = "", job_id: str = "", error: JobError | None = None
    ) -> None:
        super().__init__(message)
        self.job_id = job_id
        self.error = error


class JobCancelledError(RoutiluxError):
    """A job was cancelled; raised when its result is asked for.

    Args:
        message: The text of the exception.
        job_id: Id of the job, afterwards the attribute `job_id`.
    """

    def __init__(self, message: str = "", job_id: str = "") -> None:
        super().__init__(message)
        self.job_id = job_id


def near_names(name: str, names: Iterable[str]) -> list[str]:
    """Find the names that a mistyped name may have meant.

    Upper and lower case count as the same letter.

    Args:
        name: The name that was not found.
        names: The names that would have been right.

    Returns:
        At most three names, nearest first.
    """
    folded: dict[str, str] = {}
    for candidate in names:
        folded.setdefault(candidate.casefold(), candidate)
    return [
        folded[key]
        for key in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)
    ]


def name_hint(name: str, names: Iterable[str], plural: str) -> str:
    """Say which names would have been right, to follow a "not found" text.

    Args:
        name: The name that was not found.
        names: The names that would have been right.
        plural: What the names are called, for example "slots".

    Returns:
        A sentence or two, without a leading space.

    Example:
        >>> name_hint("inptu", ["input", "done"], "slots")
        "Did you mean 'input'? Valid slots: 'input', 'done'"
    """
    known = list(names)
    if not known:
        return f"There are no {plural} yet"
    listed = ", ".join(repr(item) for item in known[:LISTED_NAMES])
    if len(known) > LISTED_NAMES:
        listed += f" and {len(known) - LISTED_NAMES} more"
    near = " or ".join(repr(item) for item in near_names(name, known))
    question = f"Did you mean {near}? " if near else ""
    return f"{question}Valid {plural}: {listed}"
