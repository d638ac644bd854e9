"""User code that the core calls between activations may post, wait and end things."""

import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from routilux import (
    ErrorHandler,
    Flow,
    QueueFullError,
    Routine,
    Runtime,
    immediate_policy,
)
from routilux.monitoring.hooks import ExecutionHooksInterface

WAIT = 20.0

pytestmark = pytest.mark.timeout(60)


def routine_of(function, **slot):
    """Make a routine that calls a function with each item."""
    routine = Routine()
    routine.add_slot("input", **slot)
    routine.add_event("output")
    routine.set_activation_policy(immediate_policy())
    routine.set_logic(
        lambda slot_data, policy_message, worker_state: function(slot_data["input"][0])
    )
    return routine


def start(runtime, routine):
    """Run a flow of one routine; answer how to post to it."""
    flow = Flow("flow")
    flow.add_routine(routine, "work")
    worker = runtime.exec(flow)

    def post(item, **options):
        return runtime.post("flow", "work", "input", item, **options).job

    return worker, post


# --- callbacks


@pytest.mark.parametrize("pool", [1, 4])
@pytest.mark.parametrize("engine", ["threads", "inline", "sim"])
def test_a_done_callback_may_post_more_than_the_slot_holds(engine, pool):
    # The next activation had been taken already, by the thread that called it.
    ran = []
    with Runtime(pool, engine=engine) as runtime:
        _, post = start(runtime, routine_of(ran.append, max_queue_length=2))
        first = post(1)
        post(2)
        first.add_done_callback(lambda job: [post(n) for n in (3, 4, 5)])
        assert runtime.wait_until_all_jobs_finished(timeout=WAIT)
    assert sorted(ran) == [1, 2, 3, 4, 5]


def test_a_done_callback_may_wait_for_what_another_thread_of_the_pool_runs(gate):
    ran = threading.Event()

    def work(item):
        if item == 1:
            assert gate.wait(WAIT)
        else:
            ran.set()

    answers = []
    with Runtime(4) as runtime:
        _, post = start(runtime, routine_of(work))
        first = post(1)
        post(2)
        first.add_done_callback(lambda job: answers.append(ran.wait(WAIT)))
        gate.set()
        assert runtime.wait_until_all_jobs_finished(timeout=WAIT)
    assert answers == [True]


def test_a_hook_may_post_when_a_job_ends(hooked, gate):
    class Again(ExecutionHooksInterface):
        def on_job_end(self, job, worker, status, error):
            if job is first:
                more.extend(post(n) for n in (3, 4))
                told.set()

    ran, more, told = [], [], threading.Event()

    def work(item):
        if item == 1:
            assert gate.wait(WAIT)
        ran.append(item)

    with Runtime(2) as runtime:
        _, post = start(runtime, routine_of(work, max_queue_length=1))
        first = post(1)
        hooked(Again())
        post(2)
        gate.set()
        assert told.wait(WAIT)
        assert runtime.wait_until_all_jobs_finished(timeout=WAIT)
    assert sorted(ran) == [1, 2, 3, 4]


def test_a_callback_at_a_deadline_does_not_hold_up_the_timers():
    # It sleeps until there is room, and the room needs a retry that is due later.
    tries = []

    def flaky(item):
        tries.append(item)
        if len(tries) == 1:
            raise ValueError("later")

    routine = routine_of(flaky, max_queue_length=1)
    routine.set_error_handler(ErrorHandler("retry", max_retries=3, retry_delay=0.5))
    with Runtime(4) as runtime:
        _, post = start(runtime, routine)
        post(1)
        while not tries:
            time.sleep(0.001)
        late = post(2, deadline=0.1)
        late.add_done_callback(lambda job: [post(n) for n in (3, 4)])
        assert runtime.wait_until_all_jobs_finished(timeout=WAIT)
    assert (tries, late.status) == ([1, 1, 3, 4], "failed")


# --- shutdown


@pytest.mark.parametrize("engine", ["threads", "inline"])
def test_a_worker_is_not_paused_while_its_runtime_shuts_down(engine, gate):
    # Nobody would resume it, so the shutdown waited for ever.
    def work(item):
        assert engine == "inline" or gate.wait(WAIT)
        try:
            worker.pause(wait=False)
        except RuntimeError as error:
            told.append(str(error))

    told = []
    runtime = Runtime(2, engine=engine)
    worker, post = start(runtime, routine_of(work))
    jobs = [post(1), post(2)]
    if engine == "inline":
        runtime.shutdown()
    else:
        ender = threading.Thread(target=runtime.shutdown, daemon=True)
        ender.start()
        with pytest.raises(RuntimeError, match="shut down"):
            while True:
                jobs.append(post(3))
        gate.set()
        ender.join(WAIT)
        assert not ender.is_alive()
    assert {str(job.status) for job in jobs} == {"completed"}
    assert len(told) == len(jobs) and "shuts down" in told[0]


@pytest.mark.parametrize("engine", ["threads", "inline"])
def test_a_breakpoint_holds_nothing_while_the_runtime_shuts_down(engine, gate):
    def work(item):
        assert engine == "inline" or gate.wait(WAIT)
        first.emit("output", item=item)

    seen = []
    first, second = routine_of(work), routine_of(seen.append)
    flow = Flow("flow")
    flow.add_routine(first, "first")
    flow.add_routine(second, "second")
    flow.connect("first", "output", "second", "input")
    runtime = Runtime(2, engine=engine)
    runtime.exec(flow)
    stop = runtime.add_breakpoint("second", "input")
    job = runtime.post("flow", "first", "input", 1).job
    ender = threading.Thread(target=runtime.shutdown, daemon=True)
    ender.start()
    while runtime.core.is_open:
        time.sleep(0.001)
    gate.set()
    ender.join(WAIT)
    assert not ender.is_alive()
    assert (job.status, len(seen), runtime.held_items()) == ("completed", 1, [])
    stop.remove()


