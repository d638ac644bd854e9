"""Workers: fields, history, statistics, saving, and the older handles on them."""

import pytest

from routilux import (
    ErrorHandler,
    ExecutionRecord,
    ExecutionStatus,
    RoutineStatus,
    Runtime,
    SlotActivationTask,
    TaskPriority,
    WorkerExecutor,
    WorkerManager,
    WorkerState,
    get_worker_manager,
    get_worker_registry,
    reset_worker_manager,
)
from routilux.executor import EventRoutingTask

WAIT = 20.0


def test_worker_made_by_hand_has_the_published_fields():
    worker = WorkerState("flow", "w1")
    assert (worker.flow_id, worker.worker_id) == ("flow", "w1")
    assert (worker.routine_states, worker.execution_history) == ({}, [])
    assert (worker.jobs_processed, worker.jobs_failed) == (0, 0)
    assert (worker.started_at, worker.completed_at) == (None, None)
    assert (worker.error, worker.error_traceback) == (None, None)
    assert (worker.pause_points, worker.deferred_events) == ([], [])
    assert (worker.pending_tasks, worker.max_execution_history) == ([], 1000)
    assert worker.created_at is not None
    assert WorkerState().worker_id != WorkerState().worker_id


def test_states_of_routines():
    worker = WorkerState("flow")
    worker.update_routine_state("a", {"n": 1})
    assert worker.get_routine_state("a") == {"n": 1}
    assert worker.get_routine_state("b") is None
    worker.update_routine_state("a", {})
    # the published engine read an empty state back as None
    assert worker.get_routine_state("a") == {}
    with pytest.raises(TypeError):
        worker.update_routine_state("a", [1])


def test_history_is_bounded_and_filtered():
    worker = WorkerState("flow")
    worker.max_execution_history = 3
    assert worker.max_execution_history == 10
    for n in range(25):
        worker.record_execution("a" if n % 2 else "b", "done", {"n": n})
    assert [r.data["n"] for r in worker.execution_history] == list(range(15, 25))
    assert [r.data["n"] for r in worker.get_execution_history("a")] == [
        *(15, 17, 19, 21, 23),
    ]
    with pytest.raises(TypeError, match="max_execution_history must be an int"):
        worker.max_execution_history = "many"


def test_history_that_is_made_shorter_keeps_the_newest():
    worker = WorkerState("flow")
    for n in range(25):
        worker.record_execution("a", "done", {"n": n})
    worker.max_execution_history = 12
    assert [r.data["n"] for r in worker.execution_history] == list(range(13, 25))


def test_record_goes_to_a_dict_and_back():
    record = ExecutionRecord("a", "done", {"n": 1})
    assert ExecutionRecord.from_dict(record.to_dict()) == record
    assert record.routine_id == "a"


# The published engine wrote its own words over the states of users.
def test_engine_never_writes_into_the_states(runtime, chain):
    def keep(routine, item):
        worker = routine.get_execution_context().worker_state
        worker.update_routine_state("a", {"mine": item})

    flow = chain(keep)
    worker = runtime.exec(flow)
    for n in range(5):
        runtime.post(flow, "a", "input", n)
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert worker.routine_states == {"a": {"mine": 4}}


def test_jobs_are_counted_for_their_worker(runtime, chain):
    def fail_odd(routine, item):
        if item % 2:
            raise ValueError("odd")

    flow = chain(fail_odd)
    first, second = runtime.exec(flow), runtime.exec(flow)
    for n in range(5):
        runtime.post(flow, "a", "input", n, worker_id=first.worker_id)
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert (first.jobs_processed, first.jobs_failed) == (5, 2)
    assert second.jobs_processed == 0
    first.increment_jobs_processed(success=False)
    assert (first.jobs_processed, first.jobs_failed) == (6, 3)


def test_failures_are_recorded_with_text_and_traceback(runtime, chain):
    def fail(routine, item):
        raise ValueError("bad item")

    flow = chain(fail)
    worker = runtime.exec(flow)
    job = runtime.post(flow, "a", "input", 1).job
    assert job.wait(WAIT)
    record = worker.get_execution_history("a")[0]
    assert (record.event_name, record.data["job_id"]) == ("logic_error", job.job_id)
    assert worker.error == "ValueError: bad item"
    assert "in fail" in worker.error_traceback


