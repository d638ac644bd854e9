"""What the benchmarks share: flows that are ready to run, and their twins.

`posting` and `baseline` return the call to time; everything before it is set-up. When a
benchmark is over they check that the runs did the whole job.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from routilux import Runtime

# pytest's importlib mode leaves sys.path alone; `python ratios.py` finds it by itself.
sys.path.insert(0, str(Path(__file__).parent))

import driving
import flows
from driving import Work
from flows import Case, Item


@pytest.fixture
def chain(depth: int) -> Case:
    """Give `depth` routines in a row."""
    return flows.chain(depth)


@pytest.fixture
def fan_out(width: int) -> Case:
    """Give one event that goes to `width` routines."""
    return flows.fan_out(width)


@pytest.fixture
def fan_in(width: int) -> Case:
    """Give `width` events that are joined again."""
    return flows.fan_in(width)


@pytest.fixture
def batches(size: int) -> Case:
    """Give one routine that takes `size` items at a time."""
    return flows.batches(size)


@pytest.fixture
def single() -> Case:
    """Give one routine alone."""
    return flows.chain(1)


@pytest.fixture
def start() -> Iterator[Callable[..., Runtime]]:
    """Give a function that starts a case on a runtime of its own."""
    with ExitStack() as stack:

        def run(case: Case, pool: int = 2, **options: Any) -> Runtime:
            runtime = Runtime(thread_pool_size=pool, **options)
            stack.enter_context(runtime)
            runtime.exec(case.flow)
            return runtime

        yield run


@pytest.fixture
def posting(
    start: Callable[..., Runtime],
) -> Iterator[Callable[[Case, Sequence[Item]], Work]]:
    """Give a function: a case and its items to the call that posts and waits."""
    made: list[tuple[Case, int]] = []

    def run(case: Case, items: Sequence[Item], pool: int = 2) -> Work:
        made.append((case, len(items)))
        return partial(driving.post_all, start(case, pool), case, items)

    yield run
    for case, count in made:
        assert case.is_complete(case.tallies, count)


@pytest.fixture
def baseline() -> Iterator[Callable[[Case, Sequence[Item]], Work]]:
    """Give a function: a case and its items to the plain calls of the case's twin."""
    made: list[tuple[Case, int]] = []

    def run(case: Case, items: Sequence[Item]) -> Work:
        made.append((case, len(items)))
        return partial(case.feed, items)

    yield run
    for case, count in made:
        assert case.is_complete(case.bare, count)


@pytest.fixture
def threads() -> Iterator[Callable[[int], ThreadPoolExecutor]]:
    """Give a function that makes an executor of that many threads, all started."""
    with ExitStack() as stack:

        def run(count: int) -> ThreadPoolExecutor:
            executor = stack.enter_context(ThreadPoolExecutor(count))
            for future in [executor.submit(int) for _ in range(count)]:
                future.result()
            return executor

        yield run