def test_a_hook_may_shut_the_runtime_down_that_stops_its_worker(hooked):
    class Ends(ExecutionHooksInterface):
        def on_worker_stop(self, flow, worker, status):
            runtime.shutdown()
            seen.append(status)

    seen = []
    hooked(Ends())
    runtime = Runtime(2)
    _, post = start(runtime, routine_of(seen.append))
    post(1)
    ender = threading.Thread(target=runtime.shutdown, daemon=True)
    ender.start()
    ender.join(WAIT)
    assert not ender.is_alive()
    assert len(seen) == 2


def test_a_retry_that_waits_is_cancelled_when_the_interpreter_exits():
    program = """
        import threading
        from routilux import *
        tried = threading.Event()

        def fail(slot_data, policy_message, worker_state):
            tried.set()
            raise ValueError("later")

        routine = Routine()
        routine.add_slot("input")
        routine.set_activation_policy(immediate_policy())
        routine.set_logic(fail)
        handler = ErrorHandler("retry", max_retries=3, retry_delay=60.0)
        routine.set_error_handler(handler)
        flow = Flow("flow")
        flow.add_routine(routine, "a")
        runtime = Runtime(2)
        runtime.exec(flow)
        job = runtime.post("flow", "a", "input", 1).job
        tried.wait(20)
        job.add_done_callback(lambda job: print("ended", job.status, flush=True))
        runtime.shutdown(wait=False)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=WAIT,
    )
    assert (done.stdout, done.returncode) == ("ended cancelled\n", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # of os.fork
def test_a_pause_in_a_forks_child_says_whose_the_runtime_is(gate):
    began = threading.Event()
    with Runtime(2) as runtime:
        worker, post = start(
            runtime, routine_of(lambda item: (began.set(), gate.wait(WAIT)))
        )
        post(1)
        assert began.wait(WAIT)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                worker.pause()
            except RuntimeError as error:
                code = 0 if "parent of this process" in str(error) else 2
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        gate.set()
    assert os.waitstatus_to_exitcode(status) == 0


# --- many at once


@pytest.mark.parametrize("jobs", ["each", "one"])
def test_all_or_none_are_posted_where_hooks_are_set(hooked, gate, jobs):
    hooked(ExecutionHooksInterface())
    ran = []
    began = threading.Event()

    def work(item):
        began.set()
        assert gate.wait(WAIT)
        ran.append(item)

    with Runtime(2) as runtime:
        _, post = start(runtime, routine_of(work, max_queue_length=3))
        post("first")
        assert began.wait(WAIT)
        with pytest.raises(QueueFullError):
            runtime.post_many("flow", "work", "input", range(4), block=False, jobs=jobs)
        runtime.post_many("flow", "work", "input", range(3), block=False, jobs=jobs)
        gate.set()
        assert runtime.wait_until_all_jobs_finished(timeout=WAIT)
    assert ran == ["first", 0, 1, 2]


def test_hooks_are_told_of_jobs_that_found_no_room(hooked, gate):
    class Told(ExecutionHooksInterface):
        def on_job_start(self, job, worker):
            begun.append(job.job_id)

        def on_job_end(self, job, worker, status, error):
            ended.append((job.job_id, status))

    begun, ended = [], []
    with Runtime(2) as runtime:
        worker, _ = start(runtime, routine_of(ended.append, max_queue_length=3))
        worker.pause()
        hooked(Told())
        with pytest.raises(QueueFullError):
            runtime.post_many("flow", "work", "input", range(4), block=False)
        assert len(set(begun)) == 4
        assert ended == [(job_id, "cancelled") for job_id in begun]
        assert runtime.list_jobs() == []


def test_each_job_of_many_has_its_deadline_while_later_items_wait():
    # What came first ran without one until all items were in.
    with Runtime(2) as runtime:
        _, _ = start(
            runtime, routine_of(lambda item: time.sleep(0.3), max_queue_length=1)
        )
        jobs = runtime.post_many("flow", "work", "input", range(4), deadline=0.1)
        assert runtime.wait_until_all_jobs_finished(timeout=WAIT)
    assert {str(job.status) for job in jobs} == {"failed"}


def test_a_post_does_not_sleep_beside_a_free_place():
    # Three jobs go round and round, so that the bound is never half free.
    def turn(item):
        if item["goes_round"] and not stop.is_set():
            routine.emit("output", goes_round=True)

    stop = threading.Event()
    routine = routine_of(turn, max_queue_length=100)
    flow = Flow("flow")
    flow.add_routine(routine, "work")
    flow.connect("work", "output", "work", "input")
    with Runtime(1, max_queue_size=4) as runtime:
        runtime.exec(flow)
        for _ in range(3):
            runtime.post("flow", "work", "input", {"goes_round": True})
        try:
            for _ in range(5):
                item = {"goes_round": False}
                runtime.post("flow", "work", "input", item, timeout=2.0)
        finally:
            stop.set()
        assert runtime.wait_until_all_jobs_finished(timeout=WAIT)
