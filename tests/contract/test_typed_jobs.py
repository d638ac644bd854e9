"""Chapter 5 and 6: jobs whose data are blocks of typed slots."""

import asyncio
import threading

import numpy as np
import pytest

from routilux import (
    ConfigurationError,
    ErrorHandler,
    FunctionRoutine,
    Routine,
    all_slots_ready_policy,
    batch_size_policy,
    get_current_jobs,
    immediate_policy,
)
from routilux.monitoring.hooks import (
    NullExecutionHooks,
    reset_execution_hooks,
    set_execution_hooks,
)

WAIT = 20.0


def start(runtime, flow):
    runtime.exec(flow)
    return runtime.post(flow.flow_id, "source", "input", None)[1]


def flat(got):
    return [item for part in got for item in part]


def test_a_failed_job_loses_its_queued_blocks_and_no_others(
    runtime, make_flow, source, make_routine, finish, dropped
):
    got = []
    bodies = iter([fine, fail, fine])

    def body(emit, emit_many):
        next(bodies)(emit_many)

    join = make_routine(slots=(), policy=batch_size_policy(1000))
    join.add_slot("input", 2000, dtype=int)
    join.set_logic(lambda slot_data, message, worker: got.append(slot_data["input"]))
    flow = make_flow(
        {"source": source(body), "join": join}, ("source", "output", "join", "input")
    )
    worker = runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "source", "input", None)[1] for _ in range(3)]
    finish(runtime)
    assert [str(job.status) for job in jobs] == ["completed", "failed", "completed"]
    assert flat(got) == [*range(100), *range(100)]
    assert dropped(worker, "join", "input") == 100


def fine(emit_many):
    emit_many("output", np.arange(100))


def fail(emit_many):
    emit_many("output", np.arange(100))
    raise ValueError("after the block")


def test_a_batch_of_several_jobs_belongs_to_all_of_them(runtime, solo, finish):
    seen = []

    def logic(slot_data, policy_message, worker_state):
        seen.append((len(slot_data["input"]), len(get_current_jobs())))

    flow = solo(logic, policy=batch_size_policy(100), dtype=float)
    runtime.exec(flow)
    for _ in range(4):
        data = np.arange(75.0)
        runtime.post_many(flow.flow_id, "work", "input", data, jobs="one")
    runtime.post_many(flow.flow_id, "work", "input", np.arange(100.0), jobs="each")
    finish(runtime)
    assert seen == [(100, 2), (100, 2), (100, 2), (100, 100)]


def test_a_retry_gets_the_same_array_again(runtime, solo, finish):
    seen = []

    def logic(slot_data, policy_message, worker_state):
        seen.append(slot_data["input"])
        if len(seen) < 3:
            raise ValueError("again")

    flow = solo(logic, policy=batch_size_policy(10), dtype=float)
    flow.set_error_handler(ErrorHandler("retry", retry_delay=0.001))
    runtime.exec(flow)
    data = np.arange(10.0)
    job = runtime.post_many(flow.flow_id, "work", "input", data, jobs="one")
    finish(runtime)
    assert job.status == "completed"
    assert [part.tolist() for part in seen] == [data.tolist()] * 3


def test_async_logic_emits_blocks_over_the_bound(threaded, make_flow, sink, finish):
    got = []
    routine = Routine()
    routine.add_slot("input", 1000, dtype=int)
    routine.add_event("output")
    routine.set_activation_policy(batch_size_policy(100))

    async def logic(slot_data, policy_message, worker_state):
        await asyncio.sleep(0)
        routine.emit_many("output", slot_data["input"])

    routine.set_logic(logic)
    flow = make_flow(
        {"source": routine, "sink": sink(got, max_queue_length=30, dtype=int)},
        ("source", "output", "sink", "input"),
    )
    runtime = threaded()
    runtime.exec(flow)
    runtime.post_many(flow.flow_id, "source", "input", np.arange(1000), jobs="one")
    finish(runtime)
    assert flat(got) == list(range(1000))


def test_metrics_count_items(make_runtime, fan, sink, finish):
    runtime = make_runtime(enable_monitoring=True)
    flow = fan(
        lambda emit, emit_many: emit_many("output", np.arange(1000.0)),
        sink([], batch_size_policy(300), dtype=float),
        sink([], dtype=float),
    )
    start(runtime, flow)
    finish(runtime)
    rows = {row.routine_id: row for row in runtime.metrics().routines}
    assert rows["source"].items_out == 1000
    assert rows["sink0"].items_in == rows["sink1"].items_in == 1000
    assert rows["sink0"].activations == 4
    assert 0 < rows["sink0"].queue_peak <= 1000


def test_hooks_are_told_of_a_block_once(runtime, fan, sink, finish):
    emitted, entered = [], []

    class Hooks(NullExecutionHooks):
        def on_event_emit(self, event, source, worker, job, data):
            emitted.append(data)

        def on_slot_before_enqueue(self, slot, routine_id, job, data, flow_id):
            entered.append((routine_id, data))
            return routine_id != "sink1", "not there"

    got, lost = [], []
    flow = fan(
        lambda emit, emit_many: emit_many("output", np.arange(100)),
        sink(got, max_queue_length=8, dtype=int),
        sink(lost, dtype=int),
    )
    set_execution_hooks(Hooks())
    try:
        start(runtime, flow)
        finish(runtime)
    finally:
        reset_execution_hooks()
    assert [data.tolist() for data in emitted] == [list(range(100))]
    assert not emitted[0].flags.writeable
    assert [name for name, _ in entered] == ["source", "sink0", "sink1"]
    assert entered[1][1].tolist() == list(range(100))
    assert (flat(got), lost) == (list(range(100)), [])


