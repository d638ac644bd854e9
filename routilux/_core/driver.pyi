"""What acts for a core: threads."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, final

from routilux._core.engine import Driver, Engine
from routilux._core.worker import Activation

_Spawner: TypeAlias = Callable[
    [Coroutine[Any, Any, Any], Activation, Callable[[BaseException | None], None]],
    object,
]

@final
class ThreadDriver(Driver):
    def __init__(
        self,
        engine: Engine,
        submit: Callable[[Callable[[], None]], object],
        spawner: _Spawner,
        canceller: Callable[[Activation], object],
        spare: Callable[[Callable[[], None]], object],
        patience: float,
    ) -> None: ...
    def keep(self) -> None: ...
    def stop(self) -> None: ...

@final
class PumpTask:
    def __init__(self, engine: Engine) -> None: ...
    def run(self) -> None: ...

@final
class AsyncEnd:
    def __init__(self, activation: Activation) -> None: ...
    def __call__(self, error: BaseException | None) -> None: ...
