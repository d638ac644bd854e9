"""What a job says of its end."""

from typing_extensions import Self

class JobError(str):
    type: str
    message: str
    traceback: str
    routine_id: str | None
    def __new__(
        cls, type: str, message: str, traceback: str = "", routine_id: str | None = None
    ) -> Self: ...
