"""What acts for a core without threads: whoever waits."""

from collections.abc import Callable
from typing import final

from routilux._core.driver import _Spawner
from routilux._core.engine import Driver, Engine
from routilux._core.worker import Activation

@final
class InlineDriver(Driver):
    def __init__(
        self,
        engine: Engine,
        spawner: _Spawner,
        canceller: Callable[[Activation], object],
    ) -> None: ...
