"""A simulation in which things go wrong that may go wrong."""

from collections.abc import Callable, Collection

from routilux._core.sim import SimControl, SimDriver
from routilux.virtual_loop import VirtualLoop

NAMES: tuple[str, ...]

class FaultDriver(SimDriver):
    def __init__(
        self,
        core: SimControl,
        seed: int,
        level: int,
        new_loop: Callable[[SimDriver], VirtualLoop],
        names: Collection[str],
    ) -> None: ...
    @property
    def names(self) -> list[str]: ...
    def calm(self) -> None: ...
