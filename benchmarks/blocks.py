"""Flows of typed slots whose data are blocks of float64, and their rows of the table.

The chain applies one ufunc in each of four routines; its twin is the loop that a numpy
user would write over the same blocks. Copies are made where a batch cuts across blocks.
"""

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any, TypeAlias

import numpy as np
from driving import WAIT, finish
from rows import Row, interleave, ratio

from routilux import Flow, Routine, Runtime, WorkerState, batch_size_policy

Ufunc: TypeAlias = Callable[[Any], Any]

DEPTH = 4
SIZE = 4_096
BLOCKS = 64
MANY = 512  # what one job takes to start and to end is a row of its own
JOINED = 1 << 18  # float64 of each half: 2 MiB


class Apply(Routine):
    """Apply one ufunc to blocks of one size, and emit what it gives."""

    def __init__(self, ufunc: Ufunc, size: int, blocks: int) -> None:
        super().__init__()
        self.add_slot("input", blocks * size, dtype=np.float64)
        self.add_event("output", ["value"])
        self.set_activation_policy(batch_size_policy(size))
        self.ufunc = ufunc

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        self.emit_many("output", self.ufunc(slot_data["input"]))


class BlockChain:
    """Routines in a row, blocks for them, and the loop that does the same.

    Args:
        ufunc: What each routine applies.
        size: Items of a block, and of a batch.
        blocks: How many blocks there are.
    """

    def __init__(self, ufunc: Ufunc, size: int = SIZE, blocks: int = BLOCKS) -> None:
        self.ufunc = ufunc
        self.flow = Flow()
        for index in range(DEPTH):
            self.flow.add_routine(Apply(ufunc, size, blocks), str(index))
            if index:
                self.flow.connect(str(index - 1), "output", str(index), "input")
        self.data = np.linspace(0.0, 1.0, size * blocks)
        self.blocks = np.split(self.data, blocks)

    def post(self, runtime: Runtime) -> None:
        """Post all blocks as one array, one job, and wait for it."""
        flow_id = self.flow.flow_id
        runtime.post_many(flow_id, "0", "input", self.data, jobs="one").wait(WAIT)

    def post_each(self, runtime: Runtime) -> None:
        """Post every block, a job each, and wait for all of them."""
        post_many, flow_id = runtime.post_many, self.flow.flow_id
        for block in self.blocks:
            post_many(flow_id, "0", "input", block, jobs="one")
        finish(runtime)

    def loop(self) -> None:
        """Apply the ufunc as often, without any runtime."""
        ufunc = self.ufunc
        for block in self.blocks:
            for _ in range(DEPTH):
                block = ufunc(block)

    def check(self, worker: WorkerState) -> None:
        """Raise unless every routine has emitted all that came, and something did."""
        counts = {worker.get_event_count(str(i), "output") for i in range(DEPTH)}
        if len(counts) != 1 or not counts.pop():
            raise RuntimeError(f"items of {self.flow!r} are missing")


class Halves:
    """Two arrays that lie in a queue one after the other, and what joins them."""

    def __init__(self, runtime: Runtime) -> None:
        routine = Routine()
        routine.add_slot("input", 2 * JOINED, dtype=np.float64)
        routine.add_slot("never")
        routine.set_activation_policy(batch_size_policy(1))
        routine.set_logic(lambda *_: None)
        flow = Flow()
        flow.add_routine(routine, "0")
        worker = runtime.exec(flow)
        self.halves = [np.random.rand(JOINED) for _ in range(2)]
        for half in self.halves:
            runtime.post_many(flow.flow_id, "0", "input", half, jobs="one")
        self.join = worker.get_slot("0", "input").peek_all_new
        assert self.join().tobytes() == b"".join(h.tobytes() for h in self.halves)

    def concatenate(self) -> None:
        """Do the same by numpy: memcpy into a new array."""
        np.concatenate(self.halves)


def typed(rounds: int) -> Iterator[Row]:
    """Blocks through a chain of ufuncs, and copies where a batch cuts across blocks."""
    calls = DEPTH * MANY
    for ufunc, limit in ((np.sqrt, "<= 1.15"), (np.sin, "<= 1.15"), (np.square, "")):
        case = BlockChain(ufunc, blocks=MANY)
        with Runtime(thread_pool_size=2) as runtime:
            worker = runtime.exec(case.flow)
            one, many, bare = interleave(
                rounds,
                partial(case.post, runtime),
                partial(case.post_each, runtime),
                case.loop,
            )
        case.check(worker)
        name = f"4 typed routines, blocks of {SIZE}, np.{ufunc.__name__}"
        note = f"one job; {median(bare) / calls * 1e6:.2f} µs a call of the ufunc"
        yield ratio(f"{name} / numpy loop", one, bare, limit, note)
        yield ratio("  a job for each block", many, bare)
        above = [(a - b) / calls * 1e6 for a, b in zip(one, bare, strict=True)]
        what = "  an activation, above the loop"
        yield Row(what, median(above), above, "µs", "<= 1", "one job")
    with Runtime(thread_pool_size=1) as runtime:
        halves = Halves(runtime)
        ours, theirs = interleave(rounds, halves.join, halves.concatenate)
        runtime.shutdown(cancel_pending=True, timeout=WAIT)
    rate = 2 * JOINED * 8 / median(ours) / 2**30
    note = f"{rate:.1f} GiB/s, {2 * JOINED * 8 >> 20} MiB"
    yield ratio("joining two blocks, speed / memcpy", theirs, ours, ">= 0.7", note)
