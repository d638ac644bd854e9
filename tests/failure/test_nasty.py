"""What tears other runtimes down: no memory, no stack, interrupts, late generators."""

import gc
import sys
import threading

import pytest

from routilux import (
    FunctionRoutine,
    Runtime,
    custom_policy,
    get_current_job,
)
from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    reset_execution_hooks,
    set_execution_hooks,
)

WAIT = 20.0


def outcomes(runtime, flow, *items):
    runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "work", "input", x)[1] for x in items]
    assert runtime.wait_until_all_jobs_finished(WAIT)
    return [(str(job.status), job.error and job.error.type) for job in jobs]


def test_logic_that_runs_out_of_memory_fails_its_job_only(runtime, solo):
    def logic(slot_data, policy_message, worker_state):
        if slot_data["input"] == ["bad"]:
            bytearray(1 << 62)

    found = outcomes(runtime, solo(logic), "good", "bad", "good")
    done = ("completed", None)
    assert found == [done, ("failed", "MemoryError"), done]


def test_logic_that_runs_out_of_stack_fails_its_job_only(runtime, solo):
    def deeper(n):
        return deeper(n + 1)

    def logic(slot_data, policy_message, worker_state):
        if slot_data["input"] == ["bad"]:
            deeper(0)

    found = outcomes(runtime, solo(logic), "good", "bad", "good")
    done = ("completed", None)
    assert found == [done, ("failed", "RecursionError"), done]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("kind", ["logic", "async", "policy", "custom"])
def test_interrupt_raised_anywhere_fails_its_job_and_the_pool_goes_on(
    threaded, solo, record, error, kind
):
    def fail(*args):
        raise error

    async def fail_later(slot_data, policy_message, worker_state):
        raise error

    def logic(slot_data, policy_message, worker_state):
        fail()

    flow = {
        "logic": lambda: solo(logic),
        "async": lambda: solo(fail_later),
        "policy": lambda: solo(record, policy=lambda slots, worker_state: fail()),
        "custom": lambda: solo(record, policy=custom_policy(fail)),
    }[kind]()
    runtime = threaded(thread_pool_size=1)
    assert outcomes(runtime, flow, 1, 2) == [("failed", error.__name__)] * 2
    assert outcomes(runtime, solo(record), 1) == [("completed", None)]


class Unspeakable(Exception):
    def __str__(self):
        raise SystemExit("not even its text")

    __repr__ = __str__


def test_exception_whose_text_raises_fails_its_job(runtime, solo):
    def logic(slot_data, policy_message, worker_state):
        raise Unspeakable

    assert outcomes(runtime, solo(logic), 1, 2) == [("failed", "Unspeakable")] * 2


def nameless(attribute):
    """Make an exception whose class raises when it is asked for its name."""

    class Meta(type):
        def __getattribute__(cls, name):
            if name == attribute:
                raise KeyError(f"no {name}")
            return super().__getattribute__(name)

    class Nameless(Exception, metaclass=Meta):
        pass

    return Nameless("why")


@pytest.mark.parametrize("timeout", [None, 60])
@pytest.mark.parametrize(
    ("attribute", "text"),
    [("__qualname__", "Nameless: why"), ("__name__", "KeyError: 'no __name__'")],
)
def test_exception_whose_class_has_no_name_fails_its_job_only(
    runtime, solo, attribute, text, timeout
):
    def logic(slot_data, policy_message, worker_state):
        if slot_data["input"] == ["bad"]:
            raise nameless(attribute)

    flow = solo(logic)
    flow.routines["work"].set_timeout(timeout)
    items = ["good", "bad"] * 3
    runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "work", "input", item)[1] for item in items]
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert [job.error for job in jobs] == [None, text] * 3
    assert [str(job.status) for job in jobs] == ["completed", "failed"] * 3


def test_generator_stage_is_closed_when_its_job_was_cancelled(threaded, make_flow):
    closed, begun = threading.Event(), threading.Event()
    goes_on = threading.Event()

    def numbers(item):
        try:
            while True:
                begun.set()
                goes_on.wait(WAIT)
                yield item
        finally:
            closed.set()

    flow = make_flow({"work": FunctionRoutine(numbers)})
    runtime = threaded(thread_pool_size=1)
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 1).job
    assert begun.wait(WAIT)
    assert job.cancel()
    goes_on.set()
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert closed.is_set()


