"""Flows, routines and workers as documents, and back."""

import datetime
import json
import pathlib

import pytest

from routilux import (
    ErrorHandler,
    Flow,
    MigrationRegistry,
    Routine,
    SerializationError,
    WorkerState,
    batch_size_policy,
    breakpoint_policy,
    custom_policy,
    immediate_policy,
    pipeline,
    time_interval_policy,
)

WAIT = 20.0


def enough(slots):
    """Say whether three items have come."""
    return slots["input"].get_unconsumed_count() >= 3


def plain_logic(slot_data, policy_message, worker_state):
    """Do nothing."""


def own_policy(slots, worker_state):
    """Take everything."""
    return True, {name: slot.consume_all_new() for name, slot in slots.items()}, None


class Twice(Routine):
    """Has all that a document can hold."""

    def __init__(self):
        super().__init__()
        self.add_slot("input", 7, 0.5, overflow="drop_oldest")
        self.add_event("output", ["value"])
        self.set_activation_policy(immediate_policy())
        self.factor = 2

    def logic(self, slot_data, policy_message, worker_state):
        self.emit("output", value=self.factor * slot_data["input"][0]["value"])


class Nested(Routine):
    """Makes its logic inside of its constructor, as the published documents do."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")

        def process(slot_data, policy_message, worker_state):
            worker_state.update_routine_state("last", {"seen": slot_data["input"][0]})

        self.set_logic(process)
        self.set_activation_policy(lambda slots, worker: own_policy(slots, worker))


class Needy(Routine):
    """Can't be made without an argument."""

    def __init__(self, size):
        super().__init__()


def again(value):
    """Write a value and read it back, through JSON."""
    return json.loads(json.dumps(value))


@pytest.fixture
def flow():
    made = Flow("doubles", execution_timeout=12)
    first = Twice()
    first.set_config(path=pathlib.Path("a") / "b", sizes=(1, 2))
    first.factor = 5
    first.add_serializable_fields(["factor"])
    first.set_error_handler(
        ErrorHandler("retry", 5, 0.5, 3.0, (OSError, ValueError), True)
    )
    made.add_routine(first, "first")
    made.add_routine(Nested(), "last")
    made.connect("first", "output", "last", "input")
    made.set_error_handler(ErrorHandler("skip"))
    return made


# Reading one made plain routines: class, logic and policy were lost.
def test_flow_comes_back_whole_and_runs(runtime, flow):
    document = again(flow.serialize())
    back = Flow.deserialize(document)
    assert back is not flow
    assert (back.flow_id, back.execution_timeout) == ("doubles", 12)
    assert back.error_handler.strategy == "skip"
    first = back.routines["first"]
    assert type(first) is Twice
    assert type(back.routines["last"]) is Nested
    assert first.factor == 5
    assert first.get_all_config() == {"path": pathlib.Path("a/b"), "sizes": (1, 2)}
    slot = first.slots["input"]
    assert (slot.max_queue_length, slot.watermark, slot.overflow) == (
        *(7, 0.5, "drop_oldest"),
    )
    handler = first._error_handler
    assert (handler.strategy, handler.max_retries, handler.is_critical) == (
        *("retry", 5, True),
    )
    assert handler.retryable_exceptions == (OSError, ValueError)
    worker = runtime.exec(back)
    assert runtime.post(back, "first", "input", {"value": 3}).job.wait(WAIT)
    assert worker.get_routine_state("last") == {"seen": {"value": 15}}
    assert again(back.serialize()) | {"routines": None} == document | {"routines": None}


def test_document_has_the_published_keys(flow):
    document = flow.serialize()
    assert (document["_type"], document["version"], document["flow_id"]) == (
        *("Flow", 1, "doubles"),
    )
    assert set(document["routines"]["first"]) >= {
        *("_type", "_id", "_config", "_error_handler", "_slots", "_events"),
        *("_activation_policy", "_logic"),
    }
    assert document["connections"] == [
        {
            "_type": "Connection",
            "_source_routine_id": "first",
            "_source_event_name": "output",
            "_target_routine_id": "last",
            "_target_slot_name": "input",
        }
    ]
    assert flow.connections[0].serialize() == document["connections"][0]


@pytest.mark.parametrize(
    "policy",
    [
        batch_size_policy(3, max_wait=1.5),
        time_interval_policy(2.0),
        custom_policy(enough),
        breakpoint_policy("first"),
    ],
    ids=lambda policy: policy._policy_type,
)
def test_policies_come_back_with_their_numbers(policy):
    routine = Twice()
    routine.set_activation_policy(policy)
    back = Twice.deserialize(again(routine.serialize()))
    assert back._activation_policy._policy_type == policy._policy_type
    assert back._activation_policy._policy_config == policy._policy_config


