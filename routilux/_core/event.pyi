"""Emit: events, and the compiled half of `Routine`."""

from collections.abc import Iterable
from typing import Any

from routilux._core.slot import Slot
from routilux.routine import Routine
from routilux.worker import WorkerState

class Event:
    connected_slots: list[Slot]
    def __init__(
        self,
        name: str,
        routine: Routine | None = None,
        output_params: Iterable[str] | None = None,
    ) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def routine(self) -> Routine | None: ...
    @property
    def output_params(self) -> list[str]: ...
    def emit(
        self,
        runtime: Any = None,
        worker_state: WorkerState | None = None,
        **item: Any,
    ) -> None: ...
    def connect(self, slot: Slot) -> None: ...
    def disconnect(self, slot: Slot) -> None: ...

class RoutineCore:
    def emit(self, event_name: str, /, **item: Any) -> None: ...
    def emit_many(
        self, event_name: str, items: Iterable[Any], /, *, copy: bool = False
    ) -> None: ...
