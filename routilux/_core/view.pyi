"""The window on a worker's queue."""

from datetime import datetime
from typing import Any, NoReturn, final

from routilux._core.job import JobContext
from routilux._core.slot import Slot

@final
class QueueView(Slot):
    def discard(self, item: object, job: JobContext | None = None) -> bool: ...
    def enqueue(
        self, data: Any, emitted_from: str = "", emitted_at: datetime | None = None
    ) -> NoReturn: ...
