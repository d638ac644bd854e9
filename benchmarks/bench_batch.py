"""Batch: `batch_size_policy` takes posted items many at a time, beside a plain list."""

from collections.abc import Callable

import pytest
from driving import Work
from flows import Case, items_of
from pytest_benchmark.fixture import BenchmarkFixture

ITEMS = 10_000

pytestmark = [
    pytest.mark.benchmark(group="batch"),
    pytest.mark.parametrize("size", [100, 1_000], ids="size={}".format),
]


def bench_batch(
    benchmark: BenchmarkFixture, posting: Callable[..., Work], batches: Case
) -> None:
    """A slowdown: to park, take or settle many jobs for one activation costs more."""
    benchmark(posting(batches, items_of(ITEMS)))


def bench_batch_baseline(
    benchmark: BenchmarkFixture, baseline: Callable[..., Work], batches: Case
) -> None:
    """A slowdown: the machine or Python got slower, routilux did not."""
    benchmark(baseline(batches, items_of(ITEMS)))
