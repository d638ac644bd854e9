"""Choosing what a simulation does next."""

from collections.abc import Callable

from routilux._core.engine import Engine
from routilux._core.play import Player

class Chooser(Player):
    watch: Callable[[], object] | None
    def __init__(self, engine: Engine, seed: int) -> None: ...
    @property
    def seed(self) -> int: ...
    @property
    def threads(self) -> int: ...
    def draw(self, n: int) -> int: ...
