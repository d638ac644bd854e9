"""Arguments that once let an error of our insides out, or crashed the process."""

import asyncio

import pytest

from routilux import (
    Connection,
    ErrorHandler,
    Event,
    Flow,
    FlowRegistry,
    JobContext,
    RoutedStdout,
    Routine,
    Runtime,
    Slot,
    WorkerState,
    batch_size_policy,
    immediate_policy,
    pipeline,
    run_sync,
)
from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    reset_execution_hooks,
    set_execution_hooks,
)
from routilux.serialization.files import read_document

HUGE = 10**400


@pytest.fixture
def routine():
    routine = Routine()
    routine.add_slot("input")
    routine.add_event("output")
    routine.set_logic(lambda slot_data, policy_message, worker_state: None)
    routine.set_activation_policy(immediate_policy())
    return routine


@pytest.fixture
def worker(routine):
    flow = Flow()
    flow.add_routine(routine, "work")
    with Runtime(1, engine="inline") as runtime:
        yield runtime.exec(flow)


def test_views_of_no_node_do_not_crash(worker):
    with pytest.raises(TypeError, match="node"):
        worker.views(None)


def test_views_of_a_node_of_another_worker_do_not_read_beyond_the_end(worker):
    with Runtime(1, engine="inline") as runtime:
        other = runtime.exec(pipeline(str, str, str))
        with pytest.raises(ValueError, match="'str_3'"):
            worker.views(other.node_of("str_3"))


@pytest.mark.parametrize("routine_id", [["work"], None, 1])
def test_a_routine_id_that_is_no_str_is_named(worker, routine_id):
    with pytest.raises(TypeError, match="routine_id must be a string"):
        worker._runtime().post(worker.flow, routine_id, "input", 1)


@pytest.mark.parametrize("slot", [{}, None, 1])
def test_a_slot_name_that_is_no_str_is_named(worker, slot):
    with pytest.raises(TypeError, match="slot must be a string"):
        worker._runtime().post(worker.flow, "work", slot, 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Slot("input", max_queue_length=HUGE),
        lambda: Slot("input").resize(2**63),
        lambda: batch_size_policy(HUGE),
        lambda: Runtime(2**31),
        lambda: Runtime(max_queue_size=2**63),
        lambda: Runtime(job_history=HUGE),
    ],
)
def test_a_length_that_no_machine_has_is_named(make):
    with pytest.raises(ValueError, match="must be at most"):
        make()


@pytest.mark.parametrize("timeout", [HUGE, 1e300, float("inf")])
def test_a_timeout_that_is_too_long_for_a_clock_is_no_timeout(worker, timeout):
    runtime = worker._runtime()
    job = runtime.post(worker.flow, "work", "input", 1).job
    assert job.wait(timeout)
    assert runtime.wait_until_all_jobs_finished(timeout)


def test_a_timeout_that_is_over_before_it_began_may_be_any_int(worker):
    runtime = worker._runtime()
    assert runtime.wait_until_all_jobs_finished(-HUGE)


@pytest.mark.parametrize("seconds", [-1, float("nan"), HUGE, "1", True, None])
def test_a_sleep_of_no_duration_is_named(worker, seconds):
    with pytest.raises((TypeError, ValueError), match="seconds must be"):
        worker._runtime().sleep(seconds)


