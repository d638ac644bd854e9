"""Typed slots: blocks of numbers through a chain of ufuncs, beside the plain loop."""

from collections.abc import Iterator

import numpy as np
import pytest
from blocks import BlockChain, Halves
from pytest_benchmark.fixture import BenchmarkFixture

from routilux import Runtime

pytestmark = pytest.mark.benchmark(group="typed")
SIZES = pytest.mark.parametrize("size", [64, 4_096, 65_536], ids="size={}".format)


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    """Give a runtime of two threads; what is parked is cancelled at the end."""
    with Runtime(thread_pool_size=2) as started:
        yield started
        started.shutdown(cancel_pending=True)


@SIZES
def bench_typed_chain(benchmark: BenchmarkFixture, runtime: Runtime, size: int) -> None:
    """A slowdown: to hand a block over, or to cut it out, costs more."""
    case = BlockChain(np.sqrt, size)
    worker = runtime.exec(case.flow)
    benchmark(case.post, runtime)
    case.check(worker)


@SIZES
def bench_typed_chain_baseline(benchmark: BenchmarkFixture, size: int) -> None:
    """A slowdown: the machine or numpy got slower, routilux did not."""
    benchmark(BlockChain(np.sqrt, size).loop)


def bench_typed_join(benchmark: BenchmarkFixture, runtime: Runtime) -> None:
    """A slowdown: a batch that cuts across two blocks costs more."""
    benchmark(Halves(runtime).join)


def bench_typed_join_baseline(benchmark: BenchmarkFixture, runtime: Runtime) -> None:
    """A slowdown: the machine copies slower, routilux does not."""
    benchmark(Halves(runtime).concatenate)
