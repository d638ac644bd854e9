"""What a runtime does for streams of items and for `asyncio`: the methods.

`Runtime` is a subclass. The work is done in `mapping` and `awaiting`; nothing here runs
once per item.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from routilux._core import BulkCore
from routilux.awaiting import post_async, shutdown_async
from routilux.mapping import Errors, Progress, map_async, map_items

if TYPE_CHECKING:
    from typing_extensions import Self

    from routilux.flow import Flow
    from routilux.runtime import PostResult, Runtime

__all__ = ["StreamingRuntime"]


class StreamingRuntime(BulkCore):
    """The half of `Runtime` that maps flows over items, and that awaits.

    Thread-safety: every method may be called from any thread.
    """

    async def post_async(
        self,
        flow_id: str | Flow | None = None,
        routine_id: str | None = None,
        slot: str | None = None,
        data: Any = None,
        worker_id: str | None = None,
        job_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> PostResult:
        """Submit a job like `post`, and await room instead of blocking.

        Args:
            flow_id, routine_id, slot, data, worker_id, job_id, metadata: As for `post`.
            timeout: Seconds to wait for room at most; None waits without a limit.
            deadline: As for `post`.

        Raises:
            QueueFullError: No room within the timeout; nothing was posted.
            Exception: What else `post` raises.

        Example:
            >>> _, job = await runtime.post_async("my_flow", "routine", "input", 1)
            >>> await job
        """
        where = (flow_id, routine_id, slot)
        return await post_async(
            cast("Runtime", self),
            where,
            data,
            worker_id,
            job_id,
            metadata,
            timeout,
            deadline,
        )

    def map(
        self,
        flow: str | Flow,
        items: Iterable[Any],
        *,
        routine_id: str | None = None,
        slot: str | None = None,
        worker_id: str | None = None,
        in_flight: int | None = None,
        errors: Errors = "raise",
        progress: Progress | None = None,
        timeout: float | None = None,
    ) -> Generator[Any, None, None]:
        """Run a flow on many items and yield the results in their order.

        1. Starts a worker if none runs the flow.
        2. Posts items as the caller iterates, one job for each.
        3. Yields `job.result()` of each, in the order of the items.

        Closing the generator early cancels the jobs that are still on their way.

        Args:
            flow: The flow, its name or id.
            items: Any iterable; it is read as jobs end.
            routine_id: The routine to start with; None: where nothing is connected to.
            slot: Its slot; None likewise.
            worker_id: Which worker of the flow; None: the newest.
            in_flight: Items that are posted and not yet yielded, at most; None:
                `max_queue_size`.
            errors: What stands for a job without a result: "raise" raises its error
                at its turn and cancels the rest, "return" yields the error, "skip"
                leaves it out.
            progress: Called as `progress(done, total)` after each job, on the caller's
                thread; total is None when `items` has no length.
            timeout: Seconds to wait for each result; `TimeoutError` after that.

        Raises:
            ValueError: The flow has no single entry, or an argument is out of range.
            RuntimeError: Inside logic, and after `shutdown()`.

        Example:
            >>> list(runtime.map(pipeline(str.strip, int), [" 1", "2 "]))
            [1, 2]
        """
        return map_items(
            cast("Runtime", self),
            flow,
            items,
            routine_id=routine_id,
            slot=slot,
            worker_id=worker_id,
            in_flight=in_flight,
            errors=errors,
            progress=progress,
            timeout=timeout,
        )

    def map_async(
        self,
        flow: str | Flow,
        items: Iterable[Any] | AsyncIterable[Any],
        *,
        routine_id: str | None = None,
        slot: str | None = None,
        worker_id: str | None = None,
        in_flight: int | None = None,
        errors: Errors = "raise",
        progress: Progress | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[Any, None]:
        """Do what `map` does for `async for`; items may be asynchronous as well.

        All arguments are those of `map`.

        Example:
            >>> async for value in runtime.map_async(flow, items):
            ...     print(value)
        """
        return map_async(
            cast("Runtime", self),
            flow,
            items,
            routine_id=routine_id,
            slot=slot,
            worker_id=worker_id,
            in_flight=in_flight,
            errors=errors,
            progress=progress,
            timeout=timeout,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await shutdown_async(cast("Runtime", self), cancel_pending=kind is not None)
