"""`Flow`: its checks, its index and its freezing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from routilux import (
    ConfigurationError,
    Connection,
    ErrorHandler,
    Flow,
    Routine,
    Runtime,
    batch_size_policy,
    immediate_policy,
)


class Step(Routine):
    def __init__(self, max_queue_length: int = 1000) -> None:
        super().__init__()
        self.add_slot("input", max_queue_length=max_queue_length)
        self.add_event("output")
        self.set_activation_policy(immediate_policy())
        self.set_logic(lambda slot_data, policy_message, worker_state: None)


class SubStep(Step):
    pass


@pytest.fixture
def flow() -> Flow:
    flow = Flow("f")
    for name in ("a", "b", "c"):
        flow.add_routine(Step(), name)
    return flow


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with Runtime(thread_pool_size=1) as runtime:
        yield runtime


def test_flow_id_is_random_by_default() -> None:
    assert Flow().flow_id != Flow().flow_id


@pytest.mark.parametrize(("wrong", "error"), [(1, TypeError), ("", ValueError)])
def test_flow_id_is_a_str_with_letters(wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="flow_id must"):
        Flow(wrong)


def test_execution_timeout_is_kept() -> None:
    assert Flow().execution_timeout == 300.0
    assert Flow(execution_timeout=5).execution_timeout == 5


@pytest.mark.parametrize("wrong", ["5", True, []])
def test_execution_timeout_must_be_a_number(wrong: Any) -> None:
    with pytest.raises(TypeError, match="execution_timeout"):
        Flow(execution_timeout=wrong)


@pytest.mark.parametrize("wrong", [0, -1, float("nan")])
def test_execution_timeout_must_be_positive(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"execution_timeout.*not"):
        Flow(execution_timeout=wrong)


def test_add_routine_returns_the_id() -> None:
    flow, step, other = Flow(), Step(), Step()
    assert flow.add_routine(step, "a") == "a"
    assert flow.add_routine(other) == other._id
    assert dict(flow.routines) == {"a": step, other._id: other}


def test_add_routine_refuses_a_known_id(flow: Flow) -> None:
    text = "^Routine ID 'a' already exists in flow 'f'"
    with pytest.raises(ValueError, match=text):
        flow.add_routine(Step(), "a")


def test_add_routine_refuses_the_same_routine_twice(flow: Flow) -> None:
    with pytest.raises(ValueError, match="already in flow 'f', as 'a'"):
        flow.add_routine(flow.routines["a"], "other")


def test_routine_may_be_in_two_flows() -> None:
    step = Step()
    assert Flow().add_routine(step, "a") == Flow().add_routine(step, "a")


@pytest.mark.parametrize("wrong", [None, "a", object(), lambda: None])
def test_add_routine_refuses_what_is_no_routine(flow: Flow, wrong: Any) -> None:
    with pytest.raises(TypeError, match="must be a Routine"):
        flow.add_routine(wrong, "x")


def test_add_routine_refuses_a_class_and_says_how(flow: Flow) -> None:
    wrong: Any = Step
    with pytest.raises(TypeError, match=r"the class Step; write Step\(\)"):
        flow.add_routine(wrong)


@pytest.mark.parametrize(("wrong", "error"), [(1, TypeError), ("", ValueError)])
def test_routine_id_is_checked(flow: Flow, wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="routine_id must"):
        flow.add_routine(Step(), wrong)


def test_connect_returns_a_connection(flow: Flow) -> None:
    connection = flow.connect("a", "output", "b", "input")
    assert isinstance(connection, Connection)
    assert repr(connection) == "<Connection a.output -> b.input>"
    assert connection.source_event is flow.routines["a"].get_event("output")
    assert connection.target_slot is flow.routines["b"].get_slot("input")
    assert flow.connections == [connection]


UNKNOWN = [
    (("x", "output", "b", "input"), "^Source routine 'x' not found in flow 'f'"),
    (("a", "outptu", "b", "input"), "^Event 'outptu' not found in routine 'a'"),
    (("a", "output", "x", "input"), "^Target routine 'x' not found in flow 'f'"),
    (("a", "output", "b", "inptu"), "^Slot 'inptu' not found in routine 'b'"),
    (("x", "output", "b", "input"), "Valid routines: 'a', 'b', 'c'$"),
    (("a", "outptu", "b", "input"), "Did you mean 'output'. Valid events: 'output'$"),
    (("a", "output", "b", "INPUT"), "Did you mean 'input'. Valid slots: 'input'$"),
]


@pytest.mark.parametrize(("names", "text"), UNKNOWN)
def test_connect_names_what_is_unknown(
    flow: Flow, names: tuple[str, str, str, str], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        flow.connect(*names)
    assert flow.connections == []


def test_connect_in_an_empty_flow_says_so() -> None:
    with pytest.raises(ValueError, match="There are no routines yet"):
        Flow().connect("a", "output", "b", "input")


def test_connect_shortens_a_long_list() -> None:
    flow = Flow()
    for number in range(30):
        flow.add_routine(Step(), f"step{number}")
    with pytest.raises(ValueError, match=r"and 10 more$"):
        flow.connect("zzz", "output", "b", "input")


def test_connect_refuses_a_name_that_is_no_str(flow: Flow) -> None:
    wrong: Any = flow.routines["a"]
    with pytest.raises(TypeError, match="source_routine_id must be a str, not Step"):
        flow.connect(wrong, "output", "b", "input")


def test_connect_twice_returns_the_first_connection(flow: Flow) -> None:
    first = flow.connect("a", "output", "b", "input")
    assert flow.connect("a", "output", "b", "input") is first
    assert flow.connections == [first]


def test_cycles_are_legal(flow: Flow) -> None:
    flow.connect("a", "output", "b", "input")
    flow.connect("b", "output", "a", "input")
    flow.connect("c", "output", "c", "input")
    assert len(flow.connections) == 3


def test_disconnect_takes_the_connection_out(flow: Flow) -> None:
    connection = flow.connect("a", "output", "b", "input")
    connection.disconnect()
    connection.disconnect()
    assert flow.connections == []
    assert flow.get_connections_for_event(connection.source_event) == []
    assert flow.connect("a", "output", "b", "input") is not connection


def test_connections_of_an_event_come_in_connect_order(flow: Flow) -> None:
    made = [flow.connect("a", "output", target, "input") for target in "cba"]
    flow.connect("b", "output", "c", "input")
    event = flow.routines["a"].get_event("output")
    assert event is not None
    assert flow.get_connections_for_event(event) == made
    assert Flow().get_connections_for_event(event) == []


def test_connections_for_event_wants_the_event(flow: Flow) -> None:
    wrong: Any = "output"
    with pytest.raises(TypeError, match="must be an Event, not str"):
        flow.get_connections_for_event(wrong)


def test_routines_are_read_only(flow: Flow) -> None:
    view: Any = flow.routines
    with pytest.raises(TypeError):
        view["d"] = Step()


def test_find_routines_by_type_includes_subclasses(flow: Flow) -> None:
    sub = SubStep()
    flow.add_routine(sub, "sub")
    assert flow.find_routines_by_type(SubStep) == [("sub", sub)]
    assert [name for name, _ in flow.find_routines_by_type(Step)] == [*"abc", "sub"]


def test_pipe_connects_each_to_the_one_before() -> None:
    flow = Flow().pipe(Step(), "a").pipe(Step(), "b").pipe(Step(), "c")
    shown = [repr(connection)[12:-1] for connection in flow.connections]
    assert shown == ["a.output -> b.input", "b.output -> c.input"]


def test_pipe_from_another_routine(flow: Flow) -> None:
    flow.pipe(Step(), "d", from_routine="a").pipe(Step(), "e")
    shown = [repr(connection)[12:-1] for connection in flow.connections]
    assert shown == ["a.output -> d.input", "d.output -> e.input"]


def test_pipe_that_fails_adds_nothing(flow: Flow) -> None:
    step = Step()
    with pytest.raises(ValueError, match="Slot 'x' not found in routine 'd'"):
        flow.pipe(step, "d", from_routine="a", to_slot="x")
    assert "d" not in flow.routines
    assert flow.add_routine(step, "d") == "d"


def test_validate_of_a_closed_ring_is_empty() -> None:
    flow = Flow().pipe(Step(), "a").pipe(Step(), "b")
    flow.connect("b", "output", "a", "input")
    assert flow.validate() == []


def test_validate_warns_of_open_ends() -> None:
    flow = Flow().pipe(Step(), "a").pipe(Step(), "b")
    slot, event = flow.validate()
    assert slot.startswith("Warning: Slot 'input' of routine 'a' is not connected")
    assert event.startswith("Warning: Event 'output' of routine 'b' is not connected")


def test_validate_reports_what_never_runs() -> None:
    flow = Flow()
    flow.add_routine(Routine(), "idle")
    assert flow.validate() == [
        "Error: Routine 'idle' has no activation policy: it never runs",
        "Error: Routine 'idle' has no logic: it never runs",
    ]


def test_validate_accepts_logic_as_a_method() -> None:
    class Method(Routine):
        def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
            pass

    flow, routine = Flow(), Method()
    routine.set_activation_policy(immediate_policy())
    flow.add_routine(routine)
    assert flow.validate() == []


@pytest.mark.parametrize(("size", "errors"), [(10, 0), (11, 1)])
def test_validate_reports_a_batch_that_no_slot_can_hold(size: int, errors: int) -> None:
    flow, step = Flow(), Step(max_queue_length=10)
    step.set_activation_policy(batch_size_policy(size))
    flow.add_routine(step, "a")
    found = [text for text in flow.validate() if text.startswith("Error: ")]
    assert len(found) == errors
    assert all("batches of 11" in text and "10 items" in text for text in found)


def test_exec_refuses_a_batch_that_no_slot_can_hold(runtime: Runtime) -> None:
    flow, step = Flow("too_long"), Step(max_queue_length=10)
    step.set_activation_policy(batch_size_policy(11))
    flow.add_routine(step, "a")
    text = "Flow 'too_long': Routine 'a' .* 11.* 'input' holds at most 10"
    with pytest.raises(ConfigurationError, match=text):
        runtime.exec(flow)
    step.set_activation_policy(batch_size_policy(10))
    runtime.exec(flow)


def test_exec_warns_once_of_what_never_runs(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    flow = Flow("lazy")
    flow.add_routine(Routine(), "one")
    flow.add_routine(Routine(), "two")
    with caplog.at_level(logging.WARNING, "routilux"):
        runtime.exec(flow)
    (record,) = caplog.records
    assert "'lazy'" in record.getMessage()
    assert "'one' has no logic" in record.getMessage()
    assert "'two' has no activation policy" in record.getMessage()


def test_error_handler_is_set_and_returned() -> None:
    flow, handler = Flow(), ErrorHandler("skip")
    assert flow.get_error_handler() is None
    flow.set_error_handler(handler)
    assert flow.get_error_handler() is flow.error_handler is handler
    flow.error_handler = None
    assert flow.get_error_handler() is None


def test_error_handler_must_be_one(flow: Flow) -> None:
    wrong: Any = "retry"
    with pytest.raises(TypeError, match="must be an ErrorHandler or None, not str"):
        flow.set_error_handler(wrong)


def test_running_flow_refuses_every_change(runtime: Runtime, flow: Flow) -> None:
    connection = flow.connect("a", "output", "b", "input")
    runtime.exec(flow)
    runtime.exec(flow)
    changes = [
        lambda: flow.add_routine(Step(), "d"),
        lambda: flow.connect("b", "output", "c", "input"),
        lambda: flow.pipe(Step(), "d"),
        lambda: flow.set_error_handler(None),
        connection.disconnect,
    ]
    for change in changes:
        text = r"^Flow 'f' is running \(2 workers\): its shape can't change; "
        with pytest.raises(RuntimeError, match=text):
            change()
    assert [*flow.routines] == ["a", "b", "c"]
    assert flow.connections == [connection]


def test_running_flow_freezes_its_routines(runtime: Runtime, flow: Flow) -> None:
    runtime.exec(flow)
    with pytest.raises(RuntimeError):
        flow.routines["a"].set_activation_policy(immediate_policy())
    with pytest.raises(RuntimeError):
        flow.routines["a"].add_slot("late")


def test_flow_is_free_again_when_its_last_worker_ended(flow: Flow) -> None:
    with Runtime(thread_pool_size=1) as one:
        one.exec(flow)
        with Runtime(thread_pool_size=1) as two:
            two.exec(flow)
        with pytest.raises(RuntimeError, match=r"\(1 worker\)"):
            flow.connect("a", "output", "b", "input")
    flow.connect("a", "output", "b", "input")
    flow.routines["a"].add_slot("late")


def test_routine_of_two_running_flows_stays_frozen_for_the_second() -> None:
    step, first, second = Step(), Flow(), Flow()
    first.add_routine(step, "a")
    second.add_routine(step, "a")
    with Runtime(thread_pool_size=1) as one:
        one.exec(first)
        with Runtime(thread_pool_size=1) as two:
            two.exec(second)
        with pytest.raises(RuntimeError):
            step.add_slot("late")
    step.add_slot("late")


def test_threads_that_connect_at_once_make_one_connection(flow: Flow) -> None:
    start, made = threading.Barrier(8), []

    def connect() -> None:
        start.wait(10)
        made.append(flow.connect("a", "output", "b", "input"))

    threads = [threading.Thread(target=connect) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(made) == 8
    assert len({id(connection) for connection in made}) == 1
