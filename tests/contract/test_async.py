"""Chapters 3 and 4: async def logic."""

import asyncio
import threading

import pytest

from routilux import (
    ErrorHandler,
    batch_size_policy,
    get_current_job,
    get_current_routine_id,
    get_current_worker_state,
)

WAIT = 20.0


def poster(runtime, flow, routine_id="work"):
    """Run the flow; answer a function that posts to it and gives the job."""
    runtime.exec(flow)

    def post(data=None, slot="input", **options):
        return runtime.post(flow.flow_id, routine_id, slot, data, **options)[1]

    return post


@pytest.fixture
def chain(make_flow):
    """Build a flow of stages in a row, the first of them "work"."""

    def build(*routines):
        ids = ["work", *(f"next{n}" for n in range(1, len(routines)))]
        links = [
            (ids[n], "output", ids[n + 1], "input") for n in range(len(routines) - 1)
        ]
        return make_flow(dict(zip(ids, routines, strict=True)), *links)

    return build


@pytest.fixture
def async_stage(make_routine):
    """Build a routine whose coroutine awaits `body(emit, item)` for each item."""

    def build(body, **options):
        routine = make_routine(events=["output"], **options)

        async def logic(slot_data, policy_message, worker_state):
            for item in slot_data["input"]:
                await body(routine.emit, item)

        routine.set_logic(logic)
        return routine

    return build


async def fail_after_await(emit, item):
    await asyncio.sleep(0)
    raise ValueError("bad item")


# --- legal, and no pool thread held


def test_async_logic_is_legal(runtime, solo, calls, finish):
    async def logic(slot_data, policy_message, worker_state):
        await asyncio.sleep(0)
        calls.append((slot_data, policy_message["reason"], worker_state.flow_id))

    flow = solo(logic)
    job = poster(runtime, flow)(7)
    finish(runtime)
    assert job.status == "completed"
    assert calls == [({"input": [7]}, "immediate", flow.flow_id)]


def test_async_logic_without_any_await_is_legal(runtime, solo, calls):
    async def logic(slot_data, policy_message, worker_state):
        calls.append(slot_data["input"])

    assert poster(runtime, solo(logic))(7).wait(WAIT)
    assert calls == [[7]]


def test_job_is_not_finished_before_its_coroutine_is(threaded, chain, async_stage):
    entered, release = threading.Event(), []

    async def hold(emit, item):
        event = asyncio.Event()
        loop = asyncio.get_running_loop()
        release.append(lambda: loop.call_soon_threadsafe(event.set))
        entered.set()
        await event.wait()

    job = poster(threaded(), chain(async_stage(hold)))()
    assert entered.wait(WAIT)
    assert not job.wait(0.05)
    assert job.status == "running"
    release[0]()
    assert job.wait(WAIT)
    assert job.status == "completed"


def test_many_coroutines_at_once_hold_no_pool_thread(
    make_runtime, chain, async_stage, finish
):
    inside, everyone = [], asyncio.Event()

    async def meet(emit, item):
        inside.append(item)
        if len(inside) == 200:
            everyone.set()
        await asyncio.wait_for(everyone.wait(), WAIT)

    routine = async_stage(meet)
    routine.set_concurrency(200)
    runtime = make_runtime(thread_pool_size=1)
    post = poster(runtime, chain(routine))
    jobs = [post(n) for n in range(200)]
    finish(runtime)
    assert {job.status for job in jobs} == {"completed"}
    assert inside == list(range(200))


def test_coroutines_of_many_routines_hold_no_pool_thread(
    make_runtime, make_flow, async_stage, finish
):
    inside, everyone = [], asyncio.Event()

    async def meet(emit, item):
        inside.append(item)
        if len(inside) == 50:
            everyone.set()
        await asyncio.wait_for(everyone.wait(), WAIT)

    flow = make_flow({f"r{n}": async_stage(meet) for n in range(50)})
    runtime = make_runtime(thread_pool_size=1)
    runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, f"r{n}", "input", n)[1] for n in range(50)]
    finish(runtime)
    assert {job.status for job in jobs} == {"completed"}


