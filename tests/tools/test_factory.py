"""ObjectFactory and clones."""

import pytest

from routilux import (
    ConfigurationError,
    ErrorHandler,
    Flow,
    FunctionRoutine,
    Routine,
    Runtime,
    batch_size_policy,
    immediate_policy,
)
from routilux.builtin_routines import (
    Batcher,
    Filter,
    Mapper,
    RetryHandler,
    register_all_builtins,
)
from routilux.tools import ObjectFactory, ObjectMetadata, clone_flow, clone_routine
from routilux.tools.factory import ObjectFactory as SameFactory

BUILTINS = 12


class Reader(Routine):
    """Reads lines.

    From a file.
    """

    def __init__(self):
        super().__init__()
        self.add_slot("trigger")
        self.add_event("line", ["text"])
        self.set_activation_policy(immediate_policy())
        self.set_config(path="none")

    def logic(self, slot_data, policy_message, worker_state):
        self.emit("line", text=self.get_config("path"))


class OldStyle(Routine):
    """Declares what it has in setup()."""

    def setup(self):
        self.add_slot("input")
        self.add_event("output")
        self.set_activation_policy(immediate_policy())
        self.set_logic(self.run)

    def run(self, slot_data, policy_message, worker_state):
        self.emit("output", id=id(self))


class Picky(Routine):
    def __init__(self, size):
        super().__init__()


@pytest.fixture
def factory():
    return ObjectFactory()


def test_the_global_factory_has_the_builtin_routines():
    names = [row["name"] for row in ObjectFactory.get_instance().list_available()]
    assert {"mapper", "filter", "data_transformer", "data_validator"} <= set(names)
    assert ObjectFactory.get_instance() is ObjectFactory.get_instance()
    assert SameFactory is ObjectFactory


def test_register_all_builtins_enters_twelve_names_once(factory):
    register_all_builtins(factory)
    register_all_builtins(factory)
    assert len(factory.list_available()) == BUILTINS
    assert type(factory.create("data_transformer")) is Mapper


def test_create_makes_a_new_object_of_a_class(factory):
    factory.register("reader", Reader)
    first = factory.create("reader", config={"path": "a"})
    second = factory.create("reader")
    assert first is not second
    assert (first.get_config("path"), second.get_config("path")) == ("a", "none")


def test_create_clones_an_object(factory):
    prototype = Batcher()
    prototype.set_config(batch_size=7)
    factory.register("sevens", prototype)
    made = factory.create("sevens", {"batch_timeout": None})
    assert made is not prototype
    assert made.get_config("batch_size") == 7
    assert made.get_config("batch_timeout") is None
    assert prototype.get_config("batch_timeout") == 5.0


def test_create_can_override_policy_and_logic(factory):
    factory.register("reader", Reader)
    policy = batch_size_policy(3)

    def logic(slot_data, policy_message, worker_state):
        pass

    made = factory.create("reader", override_policy=policy, override_logic=logic)
    assert (made._activation_policy, made._logic) == (policy, logic)


def test_create_calls_setup(factory):
    factory.register("old", OldStyle)
    assert list(factory.create("old").slots) == ["input"]


def test_a_hand_made_routine_is_set_up_when_it_joins_a_flow():
    got = []
    flow = Flow()
    routine = OldStyle()
    flow.add_routine(routine, "old")
    listener = Mapper()
    listener.set_config(mappings={"x": got.append}, input_key=None)
    flow.add_routine(listener, "listener")
    flow.connect("old", "output", "listener", "input")
    with Runtime(thread_pool_size=2) as runtime:
        runtime.exec(flow)
        runtime.post(flow.flow_id, "old", "input", 1)
    assert got == [{"id": id(routine)}]


def test_names_may_be_written_in_camel_case(factory):
    register_all_builtins(factory)
    assert type(factory.create("RetryHandler")) is RetryHandler


def test_flows_can_be_registered_too(factory):
    flow = Flow("prototype")
    flow.add_routine(Reader(), "reader")
    factory.register("reading", flow)
    factory.register("empty", Flow)
    made = factory.create("reading")
    assert made is not flow and list(made.routines) == ["reader"]
    assert isinstance(factory.create("empty"), Flow)
    assert [row["name"] for row in factory.list_available(object_type="flow")] == [
        "empty",
        "reading",
    ]
    with pytest.raises(ValueError, match="'reading' is a flow"):
        factory.create("reading", config={"a": 1})


def test_a_name_can_be_taken_only_once(factory):
    factory.register("reader", Reader)
    with pytest.raises(ValueError, match="'reader' is already registered"):
        factory.register("reader", Filter)


def test_an_unknown_name_is_a_value_error_with_near_names(factory):
    factory.register("reader", Reader)
    with pytest.raises(ValueError, match=r"'raeder'.*reader"):
        factory.create("raeder")


@pytest.mark.parametrize("wrong", [3, str, "Reader", None, lambda: None])
def test_only_routines_and_flows_can_be_registered(factory, wrong):
    with pytest.raises(TypeError, match="'x'"):
        factory.register("x", wrong)


@pytest.mark.parametrize(("name", "error"), [("", ValueError), (3, TypeError)])
def test_a_name_is_a_text(factory, name, error):
    with pytest.raises(error, match="name"):
        factory.register(name, Reader)


