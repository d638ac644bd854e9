"""Peers with a queue between two stages and a thread or task for each stage."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from queue import Queue, SimpleQueue
from typing import Any

from .peer import BOUND, Count, Feed, Item, Peer, step

END = None


@contextmanager
def with_threads(make: Callable[[], Any], depth: int) -> Iterator[Feed]:
    """A thread for each stage; a mark behind the items comes out at the end."""
    queues = [make() for _ in range(depth)]
    results: SimpleQueue[int] = SimpleQueue()

    def stage(source: Any, target: Any) -> None:
        while (item := source.get()) is not END:
            target.put(step(item) if item else item)
        target.put(END)

    def last(source: Any) -> None:
        seen = 0
        while (item := source.get()) is not END:
            if item:
                seen += 1
            else:
                results.put(seen)
                seen = 0

    threads = [threading.Thread(target=stage, args=pair) for pair in pairwise(queues)]
    threads.append(threading.Thread(target=last, args=(queues[-1],)))
    for thread in threads:
        thread.start()

    def feed(items: Sequence[Item]) -> int:
        for item in items:
            queues[0].put(item)
        queues[0].put({})
        return results.get()

    try:
        yield feed
    finally:
        queues[0].put(END)
        for thread in threads:
            thread.join()


@contextmanager
def with_asyncio(depth: int) -> Iterator[Feed]:
    """A task for each stage on one event loop."""
    loop = asyncio.new_event_loop()

    async def stage(source: asyncio.Queue[Any], target: asyncio.Queue[Any]) -> None:
        while (item := await source.get()) is not END:
            await target.put(step(item))
        await target.put(END)

    async def last(source: asyncio.Queue[Any]) -> int:
        count = Count()
        while (item := await source.get()) is not END:
            count(item)
        return count.seen

    async def run(items: Sequence[Item]) -> int:
        queues: list[asyncio.Queue[Any]] = [asyncio.Queue(BOUND) for _ in range(depth)]
        tasks = [asyncio.create_task(stage(*pair)) for pair in pairwise(queues)]
        end = asyncio.create_task(last(queues[-1]))
        for item in items:
            await queues[0].put(item)
        await queues[0].put(END)
        await asyncio.gather(*tasks)
        return await end

    try:
        yield lambda items: loop.run_until_complete(run(items))
    finally:
        loop.close()


@contextmanager
def with_pypeln(depth: int) -> Iterator[Feed]:
    """Stages of one thread each; pypeln starts them for each run."""
    import pypeln

    def feed(items: Sequence[Item]) -> int:
        stages: Any = items
        for _ in range(depth - 1):
            stages = pypeln.thread.map(step, stages, workers=1, maxsize=BOUND)
        count = Count()
        for item in stages:
            count(item)
        return count.seen

    yield feed


PEERS = [
    Peer(
        "SimpleQueue, a thread a stage",
        partial(with_threads, SimpleQueue),
        items=4_000,
        gives="threads",
    ),
    Peer(
        "queue.Queue(1000), a thread a stage",
        partial(with_threads, partial(Queue, BOUND)),
        items=2_000,
        gives="threads, bounds",
    ),
    Peer(
        "asyncio.Queue(1000), a task a stage",
        with_asyncio,
        items=2_000,
        gives="bounds",
    ),
    Peer("pypeln, threads", with_pypeln, "pypeln", 1_000, "threads, bounds"),
]
