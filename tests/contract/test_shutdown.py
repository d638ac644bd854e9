"""Chapter 7: ending, in this process. Endings of the process: test_lifecycle.py."""

import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from routilux import (
    JobCancelledError,
    Runtime,
    all_slots_ready_policy,
    batch_size_policy,
)

WAIT = 20.0
SHORT = 0.05  # long enough to see that something does not end


def poster(runtime, flow, routine_id="work"):
    """Run the flow; answer a function that posts to it and gives the job."""
    runtime.exec(flow)

    def post(data=None, slot="input", **options):
        return runtime.post(flow.flow_id, routine_id, slot, data, **options)[1]

    return post


@pytest.fixture
def blocked(threaded, solo, gate, calls):
    """Give a runtime, a post function and three jobs, the first runs at the gate."""
    entered = threading.Event()

    def block(slot_data, policy_message, worker_state):
        entered.set()
        assert gate.wait(WAIT)
        calls.append(slot_data["input"][0])

    runtime = threaded(thread_pool_size=1)
    post = poster(runtime, solo(block))
    jobs = [post(n) for n in range(3)]
    assert entered.wait(WAIT)
    return runtime, post, jobs


# --- shutdown(wait=True)


def test_shutdown_finishes_all_jobs(runtime, stage, make_flow, calls):
    routines = {
        "work": stage(lambda emit, item: emit("output", n=item)),
        "next": stage(lambda emit, item: calls.append(item["n"])),
    }
    flow = make_flow(routines, ("work", "output", "next", "input"))
    post = poster(runtime, flow)
    jobs = [post(n) for n in range(100)]
    runtime.shutdown()
    assert calls == list(range(100))
    assert {job.status for job in jobs} == {"completed"}


def test_shutdown_flushes_partial_batches(runtime, solo, record, calls):
    post = poster(runtime, solo(record, policy=batch_size_policy(5)))
    jobs = [post(n) for n in range(7)]
    runtime.shutdown()
    assert [data["input"] for data, _ in calls] == [[0, 1, 2, 3, 4], [5, 6]]
    assert calls[-1][1]["reason"] == "batch_flush"
    assert {job.status for job in jobs} == {"completed"}


def test_shutdown_refuses_posts_and_exec(runtime, solo, record, calls):
    flow = solo(record)
    post = poster(runtime, flow)
    runtime.shutdown()
    with pytest.raises(RuntimeError, match="shut"):
        post()
    with pytest.raises(RuntimeError, match="shut"):
        runtime.exec(flow)
    assert calls == []


def test_shutdown_refuses_posts_while_it_waits(blocked, spawn, gate, calls):
    runtime, post, jobs = blocked
    ending = spawn(runtime.shutdown)
    with pytest.raises(RuntimeError, match="shut"):
        while not ending.done():
            jobs.append(post(9))
    gate.set()
    ending.result(WAIT)
    assert len(calls) == len(jobs)
    assert {job.status for job in jobs} == {"completed"}


def test_shutdown_lets_running_jobs_emit_while_it_waits(
    threaded, make_routine, stage, make_flow, spawn, gate, calls
):
    entered = threading.Event()

    def block_then_emit(slot_data, policy_message, worker_state):
        entered.set()
        assert gate.wait(WAIT)
        slow.emit("output", late=True)

    slow = make_routine(block_then_emit, events=["output"])
    after = stage(lambda emit, item: calls.append(item))
    flow = make_flow({"work": slow, "next": after}, ("work", "output", "next", "input"))
    runtime = threaded()
    job = poster(runtime, flow)()
    assert entered.wait(WAIT)
    ending = spawn(runtime.shutdown)
    assert not job.wait(SHORT)
    gate.set()
    ending.result(WAIT)
    assert (calls, job.status) == ([{"late": True}], "completed")


