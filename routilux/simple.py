"""One-liners: a flow of plain functions, and a run of a flow on one item.

Nothing here but short ways to say what `Flow` and `Runtime` do. A program that runs
many items holds a `Runtime` and uses `Runtime.map`.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from typing import Any

from routilux.background import Background
from routilux.errors import JobCancelledError, JobFailedError
from routilux.flow import Flow
from routilux.functions import check_function, name_of
from routilux.mapping import find_entry
from routilux.runtime import JobContext, Runtime

__all__ = ["pipeline", "run_async", "run_sync"]

FLOW_ID = "simple_pipeline"
numbers = itertools.count(1)
logger = logging.getLogger("routilux")


def pipeline(*functions: Callable[[Any], Any], flow_id: str | None = None) -> Flow:
    """Make a flow of plain functions, each fed by the one before it.

    1. The item of a job is passed to the first function.
    2. What a function returns is passed to the next one.
    3. What the last one returns is the result of the job: `job.result()`.

    With a generator function among them a job has any number of results, and
    `job.result()` is the list of them. A function that returns `SKIP` ends the way of
    its item.

    Args:
        *functions: At least one; plain, generator and async functions.
        flow_id: Id of the flow; None: "simple_pipeline", then "simple_pipeline_2", ...

    Returns:
        The flow. A routine's id is its function's name, "step_0", "step_1", ... for
        those that have none; a name that comes again gets a number.

    Raises:
        TypeError: If one of them is not callable, or is a routine.
        ValueError: If there is no function.

    Example:
        >>> flow = pipeline(str.strip, str.upper)
        >>> list(flow.routines)
        ['strip', 'upper']
    """
    if not functions:
        raise ValueError("pipeline() needs at least one function")
    for i, function in enumerate(functions):
        check_function(f"function {i} of the pipeline", function)
    if flow_id is None:
        n = next(numbers)
        flow_id = FLOW_ID if n == 1 else f"{FLOW_ID}_{n}"
    flow = Flow(flow_id)
    for i, function in enumerate(functions):
        flow.pipe(function, free_name(name_of(function, f"step_{i}"), flow))
    return flow


def free_name(name: str, flow: Flow) -> str:
    """Return a name, with a number where the flow has it already."""
    names = (f"{name}_{n}" if n > 1 else name for n in itertools.count(1))
    return next(name for name in names if name not in flow.routines)


def run_sync(flow: Flow, data: Any, timeout: float | None = 30.0) -> Any:
    """Run a flow on one item and return the result of its job.

    Starts a runtime and shuts it down, which takes about a millisecond. The item enters
    by the only slot that no event is connected to.

    Args:
        flow: The flow.
        data: The item.
        timeout: Seconds; None waits without a limit.

    Returns:
        What the last function returned, or logic gave to `set_result`; else None.

    Raises:
        JobFailedError: A function or logic raised; `.error` tells what.
        TimeoutError: It took longer; the job is cancelled, a call that goes on ends by
            itself.
        ValueError: The flow has no single entry.

    Example:
        >>> run_sync(pipeline(str.strip, str.upper), " hello ")
        'HELLO'
    """
    routine_id, slot = find_entry(flow, None, None)
    runtime = Runtime()
    finished = False
    try:
        runtime.exec(flow)
        result = runtime.post(flow, routine_id, slot, data).job.result(timeout)
        finished = True
        return result
    except (JobFailedError, JobCancelledError):
        finished = True
        raise
    finally:
        runtime.shutdown(wait=finished, cancel_pending=not finished)


def run_async(
    flow: Flow,
    data: Any,
    callback: Callable[[Any], object] | None = None,
    *,
    error_callback: Callable[[Exception], object] | None = None,
) -> str:
    """Begin to run a flow on one item, and return at once.

    Calls for one flow share a runtime, which ends when the last job has. The item
    enters by the only slot that no event is connected to.

    Args:
        flow: The flow.
        data: The item.
        callback: Called as `callback(result)` when the job is completed, on a thread of
            the runtime.
        error_callback: Called as `error_callback(error)` with a `JobFailedError` or
            `JobCancelledError` when it is not; without it the error is logged.

    Returns:
        The id of the job, a str whose attribute `job` is the job itself.

    Raises:
        ValueError: The flow has no single entry.

    Example:
        >>> run_async(pipeline(str.upper), "hello", print).job.result(timeout=5)
        HELLO
        'HELLO'
    """
    routine_id, slot = find_entry(flow, None, None)
    for name, value in (("callback", callback), ("error_callback", error_callback)):
        if value is not None and not callable(value):
            raise TypeError(f"{name} must be callable, not {value!r}")

    def tell(job: JobContext) -> None:
        try:
            result = job.result()
        except (JobFailedError, JobCancelledError) as error:
            if error_callback is not None:
                error_callback(error)
            else:
                logger.error("run_async: %s", error)
            return
        if callback is not None:
            callback(result)

    job = Background.post(flow, routine_id, slot, data)
    job.add_done_callback(tell)
    return JobId(job)


class JobId(str):
    """The id of a job, and the job.

    Args:
        job: The job.
    """

    job: JobContext

    def __new__(cls, job: JobContext) -> JobId:
        self = super().__new__(cls, job.job_id)
        self.job = job
        return self