def test_a_class_whose_constructor_wants_arguments_says_so(factory):
    factory.register("picky", Picky)
    with pytest.raises(TypeError, match=r"Picky\(\).*set_config"):
        factory.create("picky")


def test_a_wrong_config_is_refused(factory):
    register_all_builtins(factory)
    with pytest.raises(ConfigurationError, match="'batch_size'"):
        factory.create("batcher", {"batch_size": 0})


def test_list_available_tells_about_entries(factory):
    factory.register("reader", Reader, metadata={"category": "io", "tags": ["file"]})
    factory.register("other", Reader, description="Another one.")
    assert factory.list_available(category="io") == [
        {
            "name": "reader",
            "type": "Reader",
            "object_type": "routine",
            "description": "Reads lines.",
            "category": "io",
            "tags": ["file"],
            "example_config": {},
            "version": "1.0.0",
        }
    ]
    assert factory.get_metadata("other").description == "Another one."
    assert factory.get_metadata("none") is None


def test_list_available_refuses_an_unknown_object_type(factory):
    with pytest.raises(ValueError, match="object_type"):
        factory.list_available(object_type="worker")


def test_metadata_may_be_an_object(factory):
    metadata = ObjectMetadata("reader", "Reads.", "io", ["a"], {"path": "x"}, "2.0")
    factory.register("reader", Reader, metadata=metadata)
    assert factory.get_metadata("reader").version == "2.0"
    assert "From a file." in factory.get_metadata("reader").docstring


def test_unregister_and_clear(factory):
    factory.register("reader", Reader)
    assert factory.unregister("reader") is True
    assert factory.unregister("reader") is False
    factory.register("reader", Reader)
    factory.clear()
    assert factory.list_available() == []


def test_get_factory_name_finds_the_entry(factory):
    register_all_builtins(factory)
    sevens = Batcher()
    sevens.set_config(batch_size=7)
    factory.register("sevens", sevens)
    assert factory.get_factory_name(Batcher()) == "batcher"
    assert factory.get_factory_name(factory.create("sevens")) == "sevens"
    assert factory.get_factory_name(factory.create("data_validator")) == (
        "data_validator"
    )
    assert factory.get_factory_name(Reader()) is None


def test_a_clone_of_a_routine_shares_nothing_that_changes():
    original = Reader()
    original.set_config(path="a", options={"x": [1]})
    original.add_slot("extra", 5, overflow="error")
    original.add_event("more", ["a"])
    original.set_activation_policy(batch_size_policy(3))
    original.set_error_handler(ErrorHandler("skip"))
    original.set_concurrency(4, key="user_id").set_timeout(9)
    made = clone_routine(original)
    assert made._concurrency_key == "user_id"
    assert made.config() == original.config()
    assert made.get_config("options") is not original.get_config("options")
    assert made.get_slot("extra").max_queue_length == 5
    assert made.get_slot("extra").overflow == "error"
    assert made.get_event("more").output_params == ["a"]
    assert made._activation_policy is original._activation_policy
    assert str(made._error_handler.strategy) == "skip"
    assert made._concurrency == 4
    assert made._timeout == 9


def test_a_method_as_logic_is_the_method_of_the_clone():
    original = OldStyle()
    original.setup()
    made = clone_routine(original)
    assert made._logic.__self__ is made


def test_a_clone_of_a_builtin_goes_by_its_configuration():
    original = Batcher()
    original.set_config(batch_size=7)
    made = clone_routine(original)
    made.set_config(batch_size=9)
    assert made._activation_policy.batch_size == 9
    assert original._activation_policy.batch_size == 7


def test_a_clone_of_a_retry_handler_keeps_its_error_handler():
    original = RetryHandler()
    original.set_error_handler(ErrorHandler("continue"))
    assert str(clone_routine(original)._retries.fallback.strategy) == "continue"


def test_a_clone_of_a_plain_function_runs_the_same_function():
    original = FunctionRoutine(len, max_queue_length=7)
    made = clone_routine(original)
    assert (made._logic, made.get_slot("input").max_queue_length) == (len, 7)


def test_a_clone_of_a_flow_runs_beside_the_original():
    flow = Flow("original")
    flow.add_routine(Filter().set_condition({"x": 1}), "first")
    flow.add_routine(Mapper().add_mapping("y", "x"), "second")
    flow.connect("first", "passed", "second", "input")
    flow.set_error_handler(ErrorHandler("continue"))
    with Runtime(thread_pool_size=1) as runtime:
        runtime.exec(flow)
        made = clone_flow(flow, "copy")
        runtime.exec(made)
        assert runtime.post("copy", "first", "input", {"x": 1}).wait(20)
    assert [c.key for c in made.connections] == [c.key for c in flow.connections]
    assert made.routines["first"] is not flow.routines["first"]
    assert made.error_handler is flow.error_handler


@pytest.mark.parametrize(
    ("clone", "word"), [(clone_routine, "Routine"), (clone_flow, "Flow")]
)
def test_only_routines_and_flows_have_clones(clone, word):
    with pytest.raises(TypeError, match=word):
        clone(3)
