"""The work of a task: hash some bytes, with the GIL released meanwhile.

`hashlib` releases the GIL from 2,048 bytes on. Time grows with the bytes, so the length
of the buffer sets the task's size; the rate in bytes a second does not depend on it. A
point of a graph has a hash of its own and runs once at a time, so nothing is shared.
"""

import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median
from typing import TypeAlias

Kernel: TypeAlias = Callable[[], object]

SMALLEST = 1 << 11
LARGEST = 1 << 25
BUFFER = memoryview(bytes(LARGEST))
CALIBRATION = 1 << 16
ROUNDS = 5


def kernels(count: int, size: int) -> list[Kernel]:
    """Make a kernel for each point.

    Args:
        count: How many points there are.
        size: Bytes that each call hashes, from 2,048 to 33,554,432.
    """
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size must be {SMALLEST} to {LARGEST}, not {size}")
    return [partial(hashlib.sha256().update, BUFFER[:size]) for _ in range(count)]


def repeat(kernel: Kernel, count: int) -> None:
    """Call a kernel in a row."""
    for _ in range(count):
        kernel()


def peak(threads: int, seconds: float = 0.02) -> float:
    """Return the bytes a second that bare threads hash: what the machine can do.

    Args:
        threads: How many hash at a time.
        seconds: About how long a round takes.
    """
    work = kernels(threads, CALIBRATION)
    start = time.perf_counter()
    repeat(work[0], 20)
    count = max(1, int(seconds / (time.perf_counter() - start) * 20))
    found = []
    with ThreadPoolExecutor(threads) as executor:
        for _ in range(ROUNDS):
            start = time.perf_counter()
            list(executor.map(repeat, work, [count] * threads))
            found.append(threads * count * CALIBRATION / (time.perf_counter() - start))
    return median(found)
