"""Chain: one job through routines in a row, beside the same logic as nested calls."""

from collections.abc import Callable

import pytest
from driving import Work
from flows import Case, items_of
from pytest_benchmark.fixture import BenchmarkFixture

ITEMS = 1_000

pytestmark = [
    pytest.mark.benchmark(group="chain"),
    pytest.mark.parametrize("depth", [1, 10, 100], ids="depth={}".format),
]


def bench_chain(
    benchmark: BenchmarkFixture, posting: Callable[..., Work], chain: Case
) -> None:
    """A slowdown: every hop costs more; if only at depth 1, every post does."""
    benchmark(posting(chain, items_of(ITEMS)))


def bench_chain_baseline(
    benchmark: BenchmarkFixture, baseline: Callable[..., Work], chain: Case
) -> None:
    """A slowdown: the machine or Python got slower, routilux did not."""
    benchmark(baseline(chain, items_of(ITEMS)))
