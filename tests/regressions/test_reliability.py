"""What the model of the contract and the leak checks found, as short as it shows."""

import asyncio
import gc
import subprocess
import sys
import weakref

import pytest

from routilux import (
    ErrorHandler,
    Flow,
    Routine,
    Runtime,
    SlotQueueFullError,
    batch_size_policy,
    get_current_job,
    immediate_policy,
)

WAIT = 20.0

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(params=["inline", "threads"])
def runtime(request):
    """A runtime with one thread to run logic on."""
    with Runtime(1, engine=request.param) as runtime:
        yield runtime


def routine_of(logic, policy=None, **slot):
    routine = Routine()
    routine.add_slot("input", **slot)
    routine.add_event("output")
    routine.set_activation_policy(policy or immediate_policy())
    routine.set_logic(logic)
    return routine


def start(runtime, routines, *connections):
    """Run a flow of {id: routine} and (source, target) pairs; answer how to post."""
    flow = Flow()
    for routine_id, routine in routines.items():
        flow.add_routine(routine, routine_id)
    for source, target in connections:
        flow.connect(source, "output", target, "input")
    runtime.exec(flow)

    def post(routine_id, item, worker_id=None):
        return runtime.post(flow.flow_id, routine_id, "input", item, worker_id).job

    return post


def test_batch_that_floods_its_own_slot_while_somebody_waits_is_refused(runtime):
    # It flushed its own batch, which could not run, and looked again, for ever.
    def flood(slot_data, policy_message, worker_state):
        for number in range(3):
            routine.emit("output", number=number)

    routine = routine_of(flood, batch_size_policy(2), max_queue_length=2)
    post = start(runtime, {"a": routine}, ("a", "a"))
    jobs = [post("a", number) for number in range(2)]
    assert jobs[0].wait(WAIT) and jobs[1].wait(WAIT)
    assert [job.error.type for job in jobs] == ["SlotQueueFullError"] * 2


def test_full_cycle_is_refused_while_a_retry_upstream_is_due(runtime):
    # The retry counted as an activation that goes on, and might make room.
    def fail_once(slot_data, policy_message, worker_state):
        tried.append(1)
        if len(tried) == 1:
            raise ValueError

    def flood(slot_data, policy_message, worker_state):
        for number in range(2):
            second.emit("output", number=number)

    tried = []
    first, second = routine_of(fail_once), routine_of(flood, max_queue_length=1)
    first.set_error_handler(ErrorHandler("retry", retry_delay=0.0))
    post = start(runtime, {"a": first, "b": second}, ("a", "b"), ("b", "b"))
    retried, refused = post("a", 1), post("b", 1)
    assert retried.wait(WAIT) and refused.wait(WAIT)
    assert (retried.status, len(tried)) == ("completed", 2)
    assert refused.error.type == "SlotQueueFullError"


def test_job_that_a_policy_shows_and_does_not_take_is_running(runtime):
    # It stayed "pending", and was "cancelled" when its item fell out later.
    def peek(slots, worker_state):
        return True, {"input": slots["input"].peek_all_new()}, {"reason": "peek"}

    def logic(slot_data, policy_message, worker_state):
        seen.append(str(get_current_job().status))

    seen = []
    routine = routine_of(logic, peek, max_queue_length=1, overflow="drop_oldest")
    post = start(runtime, {"a": routine})
    first = post("a", 1)
    while not seen:
        first.wait(timeout=0.01)
    post("a", 2)
    assert first.wait(WAIT)
    assert (seen[0], first.status) == ("running", "completed")


@pytest.mark.parametrize("names_its_worker", [False, True])
def test_logic_may_post_while_a_shutdown_waits_for_it(runtime, names_its_worker):
    # With a worker_id it was refused, without one it was not.
    def again(slot_data, policy_message, worker_state):
        number = slot_data["input"][0]
        if number:
            name = worker_state.worker_id if names_its_worker else None
            jobs.append(post("a", number - 1, name))

    jobs = []
    post = start(runtime, {"a": routine_of(again)})
    jobs.append(post("a", 5))
    runtime.shutdown(timeout=WAIT)
    assert [str(job.status) for job in jobs] == ["completed"] * 6


def test_runtime_that_its_own_logic_refers_to_goes_after_its_shutdown():
    # The process kept what a forgotten one would need: machine, worker, flow, logic.
    def run():
        def logic(slot_data, policy_message, worker_state):
            worker_state.update_routine_state("a", {"runtime": runtime})

        with Runtime(2) as runtime:
            post = start(runtime, {"a": routine_of(logic)})
            assert post("a", 1).wait(WAIT)
        return weakref.ref(runtime)

    gone = run()
    gc.collect()
    assert gone() is None


def test_coroutine_that_is_cancelled_before_it_began_warns_of_nothing():
    # "RuntimeWarning: coroutine 'logic' was never awaited", when a runtime was dropped.
    script = """if True:
        import gc
        from routilux import Flow, Routine, Runtime, immediate_policy

        async def logic(slot_data, policy_message, worker_state):
            pass

        routine = Routine()
        routine.add_slot("input")
        routine.set_activation_policy(immediate_policy())
        routine.set_logic(logic)
        flow = Flow()
        flow.add_routine(routine, "a")
        for _ in range(50):
            runtime = Runtime(1)
            runtime.exec(flow)
            job = runtime.post(flow.flow_id, "a", "input", 1).job
            del runtime
            gc.collect()
            assert job.wait(20)
    """
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "never awaited" not in done.stderr


def test_post_in_a_finalizer_leaves_the_result_of_the_post_around_it():
    # Both got the same PostResult: letting go of the last one's job ran the finalizer.
    class Poster:
        def __del__(self):
            inner.append(post("inner"))

    def post(item, **options):
        return runtime.post(flow.flow_id, "a", "input", item, **options).job

    inner = []
    flow = Flow()
    flow.add_routine(routine_of(lambda slot_data, *rest: None), "a")
    with Runtime(1, engine="inline", job_history=0) as runtime:
        runtime.exec(flow)
        post("first", metadata={"poster": Poster()})
        assert runtime.wait_until_all_jobs_finished(WAIT)
        outer = post("outer")
        assert len(inner) == 1
        assert outer is not inner[0]


def test_logic_that_posts_to_its_own_full_slot_in_a_shutdown_is_told(runtime):
    # The error was taken for one of a post from outside, and the post tried again, for
    # ever. The batch runs when the shutdown lets go of it.
    def again(slot_data, policy_message, worker_state):
        if slot_data["input"] == [0]:
            try:
                for number in (1, 2, 3):
                    post("a", number)
            except SlotQueueFullError as error:
                told.append((number, str(error)))

    told = []
    routine = routine_of(again, batch_size_policy(2), max_queue_length=2)
    post = start(runtime, {"a": routine})
    job = post("a", 0)
    runtime.shutdown(timeout=WAIT)
    ((number, text),) = told
    assert (number, str(job.status)) == (3, "completed")
    assert "'a'" in text


def test_coroutine_that_was_given_up_is_cancelled_though_its_job_ends_the_runtime():
    # The loop was stopped before it was told, and left the task pending.
    ends = []

    async def logic(slot_data, policy_message, worker_state):
        try:
            await asyncio.sleep(10 * WAIT)
        finally:
            ends.append("cancelled")

    with Runtime(1) as runtime:
        post = start(runtime, {"work": routine_of(logic).set_timeout(0.05)})
        job = post("work", 1)
        job.add_done_callback(lambda job: runtime.shutdown(wait=False))
        assert job.wait(WAIT)
    assert job.error.type == "ActivationTimeout"
    assert ends == ["cancelled"]
