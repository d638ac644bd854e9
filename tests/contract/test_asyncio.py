"""A runtime in a program of `asyncio`: what is awaited leaves the event loop free."""

import asyncio
import contextlib
import threading

import pytest

from routilux import (
    Flow,
    FunctionRoutine,
    JobFailedError,
    QueueFullError,
    Runtime,
    SlotQueueFullError,
    pipeline,
)

WAIT = 20.0


def inc(x):
    return x + 1


def run(main):
    return asyncio.run(asyncio.wait_for(main, 2 * WAIT))


# --- post_async


def test_post_async_gives_what_post_gives(runtime):
    async def main():
        flow = pipeline(inc)
        worker = runtime.exec(flow)
        result = await runtime.post_async(flow, "inc", "input", 1)
        assert result.worker_state is worker
        return await result.job

    assert run(main()) == 2


def test_post_async_names_and_joins_jobs(runtime):
    async def main():
        flow = pipeline(inc)
        runtime.exec(flow)
        _, job = await runtime.post_async(
            flow, "inc", "input", 1, job_id="mine", metadata={"a": 1}
        )
        assert (job.job_id, job.metadata) == ("mine", {"a": 1})

    run(main())


@pytest.mark.parametrize("bound", ["max_queue_size", "max_queue_length"])
def test_post_async_waits_for_room_and_leaves_the_loop_free(threaded, gate, bound):
    runtime = threaded(**({bound: 3} if bound == "max_queue_size" else {}))
    hold = FunctionRoutine(
        lambda x: gate.wait(WAIT) and x,
        max_queue_length=3 if bound == "max_queue_length" else 1000,
    )
    flow = Flow().pipe(hold, "hold")
    runtime.exec(flow)

    async def main():
        jobs = []

        async def post(n):
            jobs.append((await runtime.post_async(flow, "hold", "input", n)).job)

        tasks = [asyncio.create_task(post(n)) for n in range(100)]
        for _ in range(50):
            await asyncio.sleep(0)
        assert 3 <= len(jobs) <= 4
        gate.set()
        await asyncio.gather(*tasks)
        return [await job for job in jobs]

    assert sorted(run(main())) == list(range(100))


def test_post_async_in_turn_keeps_the_order(make_runtime):
    runtime = make_runtime(max_queue_size=2)
    seen = []
    flow = pipeline(seen.append)
    runtime.exec(flow)

    async def main():
        for n in range(500):
            await runtime.post_async(flow, "append", "input", n)
        await runtime.post_async(flow, "append", "input", "end")

    run(main())
    assert runtime.wait_until_all_jobs_finished(timeout=WAIT)
    assert seen == [*range(500), "end"]


def test_post_async_gives_up_after_its_timeout(threaded, gate):
    runtime = threaded(max_queue_size=1)
    flow = pipeline(lambda x: gate.wait(WAIT))
    runtime.exec(flow)

    async def main():
        await runtime.post_async(flow, "step_0", "input", 1)
        with pytest.raises(QueueFullError, match="max_queue_size=1"):
            await runtime.post_async(flow, "step_0", "input", 2, timeout=0.01)

    run(main())
    assert len(runtime.list_jobs()) == 1


def test_post_async_that_is_cancelled_posts_nothing(threaded, gate):
    runtime = threaded(max_queue_size=1)
    flow = pipeline(lambda x: gate.wait(WAIT))
    runtime.exec(flow)

    async def main():
        _, job = await runtime.post_async(flow, "step_0", "input", 1)
        late = asyncio.create_task(runtime.post_async(flow, "step_0", "input", 2))
        await asyncio.sleep(0)
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        gate.set()
        await job

    run(main())
    assert runtime.core.counts()["jobs_completed"] == 1


def test_post_async_does_not_wait_for_a_slot_that_refuses(threaded, gate):
    runtime = threaded()
    hold = FunctionRoutine(lambda x: gate.wait(WAIT))
    hold._slots.clear()
    hold.add_slot("input", 1, overflow="error")
    flow = Flow().pipe(hold, "hold")
    runtime.exec(flow)

    async def main():
        with pytest.raises(SlotQueueFullError, match="overflow rule is 'error'"):
            for n in range(3):
                await runtime.post_async(flow, "hold", "input", n)

    run(main())


def test_post_async_ends_with_an_error_when_the_runtime_shuts_down(threaded, gate):
    runtime = threaded(max_queue_size=1)
    flow = pipeline(lambda x: gate.wait(WAIT))
    runtime.exec(flow)

    async def main():
        await runtime.post_async(flow, "step_0", "input", 1)
        late = asyncio.create_task(runtime.post_async(flow, "step_0", "input", 2))
        await asyncio.sleep(0)
        runtime.shutdown(wait=False)
        with pytest.raises(RuntimeError, match="shut down"):
            await late

    run(main())


def test_loop_that_was_closed_while_it_waited_does_no_harm(threaded, gate):
    runtime = threaded(max_queue_size=1)
    flow = pipeline(lambda x: gate.wait(WAIT))
    runtime.exec(flow)
    loop = asyncio.new_event_loop()
    post = runtime.post_async(flow, "step_0", "input", 1)
    loop.run_until_complete(post)
    late = loop.create_task(runtime.post_async(flow, "step_0", "input", 2))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    gate.set()
    assert runtime.wait_until_all_jobs_finished(timeout=WAIT)
    assert not late.done()
    late._log_destroy_pending = False
    late.get_coro().close()


def test_async_logic_posts_over_the_bound(make_runtime):
    runtime = make_runtime(max_queue_size=1)

    async def post_three(x):
        if x:
            for _ in range(3):
                await runtime.post_async(flow, "post_three", "input", 0)
        return x

    flow = pipeline(post_three)
    runtime.exec(flow)
    assert runtime.post(flow, "post_three", "input", 1)[1].result(WAIT) == 1
    assert runtime.wait_until_all_jobs_finished(timeout=WAIT)
    assert runtime.core.counts()["jobs_completed"] == 4


