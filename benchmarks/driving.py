"""The ways to put items into a flow, or past it into an executor.

Each function is the whole body of what is timed; what it is given was made before.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TypeAlias

from flows import MESSAGE, Case, Item, Logic

from routilux import Runtime

Work: TypeAlias = Callable[[], object]

WAIT = 60.0


def post_each(runtime: Runtime, case: Case, items: Sequence[Item]) -> None:
    """Post the items one by one, without waiting for the jobs."""
    post, flow_id = runtime.post, case.flow.flow_id
    for entry in case.entries:
        for item in items:
            post(flow_id, entry, "input", item)


def finish(runtime: Runtime) -> None:
    """Wait until the runtime has nothing left to do."""
    if not runtime.wait_until_all_jobs_finished(timeout=WAIT):
        raise TimeoutError(f"jobs are unfinished after {WAIT} s")


def post_all(runtime: Runtime, case: Case, items: Sequence[Item]) -> None:
    """Post the items one by one, then wait for all jobs."""
    post_each(runtime, case, items)
    finish(runtime)


def post_many(runtime: Runtime, case: Case, items: Sequence[Item]) -> None:
    """Post the items by one call for each entry, then wait for all jobs."""
    for entry in case.entries:
        runtime.post_many(case.flow.flow_id, entry, "input", items)
    finish(runtime)


def post_from(
    posters: Executor, runtime: Runtime, case: Case, shares: Sequence[Sequence[Item]]
) -> None:
    """Post each share of the items from a thread of its own, wait for all jobs."""
    futures = [posters.submit(post_each, runtime, case, share) for share in shares]
    for future in futures:
        future.result(WAIT)
    finish(runtime)


def round_trips(runtime: Runtime, case: Case, items: Sequence[Item]) -> None:
    """Post the items one by one and wait for each job before the next post."""
    post, flow_id, (entry,) = runtime.post, case.flow.flow_id, case.entries
    for item in items:
        _, job = post(flow_id, entry, "input", item)
        job.wait(WAIT)


def submit_each(executor: Executor, logic: Logic, items: Sequence[Item]) -> None:
    """Have an executor call logic for each item, and wait for each result."""
    submit = executor.submit
    for item in items:
        submit(logic, {"input": [item]}, MESSAGE, None).result()


def submit_all(
    executor: Executor, logics: Sequence[Logic], items: Sequence[Item]
) -> None:
    """Have an executor call logic for each item, then wait for all results."""
    futures = [
        executor.submit(logic, {"input": [item]}, MESSAGE, None)
        for logic in logics
        for item in items
    ]
    for future in futures:
        future.result()
