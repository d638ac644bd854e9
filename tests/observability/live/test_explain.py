"""`Runtime.explain` says where a job is, and why it does not go on."""

import asyncio
import logging
import re
import threading

import pytest
from standing import NEEDS_GIL, Gate, fail, flow_of, nothing, routine

from routilux import (
    ErrorHandler,
    ErrorStrategy,
    Routine,
    Runtime,
    all_slots_ready_policy,
    batch_size_policy,
    custom_policy,
    time_interval_policy,
)

TIME = r"\d+(\.\d+)? (ms|s)"


@NEEDS_GIL
def test_a_job_behind_a_busy_routine_is_told_what_keeps_it_busy(gate: Gate) -> None:
    with Runtime(1) as runtime:
        runtime.exec(flow_of("queue", slow=routine(gate.hold)))
        first = runtime.post("queue", "slow", "input", 1).job
        gate.wait_for()
        second = runtime.post("queue", "slow", "input", 2).job
        text = runtime.explain(second)
        gate.open()
    assert re.search(
        r"1 item queued in slot 'input' of 'slow': 'slow' is busy, it executes for at"
        rf" most {TIME} on thread 'routilux_0', for job {first.job_id!r}$",
        text,
    )
    assert text.startswith(f"job {second.job_id!r} of flow 'queue' (worker ")
    assert " is pending: posted " in text


@NEEDS_GIL
@pytest.mark.parametrize("monitored", [False, True])
def test_an_executing_job_is_told_for_how_long_and_where(
    gate: Gate, monitored: bool
) -> None:
    with Runtime(1, enable_monitoring=monitored) as runtime:
        runtime.exec(flow_of("busy", slow=routine(gate.hold)))
        job = runtime.post("busy", "slow", "input", 1).job
        gate.wait_for()
        text = runtime.explain(job)
        gate.open()
    bound = "" if monitored else "at most "
    assert re.search(
        rf"\n- 'slow' executes for {bound}{TIME} on thread 'routilux_0'$", text
    )


@NEEDS_GIL
def test_of_many_activations_of_one_routine_each_job_is_told_its_own(
    gate: Gate,
) -> None:
    slow = routine(gate.hold)
    slow.set_concurrency(3)
    with Runtime(3) as runtime:
        runtime.exec(flow_of("wide", slow=slow))
        jobs = [runtime.post("wide", "slow", "input", n).job for n in range(3)]
        gate.wait_for(3)
        texts = [runtime.explain(job) for job in jobs]
        everything = runtime.explain()
        gate.open()
    threads = {re.findall(r"on thread '(\w+)'", text)[0] for text in texts}
    assert len(threads) == 3
    assert all(text.count("\n") == 1 for text in texts)
    assert all(job.job_id in everything for job in jobs)


def test_logic_that_waits_for_a_full_slot_is_told_who_fills_it(gate: Gate) -> None:
    entered = threading.Semaphore(0)

    def emit(slot_data: object, policy_message: object, worker_state: object) -> None:
        for n in range(2):
            entered.release()
            source.emit("out", n=n)

    source = routine(emit)
    flow = flow_of("narrow", source=source, slow=routine(gate.hold, max_queue_length=1))
    flow.connect("source", "out", "slow", "input")
    with Runtime(2) as runtime:
        runtime.exec(flow)
        runtime.post("narrow", "slow", "input", None)
        gate.wait_for()
        job = runtime.post("narrow", "source", "input", None).job
        for _ in range(2):
            assert entered.acquire(timeout=10.0)
        text = ""
        while "waits for room" not in text:  # the second emit is about to sleep
            text = runtime.explain(job)
        gate.open()
    assert (
        "- 'source' waits for room in slot 'input' of 'slow', which holds 1 of 1 items:"
        " 'slow' is busy, it executes"
    ) in text


@NEEDS_GIL
def test_logic_whose_thread_helps_is_told_whom(gate: Gate) -> None:
    def emit(slot_data: object, policy_message: object, worker_state: object) -> None:
        for n in range(2):
            source.emit("out", n=n)

    source = routine(emit)
    flow = flow_of("help", source=source, slow=routine(gate.hold, max_queue_length=1))
    flow.connect("source", "out", "slow", "input")
    with Runtime(1) as runtime:
        runtime.exec(flow)
        job = runtime.post("help", "source", "input", None).job
        gate.wait_for()
        text = runtime.explain(job)
        gate.open()
    assert "- 'slow' executes for at most " in text
    assert (
        "- 'source' waits for room in a slot, and its thread runs 'slow' first" in text
    )


