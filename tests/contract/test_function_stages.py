"""Chapters 3 to 6 for plain functions: failures, context, concurrency, policies."""

import asyncio
import threading
import weakref

import pytest

from routilux import (
    SKIP,
    ErrorHandler,
    Flow,
    FunctionRoutine,
    JobFailedError,
    Routine,
    batch_size_policy,
    get_current_job,
    get_current_routine_id,
    get_current_worker_state,
    immediate_policy,
    pipeline,
)
from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    reset_execution_hooks,
    set_execution_hooks,
)

WAIT = 20.0


def inc(x):
    return x + 1


def spread(x):
    yield from range(x)


async def wait_and_inc(x):
    await asyncio.sleep(0)
    return x + 1


@pytest.fixture
def run(runtime):
    """Start a pipeline; answer a function that posts an item and gives its job."""

    def start(*functions, **lengths):
        flow = pipeline(*functions)
        first = next(iter(flow.routines))
        runtime.exec(flow)
        return lambda item: runtime.post(flow, first, "input", item)[1]

    return start


# --- failures


def fail(x):
    raise ValueError(f"bad {x}")


async def fail_later(x):
    await asyncio.sleep(0)
    raise ValueError(f"bad {x}")


def fail_in_the_middle(x):
    yield x
    raise ValueError(f"bad {x}")


async def fail_in_the_middle_later(x):
    yield x
    raise ValueError(f"bad {x}")


@pytest.mark.parametrize(
    "bad", [fail, fail_later, fail_in_the_middle, fail_in_the_middle_later]
)
def test_exception_fails_the_job_and_names_the_routine(run, bad):
    job = run(inc, bad, inc)(1)
    with pytest.raises(JobFailedError, match="ValueError: bad 2"):
        job.result(WAIT)
    assert job.error.routine_id == bad.__name__
    assert f"in {bad.__name__}" in job.error.traceback


def test_other_jobs_go_on(run):
    def fail_on_two(x):
        return fail(x) if x == 2 else x

    post = run(fail_on_two, inc)
    jobs = [post(n) for n in range(4)]
    assert [job.wait(WAIT) for job in jobs] == [True] * 4
    assert [str(job.status) for job in jobs] == [
        "completed",
        "completed",
        "failed",
        "completed",
    ]


def test_retry_calls_the_function_again_with_the_same_item(runtime):
    calls = []

    def flaky(x):
        calls.append(x)
        return fail(x) if len(calls) < 3 else x

    flow = pipeline(inc, flaky, inc)
    flow.set_error_handler(ErrorHandler("retry", retry_delay=0.001))
    runtime.exec(flow)
    job = runtime.post(flow, "inc", "input", 1)[1]
    assert job.result(WAIT) == 3
    assert calls == [2, 2, 2]


@pytest.mark.parametrize("strategy", ["continue", "skip"])
def test_handled_failure_ends_the_way_of_its_item(runtime, strategy):
    flow = pipeline(fail, inc)
    flow.set_error_handler(ErrorHandler(strategy))
    worker = runtime.exec(flow)
    job = runtime.post(flow, "fail", "input", 1)[1]
    assert job.result(WAIT) is None
    assert job.status == "completed"
    assert len(worker.execution_history) == 1


def test_full_slot_with_the_rule_error_fails_the_job(runtime):
    flow = Flow().pipe(spread)
    last = FunctionRoutine(inc)
    last._slots.clear()
    last.add_slot("input", 1, overflow="error")
    flow.pipe(last, "last")
    runtime.exec(flow)
    job = runtime.post(flow, "spread", "input", 9)[1]
    assert job.wait(WAIT)
    assert (job.status, job.error.type) == ("failed", "SlotQueueFullError")
    assert job.error.routine_id == "spread"


def test_function_of_two_arguments_fails_its_jobs(run):
    job = run(divmod, inc)(1)
    assert job.wait(WAIT)
    assert (job.error.type, job.error.routine_id) == ("TypeError", "divmod")


