"""The graphs: who needs what of the step before.

A graph is a grid: `width` points, run again at each step. `sources` says on which
points of the step before a point depends. The patterns are those of the paper; nothing
here knows how a graph is run.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

Sources: TypeAlias = Callable[[int, int], tuple[int, ...]]

RADIX = 5
PERIOD = 3
CONNECTED = 0.25


@dataclass(frozen=True)
class Pattern:
    """A graph without an end.

    Attributes:
        name: As in the paper.
        width: Points of a step; a power of 2.
        sources: (step, point) to the points of the step before that it needs; asked for
            steps from 1 on.
        period: After how many steps `sources` repeats.
        growth: Steps until the graph is `width` wide; it doubles with each.
    """

    name: str
    width: int
    sources: Sources
    period: int = 1
    growth: int = 0

    def width_at(self, step: int) -> int:
        """Return how many points a step has."""
        return self.width >> max(0, self.growth - step)

    def phase_at(self, step: int) -> int:
        """Return the number of a step's place in the cycle, or before it."""
        if step < self.growth:
            return step
        return self.growth + (step - self.growth) % self.period

    def points(self, steps: int) -> Iterator[tuple[int, int]]:
        """Return (step, point) for each task of a run, in order."""
        for step in range(steps):
            for point in range(self.width_at(step)):
                yield step, point

    def count(self, steps: int) -> int:
        """Return how many tasks a run has."""
        return sum(map(self.width_at, range(steps)))


def patterns(width: int) -> dict[str, Pattern]:
    """Return all patterns, `width` points wide; a power of 2."""
    levels = width.bit_length() - 1
    if width != 1 << levels:
        raise ValueError(f"width must be a power of 2, not {width}")

    def within(points: Iterator[int]) -> tuple[int, ...]:
        return tuple(point for point in points if 0 <= point < width)

    def none(step: int, point: int) -> tuple[int, ...]:
        return ()

    def stencil_1d(step: int, point: int) -> tuple[int, ...]:
        return within(iter((point - 1, point, point + 1)))

    def fft(step: int, point: int) -> tuple[int, ...]:
        far = 1 << (step - 1) % levels
        return within(iter((point - far, point, point + far)))

    def tree(step: int, point: int) -> tuple[int, ...]:
        return (point // 2,)

    def random_nearest(step: int, point: int) -> tuple[int, ...]:
        near = range(point - RADIX // 2, point + (RADIX - 1) // 2 + 1)
        return within(
            other
            for other in near
            if other == point or is_drawn(step % PERIOD, point, other)
        )

    return {
        pattern.name: pattern
        for pattern in (
            Pattern("trivial", width, none),
            Pattern("stencil_1d", width, stencil_1d),
            Pattern("fft", width, fft, period=levels),
            Pattern("tree", width, tree, growth=levels),
            Pattern("random_nearest", width, random_nearest, period=PERIOD),
        )
    }


def is_drawn(*where: int) -> bool:
    """Answer the same for the same place, in all processes and runs."""
    return zlib.crc32(repr(where).encode()) / 2**32 < CONNECTED
