"""Random flows in which activations and jobs run out of time, on real threads."""

import random
import threading
import time
from collections import Counter

import pytest

from routilux import Flow, Routine, Runtime, batch_size_policy, immediate_policy

WAIT = 60.0


def draw_flow(rng, letters):
    """A tree of routines with narrow slots and short timeouts, and dead letters."""
    flow = Flow()
    count = rng.randint(2, 5)
    for n in range(count):
        routine = Routine()
        routine.add_slot("input", rng.choice((3, 5, 1000)))
        routine.add_event("output")
        routine.set_activation_policy(
            rng.choice((immediate_policy(), immediate_policy(), batch_size_policy(3)))
        )
        routine.set_logic(draw_logic(routine, random.Random(rng.random())))
        if rng.random() < 0.3:
            routine.set_concurrency(rng.choice((2, None)))
        if rng.random() < 0.7:
            routine.set_timeout(rng.choice((0.002, 0.005, 0.02)))
        flow.add_routine(routine, f"r{n}")
        if n:
            flow.connect(f"r{rng.randrange(n)}", "output", f"r{n}", "input")
    reader = Routine()
    reader.add_slot("input", 2)
    reader.set_logic(lambda slot_data, policy_message, worker_state: letters.append(1))
    reader.set_activation_policy(immediate_policy())
    flow.add_routine(reader, "dead")
    flow.set_dead_letter("dead")
    return flow, count


def draw_logic(routine, rng):
    def logic(slot_data, policy_message, worker_state):
        for _ in slot_data["input"]:
            if rng.random() < 0.1:
                time.sleep(rng.choice((0, 0.001, 0.01)))
            for n in range(rng.randint(0, 2)):
                routine.emit("output", n=n)
            if rng.random() < 0.05:
                raise ValueError("at random")

    return logic


@pytest.mark.parametrize("seed", range(12))
def test_every_job_ends_once_whatever_runs_out_of_time(seed):
    rng = random.Random(seed)
    letters, jobs, ended = [], [], Counter()
    flow, count = draw_flow(rng, letters)

    def post(rng):
        for _ in range(60):
            job = runtime.post(
                flow.flow_id,
                f"r{rng.randrange(count)}",
                "input",
                1,
                deadline=rng.choice((None, None, 0.003, 0.05)),
            ).job
            jobs.append(job)
            job.add_done_callback(lambda job: ended.update([job.job_id]))

    with Runtime(rng.choice((1, 2, 4)), rng.choice((2, 50))) as runtime:
        runtime.exec(flow)
        threads = [
            threading.Thread(target=post, args=(random.Random(seed + n),), daemon=True)
            for n in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT)
            assert not thread.is_alive()
        assert runtime.wait_until_all_jobs_finished(WAIT)
    assert set(ended) == {job.job_id for job in jobs}
    assert set(ended.values()) == {1}
    # There is no cycle, so no emit may be refused for one.
    kinds = {job.error.type for job in jobs if job.error is not None}
    assert kinds <= {"ActivationTimeout", "DeadlineExceeded", "ValueError"}
