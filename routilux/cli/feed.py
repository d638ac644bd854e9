"""Feed: items into a flow as they come, and their jobs, in order, when they are done.

A thread of its own reads and posts, so that what is slow to come holds back nothing
that is here, and what hangs in the flow does not keep the command from ending. While
input may still come, nothing waits for a job by name: such a wait would flush partial
batches. It does when the input has ended, or when too many jobs are on their way.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from queue import Empty, SimpleQueue

from routilux._core import JobContext

__all__ = ["finished_jobs"]


class Reader:
    """Posts items, as many as there are places for, and tells of each.

    Args:
        post: Posts an item.
        items: The items; their iterator may block, and raise.
        in_flight: Places.
    """

    def __init__(
        self,
        post: Callable[[object], JobContext],
        items: Iterable[object],
        in_flight: int,
    ) -> None:
        self.news: SimpleQueue[JobContext | None] = SimpleQueue()  # None: look again
        self.places = threading.Semaphore(in_flight)
        self.ended = False
        self.error: Exception | None = None
        self._post = post
        self._items = items
        self._stopped = False
        # A daemon, since nothing can wake it out of a read.
        name = "routilux input"
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        try:
            for item in self._items:
                self.places.acquire()
                if self._stopped:
                    return
                job = self._post(item)
                self.news.put(job)
                job.add_done_callback(lambda _: self.news.put(None))
        except Exception as error:
            if not self._stopped:  # else the runtime is shut down, and says so
                self.error = error
        finally:
            self.ended = True
            self.news.put(None)

    def stop(self) -> None:
        """Let the thread end as soon as it can."""
        self._stopped = True
        self.places.release()


def finished_jobs(
    post: Callable[[object], JobContext],
    items: Iterable[object],
    in_flight: int,
    timeout: float | None,
) -> Generator[JobContext, None, None]:
    """Yield the jobs of items, in order, each when it is done.

    Args:
        post: Posts an item.
        items: The items.
        in_flight: How many jobs may be on their way, done and not yet yielded included.
        timeout: Seconds for all of it; None: no limit.

    Raises:
        TimeoutError: The time is over.
        Exception: What the iterator of the items raised, or the post of one, after the
            jobs of those before.
    """
    end = None if timeout is None else time.monotonic() + timeout
    window: deque[JobContext] = deque()
    reader = Reader(post, items, in_flight)
    reader.thread.start()
    try:
        while True:
            while window and window[0].done():
                yield window.popleft()
                reader.places.release()
            left = None if end is None else max(0.0, end - time.monotonic())
            ended = reader.ended and reader.news.empty()
            if ended and not window:
                break
            if ended or len(window) >= in_flight:
                if not window[0].wait(left):
                    raise TimeoutError
            else:
                try:
                    job = reader.news.get(timeout=left)
                except Empty:
                    raise TimeoutError from None
                if job is not None:
                    window.append(job)
    finally:
        reader.stop()
    if reader.error is not None:
        raise reader.error
