"""One-liners: a flow of plain functions, and runs of a flow on one item.

Nothing here but short ways to say what `Flow` and `Runtime` do.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from routilux.flow import Flow
from routilux.functions import check_function, name_of

__all__ = ["pipeline"]

FLOW_ID = "simple_pipeline"
numbers = itertools.count(1)


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
