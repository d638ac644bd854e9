"""Fan-in: `all_slots_ready_policy` joins what one routine emitted in parts."""

from collections.abc import Callable

import pytest
from driving import Work
from flows import Case, items_of
from pytest_benchmark.fixture import BenchmarkFixture

ITEMS = 1_000

pytestmark = [
    pytest.mark.benchmark(group="fan-in"),
    pytest.mark.parametrize("width", [2, 10], ids="width={}".format),
]


def bench_fan_in(
    benchmark: BenchmarkFixture, posting: Callable[..., Work], fan_in: Case
) -> None:
    """A slowdown: parking an item that waits for its partners costs more."""
    benchmark(posting(fan_in, items_of(ITEMS)))


def bench_fan_in_baseline(
    benchmark: BenchmarkFixture, baseline: Callable[..., Work], fan_in: Case
) -> None:
    """A slowdown: the machine or Python got slower, routilux did not."""
    benchmark(baseline(fan_in, items_of(ITEMS)))
