"""Topics of `ratios.py`: flows that fork, join, batch, and pipelines of functions."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import driving
import flows
import machine
from peers.dataflows import MANY, bytewax_feed
from peers.peer import step
from rows import Row, Skipped, check, each, interleave, ratio, running

import routilux
from routilux import Flow, Runtime

WIDTH = 10
BATCH = 100
STAGES = 10
ITEMS = 2_000
MANY_ITEMS = 20_000


def fan_out(rounds: int) -> Iterator[Row]:
    """One event to ten slots, beside a loop of calls."""
    yield beside(rounds, flows.fan_out(WIDTH), "fan-out to 10 / a loop of calls")


def fan_in(rounds: int) -> Iterator[Row]:
    """Ten parts joined by a policy, beside one call with all parts."""
    yield beside(rounds, flows.fan_in(WIDTH), "fan-in of 10 / one call with all parts")


def batching(rounds: int) -> Iterator[Row]:
    """Jobs taken a hundred at a time, beside a list that is handed over when full."""
    yield beside(rounds, flows.batches(BATCH), "batches of 100 / a list of 100")


def beside(rounds: int, case: flows.Case, what: str) -> Row:
    """Compare a case with its twin, an item a job."""
    items = flows.items_of(ITEMS)
    with running(case) as runtime:
        ours, calls = interleave(
            rounds,
            partial(driving.post_all, runtime, case, items),
            partial(case.feed, items),
        )
    check([case], ITEMS)
    note = f"{each(ours, ITEMS)} / {each(calls, ITEMS)} a job"
    return ratio(what, ours, calls, "", note)


def functions(rounds: int) -> Iterator[Row | Skipped]:
    """A pipeline of ten functions, beside nested calls and beside Bytewax."""
    against = f"pipeline of 10 functions, post_many / Bytewax, batches of {MANY:,}"
    stages = [step] * STAGES
    flow = pipeline_of(stages)
    if flow is None:
        yield Skipped(against, "this routilux has no pipeline()")
        return
    items = flows.items_of(MANY_ITEMS)
    has_bytewax = machine.installed("bytewax") is not None
    with Runtime(thread_pool_size=2) as runtime:
        runtime.exec(flow)
        ours, calls, *theirs = interleave(
            rounds,
            partial(through_pipeline, runtime, flow, items),
            partial(nested, items),
            *([partial(bytewax_feed(stages, MANY), items)] if has_bytewax else []),
        )
    hops = MANY_ITEMS * STAGES
    note = f"{each(ours, hops)} / {each(calls, hops)} a function"
    what = "pipeline of 10 functions, post_many / a loop of calls"
    yield ratio(what, ours, calls, "", note)
    if not theirs:
        yield Skipped(against, "bytewax is not installed")
        return
    note = f"{each(ours, hops)} / {each(theirs[0], hops)} a function"
    yield ratio(against, ours, theirs[0], "<= 1.0", note)


def pipeline_of(stages: Sequence[Callable[[Any], Any]]) -> Flow | None:
    """Return a flow of functions; None if this routilux can't make one."""
    make = getattr(routilux, "pipeline", None)
    return make(*stages) if make else None


def through_pipeline(runtime: Runtime, flow: Flow, items: Sequence[flows.Item]) -> None:
    """Post all items by one call, and look at the result of the last job."""
    entry, routine = next(iter(flow.routines.items()))
    jobs = runtime.post_many(flow.flow_id, entry, next(iter(routine.slots)), items)
    driving.finish(runtime)
    if jobs[-1].result(driving.WAIT) != {"value": items[-1]["value"] + STAGES}:
        raise RuntimeError("the last item was not passed through all functions")


def nested(items: Sequence[flows.Item]) -> None:
    """Call ten functions in a row for each item and keep the result."""
    results = []
    for item in items:
        for _ in range(STAGES):
            item = step(item)
        results.append(item)