@pytest.mark.parametrize(
    ("strategy", "name"), [("continue", "error_continued"), ("skip", "skipped")]
)
def test_errors_that_a_handler_lets_pass_are_recorded(runtime, chain, strategy, name):
    def fail(routine, item):
        raise ValueError("bad")

    flow = chain(fail)
    flow.set_error_handler(ErrorHandler(strategy))
    worker = runtime.exec(flow)
    job = runtime.post(flow, "a", "input", 1).job
    assert job.wait(WAIT)
    assert job.status == "completed"
    assert [r.event_name for r in worker.execution_history] == [name]
    assert worker.get_routine_state("a") is None


def test_words_of_the_enums():
    assert f"{ExecutionStatus.RUNNING}" == "running" == ExecutionStatus.RUNNING
    assert str(RoutineStatus.ERROR_CONTINUED) == "error_continued"
    assert [str(s) for s in ExecutionStatus] == [
        *("pending", "running", "idle", "paused", "completed", "failed", "cancelled"),
    ]


def test_status_of_a_worker_compares_with_the_older_enum(runtime, chain):
    worker = runtime.exec(chain(None))
    assert worker.status == ExecutionStatus.RUNNING
    worker.pause()
    assert worker.status == ExecutionStatus.PAUSED
    worker.resume()
    with pytest.raises(AttributeError, match="the runtime says"):
        worker.status = ExecutionStatus.FAILED
    made = WorkerState("flow")
    made.status = ExecutionStatus.FAILED
    assert made.status == "failed"


def test_worker_made_by_hand_is_started_by_a_runtime(runtime, chain):
    flow = chain(None)
    worker = WorkerState(flow.flow_id, "mine")
    worker.update_routine_state("a", {"n": 1})
    assert runtime.exec(flow, worker_state=worker) is worker
    assert (worker.worker_id, worker.status) == ("mine", "running")
    assert worker.get_routine_state("a") == {"n": 1}
    assert runtime.post(flow, "a", "input", 1, worker_id="mine").job.wait(WAIT)
    assert runtime.exec(flow, WorkerState()).flow_id == flow.flow_id


def test_worker_of_another_flow_or_one_that_ran_is_refused(runtime, chain):
    flow = chain(None)
    with pytest.raises(ValueError, match="is for flow 'other'"):
        runtime.exec(flow, worker_state=WorkerState("other"))
    with pytest.raises(ValueError, match="was started before"):
        runtime.exec(flow, worker_state=runtime.exec(flow))
    with pytest.raises(TypeError, match="WorkerState"):
        runtime.exec(flow, worker_state=3)


def test_id_and_state_may_stand_in_each_others_place(runtime, chain):
    flow = chain(None)
    state = WorkerState(flow.flow_id, "loaded")
    assert runtime.exec(flow, None, "third").worker_id == "third"
    assert runtime.exec(flow, state, "named") is state
    assert state.worker_id == "named"
    with pytest.raises(TypeError, match="worker_state must be a WorkerState"):
        runtime.exec(flow, "one", "two")


# Both returned at once while work was going on, or never.
def test_waits_return_when_the_work_is_done(runtime, chain, forward):
    done = []
    flow = chain(forward, forward, lambda routine, item: done.append(item))
    worker = runtime.exec(flow)
    for n in range(50):
        runtime.post(flow, "a", "input", {"value": n})
    assert WorkerState.wait_for_completion(flow, worker, timeout=WAIT) is True
    assert len(done) == 50
    runtime.post(flow, "a", "input", {"value": 50})
    assert runtime.wait_until_all_workers_idle(timeout=WAIT) is True
    assert len(done) == 51


@pytest.mark.parametrize("options", [{"timeout": 0}, {"check_interval": -1.0}])
def test_times_of_the_wait_must_be_positive(runtime, options):
    with pytest.raises(ValueError, match="more than 0"):
        runtime.wait_until_all_workers_idle(**options)


