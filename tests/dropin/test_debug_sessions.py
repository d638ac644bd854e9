"""Debug sessions: several in one worker, and workers of two runtimes with one id."""

import threading
import time

import pytest

from routilux import Flow, JobContext, Runtime, WorkerState, batch_size_policy
from routilux.monitoring import (
    Breakpoint,
    MonitoringExecutionHooks,
    MonitoringRegistry,
    set_execution_hooks,
)

WAIT = 20.0


@pytest.fixture
def registry():
    MonitoringRegistry.enable()
    yield MonitoringRegistry.get_instance()
    MonitoringRegistry.disable()


@pytest.fixture
def stop(registry):
    """Put a breakpoint before "a" in force."""
    registry.breakpoint_manager.add_breakpoint(Breakpoint(routine_id="a"))


@pytest.fixture
def session_of(registry):
    return lambda job: registry.debug_session_store.get(job.job_id)


@pytest.fixture
def got():
    return []


@pytest.fixture
def flow(chain, got):
    return chain(lambda routine, item: got.append(item), flow_id="sessions")


def test_a_worker_goes_on_when_the_last_session_does(
    runtime, flow, got, stop, session_of
):
    worker = runtime.exec(flow)
    jobs = [runtime.post(flow, "a", "input", n).job for n in range(2)]
    first, second = [session_of(job) for job in jobs]
    assert first.resume() is True
    assert (worker.status, second.status, got) == ("paused", "paused", [])
    assert second.resume() is True
    assert all(job.wait(WAIT) for job in jobs)
    assert got == [0, 1]


def test_a_worker_that_the_user_paused_stays_so(runtime, flow, stop, session_of):
    worker = runtime.exec(flow)
    worker.pause()
    job = runtime.post(flow, "a", "input", 1).job
    assert session_of(job).resume() is True
    assert worker.status == "paused"
    worker.resume()
    assert job.wait(WAIT)


def test_a_job_that_ends_while_it_stands_lets_its_worker_go(
    runtime, flow, got, stop, session_of
):
    worker = runtime.exec(flow)
    first, second = [runtime.post(flow, "a", "input", n).job for n in range(2)]
    assert first.cancel()
    assert worker.status == "paused"
    assert second.cancel()
    assert worker.status == "running" and got == []


@pytest.mark.parametrize("session_first", [True, False])
def test_a_worker_that_a_breakpoint_of_its_runtime_holds_too_waits_for_both(
    runtime, flow, stop, session_of, session_first
):
    worker = runtime.exec(flow)
    with runtime.add_breakpoint("a"):
        job = runtime.post(flow, "a", "input", 1).job
        both = [session_of(job), *runtime.held_items()]
        first, last = both if session_first else reversed(both)
        assert first.resume() and worker.status == "paused"
        assert last.resume() and job.wait(WAIT)


def test_an_item_whose_job_ends_meanwhile_holds_no_worker(
    runtime, flow, got, registry, session_of
):
    def end(data):
        return data == 2 and first.cancel()

    registry.breakpoint_manager.add_breakpoint(Breakpoint(condition=end))
    flow.routines["a"].set_activation_policy(batch_size_policy(5))
    worker = runtime.exec(flow)
    first = runtime.post(flow, "a", "input", 1).job
    with pytest.raises(ValueError, match=first.job_id):
        runtime.post(flow, "a", "input", 2, job_id=first.job_id)
    assert (worker.status, session_of(first), got) == ("running", None, [])


def test_nothing_is_held_while_the_runtime_shuts_down(runtime, chain, stop, session_of):
    def work(routine, item):
        assert gate.wait(WAIT)
        routine.emit("output", value=item)

    got, gate = [], threading.Event()
    flow = Flow("ends")
    chained = chain(work, lambda routine, item: got.append(item["value"]))
    for name, routine_id in (("a", "first"), ("b", "a")):
        flow.add_routine(chained.routines[name], routine_id)
    flow.connect("first", "output", "a", "input")
    runtime.exec(flow)
    job = runtime.post(flow, "first", "input", 1).job
    ender = threading.Thread(target=runtime.shutdown)
    ender.start()
    while runtime.core.is_open:
        time.sleep(0.001)
    gate.set()
    ender.join(WAIT)
    assert not ender.is_alive()
    assert (str(job.status), got, session_of(job)) == ("completed", [1], None)


def test_hooks_that_are_called_by_hand_let_everything_in(flow, stop, registry):
    hooks, job = MonitoringExecutionHooks(), JobContext()
    slot = flow.routines["a"].get_slot("input")
    let_in = hooks.on_slot_before_enqueue(slot, "a", job, {"n": 1}, flow.flow_id)
    assert let_in == (True, None)  # a job without a worker can't be held
    hooks.on_routine_end("a", WorkerState(flow.flow_id))  # of no job
    assert registry.debug_session_store.sessions() == []
    [event] = registry.monitor_collector.get_execution_trace(job.job_id)
    assert (event.event_type, event.data["data"]) == ("slot_call", {"n": 1})


def test_hooks_that_are_in_force_while_monitoring_is_off_hold_nothing(
    runtime, flow, got
):
    set_execution_hooks(MonitoringExecutionHooks())
    runtime.exec(flow)
    assert runtime.post(flow, "a", "input", 1).job.wait(WAIT)
    assert got == [1]
    assert MonitoringRegistry.get_instance().monitor_collector is None


def test_the_worker_that_is_paused_is_that_of_the_job(runtime, flow, stop, session_of):
    here = runtime.exec(flow, worker_id="same")
    with Runtime(1) as other:
        there = other.exec(flow, worker_id="same")
        job = runtime.post(flow, "a", "input", 1).job
        assert (here.status, there.status) == ("paused", "running")
        assert session_of(job).resume() is True
        assert job.wait(WAIT)
