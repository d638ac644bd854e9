"""The process-wide observers."""

from routilux.monitoring.hooks import ExecutionHooksInterface

def set_hooks(hooks: ExecutionHooksInterface | None) -> None: ...