def test_all_slots_ready_names_the_empty_slot() -> None:
    joiner = routine(nothing, "left", "right", policy=all_slots_ready_policy())
    with Runtime(1) as runtime:
        runtime.exec(flow_of("pairs", joiner=joiner))
        job = runtime.post("pairs", "joiner", "right", 0).job
        for n in (1, 2):
            runtime.post("pairs", "joiner", "right", n, job_id=job.job_id)
        text = runtime.explain(job.job_id)
    assert text.endswith(
        "\n- 3 items parked in slot 'right' of 'joiner': all_slots_ready waits for"
        " 'left'"
    )


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (batch_size_policy(10), r"batch_size\(10\) waits for 9 more in 'input'$"),
        (
            batch_size_policy(10, max_wait=60.0),
            r"waits for 9 more in 'input', or runs what there is in \d\d\.\d s$",
        ),
        (
            custom_policy(lambda slots, worker_state: False),
            r"its policy said not yet and is asked again when an item comes$",
        ),
    ],
)
def test_a_policy_that_waits_is_told_what_for(policy: object, words: str) -> None:
    with Runtime(1) as runtime:
        runtime.exec(flow_of("parked", one=routine(nothing, policy=policy)))
        job = runtime.post("parked", "one", "input", 1).job
        text = ""
        while "parked in" not in text:  # a policy in Python is asked on a thread
            text = runtime.explain(job)
        runtime.shutdown(cancel_pending=True)
    assert re.search(r"\n- 1 item parked in slot 'input' of 'one': .*" + words, text)


def test_time_interval_is_told_when() -> None:
    policy = time_interval_policy(60.0)
    with Runtime(1) as runtime:
        runtime.exec(flow_of("slowly", one=routine(nothing, policy=policy)))
        assert runtime.post("slowly", "one", "input", 1).wait(10.0)
        job = runtime.post("slowly", "one", "input", 2).job
        text = runtime.explain(job)
        runtime.shutdown(cancel_pending=True)
    assert re.search(r"of 'one': time_interval runs it in \d\d\.\d s$", text)


def test_a_retry_is_told_when_it_is_due() -> None:
    one = routine(fail)
    one.set_error_handler(
        ErrorHandler(ErrorStrategy.RETRY, max_retries=3, retry_delay=90.0)
    )
    with Runtime(1) as runtime:
        runtime.exec(flow_of("again", one=one))
        job = runtime.post("again", "one", "input", 1).job
        text = ""
        while "its next try" not in text:
            text = runtime.explain(job)
        waiting = runtime.post("again", "one", "input", 2).job
        behind = runtime.explain(waiting)
        runtime.shutdown(cancel_pending=True)
    assert re.search(r"- 'one' failed 1 time, its next try is due in \d\d\.\d s$", text)
    assert "'one' is busy, it failed 1 time, its next try is due in" in behind


def test_a_paused_worker_is_named_with_its_reason() -> None:
    with Runtime(1) as runtime:
        worker = runtime.exec(flow_of("still", one=routine(nothing)), "worker-1")
        worker.pause("maintenance")
        job = runtime.post("still", "one", "input", 1).job
        lines = runtime.explain(job).splitlines()
        worker.resume()
    assert lines[1:] == [
        "- worker 'worker-1' is paused (maintenance): nothing of it begins before"
        " resume()",
        "- 1 item queued in slot 'input' of 'one': its worker is paused",
    ]


def test_a_routine_that_never_runs_says_so() -> None:
    one = Routine()
    one.add_slot("input")
    with Runtime(1) as runtime:
        runtime.exec(flow_of("inert", one=one))
        runtime.post("inert", "one", "input", 1)
        text = runtime.explain()
    assert "1 item queued in slot 'input' of 'one': 'one' never runs" in text


def test_a_coroutine_is_told_to_be_on_the_event_loop() -> None:
    begun = threading.Event()
    done: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def logic(
        slot_data: object, policy_message: object, worker_state: object
    ) -> None:
        event = asyncio.Event()
        done.append((asyncio.get_running_loop(), event))
        begun.set()
        await event.wait()

    with Runtime(1) as runtime:
        runtime.exec(flow_of("async", one=routine(logic)))
        job = runtime.post("async", "one", "input", 1).job
        assert begun.wait(10.0)
        text = runtime.explain(job)
        loop, event = done[0]
        loop.call_soon_threadsafe(event.set)
    assert text.endswith("\n- 'one' executes on the event loop")


