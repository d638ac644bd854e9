"""MonitoringRegistry: switches the monitoring of jobs on and off for the process.

While it is on, `MonitoringExecutionHooks` are in force: a collector keeps events and
numbers of each job, breakpoints stop, and listeners get events. While it is off,
nothing of it exists and nothing costs anything. The environment variable
`ROUTILUX_ENABLE_MONITORING=true` switches it on when `routilux` is imported.
"""

from __future__ import annotations

import threading

from routilux.monitoring.debug_session import BreakpointManager, DebugSessionStore
from routilux.monitoring.hooks import (
    get_execution_hooks,
    reset_execution_hooks,
    set_execution_hooks,
)
from routilux.monitoring.monitor_collector import MonitorCollector

__all__ = ["MonitoringRegistry"]


class MonitoringRegistry:
    """The switch; use `get_instance()`.

    Attributes:
        breakpoint_manager: The breakpoints, None while it is off.
        monitor_collector: The collector, None while it is off.
        debug_session_store: The debug sessions, None while it is off.

    Example:
        >>> MonitoringRegistry.enable()
        >>> job = runtime.post("flow", "routine", "input", {}).job
        >>> job.wait()
        >>> collector = MonitoringRegistry.get_instance().monitor_collector
        >>> collector.get_metrics(job.job_id).status
        'completed'
    """

    _instance: MonitoringRegistry | None = None

    def __init__(self) -> None:
        self.breakpoint_manager: BreakpointManager | None = None
        self.monitor_collector: MonitorCollector | None = None
        self.debug_session_store: DebugSessionStore | None = None

    @classmethod
    def get_instance(cls) -> MonitoringRegistry:
        """Return the switch of the process."""
        with _LOCK:
            if cls._instance is None:
                cls._instance = cls()
            return cls._instance

    @classmethod
    def enable(cls) -> None:
        """Switch it on, in the place of other hooks; if it is on, nothing happens."""
        from routilux.monitoring.execution_hooks import MonitoringExecutionHooks

        self = cls.get_instance()
        with _LOCK:
            if self.monitor_collector is not None:
                return
            self.breakpoint_manager = BreakpointManager()
            self.debug_session_store = DebugSessionStore()
            self.monitor_collector = MonitorCollector()
            hooks = MonitoringExecutionHooks(self)
        set_execution_hooks(hooks)

    @classmethod
    def disable(cls) -> None:
        """Switch it off and drop what was collected; jobs that stand go on."""
        from routilux.monitoring.execution_hooks import MonitoringExecutionHooks

        self = cls.get_instance()
        with _LOCK:
            store = self.debug_session_store
            self.breakpoint_manager = None
            self.monitor_collector = None
            self.debug_session_store = None
        if isinstance(get_execution_hooks(), MonitoringExecutionHooks):
            reset_execution_hooks()
        for session in store.sessions() if store is not None else ():
            session.resume()

    @classmethod
    def is_enabled(cls) -> bool:
        """Whether it is on."""
        return cls.get_instance().monitor_collector is not None


_LOCK = threading.RLock()
