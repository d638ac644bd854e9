"""Pipeline: items through plain functions, a job each, beside a loop of calls."""

from collections.abc import Iterator
from functools import partial

import pytest
from flows import items_of
from peers.peer import step
from pytest_benchmark.fixture import BenchmarkFixture
from shapes import STAGES, nested, through_pipeline

from routilux import Flow, Runtime, pipeline

pytestmark = [
    pytest.mark.benchmark(group="pipeline"),
    pytest.mark.parametrize("count", [10, 1_000, 10_000], ids="count={}".format),
]


@pytest.fixture
def piped() -> Iterator[tuple[Runtime, Flow]]:
    """Give a runtime that runs a pipeline of ten functions."""
    flow = pipeline(*[step] * STAGES)
    with Runtime(thread_pool_size=2) as runtime:
        runtime.exec(flow)
        yield runtime, flow


def bench_pipeline(
    benchmark: BenchmarkFixture, piped: tuple[Runtime, Flow], count: int
) -> None:
    """A slowdown: to call a function and pass on what it returns costs more."""
    benchmark(partial(through_pipeline, *piped, items_of(count)))


def bench_pipeline_baseline(benchmark: BenchmarkFixture, count: int) -> None:
    """A slowdown: the machine or Python got slower, routilux did not."""
    benchmark(partial(nested, items_of(count)))
