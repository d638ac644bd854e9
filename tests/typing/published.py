"""A program that uses the names of the 1.x series: all of them, typed and run."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import routilux.core.connection
import routilux.core.exceptions
import routilux.core.hooks
import routilux.core.interfaces
import routilux.core.output
import routilux.core.status
import routilux.core.task
from routilux import (
    ErrorHandler,
    ErrorStrategy,
    ExecutionContext,
    ExecutionRecord,
    ExecutionStatus,
    Flow,
    FlowRegistry,
    IEventRouter,
    JobContext,
    JobStatus,
    MigrationRegistry,
    Routine,
    RoutineConfig,
    RoutineStatus,
    Runtime,
    Serializable,
    SlotActivationTask,
    SlotDataPoint,
    TaskPriority,
    ValidationError,
    Validator,
    WorkerExecutor,
    WorkerManager,
    WorkerState,
    clear_job_output,
    get_current_execution_context,
    get_current_job,
    get_flow_registry,
    get_job_output,
    get_routed_stdout,
    get_worker_manager,
    get_worker_registry,
    immediate_policy,
    install_routed_stdout,
    reset_worker_manager,
    set_current_execution_context,
    set_current_job,
    set_current_worker_state,
    uninstall_routed_stdout,
)
from routilux.core.context import get_current_worker_state
from routilux.core.error import ErrorHandler as SameHandler
from routilux.core.event import Event
from routilux.core.executor import EventRoutingTask
from routilux.core.flow import Flow as SameFlow
from routilux.core.manager import WorkerManager as SameManager
from routilux.core.registry import WorkerRegistry
from routilux.core.routine import Routine as SameRoutine
from routilux.core.runtime import Runtime as SameRuntime
from routilux.core.slot import Slot
from routilux.core.worker import WorkerState as SameWorkerState
from routilux.exceptions import ExecutionError, SerializationError, SlotHandlerError
from routilux.metrics import Counter, Gauge, Histogram, MetricsCollector, MetricTimer
from routilux.monitoring import (
    Breakpoint,
    BreakpointManager,
    CallFrame,
    DebugSession,
    DebugSessionStore,
    ErrorRecord,
    ExecutionEvent,
    ExecutionMetrics,
    JobEventManager,
    MonitorCollector,
    MonitoringRegistry,
    RuntimeRegistry,
    get_event_manager,
    get_monitoring_hooks,
)


class Greet(Routine):
    """Greets by name, and counts in its state and its job."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("trigger", max_queue_length=10)
        self.define_event("output", ["text"])
        self.set_activation_policy(immediate_policy())
        self.set_logic(self.greet)

    def greet(
        self,
        trigger: list[dict[str, Any]],
        policy_message: Any = None,
        worker_state: WorkerState | None = None,
    ) -> None:
        """Greet one."""
        context: ExecutionContext | None = self.get_execution_context()
        assert context is not None
        count = self.get_state(context.worker_state, "n", 0)
        self.set_state(context.worker_state, "n", count + 1)
        self.set_job_data("name", trigger[0]["name"])
        print("hello", trigger[0]["name"])
        self.emit("output", text=f"hello {trigger[0]['name']}")


class Keep(Routine):
    """Keeps what it gets in the trace of the job."""

    def __init__(self) -> None:
        super().__init__()
        self.add_slot("input")
        self.set_activation_policy(immediate_policy())

    def logic(
        self, slot_data: dict[str, Any], policy_message: Any, worker_state: WorkerState
    ) -> None:
        """Keep one."""
        job: JobContext | None = get_current_job()
        assert job is not None
        job.trace("keep", "kept", slot_data["input"][0])


def names() -> None:
    """Use the same objects by their other paths."""
    assert (SameFlow, SameHandler, SameManager) == (Flow, ErrorHandler, WorkerManager)
    assert (SameRoutine, SameRuntime, SameWorkerState) == (
        *(Routine, Runtime, WorkerState),
    )
    assert routilux.core.connection.Connection is routilux.Connection
    assert routilux.core.exceptions.RoutiluxError is routilux.RoutiluxError
    assert routilux.core.hooks.NullExecutionHooks is routilux.NullExecutionHooks
    assert routilux.core.interfaces.IEventRouter is IEventRouter
    assert routilux.core.output.RoutedStdout is routilux.RoutedStdout
    assert routilux.core.status.RoutineStatus is RoutineStatus
    assert routilux.core.task.TaskPriority is TaskPriority


def by_hand() -> None:
    """Use jobs, workers, slots, validators and metrics without a runtime."""
    job = JobContext(worker_id="w", flow_id="f", metadata={"a": 1})
    job.start()
    job.set_routine_data("a", "n", 1)
    job.complete("failed", ExecutionError("bad", routine_id="a"))
    assert job.status is JobStatus.FAILED
    set_current_job(None)
    set_current_worker_state(None)
    set_current_execution_context(None)
    assert get_current_execution_context() is None
    assert get_current_worker_state() is None
    worker = WorkerState("f", "w")
    worker.status = ExecutionStatus.PENDING
    worker.record_execution("a", "done", {"n": 1})
    record: ExecutionRecord = worker.get_execution_history("a")[0]
    assert record.data == {"n": 1}
    slot = Slot("input", None, 5, 0.5)
    slot.enqueue(1, "a")
    point: SlotDataPoint = slot.peek_points()[0]
    assert (point.emitted_from, slot.get_queue_state()["total_count"]) == ("a", 1)
    event = Event("output")
    event.connect(slot)
    config = RoutineConfig(Keep()).config("path", "x")
    config.error_handler(ErrorHandler(ErrorStrategy.SKIP))
    try:
        Validator.types(n=int).validate({"n": "1"})
    except ValidationError as error:
        assert error.field == "n"
    collector = MetricsCollector()
    counter: Counter = collector.counter("jobs")
    counter.inc()
    gauge: Gauge = collector.gauge("depth")
    gauge.set(2.0)
    histogram: Histogram = collector.histogram("seconds")
    with MetricTimer(histogram):
        pass
    assert "jobs 1" in collector.export_prometheus()
    assert SlotHandlerError("x", slot_name="input").slot_name == "input"
    assert issubclass(Flow, Serializable)
    assert issubclass(SerializationError, routilux.RoutiluxError)
    MigrationRegistry.clear()


