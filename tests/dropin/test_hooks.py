"""Execution hooks over a chain: all eight, in order, vetoes honoured."""

import asyncio
import threading

import pytest

from routilux import (
    ErrorHandler,
    Flow,
    QueueFullError,
    Routine,
    all_slots_ready_policy,
    immediate_policy,
)
from routilux.monitoring.hooks import ExecutionHooksInterface, set_execution_hooks

WAIT = 20.0
STEPS = [name for name in vars(ExecutionHooksInterface) if name.startswith("on_")]


class Log(ExecutionHooksInterface):
    """Writes down each call in a word or two."""

    def __init__(self):
        self.lines = []
        self.lock = threading.Lock()

    def add(self, *words):
        with self.lock:
            self.lines.append(" ".join(map(str, words)))

    def on_worker_start(self, flow, worker_state):
        self.add("worker_start")

    def on_worker_stop(self, flow, worker_state, status):
        self.add("worker_stop", status)

    def on_job_start(self, job, worker_state):
        self.add("job_start")

    def on_job_end(self, job, worker_state, status="completed", error=None):
        self.add("job_end", status)

    def on_routine_start(self, routine_id, worker_state, job=None):
        assert job is not None
        self.add("start", routine_id)
        return True

    def on_routine_end(
        self, routine_id, worker_state, job=None, status="completed", error=None
    ):
        assert job is not None
        self.add("end", routine_id, status)

    def on_event_emit(
        self, event, source_routine_id, worker_state, job=None, data=None
    ):
        self.add("emit", f"{source_routine_id}.{event.name}")
        return True

    def on_slot_before_enqueue(self, slot, routine_id, job_context, data, flow_id):
        self.add("enqueue", f"{routine_id}.{slot.name}")
        return True, None


@pytest.fixture
def log():
    hooks = Log()
    set_execution_hooks(hooks)
    return hooks


def test_there_are_eight():
    assert len(STEPS) == 8


# The published engine told neither the routines behind the first nor the job's end.
def test_each_routine_of_a_chain_is_told_in_order(runtime, chain, forward, log):
    flow = chain(forward, forward, None)
    runtime.exec(flow)
    assert runtime.post(flow, "a", "input", {"value": 1}).job.wait(WAIT)
    runtime.shutdown()
    assert log.lines[:3] == ["worker_start", "job_start", "enqueue a.input"]
    assert log.lines[-2:] == ["job_end completed", "worker_stop stopped"]
    for way in (
        ["start a", "emit a.output", "enqueue b.input", "start b", "emit b.output"],
        ["emit b.output", "enqueue c.input", "start c", "end c completed"],
        ["start a", "end a completed", "job_end completed"],
        ["start b", "end b completed", "job_end completed"],
    ):
        places = [log.lines.index(step) for step in way]
        assert places == sorted(places)
    assert len(log.lines) == len(set(log.lines))


def test_async_logic_is_told_with_its_job(runtime, log):
    routine = Routine()
    routine.add_slot("input")

    async def logic(slot_data, policy_message, worker_state):
        await asyncio.sleep(0)

    routine.set_logic(logic)
    routine.set_activation_policy(immediate_policy())
    flow = Flow()
    flow.add_routine(routine, "work")
    runtime.exec(flow)
    assert runtime.post(flow, "work", "input", 1).job.wait(WAIT)
    assert "end work completed" in log.lines


def test_each_attempt_has_a_start_and_an_end(runtime, chain, log):
    calls = []

    def flaky(routine, item):
        calls.append(item)
        if len(calls) < 3:
            raise OSError("not yet")

    flow = chain(flaky)
    flow.set_error_handler(ErrorHandler("retry", retry_delay=0.001))
    runtime.exec(flow)
    assert runtime.post(flow, "a", "input", 1).job.wait(WAIT)
    told = [line for line in log.lines if line.split()[0] in ("start", "end")]
    assert told == [
        *("start a", "end a retrying", "start a", "end a retrying"),
        *("start a", "end a completed"),
    ]


def test_hooks_that_raise_beside_a_breakpoint_stop_neither(runtime, chain, caplog):
    class Raises(ExecutionHooksInterface):
        def on_slot_before_enqueue(self, *args):
            raise KeyError("mine")

    got = []
    set_execution_hooks(Raises())
    flow = chain(lambda routine, item: got.append(item))
    runtime.exec(flow)
    with runtime.add_breakpoint("a"):
        job = runtime.post(flow, "a", "input", 1).job
        [held] = runtime.held_items()
        assert held.resume() and job.wait(WAIT)
    assert got == [1]
    assert "the execution hook on_slot_before_enqueue raised" in caplog.text
    assert "KeyError: 'mine'" in caplog.text


def test_refused_post_ends_the_job_whose_start_was_told(runtime, chain, log):
    flow = chain(None)
    routine = flow.routines["a"]
    routine.add_slot("other", max_queue_length=1)
    routine.set_activation_policy(all_slots_ready_policy())
    runtime.exec(flow)
    runtime.post(flow, "a", "other", 1)
    with pytest.raises(QueueFullError):
        runtime.post(flow, "a", "other", 2, block=False)
    assert log.lines.count("job_start") == 2
    assert log.lines.count("job_end cancelled") == 1


@pytest.mark.parametrize(
    ("step", "answer", "ran"),
    [
        ("on_routine_start", False, []),
        ("on_routine_start", True, ["a", "b"]),
        ("on_event_emit", False, ["a"]),
        ("on_slot_before_enqueue", (False, "no"), []),
        ("on_slot_before_enqueue", (True, None), ["a", "b"]),
    ],
)
def test_answers_are_honoured(runtime, chain, step, answer, ran):
    ways = []

    def note(routine, item):
        ways.append(routine.get_execution_context().routine_id)
        routine.emit("output", value=1)

    hooks = type("Veto", (ExecutionHooksInterface,), {step: lambda *a, **k: answer})()
    set_execution_hooks(hooks)
    flow = chain(note, note)
    runtime.exec(flow)
    assert runtime.post(flow, "a", "input", 1).job.wait(WAIT)
    assert ways == ran
