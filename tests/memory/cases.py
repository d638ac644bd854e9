"""The scenarios of the sweep.

Each is a generator: it makes what it needs, yields, does what may run out of memory,
yields, and says what has to hold beyond what `World.check` asks of all.
"""

import asyncio
import contextlib
import json
import tempfile
from pathlib import Path

from cases_kept import checkpoints, resumes
from cases_typed import post_one_job, typed, typed_joins, typed_policies

from routilux import (
    ErrorHandler,
    Routine,
    Slot,
    all_slots_ready_policy,
    batch_size_policy,
    custom_policy,
    time_interval_policy,
)
from routilux.activation_policies import ask_again

__all__ = ["checkpoints", "resumes", "typed", "typed_joins", "typed_policies"]


def posts(book):
    runtime = book.runtime(book.flow(book.stage()))
    yield
    for _ in range(20):
        book.post(runtime)
    book.wait(runtime)
    yield


def start(book):
    flow = book.flow(book.source(), book.sink())
    yield
    runtime = book.runtime(flow)
    book.post(runtime)
    book.wait(runtime)
    yield


def start_of_all_kinds(book):
    """Keys, timeouts, typed slots and unread slots have memory of their own."""
    typed = book.stage(lambda slot_data, *_: None, dtype=int)
    keyed = book.source()
    keyed.set_concurrency(2, key=lambda item: item)
    keyed.set_timeout(60)
    flow = book.flow(keyed, book.sink())
    flow.add_routine(typed, "typed")
    unread = Routine()
    unread.add_slot("input")
    flow.add_routine(unread, "unread")
    flow.connect("s0", "out", "unread", "input")
    yield
    runtime = book.runtime(flow)
    for _ in range(10):
        book.post(runtime)
    book.wait(runtime)
    yield


def monitored(book):
    flow = book.flow(book.source(), book.sink())
    yield
    runtime = book.runtime(flow, enable_monitoring=True)
    for _ in range(3):
        book.post(runtime)
    book.wait(runtime)
    yield


def full_slots(book):
    flow = book.flow(
        book.source(times=10),
        book.sink(max_queue_length=2),
    )
    runtime = book.runtime(flow)
    yield
    for _ in range(6):
        book.post(runtime, times=10)
    book.wait(runtime)
    yield


def batches(book):
    flow = book.flow(book.source(), book.sink(batch_size_policy(3)))
    runtime = book.runtime(flow)
    yield
    for _ in range(10):
        book.post(runtime)
    book.wait(runtime)
    yield


def patient_batches(book):
    """What is flushed, and gets no memory, does not wait for its far off clock."""
    sink = book.sink(batch_size_policy(4, max_wait=600))
    runtime = book.runtime(book.flow(book.source(), sink))
    yield
    for _ in range(6):
        book.post(runtime)
    book.wait(runtime)
    yield


def pairs(book):
    def note(slot_data, policy_message, worker_state):
        book.see(slot_data["input"])
        book.see(slot_data["other"])

    routine = book.stage(note, all_slots_ready_policy())
    routine.add_slot("other")
    book.slots.append("other")
    runtime = book.runtime(book.flow(routine))
    yield
    left = {"input": 10, "other": 10}
    for slot in ("input", "other") * 10:
        if book.post(runtime, slot) is not None:
            left[slot] -= 1
    if left["input"] == left["other"]:
        book.wait(runtime)
    yield
    for slot, count in left.items():
        for _ in range(count):
            book.post(runtime, slot)


def python_policies(book):
    def whole(slots, worker_state):
        return len(slots["input"]) >= 1

    def own(slots, worker_state):
        items = slots["input"].consume_all_new()
        return bool(items), {"input": items}, {}

    flow = book.flow(book.source(custom_policy(whole)), book.sink(own))
    runtime = book.runtime(flow)
    yield
    for _ in range(10):
        book.post(runtime)
    book.wait(runtime)
    yield


def keys(book):
    stage = book.stage()
    stage.set_concurrency(2, key=lambda item: item % 3)
    runtime = book.runtime(book.flow(stage))
    yield
    for _ in range(12):
        book.post(runtime)
    book.wait(runtime)
    yield


def many_keys(book):
    async def note(slot_data, policy_message, worker_state):
        await asyncio.sleep(0)
        book.see(slot_data["input"])

    stage = book.stage(note)
    stage.set_concurrency(100, key=lambda item: item)
    runtime = book.runtime(book.flow(stage))
    yield
    for _ in range(70):
        book.post(runtime)
    book.wait(runtime)
    yield


def timers(book):
    def patient(slots, worker_state):
        if len(slots["input"]) < 3:
            return False, None, ask_again(0.001)
        return True, {"input": slots["input"].consume_all_new()}, {}

    flow = book.flow(
        book.source(time_interval_policy(0.001)),
        book.sink(batch_size_policy(4, max_wait=0.001)),
    )
    runtime = book.runtime(flow)
    yield
    for _ in range(6):
        book.post(runtime)
    book.wait(runtime)
    yield


