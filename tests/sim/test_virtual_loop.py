"""Chapter 9: async logic in a simulation, on a virtual event loop."""

import asyncio
import contextvars
import gc
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from routilux import Routine, Runtime, get_current_job, immediate_policy

HOUR = 3600.0


def post_to(runtime, flow, routine_id, count=1, slot="input"):
    runtime.exec(flow)
    return [runtime.post("flow", routine_id, slot, n)[1] for n in range(count)]


def async_flow(make_routine, make_flow, logic):
    routine = make_routine(lambda *_: None)

    async def call(slot_data, policy_message, worker_state):
        await logic(routine, slot_data)

    routine.set_logic(call)
    return make_flow({"work": routine})


def run(simulate, make_routine, make_flow, logic, seed=0):
    """Run async logic once; return its job and the runtime."""
    runtime = simulate(seed)
    job = post_to(runtime, async_flow(make_routine, make_flow, logic), "work")[0]
    assert runtime.wait_until_all_jobs_finished()
    return job, runtime


def test_asyncio_sleep_costs_nothing(simulate, make_routine, make_flow):
    async def logic(routine, slot_data):
        await asyncio.sleep(HOUR)
        async with asyncio.timeout(HOUR) if sys.version_info >= (3, 11) else Nothing():
            await asyncio.wait_for(asyncio.sleep(1), 2)

    runtime = simulate()
    jobs = post_to(runtime, async_flow(make_routine, make_flow, logic), "work", 3)
    assert runtime.wait_until_all_jobs_finished()
    assert [str(job.error) for job in jobs] == ["None"] * 3
    assert 3 * HOUR < runtime.simulation.time < 3.1 * HOUR


class Nothing:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc_info):
        return None


def test_tasks_events_queues_and_threads_of_asyncio_work(
    simulate, make_routine, make_flow
):
    seen = []

    async def logic(routine, slot_data):
        queue, event = asyncio.Queue(), asyncio.Event()

        async def produce():
            for n in range(3):
                await asyncio.sleep(1)
                await queue.put(n)
            event.set()

        task = asyncio.create_task(produce(), name="producer")
        got = [await queue.get() for _ in range(3)]
        await event.wait()
        await task
        me = await asyncio.to_thread(threading.get_ident)
        async for item in numbers():
            got.append(item)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), HOUR)
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        seen.append((got, me == threading.get_ident(), task.get_name()))

    async def numbers():
        yield 7

    for seed in range(5):
        runtime = simulate(seed)
        flow = async_flow(make_routine, make_flow, logic)
        job = post_to(runtime, flow, "work")[0]
        assert runtime.wait_until_all_jobs_finished()
        assert job.error is None
    assert seen == [([0, 1, 2, 7], True, "producer")] * 5


def test_async_logic_may_await_another_job(simulate, make_routine, make_flow):
    async def logic(routine, slot_data):
        if slot_data["input"] == [0]:
            other = runtime.post("flow", "work", "input", 1)[1]
            get_current_job().set_result(await other)
        else:
            await asyncio.sleep(5)
            get_current_job().set_result("other's")

    flow = async_flow(make_routine, make_flow, logic)
    flow.routines["work"].set_concurrency(2)
    runtime = simulate()
    job = post_to(runtime, flow, "work")[0]
    assert job.result() == "other's"


def test_input_and_output_of_the_loop_is_refused(simulate, make_routine, make_flow):
    async def logic(routine, slot_data):
        await asyncio.open_connection("localhost", 1)

    runtime = simulate()
    job = post_to(runtime, async_flow(make_routine, make_flow, logic), "work")[0]
    assert job.wait(1)
    assert job.error.type == "SimulationError"


@pytest.mark.parametrize("name", ["add_reader", "remove_reader", "sock_recv"])
def test_sockets_are_refused_with_what_to_do_instead(
    simulate, make_routine, make_flow, name
):
    async def logic(routine, slot_data):
        getattr(asyncio.get_running_loop(), name)(0, None)

    job, _ = run(simulate, make_routine, make_flow, logic)
    assert "has no sockets, pipes or processes: give the flow" in job.error.message


def test_interleaving_of_coroutines_and_threads_depends_on_the_seed(
    simulate, make_routine, make_flow
):
    def order(seed):
        seen = []

        async def logic(slot_data, policy_message, worker_state):
            for _ in range(3):
                seen.append("a")
                await asyncio.sleep(0)

        routine = make_routine(lambda *_: None)
        routine.set_logic(logic)
        sync = make_routine(lambda *_: seen.append("s"))
        runtime = simulate(seed)
        runtime.exec(make_flow({"a": routine, "s": sync}))
        for routine_id in "as" * 3:
            runtime.post("flow", routine_id, "input", None)
        assert runtime.wait_until_all_jobs_finished()
        return "".join(seen)

    assert len({order(seed) for seed in range(50)}) > 20


def test_a_task_factory_makes_the_tasks_with_their_name_and_context(
    simulate, make_routine, make_flow
):
    place = contextvars.ContextVar("place", default="nowhere")
    made = []

    def factory(loop, coro, **options):
        made.append(asyncio.Task(coro, loop=loop, **options))
        return made[-1]

    async def where():
        return place.get()

    async def logic(routine, slot_data):
        loop = asyncio.get_running_loop()
        assert loop.get_task_factory() is None
        loop.set_task_factory(factory)
        assert loop.get_task_factory() is factory
        place.set("here")
        tasks = [
            asyncio.create_task(where(), name="first"),
            loop.create_task(where(), name="second"),
            loop.create_task(where()),
        ]
        assert made == tasks
        assert [task.get_name() for task in tasks[:2]] == ["first", "second"]
        assert [await task for task in made] == ["here"] * 3
        if sys.version_info >= (3, 11):
            other = contextvars.Context()
            assert await asyncio.create_task(where(), context=other) == "nowhere"
            assert len(made) == 4
        loop.set_task_factory(None)
        await asyncio.create_task(where())
        assert len(made) < 5

    job, _ = run(simulate, make_routine, make_flow, logic)
    assert job.error is None


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in 3.12")
def test_eager_tasks_begin_at_once(simulate, make_routine, make_flow):
    begun = []

    async def begin():
        begun.append(True)

    async def logic(routine, slot_data):
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        task = asyncio.create_task(begin())
        assert begun and task.done()

    job, _ = run(simulate, make_routine, make_flow, logic)
    assert job.error is None


