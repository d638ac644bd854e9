"""A program that uses what the classes of the 1.x series have: typed and run."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from routilux import (
    Connection,
    ErrorHandler,
    ErrorStrategy,
    Event,
    ExecutionContext,
    ExecutionHooksInterface,
    ExecutionRecord,
    Flow,
    FlowRegistry,
    IEventHandler,
    IRoutineExecutor,
    JobContext,
    MigrationRegistry,
    NullExecutionHooks,
    RoutedStdout,
    Routine,
    Runtime,
    Slot,
    SlotDataPoint,
    SlotQueueFullError,
    StateError,
    Validator,
    WorkerExecutor,
    WorkerManager,
    WorkerNotRunningError,
    WorkerRegistry,
    WorkerState,
    get_current_job_id,
    get_execution_hooks,
    get_worker_registry,
    immediate_policy,
    reset_execution_hooks,
    set_execution_hooks,
)
from routilux.metrics import Counter, Gauge, Histogram, MetricsCollector


class Work(Routine):
    """Keeps state, job data and configuration."""

    def __init__(self) -> None:
        super().__init__()
        self.add_slot("input", max_queue_length=50, watermark=0.5)
        self.add_event("output", ["n"])
        self.set_activation_policy(immediate_policy())
        self.set_config(by=2)

    def logic(
        self, slot_data: dict[str, Any], policy_message: Any, worker_state: WorkerState
    ) -> None:
        """Multiply."""
        context: ExecutionContext | None = self.get_execution_context()
        assert context is not None and context.flow is worker_state.flow
        assert context.job_context is not None
        assert context.job_context.job_id == get_current_job_id()
        self.update_state(worker_state, {"routine": context.routine_id})
        self.set_job_data("n", slot_data["input"][0])
        assert self.get_job_data("n") == slot_data["input"][0]
        self.emit("output", n=slot_data["input"][0] * self.get_config("by", 1))


class Hooks(NullExecutionHooks):
    """Counts what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_worker_start(self, flow: Flow, worker_state: WorkerState) -> None:
        self.told.append("on_worker_start")

    def on_worker_stop(
        self, flow: Flow, worker_state: WorkerState, status: str
    ) -> None:
        self.told.append("on_worker_stop")


def hooks() -> None:
    """Name the eight hooks, and have two of them told."""
    base = ExecutionHooksInterface
    eight = (
        *(base.on_worker_start, base.on_worker_stop, base.on_job_start),
        *(base.on_job_end, base.on_routine_start, base.on_routine_end),
        *(base.on_event_emit, base.on_slot_before_enqueue),
    )
    assert len(set(eight)) == 8
    mine = Hooks()
    set_execution_hooks(mine)
    assert get_execution_hooks() is mine
    with Runtime(thread_pool_size=1) as runtime:
        runtime.exec(Flow("told"))
    reset_execution_hooks()
    assert mine.told == ["on_worker_start", "on_worker_stop"]


def routines_and_flows() -> Flow:
    """Look at a flow from all sides."""
    routine = Work()
    handler = ErrorHandler(ErrorStrategy.RETRY, max_retries=1, retry_delay=0.0)
    routine.set_error_handler(handler)
    assert routine.get_error_handler() is routine._error_handler is handler
    assert list(routine.slots) == list(routine._slots) == ["input"]
    assert list(routine.events) == list(routine._events) == ["output"]
    assert routine.config() == routine.get_all_config() == dict(routine._config)
    info: dict[str, Any] = routine.get_activation_policy_info()
    assert info["type"] == "immediate" and routine._activation_policy is not None
    assert isinstance(routine._id, str) and routine._logic is None
    flow = Flow("members", execution_timeout=60.0)
    flow.pipe(routine, "first").pipe(Work(), "second")
    [connection] = flow.connections
    event: Event | None = routine.get_event("output")
    assert event is not None
    assert (event.name, event.output_params) == ("output", ["n"])
    assert event.routine is routine
    assert flow.get_connections_for_event(event) == [connection]
    assert event.connected_slots == [connection.target_slot]
    assert [name for name, _ in flow.find_routines_by_type(Work)] == ["first", "second"]
    flow.set_error_handler(ErrorHandler("skip"))
    assert flow.get_error_handler() is flow.error_handler
    assert flow.execution_timeout == 60.0
    problems: list[str] = flow.validate()
    assert all(text.startswith("Warning: ") for text in problems)
    made: Flow = Flow.from_dict({"routines": {"a": "filter"}})
    again: Flow = Flow.from_yaml("routines: {a: filter}")
    assert list(made.routines) == list(again.routines) == ["a"]
    registry = FlowRegistry.get_instance()
    assert FlowRegistry._instance is registry
    registry.register(flow)
    registry.register_by_name("by name", flow)
    assert registry.get_by_name("by name") is registry.get("members") is flow
    assert flow in registry.list_all()
    return flow