def flows() -> None:
    """Run a flow, capture its output, pause it, and write it to a file."""
    flow = Flow("published", execution_timeout=60.0)
    flow.add_routine(Greet(), "greet")
    flow.add_routine(Keep(), "keep")
    connection = flow.connect("greet", "output", "keep", "input")
    assert connection.target_slot.connected_events == [connection.source_event]
    registry: FlowRegistry = get_flow_registry()
    registry.register_by_name("published name", flow)
    install_routed_stdout(keep_default=False)
    try:
        with Runtime(thread_pool_size=2) as runtime:
            worker: WorkerState = runtime.exec(flow_name="published name")
            _, job = runtime.post(
                flow_name="published name",
                routine_name="greet",
                slot_name="trigger",
                data={"name": "Ada"},
            )
            assert runtime.wait_until_all_workers_idle(timeout=10.0)
            assert WorkerState.wait_for_completion(flow, worker, timeout=10.0)
            assert get_job_output(job.job_id) == "hello Ada\n"
            assert get_routed_stdout() is not None
            clear_job_output(job.job_id)
            assert runtime.list_jobs(worker.worker_id, status="completed") == [job]
            hand_over(runtime, flow, worker)
    finally:
        uninstall_routed_stdout()
        registry.unregister_by_name("published name")


def hand_over(runtime: Runtime, flow: Flow, worker: WorkerState) -> None:
    """Use the handles on a worker, and move it."""
    executor: WorkerExecutor = worker._executor
    slot = flow.routines["keep"].get_slot("input")
    assert slot is not None
    executor.enqueue_task(SlotActivationTask(slot, {"text": "by hand"}))
    event = flow.routines["greet"].get_event("output")
    assert event is not None
    task = EventRoutingTask(event, {"data": {"text": "routed"}}, TaskPriority.HIGH)
    executor.enqueue_task(task)
    workers: WorkerRegistry = get_worker_registry()
    assert workers.get(worker.worker_id) is worker
    assert worker.wait_until_idle(timeout=10.0)
    worker.pause("to move")
    with tempfile.TemporaryDirectory() as folder:
        worker.save(Path(folder, "state.json"))
        assert WorkerState.load(Path(folder, "state.json")).flow_id == "published"
        worker.checkpoint(Path(folder, "work.json"))
        worker.cancel("moved")
        back: WorkerState = runtime.resume(Path(folder, "work.json"))
    assert back.get_routine_state("greet") == {"n": 1}
    again: Flow = Flow.deserialize(flow.serialize())
    assert list(again.routines) == ["greet", "keep"]
    manager: WorkerManager = get_worker_manager()
    assert manager.get_worker_count() == 0
    reset_worker_manager()


async def listen(job_id: str) -> list[str]:
    """Return the kinds of the events of a job that are waiting."""
    manager: JobEventManager = get_event_manager()
    subscriber = await manager.subscribe(job_id)
    await manager.publish(job_id, {"type": "made up"})
    seen = []
    async for event in manager.iter_events(subscriber):
        seen.append(str(event["type"]))
        await manager.unsubscribe(subscriber)
    return seen


def monitored() -> None:
    """Switch monitoring on, and look."""
    MonitoringRegistry.enable()
    registry = MonitoringRegistry.get_instance()
    try:
        collector: MonitorCollector | None = registry.monitor_collector
        breakpoints: BreakpointManager | None = registry.breakpoint_manager
        sessions: DebugSessionStore | None = registry.debug_session_store
        assert collector is not None
        assert breakpoints is not None
        assert sessions is not None
        assert get_monitoring_hooks() is not None
        breakpoints.add_breakpoint(Breakpoint(routine_id="never"))
        session: DebugSession = sessions.get_or_create("job")
        session.pause(CallFrame("a", "input", {"n": 1}))
        assert session.get_variables() == {"n": 1}
        collector.record_routine_execution("a", "job", 0.1, "failed", "bad")
        metrics: ExecutionMetrics | None = collector.get_metrics("job")
        assert metrics is not None
        errors: list[ErrorRecord] = metrics.errors
        events: list[ExecutionEvent] = collector.get_execution_trace("job")
        assert (len(errors), len(events)) == (1, 1)
    finally:
        MonitoringRegistry.disable()
    assert asyncio.run(listen("job")) == ["made up"]
    runtimes = RuntimeRegistry()
    with runtimes.get_or_create_default(1) as runtime:
        assert runtimes.get() is runtime


if __name__ == "__main__":
    names()
    by_hand()
    flows()
    monitored()
