"""The shape of a flow, and how it is frozen while workers run it.

`Shape` holds what `Flow` builds: routines under ids, connections, the handler. When a
worker starts, `Runtime.exec` calls `_acquire`, which freezes the shape and hands the
core a `Plan` of plain indexes; when the worker has ended it calls `_release`. Nothing
in this file runs while items flow.

One reentrant lock per flow guards its shape, the count of workers and the cached plan;
it may be held while the lock of a routine is taken, never the other way round. Policies
of the user are looked at, and warnings logged, outside of it.

It promises that the shape does not change while a worker runs it, and that a call that
raises has changed nothing.
"""

from __future__ import annotations

import logging
import threading

from routilux._core import Plan
from routilux.checks import find_idle, find_unworkable
from routilux.error_handler import ErrorHandler
from routilux.errors import ConfigurationError
from routilux.graph import Connection, build_plan
from routilux.routine import Routine

__all__ = ["Shape"]

logger = logging.getLogger("routilux")


class Shape:
    """The state of a `Flow`, and its freezing.

    Thread-safety: `_lock` guards all fields but the id.

    Args:
        flow_id: Id of the flow, for good.
    """

    def __init__(self, flow_id: str) -> None:
        self._flow_id = flow_id
        # Reentrant: garbage collection may end a worker of this flow in here.
        self._lock = threading.RLock()
        self._routines: dict[str, Routine] = {}
        self._id_of: dict[int, str] = {}  # id(routine), kept alive by _routines
        self._connections: dict[tuple[str, str, str, str], Connection] = {}
        self._heard: dict[int, list[Connection]] = {}  # by id(event)
        self._last_piped: str | None = None
        self._error_handler: ErrorHandler | None = None
        self._dead_letter: tuple[str, str] | None = None  # routine_id and slot
        self._users = 0
        self._plan: Plan | None = None  # only while _users > 0
        self._ranks: list[int] | None = None  # until the shape changes

    # Freezes the shape for one more worker and returns it as the core wants it. Each
    # call that returns is answered by one `_release`.
    def _acquire(self) -> Plan:
        with self._lock:
            if self._users == 0:
                self._freeze_routines()
            self._users += 1
            plan = self._plan
        try:
            self._warn_idle()
            return self._build() if plan is None else plan
        except BaseException:
            self._release()
            raise

    def _release(self) -> None:
        with self._lock:
            assert self._users > 0, f"flow {self._flow_id!r} is released too often"
            self._users -= 1
            if self._users:
                return
            # From here on routines can change without telling the flow, so a plan
            # is only as old as the oldest worker. Ranks depend on the flow alone.
            plan, self._plan = self._plan, None
            for routine in self._routines.values():
                routine._thaw()
        del plan  # outside the lock: it may be the last to hold user code

    def _freeze_routines(self) -> None:
        frozen = []
        try:
            for routine in self._routines.values():
                routine._freeze(self._flow_id)
                frozen.append(routine)
        except BaseException:
            for routine in frozen:
                routine._thaw()
            raise

    # Runs without the lock, on a shape that can't change. Two first workers may both
    # build; the plan that is stored first serves both.
    def _build(self) -> Plan:
        unworkable = find_unworkable(self._routines)
        if unworkable:
            raise ConfigurationError(f"Flow {self._flow_id!r}: {'; '.join(unworkable)}")
        plan, self._ranks = build_plan(
            self._flow_id,
            self._routines,
            list(self._connections.values()),
            self._ranks,
            self._error_handler,
            self._dead_letter,
        )
        with self._lock:
            if self._plan is None:
                self._plan = plan
            return self._plan

    def _warn_idle(self) -> None:
        idle = find_idle(self._routines)
        if idle:
            logger.warning(
                "Flow %r: %s: such routines never run", self._flow_id, "; ".join(idle)
            )

    def _check_free(self) -> None:
        if self._users:
            workers = "1 worker" if self._users == 1 else f"{self._users} workers"
            raise RuntimeError(
                f"Flow {self._flow_id!r} is running ({workers}): its shape can't "
                f"change; shut the runtime down first, or build another flow"
            )

    def _disconnect(self, connection: Connection) -> None:
        with self._lock:
            self._check_free()
            if self._connections.get(connection.key) is connection:
                del self._connections[connection.key]
                self._heard[id(connection.source_event)].remove(connection)
                self._ranks = None
