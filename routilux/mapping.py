"""Results in order: `Runtime.map` and `Runtime.map_async`.

Both post the items of an iterable to the entry of a flow and yield the results of the
jobs in the order of the items, with a bounded number of jobs on their way. They end
what they began: when the caller stops early, or a job fails, the other jobs that are
still on their way are cancelled.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from routilux._core import JobContext
from routilux.arguments import check_seconds, check_type, iterate
from routilux.errors import JobCancelledError, JobFailedError
from routilux.flow import Flow

if TYPE_CHECKING:
    import asyncio

    from routilux.runtime import Runtime

__all__ = ["Errors", "Progress", "find_entry", "map_async", "map_items"]

Errors: TypeAlias = Literal["raise", "return", "skip"]
Progress: TypeAlias = Callable[[int, int | None], object]

CHUNK = 256  # items that are posted at once at most
PATIENCE = 0.001  # seconds for which a slow iterable may hold back a chunk

SKIPPED = object()


@dataclass(frozen=True)
class Order:
    """What the two maps are asked for, checked; see `Runtime.map`."""

    runtime: Runtime
    flow: Flow
    routine_id: str
    slot: str
    worker_id: str | None
    in_flight: int
    errors: Errors
    progress: Progress | None
    timeout: float | None
    total: int | None

    def report(self, done: int) -> None:
        """Tell the progress callback how many items are done."""
        if self.progress is not None:
            self.progress(done, self.total)

    def replace(self, error: Exception) -> Any:
        """Return what stands for a job without a result, or raise."""
        if self.errors == "raise":
            raise error
        return error if self.errors == "return" else SKIPPED


def make_order(
    runtime: Runtime,
    flow: str | Flow,
    items: object,
    *,
    routine_id: str | None,
    slot: str | None,
    worker_id: str | None,
    in_flight: int | None,
    errors: Errors,
    progress: Progress | None,
    timeout: float | None,
) -> Order:
    """Check what a map is asked for, and start a worker if the flow has none."""
    if errors not in ("raise", "return", "skip"):
        raise ValueError(f"errors must be 'raise', 'return' or 'skip', not {errors!r}")
    if in_flight is None:
        in_flight = runtime.max_queue_size
    if isinstance(in_flight, bool) or not isinstance(in_flight, int):
        raise TypeError(f"in_flight must be an int, not {in_flight!r}")
    if in_flight < 1:
        raise ValueError(f"in_flight must be at least 1, not {in_flight!r}")
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be callable, not {progress!r}")
    if timeout is not None:
        timeout = check_seconds("timeout", timeout)
    found = runtime._find_flow(flow)
    routine_id, slot = find_entry(found, routine_id, slot)
    workers = runtime.core.all_workers()
    if worker_id is None and all(w.flow is not found for w in workers):
        runtime.exec(found)
    try:
        total = len(items)  # type: ignore[arg-type]
    except TypeError:
        total = None
    return Order(
        runtime=runtime,
        flow=found,
        routine_id=routine_id,
        slot=slot,
        worker_id=worker_id,
        in_flight=in_flight,
        errors=errors,
        progress=progress,
        timeout=timeout,
        total=total,
    )


def find_entry(flow: Flow, routine_id: str | None, slot: str | None) -> tuple[str, str]:
    """Return the routine and the slot that items of a flow go into.

    It is the only slot that no event is connected to; if there are several, the one
    that is called "trigger".

    Args:
        flow: The flow.
        routine_id: Only look at this routine.
        slot: Only look at slots of this name.

    Raises:
        ValueError: If there is none, or more than one; the message lists them.
    """
    check_type("flow", flow, Flow)
    fed = {(c.target_routine_id, c.target_slot_name) for c in flow.connections}
    every = [(r, s) for r, routine in flow.routines.items() for s in routine.slots]
    free = [
        (r, s)
        for r, s in every
        if routine_id in (None, r)
        and slot in (None, s)
        and ((r, s) not in fed or (routine_id is not None and slot is not None))
    ]
    if len(free) > 1:
        free = [pair for pair in free if pair[1] == "trigger"] or free
    if len(free) == 1:
        return free[0]
    names = ", ".join(f"{r}.{s}" for r, s in (free or every)) or "no slot at all"
    what = "more than one slot" if free else "no slot"
    raise ValueError(
        f"Flow {flow.flow_id!r} has {what} that items could enter by: give routine_id"
        f" and slot; it has {names}"
    )


# --- on a thread


def map_items(
    runtime: Runtime, flow: str | Flow, items: Iterable[Any], **options: Any
) -> Generator[Any, None, None]:
    """Check the arguments and begin; see `Runtime.map`."""
    runtime.core.check_outside("map()")
    source = iterate("items", items)
    return results(make_order(runtime, flow, items, **options), source)


def results(order: Order, source: Iterator[Any]) -> Generator[Any, None, None]:
    """Yield the results of the items of an iterator, in order."""
    window: deque[JobContext] = deque()
    feed = Feed(order, source)
    done = 0
    try:
        while True:
            feed.fill(window)
            if not window:
                break
            try:
                value = window[0].result(order.timeout)
            except (JobFailedError, JobCancelledError) as error:
                value = order.replace(error)
            window.popleft()
            done += 1
            order.report(done)
            if value is not SKIPPED:
                yield value
        if feed.error is not None:
            raise feed.error
    finally:
        cancel(window)


class Feed:
    """Posts the items of an iterator in chunks.

    Args:
        order: Where to.
        source: The items.
    """

    def __init__(self, order: Order, source: Iterator[Any]) -> None:
        self.order = order
        self.source = source
        self.error: Exception | None = None  # of the iterator: raised at its turn
        self.ended = False
        self.slow = False  # the last chunk was short because items came slowly

    def fill(self, window: deque[JobContext]) -> None:
        """Post items until enough are on their way, or a result can be had."""
        order = self.order
        while not self.ended and len(window) < order.in_flight:
            # What is ready goes first, unless the flow would run dry meanwhile.
            enough = self.slow or len(window) > order.in_flight // 2
            if enough and window and window[0].done():
                return
            chunk = self.take(min(CHUNK, order.in_flight - len(window)))
            if chunk:
                window.extend(
                    order.runtime.post_many(
                        order.flow,
                        order.routine_id,
                        order.slot,
                        chunk,
                        order.worker_id,
                    )
                )

    def take(self, count: int) -> list[Any]:
        """Return some of the next items, at most so many."""
        chunk: list[Any] = []
        end = time.monotonic() + PATIENCE
        self.slow = False
        try:
            for item in self.source:
                chunk.append(item)
                if len(chunk) == count:
                    return chunk
                if time.monotonic() > end:
                    self.slow = True
                    return chunk
        except Exception as error:
            self.error = error
        self.ended = True
        return chunk


def cancel(jobs: Iterable[JobContext]) -> None:
    """Cancel jobs that nobody wants the results of any more."""
    for job in jobs:
        job.cancel()


# --- on an event loop


def map_async(
    runtime: Runtime,
    flow: str | Flow,
    items: Iterable[Any] | AsyncIterable[Any],
    **options: Any,
) -> AsyncGenerator[Any, None]:
    """Check the arguments and begin; see `Runtime.map_async`."""
    if isinstance(items, AsyncIterable):
        source = items
    else:
        source = turn_async(iterate("items", items))
    return results_async(make_order(runtime, flow, items, **options), source)


async def turn_async(items: Iterator[Any]) -> AsyncGenerator[Any, None]:
    """Give an iterator the form of an asynchronous one."""
    for item in items:
        yield item


async def results_async(
    order: Order, source: AsyncIterable[Any]
) -> AsyncGenerator[Any, None]:
    """Yield the results of the items of an asynchronous iterator, in order."""
    import asyncio

    window: deque[JobContext] = deque()
    places = asyncio.Semaphore(order.in_flight)
    news = asyncio.Event()
    feeder = asyncio.create_task(feed_async(order, source, window, places, news))
    feeder.add_done_callback(lambda _: news.set())
    done = 0
    try:
        while True:
            while not window and not feeder.done():
                news.clear()
                await news.wait()
            if not window:
                break
            try:
                value = await asyncio.wait_for(window[0], order.timeout)
            except (JobFailedError, JobCancelledError) as error:
                value = order.replace(error)
            window.popleft()
            places.release()
            done += 1
            order.report(done)
            if value is not SKIPPED:
                yield value
        await feeder  # raises what the iterator raised
    finally:
        feeder.cancel()
        await asyncio.wait([feeder])
        if not feeder.cancelled():
            feeder.exception()  # it was raised above, or nobody asks any more
        cancel(window)


async def feed_async(
    order: Order,
    source: AsyncIterable[Any],
    window: deque[JobContext],
    places: asyncio.Semaphore,
    news: asyncio.Event,
) -> None:
    """Post the items, as many as there are places for."""
    await places.acquire()
    async for item in source:
        _, job = await order.runtime.post_async(
            order.flow, order.routine_id, order.slot, item, order.worker_id
        )
        window.append(job)
        news.set()
        await places.acquire()
