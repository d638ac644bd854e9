"""Runtime, flow and routine: older signatures and attributes."""

import logging

import pytest

from routilux import (
    Connection,
    ErrorHandler,
    Event,
    Flow,
    FlowRegistry,
    IEventHandler,
    IEventRouter,
    IRoutineExecutor,
    Routine,
    RoutineConfig,
    Runtime,
    Slot,
    WorkerExecutor,
    get_flow_registry,
)

WAIT = 20.0


def test_attributes_that_programs_look_into(runtime, chain):
    flow = chain(None)
    worker = runtime.exec(flow)
    assert runtime._shutdown is False
    assert runtime._active_workers == {worker.worker_id: worker}
    with runtime._worker_lock, runtime._jobs_lock:
        assert runtime._active_jobs == {}
    assert (runtime.thread_pool_size, runtime.thread_pool is None) == (4, False)
    runtime.shutdown()
    assert (runtime._shutdown, runtime._active_workers) == (True, {})
    routine = flow.routines["a"]
    assert routine._id == hex(id(routine))
    assert list(routine._slots) == ["input"]
    assert list(routine._events) == ["output"]
    assert routine._config == {}
    assert routine._logic is None
    assert routine._activation_policy is not None


def test_underscored_instance_of_the_register_may_be_reset(chain):
    flow = chain(None, flow_id="one")
    FlowRegistry.get_instance().register_by_name("name", flow)
    assert FlowRegistry._instance is get_flow_registry()
    FlowRegistry._instance = None
    assert FlowRegistry.get_instance().get_by_name("name") is None
    get_flow_registry().register_by_name("name", flow)


def test_texts_of_errors(runtime, chain):
    flow = chain(None, None, flow_id="texts")
    with pytest.raises(ValueError, match="Flow 'x' not found in registry"):
        runtime.exec("x")
    with pytest.raises(ValueError, match="Routine ID 'a' already exists in flow"):
        flow.add_routine(Routine(), "a")
    for names, text in (
        (("x", "output", "b", "input"), "Source routine 'x' not found in flow"),
        (("a", "x", "b", "input"), "Event 'x' not found in routine 'a'"),
        (("a", "output", "x", "input"), "Target routine 'x' not found in flow"),
        (("a", "output", "b", "x"), "Slot 'x' not found in routine 'b'"),
    ):
        with pytest.raises(ValueError, match=text):
            flow.connect(*names)
    get_flow_registry().register_by_name("taken", flow)
    with pytest.raises(ValueError, match="Flow name 'taken' is already registered"):
        get_flow_registry().register_by_name("taken", Flow())
    runtime.shutdown()
    with pytest.raises(RuntimeError, match="Runtime is shut down"):
        runtime.exec(flow)
    with pytest.raises(RuntimeError, match="Runtime is shut down"):
        runtime.post(flow, "a", "input", 1)


def test_huge_pool_is_worth_a_warning(caplog):
    with caplog.at_level(logging.WARNING, "routilux"):
        Runtime(thread_pool_size=1001).shutdown()
    assert "1001 threads" in caplog.text


def test_keyword_names_of_the_published_package(runtime, chain):
    flow = chain(None, flow_id="words")  # a flow is registered while it is alive
    worker = runtime.exec(flow_name="words")
    posted = runtime.post(
        flow_name="words", routine_name="a", slot_name="input", data={"n": 1}
    )
    assert posted.worker_state is worker
    assert worker.flow is flow
    assert posted.job.wait(WAIT)


# A worker of another flow was accepted, and its routine of the same name ran.
def test_post_to_a_worker_of_another_flow_is_refused(runtime, chain):
    first, second = chain(None), chain(None)
    runtime.exec(first)
    worker = runtime.exec(second)
    with pytest.raises(ValueError, match="Worker"):
        runtime.post(first, "a", "input", 1, worker_id=worker.worker_id)


# A second flow with an id silently broke the first.
def test_second_flow_with_an_id_does_not_touch_the_first(runtime, chain, forward):
    got = []
    flow = chain(forward, lambda routine, item: got.append(item), flow_id="same")
    runtime.exec(flow)
    other = Flow("same")
    assert runtime.post(flow, "a", "input", {"value": 1}).job.wait(WAIT)
    assert (len(got), len(other.routines)) == (1, 0)


# A connection that was made twice delivered twice.
def test_connecting_twice_delivers_once(runtime, chain, forward):
    got = []
    flow = chain(forward, lambda routine, item: got.append(item))
    first = flow.connections[0]
    assert flow.connect("a", "output", "b", "input") is first
    runtime.exec(flow)
    assert runtime.post(flow, "a", "input", {"value": 1}).job.wait(WAIT)
    assert len(got) == 1


