"""Plain functions under load: several posters, narrow slots, failures, cancellation.

`ROUTILUX_STRESS_SECONDS` sets how long it runs; the default keeps `make test` short.
"""

import os
import random
import threading
import time

import pytest

from routilux import SKIP, Flow, FunctionRoutine, Runtime

SECONDS = float(os.environ.get("ROUTILUX_STRESS_SECONDS", "3")) / 3
WAIT = 60.0


class Odd(Exception):
    pass


def inc(x):
    return x + 1


def fail_at_seven(x):
    if x % 10 == 7:
        raise Odd(x)
    return x


def skip_at_three(x):
    return SKIP if x % 10 == 3 else x


async def later(x):
    return x


def expected(x, stages):
    """Answer the status and the result of one item."""
    for function in stages:
        if function is fail_at_seven and x % 10 == 7:
            return "failed", None
        if function is skip_at_three and x % 10 == 3:
            return "completed", None
        x = x + 1 if function is inc else x
    return "completed", x


@pytest.mark.parametrize("pool", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_every_job_of_a_chain_of_functions_ends_as_it_should(pool, seed):
    rng = random.Random(seed)
    kinds = [inc, inc, inc, fail_at_seven, skip_at_three, *[later] * (seed == 2)]
    stages = [rng.choice(kinds) for _ in range(8)]
    flow = Flow()
    for n, function in enumerate(stages):
        length = rng.choice([1, 2, 1000])
        if function is not later:
            function = alone(function)
        flow.pipe(FunctionRoutine(function, max_queue_length=length), f"s{n}")
    end = time.monotonic() + SECONDS
    got, cancelled = [], []

    def post(worker):
        mine = random.Random(worker)
        n = 0
        while time.monotonic() < end:
            n += 1
            job = runtime.post(flow, "s0", "input", n % 10)[1]
            if mine.random() < 0.02 and job.cancel():
                cancelled.append(job)
            else:
                got.append((n % 10, job))

    with Runtime(thread_pool_size=pool, max_queue_size=200) as runtime:
        runtime.exec(flow)
        threads = [threading.Thread(target=post, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT)
        assert runtime.wait_until_all_jobs_finished(timeout=WAIT)
    assert len(got) > 100
    wrong = [
        (x, str(job.status), job.error)
        for x, job in got
        if (job.status, job._outcome() if job.status == "completed" else None)
        != expected(x, stages)
    ]
    assert wrong == []
    assert {str(job.status) for job in cancelled} <= {"cancelled"}


def alone(function):
    """Let a function fail when two calls of it overlap."""
    inside = threading.Lock()

    def call(x):
        assert inside.acquire(blocking=False)
        try:
            return function(x)
        finally:
            inside.release()

    return call
