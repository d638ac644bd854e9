"""`Runtime.explain` counts what waits for a key, is typed, or is of several jobs."""

import numpy as np
from standing import Gate, flow_of, nothing, routine

from routilux import Routine, Runtime, batch_size_policy


def test_an_item_that_waits_for_its_key_is_told_so(gate: Gate) -> None:
    def logic(slot_data: dict, policy_message: object, worker_state: object) -> None:
        if slot_data["input"][0]["key"] == "busy":
            gate.hold(slot_data, policy_message, worker_state)

    work = routine(logic).set_concurrency(3, key="key")
    with Runtime(2) as runtime:
        runtime.exec(flow_of("keys", work=work))
        jobs = [
            runtime.post("keys", "work", "input", {"key": "busy"}).job for _ in range(4)
        ]
        gate.wait_for()
        # By the end of this one the keys of those before it are known.
        assert runtime.post("keys", "work", "input", {"key": "free"}).job.wait(10.0)
        one, everything = runtime.explain(jobs[2]), runtime.explain()
        gate.open()
    assert one.endswith(
        "\n- 1 item queued in slot 'input' of 'work', among 2 of other jobs: items of"
        " one key wait for each other"
    )
    assert "- 3 items queued in slot 'input' of 'work': items of one key" in everything


def test_items_of_a_typed_slot_are_counted_for_their_job() -> None:
    work = routine(nothing, dtype="i8", policy=batch_size_policy(10))
    with Runtime(1) as runtime:
        runtime.exec(flow_of("typed", work=work))
        jobs = [
            runtime.post_many("typed", "work", "input", np.arange(n), jobs="one")
            for n in (2, 3)
        ]
        texts = [runtime.explain(job) for job in jobs]
        runtime.shutdown(cancel_pending=True)
    for n, text in zip((2, 3), texts, strict=True):
        assert text.endswith(
            f"\n- {n} items parked in slot 'input' of 'work': batch_size(10) waits for"
            " 5 more in 'input'"
        )


def test_items_of_several_batches_are_counted_for_the_jobs_of_each(gate: Gate) -> None:
    def twice(slot_data: object, policy_message: object, worker_state: object) -> None:
        for n in range(2):
            batch.emit("out", n=n)

    batch = routine(twice, policy=batch_size_policy(2))
    flow = flow_of("batches", batch=batch, slow=routine(gate.hold))
    flow.connect("batch", "out", "slow", "input")
    with Runtime(2) as runtime:
        worker = runtime.exec(flow)
        runtime.post("batches", "slow", "input", None)
        gate.wait_for()
        jobs = runtime.post_many("batches", "batch", "input", range(4))
        while len(worker.get_slot("slow", "input")) != 4:
            runtime.wait_until_all_jobs_finished(0.001)
        texts = [runtime.explain(job) for job in jobs]
        gate.open()
    place = "- 2 items queued in slot 'input' of 'slow', among 2 of other jobs: "
    assert [text.count(place) for text in texts] == [1, 1, 1, 1]


def test_what_a_routine_keeps_that_never_runs_is_of_no_job(gate: Gate) -> None:
    inert = Routine()
    inert.add_slot("input")
    flow = flow_of("inert", inert=inert, slow=routine(gate.hold))
    with Runtime(1) as runtime:
        runtime.exec(flow)
        kept = runtime.post("inert", "inert", "input", 1).job
        runtime.post("inert", "slow", "input", 1)
        gate.wait_for()
        job = runtime.post("inert", "slow", "input", 2).job
        text = runtime.explain(job)
        gate.open()
    assert kept.status == "completed"
    assert "'inert' never runs" not in text
    assert "1 item queued in slot 'input' of 'slow': 'slow' is busy" in text
