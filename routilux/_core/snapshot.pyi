"""What a paused worker holds, and the way back."""

from typing import Any

from routilux._core.control import Control
from routilux._core.group import JobGroup
from routilux._core.job import JobContext
from routilux._core.worker import WorkerCore

class Kept:
    def __init__(
        self,
        routine_id: str,
        slot: str,
        item: Any,
        owner: JobContext | JobGroup | int | None,
        source: str,
        failures: int = 0,
    ) -> None: ...
    @property
    def routine_id(self) -> str: ...
    @property
    def slot(self) -> str: ...
    @property
    def item(self) -> Any: ...
    @property
    def owner(self) -> Any: ...
    @property
    def source(self) -> str: ...

def capture(worker: WorkerCore) -> list[Kept]: ...
def place_of(entry: tuple[Any, ...]) -> tuple[Any, ...]: ...
def members_of(
    group: JobGroup,
) -> tuple[list[JobContext | JobGroup], JobContext]: ...
def is_live(job: JobContext) -> bool: ...
def revive_job(
    core: Control, worker: WorkerCore, facts: dict[str, Any]
) -> JobContext: ...
def disown(core: Control, job: JobContext) -> None: ...
def put_back(
    core: Control,
    worker: WorkerCore,
    jobs: list[JobContext],
    groups: list[tuple[list[JobContext | int], JobContext]],
    kept: list[Kept],
) -> None: ...
