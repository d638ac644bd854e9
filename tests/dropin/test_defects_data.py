"""Defects of the 1.x series, group C: items, states and events that got mixed or lost.

The letters and numbers are those of its list of known defects; each test shows that the
defect is not here.
"""

import asyncio
import gc
import threading
import time

import pytest

from routilux import (
    ErrorHandler,
    Flow,
    Routine,
    Runtime,
    SlotQueueFullError,
    WorkerState,
    all_slots_ready_policy,
    get_current_job,
    get_current_worker_state,
    immediate_policy,
)
from routilux.monitoring import JobEventManager

WAIT = 20.0


def test_c1_workers_of_one_flow_shared_their_queues(runtime):
    """An item of one worker is never joined with one of another."""

    class Join(Routine):
        def __init__(self):
            super().__init__()
            self.add_slot("left")
            self.add_slot("right")
            self.set_activation_policy(all_slots_ready_policy())

        def logic(self, slot_data, policy_message, worker_state):
            pairs.append((slot_data["left"][0], slot_data["right"][0]))

    pairs = []
    flow = Flow()
    flow.add_routine(Join(), "join")
    workers = [runtime.exec(flow).worker_id for _ in range(2)]
    for worker_id in workers:
        runtime.post(flow, "join", "left", worker_id, worker_id=worker_id)
    for worker_id in reversed(workers):
        runtime.post(flow, "join", "right", worker_id, worker_id=worker_id)
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert sorted(pairs) == sorted((name, name) for name in workers)


@pytest.mark.parametrize("overflow", ["block", "error"])
def test_c2_full_queue_dropped_items_with_a_line_in_the_log(runtime, overflow):
    """Every item arrives, or the one who emits is told and the job fails."""

    class Flood(Routine):
        def __init__(self):
            super().__init__()
            self.add_slot("input")
            self.add_event("output")
            self.set_activation_policy(immediate_policy())

        def logic(self, slot_data, policy_message, worker_state):
            for n in range(50):
                self.emit("output", n=n)

    class Sink(Routine):
        def __init__(self):
            super().__init__()
            self.add_slot("input", max_queue_length=5, overflow=overflow)
            self.set_activation_policy(immediate_policy())

        def logic(self, slot_data, policy_message, worker_state):
            gate.wait(WAIT)
            got.append(slot_data["input"][0]["n"])

    got, gate = [], threading.Event()
    flow = Flow()
    flow.pipe(Flood(), "flood").pipe(Sink(), "sink")
    runtime.exec(flow)
    if overflow == "block":
        gate.set()
    job = runtime.post(flow, "flood", "input", 1).job
    if overflow == "error":
        while not job.done():
            job.wait(0.01)
        gate.set()
        assert (job.status, job.error.type) == ("failed", SlotQueueFullError.__name__)
    else:
        assert job.wait(WAIT)
        assert got == list(range(50))


def test_c3_one_routine_ran_at_once_and_lost_updates(runtime, chain):
    """A thousand read-modify-writes from four posting threads are a thousand."""

    def count(routine, item):
        worker = get_current_worker_state()
        state = worker.get_routine_state("a", {"n": 0})
        time.sleep(0)
        worker.update_routine_state("a", {"n": state["n"] + 1})

    flow = chain(count)
    worker = runtime.exec(flow)

    def post():
        for n in range(250):
            runtime.post(flow, "a", "input", n)

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert worker.get_routine_state("a") == {"n": 1000}


def test_c4_states_were_copied_deeply_and_had_no_atomic_update():
    """A state holds a lock, `{}` reads back, and one call reads and writes."""
    worker = WorkerState("flow")
    lock = threading.Lock()
    worker.update_routine_state("a", {"lock": lock})
    assert worker.get_routine_state("a")["lock"] is lock
    worker.update_routine_state("a", {})
    assert worker.get_routine_state("a") == {}
    worker.update_routine_state_with("a", lambda state: {"n": state.get("n", 0) + 1})
    assert worker.get_routine_state("a") == {"n": 1}


