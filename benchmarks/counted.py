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

from routilux import Flow, Runtime, pipeline

JOBS = 1_000
CHAIN = 10


def part(run: Callable[[], object]) -> None:
    """Warm up, then run between two dumps."""
    run()
    gc.collect()
    os.getppid()
    run()
    os.getppid()


def increase(number: int) -> int:
    """Do what a plain function can do least."""
    return number + 1


def post_functions(runtime: Runtime, pipe: Flow) -> None:
    """Post a number for each job, and wait."""
    runtime.post_many(pipe.flow_id, "increase", "input", range(JOBS))
    driving.finish(runtime)


def main() -> None:
    """Run all parts in the order of `instructions.PARTS`."""
    items = flows.items_of(JOBS)
    single, chain = flows.chain(1), flows.chain(CHAIN)
    with Runtime(engine="inline", max_queue_size=2 * JOBS) as runtime:
        runtime.exec(single.flow)
        runtime.exec(chain.flow)
        pipes = [pipeline(*[increase] * n) for n in (1, CHAIN)]
        for pipe in pipes:
            runtime.exec(pipe)
        part(partial(driving.post_all, runtime, single, items))
        part(partial(driving.post_many, runtime, single, items))
        part(partial(driving.post_all, runtime, chain, items))
        for pipe in pipes:
            part(partial(post_functions, runtime, pipe))
    if not chain.is_complete(chain.tallies, JOBS):
        sys.exit("items are missing")


if __name__ == "__main__":
    main()
