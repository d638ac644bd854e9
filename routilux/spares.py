"""Spares: threads that take the place of those which logic that was given up holds.

Made by the machine, started by the driver on the keeper's thread, joined by whoever
shuts down. It knows nothing of the machine, since the core holds it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Spares"]


class Spares:
    """The spare threads of one runtime.

    Thread-safety: `_lock` protects the list; it is not held while one is joined.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def start(self, pump: Callable[[], None]) -> None:
        """Run a pump on a thread of its own."""
        thread = threading.Thread(target=pump, name="routilux-spare", daemon=True)
        thread.start()
        with self._lock:
            self._threads = [other for other in self._threads if other.is_alive()]
            self._threads.append(thread)

    def join(self) -> None:
        """Wait until all of them ended."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join()
