"""`run_sync`, `run_async`: a flow, one item, and its result."""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import Any

import pytest

from routilux import (
    Flow,
    FunctionRoutine,
    JobFailedError,
    Routine,
    batch_size_policy,
    get_current_job,
    immediate_policy,
    pipeline,
    run_async,
    run_sync,
)
from routilux.background import running
from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    reset_execution_hooks,
    set_execution_hooks,
)

WAIT = 20.0


def double(x: int) -> int:
    return 2 * x


def fail(x: Any) -> Any:
    raise ValueError(f"bad {x}")


class Asker(Routine):
    def __init__(self) -> None:
        super().__init__()
        self.add_slot("trigger")
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        job = get_current_job()
        assert job is not None
        job.set_result(slot_data["trigger"][0]["name"])


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


# --- run_sync


def test_run_sync_returns_the_result_and_leaves_no_thread() -> None:
    before = threads()
    assert run_sync(pipeline(double, double), 3) == 12
    assert threads() <= before


def test_run_sync_runs_routines_too() -> None:
    assert run_sync(Flow().pipe(Asker()), {"name": "Ada"}) == "Ada"


def test_run_sync_runs_partial_batches() -> None:
    flow = pipeline(double, sum)
    flow.routines["sum"].set_activation_policy(batch_size_policy(100))
    assert run_sync(flow, 4) == 8


def test_run_sync_can_run_a_flow_again() -> None:
    flow = pipeline(double)
    assert [run_sync(flow, n) for n in range(3)] == [0, 2, 4]


def test_run_sync_raises_what_failed() -> None:
    with pytest.raises(JobFailedError, match="ValueError: bad 1"):
        run_sync(pipeline(fail), 1)


def test_run_sync_ends_at_its_timeout() -> None:
    begun, gate = threading.Event(), threading.Event()

    def hold(x: int) -> None:
        begun.set()
        assert gate.wait(WAIT)

    try:
        with pytest.raises(TimeoutError):
            run_sync(pipeline(hold), 1, timeout=0.05)
    finally:
        gate.set()
    assert begun.wait(WAIT)


def test_run_sync_needs_one_entry() -> None:
    flow = Flow("wide")
    flow.add_routine(FunctionRoutine(double), "a")
    flow.add_routine(FunctionRoutine(double), "b")
    with pytest.raises(ValueError, match=r"'wide' has more than one slot .* a\.input"):
        run_sync(flow, 1)
    with pytest.raises(ValueError, match="no slot at all"):
        run_sync(Flow(), 1)


# --- run_async


def test_run_async_calls_back_with_the_result() -> None:
    told: list[Any] = []
    done = threading.Event()

    def callback(result: Any) -> None:
        told.append(result)
        done.set()

    job_id = run_async(pipeline(double), 4, callback)
    assert isinstance(job_id, str)
    assert done.wait(WAIT)
    assert told == [8]


def test_run_async_gives_an_id_that_knows_its_job() -> None:
    job_id: Any = run_async(pipeline(double), 4)
    assert job_id == job_id.job.job_id
    assert job_id.job.result(WAIT) == 8


def test_run_async_calls_back_with_the_error() -> None:
    told: list[Exception] = []
    done = threading.Event()

    def failed(error: Exception) -> None:
        told.append(error)
        done.set()

    run_async(pipeline(fail), 4, told.append, error_callback=failed)
    assert done.wait(WAIT)
    [error] = told
    assert isinstance(error, JobFailedError)
    assert "bad 4" in str(error)


def test_run_async_logs_an_error_that_nobody_hears(
    caplog: pytest.LogCaptureFixture,
) -> None:
    job_id: Any = run_async(pipeline(fail), 4)
    assert job_id.job.wait(WAIT)
    join_background()
    [line] = [r for r in caplog.records if r.getMessage().startswith("run_async")]
    assert (line.levelno, "bad 4" in line.getMessage()) == (logging.ERROR, True)


def test_run_async_shares_a_runtime_and_ends_it() -> None:
    before = threads()
    gate, pools = threading.Event(), set()

    def hold(x: int) -> int:
        assert gate.wait(WAIT)
        pools.add(threading.current_thread())
        return x

    flow = pipeline(hold)
    ids: list[Any] = [run_async(flow, n) for n in range(100)]
    assert len({job_id.job.worker_id for job_id in ids}) == 1
    gate.set()
    assert [job_id.job.result(WAIT) for job_id in ids] == list(range(100))
    join_background()
    assert threads() <= before
    assert running == {}


def test_run_async_runs_partial_batches() -> None:
    flow = pipeline(double, sum)
    flow.routines["sum"].set_activation_policy(batch_size_policy(100))
    job_id: Any = run_async(flow, 4)
    assert job_id.job.result(WAIT) == 8


def test_run_async_from_many_threads() -> None:
    flow, results = pipeline(double), []

    def call(n: int) -> None:
        for _ in range(20):
            job_id: Any = run_async(flow, n)
            results.append(job_id.job.result(WAIT) == 2 * n)

    callers = [threading.Thread(target=call, args=(n,)) for n in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(WAIT)
    assert results == [True] * 120


def test_run_async_that_is_refused_raises_and_ends_its_runtime() -> None:
    before, typed = threads(), Routine()
    typed.add_slot("input", dtype="f8")
    typed.set_activation_policy(immediate_policy())
    typed.set_logic(lambda slot_data, policy_message, worker_state: None)
    flow = Flow("typed")
    flow.add_routine(typed, "typed")
    with pytest.raises(TypeError, match="float64"):
        run_async(flow, "text")
    join_background()
    assert threads() <= before
    assert running == {}


class NoMoreThreads(ExecutionHooksInterface):
    """Lets no thread start any more once a worker has started."""

    def on_worker_start(self, flow: Any, worker_state: Any) -> None:
        threading.stack_size(2**60)


@pytest.mark.skipif(sys.platform != "linux", reason="a huge stack is refused late")
def test_run_async_without_a_thread_raises_and_ends_its_runtime() -> None:
    before, flow = threads(), pipeline(double)
    set_execution_hooks(NoMoreThreads())
    try:
        with pytest.raises(RuntimeError, match="can't start new thread"):
            run_async(flow, 1)
    finally:
        threading.stack_size(0)
        reset_execution_hooks()
    assert running == {}
    job_id: Any = run_async(flow, 1)
    assert job_id.job.result(WAIT) == 2
    join_background()
    assert threads() <= before


def test_run_async_refuses_a_callback_that_is_none() -> None:
    wrong: Any = 3
    with pytest.raises(TypeError, match="callback must be callable"):
        run_async(pipeline(double), 1, wrong)
    with pytest.raises(TypeError, match="error_callback must be callable"):
        run_async(pipeline(double), 1, error_callback=wrong)


def join_background() -> None:
    """Wait for the threads that end the runtimes of `run_async`."""
    end = time.monotonic() + WAIT
    for thread in threading.enumerate():
        if thread.name == "routilux-async":
            thread.join(end - time.monotonic())
