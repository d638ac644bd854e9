"""Chapter 9: async logic in a simulation, on a virtual event loop."""

import asyncio
import sys
import threading

import pytest

from routilux import (
    get_current_job,
)

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
