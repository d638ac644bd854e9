"""What a job says of its end."""

from collections.abc import Callable
from typing import Any

from typing_extensions import Self

class JobError(str):
    type: str
    message: str
    traceback: str
    routine_id: str | None
    def __new__(
        cls, type: str, message: str, traceback: str = "", routine_id: str | None = None
    ) -> Self: ...

def set_tell(tell: Callable[[Any, list[Any]], list[Any]]) -> None: ...
def set_moments(moments: Callable[[Any], str]) -> None: ...
def log_failure(core: Any, flow_id: str, routine_id: str, error: object) -> None: ...
