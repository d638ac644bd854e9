"""Companions: what lives as long as a runtime does, with threads or hooks of its own.

A live page, a dump on a signal, spans: each is stopped when the machine of its runtime
closes, on whatever thread that happens, and joined by whoever waits for the shutdown.
"""

from __future__ import annotations

import threading
from typing import Protocol

__all__ = ["Companion", "Companions"]


class Companion(Protocol):
    """What ends with a runtime."""

    def stop(self) -> None:
        """End soon, without waiting; called once or more, on any thread."""

    def join(self) -> None:
        """Wait for its threads, unless the caller is one of them."""


class Companions:
    """The companions of one runtime.

    Thread-safety: `_lock` protects the list; it is not held while one is stopped.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._found: list[Companion] = []

    def add(self, companion: Companion) -> None:
        """Have one end with the runtime; at once if that has ended."""
        with self._lock:
            late = self._stopped
            self._found.append(companion)
        if late:
            companion.stop()

    def stop(self) -> None:
        """Stop all of them."""
        with self._lock:
            self._stopped = True
            found = list(self._found)
        for companion in found:
            companion.stop()

    def join(self) -> None:
        """Wait for all of them, and forget them."""
        with self._lock:
            found, self._found = self._found, []
        for companion in found:
            companion.join()