def test_shutdown_joins_all_threads(solo, record):
    before = set(threading.enumerate())
    runtime = Runtime(thread_pool_size=4)
    post = poster(runtime, solo(record))
    for n in range(100):
        post(n)
    runtime.shutdown()
    assert set(threading.enumerate()) == before


@pytest.mark.skipif(sys.platform != "linux", reason="looks for threads in /proc")
def test_shutdown_leaves_no_thread_that_python_does_not_know(solo, record):
    tasks = Path("/proc/self/task")
    before = {task.name for task in tasks.iterdir()}
    with Runtime(thread_pool_size=4) as runtime:
        assert poster(runtime, solo(record))().wait(WAIT)
    deadline = time.monotonic() + WAIT  # the system lets go of a thread when it likes
    while {task.name for task in tasks.iterdir()} - before:
        assert time.monotonic() < deadline


def test_worker_is_stopped_after_shutdown(runtime, solo, record):
    worker = runtime.exec(solo(record))
    runtime.shutdown()
    assert worker.status == "stopped"


@pytest.mark.parametrize("slot", ["left_side", "right_side"])
def test_parked_data_ends_its_job_cancelled_with_the_slot_named(
    runtime, solo, record, slot
):
    slots = ("left_side", "right_side")
    flow = solo(record, policy=all_slots_ready_policy(), slots=slots)
    job = poster(runtime, flow)(slot=slot)
    runtime.shutdown()
    assert job.status == "cancelled"
    assert slot in str(job.error)
    with pytest.raises(JobCancelledError, match=slot):
        job.result(WAIT)


def test_job_can_be_asked_after_shutdown(runtime, solo, record):
    job = poster(runtime, solo(record))()
    runtime.shutdown()
    assert job.wait(WAIT) is True
    assert job.status == "completed"
    assert job.completed_at is not None
    assert job.cancel() is False


def test_wait_that_is_under_way_ends_with_the_shutdown(blocked, spawn, gate):
    runtime, _, jobs = blocked
    waiters = [spawn(runtime.wait_until_all_jobs_finished, WAIT)]
    waiters += [spawn(job.wait, WAIT) for job in jobs]
    ending = spawn(runtime.shutdown)
    gate.set()
    assert [waiter.result(WAIT) for waiter in waiters] == [True] * 4
    ending.result(WAIT)


# --- timeout, cancel_pending, wait=False


def test_shutdown_returns_at_its_timeout(blocked, calls):
    runtime, _, jobs = blocked
    start = time.monotonic()
    runtime.shutdown(timeout=SHORT)
    assert SHORT <= time.monotonic() - start < WAIT / 2
    assert calls == []
    assert [job.status for job in jobs[1:]] == ["cancelled"] * 2


def test_cancel_pending_drops_what_is_queued_and_finishes_what_runs(
    blocked, spawn, gate, calls
):
    runtime, _, jobs = blocked
    ending = spawn(runtime.shutdown, cancel_pending=True)
    assert all(job.wait(WAIT) for job in jobs[1:])
    assert [job.status for job in jobs[1:]] == ["cancelled"] * 2
    gate.set()
    ending.result(WAIT)
    assert calls == [0]
    assert jobs[0].wait(WAIT)


def test_shutdown_without_waiting_returns_at_once(blocked, calls):
    runtime, post, jobs = blocked
    start = time.monotonic()
    runtime.shutdown(wait=False)
    assert time.monotonic() - start < WAIT / 4
    assert (jobs[0].status, calls) == ("running", [])
    with pytest.raises(RuntimeError):
        post()


def test_threads_end_by_themselves_after_shutdown_without_waiting(solo, gate):
    before = set(threading.enumerate())
    entered = threading.Event()

    def block(slot_data, policy_message, worker_state):
        entered.set()
        assert gate.wait(WAIT)

    runtime = Runtime(thread_pool_size=2)
    poster(runtime, solo(block))()
    assert entered.wait(WAIT)
    runtime.shutdown(wait=False)
    ours = set(threading.enumerate()) - before
    assert ours
    gate.set()
    for thread in ours:
        thread.join(WAIT)
    assert not any(thread.is_alive() for thread in ours)


