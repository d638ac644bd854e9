"""Random chains of typed slots under random load, then the books are balanced.

Posting threads post blocks of unique numbers and cancel now and then; logic fails now
and then; queues are narrow. At the end of a round every job ended once, no number was
seen twice at any stage, and every number of a completed job reached the last one.

ROUTILUX_STRESS_SECONDS lengthens the run (10 by default, this test takes a third).
"""

import os
import random
import threading
import time
from itertools import chain

import numpy as np

from routilux import (
    Flow,
    Routine,
    Runtime,
    batch_size_policy,
    custom_policy,
    immediate_policy,
    time_interval_policy,
)

SECONDS = float(os.environ.get("ROUTILUX_STRESS_SECONDS", "10")) / 3
WAIT = 30.0
POSTERS = 3
BLOCKS = 12
ENDS = {"completed", "failed", "cancelled"}


class Stage(Routine):
    """Passes its numbers on, in blocks of any size; fails on unlucky ones."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        rng = random.Random(seed)
        size = rng.choice([1, 2, 7, 64, 300])
        policies = [
            immediate_policy(),
            batch_size_policy(size),
            batch_size_policy(size, max_wait=0.001),
            time_interval_policy(0.001),
            custom_policy(lambda slots, worker: len(slots["input"]) > 0),
        ]
        self.add_slot("input", size + rng.randrange(300), dtype=np.int64, shape=(2,))
        self.add_event("output")
        self.set_activation_policy(rng.choices(policies, [1, 3, 2, 1, 2])[0])
        self.set_concurrency(rng.choice([1, 1, 3]))
        self.unlucky = rng.choice([0, 0, 3001])
        self.piecemeal = rng.random() < 0.3
        self.seen: list[np.ndarray] = []

    def logic(self, slot_data, policy_message, worker_state) -> None:
        pairs = slot_data["input"]
        if self.unlucky and (pairs[:, 0] % self.unlucky == 1).any():
            raise ValueError("unlucky")
        assert (pairs[:, 1] == -pairs[:, 0]).all()
        self.seen.append(pairs[:, 0].copy())
        if self.piecemeal and len(pairs) < 20:
            for pair in pairs:
                self.emit("output", pair=pair)
        else:
            self.emit_many("output", pairs[: len(pairs) // 3])
            self.emit_many("output", pairs[len(pairs) // 3 :], copy=len(pairs) % 2)


def post(runtime, flow, rng, first, posted, errors) -> None:
    try:
        for _ in range(BLOCKS):
            numbers = np.arange(first, first + rng.choice([1, 5, 30, 200, 900]))
            first += len(numbers)
            block = np.stack([numbers, -numbers], axis=1)
            if rng.random() < 0.2:
                jobs = runtime.post_many(flow, "s0", "input", block)
                posted += zip(jobs, numbers[:, None], strict=True)
            else:
                job = runtime.post_many(flow, "s0", "input", block, jobs="one")
                posted.append((job, numbers))
            if rng.random() < 0.1:
                rng.choice(posted)[0].cancel()
    except BaseException as error:
        errors.append(error)


def one_round(seed: int) -> None:
    rng = random.Random(seed)
    stages = [Stage(rng.random()) for _ in range(rng.randint(1, 4))]
    flow = Flow()
    for index, stage in enumerate(stages):
        flow.add_routine(stage, f"s{index}")
        if index:
            flow.connect(f"s{index - 1}", "output", f"s{index}", "input")
    posted: list[list] = [[] for _ in range(POSTERS)]
    errors: list[BaseException] = []
    with Runtime(rng.randint(1, 4), max_queue_size=rng.choice([3, 1000])) as runtime:
        runtime.exec(flow)
        threads = [
            threading.Thread(
                target=post,
                args=(runtime, flow, random.Random(seed + i), i * 10**6, mine, errors),
            )
            for i, mine in enumerate(posted)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT)
        assert errors == []
        assert runtime.wait_until_all_jobs_finished(WAIT)
    for stage in stages:
        seen = np.concatenate(stage.seen or [np.empty(0, np.int64)])
        assert len(np.unique(seen)) == len(seen)
    for job, numbers in chain.from_iterable(posted):
        assert str(job.status) in ENDS
        if job.status == "completed":
            assert np.isin(numbers, seen).all(), (job, numbers)


def test_nothing_is_lost_or_doubled_on_the_way_of_blocks(caplog) -> None:
    caplog.set_level("CRITICAL")
    end = time.monotonic() + SECONDS
    seed = random.randrange(10**6)
    while time.monotonic() < end:
        seed += 1
        try:
            one_round(seed)
        except BaseException as error:
            raise AssertionError(f"round {seed} failed") from error
