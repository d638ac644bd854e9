"""Plain functions as stages: chapters 3 to 6 hold for them as for any routine."""

import asyncio
import gc
import threading
import weakref

import pytest

from routilux import (
    SKIP,
    Flow,
    FunctionRoutine,
    batch_size_policy,
    get_current_job,
    pipeline,
)

WAIT = 20.0


def inc(x):
    return x + 1


def spread(x):
    yield from range(x)


async def wait_and_inc(x):
    await asyncio.sleep(0)
    return x + 1


async def wait_and_spread(x):
    for n in range(x):
        await asyncio.sleep(0)
        yield n


@pytest.fixture
def run(runtime):
    """Start a pipeline; answer a function that posts an item and gives its job."""

    def start(*functions, **lengths):
        flow = pipeline(*functions)
        first = next(iter(flow.routines))
        runtime.exec(flow)
        return lambda item: runtime.post(flow, first, "input", item)[1]

    return start


# --- values


def test_value_of_the_last_function_is_the_result(run):
    assert run(inc, inc, str)(1).result(WAIT) == "3"


def test_one_function_is_a_pipeline(run):
    assert run(inc)(1).result(WAIT) == 2


def test_items_go_on_by_reference(run):
    seen = []

    def note(item):
        seen.append(item)
        return item

    item = [1]
    assert run(note, note, note)(item).result(WAIT) is item
    assert [id(one) for one in seen] == [id(item)] * 3


def test_none_is_a_value_like_any_other(run):
    seen = []
    assert run(lambda x: None, seen.append)(1).result(WAIT) is None
    assert seen == [None]


def test_skip_ends_the_way_of_its_item(run):
    seen = []

    def odd(x):
        return x if x % 2 else SKIP

    def note(x):
        seen.append(x)
        return x

    post = run(odd, note)
    jobs = [post(n) for n in range(6)]
    assert [job.result(WAIT) for job in jobs] == [None, 1, None, 3, None, 5]
    assert seen == [1, 3, 5]
    assert {job.status for job in jobs} == {"completed"}


@pytest.mark.parametrize("is_async", [False, True])
def test_skip_that_is_yielded_is_no_item(run, is_async):
    def odd(x):
        for n in range(x):
            yield n if n % 2 else SKIP

    async def odd_later(x):
        for n in range(x):
            yield n if n % 2 else SKIP

    job = run(odd_later if is_async else odd, inc)(6)
    assert job.result(WAIT) == [2, 4, 6]


def test_order_of_items_is_kept(run, finish, runtime):
    seen = []

    def note(x):
        seen.append(x)
        return x

    post = run(inc, inc, note)
    jobs = [post(n) for n in range(500)]
    finish(runtime)
    assert seen == list(range(2, 502))
    assert [job.result(WAIT) for job in jobs] == seen


@pytest.mark.parametrize("depth", [1, 100])
def test_depth_is_not_limited(run, depth):
    assert run(*[inc] * depth)(0).result(WAIT) == depth


def test_any_callable_of_one_argument_will_do(run):
    class Times:
        def __init__(self, n):
            self.n = n

        def __call__(self, x):
            return x * self.n

        def add(self, x):
            return x + self.n

    post = run(Times(3), Times(5).add, abs, str, len)
    assert post(-40).result(WAIT) == 3


def test_result_that_refers_to_its_job_is_collected(run, runtime, finish):
    class Box:
        pass

    def hold(x):
        box = Box()
        box.job = get_current_job()
        return box

    job = run(hold)(1)
    finish(runtime)
    box = weakref.ref(job.result(WAIT))
    runtime.shutdown()
    del job
    runtime.core.forget()
    gc.collect()
    assert box() is None


# --- the four forms


def test_each_yielded_value_is_an_item(run):
    seen = []
    assert run(spread, inc, seen.append)(3).wait(WAIT)
    assert seen == [1, 2, 3]


def test_results_are_a_list_where_a_stage_yields(run):
    assert run(spread, inc)(3).result(WAIT) == [1, 2, 3]
    assert run(inc, spread)(2).result(WAIT) == [0, 1, 2]
    assert run(spread, inc)(0).result(WAIT) == []


def test_result_is_a_list_though_no_generator_ran(run):
    assert run(lambda x: SKIP, spread)(1).result(WAIT) == []


def test_generator_that_gets_a_batch_gives_each_job_all_results(runtime, finish):
    def totals(items):
        yield sum(items)
        yield len(items)

    flow = pipeline(inc, totals, inc)
    flow.routines["totals"].set_activation_policy(batch_size_policy(3))
    runtime.exec(flow)
    jobs = [runtime.post(flow, "inc", "input", n)[1] for n in range(4)]
    finish(runtime)
    assert [job.result(WAIT) for job in jobs] == [[7, 4]] * 3 + [[5, 2]]


