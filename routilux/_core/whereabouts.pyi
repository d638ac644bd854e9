"""Where the items and activations of a worker are."""

from typing import Any

from routilux._core.control import Control
from routilux._core.job import JobContext
from routilux._core.worker import WorkerCore

def survey(
    core: Control, worker: WorkerCore, job: JobContext | None = None
) -> dict[str, list[dict[str, Any]]]: ...
def core_of(job: JobContext) -> object: ...
