"""Recall: the records of the flight recorder as tuples, with names for numbers."""

from typing import Any

from routilux._core.control import Control
from routilux._core.job import JobContext

def recall_records(
    core: Control, most: int = -1, job: JobContext | None = None
) -> list[
    tuple[
        float,
        str,
        float | None,
        int,
        str | None,
        str | None,
        str | None,
        str | None,
        str | None,
        str | None,
    ]
]: ...
def log_of(job: JobContext, log: list[Any]) -> list[Any]: ...
def time_of(entry: object) -> str: ...
