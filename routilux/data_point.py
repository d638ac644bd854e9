"""SlotDataPoint: one queued item, with when and whence it came.

Made by `Slot.peek_points` when somebody asks; queues themselves hold bare items. In a
module of its own, because dataclasses take longer to import than most programs want.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["SlotDataPoint"]


@dataclass
class SlotDataPoint:
    """An item of a slot's queue.

    Attributes:
        data: The item itself, by reference.
        emitted_at: When it was emitted or posted; None: not kept.
        enqueued_at: When it entered the slot, None: not kept.
        consumed_at: None: what was consumed is not queued any more.
        emitted_from: Id of the routine that emitted it, "" for a post.
    """

    data: Any
    emitted_at: datetime | None = None
    enqueued_at: datetime | None = None
    consumed_at: datetime | None = None
    emitted_from: str = ""
