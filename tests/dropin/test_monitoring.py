"""Monitoring of jobs: collector, listeners, breakpoints, debug sessions, registers."""

import asyncio
import os
import subprocess
import sys

import pytest

import routilux.monitoring
from routilux import Runtime, batch_size_policy, get_execution_hooks
from routilux.monitoring import (
    Breakpoint,
    BreakpointManager,
    DebugSession,
    DebugSessionStore,
    JobEventManager,
    MonitorCollector,
    MonitoringRegistry,
    RuntimeRegistry,
    get_event_manager,
    get_monitoring_hooks,
    set_max_events_per_job,
)
from routilux.monitoring.debug_session import CallFrame
from routilux.monitoring.monitor_collector import ExecutionMetrics, RoutineMetrics

WAIT = 20.0


@pytest.fixture
def registry():
    MonitoringRegistry.enable()
    yield MonitoringRegistry.get_instance()
    MonitoringRegistry.disable()


def test_nothing_is_there_while_it_is_off():
    registry = MonitoringRegistry.get_instance()
    assert MonitoringRegistry.is_enabled() is False
    assert registry.monitor_collector is None
    assert registry.breakpoint_manager is None
    assert registry.debug_session_store is None
    assert get_monitoring_hooks() is None


def test_it_is_switched_on_and_off(registry):
    assert MonitoringRegistry.is_enabled() is True
    collector = registry.monitor_collector
    MonitoringRegistry.enable()
    assert registry.monitor_collector is collector
    assert get_monitoring_hooks() is get_execution_hooks()
    MonitoringRegistry.disable()
    assert get_monitoring_hooks() is None


def test_environment_switches_it_on():
    code = (
        "from routilux.monitoring import MonitoringRegistry as m; print(m.is_enabled())"
    )
    answers = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "ROUTILUX_ENABLE_MONITORING": value},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.strip()
        for value in ("true", "false")
    ]
    assert answers == ["True", "False"]


# Nothing of a job was ever found: it was noted under the id of its worker.
def test_numbers_and_events_are_kept_by_job(runtime, chain, forward, registry):
    def fail(routine, item):
        raise ValueError("bad")

    flow = chain(forward, forward, fail)
    worker = runtime.exec(flow)
    job = runtime.post(flow, "a", "input", {"value": 1}).job
    assert job.wait(WAIT)
    runtime.shutdown()
    metrics = registry.monitor_collector.get_metrics(job.job_id)
    assert isinstance(metrics, ExecutionMetrics)
    assert (metrics.flow_id, metrics.status) == (flow.flow_id, "failed")
    assert (metrics.total_slot_calls, metrics.total_event_emits) == (3, 2)
    assert [error.routine_id for error in metrics.errors] == ["c"]
    assert set(metrics.routine_metrics) == {"a", "b", "c"}
    row = metrics.routine_metrics["a"]
    assert isinstance(row, RoutineMetrics)
    assert (row.execution_count, row.success_count) == (1, 1)
    assert 0 <= row.min_duration <= row.avg_duration <= row.max_duration
    trace = registry.monitor_collector.get_execution_trace(job.job_id)
    kinds = [event.event_type for event in trace]
    assert (kinds[0], kinds[-1]) == ("flow_start", "flow_end")
    assert kinds.count("routine_start") == kinds.count("routine_end") == 3
    assert len(registry.monitor_collector.get_execution_trace(job.job_id, 2)) == 2
    assert [r.event_name for r in worker.get_execution_history("a")].count(
        "logic_executed"
    ) == 1


def test_collector_by_hand_is_bounded():
    collector = MonitorCollector(max_events_per_job=3)
    collector.record_routine_execution("a", "job", 0.5)
    collector.record_routine_execution("a", "job", 1.5, "failed", ValueError("bad"))
    for n in range(5):
        collector.record_event_emit("output", "a", "job", {"n": n})
    assert len(collector.get_execution_trace("job")) == 3
    row = collector.get_metrics("job").routine_metrics["a"]
    assert (row.min_duration, row.max_duration, row.error_count) == (0.5, 1.5, 1)
    collector.clear("job")
    assert (collector.get_metrics("job"), collector.get_execution_trace("job")) == (
        *(None, []),
    )
    with pytest.raises(ValueError, match="at least 1"):
        MonitorCollector(0)
    with pytest.raises(ValueError, match="at least 1"):
        set_max_events_per_job(0)
    with pytest.raises(TypeError, match="limit must be an int"):
        set_max_events_per_job("1000")
    set_max_events_per_job(1000)


def test_collector_keeps_the_newest_jobs():
    collector = MonitorCollector()
    for n in range(10_001):
        collector.record_flow_start("flow", f"job {n}")
    assert collector.get_metrics("job 0") is None
    assert collector.get_metrics("job 1").status == "running"
    assert collector.get_metrics("job 10000").status == "running"
    collector.clear()
    assert collector.get_metrics("job 10000") is None