def test_shutdown_may_wait_after_one_that_did_not(blocked, gate):
    runtime, _, jobs = blocked
    runtime.shutdown(wait=False)
    gate.set()
    runtime.shutdown(wait=True)
    assert all(job.wait(0) for job in jobs)


# --- idempotent, from any thread, and `with`


def test_shutdown_is_idempotent(runtime, solo, record):
    poster(runtime, solo(record))()
    for _ in range(3):
        runtime.shutdown()
    runtime.shutdown(wait=False)
    runtime.shutdown(timeout=WAIT, cancel_pending=True)


def test_shutdown_works_from_any_thread(runtime, solo, record, spawn, calls):
    poster(runtime, solo(record))()
    spawn(runtime.shutdown).result(WAIT)
    assert len(calls) == 1


def test_every_one_of_many_shutdowns_waits_for_the_end(blocked, spawn, gate):
    runtime, _, jobs = blocked
    endings = [
        spawn(lambda: (runtime.shutdown(), [job.wait(0) for job in jobs])[1])
        for _ in range(8)
    ]
    assert not any(ending.done() for ending in endings)
    gate.set()
    assert [ending.result(WAIT) for ending in endings] == [[True] * 3] * 8


def test_shutdown_inside_logic_acts_as_one_without_waiting(runtime, solo, calls):
    def end(slot_data, policy_message, worker_state):
        runtime.shutdown(wait=True)
        calls.append("after")

    job = poster(runtime, solo(end))()
    assert job.wait(WAIT)
    assert (job.status, calls) == ("completed", ["after"])
    with pytest.raises(RuntimeError):
        runtime.exec(solo(end))


def test_with_block_shuts_down_at_its_end(engine, solo, record, calls):
    with Runtime(thread_pool_size=2, engine=engine) as runtime:
        post = poster(runtime, solo(record))
        jobs = [post(n) for n in range(20)]
    assert {job.status for job in jobs} == {"completed"}
    with pytest.raises(RuntimeError):
        post()


def test_with_block_that_raises_cancels_pending_jobs(solo, gate, calls):
    entered = threading.Event()

    def block(slot_data, policy_message, worker_state):
        entered.set()
        assert gate.wait(WAIT)
        calls.append(slot_data["input"][0])

    jobs = []
    with pytest.raises(KeyError), Runtime(thread_pool_size=1) as runtime:
        post = poster(runtime, solo(block))
        jobs += [post(n) for n in range(3)]
        assert entered.wait(WAIT)
        jobs[2].add_done_callback(lambda job: gate.set())
        raise KeyError("in the block")
    assert calls == [0]
    assert [job.status for job in jobs[1:]] == ["cancelled"] * 2


def test_with_block_gives_the_runtime_and_hides_no_exception(engine):
    runtime = Runtime(engine=engine)
    with pytest.raises(LookupError, match="mine"), runtime as inside:
        assert inside is runtime
        raise LookupError("mine")


# --- afterwards


@pytest.mark.memory
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_after_shutdown_is_what_it_was_before_within_a_megabyte():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEMORY)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) < 1024 * 1024


MEMORY = """
    import gc, resource
    from pathlib import Path
    from routilux import Flow, Routine, Runtime, immediate_policy

    def resident():
        gc.collect()
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

    def cycle():
        routine = Routine()
        routine.add_slot("input")
        routine.set_logic(lambda slot_data, policy_message, worker_state: None)
        routine.set_activation_policy(immediate_policy())
        flow = Flow("flow")
        flow.add_routine(routine, "work")
        with Runtime(thread_pool_size=4) as runtime:
            runtime.exec(flow)
            for n in range(20_000):
                runtime.post("flow", "work", "input", {"n": n})

    for _ in range(3):
        cycle()
    before = resident()
    for _ in range(5):
        cycle()
    print(resident() - before)
"""
