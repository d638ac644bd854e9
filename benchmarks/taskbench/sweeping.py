"""From large tasks to small ones, until half of the machine is lost.

Efficiency is the bytes a second that all tasks hash, of what bare threads hash. The
granularity is the time that a task takes of one worker, overhead included: wall time
times workers by tasks. METG(50 %) is the granularity at which efficiency falls to one
half; between two measured sizes it is interpolated, on a scale of logarithms.
"""

import gc
import math
import time
from dataclasses import dataclass
from statistics import median

from .kernel import SMALLEST, peak
from .patterns import Pattern
from .system import Prepare, System

WIDTH = 16
SECONDS = 0.1
REPEATS = 3
STEPS = (8, 512)
HALF = 0.5


@dataclass(frozen=True)
class Point:
    """One size of task.

    Attributes:
        size: Bytes of a task.
        granularity: In seconds.
        efficiency: From 0 to about 1.
    """

    size: int
    granularity: float
    efficiency: float


@dataclass(frozen=True)
class Sweep:
    """All sizes, from large to small.

    Attributes:
        points: What was measured.
        metg: METG(50 %) in seconds; infinite if even the largest task is below one
            half, and that of the smallest task if none is.
        is_bound: Whether no task was small enough, so that METG may be less.
    """

    points: list[Point]
    metg: float
    is_bound: bool


def sweep(prepare: Prepare, pattern: Pattern, system: System, workers: int) -> Sweep:
    """Measure a system on a pattern."""
    rate = peak(workers)
    points: list[Point] = []
    size = float(system.largest)
    each = 2 * size / rate
    while size >= SMALLEST:
        low, high = STEPS
        steps = min(high, max(low, int(SECONDS / each / pattern.width)))
        each = seconds_of_a_task(prepare, pattern, steps, int(size))
        points.append(Point(int(size), each * workers, int(size) / each / rate))
        if len(points) > 1 and max(p.efficiency for p in points[-2:]) < HALF:
            break
        size /= system.factor
    return Sweep(points, *crossing(points))


def seconds_of_a_task(
    prepare: Prepare, pattern: Pattern, steps: int, size: int
) -> float:
    """Run the graph some times; the median, after one run to warm up."""
    times = []
    with prepare(pattern, steps, size) as run:
        for _ in range(REPEATS + 1):
            gc.collect()
            start = time.perf_counter()
            count = run()
            times.append(time.perf_counter() - start)
            if count != pattern.count(steps):
                raise RuntimeError(f"{count} of {pattern.count(steps)} tasks ran")
    return median(times[1:]) / count


def crossing(points: list[Point]) -> tuple[float, bool]:
    """Return METG(50 %), and whether it is only an upper bound."""
    above = [index for index, point in enumerate(points) if point.efficiency >= HALF]
    if not above:
        return math.inf, False
    last = points[above[-1]]
    if above[-1] + 1 == len(points):
        return last.granularity, True
    after = points[above[-1] + 1]
    if after.granularity >= last.granularity:
        return last.granularity, False  # a smaller task takes longer: a step, no slope
    share = (last.efficiency - HALF) / (last.efficiency - after.efficiency)
    ratio = after.granularity / last.granularity
    return last.granularity * ratio**share, False