def test_generator_that_logic_left_open_may_emit_when_it_is_closed_late(
    runtime, make_routine, make_flow, record, calls
):
    # Its `finally` runs after the end of the job, where an emit is refused.
    kept, refused = [], []

    def open_ended():
        try:
            yield get_current_job()
        finally:
            try:
                routine.emit("output", n=1)
            except RuntimeError as error:
                refused.append(str(error))

    def logic(slot_data, policy_message, worker_state):
        kept.append(open_ended())
        next(kept[-1])

    routine = make_routine(logic, events=("output",))
    flow = make_flow(
        {"work": routine, "next": make_routine(record)},
        ("work", "output", "next", "input"),
    )
    assert outcomes(runtime, flow, 1) == [("completed", None)]
    kept.clear()
    gc.collect()
    assert len(refused) == 1
    assert calls == []
    assert outcomes(runtime, flow, 2) == [("completed", None)]
    kept.clear()


@pytest.mark.skipif(sys.platform != "linux", reason="a huge stack is refused late")
@pytest.mark.parametrize("kind", ["logic", "function"])
def test_async_logic_fails_its_job_while_the_loop_can_not_start(
    threaded, solo, make_flow, kind
):
    class NoMoreThreads(ExecutionHooksInterface):
        def on_routine_start(self, *args):
            threading.stack_size(2**60)
            return True

    async def logic(slot_data, policy_message, worker_state):
        seen.extend(slot_data["input"])

    async def function(item):
        seen.append(item)

    seen, runtime = [], threaded(thread_pool_size=1)
    stage = make_flow({"work": FunctionRoutine(function)})
    flow = stage if kind == "function" else solo(logic)
    set_execution_hooks(NoMoreThreads())
    try:
        assert outcomes(runtime, flow, 1) == [("failed", "RuntimeError")]
    finally:
        threading.stack_size(0)
        reset_execution_hooks()
    gc.collect()  # a coroutine that never began would be warned about
    assert outcomes(runtime, flow, 2) == [("completed", None)]
    assert seen == [2]


def test_async_function_whose_time_is_over_before_it_begins_never_does(
    threaded, make_flow, gate
):
    async def block(item):
        started.set()
        gate.wait(WAIT)  # and the event loop with it

    async def work(item):
        seen.append(item)

    seen, started = [], threading.Event()
    flow = make_flow({"block": FunctionRoutine(block), "work": FunctionRoutine(work)})
    flow.routines["work"].set_timeout(0.05)
    runtime = threaded(thread_pool_size=1)
    runtime.exec(flow)
    runtime.post(flow.flow_id, "block", "input", 1)
    assert started.wait(WAIT)
    job = runtime.post(flow.flow_id, "work", "input", 1).job
    assert job.wait(WAIT)
    assert (str(job.status), job.error.type) == ("failed", "ActivationTimeout")
    gate.set()
    runtime.shutdown()
    gc.collect()  # a coroutine that never began would be warned about
    assert seen == []


def test_generator_that_fails_as_it_is_closed_harms_nothing(runtime, make_flow):
    def numbers(item):
        try:
            yield item
            raise ValueError("in the middle")
        finally:
            raise KeyError("in finally")

    flow = make_flow({"work": FunctionRoutine(numbers)})
    assert outcomes(runtime, flow, 1, 2) == [("failed", "KeyError")] * 2


def test_interrupt_reaches_who_waits_where_that_thread_does_the_work(
    solo, record, runtimes
):
    def interrupt(slot_data, policy_message, worker_state):
        raise KeyboardInterrupt

    runtimes.append(runtime := Runtime(engine="inline"))
    flow = solo(interrupt)
    runtime.exec(flow)
    job = runtime.post(flow, "work", "input", 1).job
    with pytest.raises(KeyboardInterrupt):
        runtime.wait_until_all_jobs_finished(WAIT)
    assert (job.status, job.error.type) == ("failed", "KeyboardInterrupt")
    assert outcomes(runtime, solo(record), 1) == [("completed", None)]


def test_interrupt_in_logic_that_an_emit_runs_reaches_who_waits(
    stage, make_flow, runtimes
):
    def burst(emit, item):
        for n in range(3):
            emit("output", n=n)

    def interrupt(emit, item):
        raise KeyboardInterrupt

    runtimes.append(runtime := Runtime(engine="inline"))
    flow = make_flow(
        {"source": stage(burst), "sink": stage(interrupt, max_queue_length=1)},
        ("source", "output", "sink", "input"),
    )
    runtime.exec(flow)
    job = runtime.post(flow, "source", "input", 1).job
    with pytest.raises(KeyboardInterrupt):
        runtime.wait_until_all_jobs_finished(WAIT)
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert (job.status, job.error.type) == ("failed", "KeyboardInterrupt")