def test_the_exception_handler_hears_of_a_callback_that_raises(
    simulate, make_routine, make_flow
):
    heard = []

    def handler(loop, context):
        heard.append((loop, context["exception"]))

    error = LookupError("in a callback")

    def fail():
        raise error

    async def logic(routine, slot_data):
        loop = asyncio.get_running_loop()
        assert loop.get_exception_handler() is None
        loop.set_exception_handler(handler)
        assert loop.get_exception_handler() is handler
        loop.call_soon(fail)
        await asyncio.sleep(1)
        assert heard == [(loop, error)]

    job, _ = run(simulate, make_routine, make_flow, logic)
    assert job.error is None


@pytest.mark.parametrize("handler", [None, lambda loop, context: [][1]])
def test_what_no_exception_handler_takes_is_logged_and_ends_nothing(
    simulate, make_routine, make_flow, caplog, handler
):
    def fail():
        raise LookupError("in a callback")

    async def logic(routine, slot_data):
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(handler)
        loop.call_soon(fail)
        await asyncio.sleep(1)

    with caplog.at_level(logging.ERROR, "routilux"):
        job, runtime = run(simulate, make_routine, make_flow, logic)
    assert job.error is None and runtime.simulation.time >= 1
    assert "LookupError: in a callback" in caplog.text
    assert ("IndexError" in caplog.text) == (handler is not None)


def test_what_is_cancelled_before_its_turn_never_runs(
    simulate, make_routine, make_flow
):
    ran = []

    async def logic(routine, slot_data):
        loop = asyncio.get_running_loop()
        loop.call_soon(ran.append, "callback").cancel()
        loop.call_later(2, ran.append, "timer").cancel()
        loop.run_in_executor(None, ran.append, "call").cancel()
        # Not through asyncio: the timer is what the loop would wait for next.
        runtime.sleep(1)
        assert 1 <= runtime.simulation.time < 2
        await asyncio.sleep(HOUR)

    for seed in range(5):
        runtime = simulate(seed)
        flow = async_flow(make_routine, make_flow, logic)
        job = post_to(runtime, flow, "work")[0]
        assert runtime.wait_until_all_jobs_finished()
        assert job.error is None
    assert ran == []


def test_a_generator_that_is_left_is_closed_on_the_loop(
    simulate, make_routine, make_flow
):
    closed = []

    async def numbers():
        try:
            yield 1
        finally:
            await asyncio.sleep(5)
            closed.append(asyncio.get_running_loop().time())

    async def first():
        async for number in numbers():
            return number

    async def logic(routine, slot_data):
        assert await first() == 1
        gc.collect()
        await asyncio.sleep(10)
        assert len(closed) == 1 and 5 <= closed[0] < 6

    job, _ = run(simulate, make_routine, make_flow, logic)
    assert job.error is None


def test_async_logic_of_a_runtime_that_was_dropped_is_cancelled(make_flow):
    ended = []

    async def logic(slot_data, policy_message, worker_state):
        try:
            await asyncio.sleep(HOUR)
        finally:
            await asyncio.sleep(1)
            ended.append(True)

    routine = Routine()
    routine.add_slot("input")
    routine.set_activation_policy(immediate_policy())
    routine.set_logic(logic)
    runtime = Runtime(engine="sim", seed=1)
    job = post_to(runtime, make_flow({"work": routine}), "work")[0]
    runtime.sleep(1)
    assert job.status == "running"
    del runtime
    gc.collect()
    assert job.status == "cancelled"
    assert ended == [True]


def test_the_loop_answers_what_libraries_ask(simulate, make_routine, make_flow):
    async def logic(routine, slot_data):
        loop = asyncio.get_running_loop()
        loop.set_debug(True)  # has no effect
        assert loop.is_running() and not loop.is_closed() and not loop.get_debug()
        with ThreadPoolExecutor() as pool:
            loop.set_default_executor(pool)
            me = threading.get_ident()
            assert await asyncio.to_thread(threading.get_ident) == me
        await loop.shutdown_asyncgens()
        await loop.shutdown_default_executor()
        assert await asyncio.to_thread(len, "abc") == 3

    job, _ = run(simulate, make_routine, make_flow, logic)
    assert job.error is None


@pytest.mark.parametrize(
    "misuse",
    [
        lambda loop: loop.stop(),
        lambda loop: loop.close(),
        lambda loop: loop.run_forever(),
        lambda loop: loop.run_until_complete(loop.create_future()),
    ],
    ids=["stop", "close", "run_forever", "run_until_complete"],
)
def test_only_the_simulation_turns_and_ends_the_loop(
    simulate, make_routine, make_flow, misuse
):
    async def logic(routine, slot_data):
        misuse(asyncio.get_running_loop())

    job, _ = run(simulate, make_routine, make_flow, logic)
    assert job.error.type == "RuntimeError"
    assert "the event loop of a simulation " in job.error.message
