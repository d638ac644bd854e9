"""What a runtime does for `asyncio`: posts that wait for room, and a shutdown.

No thread sleeps for a coroutine here. A post that finds no room leaves a bell where
threads wait for the same room, and looks again when it has rung. Only `shutdown` is
given to a thread of its own, since it joins others.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, TypeAlias

from routilux.arguments import check_seconds
from routilux.errors import QueueFullError

if TYPE_CHECKING:
    import asyncio

    from routilux.flow import Flow
    from routilux.runtime import PostResult, Runtime

Where: TypeAlias = "tuple[str | Flow | None, str | None, str | None]"

__all__ = ["post_async", "shutdown_async"]


async def post_async(
    runtime: Runtime,
    where: Where,
    data: Any,
    worker_id: str | None,
    job_id: str | None,
    metadata: dict[str, Any] | None,
    timeout: float | None,
    deadline: float | None = None,
) -> PostResult:
    """Post without blocking the event loop; see `Runtime.post_async`."""
    # Where the caller's thread does the work, or logic itself posts, waiting here would
    # be waiting for oneself: post() knows what to do then, and does not sleep.
    alone = runtime.core.is_inline() or runtime.core.is_inside()
    until = None
    if timeout is not None:
        until = time.monotonic() + check_seconds("timeout", timeout)
    while True:
        try:
            return runtime.post(
                *where,
                data,
                worker_id,
                job_id,
                metadata,
                block=alone,
                timeout=timeout,
                deadline=deadline,
            )
        except QueueFullError:
            if alone or not await has_room(runtime, where, worker_id, until):
                raise


async def has_room(
    runtime: Runtime, where: Where, worker_id: str | None, until: float | None
) -> bool:
    """Wait until a post may find room; False when the time is up first."""
    import asyncio  # here: it takes longer to import than all of routilux

    loop = asyncio.get_running_loop()
    rung: asyncio.Future[None] = loop.create_future()

    def ring() -> None:
        loop.call_soon_threadsafe(finish, rung)

    bell = runtime._bell_for_room(*where, worker_id, ring)
    if bell is None:
        await asyncio.sleep(0)  # room came meanwhile
        return True
    left = None if until is None else until - time.monotonic()
    try:
        await asyncio.wait_for(rung, left)
    except (asyncio.TimeoutError, TimeoutError):
        return False
    finally:
        bell.leave()
    return True


def finish(future: asyncio.Future[None], error: BaseException | None = None) -> None:
    """End a future that may have been cancelled."""
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


async def shutdown_async(runtime: Runtime, cancel_pending: bool) -> None:
    """Shut a runtime down on a thread of its own, and wait for it."""
    import asyncio

    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def shut_down() -> None:
        failure: BaseException | None = None
        try:
            runtime.shutdown(wait=True, cancel_pending=cancel_pending)
        except BaseException as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(finish, ended, failure)

    thread = threading.Thread(target=shut_down, name="routilux-shutdown")
    thread.start()
    await ended
    thread.join()  # it has nothing left to do
