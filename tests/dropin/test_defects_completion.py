"""Defects of the 1.x series, group A: when work is done, and what says so.

The letters and numbers are those of its list of known defects; each test shows that the
defect is not here.
"""

import threading

import pytest

from routilux import (
    Flow,
    Routine,
    Runtime,
    clock,
    get_current_worker_state,
    get_job_output,
    immediate_policy,
    install_routed_stdout,
)

WAIT = 20.0


def test_a1_jobs_stayed_running_until_completed_by_hand(runtime, chain, forward):
    """Two thousand posts end as two thousand completed jobs, and none is kept live."""
    flow = chain(forward, None)
    runtime.exec(flow)
    jobs = [runtime.post(flow, "a", "input", {"value": n}).job for n in range(2000)]
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert {job.status for job in jobs} == {"completed"}
    assert (runtime.list_jobs(), runtime._active_jobs) == ([], {})


def test_a2_completing_a_job_hid_its_end_and_its_output(runtime, chain):
    """A job that was completed can still be asked for, with what it printed."""
    install_routed_stdout(keep_default=False)
    flow = chain(lambda routine, item: print("printed"))
    runtime.exec(flow)
    job = runtime.post(flow, "a", "input", 1).job
    assert job.wait(WAIT)
    runtime.complete_job(job.job_id)
    assert runtime.get_job(job.job_id).status == "completed"
    assert get_job_output(job.job_id) == "printed\n"


def test_a3_refused_post_left_a_job_a_worker_and_a_thread(runtime, chain):
    """A post to an unknown routine or slot leaves nothing at all behind."""
    flow = chain(None)
    runtime.exec(flow)
    before = (threading.active_count(), runtime.list_workers())
    for routine, slot in (("absent", "input"), ("a", "absent")):
        with pytest.raises(ValueError, match="absent"):
            runtime.post(flow, routine, slot, 1, job_id="ghost")
    assert (threading.active_count(), runtime.list_workers()) == before
    assert (runtime.list_jobs(), runtime.get_job("ghost")) == ([], None)


def test_a4_busy_worker_was_called_idle(runtime, chain):
    """A worker that was idle once is not idle while it works again."""
    gate = threading.Event()
    flow = chain(lambda routine, item: gate.wait(WAIT))
    worker = runtime.exec(flow)
    gate.set()
    runtime.post(flow, "a", "input", 1)
    assert runtime.wait_until_all_workers_idle(timeout=WAIT)
    assert worker.is_idle
    gate.clear()
    runtime.post(flow, "a", "input", 2)
    assert not worker.is_idle
    assert runtime.wait_until_all_workers_idle(timeout=0.01) is False
    gate.set()
    assert runtime.wait_until_all_workers_idle(timeout=WAIT) is True


def test_a5_paused_worker_turned_idle(runtime, chain):
    """A paused worker with an empty queue stays paused until it is resumed."""
    worker = runtime.exec(chain(None))
    worker.pause()
    assert runtime.wait_until_all_workers_idle(timeout=WAIT)
    assert worker.status == "paused"
    worker.resume()
    assert worker.status == "running"


def test_a6_state_without_a_status_kept_a_worker_busy(runtime, chain, forward):
    """What a downstream routine keeps in its state has no bearing on idleness."""

    def keep(routine, item):
        routine.set_state(get_current_worker_state(), "count", 1)

    flow = chain(forward, keep)
    worker = runtime.exec(flow)
    runtime.post(flow, "a", "input", {"value": 1})
    assert runtime.wait_until_all_workers_idle(timeout=WAIT) is True
    assert worker.get_routine_state("b") == {"count": 1}


def test_a7_wait_without_a_timeout_gave_up_after_300_seconds():
    """`timeout=None` waits for work of an hour."""

    class Slow(Routine):
        def __init__(self):
            super().__init__()
            self.add_slot("input")
            self.set_activation_policy(immediate_policy())

        def logic(self, slot_data, policy_message, worker_state):
            clock.sleep(3600)

    flow = Flow("slow")
    flow.add_routine(Slow(), "slow")
    with Runtime(engine="sim", seed=1) as runtime:
        runtime.exec(flow)
        job = runtime.post("slow", "slow", "input", 1).job
        assert runtime.wait_until_all_workers_idle(timeout=None) is True
        assert job.status == "completed"
