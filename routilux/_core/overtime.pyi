"""Activations that last too long."""

from typing import final

from routilux._core.quiet import Quiet

@final
class Watch: ...

class Overtime(Quiet):
    def n_given_up(self) -> int: ...