# --- what a routine may expect


def test_context_is_that_of_the_stage(run):
    seen = []

    def look(x):
        worker = get_current_worker_state()
        seen.append((get_current_job(), get_current_routine_id(), worker.flow_id))
        return x

    job = run(look, look)(1)
    assert job.wait(WAIT)
    assert seen == [(job, "look", job.flow_id), (job, "look_2", job.flow_id)]


async def look_later(x):
    await asyncio.sleep(0)
    return (get_current_job(), get_current_routine_id())


def test_context_of_an_async_stage_is_its_own(run):
    job = run(inc, look_later)(1)
    assert job.result(WAIT) == (job, "look_later")


def test_concurrency_lets_the_calls_overlap(threaded, peak):
    meet = threading.Barrier(4)

    def together(x):
        with peak:
            meet.wait(WAIT)
        return x

    flow = pipeline(inc, together)
    flow.routines["together"].set_concurrency(4)
    runtime = threaded()
    runtime.exec(flow)
    jobs = [runtime.post(flow, "inc", "input", n)[1] for n in range(8)]
    assert [job.result(WAIT) for job in jobs] == list(range(1, 9))
    assert peak.most == 4


def test_one_call_at_a_time_by_default(threaded, peak):
    def alone(x):
        with peak:
            return x

    flow = pipeline(alone, alone)
    runtime = threaded()
    runtime.exec(flow)
    jobs = [runtime.post(flow, "alone", "input", n)[1] for n in range(200)]
    assert [job.result(WAIT) for job in jobs] == list(range(200))
    assert peak.most <= 2


def test_other_policies_give_the_function_a_list(runtime, finish):
    flow = pipeline(inc, sum, str)
    flow.routines["sum"].set_activation_policy(batch_size_policy(3))
    runtime.exec(flow)
    jobs = [runtime.post(flow, "inc", "input", n)[1] for n in range(7)]
    finish(runtime)
    assert [job.result(WAIT) for job in jobs] == ["6"] * 3 + ["15"] * 3 + ["7"]


def test_functions_and_routines_mix(runtime, finish):
    class Pack(Routine):
        def __init__(self):
            super().__init__()
            self.add_slot("input")
            self.add_event("output")
            self.set_activation_policy(immediate_policy())

        def logic(self, slot_data, policy_message, worker_state):
            self.emit("output", value=slot_data["input"][0])

    flow = Flow().pipe(inc).pipe(Pack(), "pack").pipe(lambda x: x["value"] * 10, "out")
    runtime.exec(flow)
    assert runtime.post(flow, "inc", "input", 1)[1].result(WAIT) == 20


def test_value_goes_to_every_connected_slot(runtime):
    seen = []
    flow = Flow()
    flow.add_routine(FunctionRoutine(lambda x: [x]), "make")
    for name in ("a", "b", "c"):
        flow.add_routine(FunctionRoutine(lambda x, n=name: seen.append((n, x))), name)
        flow.connect("make", "output", name, "input")
    worker = runtime.exec(flow)
    assert runtime.post(flow, "make", "input", 1)[1].wait(WAIT)
    assert sorted(seen) == [("a", [1]), ("b", [1]), ("c", [1])]
    assert len({id(value) for _, value in seen}) == 1
    assert worker.get_event_count("make", "output") == 1


def test_functions_are_measured(make_runtime, finish):
    runtime = make_runtime(enable_monitoring=True)
    flow = pipeline(inc, spread, inc)
    runtime.exec(flow)
    runtime.post(flow, "inc", "input", 4)
    finish(runtime)
    rows = {row.routine_id: row for row in runtime.metrics().routines}
    found = [(rows[n].activations, rows[n].items_in, rows[n].items_out) for n in rows]
    assert found == [(1, 1, 1), (1, 1, 5), (5, 5, 5)]