def test_a_job_can_be_cancelled_while_its_block_waits_for_room(
    threaded, solo, gate, spawn
):
    begun = threading.Event()
    got = []

    def logic(slot_data, policy_message, worker_state):
        got.append(len(slot_data["input"]))
        begun.set()
        gate.wait(WAIT)

    flow = solo(logic, policy=batch_size_policy(10), dtype=int, max_queue_length=20)
    runtime = threaded()
    runtime.exec(flow)
    posting = spawn(
        lambda: runtime.post_many(
            flow.flow_id, "work", "input", np.arange(1000), jobs="one", job_id="mine"
        )
    )
    assert begun.wait(WAIT)
    assert runtime.cancel_job("mine")
    assert posting.result(WAIT).status == "cancelled"
    gate.set()
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert got == [10]


def test_a_plain_function_feeds_a_typed_slot_with_what_it_returns(
    runtime, make_flow, sink, finish
):
    got, plain = [], []
    flow = make_flow(
        {
            "half": FunctionRoutine(lambda number: number / 2),
            "typed": sink(got, batch_size_policy(4), dtype=np.float64),
            "plain": sink(plain),
        },
        ("half", "output", "typed", "input"),
        ("half", "output", "plain", "input"),
    )
    runtime.exec(flow)
    jobs = runtime.post_many(flow.flow_id, "half", "input", range(10))
    bad = runtime.post(flow.flow_id, "half", "input", 2j)[1]
    finish(runtime)
    assert {job.status for job in jobs} == {"completed"}
    assert flat(got) == flat(plain) == [number / 2 for number in range(10)]
    assert (bad.status, bad.error.type) == ("failed", "TypeError")


@pytest.mark.parametrize(
    ("policy", "sizes"),
    [(immediate_policy(), [1] * 6), (batch_size_policy(4), [4, 2])],
)
def test_a_plain_function_gets_arrays_of_a_typed_slot(
    runtime, make_flow, finish, policy, sizes
):
    got = []
    routine = FunctionRoutine(lambda items, typed: got.append((items, typed.tolist())))
    routine.add_slot("typed", dtype=np.int64)
    routine.set_activation_policy(policy)
    flow = make_flow({"f": routine})
    runtime.exec(flow)
    runtime.post_many(flow.flow_id, "f", "typed", np.arange(6), jobs="one")
    if policy.kind == "batch_size":
        runtime.post_many(flow.flow_id, "f", "input", "abcdef")
    finish(runtime)
    assert [len(typed) for _, typed in got] == sizes
    assert [number for _, typed in got for number in typed] == list(range(6))


def test_a_key_does_not_go_with_a_typed_slot(runtime, make_flow, make_routine):
    routine = make_routine(lambda *_: None, dtype=float)
    routine.set_concurrency(2, key=float)
    flow = make_flow({"work": routine})
    with pytest.raises(ConfigurationError, match=r"'work' has a key.*'input'.*typed"):
        runtime.exec(flow)
    assert any("typed slot" in text for text in flow.validate())


def test_a_block_that_no_policy_takes_ends_cancelled_with_its_slot_named(
    runtime, make_flow, make_routine
):
    routine = make_routine(lambda *_: None, policy=all_slots_ready_policy(), dtype=int)
    routine.add_slot("other")
    flow = make_flow({"work": routine})
    runtime.exec(flow)
    blocks = [np.arange(3), np.arange(100)]
    jobs = [
        runtime.post_many(flow.flow_id, "work", "input", block, jobs="one")
        for block in blocks
    ]
    runtime.post(flow.flow_id, "work", "other", None)
    runtime.shutdown(timeout=WAIT)
    assert [str(job.status) for job in jobs] == ["cancelled", "cancelled"]
    assert all("slot 'input' of routine 'work'" in str(job.error) for job in jobs)


def test_records_may_come_in_rows(runtime, make_routine, make_flow, sink, finish):
    got = []
    record = np.dtype([("id", "i4"), ("at", "f8")])
    flow = make_flow({"sink": sink(got, dtype=record, shape=(2,))})
    runtime.exec(flow)
    rows = [[(1, 0.5), (2, 1.5)], [(3, 2.5), (4, 3.5)]]
    runtime.post_many(flow.flow_id, "sink", "input", rows, jobs="one")
    runtime.post(flow.flow_id, "sink", "input", [np.array(r, record) for r in rows[0]])
    finish(runtime)
    items = np.concatenate(got)
    assert (items.dtype, items.shape) == (record, (3, 2))
    assert items["id"].tolist() == [[1, 2], [3, 4], [1, 2]]
    assert items["at"].tolist() == [[0.5, 1.5], [2.5, 3.5], [0.5, 1.5]]
    with pytest.raises((TypeError, ValueError), match="of rows of different shapes"):
        runtime.post_many(flow.flow_id, "sink", "input", [rows[0], rows[0][:1]])
    with pytest.raises((TypeError, ValueError), match="slot 'input' of routine 'sink'"):
        runtime.post(flow.flow_id, "sink", "input", [(1, "x"), (2, 0.5)])
    assert len(np.concatenate(got)) == 3
