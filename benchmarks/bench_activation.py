"""Activation: the same posts under compiled policies and under policies in Python."""

from collections.abc import Callable
from typing import Any

import pytest
from driving import Work
from flows import Case, chain, items_of
from pytest_benchmark.fixture import BenchmarkFixture

from routilux import (
    all_slots_ready_policy,
    batch_size_policy,
    custom_policy,
    immediate_policy,
)

pytestmark = pytest.mark.benchmark(group="activation")

counts = pytest.mark.parametrize("count", [10, 1_000, 10_000], ids="count={}".format)


def one_by_one(slots: Any, worker_state: Any) -> tuple[bool, dict[str, Any], Any]:
    """Decide as the immediate policy does, in Python."""
    item = slots["input"].consume_one_new()
    return item is not None, {"input": [item]}, {"reason": "immediate"}


@pytest.fixture
def under(posting: Callable[..., Work]) -> Callable[[Any, int], Work]:
    """Give a function: a policy and a count to the call that posts and waits."""

    def run(policy: Any, count: int) -> Work:
        case = chain(1)
        (routine,) = case.flow.routines.values()
        routine.set_activation_policy(policy)
        return posting(case, items_of(count))

    return run


@counts
def bench_immediate(
    benchmark: BenchmarkFixture, under: Callable[..., Work], count: int
) -> None:
    """A slowdown: the usual way of every item costs more."""
    benchmark(under(immediate_policy(), count))


@counts
def bench_all_slots_ready(
    benchmark: BenchmarkFixture, under: Callable[..., Work], count: int
) -> None:
    """A slowdown: to look whether each slot has an item costs more."""
    benchmark(under(all_slots_ready_policy(), count))


@counts
def bench_batch_size_of_1(
    benchmark: BenchmarkFixture, under: Callable[..., Work], count: int
) -> None:
    """A slowdown: to count for a batch costs more."""
    benchmark(under(batch_size_policy(1), count))


@counts
def bench_custom(
    benchmark: BenchmarkFixture, under: Callable[..., Work], count: int
) -> None:
    """A slowdown: to ask a check in Python costs more; it takes all that is there."""
    policy = custom_policy(lambda slots, worker_state: len(slots["input"]) > 0)
    benchmark(under(policy, count))


@counts
def bench_written_by_users(
    benchmark: BenchmarkFixture, under: Callable[..., Work], count: int
) -> None:
    """A slowdown: the view of the slots, or to take through it, costs more."""
    benchmark(under(one_by_one, count))


@counts
def bench_immediate_baseline(
    benchmark: BenchmarkFixture, baseline: Callable[..., Work], single: Case, count: int
) -> None:
    """A slowdown: the machine or Python got slower, routilux did not."""
    benchmark(baseline(single, items_of(count)))