# Workers ended by themselves after the time-out of their flow, idle or not.
def test_execution_timeout_ends_no_worker(runtime, chain):
    import time

    flow = chain(None)
    flow.execution_timeout = 0.01
    runtime.exec(flow)
    time.sleep(0.05)
    assert runtime.post(flow, "a", "input", 1).job.result(WAIT) is None


def test_connection_made_by_hand_links_event_and_slot():
    event, slot = Event("output"), Slot("input")
    connection = Connection(event, slot)
    assert (connection.source_event, connection.target_slot) == (event, slot)
    assert (event.connected_slots, slot.connected_events) == ([slot], [event])
    connection.disconnect()
    assert (event.connected_slots, slot.connected_events) == ([], [])


def test_define_does_what_add_does():
    routine = Routine()
    slot = routine.define_slot("input", lambda: None, 5, 0.5)
    assert (slot.max_queue_length, slot.watermark) == (5, 0.5)
    assert routine.define_event("output", ["value"]).output_params == ["value"]
    with pytest.raises(ValueError, match="already exists"):
        routine.define_slot("input")


def test_routine_is_set_up_in_a_chain():
    handler = ErrorHandler("skip")
    config = RoutineConfig(Routine()).config("path", "x").error_handler(handler)
    assert config.routine.get_config("path") == "x"
    assert config.routine._error_handler is handler


def test_event_is_emitted_through_the_runtime_by_hand(runtime, chain, forward):
    got = []
    flow = chain(forward, lambda routine, item: got.append(item["value"]))
    worker = runtime.exec(flow)
    event = flow.routines["a"].get_event("output")
    event.emit(runtime, worker, value=1)
    event.emit(runtime=runtime, worker_state=worker, value=2)
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert sorted(got) == [1, 2]
    with pytest.raises(RuntimeError, match="outside of an activation"):
        event.emit(value=3)


def test_event_emitted_inside_logic_belongs_to_the_job(runtime, chain):
    jobs = []

    def emit(routine, item):
        context = routine.get_execution_context()
        event = routine.get_event("output")
        event.emit(runtime, context.worker_state, value=1)
        event.emit(value=2)

    flow = chain(
        emit, lambda routine, item: jobs.append(routine.get_execution_context()[3])
    )
    runtime.exec(flow)
    job = runtime.post(flow, "a", "input", 1).job
    assert job.wait(WAIT)
    assert jobs == [job, job]


def test_event_is_handed_to_a_router_of_ones_own():
    handed = []

    class Router:
        def handle_event_emit(self, event, event_data, worker_state):
            handed.append((event, event_data, worker_state))

    event = Event("output")
    event.emit(Router(), "worker", value=1)
    (given, data, worker) = handed[0]
    assert (given, worker, data["data"]) == (event, "worker", {"value": 1})
    assert set(data["metadata"]) == {"emitted_at", "emitted_from", "event_name"}
    assert isinstance(Router(), IEventRouter)


def test_router_of_ones_own_gets_the_worker_whose_logic_emits(runtime, chain):
    handed = []

    class Router:
        def handle_event_emit(self, event, event_data, worker_state):
            handed.append((event_data["metadata"]["emitted_from"], worker_state))

    event = Event("output")
    worker = runtime.exec(chain(lambda routine, item: event.emit(Router(), value=item)))
    assert runtime.post(worker.flow, "a", "input", 1).job.wait(WAIT)
    assert handed == [("a", worker)]


def test_event_of_no_routine_says_so_when_it_is_emitted():
    event = Event("output")
    with pytest.raises(RuntimeError, match="<Event 'output'> belongs to no routine"):
        event.emit(value=1)


def test_runtime_and_executor_have_the_protocols(runtime, chain):
    assert isinstance(runtime, IEventHandler)
    worker = runtime.exec(chain(None))
    assert isinstance(WorkerExecutor(worker.flow, worker), IRoutineExecutor)


# Payload keys of the same names were lost in the published engine.
def test_runtime_and_worker_state_are_ordinary_payload_keys(runtime, chain):
    got = []
    flow = chain(
        lambda routine, item: routine.emit("output", runtime=1, worker_state=2),
        lambda routine, item: got.append(item),
    )
    runtime.exec(flow)
    assert runtime.post(flow, "a", "input", 1).job.wait(WAIT)
    assert got == [{"runtime": 1, "worker_state": 2}]


def test_event_of_another_runtimes_worker_is_refused(runtime, chain):
    flow = chain(None, None)
    runtime.exec(flow)
    event = flow.routines["a"].get_event("output")
    with Runtime(thread_pool_size=1) as other:
        worker = other.exec(flow)
        with pytest.raises(RuntimeError, match="is not a worker of this runtime"):
            runtime.handle_event_emit(event, {"data": {"value": 1}}, worker)
        assert other.list_jobs() == runtime.list_jobs() == []
