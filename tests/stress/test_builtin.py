"""Built-in routines with timers, under random load: every job ends, nothing hangs.

Each round draws configurations from its seed; posters cancel, flush and drop now and
then. ROUTILUX_STRESS_SECONDS lengthens the run (5 by default), ROUTILUX_STRESS_SEED
repeats one round, whose seed the failing assertion names.
"""

import logging
import os
import random
import threading
import time

from routilux import Flow, Runtime
from routilux.builtin_routines import (
    Aggregator,
    Batcher,
    Debouncer,
    Filter,
    RetryHandler,
)

SECONDS = float(os.environ.get("ROUTILUX_STRESS_SECONDS", "5"))
SEED = os.environ.get("ROUTILUX_STRESS_SEED")
WAIT = 30.0
ENDS = {"completed", "failed", "cancelled"}
POSTS = 150


def configured(cls, **config):
    routine = cls()
    routine.set_config(**config)
    return routine


def build(rng):
    """Draw a flow: filter -> retry -> join and batch; batch -> debounce."""

    def flaky(data):
        if random.random() < 0.3:
            raise OSError("down")
        return data

    flow = Flow()
    flow.add_routine(Filter(), "filter")
    retry = configured(RetryHandler, operation=flaky, base_delay=0.0005, max_attempts=4)
    flow.add_routine(retry, "retry")
    join = Aggregator().setup_slots(["left", "right"])
    join.set_config(
        mode=rng.choice(["all", "any"]),
        timeout=rng.choice([0.001, 0.01, 0.05]),
        max_pending_items=rng.choice([2, 1000]),
    )
    flow.add_routine(join, "join")
    batch = configured(
        Batcher,
        batch_size=rng.choice([2, 7, 50]),
        batch_timeout=rng.choice([None, 0.001, 0.01]),
        flush_on_shutdown=rng.random() < 0.8,
        max_batches=rng.choice([1, 10]),
    )
    flow.add_routine(batch, "batch")
    debounce = configured(
        Debouncer,
        wait=rng.choice([0.0005, 0.005]),
        leading=rng.random() < 0.5,
        max_wait=rng.choice([None, 0.02]),
    )
    flow.add_routine(debounce, "debounce")
    flow.connect("filter", "passed", "retry", "input")
    flow.connect("filter", "passed", "join", "right")
    flow.connect("retry", "success", "join", "left")
    flow.connect("retry", "success", "batch", "input")
    flow.connect("batch", "batch", "debounce", "input")
    return flow


def post_some(runtime, flow, workers, jobs, rng):
    batch, debounce = flow.routines["batch"], flow.routines["debounce"]
    for number in range(POSTS):
        worker_id = rng.choice(workers).worker_id
        posted = runtime.post(flow, "filter", "input", number, worker_id=worker_id)
        jobs.append(posted.job)
        for chance, act in (
            (0.02, rng.choice(jobs).cancel),
            (0.02, batch.flush),
            (0.02, debounce.cancel),
            (0.01, runtime.flush),
        ):
            if rng.random() < chance:
                act()


def play(seed):
    """Run one round."""
    rng = random.Random(seed)
    flow = build(rng)
    inline = rng.random() < 0.3
    runtime = Runtime(
        thread_pool_size=rng.choice([1, 2, 4]),
        max_queue_size=rng.choice([5, 1000]),
        engine="inline" if inline else "threads",
    )
    workers = [runtime.exec(flow) for _ in range(rng.choice([1, 3]))]
    jobs = []
    posters = [
        threading.Thread(
            target=post_some, args=(runtime, flow, workers, jobs, random.Random(n))
        )
        for n in range(1 if inline else 3)
    ]
    for poster in posters:
        poster.start()
    for poster in posters:
        poster.join(WAIT)
        assert not poster.is_alive(), f"seed {seed}: a poster is stuck"
    if rng.random() < 0.7:
        assert runtime.wait_until_all_jobs_finished(WAIT), f"seed {seed}"
    runtime.shutdown(timeout=WAIT)
    assert {str(job.status) for job in jobs} <= ENDS, f"seed {seed}"
    assert len(jobs) == POSTS * len(posters), f"seed {seed}"
    errors = {str(job.error) for job in jobs if job.status == "failed"}
    assert errors <= {"OSError: down"}, f"seed {seed}: {errors}"


def test_random_rounds_of_built_in_routines_end(caplog):
    caplog.set_level(logging.CRITICAL, logger="routilux")
    if SEED is not None:
        play(int(SEED))
        return
    end = time.monotonic() + SECONDS
    seeds = iter(range(10**9))
    while time.monotonic() < end:
        play(next(seeds))