def test_logic_and_policy_come_back_by_their_names():
    routine = Routine()
    routine.add_slot("input")
    routine.add_event("output")
    routine.set_logic(plain_logic)
    routine.set_activation_policy(own_policy)
    back = Routine.deserialize(again(routine.serialize()))
    assert (back._logic, back._activation_policy) == (plain_logic, own_policy)
    assert (list(back.slots), list(back.events)) == (["input"], ["output"])
    bound = Twice()
    bound.set_logic(bound.logic)
    assert Twice.deserialize(again(bound.serialize()))._logic.__self__ is not bound


def test_what_has_no_name_is_an_error():
    routine = Routine()
    routine.add_slot("input")
    routine.set_logic(lambda slot_data, policy_message, worker_state: None)
    flow = Flow("nameless")
    flow.add_routine(routine, "work")
    with pytest.raises(
        SerializationError, match=r"logic of routine 'work' of flow 'nameless'.*named"
    ):
        flow.serialize()

    class Inside(Routine):
        pass

    with pytest.raises(SerializationError, match=r"class of .* can't be named"):
        Inside().serialize()


def test_class_that_needs_arguments_is_an_error():
    with pytest.raises(SerializationError, match=r"Needy\(\) raised TypeError"):
        Needy(3).serialize()


class Sized(Routine):
    """Says what its constructor needs."""

    def __init__(self, size):
        super().__init__()
        self.add_slot("input", max_queue_length=size)

    def constructor_arguments(self):
        return {"size": self.slots["input"].max_queue_length}


def test_class_may_say_what_its_constructor_needs():
    back = Sized.deserialize(again(Sized(7).serialize()))
    assert back.slots["input"].max_queue_length == 7


def triple(number):
    """Three times the number."""
    return 3 * number


def test_pipeline_of_functions_comes_back(runtime):
    flow = pipeline(int, triple, str, str.upper)
    back = Flow.deserialize(again(flow.serialize()))
    runtime.exec(back)
    assert runtime.post(back, "int", "input", "7").job.result(WAIT) == "21"


def test_value_that_can_not_be_written_is_named():
    routine = Twice()
    routine.set_config(deep={"lock": [1, object()]})
    with pytest.raises(
        SerializationError, match=r"\['deep'\]\['lock'\]\[1\] is .*object"
    ):
        routine.serialize()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"version": 2, "_serialization_version": 2}, "version 2 of a flow"),
        ({"version": 0, "_serialization_version": 0}, "no way from it to version 1"),
        ({"_serialization_version": "1"}, "must be an int"),
        ({"_type": "Routine"}, "is no flow"),
        ({"connections": [{"_source_routine_id": "x"}]}, "KeyError"),
        ({"error_handler": {"strategy": "odd"}}, "error handler of flow"),
    ],
)
def test_wrong_documents_are_refused(flow, change, text):
    with pytest.raises(SerializationError, match=text):
        Flow.deserialize(again(flow.serialize()) | change)


@pytest.mark.parametrize("document", [None, [], "flow", 7])
def test_document_must_be_an_object(document):
    with pytest.raises(SerializationError, match="must be an object"):
        Flow.deserialize(document)


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("no_such_module:Thing", "no module 'no_such_module'"),
        (f"{__name__}:NoSuchThing", "no attribute 'NoSuchThing'"),
        ("math:floor", "is no Routine class"),
        ("builtins:int", "is no Routine class"),
    ],
)
def test_class_that_is_missing_or_wrong_is_named(flow, reference, text):
    document = again(flow.serialize())
    document["routines"]["first"]["class"] = reference
    with pytest.raises(SerializationError, match=text) as caught:
        Flow.deserialize(document)
    assert "routine 'first' of flow 'doubles'" in str(caught.value)


def test_document_without_version_is_read_with_a_warning(flow):
    document = again(flow.serialize())
    del document["version"], document["_serialization_version"]
    with pytest.warns(DeprecationWarning, match="without a version"):
        assert len(Flow.deserialize(document).routines) == 2


# Documents of the published package name no module.
def test_class_is_found_by_its_name_alone(flow):
    document = again(flow.serialize())
    del document["routines"]["first"]["class"], document["routines"]["last"]["class"]
    assert type(Flow.deserialize(document).routines["first"]) is Twice
    document["routines"]["first"]["_type"] = "Nowhere"
    with pytest.raises(SerializationError, match="no such class is imported"):
        Flow.deserialize(document)
    back = Flow.deserialize(document, registry={"Nowhere": Twice})
    assert type(back.routines["first"]) is Twice


