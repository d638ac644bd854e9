"""Emit: events, and the compiled half of `Routine`."""

from collections.abc import Iterable
from typing import Any

from routilux._core.slot import Slot
from routilux.routine import Routine

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

class RoutineCore:
    def emit(self, event_name: str, /, **item: Any) -> None: ...