@pytest.mark.parametrize("timeout", ["1", -1, HUGE])
def test_a_bad_timeout_of_an_awaited_post_is_named(worker, timeout):
    runtime = worker._runtime()
    with pytest.raises((TypeError, ValueError), match="timeout must be"):
        asyncio.run(
            runtime.post_async(worker.flow, "work", "input", 1, timeout=timeout)
        )


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("source_event", lambda w, r: Connection(1, r.get_slot("input"))),
        ("target_slot", lambda w, r: Connection(r.get_event("output"), 1)),
        ("key", lambda w, r: Connection(Event("e"), Slot("s"), key=(1, 2))),
        ("flow", lambda w, r: run_sync("no flow", 1)),
        ("slot", lambda w, r: Event("e").connect(1)),
        ("slot", lambda w, r: Event("e").disconnect(None)),
        ("event", lambda w, r: Slot("s").connect(1)),
        ("event", lambda w, r: Slot("s").disconnect(None)),
        ("runtime", lambda w, r: r.get_event("output").emit(runtime=1)),
        ("slots", lambda w, r: immediate_policy()({"input": 1}, w)),
        ("slots", lambda w, r: immediate_policy()([1], w)),
        ("worker_state", lambda w, r: r.get_state(1)),
        ("worker_state", lambda w, r: r.set_state(None, "key", 1)),
        ("worker_state", lambda w, r: r.update_state("w", {})),
        ("worker_state", lambda w, r: WorkerState.wait_for_completion(None, 1)),
        ("job_id", lambda w, r: w._runtime().complete_job(None)),
        ("event_data", lambda w, r: w._runtime().handle_event_emit(Event("e"), 1, w)),
        ("cls", lambda w, r: w.flow.find_routines_by_type("Routine")),
        ("name", lambda w, r: FlowRegistry.get_instance().near(1)),
        ("metadata", lambda w, r: JobContext("job", metadata="no dict")),
        ("data", lambda w, r: JobContext("job", data=[1])),
        ("max_buffer_chars", lambda w, r: RoutedStdout(max_buffer_chars="1")),
        ("task", lambda w, r: w._executor.enqueue_task(1)),
        ("path", lambda w, r: read_document(1)),
        ("timeout", lambda w, r: w._runtime().wait_until_all_workers_idle("x")),
        ("timeout", lambda w, r: w._runtime().wait_until_all_workers_idle(True)),
        (
            "check_interval",
            lambda w, r: w._runtime().wait_until_all_workers_idle(1.0, "x"),
        ),
        ("count", lambda w, r: Slot("s").take(1.5)),
        ("fields", lambda w, r: r.add_serializable_fields(1)),
        ("faults", lambda w, r: Runtime(engine="sim", faults=1)),
        ("output_params", lambda w, r: Event("more", r, 1)),
        ("lines", lambda w, r: RoutedStdout(keep_default=False).writelines(1)),
        ("update", lambda w, r: w.update_routine_state_with("work", 5)),
        ("items", lambda w, r: w._runtime().map(w.flow, None)),
        ("items", lambda w, r: w._runtime().map_async(w.flow, None)),
        (
            "worker_state",
            lambda w, r: ErrorHandler().handle_error(OSError(), None, "r", None, 1),
        ),
    ],
)
def test_a_value_of_another_type_is_named(worker, routine, name, call):
    with pytest.raises(TypeError, match=f"^{name} must"):
        call(worker, routine)


@pytest.mark.parametrize("status", ["finished", 1, ["failed"]])
def test_a_status_that_no_job_has_is_refused_with_the_valid_ones(worker, status):
    with pytest.raises(ValueError, match=r"^status must be .*'failed'"):
        worker._runtime().list_jobs(status=status)


@pytest.mark.parametrize("path", ["", "\0", "\ud800"])
def test_a_path_that_no_system_has_is_named(worker, path):
    with pytest.raises(ValueError, match="path must be the path of a file"):
        worker.save(path)
    with pytest.raises(ValueError, match="path must be the path of a file"):
        WorkerState.load(path)


def test_a_dtype_that_numpy_does_not_know_is_named_with_its_slot():
    with pytest.raises(TypeError, match="dtype of slot 'input'"):
        Slot("input", dtype="no such type")


def test_fields_of_a_connection_can_not_be_chosen(routine):
    made = Connection(routine.get_event("output"), routine.get_slot("input"))
    with pytest.raises(TypeError, match="fields of <Connection"):
        made.add_serializable_fields(["x"])


@pytest.mark.parametrize("answer", [(), (False,), [], 0, "", (False, "no", 1)])
def test_hook_that_answers_nonsense_is_logged_and_not_obeyed(answer):
    # An empty tuple crashed the process.
    class Odd(ExecutionHooksInterface):
        def on_slot_before_enqueue(self, *args):
            return answer

        on_event_emit = on_routine_start = on_slot_before_enqueue

    routine = Routine()
    routine.add_slot("input")
    routine.set_logic(lambda slot_data, policy_message, worker_state: None)
    routine.set_activation_policy(immediate_policy())
    flow = Flow("answers")
    flow.add_routine(routine, "odd")
    set_execution_hooks(Odd())
    try:
        with Runtime(1) as runtime:
            runtime.exec(flow)
            assert runtime.post("answers", "odd", "input", 1).job.wait(20.0)
    finally:
        reset_execution_hooks()
