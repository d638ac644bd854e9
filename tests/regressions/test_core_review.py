"""What a review of the core broke once, each as the shortest program that did it."""

import asyncio
import contextvars
import threading

import pytest

from routilux import (
    Flow,
    Routine,
    Runtime,
    all_slots_ready_policy,
    get_current_job,
    immediate_policy,
)
from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    reset_execution_hooks,
    set_execution_hooks,
)

WAIT = 20.0


def routine(logic, *slots, policy=None, events=("output",), **options):
    made = Routine()
    for slot in slots or ("input",):
        made.add_slot(slot, **options)
    for event in events:
        made.add_event(event)
    made.set_logic(logic)
    made.set_activation_policy(policy or immediate_policy())
    return made


def flow_of(*routines):
    flow = Flow()
    for name, made in zip("abc", routines, strict=False):
        flow.add_routine(made, name)
    return flow


def test_emit_with_the_context_of_an_ended_job_is_refused():
    kept, errors = [], []

    def logic(slot_data, policy_message, worker_state):
        if not kept:
            kept.append(contextvars.copy_context())
            return
        try:
            kept[0].run(source.emit, "output")
        except RuntimeError as error:
            errors.append(str(error))

    source = routine(logic)
    flow = flow_of(source, routine(lambda *lists: None))
    flow.connect("a", "output", "b", "input")
    with Runtime(2) as runtime:
        runtime.exec(flow)
        for number in range(2):
            assert runtime.post(flow.flow_id, "a", "input", number).wait(WAIT)
        assert runtime.wait_until_all_jobs_finished(WAIT)
    assert len(errors) == 1
    assert "after the end of job" in errors[0]


def test_shutdown_gives_up_twenty_thousand_parked_jobs():
    flow = flow_of(
        routine(
            lambda *lists: None,
            "left",
            "right",
            policy=all_slots_ready_policy(),
            max_queue_length=20_000,
        )
    )
    with Runtime(2, job_history=20_000) as runtime:
        runtime.exec(flow)
        jobs = [runtime.post(flow.flow_id, "a", "left", n).job for n in range(20_000)]
    assert {str(job.status) for job in jobs} == {"cancelled"}
    assert "'left'" in jobs[0].error


def test_hook_whose_answer_can_not_be_judged_lets_things_pass():
    class Unjudged:
        def __bool__(self):
            raise LookupError("no answer")

    class Hooks(ExecutionHooksInterface):
        def on_routine_start(self, *args, **kwargs):
            return Unjudged()

        def on_slot_before_enqueue(self, *args, **kwargs):
            return Unjudged(), None

    set_execution_hooks(Hooks())
    try:
        flow = flow_of(routine(lambda *lists: None))
        with Runtime(2) as runtime:
            runtime.exec(flow)
            job = runtime.post(flow.flow_id, "a", "input", 1)
            assert job.wait(WAIT)
            assert job.status == "completed"
    finally:
        reset_execution_hooks()


def test_policy_that_consumes_and_raises_fails_its_jobs_only():
    def policy(slots, worker_state):
        item = slots["left"].consume_one_new()
        if item == "bad":
            raise LookupError("in the policy")
        return item is not None, {"left": [item]}, None

    flow = flow_of(routine(lambda *lists, **kw: None, "left", "right", policy=policy))
    with Runtime(2) as runtime:
        runtime.exec(flow)
        bad = runtime.post(flow.flow_id, "a", "left", "bad")
        assert bad.wait(WAIT)
        good = runtime.post(flow.flow_id, "a", "left", "good")
        assert good.wait(WAIT)
        assert (bad.status, good.status) == ("failed", "completed")


def test_view_that_a_policy_keeps_is_only_a_view_afterwards():
    kept = []

    def policy(slots, worker_state):
        item = slots["input"].consume_one_new()
        kept.append(slots.pop("input"))
        return item is not None, {"input": [item]}, None

    flow = flow_of(routine(lambda *lists, **kw: None, policy=policy))
    with Runtime(2) as runtime:
        runtime.exec(flow)
        assert runtime.post(flow.flow_id, "a", "input", 1).wait(WAIT)
        assert kept[0].consume_one_new() is None


def test_task_that_exits_does_not_end_the_event_loop():
    async def leave():
        raise SystemExit

    async def logic(slot_data, policy_message, worker_state):
        if slot_data["input"] == ["leave"]:
            tasks.append(asyncio.ensure_future(leave()))
            await asyncio.sleep(0)

    tasks = []
    flow = flow_of(routine(logic))
    with Runtime(2) as runtime:
        runtime.exec(flow)
        for item in ("leave", "stay"):
            assert runtime.post(flow.flow_id, "a", "input", item).wait(WAIT)
    assert isinstance(tasks[0].exception(), SystemExit)


def test_async_routine_that_feeds_its_own_full_slot_goes_on():
    async def logic(slot_data, policy_message, worker_state):
        (left,) = (item["left"] for item in slot_data["input"])
        if left:
            loop.emit("output", left=left - 1)
            loop.emit("output", left=0)

    loop = routine(logic, max_queue_length=1)
    flow = flow_of(loop)
    flow.connect("a", "output", "a", "input")
    with Runtime(2) as runtime:
        runtime.exec(flow)
        job = runtime.post(flow.flow_id, "a", "input", {"left": 20})
        assert job.wait(WAIT)
        assert job.status == "completed"


def test_post_to_a_cancelled_job_that_still_runs_is_refused():
    entered, gate = threading.Event(), threading.Event()

    def logic(slot_data, policy_message, worker_state):
        entered.set()
        assert gate.wait(WAIT)

    flow = flow_of(routine(logic))
    with Runtime(2) as runtime:
        runtime.exec(flow)
        job = runtime.post(flow.flow_id, "a", "input", 1, job_id="mine")
        assert entered.wait(WAIT)
        assert runtime.cancel_job("mine")
        try:
            with pytest.raises(ValueError, match="cancelled"):
                runtime.post(flow.flow_id, "a", "input", 2, job_id="mine")
        finally:
            gate.set()
        assert job.wait(WAIT)


def test_async_logic_that_waits_for_all_jobs_is_told():
    errors = []

    async def logic(slot_data, policy_message, worker_state):
        for wait in (
            runtime.wait_until_all_jobs_finished,
            get_current_job().wait,
        ):
            try:
                wait(WAIT)
            except RuntimeError as error:
                errors.append(error)
            try:
                await asyncio.to_thread(wait, WAIT)
            except RuntimeError as error:
                errors.append(error)

    flow = flow_of(routine(logic))
    with Runtime(2) as runtime:
        runtime.exec(flow)
        job = runtime.post(flow.flow_id, "a", "input", 1)
        assert job.wait(WAIT)
        assert (job.status, len(errors)) == ("completed", 4)