def test_executor_is_a_handle_on_the_worker(runtime, chain, forward):
    got = []
    flow = chain(forward, lambda routine, item: got.append(item["value"]))
    worker = runtime.exec(flow)
    executor = worker._executor
    assert isinstance(executor, WorkerExecutor)
    assert worker._executor is executor
    executor.start()
    slot = flow.routines["a"].get_slot("input")
    executor.enqueue_task(SlotActivationTask(slot, {"value": 1}))
    event = flow.routines["a"].get_event("output")
    executor.enqueue_task(EventRoutingTask(event, {"data": {"value": 2}}))
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert sorted(got) == [1, 2]
    executor.pause("why", {"at": 1})
    assert worker.status == "paused"
    assert worker.pause_points[0]["checkpoint"] == {"at": 1}
    assert executor.resume() is True
    assert executor.cancel("enough") is True
    assert worker.status == "stopped"
    assert (TaskPriority.HIGH, TaskPriority.NORMAL, TaskPriority.LOW) == (1, 2, 3)


def test_executor_takes_items_for_slots_of_its_flow_alone(runtime, chain):
    worker = runtime.exec(chain(None))
    slot = chain(None).routines["a"].get_slot("input")
    with pytest.raises(ValueError, match=f"no slot of flow {worker.flow_id!r}"):
        worker._executor.enqueue_task(SlotActivationTask(slot, 1))
    assert worker.worker_id in repr(worker._executor)


def test_executor_of_a_worker_without_runtime(chain):
    flow = chain(None)
    with pytest.raises(RuntimeError, match="no runtime"):
        WorkerExecutor(flow, WorkerState(flow.flow_id)).start()


def test_register_finds_the_workers_of_all_runtimes(runtime, chain):
    flow = chain(None)
    registry = get_worker_registry()
    worker = runtime.exec(flow)
    with Runtime(thread_pool_size=1) as other:
        second = other.exec(flow)
        assert set(registry.get_by_flow(flow.flow_id)) == {worker, second}
        assert registry.get(second.worker_id) is second
    assert registry.get_by_flow(flow.flow_id) == [worker]
    made = WorkerState("made", "by hand")
    registry.register(made)
    assert registry.get("by hand") is made
    registry.mark_completed("by hand")
    assert registry.get("by hand") is None
    registry.shutdown(timeout=1.0)


def test_register_finds_a_later_worker_with_the_id_of_one_that_was_completed(
    runtime, chain
):
    registry = get_worker_registry()
    flow = chain(None)
    first = runtime.exec(flow, worker_id="again")
    registry.register(first)
    registry.mark_completed("again")
    assert registry.get("again") is None
    first.cancel()
    second = runtime.exec(flow, worker_id="again")
    assert registry.get("again") is second
    registry.clear()


def test_register_prefers_the_worker_that_runs(runtime, chain):
    registry = get_worker_registry()
    flow = chain(None)
    first = runtime.exec(flow, worker_id="again")
    registry.register(first)
    first.cancel()
    second = runtime.exec(flow, worker_id="again")
    assert registry.get("again") is second
    registry.clear()


def test_manager_starts_and_stops_workers(chain):
    manager = WorkerManager(max_workers=2)
    flow = chain(None)
    try:
        worker = manager.start_worker(flow)
        assert manager.list_workers() == [worker]
        assert manager.get_worker(worker.worker_id) is worker
        assert manager.runtime.post(flow, "a", "input", 1).job.wait(WAIT)
        assert manager.stop_worker(worker.worker_id, "done") is True
        assert manager.get_worker_count() == 0
        assert manager.stop_worker("unknown") is False
    finally:
        manager.shutdown()


# Resetting always took five seconds.
def test_shared_manager_is_reset(chain):
    manager = get_worker_manager()
    assert get_worker_manager() is manager
    manager.start_worker(chain(None))
    reset_worker_manager()
    assert get_worker_manager() is not manager
    reset_worker_manager()


# The published engine kept a thread for each worker and never gave it back.
def test_many_workers_need_no_threads_and_leave_nothing(chain):
    import threading

    flow = chain(None)
    before = threading.active_count()
    with Runtime(thread_pool_size=2) as runtime:
        workers = [runtime.exec(flow) for _ in range(200)]
        assert threading.active_count() <= before + 3
        for worker in workers:
            worker.cancel()
        assert runtime.list_workers() == []
        assert runtime._machine.workers() == []
    assert threading.active_count() == before
