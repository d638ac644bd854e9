"""Post: one routine, one hop, and what else could call a function elsewhere."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from driving import Work, post_many, round_trips, submit_all, submit_each
from flows import Case, items_of
from pytest_benchmark.fixture import BenchmarkFixture

from routilux import Runtime

pytestmark = pytest.mark.benchmark(group="post")

counts = pytest.mark.parametrize("count", [10, 1_000, 10_000], ids="count={}".format)
few = pytest.mark.parametrize("count", [10, 1_000], ids="count={}".format)


@counts
def bench_post(
    benchmark: BenchmarkFixture, posting: Callable[..., Work], single: Case, count: int
) -> None:
    """A slowdown: every job of every flow costs more to admit, run and settle."""
    benchmark(posting(single, items_of(count)))


@counts
def bench_post_baseline(
    benchmark: BenchmarkFixture, baseline: Callable[..., Work], single: Case, count: int
) -> None:
    """A slowdown: the machine or Python got slower, routilux did not."""
    benchmark(baseline(single, items_of(count)))


@counts
def bench_post_many(
    benchmark: BenchmarkFixture,
    start: Callable[..., Runtime],
    single: Case,
    count: int,
) -> None:
    """A slowdown: to admit, queue or settle jobs in bulk costs more."""
    benchmark(partial(post_many, start(single), single, items_of(count)))
    assert single.is_complete(single.tallies, count)


@few
def bench_post_round_trip(
    benchmark: BenchmarkFixture,
    start: Callable[..., Runtime],
    single: Case,
    count: int,
) -> None:
    """A slowdown: waking a thread for a job, or the waiter at its end, takes longer."""
    benchmark(partial(round_trips, start(single), single, items_of(count)))
    assert single.is_complete(single.tallies, count)


@few
def bench_post_executor_result(
    benchmark: BenchmarkFixture,
    threads: Callable[[int], ThreadPoolExecutor],
    single: Case,
    count: int,
) -> None:
    """A slowdown: `submit().result()`, the twin of the round trip, got slower."""
    logic = single.bare[0].logic
    benchmark(partial(submit_each, threads(2), logic, items_of(count)))


@few
def bench_post_executor_submit(
    benchmark: BenchmarkFixture,
    threads: Callable[[int], ThreadPoolExecutor],
    single: Case,
    count: int,
) -> None:
    """A slowdown: an executor that is fed without waiting got slower."""
    logic = single.bare[0].logic
    benchmark(partial(submit_all, threads(2), [logic], items_of(count)))
