"""Typed slots, traces and dead letters where users did what nobody expected."""

import json
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from routilux import (
    ErrorHandler,
    ErrorStrategy,
    Flow,
    Routine,
    Runtime,
    batch_size_policy,
    immediate_policy,
)

WAIT = 20.0
SCRIPT = """
import json, sys, threading
from routilux import Flow, Routine, Runtime, immediate_policy

routine = Routine()
routine.add_slot("input")
routine.set_logic(lambda slot_data, policy_message, worker_state: None)
routine.set_activation_policy(immediate_policy())
flow = Flow("named")
flow.add_routine(routine, "work")
threading.current_thread().name = "n" * int(sys.argv[2])
with Runtime(thread_pool_size=1) as runtime:
    runtime.exec(flow)
    with runtime.trace(sys.argv[1]):
        runtime.post("named", "work", "input", 1)
        runtime.wait_until_all_jobs_finished()
"""


def flow_of(flow_id, logic, policy, **slot):
    routine = Routine()
    routine.add_slot("input", **slot)
    routine.set_logic(logic)
    routine.set_activation_policy(policy)
    flow = Flow(flow_id)
    flow.add_routine(routine, "work")
    return flow


def nothing(slot_data, policy_message, worker_state):
    pass


def takes_all(slots, worker_state):
    """A policy as users write one."""
    taken = slots["input"].consume_all_new()
    return len(taken) > 0, {"input": taken}, {}


@pytest.mark.parametrize("length", [5_000, 400_000])
def test_a_thread_with_a_long_name_is_traced(tmp_path, length):
    # The line that names it was copied into a page of 4,096 bytes.
    path = tmp_path / "trace.json"
    command = [sys.executable, "-c", SCRIPT, str(path), str(length)]
    subprocess.run(command, check=True, timeout=60)
    names = [
        event.get("args", {}).get("name", "") for event in json.loads(path.read_text())
    ]
    assert any(name.startswith("n" * 80) for name in names)


def test_a_trace_that_is_refused_leaves_the_file_of_the_first_alone(tmp_path):
    path = tmp_path / "trace.json"
    with Runtime(thread_pool_size=1) as runtime:
        runtime.exec(flow_of("traced", nothing, immediate_policy()))
        with runtime.trace(path):
            runtime.post_many("traced", "work", "input", range(100))
            assert runtime.wait_until_all_jobs_finished(WAIT)
            until = time.monotonic() + WAIT
            while path.stat().st_size < 5_000 and time.monotonic() < until:
                time.sleep(0.01)  # it is written by a thread of its own
            with pytest.raises(RuntimeError, match="being traced already"):
                runtime.trace(path)
    events = json.loads(path.read_text())
    assert sum(event.get("cat") == "logic" for event in events) == 100


def test_points_of_a_typed_slot_are_told_in_virtual_time():
    found = []
    for dtype in (None, np.float64):
        flow = flow_of(
            "timed", nothing, batch_size_policy(5), dtype=dtype, timestamps=True
        )
        with Runtime(engine="sim", seed=7) as runtime:
            worker = runtime.exec(flow)
            job = runtime.post("timed", "work", "input", 1.0).job
            (point,) = worker.get_slot("work", "input").peek_points()
            found.append(point.enqueued_at - job.created_at)
    assert found[0] == found[1]


def test_a_dtype_whose_items_have_no_bytes_is_refused():
    with pytest.raises(TypeError, match="must be of a fixed size"):
        Routine().add_slot("input", dtype=("f8", (0,)))


def test_a_number_that_a_small_float_can_not_hold_is_refused():
    flow = flow_of("small", nothing, immediate_policy(), dtype=np.float32)
    with Runtime(thread_pool_size=1) as runtime:
        runtime.exec(flow)
        with pytest.raises(TypeError, match="float32"):
            runtime.post("small", "work", "input", 1e300)
        for number in (0.1, float("inf"), float("nan"), 1e-300):
            runtime.post("small", "work", "input", number)


@pytest.mark.parametrize("left", [{"more": [1]}, {"input": None}])
def test_what_logic_leaves_in_slot_data_does_not_hide_its_error(left):
    def logic(slot_data, policy_message, worker_state):
        slot_data.update(left)
        raise ValueError("mine")

    letters = []
    flow = flow_of("spoiled", logic, takes_all)
    reader = Routine()
    reader.add_slot("input")
    reader.set_logic(
        lambda slot_data, policy_message, worker_state: letters.extend(
            slot_data["input"]
        )
    )
    reader.set_activation_policy(immediate_policy())
    flow.add_routine(reader, "letters")
    flow.set_dead_letter("letters", "input")
    with Runtime(thread_pool_size=1) as runtime:
        runtime.exec(flow)
        job = runtime.post("spoiled", "work", "input", "item").job
        assert runtime.wait_until_all_jobs_finished(WAIT)
    assert "mine" in str(job.error)
    assert [letter["item"] for letter in letters] == ["item"] * ("more" in left)


def test_the_letter_of_a_typed_slot_has_an_array_whatever_the_policy():
    def logic(slot_data, policy_message, worker_state):
        raise ValueError("mine")

    flow = flow_of("typed", logic, takes_all, dtype=np.int64)
    letters = Routine()
    letters.add_slot("input")
    flow.add_routine(letters, "letters")
    flow.set_dead_letter("letters", "input")
    with Runtime(thread_pool_size=1) as runtime:
        worker = runtime.exec(flow)
        runtime.post_many("typed", "work", "input", np.arange(3), jobs="one")
        assert runtime.wait_until_all_jobs_finished(WAIT)
        (letter,) = worker.get_slot("letters", "input").peek_all_new()
    assert letter["item"].tolist() == [0, 1, 2]


class Spoils(Routine):
    """Adds to its slot_data, and fails once."""

    got = []  # noqa: RUF012
    tried = threading.Event()

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.set_activation_policy(takes_all)
        self.set_error_handler(
            ErrorHandler(ErrorStrategy.RETRY, max_retries=3, retry_delay=0.5)
        )

    def logic(self, slot_data, policy_message, worker_state):
        if not self.tried.is_set():
            slot_data["more"] = [1]
            self.tried.set()
            raise ValueError("not yet")
        self.got.extend(slot_data["input"])


def test_a_checkpoint_keeps_the_retry_of_logic_that_changed_its_slot_data(tmp_path):
    path = tmp_path / "checkpoint.json"
    flow = Flow("kept")
    flow.add_routine(Spoils(), "work")
    with Runtime(thread_pool_size=1) as runtime:
        worker = runtime.exec(flow)
        runtime.post("kept", "work", "input", "item")
        assert Spoils.tried.wait(WAIT)
        assert worker.pause()
        worker.checkpoint(path)
        worker.cancel()
    with Runtime(thread_pool_size=1) as runtime:
        runtime.resume(path, flow=flow)
        assert runtime.wait_until_all_jobs_finished(WAIT)
    assert Spoils.got == ["item"]