def slots() -> None:
    """Use the whole interface of a queue."""
    slot = Slot("input", None, 4, 0.5)
    assert (slot.name, slot.routine, slot.max_queue_length, slot.watermark) == (
        *("input", None, 4, 0.5),
    )
    for n in range(4):
        slot.enqueue(n, emitted_from="a", emitted_at=datetime.now())
    try:
        slot.enqueue(4)
    except SlotQueueFullError:
        assert slot.get_queue_status()["is_full"] is True
    assert (slot.peek_one_new(), slot.peek_latest()) == (0, 3)
    assert slot.peek_all_new() == [0, 1, 2, 3]
    point: SlotDataPoint = slot._queue[0]
    assert (point.data, point.emitted_from, point.consumed_at) == (0, "a", None)
    assert point.emitted_at is not None and point.enqueued_at is not None
    assert (slot.consume_one_new(), slot.get_unconsumed_count()) == (0, 3)
    assert slot.consume_latest_and_mark_all_consumed() == 3
    assert (slot.consume_all_new(), slot.consume_all()) == ([], [])
    assert slot.get_total_count() == 4  # consumed ones count
    event = Event("output")
    connection = Connection(event, slot)
    assert connection.source_event is event
    connection.disconnect()
    event.connect(slot)
    event.disconnect(slot)
    slot.connect(event)
    slot.disconnect(event)
    assert slot.connected_events == []


def runtimes(flow: Flow) -> None:
    """Run it, and look at runtime, workers and jobs."""
    with Runtime(2) as runtime:
        handler: IEventHandler = runtime
        assert isinstance(handler, IEventHandler)
        pool: ThreadPoolExecutor | None = runtime.thread_pool
        assert pool is not None and runtime.thread_pool_size == 2
        try:
            runtime.post(flow, "first", "input", 1)
        except WorkerNotRunningError:
            assert runtime._active_workers == {}
        worker = runtime.exec(flow)
        _, job = runtime.post(flow, "first", "input", 3)
        event = flow.routines["first"].get_event("output")
        assert event is not None
        runtime.handle_event_emit(event, {"data": {"n": 3}}, worker)
        assert runtime.wait_until_all_jobs_finished(timeout=10.0)
        assert runtime.get_job(job.job_id) is job
        assert runtime.complete_job(job.job_id) is False
        lock: threading.Lock = runtime._worker_lock
        assert lock is not None and runtime._jobs_lock is not None
        assert (runtime._shutdown, runtime._active_jobs) == (False, {})
        executor: WorkerExecutor = worker._executor
        assert isinstance(executor, IRoutineExecutor)
        workers: WorkerRegistry = get_worker_registry()
        assert worker in workers.list_all()
        assert workers.get_by_flow(flow.flow_id) == [worker]
        executor.stop("completed")
        workers.register(WorkerState("by hand", "w"))
        workers.mark_completed("w")
        workers.shutdown(timeout=1.0)
        runtime.shutdown(wait=True, timeout=10.0)
    manager = WorkerManager(max_workers=2)
    started: WorkerState = manager.start_worker(flow)
    assert manager.get_worker(started.worker_id) is started
    assert manager.list_workers() == [started]
    assert manager.stop_worker(started.worker_id, "done")
    manager.shutdown(wait=True, timeout=10.0)


