"""Execution hooks under their older import path."""

from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    NullExecutionHooks,
    get_execution_hooks,
    reset_execution_hooks,
    set_execution_hooks,
)

__all__ = [
    "ExecutionHooksInterface",
    "NullExecutionHooks",
    "get_execution_hooks",
    "reset_execution_hooks",
    "set_execution_hooks",
]
