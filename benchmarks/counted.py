"""The work whose instructions `instructions.py` counts; it runs this under valgrind.

The engine "inline" runs all on one thread, so each run takes the same way as the one
before. Callgrind writes what it has counted whenever `getppid` is called; the parts lie
between these calls. Each part runs once before it is counted.
"""

import gc
import os
import sys
from collections.abc import Callable
from functools import partial

import driving
import flows

from routilux import Runtime

JOBS = 1_000
CHAIN = 10


def part(run: Callable[[], object]) -> None:
    """Warm up, then run between two dumps."""
    run()
    gc.collect()
    os.getppid()
    run()
    os.getppid()


def main() -> None:
    """Run all parts in the order of `instructions.PARTS`."""
    items = flows.items_of(JOBS)
    single, chain = flows.chain(1), flows.chain(CHAIN)
    with Runtime(engine="inline", max_queue_size=2 * JOBS) as runtime:
        runtime.exec(single.flow)
        runtime.exec(chain.flow)
        part(partial(driving.post_all, runtime, single, items))
        part(partial(driving.post_many, runtime, single, items))
        part(partial(driving.post_all, runtime, chain, items))
    if not chain.is_complete(chain.tallies, JOBS):
        sys.exit("items are missing")


if __name__ == "__main__":
    main()
