"""What happens when nothing moves any more."""

from routilux._core.engine import Engine

class Quiet(Engine): ...
