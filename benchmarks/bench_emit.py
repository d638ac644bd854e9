"""Emit: many emits of one activation, to nobody and to one slot, beside dicts."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from flows import Case, Item, Stage, Tally, call_each, routine_of
from pytest_benchmark.fixture import BenchmarkFixture

from routilux import Flow

pytestmark = [
    pytest.mark.benchmark(group="emit"),
    pytest.mark.parametrize("emits", [10, 1_000, 10_000], ids="emits={}".format),
]


class Burst(Stage):
    """Emit as often as the item says."""

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        (item,) = slot_data["input"]
        emit = self.emit
        for value in range(item["value"]):
            emit("output", value=value)


def burst(is_connected: bool) -> Case:
    """One routine that emits in bursts, perhaps to another one."""
    tally, bare = Tally(), Tally()
    flow = Flow()
    flow.add_routine(Burst(), "burst")
    flow.add_routine(routine_of(tally.logic), "end")
    if is_connected:
        flow.connect("burst", "output", "end", "input")
    return Case(flow, ["burst"], partial(call_each, [bare.logic]), [tally], [bare])


def make(logic: Callable[..., object], items: Sequence[Item]) -> None:
    """Call logic with a new dict for each emit."""
    for item in items:
        for value in range(item["value"]):
            logic({"input": [{"value": value}]}, None, None)


def bench_emit(
    benchmark: BenchmarkFixture, start: Callable[..., Any], emits: int
) -> None:
    """A slowdown: checking, delivering or running what is emitted costs more."""
    case = burst(is_connected=True)
    runtime = start(case)
    benchmark(partial(post_one, runtime, case, emits))
    assert case.tallies[0].seen % emits == 0


def bench_emit_to_nobody(
    benchmark: BenchmarkFixture, start: Callable[..., Any], emits: int
) -> None:
    """A slowdown: the call of `emit` itself costs more."""
    case = burst(is_connected=False)
    benchmark(partial(post_one, start(case), case, emits))


def bench_emit_baseline(benchmark: BenchmarkFixture, emits: int) -> None:
    """A slowdown: the machine or Python got slower, routilux did not."""
    benchmark(partial(make, Tally().logic, [{"value": emits}]))


def post_one(runtime: Any, case: Case, emits: int) -> None:
    """Post one item and wait for its job."""
    _, job = runtime.post(case.flow.flow_id, "burst", "input", {"value": emits})
    job.wait(60.0)
