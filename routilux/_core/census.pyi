"""Census: what the picture of a runtime is made of."""

from typing import Any

from routilux._core.control import Control
from routilux._core.worker import WorkerCore

def tally(core: Control) -> dict[str, Any]: ...
def rows(worker: WorkerCore) -> list[dict[str, Any]]: ...
def edges(
    worker: WorkerCore,
) -> list[tuple[str, str, str, str, str, str, int]]: ...