def test_an_item_of_a_batch_is_found_for_each_of_its_jobs(gate: Gate) -> None:
    def pair(slot_data: object, policy_message: object, worker_state: object) -> None:
        batch.emit("out", n=1)

    batch = routine(pair, policy=batch_size_policy(2))
    slow = routine(gate.hold)
    flow = flow_of("batches", batch=batch, slow=slow)
    flow.connect("batch", "out", "slow", "input")
    with Runtime(1) as runtime:
        runtime.exec(flow)
        blocker = runtime.post("batches", "slow", "input", 0).job
        gate.wait_for()
        # One thread: the batch can't run before the gate opens, its items queue up.
        jobs = runtime.post_many("batches", "batch", "input", [1, 2])
        gate.open()
        assert all(job.wait(10.0) for job in [blocker, *jobs])
    with Runtime(2) as runtime:
        slow_again = Gate()
        slow.set_logic(slow_again.hold)
        runtime.exec(flow)
        runtime.post("batches", "slow", "input", 0)
        slow_again.wait_for()
        jobs = runtime.post_many("batches", "batch", "input", [1, 2])
        texts = ["", ""]
        while not all("queued in slot 'input' of 'slow'" in text for text in texts):
            texts = [runtime.explain(job) for job in jobs]
        slow_again.open()
    assert "a batch of several jobs" not in texts[0]


def test_a_job_that_ended_is_told_how() -> None:
    def logic(
        slot_data: dict[str, list[bool]], policy_message: object, worker_state: object
    ) -> None:
        if not slot_data["input"][0]:
            raise ValueError("no such order")

    parked = routine(nothing, "left", "right", policy=all_slots_ready_policy())
    with Runtime(1) as runtime:
        runtime.exec(flow_of("ends", one=routine(logic), two=parked))
        done = runtime.post("ends", "one", "input", True).job
        failed = runtime.post("ends", "one", "input", False).job
        cancelled = runtime.post("ends", "two", "left", 1).job
        assert done.wait(10.0) and failed.wait(10.0) and cancelled.cancel()
        assert re.search(
            rf"is completed, {TIME} after it was posted$", runtime.explain(done)
        )
        assert runtime.explain(failed).endswith(
            " in routine 'one': ValueError: no such order"
        )
        assert runtime.explain(cancelled).endswith(": cancelled by cancel_job()")


def test_an_unknown_job_is_told_to_be_unknown() -> None:
    with Runtime(1) as runtime:
        assert runtime.explain("nobody").startswith("job 'nobody' is unknown: ")
        with pytest.raises(TypeError, match="must be a str or a job, not 7"):
            runtime.explain(7)  # type: ignore[arg-type]


@NEEDS_GIL
def test_without_a_job_all_workers_are_explained(gate: Gate) -> None:
    joiner = routine(nothing, "left", "right", policy=all_slots_ready_policy())
    with Runtime(1) as runtime:
        runtime.exec(flow_of("one", slow=routine(gate.hold)), "worker-1")
        runtime.exec(flow_of("two", joiner=joiner), "worker-2")
        runtime.post("one", "slow", "input", 1)
        gate.wait_for()
        runtime.post("two", "joiner", "left", 1)
        lines = runtime.explain().splitlines()
        gate.open()
    assert lines[0] == "2 jobs unfinished, 1 of 1 thread busy"
    assert lines[1] == "worker 'worker-1' of flow 'one':"
    assert lines[2].startswith("- 'slow' executes for at most ")
    assert lines[3] == "worker 'worker-2' of flow 'two':"
    assert lines[4] == (
        "- 1 item parked in slot 'left' of 'joiner': all_slots_ready waits for 'right'"
    )


@NEEDS_GIL
def test_a_wait_that_timed_out_logs_the_same_text(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    with Runtime(1) as runtime, caplog.at_level(logging.WARNING, "routilux"):
        runtime.exec(flow_of("stuck", slow=routine(gate.hold)))
        runtime.post("stuck", "slow", "input", 1)
        gate.wait_for()
        assert not runtime.wait_until_all_jobs_finished(0.01)
        gate.open()
    assert "held by: flow 'stuck': 'slow' executes for at most " in caplog.text


@pytest.mark.parametrize("engine", ["inline", "sim"])
def test_engines_without_threads_say_what_they_wait_for(engine: str) -> None:
    options = {"engine": engine} | ({"seed": 1} if engine == "sim" else {})
    if engine == "sim":
        options["interleave"] = "waits"
    with Runtime(1, **options) as runtime:  # type: ignore[arg-type]
        runtime.exec(flow_of("later", one=routine(nothing)))
        job = runtime.post("later", "one", "input", 1).job
        text = runtime.explain(job)
    assert text.endswith(
        "'one' runs when somebody waits, as the engine of its runtime does"
    )


def test_logic_may_ask_for_its_own_job() -> None:
    texts: list[str] = []

    def logic(slot_data: object, policy_message: object, worker_state: object) -> None:
        texts.append(runtime.explain())

    with Runtime(engine="inline") as runtime:
        runtime.exec(flow_of("self", one=routine(logic)))
        runtime.post("self", "one", "input", 1)
        assert runtime.wait_until_all_jobs_finished(10.0)
    assert "'one' executes" in texts[0]
    assert f"on thread {threading.current_thread().name!r}" in texts[0]
