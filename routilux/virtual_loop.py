"""The event loop of a simulation: no thread, no sockets, and time that costs nothing.

A simulation that meets a coroutine makes one and gives it a turn whenever the seed says
so: `turn` runs one callback, in the order in which asyncio would. `asyncio.sleep`,
timeouts, tasks, locks and queues work; what `asyncio.to_thread` is given runs on the
simulated thread when its turn comes. There is nothing to do input and output with.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import logging
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, NoReturn

from routilux._core import SimDriver, owner_variable
from routilux.errors import SimulationError
from routilux.event_loop import guard
from routilux.handover import CARRIED, ending_of

__all__ = ["VirtualLoop"]

OWNER = owner_variable()
logger = logging.getLogger("routilux")


# For type checkers it would have 25 abstract methods, all for input and output.
Base: Any = asyncio.AbstractEventLoop


class VirtualLoop(Base):  # type: ignore[misc]
    """An event loop that is turned by hand, in virtual time.

    Only the thread that plays the simulation may call it.

    Args:
        driver: The simulation, which knows the time.
    """

    def __init__(self, driver: SimDriver) -> None:
        self._driver = driver
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._order = itertools.count()
        self._calls: deque[Callable[[], None]] = deque()
        self._tasks: dict[object, asyncio.Task[Any]] = {}  # by owner
        self._factory: Callable[..., Any] | None = None
        self._handler: Callable[..., object] | None = None

    # --- What the simulation asks

    def spawn(
        self,
        coroutine: Coroutine[Any, Any, Any],
        owner: object,
        ended: Callable[[BaseException | None], None],
    ) -> None:
        """Run a coroutine; see `EventLoopThread.spawn`."""
        context = contextvars.Context()
        context.run(OWNER.set, owner)
        carried = CARRIED.get()
        if carried is not None:
            context.run(carried.enter)
            carried.leave()
        ending = ending_of(context)

        def begin() -> None:
            task: asyncio.Task[BaseException | None] = self._task(
                guard(coroutine), context
            )
            self._tasks[owner] = task
            task.add_done_callback(finish, context=ending)

        def finish(task: asyncio.Task[BaseException | None]) -> None:
            self._tasks.pop(owner, None)
            coroutine.close()  # cancelled before it began, it would be warned about
            ended(asyncio.CancelledError() if task.cancelled() else task.result())

        self.call_soon(begin, context=contextvars.Context())

    def has_ready(self, now_ns: int) -> bool:
        """Whether a callback can run now."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        while self._timers and self._timers[0][0] <= now_ns:
            handle = heapq.heappop(self._timers)[2]
            if not handle.cancelled():
                self._ready.append(handle)
        while self._ready and self._ready[0].cancelled():
            self._ready.popleft()
        return bool(self._ready)

    def is_busy(self) -> bool:
        """Whether coroutines run."""
        return bool(self._tasks)

    def has_calls(self) -> bool:
        """Whether a function waits for a thread of the executor."""
        return bool(self._calls)

    def due(self) -> int:
        """When the next timer is due, in ns; -1 when there is none."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else -1

    def turn(self) -> None:
        """Run one callback."""
        handle = self._ready.popleft()
        outer = asyncio._get_running_loop()
        hooks = sys.get_asyncgen_hooks()
        asyncio._set_running_loop(self)
        sys.set_asyncgen_hooks(firstiter=None, finalizer=self._close_generator)
        try:
            if not handle.cancelled():
                handle._run()
        finally:
            sys.set_asyncgen_hooks(*hooks)
            asyncio._set_running_loop(outer)

    def call(self) -> None:
        """Run one function that was given to the executor."""
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            self._calls.popleft()()
        finally:
            asyncio._set_running_loop(outer)

    def cancel_all(self) -> None:
        """Cancel what runs, without waiting for it."""
        for task in list(self._tasks.values()):
            task.cancel()

    def cancel(self, owner: object) -> None:
        """Cancel what works for an owner; see `EventLoopThread.cancel`."""

        def cancel() -> None:
            if owner in self._tasks:
                self._tasks[owner].cancel()

        self.call_soon(cancel, context=contextvars.Context())

    # --- What asyncio asks

    def time(self) -> float:
        return self._driver.time_ns() / 1e9

    def call_soon(
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (round(when * 1e9), next(self._order), handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Any,
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
        **options: Any,
    ) -> asyncio.Task[Any]:
        if self._factory is not None:
            if context is not None:
                options["context"] = context
            task: asyncio.Task[Any] = self._factory(self, coro, **options)
            if name is not None:
                task.set_name(name)
            return task
        return self._task(coro, context, name=name, **options)

    def _task(
        self, coro: Any, context: contextvars.Context | None, **options: Any
    ) -> asyncio.Task[Any]:
        if context is None:
            return asyncio.Task(coro, loop=self, **options)
        if sys.version_info >= (3, 11):
            return asyncio.Task(coro, loop=self, context=context, **options)
        return context.run(asyncio.Task, coro, loop=self, **options)

    def run_in_executor(
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run a function when the seed says that its thread came to it."""
        future = self.create_future()

        def tell(how: Callable[[Any], object], what: object) -> None:
            if not future.done():
                how(what)

        def call() -> None:
            if future.cancelled():
                return
            try:
                result = func(*args)
            except BaseException as error:
                self.call_soon(tell, future.set_exception, error)
            else:
                self.call_soon(tell, future.set_result, result)

        self._calls.append(call)
        return future

    def set_default_executor(self, executor: object) -> None:
        pass  # its threads are those of the simulation

    def _close_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        self.call_soon(lambda: self.create_task(generator.aclose()))

    def set_task_factory(self, factory: Callable[..., Any] | None) -> None:
        self._factory = factory

    def get_task_factory(self) -> Callable[..., Any] | None:
        return self._factory

    def set_exception_handler(self, handler: Callable[..., object] | None) -> None:
        self._handler = handler

    def get_exception_handler(self) -> Callable[..., object] | None:
        return self._handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        logger.error("%s", context.get("message"), exc_info=context.get("exception"))

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self._handler is None:
            self.default_exception_handler(context)
            return
        try:
            self._handler(self, context)
        except Exception:  # code of the user
            self.default_exception_handler(context)
            logger.exception("an exception handler of an event loop raised")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass  # it is dropped when its time comes

    def get_debug(self) -> bool:
        return False

    def set_debug(self, enabled: bool) -> None:
        pass

    def is_running(self) -> bool:
        return asyncio._get_running_loop() is self

    def is_closed(self) -> bool:
        return False

    async def shutdown_asyncgens(self) -> None:
        pass

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        pass

    def _no_outside(self, *args: object, **options: object) -> NoReturn:
        raise SimulationError(
            "the event loop of a simulation has no sockets, pipes or processes: give"
            " the flow a stand-in for what talks to the outside"
        )

    add_reader = add_writer = add_signal_handler = getaddrinfo = _no_outside
    remove_reader = remove_writer = remove_signal_handler = getnameinfo = _no_outside
    create_connection = create_server = create_datagram_endpoint = _no_outside
    create_unix_connection = create_unix_server = sock_connect = _no_outside
    connect_accepted_socket = sock_accept = start_tls = _no_outside
    sock_recv = sock_recv_into = sock_recvfrom = sock_recvfrom_into = _no_outside
    sock_sendall = sock_sendto = sock_sendfile = sendfile = _no_outside
    connect_read_pipe = connect_write_pipe = _no_outside
    subprocess_exec = subprocess_shell = _no_outside

    def stop(self) -> NoReturn:
        raise RuntimeError("the event loop of a simulation can't be stopped")

    close = stop

    def run_forever(self) -> NoReturn:
        raise RuntimeError("the event loop of a simulation is turned by the simulation")

    def run_until_complete(self, future: object) -> NoReturn:
        self.run_forever()