# A breakpoint dropped the item that met it.
def test_breakpoint_holds_the_item_and_resume_lets_it_go(
    runtime, chain, forward, registry
):
    got = []
    flow = chain(forward, forward, lambda routine, item: got.append(item["value"]))
    worker = runtime.exec(flow)
    registry.breakpoint_manager.add_breakpoint(Breakpoint(routine_id="b"))
    job = runtime.post(flow, "a", "input", {"value": 1}).job
    assert job.wait(0.05) is False
    session = registry.debug_session_store.get(job.job_id)
    assert (session.status, worker.status) == ("paused", "paused")
    assert session.should_continue() is False
    assert session.get_variables() == {"value": 1}
    assert [frame.routine_id for frame in session.get_call_stack()] == ["b"]
    assert got == []
    session.set_variable("value", 7)
    assert session.resume() is True
    assert job.wait(WAIT)
    assert (got, job.status, session.resume()) == ([7], "completed", False)


def test_post_that_meets_a_breakpoint_returns(runtime, chain, registry):
    got = []
    flow = chain(lambda routine, item: got.append(item))
    runtime.exec(flow)
    registry.breakpoint_manager.add_breakpoint(Breakpoint(slot_name="input"))
    job = runtime.post(flow, "a", "input", 1).job
    assert job.wait(0.02) is False
    registry.debug_session_store.get(job.job_id).resume()
    assert job.wait(WAIT)
    assert got == [1]


def test_steps_lead_from_item_to_item(runtime, chain, forward, registry):
    flow = chain(forward, forward, forward, None)
    runtime.exec(flow)
    registry.breakpoint_manager.add_breakpoint(Breakpoint(routine_id="a"))
    job = runtime.post(flow, "a", "input", {"value": 1}).job
    session = registry.debug_session_store.get(job.job_id)
    places = [session.get_call_stack()[-1].routine_id]
    for _ in range(3):
        assert session.step_into() is True
        while session.status == "running":
            job.wait(0.002)
        places.append(session.get_call_stack()[-1].routine_id)
    assert places == ["a", "b", "c", "d"]
    session.resume()
    assert job.wait(WAIT)


def test_switching_off_lets_jobs_go_on(runtime, chain, registry):
    flow = chain(None)
    runtime.exec(flow)
    registry.breakpoint_manager.add_breakpoint(Breakpoint())
    job = runtime.post(flow, "a", "input", 1).job
    assert job.wait(0.02) is False
    MonitoringRegistry.disable()
    assert job.wait(WAIT)
    assert job.status == "completed"


def test_breakpoints_are_kept_by_id():
    manager = BreakpointManager()
    first = Breakpoint("one", job_id="j1", routine_id="a")
    second = Breakpoint(job_id="j2")
    assert manager.add_breakpoint(first) == "one"
    manager.add_breakpoint(second)
    assert manager.get_breakpoints("j1") == [first]
    assert manager.check_slot_breakpoint("j1", "a", "input") is first
    assert manager.check_slot_breakpoint("j1", "b", "input") is None
    first.enabled = False
    assert manager.check_slot_breakpoint("j1", "a", "input") is None
    assert first.hit_count == 1
    assert manager.remove_breakpoint("one") is True
    assert manager.remove_breakpoint("one") is False
    manager.clear_breakpoints()
    assert manager.get_breakpoints() == []
    with pytest.raises(TypeError):
        manager.add_breakpoint("a")


# Conditions reached every attribute of every object, and so the interpreter.
def test_condition_sees_the_keys_of_the_item_and_nothing_else():
    pytest.importorskip("routilux.builtin_routines.expressions")
    pytest.importorskip("simpleeval")
    manager = BreakpointManager()
    manager.add_breakpoint(Breakpoint(condition="age >= 18"))
    assert manager.check_slot_breakpoint("j", "a", "s", {"age": 20}) is not None
    assert manager.check_slot_breakpoint("j", "a", "s", {"age": 10}) is None
    assert manager.check_slot_breakpoint("j", "a", "s", {"name": "x"}) is None
    manager.clear_breakpoints()
    manager.add_breakpoint(Breakpoint(condition="().__class__.__mro__"))
    assert manager.check_slot_breakpoint("j", "a", "s", {}) is None