def test_unknown_keys_are_refused_if_asked_to(flow):
    document = again(flow.serialize()) | {"colour": "red"}
    assert Flow.deserialize(document).flow_id == "doubles"
    with pytest.raises(SerializationError, match="no key 'colour'"):
        Flow.deserialize(document, strict=True)


def test_empty_flow_is_filled(flow):
    document = again(flow.serialize())
    empty = Flow()
    assert empty.deserialize(document) is empty
    assert (empty.flow_id, len(empty.connections)) == ("doubles", 1)
    with pytest.raises(SerializationError, match="is not empty"):
        empty.deserialize(document)


def test_refused_document_leaves_the_flow_empty(flow):
    document = again(flow.serialize())
    document["routines"]["last"]["class"] = "math:floor"
    empty = Flow("empty")
    with pytest.raises(SerializationError):
        empty.deserialize(document)
    assert (empty.flow_id, dict(empty.routines)) == ("empty", {})


# It was there and nothing called it.
def test_older_documents_are_brought_up_step_by_step(flow):
    def rename(document):
        document["flow_id"] = document.pop("name")
        return document

    document = again(flow.serialize()) | {"version": -1, "_serialization_version": -1}
    document["name"] = document.pop("flow_id")
    MigrationRegistry.register_migration(-1, 0, rename)
    try:
        with pytest.raises(SerializationError, match="version 0"):
            Flow.deserialize(document)
        MigrationRegistry.migration(0, 1)(lambda document: document)
        assert Flow.deserialize(document).flow_id == "doubles"
        assert MigrationRegistry.migrate(document, 0)["flow_id"] == "doubles"
        with pytest.raises(ValueError, match="already"):
            MigrationRegistry.register_migration(0, 1, rename)
        with pytest.raises(ValueError, match="does not lead up"):
            MigrationRegistry.register_migration(1, 1, rename)
    finally:
        MigrationRegistry.clear()


def test_error_handler_goes_there_and_back():
    handler = ErrorHandler("retry", 2, retry_jitter=0.1, max_delay=9.0)
    document = again(handler.serialize())
    back = ErrorHandler.deserialize(document)
    assert again(back.serialize()) == document
    filled = ErrorHandler()
    assert filled.deserialize(document) is filled
    assert (filled.strategy, filled.retry_jitter) == ("retry", 0.1)


def test_worker_is_saved_and_loaded(tmp_path):
    worker = WorkerState("flow", "w1")
    worker.update_routine_state("a", {"n": 1, "when": datetime.date(2024, 5, 1)})
    worker.record_execution("a", "done", {"n": 1})
    worker.increment_jobs_processed(success=False)
    worker.add_deferred_event("a", "output", {"n": 1})
    worker.pending_tasks.append("later")
    worker.save(tmp_path / "worker.json")
    back = WorkerState.load(tmp_path / "worker.json")
    assert (back.worker_id, back.flow_id) == ("w1", "flow")
    assert back.routine_states == worker.routine_states
    assert back.execution_history == worker.execution_history
    assert (back.jobs_processed, back.jobs_failed) == (1, 1)
    assert back.deferred_events == worker.deferred_events
    assert back.pending_tasks == ["later"]
    other = WorkerState()
    assert other.deserialize(worker.serialize()) is other
    assert other.worker_id == "w1"


def test_loaded_worker_is_started(runtime, chain, tmp_path):
    flow = chain(None)
    worker = runtime.exec(flow, "mine")
    worker.update_routine_state("a", {"n": 1})
    assert runtime.post(flow, "a", "input", 1).job.wait(WAIT)
    worker.save(tmp_path / "worker.json")
    worker.cancel()
    back = WorkerState.load(tmp_path / "worker.json")
    runtime.exec(flow, worker_state=back)
    assert (back.worker_id, back.jobs_processed) == ("mine", 1)
    assert back.get_routine_state("a") == {"n": 1}
    with pytest.raises(SerializationError, match="was started"):
        back.deserialize(back.serialize())


def test_file_that_is_no_worker_is_an_error(tmp_path):
    path = tmp_path / "worker.json"
    for text in ('{"_type": "Flow", "version": 1}', '{"version": 1}', "{", "[1]"):
        path.write_text(text)
        with pytest.raises(SerializationError):
            WorkerState.load(path)
    with pytest.raises(FileNotFoundError):
        WorkerState.load(tmp_path / "missing.json")
