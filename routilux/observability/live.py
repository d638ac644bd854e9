"""What a Runtime answers while it runs: methods that each load their module.

The half of `Runtime` for those who look for what is wrong. Nothing here runs once per
item.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, cast

from routilux._core import BulkCore

if TYPE_CHECKING:
    from os import PathLike

    from routilux._core import JobContext
    from routilux.machine import Machine
    from routilux.observability.breakpoints import HeldItem, Stop
    from routilux.observability.dashboard import Dashboard
    from routilux.observability.dump import SignalDump
    from routilux.runtime import PostResult, Runtime

__all__ = ["LiveRuntime"]


class LiveRuntime(BulkCore):
    """The half of `Runtime` that explains and stops.

    Thread-safety: every method may be called from any thread.
    """

    _machine: Machine

    def explain(self, job_id: str | JobContext | PostResult | None = None) -> str:
        """Say in words where a job is, and why it does not go on.

        A line for each place where something of it is: what executes, for how long and
        on which thread; which retry is due when; which items are queued or parked in
        which slot, and what they wait for there.

        Args:
            job_id: Id of the job, or the job; None: all that is unfinished.

        Returns:
            The text. It also says how a job ended, or that it is unknown.

        Example:
            >>> print(runtime.explain(job))
            job '1c-7' of flow 'sums' (worker 'w1') is running: posted 4.2 s ago
            - 3 items parked in slot 'right' of 'add': all_slots_ready waits for 'left'
        """
        from routilux.observability.explain import explain

        return explain(cast("Runtime", self), job_id)

    def add_breakpoint(
        self,
        routine_id: str | None = None,
        slot_name: str | None = None,
        condition: str | Callable[[Any], object] | None = None,
        *,
        job_id: str | None = None,
    ) -> Stop:
        """Hold the items that enter a slot, until you say what becomes of each.

        1. An item that meets it pauses its worker and enters its slot: nothing is lost,
           no thread is blocked.
        2. `held_items()` shows it; what you change in it, the routine will see.
        3. `resume()` lets it go on, `drop()` takes it out.

        Args:
            routine_id: The routine whose slot the item enters; None: any.
            slot_name: The slot; None: any.
            condition: A callable that is given the item, or an expression over its keys
                (extra "expressions"); None: every item.
            job_id: Items of this job only.

        Returns:
            The breakpoint, a context manager: `wait()`, `held()`, `hits`, `remove()`.

        Raises:
            ValueError: No flow that runs has such a routine or slot, or the expression
                can't be parsed.

        Example:
            >>> with runtime.add_breakpoint("pay", "order") as stop:
            ...     held = stop.wait(timeout=10.0)
            ...     print(held.item)
            ...     held.resume()
        """
        from routilux.observability.breakpoints import add_breakpoint

        return add_breakpoint(
            cast("Runtime", self), routine_id, slot_name, condition, job_id
        )

    def dump_on_signal(
        self,
        signum: int | None = None,
        file: str | PathLike[str] | IO[str] | None = None,
    ) -> SignalDump:
        """Write what executes, with stacks, each time the process gets a signal.

        The dump is `explain()`, the stack of each thread that runs logic and of each
        coroutine of async logic. A thread writes it, so it comes while logic and the
        main thread block; only code that never gives back the GIL can keep it.

        Args:
            signum: The signal; None: SIGUSR1.
            file: A path that dumps are appended to, or an open file; None: stderr.

        Returns:
            A context manager with `close()`; the runtime closes it in a shutdown.

        Raises:
            RuntimeError: The system has no such signals (Windows).

        Example:
            >>> runtime.dump_on_signal()        # then: kill -USR1 <pid>
        """
        from routilux.observability.dump import dump_on_signal

        return dump_on_signal(cast("Runtime", self), signum, file)

    def dashboard(
        self, port: int = 0, host: str = "127.0.0.1", token: str | None = None
    ) -> Dashboard:
        """Serve a live page of this runtime on a thread of its own.

        It shows the flows with rates, queues and failures as they change; a click shows
        a routine's times, errors and parked items, or a job's path and traceback;
        buttons pause, resume, flush and cancel. Nothing is computed while nobody looks.

        Args:
            port: The port; 0: a free one.
            host: The address to listen on. One that others can reach needs a token.
            token: What a browser has to bring; it is a part of the page's `url`.

        Returns:
            A context manager with `url` and `close()`; the runtime closes it in a
            shutdown.

        Raises:
            ConfigurationError: The extra "dashboard" is not installed.
            ValueError: The host is not loopback and there is no token.
            OSError: The port is taken.

        Example:
            >>> with runtime.dashboard() as page:
            ...     print(page.url)
        """
        from routilux.observability.dashboard import open_dashboard

        return open_dashboard(cast("Runtime", self), port, host, token)

    def held_items(self) -> list[HeldItem]:
        """Return what the breakpoints of this runtime hold, oldest first."""
        from routilux.observability.breakpoints import held_items

        return held_items(self.core)
