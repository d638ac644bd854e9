"""What a simulation runs on its one thread."""

from collections import deque

from routilux._core.engine import Driver

class Player(Driver):
    @property
    def steps(self) -> int: ...
    @property
    def fingerprint(self) -> int: ...
    @property
    def history(
        self,
    ) -> deque[tuple[int, int, str, str | None, str | None, int]]: ...
    def time_ns(self) -> int: ...

class CoroutineEnd:
    def __call__(self, error: BaseException | None) -> None: ...
