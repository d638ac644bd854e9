"""`Runtime.explain` in odd places: keys, batches, full slots, and after hours."""

import asyncio
import threading
from typing import Any

import pytest
from standing import NEEDS_GIL, Gate, flow_of, nothing, routine

from routilux import (
    ErrorHandler,
    ErrorStrategy,
    Runtime,
    batch_size_policy,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "250 ms"),
        (90.0, "90.0 s"),
        (600.0, "10 min 0 s"),
        (9000.0, "2 h 30 min"),
    ],
)
def test_the_age_of_a_job_is_told_as_people_say_it(seconds: float, text: str) -> None:
    with Runtime(engine="sim", seed=1) as runtime:
        runtime.exec(flow_of("old", one=routine(nothing, policy=batch_size_policy(9))))
        job = runtime.post("old", "one", "input", 1).job
        runtime.sleep(seconds)
        assert f"is pending: posted {text} ago\n" in runtime.explain(job)


def test_a_runtime_that_is_shut_down_says_so() -> None:
    with Runtime(1) as runtime:
        runtime.exec(flow_of("over", one=routine(nothing)))
        job = runtime.post("over", "one", "input", 1).job
    assert runtime.explain() == (
        "the runtime is shut down; 0 jobs unfinished, 0 of 1 thread busy"
    )
    assert " is completed, " in runtime.explain(job)


def test_a_worker_with_much_to_tell_is_cut_short() -> None:
    parked = {f"r{n}": routine(nothing, policy=batch_size_policy(2)) for n in range(25)}
    with Runtime(1) as runtime:
        runtime.exec(flow_of("wide", **parked))
        for name in parked:
            runtime.post("wide", name, "input", 1)
        lines = runtime.explain().splitlines()
        runtime.shutdown(cancel_pending=True)
    assert lines[0].startswith("25 jobs unfinished")
    assert lines[-1] == "- and 5 more"
    assert sum("1 item parked in slot 'input' of 'r" in line for line in lines) == 20


@NEEDS_GIL
def test_a_batch_of_several_jobs_is_told_to_execute(gate: Gate) -> None:
    batch = routine(gate.hold, policy=batch_size_policy(2))
    with Runtime(1) as runtime:
        runtime.exec(flow_of("batches", batch=batch))
        jobs = runtime.post_many("batches", "batch", "input", [1, 2])
        gate.wait_for()
        text = (
            "\n- 'batch' executes on thread 'routilux_0', for a batch of several jobs"
        )
        assert [runtime.explain(job).endswith(text) for job in jobs] == [True, True]
        assert runtime.explain().endswith(text)
        gate.open()


def test_an_item_whose_key_is_busy_waits_for_its_key(gate: Gate) -> None:
    slow = routine(gate.hold)
    slow.set_concurrency(2, key="who")
    with Runtime(2) as runtime:
        runtime.exec(flow_of("keys", slow=slow))
        runtime.post("keys", "slow", "input", {"who": "ann"})
        gate.wait_for()
        job = runtime.post("keys", "slow", "input", {"who": "ann"}).job
        text = ""
        while "items of one key" not in text:  # a pump looks whether it may run
            text = runtime.explain(job)
        gate.open()
    assert text.endswith(
        "1 item queued in slot 'input' of 'slow': items of one key wait for each other"
    )


def test_async_logic_that_waits_for_room_downstream_is_told_so(gate: Gate) -> None:
    async def hand_on(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        source.emit("out", n=1)

    def feed(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        for n in range(3):  # one passes, one stays in the slot, one finds no room
            feeder.emit("out", n=n)

    feeder, source = routine(feed), routine(hand_on, max_queue_length=1)
    slow = routine(gate.hold, max_queue_length=1)
    flow = flow_of("narrow", feeder=feeder, source=source, slow=slow)
    flow.connect("feeder", "out", "source", "input")
    flow.connect("source", "out", "slow", "input")
    with Runtime(3) as runtime:
        runtime.exec(flow)
        runtime.post("narrow", "slow", "input", None)
        gate.wait_for()
        job = runtime.post("narrow", "feeder", "input", None).job
        wanted = [
            "1 item parked in slot 'input' of 'source': async logic of 'source' waits"
            " for room downstream",
            "'feeder' waits for room in slot 'input' of 'source', which holds 1 of 1"
            " items: async logic of 'source' does not begin while a slot it feeds is"
            " full",
        ]
        text = ""
        while not all(f"\n- {line}\n" in text for line in wanted):
            text = runtime.explain(job)
        gate.open()
        assert job.wait(10.0)


def test_of_a_retry_beside_async_logic_of_another_job_only_its_own_is_told() -> None:
    begun = threading.Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def logic(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        if slot_data["input"] == ["fails"]:
            raise ValueError("fails")
        event = asyncio.Event()
        loops.append((asyncio.get_running_loop(), event))
        begun.set()
        await event.wait()

    one = routine(logic)
    one.set_concurrency(2)
    one.set_error_handler(
        ErrorHandler(ErrorStrategy.RETRY, max_retries=1, retry_delay=90.0)
    )
    with Runtime(2) as runtime:
        runtime.exec(flow_of("two", one=one))
        other = runtime.post("two", "one", "input", "waits").job
        assert begun.wait(10.0)
        job = runtime.post("two", "one", "input", "fails").job
        text = ""
        while "its next try" not in text:
            text = runtime.explain(job)
        assert "executes" not in text
        loop, event = loops[0]
        loop.call_soon_threadsafe(event.set)
        assert other.wait(10.0)
        runtime.shutdown(cancel_pending=True)