def test_sync_routine_runs_while_coroutines_wait_for_it(
    make_runtime, make_flow, async_stage, stage, finish
):
    opened, waiting = [], []

    async def wait_for_the_opener(emit, item):
        event, loop = asyncio.Event(), asyncio.get_running_loop()
        waiting.append(lambda: loop.call_soon_threadsafe(event.set))
        emit("output", n=item)
        await asyncio.wait_for(event.wait(), WAIT)
        opened.append(item)

    def open_one(emit, item):
        waiting[item["n"]]()

    routines = {"work": async_stage(wait_for_the_opener), "opener": stage(open_one)}
    flow = make_flow(routines, ("work", "output", "opener", "input"))
    runtime = make_runtime(thread_pool_size=1)
    post = poster(runtime, flow)
    for n in range(5):
        post(n)
    finish(runtime)
    assert opened == list(range(5))


# --- order and concurrency


def test_order_of_a_routine_is_kept_and_coroutines_never_overlap(
    runtime, chain, async_stage, finish
):
    log = []

    async def slow_then_fast(emit, item):
        log.append(("begin", item))
        for _ in range(5 - item % 5):
            await asyncio.sleep(0.001)
        log.append(("end", item))

    post = poster(runtime, chain(async_stage(slow_then_fast)))
    for n in range(20):
        post(n)
    finish(runtime)
    assert log == [(word, n) for n in range(20) for word in ("begin", "end")]


@pytest.mark.parametrize("most", [1, 3])
def test_concurrency_bounds_coroutines_too(runtime, chain, async_stage, finish, most):
    inside, peaks = [], []

    async def count(emit, item):
        inside.append(item)
        peaks.append(len(inside))
        await asyncio.sleep(0.001)
        inside.remove(item)

    routine = async_stage(count)
    routine.set_concurrency(most)
    post = poster(runtime, chain(routine))
    for n in range(30):
        post(n)
    finish(runtime)
    assert max(peaks) == most


def test_async_batches_get_the_whole_batch(runtime, solo, calls, finish):
    async def logic(slot_data, policy_message, worker_state):
        await asyncio.sleep(0)
        calls.append(slot_data["input"])

    post = poster(runtime, solo(logic, policy=batch_size_policy(3)))
    for n in range(7):
        post(n)
    finish(runtime)
    assert calls == [[0, 1, 2], [3, 4, 5], [6]]


# --- emit and context


def test_emit_is_legal_before_and_after_an_await(
    runtime, chain, async_stage, stage, calls, finish
):
    async def emit_twice(emit, item):
        emit("output", when="before")
        await asyncio.sleep(0.001)
        emit("output", when="after")

    after = stage(lambda emit, item: calls.append(item["when"]))
    job = poster(runtime, chain(async_stage(emit_twice), after))()
    finish(runtime)
    assert (calls, job.status) == (["before", "after"], "completed")


def test_context_is_the_same_after_an_await(runtime, chain, async_stage, finish):
    seen = {}

    async def look_twice(emit, item):
        before = (get_current_job(), get_current_worker_state().current_routine_id)
        await asyncio.sleep(0.001)
        after = (get_current_job(), get_current_routine_id())
        seen[item] = (before, after)

    routine = async_stage(look_twice)
    routine.set_concurrency(20)
    post = poster(runtime, chain(routine))
    jobs = [post(n) for n in range(20)]
    finish(runtime)
    assert seen == {n: ((jobs[n], "work"), (jobs[n], "work")) for n in range(20)}


def test_to_thread_carries_the_context(
    engine, runtime, chain, async_stage, stage, calls, finish
):
    async def use_a_thread(emit, item):
        main = threading.get_ident()
        job = await asyncio.to_thread(get_current_job)
        ident = await asyncio.to_thread(threading.get_ident)
        await asyncio.to_thread(
            emit, "output", job=job, other=ident != main or engine == "sim"
        )

    after = stage(lambda emit, item: calls.append((item["job"], item["other"])))
    job = poster(runtime, chain(async_stage(use_a_thread), after))()
    finish(runtime)
    assert (job.status, calls) == ("completed", [(job, True)])