def jobs_and_workers() -> None:
    """Make them by hand."""
    job = JobContext(worker_id="w", flow_id="f", metadata={"a": 1})
    job.set_data("n", 1)
    job.set_routine_data("a", "n", 2)
    assert (job.get_data("n"), job.get_routine_data("a", "n")) == (1, 2)
    job.trace("a", "did", {"n": 1})
    assert (job.metadata, job.trace_log[0]["action"]) == ({"a": 1}, "did")
    assert job.created_at is not None and job.completed_at is None
    assert job.to_dict()["job_id"] == job.job_id
    worker = WorkerState("f", "w")
    worker.update_routine_state("a", {"n": 1})
    worker.increment_jobs_processed(success=False)
    worker.add_deferred_event("a", "output", {"n": 1})
    worker.max_execution_history = 10
    record = ExecutionRecord("a", "did", {"n": 1})
    same: ExecutionRecord = ExecutionRecord.from_dict(record.to_dict())
    assert (same.routine_id, same.event_name) == ("a", "did")
    assert isinstance(same.timestamp, datetime)
    assert (worker.routine_states, worker.execution_history) == ({"a": {"n": 1}}, [])
    assert (worker.jobs_processed, worker.jobs_failed) == (1, 1)
    assert worker.created_at <= worker.updated_at
    assert (worker.started_at, worker.completed_at) == (None, None)
    assert (worker.error, worker.error_traceback) == (None, None)
    assert (worker.pause_points, worker.pending_tasks) == ([], [])
    assert len(worker.deferred_events) == 1


def errors_and_output() -> None:
    """Use handlers, validators, migrations and a stream by hand."""
    handler = ErrorHandler("retry", 1, 0.0, 2.0, (ValueError,), is_critical=True)
    assert (handler.strategy, handler.max_retries) == (ErrorStrategy.RETRY, 1)
    assert (handler.retry_delay, handler.retry_backoff) == (0.0, 2.0)
    assert handler.retryable_exceptions == (ValueError,) and handler.is_critical
    flow = Flow()
    routine = Work()
    assert handler.handle_error(ValueError("x"), routine, "a", flow) is True
    assert handler.retry_count == 1
    handler.reset()
    Validator.custom(lambda data: "n" in data).validate({"n": 1})
    MigrationRegistry.register_migration(0, 1, lambda data: {**data, "version": 1})
    assert MigrationRegistry.migrate({"version": 0}, 1)["version"] == 1
    MigrationRegistry.clear()
    stream = RoutedStdout(keep_default=False)
    assert stream.write("lost") == 4
    stream.flush()
    assert (stream.isatty(), bool(stream.encoding)) == (False, True)
    assert (stream.pop_chunks("j"), stream.get_buffer("j")) == ([], "")
    assert stream.get_stats()["job_count"] == 0
    stream.clear_job("j")
    stream.shutdown(timeout=1.0)
    assert issubclass(StateError, Exception)


def metrics() -> None:
    """Use metrics by hand."""
    collector = MetricsCollector()
    counter: Counter = collector.get_or_create_counter("jobs", "all of them")
    counter.inc(2)
    gauge: Gauge = collector.gauge("depth")
    gauge.inc()
    gauge.dec()
    histogram: Histogram = collector.histogram("seconds", buckets=[1.0, 2.0])
    histogram.observe(1.5)
    assert (counter.value, gauge.value) == (2.0, 0.0)
    assert (histogram.count, histogram.sum) == (1, 1.5)
    assert collector.get_counter("jobs") is counter
    assert collector.get_gauge("depth") is gauge
    assert collector.get_histogram("seconds") is histogram


if __name__ == "__main__":
    hooks()
    runtimes(routines_and_flows())
    FlowRegistry.get_instance().unregister_by_name("by name")
    slots()
    jobs_and_workers()
    errors_and_output()
    metrics()
