"""JobEventManager: what happens to jobs, as a stream for each subscriber.

Each subscriber has a queue of its own, bounded, which belongs to the event loop that it
subscribed on; whoever publishes, on any thread, hands the event to that loop. So every
subscriber gets every event, on whatever loop it runs, and what nobody listens to costs
one look into a table.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections import deque
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timezone
from typing import Any

__all__ = ["JobEventManager", "get_event_manager"]

QUEUE_LENGTH = 100


class _Subscriber:
    # Its fields are touched on its loop only, but for the two set at the start.
    def __init__(self, key: str, loop: asyncio.AbstractEventLoop, bound: int) -> None:
        self.key = key
        self.loop = loop
        self.events: deque[dict[str, Any]] = deque(maxlen=bound)
        self.arrived = asyncio.Event()
        self.closed = False
        self.dropped = 0

    def put(self, event: dict[str, Any]) -> None:
        self.dropped += len(self.events) == self.events.maxlen
        self.events.append(event)
        self.arrived.set()

    def close(self) -> None:
        self.closed = True
        self.arrived.set()


class JobEventManager:
    """Streams of events by job (or worker) id.

    Args:
        max_queue_size: Events that wait for a subscriber; the oldest fall out.

    Example:
        >>> manager = get_event_manager()
        >>> subscriber = await manager.subscribe(job.job_id)
        >>> async for event in manager.iter_events(subscriber):
        ...     print(event["type"])
    """

    def __init__(self, max_queue_size: int = QUEUE_LENGTH) -> None:
        self.max_queue_size = max_queue_size
        self._subscribers: dict[str, _Subscriber] = {}
        self._by_key: dict[str, list[_Subscriber]] = {}
        self._numbers = itertools.count(1)
        self._published = 0
        self._lock = threading.Lock()

    async def subscribe(self, job_id: str) -> str:
        """Listen to a job, or a worker, from now on; returns the subscriber's id."""
        loop = asyncio.get_running_loop()
        made = _Subscriber(job_id, loop, self.max_queue_size)
        with self._lock:
            subscriber_id = f"subscriber_{next(self._numbers)}"
            self._subscribers[subscriber_id] = made
            self._by_key.setdefault(job_id, []).append(made)
        return subscriber_id

    async def unsubscribe(self, subscriber_id: str) -> bool:
        """Listen no more; its stream ends. False if the id is unknown."""
        return self._drop(subscriber_id)

    async def publish(self, job_id: str, event: Mapping[str, Any]) -> int:
        """Hand an event to all who listen to a job; returns how many they are."""
        return self.publish_now(job_id, event)

    def publish_now(self, job_id: str, event: Mapping[str, Any]) -> int:
        """Do the same from any thread, with or without an event loop."""
        with self._lock:
            listening = list(self._by_key.get(job_id, ()))
            self._published += 1
        if not listening:
            return 0
        told = {"job_id": job_id, "timestamp": datetime.now(timezone.utc).isoformat()}
        told |= event
        for subscriber in listening:
            self._on_loop(subscriber, subscriber.put, dict(told))
        return len(listening)

    async def iter_events(self, subscriber_id: str) -> AsyncIterator[dict[str, Any]]:
        """Yield the events of a subscriber until it is unsubscribed.

        Raises:
            ValueError: The id is unknown.
        """
        subscriber = self._subscribers.get(subscriber_id)
        if subscriber is None:
            raise ValueError(f"there is no subscriber {subscriber_id!r}")
        while True:
            while subscriber.events:
                yield subscriber.events.popleft()
            if subscriber.closed:
                return
            subscriber.arrived.clear()
            await subscriber.arrived.wait()

    async def cleanup(self, job_id: str) -> int:
        """End the streams of all who listen to a job; returns how many they were."""
        with self._lock:
            found = [i for i, s in self._subscribers.items() if s.key == job_id]
        return sum(self._drop(subscriber_id) for subscriber_id in found)

    async def shutdown(self) -> None:
        """End all streams."""
        for subscriber_id in list(self._subscribers):
            self._drop(subscriber_id)

    def get_subscriber_count(self, job_id: str | None = None) -> int:
        """Return how many listen to a job, or to anything."""
        with self._lock:
            if job_id is None:
                return len(self._subscribers)
            return len(self._by_key.get(job_id, ()))

    def get_status(self) -> dict[str, Any]:
        """Return the numbers of jobs that are listened to, subscribers and events."""
        with self._lock:
            return {
                "jobs": len(self._by_key),
                "subscribers": len(self._subscribers),
                "published": self._published,
                "dropped": sum(s.dropped for s in self._subscribers.values()),
                "max_queue_size": self.max_queue_size,
            }

    def _drop(self, subscriber_id: str) -> bool:
        with self._lock:
            found = self._subscribers.pop(subscriber_id, None)
            if found is None:
                return False
            left = self._by_key[found.key]
            left.remove(found)
            if not left:
                del self._by_key[found.key]
        self._on_loop(found, found.close)
        return True

    def _on_loop(self, subscriber: _Subscriber, function: Any, *args: Any) -> None:
        # If its loop closed, nobody listens any more.
        with contextlib.suppress(RuntimeError):
            subscriber.loop.call_soon_threadsafe(function, *args)


_manager = JobEventManager()


def get_event_manager() -> JobEventManager:
    """Return the manager that the process shares."""
    return _manager
