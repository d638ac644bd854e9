"""Print how much a second worker on a second thread adds to pure Python, by task size.

    python3.13t benchmarks/free_threaded.py [--rounds N] [--json FILE]

For an interpreter without the GIL; on another one it says so and measures nothing. The
logic is a loop of additions, 1 to 100 µs long, in a chain of ten; a worker is given a
thread of the pool.
"""

import argparse
import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

import driving
import machine
import table
from rows import Row, Skipped, interleave, ratio

from routilux import Flow, Routine, Runtime, immediate_policy

CHAIN = 10
SIZES = (1, 2, 5, 10, 20, 50, 100)
SECONDS = 0.1
LIMITED = (20, 50)


class Worked(Routine):
    """Count up, then send the value on."""

    def __init__(self, turns: int) -> None:
        super().__init__()
        self.turns = turns
        self.add_slot("input")
        self.add_event("output", ["value"])
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        (item,) = slot_data["input"]
        work(self.turns)
        self.emit("output", value=item["value"])


def work(turns: int) -> int:
    """Run pure Python for a while."""
    total = 0
    for turn in range(turns):
        total += turn & 1
    return total


def turns_of(micros: float) -> int:
    """Return the turns that take so many µs."""
    start = time.perf_counter()
    work(200_000)
    return max(1, int(micros * 0.2 / (time.perf_counter() - start)))


def chain(turns: int) -> Flow:
    """Build ten routines in a row."""
    flow = Flow()
    for index in range(CHAIN):
        flow.add_routine(Worked(turns), str(index))
        if index:
            flow.connect(str(index - 1), "output", str(index), "input")
    return flow


def feed(runtime: Runtime, workers: Sequence[tuple[str, str]], jobs: int) -> None:
    """Post jobs to workers in turns, then wait for all."""
    for number in range(jobs // len(workers)):
        for flow_id, worker_id in workers:
            runtime.post(flow_id, "0", "input", {"value": number}, worker_id=worker_id)
    driving.finish(runtime)


def bare(threads: ThreadPoolExecutor, count: int, turns: int, calls: int) -> None:
    """Make the same calls on so many threads, without a runtime."""

    def loop() -> None:
        for _ in range(calls // count):
            work(turns)

    for future in [threads.submit(loop) for _ in range(count)]:
        future.result()


def speed_ups(micros: int, rounds: int) -> Iterator[Row]:
    """Yield the speed-ups at one size of task."""
    turns = turns_of(micros)
    jobs = max(20, 2 * int(SECONDS / micros / CHAIN * 1e6 / 2))
    own, other, shared = chain(turns), chain(turns), chain(turns)
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(2))
        one, two, both = (
            stack.enter_context(Runtime(thread_pool_size=pool, max_queue_size=200))
            for pool in (1, 2, 2)
        )
        single = [(shared.flow_id, one.exec(shared).worker_id)]
        pair = [(flow.flow_id, two.exec(flow).worker_id) for flow in (own, other)]
        same = [(shared.flow_id, both.exec(shared).worker_id) for _ in range(2)]
        by_one, by_flows, by_workers, bare_one, bare_two = interleave(
            rounds,
            partial(feed, one, single, jobs),
            partial(feed, two, pair, jobs),
            partial(feed, both, same, jobs),
            partial(bare, threads, 1, turns, jobs * CHAIN),
            partial(bare, threads, 2, turns, jobs * CHAIN),
        )
    limit = ">= 1.8" if micros in LIMITED else ""
    cost = (median(by_one) - median(bare_one)) / jobs / CHAIN * 1e6
    note = (
        f"bare threads: {median(bare_one) / median(bare_two):.2f};"
        f" with one, {cost:.2f} µs a hop beside the work"
    )
    for who, seconds in (
        ("two workers of one flow", by_workers),
        ("a flow for each", by_flows),
    ):
        row = ratio(f"{who} / one, {micros} µs a hop", by_one, seconds, limit, note)
        yield replace(row, curve=[(micros, row.value)])


def all_rows(options: argparse.Namespace) -> Iterator[Row | Skipped]:
    """Yield the rows of all sizes."""
    if machine.has_gil():
        reason = "this interpreter has a GIL; give one without it"
        yield Skipped("two workers / one, pure Python", reason)
        return
    for micros in SIZES:
        yield from speed_ups(micros, options.rounds)


def main() -> None:
    """Measure, print, write the file."""
    options = table.options_of(__doc__, rounds=7).parse_args()
    logging.getLogger("routilux").setLevel(logging.ERROR)
    table.show(options, all_rows(options))


if __name__ == "__main__":
    main()