def test_c5_engine_wrote_into_the_states_of_users(runtime, chain, forward):
    """After a job, a state is what the routine put there, and nothing else."""
    flow = chain(forward, None)
    worker = runtime.exec(flow)
    worker.update_routine_state("a", {"mine": 1})
    assert runtime.post(flow, "a", "input", {"value": 1}).job.wait(WAIT)
    assert worker.routine_states == {"a": {"mine": 1}}


def test_c6_third_stage_of_a_chain_had_no_context(runtime, chain):
    """Each of five stages emits, and has job, worker, job data and handler."""
    seen = []

    def step(routine, item):
        routine.set_job_data("seen", True)
        worker, job = get_current_worker_state(), get_current_job()
        seen.append((routine.get_execution_context().routine_id, worker, job))
        routine.emit("output", value=item["value"])

    flow = chain(step, step, step, step, step)
    worker = runtime.exec(flow)
    job = runtime.post(flow, "a", "input", {"value": 1}).job
    assert job.wait(WAIT)
    assert seen == [(name, worker, job) for name in "abcde"]
    assert set(job.data) == {f"{name}_seen" for name in "abcde"}


def test_c6_error_handler_downstream_was_never_asked(runtime, chain, forward):
    """A handler decides about an error in the second stage."""

    def fail(routine, item):
        raise ValueError("no")

    flow = chain(forward, fail)
    flow.set_error_handler(ErrorHandler("continue"))
    worker = runtime.exec(flow)
    job = runtime.post(flow, "a", "input", {"value": 1}).job
    assert job.wait(WAIT)
    assert job.status == "completed"
    [entry] = worker.get_execution_history("b")
    assert entry.event_name == "error_continued"


def test_c7_second_flow_of_one_id_broke_the_first(runtime, chain, forward):
    """A worker keeps its flow, whoever takes its id and whoever forgets it."""
    got = []
    flow = chain(forward, lambda routine, item: got.append(item), flow_id="same")
    worker = runtime.exec(flow)
    chain(forward, None, flow_id="same")
    del flow
    gc.collect()
    job = runtime.post(worker.flow, "a", "input", {"value": 1}).job
    assert job.wait(WAIT)
    assert got == [{"value": 1}]


def test_c8_connecting_twice_delivered_twice(runtime, chain, forward):
    """The same four names make one connection, and an item arrives once."""
    got = []
    flow = chain(forward, lambda routine, item: got.append(item))
    again = flow.connect("a", "output", "b", "input")
    assert flow.connections == [again]
    runtime.exec(flow)
    assert runtime.post(flow, "a", "input", {"value": 1}).job.wait(WAIT)
    assert len(got) == 1


def test_c9_posts_to_foreign_and_ended_workers_were_accepted(runtime, chain):
    """A worker of another flow, and one that was cancelled, refuse a post."""
    flow, other = chain(None), chain(None)
    foreign = runtime.exec(other)
    worker = runtime.exec(flow)
    worker.cancel()
    for worker_id in (foreign.worker_id, worker.worker_id):
        with pytest.raises(ValueError, match=worker_id):
            runtime.post(flow, "a", "input", 1, worker_id=worker_id)
    assert runtime.list_jobs() == []


def test_c10_taken_ids_overwrote_what_had_them(runtime, chain):
    """A second worker of one id, and a job id that was used up, are refused."""
    flow = chain(None)
    worker = runtime.exec(flow, "mine")
    with pytest.raises(ValueError, match="mine"):
        runtime.exec(flow, "mine")
    assert runtime.get_worker("mine") is worker
    job = runtime.post(flow, "a", "input", 1, job_id="once").job
    assert job.wait(WAIT)
    with pytest.raises(ValueError, match="once"):
        runtime.post(flow, "a", "input", 2, job_id="once")
    assert runtime.get_job("once") is job


