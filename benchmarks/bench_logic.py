"""Logic: the ways to be called, each for the same posts, beside plain calls."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from driving import Work
from flows import Case, Tally, call_each, items_of, routine_of
from pytest_benchmark.fixture import BenchmarkFixture

from routilux import Flow, get_current_job

ITEMS = 1_000

pytestmark = pytest.mark.benchmark(group="logic")


def documented(tally: Tally) -> Callable[..., object]:
    """The style of the document: a dict of lists."""
    return tally.logic


def positional(tally: Tally) -> Callable[..., object]:
    """The other published style: a list for each slot."""

    def logic(items: Any, *, policy_message: Any, worker_state: Any) -> None:
        tally.seen += len(items)

    return logic


def asking(tally: Tally) -> Callable[..., object]:
    """The documented style, with a look at the job."""

    def logic(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        tally.seen += get_current_job() is not None

    return logic


def awaited(tally: Tally) -> Callable[..., object]:
    """A coroutine, on the runtime's event loop."""

    async def logic(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        tally.seen += len(slot_data["input"])

    return logic


@pytest.fixture
def calling(posting: Callable[..., Work]) -> Callable[..., Work]:
    """Give a function: a style to the call that posts and waits."""

    def run(style: Callable[[Tally], Callable[..., object]]) -> Work:
        tally = Tally()
        flow = Flow()
        flow.add_routine(routine_of(style(tally)), "0")
        case = Case(flow, ["0"], partial(call_each, []), [tally], [])
        return posting(case, items_of(ITEMS))

    return run


def bench_documented(benchmark: BenchmarkFixture, calling: Callable[..., Work]) -> None:
    """A slowdown: building `slot_data` or calling logic costs more."""
    benchmark(calling(documented))


def bench_positional(benchmark: BenchmarkFixture, calling: Callable[..., Work]) -> None:
    """A slowdown of this one only: building the lists and keywords costs more."""
    benchmark(calling(positional))


def bench_asking(benchmark: BenchmarkFixture, calling: Callable[..., Work]) -> None:
    """A slowdown of this one only: to show a job to the user costs more."""
    benchmark(calling(asking))


def bench_awaited(benchmark: BenchmarkFixture, calling: Callable[..., Work]) -> None:
    """A slowdown of this one only: the way to the event loop and back is longer."""
    benchmark(calling(awaited))


def bench_documented_baseline(
    benchmark: BenchmarkFixture, baseline: Callable[..., Work], single: Case
) -> None:
    """A slowdown: the machine or Python got slower, routilux did not."""
    benchmark(baseline(single, items_of(ITEMS)))
