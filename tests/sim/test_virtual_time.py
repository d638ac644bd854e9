"""Chapter 9: in a simulation time is virtual, and sleeping costs nothing."""

import time

import pytest

from routilux import (
    ErrorHandler,
    all_slots_ready_policy,
    batch_size_policy,
    clock,
    time_interval_policy,
)
from routilux.errors import SimulationError

HOUR = 3600.0


def post_to(runtime, flow, routine_id, count=1, slot="input"):
    runtime.exec(flow)
    return [runtime.post("flow", routine_id, slot, n)[1] for n in range(count)]


def test_sleeping_costs_nothing(simulate, make_routine, make_flow):
    flow = make_flow({"work": make_routine(lambda routine, data: clock.sleep(HOUR))})
    start = time.monotonic()
    runtime = simulate()
    post_to(runtime, flow, "work", 24)
    assert runtime.wait_until_all_jobs_finished()
    assert 24 * HOUR <= runtime.simulation.time < 24.1 * HOUR
    assert time.monotonic() - start < 60


def test_those_who_sleep_do_so_at_the_same_time(simulate, diamond):
    for seed in range(20):
        runtime = simulate(seed)
        post_to(runtime, diamond([], lambda: clock.sleep(10)), "fork")
        assert runtime.wait_until_all_jobs_finished()
        together = 1 if runtime.simulation.threads > 1 else 2
        assert 10 * together <= runtime.simulation.time < 10 * together + 1


def test_clock_of_logic_is_virtual(simulate, make_routine, make_flow):
    seen = []

    def logic(routine, slot_data):
        start = clock.monotonic(), clock.time(), clock.perf_counter()
        clock.sleep(5)
        ends = clock.monotonic(), clock.time(), clock.perf_counter()
        seen.extend(round(b - a, 3) for a, b in zip(start, ends, strict=True))

    runtime = simulate()
    post_to(runtime, make_flow({"work": make_routine(logic)}), "work")
    assert runtime.wait_until_all_jobs_finished()
    assert seen == [5, 5, 5]


def test_clock_outside_of_a_simulation_is_that_of_the_system():
    assert abs(clock.time() - time.time()) < 5
    start = time.monotonic()
    clock.sleep(0.01)
    assert time.monotonic() - start >= 0.01


def test_times_of_a_job_are_virtual(simulate, make_routine, make_flow):
    flow = make_flow({"work": make_routine(lambda routine, data: clock.sleep(60))})
    runtime = simulate()
    job = post_to(runtime, flow, "work")[0]
    assert runtime.wait_until_all_jobs_finished()
    assert job.created_at.isoformat().startswith("2000-01-01T00:00:00")
    assert 60 <= (job.completed_at - job.started_at).total_seconds() < 61


@pytest.mark.parametrize("timeout", [0, 1, HOUR])
def test_timeout_of_a_wait_passes_in_virtual_time(
    simulate, make_routine, make_flow, timeout
):
    routine = make_routine(
        lambda *_: None, slots=("a", "b"), policy=all_slots_ready_policy()
    )
    runtime = simulate()
    post_to(runtime, make_flow({"work": routine}), "work", slot="a")
    before = runtime.simulation.time
    assert runtime.wait_until_all_jobs_finished(timeout) is False
    assert runtime.simulation.time >= before + timeout


def test_wait_that_would_never_end_says_so(simulate, make_routine, make_flow):
    routine = make_routine(
        lambda *_: None, slots=("a", "b"), policy=all_slots_ready_policy()
    )
    runtime = simulate(77)
    post_to(runtime, make_flow({"work": routine}), "work", slot="a")
    with pytest.raises(SimulationError, match=r"seed 77.*slot 'a' of 'work'"):
        runtime.wait_until_all_jobs_finished()


def test_policies_and_retries_run_on_virtual_time(simulate, make_routine, make_flow):
    times = []

    def fail_twice(routine, slot_data):
        times.append(round(runtime.simulation.time))
        if len(times) < 3:
            raise ValueError

    batch = make_routine(
        lambda routine, data: routine.emit("output"),
        policy=batch_size_policy(10, max_wait=100),
    )
    ticks = make_routine(
        lambda routine, data: routine.emit("output"), policy=time_interval_policy(1000)
    )
    flaky = make_routine(fail_twice)
    flaky.set_error_handler(ErrorHandler("retry", 3, 10_000, 1.0))
    runtime = simulate()
    flow = make_flow(
        {"batch": batch, "ticks": ticks, "flaky": flaky},
        ("batch", "output", "ticks", "input"),
        ("ticks", "output", "flaky", "input"),
    )
    post_to(runtime, flow, "ticks")
    runtime.post("flow", "batch", "input", 0)
    runtime.sleep(100_000)
    assert times[0] == 0
    assert runtime.simulation.time >= 100_000
    assert times[1:] == [10_000, 20_000, 20_000]


def test_runtime_sleep_lets_the_flow_go_on(simulate, make_routine, make_flow):
    ran = []
    flow = make_flow({"work": make_routine(lambda *_: ran.append(1))})
    runtime = simulate(interleave="waits")
    post_to(runtime, flow, "work", 3)
    runtime.sleep(1)
    assert ran == [1, 1, 1]


def test_polling_for_a_job_lets_the_flow_go_on(simulate, make_routine, make_flow):
    flow = make_flow({"work": make_routine(lambda *_: clock.sleep(HOUR))})
    runtime = simulate()
    job = post_to(runtime, flow, "work", 3)[-1]
    for _ in range(100):
        if runtime.get_job(job.job_id).status == "completed":
            return
    pytest.fail("it never ended")


def test_jobs_of_logic_that_is_given_up_by_the_dozen_end(
    simulate, make_routine, make_flow
):
    """Each one that still sleeps lies below the next one on the only thread."""
    woken = []

    def oversleep(routine, slot_data):
        clock.sleep(HOUR)
        woken.append(routine)

    routine = make_routine(oversleep).set_concurrency(None).set_timeout(1.0)
    runtime = simulate(2, thread_pool_size=12)
    runtime.exec(make_flow({"work": routine}))
    jobs = [runtime.post("flow", "work", "input", n)[1] for n in range(60)]
    assert runtime.wait_until_all_jobs_finished()
    assert {job.error.type for job in jobs} == {"ActivationTimeout"}
    assert len(woken) == 60
