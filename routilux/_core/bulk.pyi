"""Post in bulk: the compiled half of `Runtime`, with `post_many`."""

from collections.abc import Iterable
from typing import Any, Literal, overload

from routilux._core.job import JobContext
from routilux._core.post import RuntimeCore
from routilux.flow import Flow

class BulkCore(RuntimeCore):
    @overload
    def post_many(
        self,
        flow_id: str | Flow | None = None,
        routine_id: str | None = None,
        slot: str | None = None,
        items: Iterable[Any] = ...,
        worker_id: str | None = None,
        job_id: None = None,
        metadata: dict[str, Any] | None = None,
        *,
        jobs: Literal["each"] = "each",
        block: bool = True,
        timeout: float | None = None,
        deadline: float | None = None,
        copy: bool = False,
        flow_name: str | Flow | None = None,
        routine_name: str | None = None,
        slot_name: str | None = None,
    ) -> list[JobContext]: ...
    @overload
    def post_many(
        self,
        flow_id: str | Flow | None = None,
        routine_id: str | None = None,
        slot: str | None = None,
        items: Iterable[Any] = ...,
        worker_id: str | None = None,
        job_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        jobs: Literal["one"],
        block: bool = True,
        timeout: float | None = None,
        deadline: float | None = None,
        copy: bool = False,
        flow_name: str | Flow | None = None,
        routine_name: str | None = None,
        slot_name: str | None = None,
    ) -> JobContext: ...
