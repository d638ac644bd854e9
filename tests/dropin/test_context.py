"""Who is running, and what a routine may ask of its activation."""

import asyncio
import contextvars

import pytest

from routilux import (
    ExecutionContext,
    Flow,
    JobContext,
    Routine,
    WorkerState,
    batch_size_policy,
    get_current_execution_context,
    get_current_job,
    get_current_job_id,
    get_current_worker_state,
    immediate_policy,
    set_current_execution_context,
    set_current_job,
    set_current_worker_state,
)

WAIT = 20.0


# The published engine had the context in the first stage of a chain only.
def test_every_stage_of_a_chain_has_its_context(runtime, chain):
    seen = []

    def look(routine, item):
        seen.append((routine.get_execution_context(), get_current_worker_state()))
        routine.emit("output", value=item["value"])

    flow = chain(look, look, look, look)
    worker = runtime.exec(flow)
    job = runtime.post(flow, "a", "input", {"value": 1}).job
    assert job.wait(WAIT)
    assert job.status == "completed"
    assert [context.routine_id for context, _ in seen] == ["a", "b", "c", "d"]
    for context, current in seen:
        assert isinstance(context, ExecutionContext)
        assert (context.flow, context.worker_state) == (flow, worker)
        assert (context.job_context, current) == (job, worker)


def test_context_is_none_outside_of_logic():
    assert Routine().get_execution_context() is None
    assert get_current_execution_context() is None
    assert (get_current_job(), get_current_worker_state()) == (None, None)


def test_async_logic_has_its_context(runtime):
    seen = []
    routine = Routine()
    routine.add_slot("input")

    async def logic(slot_data, policy_message, worker_state):
        await asyncio.sleep(0)
        seen.append(routine.get_execution_context())

    routine.set_logic(logic)
    routine.set_activation_policy(immediate_policy())
    flow = Flow()
    flow.add_routine(routine, "work")
    worker = runtime.exec(flow)
    job = runtime.post(flow, "work", "input", 1).job
    assert job.wait(WAIT)
    assert seen == [ExecutionContext(flow, worker, "work", job)]


def in_fresh_context(function):
    return contextvars.Context().run(function)


def test_current_job_may_be_said_by_hand():
    job = JobContext(job_id="mine")

    def body():
        set_current_job(job)
        first = (get_current_job(), get_current_job_id())
        set_current_job(None)
        return first, get_current_job()

    assert in_fresh_context(body) == ((job, "mine"), None)
    assert get_current_job() is None


def test_current_worker_may_be_said_by_hand():
    worker = WorkerState("flow")

    def body():
        set_current_worker_state(worker)
        return get_current_worker_state()

    assert in_fresh_context(body) is worker
    assert get_current_worker_state() is None


def test_current_context_may_be_said_by_hand():
    context = ExecutionContext(None, WorkerState("flow"), "work")

    def body():
        set_current_execution_context(context)
        return Routine().get_execution_context()

    assert in_fresh_context(body) is context


@pytest.mark.parametrize(
    "function",
    [set_current_job, set_current_worker_state, set_current_execution_context],
)
def test_only_the_right_kind_may_be_said(function):
    with pytest.raises(TypeError):
        function("something else")


def test_emit_for_a_job_that_was_only_said_is_refused():
    def body():
        set_current_job(JobContext())
        routine = Routine()
        routine.add_event("output")
        routine.emit("output")

    with pytest.raises(RuntimeError):
        in_fresh_context(body)


def test_routine_keeps_state_in_its_worker_and_data_in_its_job(runtime, chain):
    def count(routine, item):
        worker = get_current_worker_state()
        routine.set_state(worker, "n", routine.get_state(worker, "n", 0) + 1)
        routine.update_state(worker, {"last": item["value"]})
        routine.set_job_data("seen", item["value"])
        assert routine.get_job_data("seen") == item["value"]
        assert routine.get_job_data("missing", "none") == "none"
        routine.emit("output", value=item["value"])

    flow = chain(count, count)
    worker = runtime.exec(flow)
    jobs = [runtime.post(flow, "a", "input", {"value": n}).job for n in range(3)]
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert [job.data for job in jobs] == [{"a_seen": n, "b_seen": n} for n in range(3)]
    assert worker.get_routine_state("b") == {"n": 3, "last": 2}
    # outside of logic, the flow tells which routine it is
    assert flow.routines["b"].get_state(worker) == {"n": 3, "last": 2}
    assert jobs[0].get_routine_data("b", "seen") == 0


# The published engine did nothing at all then, without a word.
def test_state_of_a_routine_that_is_not_in_the_flow_is_an_error(runtime, chain):
    worker = runtime.exec(chain(None))
    with pytest.raises(RuntimeError, match="not a routine of the flow"):
        Routine().set_state(worker, "n", 1)


def test_job_data_outside_of_logic():
    with pytest.raises(RuntimeError, match="outside of logic"):
        Routine().set_job_data("n", 1)
    assert Routine().get_job_data("n", 5) == 5


def test_policy_info_tells_the_policy():
    routine = Routine()
    assert routine.get_activation_policy_info()["type"] == "none"
    routine.set_activation_policy(batch_size_policy(5))
    info = routine.get_activation_policy_info()
    assert (info["type"], info["config"]) == ("batch_size", {"min_batch_size": 5})

    def mine(slots, worker_state):
        return False, {}, None

    routine.set_activation_policy(mine)
    info = routine.get_activation_policy_info()
    assert (info["type"], info["description"]) == ("custom", "mine")
