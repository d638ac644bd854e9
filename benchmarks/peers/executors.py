"""Peers that make a task of each call: an executor, Dask's scheduler of threads."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from .peer import Count, Feed, Item, Peer, step

WORKERS = 2


@contextmanager
def with_executor(depth: int) -> Iterator[Feed]:
    """Each stage submits the next one; who ends the last item rings."""
    with ThreadPoolExecutor(WORKERS) as executor:

        def feed(items: Sequence[Item]) -> int:
            count, lock, done = Count(), threading.Lock(), threading.Event()

            def run(index: int, item: Item) -> None:
                if index < depth - 1:
                    executor.submit(run, index + 1, step(item))
                    return
                with lock:
                    count(item)
                    if count.seen == len(items):
                        done.set()

            for item in items:
                executor.submit(run, 0, item)
            done.wait()
            return count.seen

        yield feed


@contextmanager
def with_dask(depth: int) -> Iterator[Feed]:
    """`dask.delayed` calls in a row for each item, computed together."""
    import dask

    stage = dask.delayed(step, pure=False)

    def feed(items: Sequence[Item]) -> int:
        ends = []
        for item in items:
            result = stage(item)
            for _ in range(depth - 1):
                result = stage(result)
            ends.append(result)
        # The optimizer would make one task of each chain, and no hop would be left.
        results = dask.compute(
            *ends, scheduler="threads", num_workers=WORKERS, optimize_graph=False
        )
        return len(results)

    yield feed


PEERS = [
    Peer(
        "ThreadPoolExecutor.submit",
        with_executor,
        items=400,
        gives="threads, result and error of each call",
    ),
    Peer(
        "Dask, threads",
        with_dask,
        "dask",
        100,
        "threads, dependencies, result of each item",
    ),
]