def test_c11_items_told_a_hexadecimal_number_for_their_source(runtime, forward):
    """`emitted_from` is the id that the routine has in the flow."""

    class Source(Routine):
        def __init__(self):
            super().__init__()
            self.add_slot("input")
            self.add_event("output")
            self.set_activation_policy(immediate_policy())

        def logic(self, slot_data, policy_message, worker_state):
            self.emit("output", n=1)

    def policy(slots, worker_state):
        sources.extend(point.emitted_from for point in slots["input"]._queue)
        items = slots["input"].consume_all_new()
        return bool(items), {"input": items}, None

    sources = []
    sink = Routine()
    sink.add_slot("input")
    sink.set_activation_policy(policy)
    sink.set_logic(lambda slot_data, policy_message, worker_state: None)
    flow = Flow()
    flow.pipe(Source(), "the source").pipe(sink, "sink")
    runtime.exec(flow)
    assert runtime.post(flow, "the source", "input", 1).job.wait(WAIT)
    assert set(sources) == {"the source"}


def test_c12_all_jobs_shared_one_count_of_retries(runtime, chain):
    """Each of ten jobs has its retries, and each succeeds at the third attempt."""
    attempts = {}

    def flaky(routine, item):
        attempts[item] = attempts.get(item, 0) + 1
        if attempts[item] < 3:
            raise ConnectionError

    flow = chain(flaky)
    flow.set_error_handler(ErrorHandler("retry", max_retries=2, retry_delay=0.0))
    runtime.exec(flow)
    jobs = [runtime.post(flow, "a", "input", n).job for n in range(10)]
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert {job.status for job in jobs} == {"completed"}
    assert attempts == dict.fromkeys(range(10), 3)


def test_c12_delay_of_a_retry_held_a_thread_of_the_pool(chain):
    """One thread does other jobs while a retry waits for its time."""
    order = []

    def flaky(routine, item):
        order.append(item)
        if order.count("bad") == 1:
            raise ConnectionError

    first, second = chain(flaky), chain(lambda routine, item: order.append(item))
    handler = ErrorHandler("retry", max_retries=1, retry_delay=0.5)
    first.set_error_handler(handler)
    with Runtime(thread_pool_size=1) as runtime:
        runtime.exec(first)
        runtime.exec(second)
        bad = runtime.post(first, "a", "input", "bad").job
        while not order:
            bad.wait(0.001)
        assert runtime.post(second, "a", "input", "other").job.wait(WAIT)
        assert bad.wait(WAIT)
    assert order == ["bad", "other", "bad"]


def test_c13_configuration_could_change_while_downstream_logic_ran(
    runtime, chain, forward
):
    """`set_config` inside the second stage is an error too."""

    def change(routine, item):
        routine.set_config(x=1)

    flow = chain(forward, change)
    runtime.exec(flow)
    job = runtime.post(flow, "a", "input", {"value": 1}).job
    assert job.wait(WAIT)
    assert (job.status, job.error.type) == ("failed", "RuntimeError")


def test_c14_listeners_shared_a_queue_and_got_half_each():
    """Each of two listeners gets every event, and a job without any costs nothing."""
    manager = JobEventManager()

    async def listen():
        mine = [await manager.subscribe("job") for _ in range(2)]
        for n in range(10):
            await manager.publish("job", {"type": "made", "n": n})
            await manager.publish("nobody", {"type": "made"})
        got = []
        for subscriber in mine:
            numbers = []
            async for event in manager.iter_events(subscriber):
                numbers.append(event["n"])
                if event["n"] == 9:
                    break
            got.append(numbers)
        assert manager.get_subscriber_count("nobody") == 0
        await manager.cleanup("job")
        return got

    assert asyncio.run(listen()) == [list(range(10))] * 2


def test_c14_listeners_on_other_threads_were_not_safe():
    """Two event loops on two threads each get all that a third publishes."""
    manager = JobEventManager()
    got, ready = [], threading.Barrier(3)

    async def listen():
        subscriber = await manager.subscribe("job")
        ready.wait(WAIT)
        async for event in manager.iter_events(subscriber):
            got.append(event["n"])
            if event["n"] == 49:
                return

    threads = [threading.Thread(target=asyncio.run, args=(listen(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    ready.wait(WAIT)

    async def publish():
        for n in range(50):
            await manager.publish("job", {"type": "made", "n": n})

    asyncio.run(publish())
    for thread in threads:
        thread.join(WAIT)
    assert sorted(got) == sorted([*range(50), *range(50)])
