"""The scenarios with typed slots, and with one job of many items; see cases.py."""

import numpy as np

from routilux import batch_size_policy


def post_one_job(book, runtime, make, **options):
    items = [next(book.numbers) for _ in range(10)]
    try:
        job = runtime.post_many(
            "flow", "s0", "input", make(items), jobs="one", **options
        )
    except MemoryError:
        book.doubtful.extend(items)
    else:
        book.accept(job, items)


def typed(book):
    def hand_on(slot_data, policy_message, worker_state):
        source.emit_many("out", slot_data["input"])

    def note(slot_data, policy_message, worker_state):
        book.see(slot_data["input"].tolist())

    source = book.stage(hand_on, dtype=int)
    source.add_event("out")
    sink = book.stage(note, batch_size_policy(4), dtype=int)
    runtime = book.runtime(book.flow(source, sink))
    yield
    for _ in range(12):
        book.post(runtime)
    for _ in range(4):
        post_one_job(book, runtime, np.array)
    book.wait(runtime)
    yield


def typed_joins(book):
    """One job takes item after item, between those of others."""

    def note(slot_data, policy_message, worker_state):
        book.see(slot_data["input"].tolist())

    stage = book.stage(note, batch_size_policy(50), dtype=int)
    runtime = book.runtime(book.flow(stage))
    job = book.post(runtime)
    yield
    for _ in range(20):
        item = next(book.numbers)
        try:
            runtime.post("flow", "s0", "input", item, job_id=job.job_id)
        except MemoryError:
            book.refused.append(item)
            continue
        book.accept(job, [item])
        book.post(runtime)
    book.wait(runtime)
    yield


def typed_policies(book):
    """Policies in Python take arrays; a slot that is full drops the oldest."""

    def own(slots, worker_state):
        items = slots["input"].consume_all_new()
        return len(items) > 0, {"input": items}, {}

    def hand_on(slot_data, policy_message, worker_state):
        source.emit_many("out", slot_data["input"])

    source = book.stage(hand_on, own, dtype=int)
    source.add_event("out")
    sink = book.stage(
        lambda slot_data, *_: book.see(slot_data["input"].tolist()),
        batch_size_policy(2),
        dtype=int,
        max_queue_length=4,
        overflow="drop_oldest",
    )
    runtime = book.runtime(book.flow(source, sink))
    yield
    for _ in range(4):
        post_one_job(book, runtime, np.array)
    book.wait(runtime)
    yield
    for _, items in book.accepted.values():
        items.clear()  # its slot may have dropped any of them
