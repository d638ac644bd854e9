"""The log line about a runtime in which nothing moves."""

import os
import re
import sys
import threading
import time

import pytest

WAIT = 20.0
HAS_GIL = getattr(sys, "_is_gil_enabled", bool)() or sys.version_info < (3, 13)


def test_stall_is_told_once_with_routine_thread_and_slot(
    threaded, make_routine, make_flow, gate, warned
):
    def block(slot_data, policy_message, worker_state):
        gate.wait()

    def idle(slot_data, policy_message, worker_state):
        pass

    flow = make_flow(
        {"stuck": make_routine(block), "waits": make_routine(idle)}, flow_id="stalled"
    )
    runtime = threaded(thread_pool_size=1, stall_warning=0.05)
    runtime.exec(flow)
    runtime.post("stalled", "stuck", "input", 1)
    for n in range(3):
        runtime.post("stalled", "waits", "input", n)
    # The keeper's next looks come after this one; a second line would be there by then.
    while not warned("nothing has begun"):
        runtime.wait_until_all_jobs_finished(0.01)
    runtime.wait_until_all_jobs_finished(0.5)
    [text] = warned("nothing has begun")
    assert "slot 'input' of routine 'waits' of flow 'stalled' (3 items)" in text
    assert "routine 'stuck' of flow 'stalled' on thread 'routilux_0'" in text
    if HAS_GIL:  # else nobody can look at what another thread runs
        assert ".py:" in text


def test_next_stall_is_told_only_if_it_lasts_twice_as_long(threaded, solo, warned):
    gates = [threading.Event() for _ in range(3)]
    flow = solo(lambda slot_data, *rest: gates[slot_data["input"][0]].wait(WAIT))
    runtime = threaded(thread_pool_size=1, stall_warning=0.02)
    runtime.exec(flow)

    def stall(number):
        jobs = [runtime.post(flow, "work", "input", n).job for n in (number, 0)]
        return time.monotonic(), jobs

    began, jobs = stall(0)
    while not warned("nothing has begun") or time.monotonic() < began + 0.5:
        runtime.wait_until_all_jobs_finished(0.01)
    gates[0].set()
    assert all(job.wait(WAIT) for job in jobs)
    began, jobs = stall(1)
    jobs[0].wait(0.1)
    gates[1].set()
    assert all(job.wait(WAIT) for job in jobs)
    lasted = time.monotonic() - began
    assert len(warned("nothing has begun")) == 1 or lasted > 0.5
    stall(2)
    while len(warned("nothing has begun")) < 2:
        runtime.wait_until_all_jobs_finished(0.01)
    gates[2].set()


def test_stall_of_a_runtime_that_waits_for_its_first_thread_tells_its_own_time(
    threaded, solo, gate, warned, shared_pool
):
    threads = os.cpu_count() or 1
    busy = threading.Barrier(threads + 1)

    def block(slot_data, policy_message, worker_state):
        busy.wait(WAIT)
        gate.wait()

    holds, waits = solo(block), solo(lambda *args: None)
    holds.routines["work"].set_concurrency(None)
    first = threaded(thread_pool_size=0, stall_warning=None)
    first.exec(holds)
    for n in range(threads):
        first.post(holds.flow_id, "work", "input", n)
    busy.wait(WAIT)  # no thread of the shared pool is left
    began = time.monotonic()
    second = threaded(thread_pool_size=0, stall_warning=0.05)
    second.exec(waits)
    second.post(waits.flow_id, "work", "input", 1)
    while not warned("nothing has begun"):
        second.wait_until_all_jobs_finished(0.01)
    [text] = warned("nothing has begun")
    seconds = float(re.search(r"for (\d+) s;", text)[1])
    assert seconds <= 1 + time.monotonic() - began


def test_routine_that_is_behind_its_own_stuck_activation_is_told(
    threaded, solo, gate, warned
):
    flow = solo(lambda slot_data, policy_message, worker_state: gate.wait())
    runtime = threaded(thread_pool_size=2, stall_warning=0.05)
    runtime.exec(flow)
    for n in range(3):
        runtime.post(flow.flow_id, "work", "input", n)
    while not warned("nothing has begun"):
        runtime.wait_until_all_jobs_finished(0.01)
    assert warned("nothing has begun", "routine 'work'", "(2 items)")


def test_what_a_paused_worker_holds_is_not_told_as_what_waits(
    threaded, solo, gate, warned
):
    held, stuck = solo(lambda *args: None), solo(lambda *args: gate.wait())
    runtime = threaded(thread_pool_size=1, stall_warning=0.05)
    runtime.exec(held).pause()
    runtime.exec(stuck)
    for flow in (held, stuck, stuck):
        runtime.post(flow.flow_id, "work", "input", 1)
    while not warned("nothing has begun"):
        runtime.wait_until_all_jobs_finished(0.01)
    [text] = warned("nothing has begun")
    assert stuck.flow_id in text and held.flow_id not in text


def test_long_activation_with_nothing_behind_it_is_no_stall(
    threaded, solo, gate, warned, linger
):
    flow = solo(lambda slot_data, policy_message, worker_state: gate.wait())
    runtime = threaded(stall_warning=0.02)
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 1).job
    assert not job.wait(0.5)
    assert not warned("nothing has begun")


def test_stall_warning_can_be_switched_off(threaded, solo, gate, warned):
    flow = solo(lambda slot_data, policy_message, worker_state: gate.wait())
    runtime = threaded(thread_pool_size=1, stall_warning=None)
    runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "work", "input", n).job for n in range(3)]
    assert not jobs[0].wait(0.3)
    assert not warned("nothing has begun")


def test_work_that_moves_is_no_stall(threaded, solo, finish, warned):
    tick = threading.Event()

    def logic(slot_data, policy_message, worker_state):
        tick.wait(0.002)

    flow = solo(logic)
    runtime = threaded(thread_pool_size=1, stall_warning=2.0)
    runtime.exec(flow)
    for n in range(300):
        runtime.post(flow.flow_id, "work", "input", n)
    finish(runtime)
    assert not warned("nothing has begun")


@pytest.mark.parametrize(
    ("seconds", "error"), [(0, ValueError), (-1, ValueError), ("5", TypeError)]
)
def test_stall_warning_that_is_no_time_is_refused(threaded, seconds, error):
    with pytest.raises(error, match="stall_warning must be"):
        threaded(stall_warning=seconds)
