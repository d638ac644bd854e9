"""The history of a worker: what error handlers let pass, what failed, what you note.

Each `WorkerState` has one. Any thread may append and read; a lock protects the entries
and is held for single operations only. Entries that fall out die after it was let go,
since their data is the user's.
"""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime, timezone
from typing import Any, NamedTuple

__all__ = ["ExecutionRecord", "History"]

LEAST = 10


def now() -> datetime:
    return datetime.now(timezone.utc)


class _Record(NamedTuple):
    routine_id: str
    event_name: str
    data: dict[str, Any]
    timestamp: datetime


class ExecutionRecord(_Record):
    """One entry of a worker's history.

    Args:
        routine_id: The routine that it is about.
        event_name: What happened, in a word.
        data: Facts worth keeping.
        timestamp: When it happened, a datetime or its ISO text; now if None.

    Attributes:
        routine_id: The routine that it is about.
        event_name: What happened, in a word.
        data: Facts worth keeping.
        timestamp: When it was written, UTC.
    """

    __slots__ = ()

    def __new__(
        cls,
        routine_id: str,
        event_name: str,
        data: dict[str, Any] | None = None,
        timestamp: datetime | str | None = None,
    ) -> ExecutionRecord:
        """Make a record."""
        if isinstance(timestamp, str):
            timestamp = datetime.fromisoformat(timestamp)
        data = {} if data is None else data
        return super().__new__(cls, routine_id, event_name, data, timestamp or now())

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain values."""
        return self._asdict() | {"timestamp": self.timestamp.isoformat()}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> ExecutionRecord:
        """Make a record of what `to_dict` returned."""
        return cls(**record)


class History:
    """The newest entries, at most `limit` of them."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._records: deque[ExecutionRecord] = deque()
        self._lock = threading.Lock()

    def append(self, record: ExecutionRecord) -> None:
        """Add an entry; the oldest falls out when there are too many."""
        with self._lock:
            self._records.append(record)
            full = len(self._records) > self.limit
            oldest = self._records.popleft() if full else None
        del oldest

    def set_limit(self, value: object) -> None:
        """Keep so many entries from now on, but never fewer than 10."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"max_execution_history must be an int, not {value!r}")
        dropped = []
        with self._lock:
            self.limit = max(value, LEAST)
            while len(self._records) > self.limit:
                dropped.append(self._records.popleft())
        del dropped

    def records(self) -> list[ExecutionRecord]:
        """Return the entries, oldest first."""
        with self._lock:
            return list(self._records)
