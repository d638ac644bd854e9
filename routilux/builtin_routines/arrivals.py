"""When the items of a slot came, for policies that wait for the oldest so long.

A policy is asked now and then; between two times items may have come, been taken, or
gone with a job that was cancelled. So what it remembers is counted against what waits
now, and an empty slot remembers nothing.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routilux.routine import Slot

__all__ = ["Arrivals"]


class Arrivals:
    """When the waiting items of one slot of one worker were first seen, seconds."""

    def __init__(self) -> None:
        self.seen = 0
        self.times: deque[float] = deque()

    def note(self, slot: Slot, now: float) -> float | None:
        """Take note of what came; return when the oldest item did."""
        total, waiting = slot.get_total_count(), slot.get_unconsumed_count()
        self.times.extend([now] * min(total - self.seen, waiting))
        self.seen = total
        while len(self.times) > waiting:
            self.times.popleft()
        return self.times[0] if self.times else None
