"""Debug sessions: several in one worker, and workers of two runtimes with one id."""

import pytest

from routilux import Runtime
from routilux.monitoring import Breakpoint, MonitoringRegistry

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


def test_the_worker_that_is_paused_is_that_of_the_job(runtime, flow, stop, session_of):
    here = runtime.exec(flow, worker_id="same")
    with Runtime(1) as other:
        there = other.exec(flow, worker_id="same")
        job = runtime.post(flow, "a", "input", 1).job
        assert (here.status, there.status) == ("paused", "running")
        assert session_of(job).resume() is True
        assert job.wait(WAIT)
