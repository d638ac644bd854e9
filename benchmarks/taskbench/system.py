"""What can run a graph."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeAlias

from .patterns import Pattern

Run: TypeAlias = Callable[[], int]
Prepare: TypeAlias = Callable[[Pattern, int, int], AbstractContextManager[Run]]


@dataclass(frozen=True)
class System:
    """A system under test.

    Attributes:
        name: As it stands in the table.
        open: Given a number of workers, starts the system. What it enters is called
            with a pattern, a number of steps and the bytes of a task; it makes ready
            all that a user makes once. What that enters runs the graph, and returns
            how many tasks ran.
        package: The distribution that it needs; empty for the standard library.
        tracks: Whether it starts a task when what the task needs is there. Otherwise
            all tasks of a step wait for all of the step before.
        largest: Bytes of the largest task that is worth a trial.
        factor: By how much the next task is smaller.
    """

    name: str
    open: Callable[[int], AbstractContextManager[Prepare]]
    package: str = ""
    tracks: bool = True
    largest: int = 1 << 21
    factor: float = math.sqrt(2)


def sinks(pattern: Pattern, steps: int) -> list[tuple[int, int]]:
    """Return the tasks that no other task needs."""
    needed = {
        (step - 1, source)
        for step, point in pattern.points(steps)
        if step
        for source in pattern.sources(step, point)
    }
    return [task for task in pattern.points(steps) if task not in needed]
