"""The window on a worker's queue."""

from datetime import datetime
from typing import Any, NoReturn, final

from routilux._core.slot import Slot

@final
class QueueView(Slot):
    def discard(self, item: object) -> bool: ...
    def enqueue(
        self, data: Any, emitted_from: str = "", emitted_at: datetime | None = None
    ) -> NoReturn: ...
