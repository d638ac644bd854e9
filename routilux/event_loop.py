"""The event loop of a runtime: one thread that runs all async logic.

The core hands a coroutine over and frees its pool thread; the loop runs it and reports
its end. The thread starts with the first coroutine and ends with the runtime. What a
coroutine raises, `BaseException` included, is caught here, or it would end the loop.
"""

from __future__ import annotations

import contextvars
import logging
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from routilux._core import owner_variable
from routilux.handover import CARRIED, ending_of

if TYPE_CHECKING:
    import asyncio

__all__ = ["EventLoopThread"]

TIDY_SECONDS = 1.0
OWNER = owner_variable()
logger = logging.getLogger("routilux")


async def guard(coroutine: Coroutine[Any, Any, Any]) -> BaseException | None:
    """Run a coroutine; return what it raised, None when it ended well."""
    try:
        await coroutine
    except BaseException as error:
        return error
    return None


class EventLoopThread:
    """A lazily started thread with an event loop.

    Thread-safety: `_lock` protects the start; the loop itself is only called through
    `call_soon_threadsafe`.

    Args:
        name: Name of the thread.
        adopt: Called on the thread before anything runs there.
    """

    def __init__(self, name: str, adopt: Callable[[], None]) -> None:
        self._name = name
        self._adopt = adopt
        self._stopping = False
        # Reentrant: the collector may end a dropped runtime while this one starts.
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: dict[object, asyncio.Task[BaseException | None]] = {}  # by owner

    def spawn(
        self,
        coroutine: Coroutine[Any, Any, Any],
        owner: object,
        ended: Callable[[BaseException | None], None],
    ) -> None:
        """Run a coroutine on the loop.

        Args:
            coroutine: What async logic returned.
            owner: Whom it works for, as the context variable of the core has it.
            ended: Called on the loop's thread with what it raised, or None.
        """
        carried = CARRIED.get()
        try:
            self._start().call_soon_threadsafe(self._begin, coroutine, owner, ended)
        finally:
            if carried is not None:  # a copy of it is on its way
                carried.leave()

    def is_current(self) -> bool:
        """Whether the calling thread is the loop's."""
        return threading.current_thread() is self._thread

    def coroutines(self) -> list[object]:
        """Return what runs."""
        return [task.get_coro() for task in list(self._tasks.values())]

    def cancel_all(self) -> None:
        """Cancel what runs, without waiting for it."""
        with self._lock:
            loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._cancel, None)

    def cancel(self, owner: object) -> None:
        """Cancel what works for an owner, without waiting for it."""
        with self._lock:
            loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._cancel, owner)

    def stop(self) -> None:
        """Tell the thread to end; the loop must have nothing left to run."""
        with self._lock:
            loop, self._loop = self._loop, None
        self._stopping = True
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)

    def join(self) -> None:
        """Wait until the thread ended, if it ever ran."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _start(self) -> asyncio.AbstractEventLoop:
        import asyncio  # here: it takes longer to import than all of routilux

        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                thread = threading.Thread(
                    target=self._run, args=(loop,), name=self._name, daemon=True
                )
                try:
                    thread.start()
                except BaseException:
                    loop.close()
                    raise
                self._loop, self._thread = loop, thread
            return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        import asyncio

        asyncio.set_event_loop(loop)
        self._adopt()
        try:
            while not self._stopping:
                try:
                    loop.run_forever()
                except BaseException:
                    # A task of the user's that exits: asyncio lets it through the loop.
                    logger.exception("routilux: a task raised through the event loop")
            if self._tasks:  # given up, cancelled, and busy with their `finally`
                tidy = asyncio.wait(list(self._tasks.values()), timeout=TIDY_SECONDS)
                loop.run_until_complete(tidy)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    def _cancel(self, owner: object) -> None:
        # On the loop's thread, so behind the `_begin` of the same owner.
        for key, task in list(self._tasks.items()):
            if owner is None or key is owner:
                task.cancel()

    def _begin(
        self,
        coroutine: Coroutine[Any, Any, Any],
        owner: object,
        ended: Callable[[BaseException | None], None],
    ) -> None:
        import asyncio

        context = contextvars.copy_context()
        context.run(OWNER.set, owner)
        ending = ending_of(context)
        loop = asyncio.get_running_loop()
        task: asyncio.Task[BaseException | None]
        if sys.version_info >= (3, 11):
            task = loop.create_task(guard(coroutine), context=context)
        else:
            task = context.run(loop.create_task, guard(coroutine))
        self._tasks[owner] = task

        def finish(task: asyncio.Task[BaseException | None]) -> None:
            self._tasks.pop(owner, None)
            coroutine.close()  # cancelled before it began, it would be warned about
            ended(asyncio.CancelledError() if task.cancelled() else task.result())

        task.add_done_callback(finish, context=ending)