def retries(book):
    tried = set()

    def fail_once(slot_data, policy_message, worker_state):
        (item,) = slot_data["input"]
        if item not in tried:
            tried.add(item)
            raise ValueError("once")
        book.see([item])

    book.forgiven = True  # a retry that gets no memory: "once" is what failed it
    stage = book.stage(fail_once)
    stage.set_error_handler(ErrorHandler("retry", max_retries=2, retry_delay=0.01))
    stage.set_concurrency(50)
    runtime = book.runtime(book.flow(stage))
    yield
    for _ in range(20):
        book.post(runtime)
    book.wait(runtime)
    yield


def timeouts(book):
    async def note(slot_data, policy_message, worker_state):
        await asyncio.sleep(0)
        book.see(item["item"] for item in slot_data["input"])

    source, sink = book.source(), book.stage(note)
    source.set_timeout(60)
    sink.set_timeout(60)
    sink.set_concurrency(4)
    runtime = book.runtime(book.flow(source, sink))
    yield
    for _ in range(6):
        book.post(runtime)
    book.wait(runtime)
    yield


def deadlines(book):
    runtime = book.runtime(book.flow(book.source(), book.sink()))
    yield
    for _ in range(20):
        book.post(runtime, deadline=60)
    book.wait(runtime)
    yield


def in_bulk(book):
    runtime = book.runtime(book.flow(book.source(), book.sink()))
    yield
    for options in ({}, {"block": False}, {"deadline": 60}):
        items = [next(book.numbers) for _ in range(20)]
        try:
            jobs = runtime.post_many("flow", "s0", "input", items, **options)
        except MemoryError:
            book.doubtful.extend(items)
            continue
        for job, item in zip(jobs, items, strict=True):
            book.accept(job, [item])
    for options in ({}, {"block": False}):
        post_one_job(book, runtime, list, **options)
    book.wait(runtime)
    yield


def cancels(book):
    runtime = book.runtime(book.flow(book.source(), book.sink()))
    book.forgiven = True
    yield
    worker = runtime.list_workers()[0]
    worker.pause()
    jobs = [book.post(runtime) for _ in range(20)]
    for job in jobs[::2]:
        if job is not None:
            with contextlib.suppress(MemoryError):
                job.cancel()
    worker.resume()
    book.wait(runtime)
    yield


def letters(book):
    def fail(slot_data, policy_message, worker_state):
        if slot_data["input"][0]["item"] >= 0:
            raise ValueError("always")

    def read(slot_data, policy_message, worker_state):
        book.letters.extend(letter["item"]["item"] for letter in slot_data["input"])

    flow = book.flow(book.source())
    flow.add_routine(book.stage(fail), "bad")
    flow.add_routine(book.stage(read), "letters")
    flow.connect("s0", "out", "bad", "input")
    flow.set_dead_letter("letters")
    runtime = book.runtime(flow)
    book.letters = []
    book.forgiven = True
    yield
    for _ in range(10):
        book.post(runtime)
    book.wait(runtime)
    yield
    assert runtime.wait_until_all_jobs_finished(5)
    assert len(set(book.letters)) == len(book.letters) <= len(book.accepted)


def slots(book):
    """A slot of its own takes an item or refuses it, and shows all or nothing."""
    stage = book.stage()
    stage.set_concurrency(2, key=lambda item: item % 3)
    runtime = book.runtime(book.flow(stage))
    (worker,) = runtime.list_workers()
    worker.pause()
    queued = [book.post(runtime) for _ in range(5)]
    plain, typed = Slot("plain"), Slot("typed", dtype=int)
    taken = {plain: [], typed: []}
    yield
    for slot, items in taken.items():
        for number in range(20):
            with contextlib.suppress(MemoryError):
                slot.enqueue(number)
                items.append(number)
            with contextlib.suppress(MemoryError):
                assert list(slot.peek_all_new()) == items
    with contextlib.suppress(MemoryError):
        view = worker.get_slot("s0", "input")
        assert len(view.peek_all_new()) == len(queued)
    yield
    for slot, items in taken.items():
        assert list(slot.take(50)) == items


def looks(book):
    flow = book.flow(book.source(), book.sink(batch_size_policy(4)))
    runtime = book.runtime(flow, enable_monitoring=True)
    for _ in range(6):
        book.post(runtime)
    runtime.wait_until_all_jobs_finished(0.01)
    yield
    for look in (
        runtime.explain,
        runtime.recent,
        runtime.list_jobs,
        lambda: runtime.list_jobs(status="completed"),
        runtime.metrics,
        runtime.held_items,
    ):
        with contextlib.suppress(MemoryError):
            look()
    yield


def traces(book):
    runtime = book.runtime(book.flow(book.source(), book.sink()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        yield
        with contextlib.suppress(MemoryError), runtime.trace(path):
            for _ in range(3):
                book.post(runtime)
            book.wait(runtime)
        book.post(runtime)
        book.wait(runtime)
        yield
        with runtime.trace(path):
            book.post(runtime)
            runtime.wait_until_all_jobs_finished(5)
        names = {event["name"] for event in json.loads(path.read_text("utf-8"))}
        assert {"s0", "s1"} <= names, names


def end(book):
    runtime = book.runtime(book.flow(book.source(), book.sink()))
    for _ in range(6):
        book.post(runtime)
    book.ended = True
    yield
    runtime.shutdown(timeout=5)
    yield
