"""The graphs on threads of the standard library, one step after the other.

Nothing here knows what a task depends on, so each step waits for the whole step before.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from .kernel import kernels
from .patterns import Pattern
from .system import Prepare, Run, System


@contextmanager
def with_executor(workers: int) -> Iterator[Prepare]:
    """`submit` for each task, then `result` of each task of the step."""
    with ThreadPoolExecutor(workers) as executor:

        @contextmanager
        def prepare(pattern: Pattern, steps: int, size: int) -> Iterator[Run]:
            work = kernels(pattern.width, size)
            widths = [pattern.width_at(step) for step in range(steps)]
            is_free = pattern.name == "trivial"

            def run() -> int:
                count, futures = 0, []
                for width in widths:
                    futures += [executor.submit(work[point]) for point in range(width)]
                    if is_free:
                        continue
                    count += len([future.result() for future in futures])
                    futures.clear()
                return count + len([future.result() for future in futures])

            yield run

        yield prepare


@contextmanager
def with_barrier(workers: int) -> Iterator[Prepare]:
    """A loop on each thread over its share of the points, and a barrier a step.

    This is how it would be written by hand: no tasks at all, and no balance.
    """

    @contextmanager
    def prepare(pattern: Pattern, steps: int, size: int) -> Iterator[Run]:
        work = kernels(pattern.width, size)
        widths = [pattern.width_at(step) for step in range(steps)]
        is_free = pattern.name == "trivial"

        def loop(own: int, barrier: threading.Barrier, done: list[int]) -> None:
            count = 0
            for width in widths:
                for point in range(own, width, workers):
                    work[point]()
                    count += 1
                if not is_free:
                    barrier.wait()
            done.append(count)

        def run() -> int:
            barrier, done = threading.Barrier(workers), []
            threads = [
                threading.Thread(target=loop, args=(own, barrier, done))
                for own in range(workers)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return sum(done)

        yield run

    yield prepare


SYSTEMS = [
    System("threads + barrier", with_barrier, tracks=False),
    System("ThreadPoolExecutor", with_executor, tracks=False),
]