def test_generators_of_generators_keep_the_order(run):
    post = run(spread, lambda x: [x], spread_pairs, tuple)
    assert post(3).result(WAIT) == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]


def spread_pairs(items):
    for n in range(2):
        yield [*items, n]


def test_generator_object_that_a_function_returns_is_an_item(run):
    assert run(lambda x: (n for n in range(x)), sum)(4).result(WAIT) == 6


@pytest.mark.parametrize("is_async", [False, True])
def test_generator_goes_on_only_when_there_is_room(make_runtime, is_async):
    made, taken = [], []

    def count(x):
        for n in range(100):
            made.append(n)
            yield n

    async def count_async(x):
        for n in count(x):
            yield n

    def take(x):
        taken.append(x)
        return len(made) - len(taken)

    flow = Flow()
    flow.add_routine(FunctionRoutine(count_async if is_async else count), "count")
    flow.add_routine(FunctionRoutine(take, max_queue_length=2), "take")
    flow.connect("count", "output", "take", "input")
    runtime = make_runtime(thread_pool_size=1)
    runtime.exec(flow)
    left = runtime.post(flow, "count", "input", None)[1].result(WAIT)
    assert len(left) == 100
    assert max(left) <= 4


def test_async_generator_in_a_round_never_waits_for_itself(make_runtime):
    async def spread_to_self(x):
        for n in range(4 * x):
            yield n % x

    flow = Flow()
    flow.add_routine(FunctionRoutine(spread_to_self, max_queue_length=1), "spread")
    flow.add_routine(FunctionRoutine(lambda x: x, max_queue_length=1), "back")
    flow.connect("spread", "output", "back", "input")
    flow.connect("back", "output", "spread", "input")
    runtime = make_runtime(thread_pool_size=1)
    runtime.exec(flow)
    assert runtime.post(flow, "spread", "input", 3)[1].wait(WAIT)


def test_async_functions_are_stages(run):
    post = run(inc, wait_and_inc, inc)
    jobs = [post(n) for n in range(50)]
    assert [job.result(WAIT) for job in jobs] == list(range(3, 53))


def test_async_function_may_be_the_last(run):
    assert run(inc, wait_and_inc)(1).result(WAIT) == 3


def test_async_generators_are_stages(run):
    assert run(wait_and_spread, wait_and_inc)(3).result(WAIT) == [1, 2, 3]


def test_coroutine_that_a_function_returns_is_awaited(run):
    assert run(lambda x: wait_and_inc(x), inc)(1).result(WAIT) == 3


def test_object_with_an_async_call_is_an_async_stage(run):
    class Later:
        async def __call__(self, x):
            await asyncio.sleep(0)
            return x * 2

    assert run(Later(), inc)(4).result(WAIT) == 9


def test_endless_generator_ends_when_its_job_is_cancelled(threaded):
    started, closed = threading.Event(), threading.Event()

    def forever(x):
        try:
            while True:
                yield x
        finally:
            closed.set()

    def note(x):
        started.set()

    runtime = threaded(thread_pool_size=2)
    flow = pipeline(forever, note)
    runtime.exec(flow)
    job = runtime.post(flow, "forever", "input", 1)[1]
    assert started.wait(WAIT)
    assert job.cancel()
    assert closed.wait(WAIT)
    assert job.wait(WAIT)


def test_endless_async_generator_ends_when_its_job_is_cancelled(threaded):
    started, closed = threading.Event(), threading.Event()

    async def forever(x):
        try:
            while True:
                await asyncio.sleep(0)
                yield x
        finally:
            closed.set()

    def note(x):
        started.set()

    runtime = threaded(thread_pool_size=2)
    flow = pipeline(forever, note)
    runtime.exec(flow)
    job = runtime.post(flow, "forever", "input", 1)[1]
    assert started.wait(WAIT)
    assert job.cancel()
    assert closed.wait(WAIT)
    assert job.wait(WAIT)


def test_job_is_awaited_on_any_loop(run):
    async def wait_for(other):
        return await post(1)

    async def main():
        return await finished, await post(2)

    post = run(inc)
    outer = run(wait_for)(0)
    assert outer.result(WAIT) == 2  # in async logic, on the loop of the runtime
    finished = post(0)
    assert finished.wait(WAIT)
    assert finished.done()
    assert asyncio.run(main()) == (1, 3)
