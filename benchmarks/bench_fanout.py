"""Fan-out: one event to many slots, beside a loop of plain calls."""

from collections.abc import Callable

import pytest
from driving import Work
from flows import Case, items_of
from pytest_benchmark.fixture import BenchmarkFixture

ITEMS = 1_000

pytestmark = [
    pytest.mark.benchmark(group="fan-out"),
    pytest.mark.parametrize("width", [1, 10, 100], ids="width={}".format),
]


def bench_fan_out(
    benchmark: BenchmarkFixture, posting: Callable[..., Work], fan_out: Case
) -> None:
    """A slowdown: delivering one item to a further slot costs more."""
    benchmark(posting(fan_out, items_of(ITEMS)))


def bench_fan_out_baseline(
    benchmark: BenchmarkFixture, baseline: Callable[..., Work], fan_out: Case
) -> None:
    """A slowdown: the machine or Python got slower, routilux did not."""
    benchmark(baseline(fan_out, items_of(ITEMS)))