def test_hooks_hear_of_functions(runtime, finish):
    heard = []

    class Hooks(ExecutionHooksInterface):
        def on_routine_start(self, routine_id, worker_state, job_context=None):
            heard.append(("start", routine_id))
            return True

        def on_routine_end(
            self, routine_id, worker_state, job_context=None, status="", error=None
        ):
            heard.append((status, routine_id))

        def on_event_emit(
            self, event, source_routine_id, worker_state, job_context=None, data=None
        ):
            heard.append((data, source_routine_id))
            return True

    flow = pipeline(inc, wait_and_inc)
    runtime.exec(flow)
    set_execution_hooks(Hooks())
    try:
        job = runtime.post(flow, "inc", "input", 1)[1]
        finish(runtime)
    finally:
        reset_execution_hooks()
    assert job.result() == 3
    assert heard == [
        ("start", "inc"),
        (2, "inc"),
        ("completed", "inc"),
        ("start", "wait_and_inc"),
        (3, "wait_and_inc"),
        ("completed", "wait_and_inc"),
    ]


def test_shutdown_finishes_what_is_queued(make_runtime):
    seen = []
    runtime = make_runtime()
    flow = pipeline(inc, seen.append)
    runtime.exec(flow)
    for n in range(100):
        runtime.post(flow, "inc", "input", n)
    runtime.shutdown()
    assert seen == list(range(1, 101))


# --- whose turn it is


def test_endless_round_of_functions_leaves_others_their_turn(threaded):
    seen = threading.Event()

    def go_round(x):
        return SKIP if seen.is_set() else x

    flow = Flow()
    for name in ("a", "b"):
        flow.add_routine(FunctionRoutine(go_round), name)
    flow.add_routine(FunctionRoutine(lambda x: seen.set()), "other")
    flow.connect("a", "output", "b", "input")
    flow.connect("b", "output", "a", "input")
    runtime = threaded(thread_pool_size=1)
    runtime.exec(flow)
    rounds = runtime.post(flow, "a", "input", 1)[1]
    assert runtime.post(flow, "other", "input", 1)[1].wait(WAIT)
    assert rounds.wait(WAIT)


def test_function_that_blocks_does_not_hold_up_other_routines(threaded, gate):
    blocks = threading.Event()

    def block(x):
        blocks.set()
        assert gate.wait(WAIT)

    flow = pipeline(inc, block)
    flow.add_routine(FunctionRoutine(inc), "other")
    runtime = threaded(thread_pool_size=2)
    runtime.exec(flow)
    jobs = [runtime.post(flow, "inc", "input", n)[1] for n in range(3)]
    assert blocks.wait(WAIT)
    assert runtime.post(flow, "other", "input", 1)[1].result(WAIT) == 2
    gate.set()
    assert [job.wait(WAIT) for job in jobs] == [True] * 3


def test_queue_counts_what_went_through(runtime, finish):
    flow = pipeline(inc, inc, inc)
    worker = runtime.exec(flow)
    for n in range(30):
        runtime.post(flow, "inc", "input", n)
    finish(runtime)
    for name in ("inc", "inc_2", "inc_3"):
        slot = worker.get_slot(name, "input")
        assert (slot.get_total_count(), slot.get_unconsumed_count()) == (30, 0)
        assert worker.get_event_count(name, "output") == 30


def test_job_cancelled_on_its_way_goes_no_further(threaded, gate):
    inside, seen = threading.Event(), []

    def block(x):
        inside.set()
        assert gate.wait(WAIT)
        return x

    flow = pipeline(block, seen.append)
    runtime = threaded()
    runtime.exec(flow)
    job = runtime.post(flow, "block", "input", 1)[1]
    assert inside.wait(WAIT)
    assert job.cancel()
    gate.set()
    assert job.wait(WAIT)
    assert (job.status, seen) == ("cancelled", [])


def test_item_is_dropped_as_soon_as_its_call_is_over(run):
    class Item:
        pass

    alive = []

    def replace(item):
        alive.append(weakref.ref(item))
        return len(alive)

    def look(x):
        return alive[-1]() is None

    assert run(lambda x: Item(), replace, look)(1).result(WAIT) is True
