"""What users and messages are told of a worker."""

from typing import Any

from routilux._core.worker import WorkerCore

def debug(worker: WorkerCore) -> dict[str, Any]: ...
