"""The core's view of a flow: a plan of nodes and edges."""

from collections.abc import Callable
from typing import Any, final

from routilux.routine import Routine

def logic_style(logic: Callable[..., Any]) -> tuple[bool, tuple[str, ...]]: ...

@final
class Node:
    def __init__(
        self,
        index: int,
        routine_id: str,
        routine: Routine,
        rank: int,
        handler: Any,
    ) -> None: ...
    def why(self) -> str: ...

@final
class Plan:
    def __init__(
        self,
        flow_id: str,
        routines: list[tuple[str, Routine]],
        connections: list[tuple[int, str, int, str]],
        ranks: list[int],
        handlers: list[Any],
        letters: tuple[str, str] | None = None,
    ) -> None: ...