def test_session_by_hand():
    store = DebugSessionStore()
    session = store.get_or_create("job")
    assert store.get_or_create("job") is session
    assert (session.status, session.resume(), session.get_variables()) == (
        *("running", False, {}),
    )
    with pytest.raises(RuntimeError, match="does not stand"):
        session.set_variable("n", 1)
    item = {"n": 1}
    session.pause(CallFrame("a", "input", item), "look")
    session.set_variable("n", 2)
    assert item == {"n": 2}
    with pytest.raises(ValueError, match="Did you mean"):
        session.set_variable("nn", 2)
    assert session.step_over() is True
    assert session.stops_at("a")
    assert not session.stops_at("b")
    assert session.step_out() is False
    store.add(DebugSession("job"))
    assert store.get("job") is not session
    assert (store.remove("job"), store.remove("job")) == (True, False)


# Two listeners shared one queue, so each got half of the events.
def test_each_listener_gets_every_event(runtime, chain, forward, registry):
    flow = chain(forward, None)
    runtime.exec(flow)
    manager = get_event_manager()

    async def listen():
        mine = [await manager.subscribe("watched") for _ in range(2)]
        job = runtime.post(flow, "a", "input", {"value": 1}, job_id="watched").job
        await job
        streams = []
        for subscriber in mine:
            seen = []
            async for event in manager.iter_events(subscriber):
                seen.append(event["type"])
                if event["type"].startswith("job_c"):
                    break
            streams.append(seen)
        assert manager.get_subscriber_count("watched") == 2
        assert await manager.cleanup("watched") == 2
        return streams

    first, second = asyncio.run(listen())
    assert first == second
    assert (first[0], first[-1]) == ("job_started", "job_completed")
    assert first.count("routine_completed") == 2
    assert manager.get_subscriber_count() == 0


def test_oldest_events_fall_out_and_streams_end():
    async def run():
        manager = JobEventManager(max_queue_size=3)
        subscriber = await manager.subscribe("job")
        for n in range(5):
            assert await manager.publish("job", {"type": "n", "n": n}) == 1
        assert await manager.publish("nobody", {"type": "n"}) == 0
        await asyncio.sleep(0)
        assert manager.get_status()["dropped"] == 2
        assert await manager.unsubscribe(subscriber) is True
        assert await manager.unsubscribe(subscriber) is False
        with pytest.raises(ValueError, match="no subscriber"):
            await anext(manager.iter_events(subscriber))
        other = await manager.subscribe("job")
        await manager.publish("job", {"type": "last"})
        stream = manager.iter_events(other)
        assert (await anext(stream))["type"] == "last"
        await manager.shutdown()
        return [event async for event in stream]

    assert asyncio.run(run()) == []


def test_runtimes_are_found_by_id(runtime):
    registry = RuntimeRegistry()
    with Runtime(thread_pool_size=1) as other:
        registry.register(runtime, "one")
        registry.register(other, "two")
        assert (registry.get(), registry.get("two")) == (runtime, other)
        assert registry.get_default_id() == "one"
        registry.set_default("two")
        assert registry.get() is other
        assert sorted(registry.list_all()) == ["one", "two"]
        with pytest.raises(ValueError, match="already registered"):
            registry.register(other, "one")
        with pytest.raises(ValueError, match="Did you mean 'two'"):
            registry.set_default("tow")
        assert (registry.unregister("two"), registry.unregister("two")) == (True, False)
        assert registry.get() is runtime
        registry.clear()
        assert (registry.get(), registry.get_all()) == (None, {})


def test_register_of_the_process_takes_runtimes_only(runtime):
    registry = RuntimeRegistry.get_instance()
    assert RuntimeRegistry.get_instance() is registry
    with pytest.raises(TypeError, match="expected a Runtime, not 'runtime'"):
        registry.register("runtime", "mine")
    registry.register(runtime, "mine")
    assert RuntimeRegistry.get_instance().get("mine") is runtime
    assert registry.unregister("mine") is True


def test_unknown_name_is_no_part_of_the_package():
    with pytest.raises(AttributeError, match="has no attribute 'MonitorColector'"):
        routilux.monitoring.MonitorColector  # noqa: B018


def test_default_runtime_is_made_once():
    registry = RuntimeRegistry()
    made = registry.get_or_create_default(2)
    try:
        assert registry.get_or_create_default() is made is registry.get()
        assert made.thread_pool_size == 2
    finally:
        made.shutdown()
    again = registry.get_or_create_default(1)
    assert again is not made
    again.shutdown()


def test_collector_tells_batches_apart_from_jobs(runtime, chain, registry):
    flow = chain(None)
    flow.routines["a"].set_activation_policy(batch_size_policy(2))
    runtime.exec(flow)
    jobs = [runtime.post(flow, "a", "input", n).job for n in range(2)]
    assert runtime.wait_until_all_jobs_finished(WAIT)
    runtime.shutdown()
    ends = [registry.monitor_collector.get_metrics(job.job_id).status for job in jobs]
    assert ends == ["completed", "completed"]
