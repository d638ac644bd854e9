"""Slot: a queue without a worker, filled and emptied, beside Python's own queues."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from queue import Queue
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from routilux import Slot

pytestmark = [
    pytest.mark.benchmark(group="slot"),
    pytest.mark.parametrize("count", [10, 1_000, 100_000], ids="count={}".format),
]


def fill_and_empty(
    put: Callable[[Any], object], take: Callable[[], Any], items: Sequence[Any]
) -> None:
    """Put all items in, then take all out."""
    for item in items:
        put(item)
    for _ in items:
        take()


def bench_slot(benchmark: BenchmarkFixture, count: int) -> None:
    """A slowdown: the ring that every item of every flow waits in got slower."""
    slot = Slot("input", max_queue_length=count)
    items = range(count)
    benchmark(partial(fill_and_empty, slot.enqueue, slot.consume_one_new, items))
    assert len(slot) == 0 and slot.get_total_count() % count == 0


def bench_slot_deque(benchmark: BenchmarkFixture, count: int) -> None:
    """A slowdown: the machine or Python got slower; a deque bounds nothing."""
    queue: deque[int] = deque()
    benchmark(partial(fill_and_empty, queue.append, queue.popleft, range(count)))


def bench_slot_queue(benchmark: BenchmarkFixture, count: int) -> None:
    """A slowdown: Python's own bounded queue got slower."""
    queue: Queue[int] = Queue(count)
    benchmark(partial(fill_and_empty, queue.put, queue.get, range(count)))