def test_tasks_of_a_coroutine_carry_the_context(
    runtime, chain, async_stage, stage, calls, finish
):
    async def emit_one(emit, n):
        await asyncio.sleep(0.001 * (3 - n))
        emit("output", n=n, job=get_current_job())

    async def gather_three(emit, item):
        await asyncio.gather(*(emit_one(emit, n) for n in range(3)))

    after = stage(lambda emit, item: calls.append((item["n"], item["job"])))
    job = poster(runtime, chain(async_stage(gather_three), after))()
    finish(runtime)
    assert sorted(n for n, _ in calls) == [0, 1, 2]
    assert [owner for _, owner in calls] == [job] * 3


def test_sync_and_async_stages_mix(runtime, chain, async_stage, stage, calls, finish):
    def sync_step(emit, item):
        emit("output", n=item["n"] + 1)

    async def async_step(emit, item):
        await asyncio.sleep(0)
        emit("output", n=item["n"] + 1)

    end = stage(lambda emit, item: calls.append(item["n"]))
    steps = [async_stage(async_step) if n % 2 else stage(sync_step) for n in range(6)]
    post = poster(runtime, chain(*steps, end))
    jobs = [post({"n": 100 * n}) for n in range(20)]
    finish(runtime)
    assert calls == [100 * n + 6 for n in range(20)]
    assert {job.status for job in jobs} == {"completed"}


def test_emit_into_full_slots_that_end_in_a_coroutine_waits_and_loses_nothing(
    runtime, chain, async_stage, stage, calls, finish
):
    async def note(emit, item):
        await asyncio.sleep(0)
        calls.append(item["n"])

    def forward(emit, item):
        emit("output", n=item["n"])

    narrow = [stage(forward, max_queue_length=1) for _ in range(2)]
    end = async_stage(note, max_queue_length=1)
    post = poster(runtime, chain(*narrow, end))
    jobs = [post({"n": n}) for n in range(200)]
    finish(runtime)
    assert {str(job.error) for job in jobs} == {"None"}
    assert calls == list(range(200))


# --- failures


def test_failure_after_an_await_fails_the_job(runtime, chain, async_stage, finish):
    job = poster(runtime, chain(async_stage(fail_after_await)))()
    finish(runtime)
    assert (job.status, job.error.message) == ("failed", "bad item")
    assert "in fail_after_await" in job.error.traceback
    assert job.error.routine_id == "work"


@pytest.mark.parametrize("error", [asyncio.CancelledError, GeneratorExit, TimeoutError])
def test_no_exception_of_a_coroutine_stops_the_others(
    runtime, chain, async_stage, finish, error
):
    async def fail_on_bad(emit, item):
        await asyncio.sleep(0)
        if item == "bad":
            raise error

    post = poster(runtime, chain(async_stage(fail_on_bad)))
    jobs = [post(item) for item in ("good", "bad", "good")]
    finish(runtime)
    assert [job.status for job in jobs] == ["completed", "failed", "completed"]
    assert jobs[1].error.type == error.__name__


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupt_raised_in_a_coroutine_fails_its_job_only(
    threaded, chain, async_stage, finish, error
):
    async def fail_on_bad(emit, item):
        await asyncio.sleep(0)
        if item == "bad":
            raise error

    runtime = threaded()
    post = poster(runtime, chain(async_stage(fail_on_bad)))
    jobs = [post(item) for item in ("bad", "good")]
    finish(runtime)
    assert [job.status for job in jobs] == ["failed", "completed"]


def test_handlers_serve_async_logic_too(runtime, chain, async_stage, calls, finish):
    async def fail_once(emit, item):
        calls.append(item)
        await fail_after_await(emit, item) if len(calls) == 1 else None

    flow = chain(async_stage(fail_once))
    flow.set_error_handler(ErrorHandler("retry", retry_delay=0.01))
    job = poster(runtime, flow)(5)
    finish(runtime)
    assert (job.status, calls) == ("completed", [5, 5])


def test_shutdown_waits_for_coroutines(runtime, chain, async_stage, calls):
    async def slow(emit, item):
        await asyncio.sleep(0.1)
        calls.append(item)

    post = poster(runtime, chain(async_stage(slow)))
    post(1), post(2)
    runtime.shutdown()
    assert calls == [1, 2]