def test_post_async_before_exec_is_refused(runtime):
    async def main():
        with pytest.raises(RuntimeError, match="exec"):
            await runtime.post_async(pipeline(inc, flow_id="idle"), "inc", "input", 1)

    run(main())


# --- async with


def test_async_with_finishes_the_jobs_and_ends_the_threads():
    seen = []

    async def main():
        async with Runtime(thread_pool_size=2) as runtime:
            flow = pipeline(inc, seen.append)
            runtime.exec(flow)
            runtime.post_many(flow, "inc", "input", range(100))
        with pytest.raises(RuntimeError, match="shut down"):
            runtime.post(flow, "inc", "input", 1)

    run(main())
    assert seen == list(range(1, 101))


def test_async_with_leaves_the_loop_free_while_it_waits(gate):
    async def main():
        async with Runtime(thread_pool_size=1) as runtime:
            flow = pipeline(lambda x: gate.wait(WAIT))
            runtime.exec(flow)
            runtime.post(flow, "step_0", "input", 1)
            # Only a loop that goes on can open the gate.
            asyncio.get_running_loop().call_later(0.01, gate.set)

    run(main())


def test_exception_in_async_with_cancels_what_is_pending(gate):
    async def main():
        with pytest.raises(OSError, match="mine"):
            async with Runtime(thread_pool_size=1) as runtime:
                flow = pipeline(lambda x: started.set() or gate.wait(WAIT))
                runtime.exec(flow)
                jobs.extend(runtime.post_many(flow, "step_0", "input", range(3)))
                await asyncio.to_thread(started.wait, WAIT)
                asyncio.get_running_loop().call_later(0.01, gate.set)
                raise OSError("mine")

    jobs, started = [], threading.Event()
    run(main())
    assert {str(job.status) for job in jobs} == {"cancelled"}


# --- map_async


def test_async_results_come_in_order(runtime):
    async def main():
        return [n async for n in runtime.map_async(pipeline(inc), range(500))]

    assert run(main()) == list(range(1, 501))


def test_async_items_are_read_as_they_come(threaded):
    runtime = threaded()

    async def main():
        items, found = asyncio.Queue(), []

        async def come():
            while (item := await items.get()) is not None:
                yield item

        items.put_nowait(1)
        async for value in runtime.map_async(pipeline(inc), come()):
            found.append(value)
            # The next item comes only after the result of the one before it.
            items.put_nowait(value if value < 5 else None)
        return found

    assert run(main()) == [2, 3, 4, 5]


def test_async_map_is_bounded(runtime):
    async def main():
        read = []

        async def items():
            for n in range(50):
                read.append(n)
                yield n

        done = 0
        async for _ in runtime.map_async(pipeline(inc), items(), in_flight=4):
            done += 1
            assert len(read) <= done + 4
        return done

    assert run(main()) == 50


def test_async_map_with_a_small_max_queue_size(make_runtime):
    runtime = make_runtime(max_queue_size=2)

    async def main():
        found = runtime.map_async(pipeline(inc), range(100), in_flight=50)
        return [n async for n in found]

    assert run(main()) == list(range(1, 101))


def fail_on_three(x):
    if x == 3:
        raise ValueError("three")
    return x


def test_async_map_raises_returns_or_skips_failures(runtime):
    flow = pipeline(fail_on_three)

    async def main():
        results = runtime.map_async(flow, range(9))
        assert [await anext(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(JobFailedError, match="three"):
            await anext(results)
        found = [n async for n in runtime.map_async(flow, range(5), errors="return")]
        assert isinstance(found[3], JobFailedError)
        told = []
        results = runtime.map_async(
            flow, range(5), errors="skip", progress=lambda *args: told.append(args)
        )
        assert [n async for n in results] == [0, 1, 2, 4]
        assert told == [(n, 5) for n in range(1, 6)]

    run(main())


def test_error_of_async_items_comes_after_the_results_before_it(runtime):
    async def items():
        yield 1
        raise OSError("no more")

    async def main():
        results = runtime.map_async(pipeline(inc), items())
        assert await anext(results) == 2
        with pytest.raises(OSError, match="no more"):
            await anext(results)

    run(main())


def test_closing_an_async_map_cancels_what_is_on_its_way(threaded, gate):
    runtime = threaded(thread_pool_size=1)
    flow = pipeline(lambda x: x and gate.wait(WAIT))

    async def main():
        async with contextlib.aclosing(runtime.map_async(flow, range(50))) as results:
            assert await anext(results) == 0
            jobs = runtime.list_jobs()
        gate.set()
        return jobs

    jobs = run(main())
    assert len(jobs) > 10
    assert {str(job.status) for job in jobs} == {"cancelled"}


def test_timeout_of_an_async_map_raises_and_cancels(threaded, gate):
    runtime = threaded()
    flow = pipeline(lambda x: gate.wait(WAIT))

    async def main():
        with pytest.raises((TimeoutError, asyncio.TimeoutError)):
            async for _ in runtime.map_async(flow, [1], timeout=0.01):
                pass

    run(main())
    [job] = runtime.list_jobs()
    assert job.status == "cancelled"


def test_async_logic_may_map_on_its_own_runtime(make_runtime):
    runtime = make_runtime(max_queue_size=2)
    inner = pipeline(inc)

    async def total(n):
        return sum([x async for x in runtime.map_async(inner, range(n))])

    flow = pipeline(total)
    runtime.exec(flow)
    assert runtime.post(flow, "total", "input", 10)[1].result(WAIT) == 55
