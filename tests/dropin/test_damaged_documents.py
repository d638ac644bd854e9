"""Documents that are damaged, or name methods: what is not there is named."""

import functools
import json
import re
from types import MethodType

import pytest

from routilux import Flow, Routine, SerializationError, immediate_policy
from routilux.serialization import serialize

ALONE = r"logic of .* can't be named in a document"


def again(routine):
    """Write a routine and read it back, through JSON."""
    return type(routine).deserialize(json.loads(json.dumps(routine.serialize())))


class Private(Routine):
    """Has its logic as a private method, set by the constructor or later."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.set_activation_policy(immediate_policy())
        self.set_logic(self.__work)

    def choose(self):
        self.set_logic(self.__other)

    def __work(self, slot_data, policy_message, worker_state):
        return "work"

    def __other(self, slot_data, policy_message, worker_state):
        return "other"


class Heir(Private):
    """Has the private methods of its base."""

    def choose(self):
        super().choose()

    def work(self, slot_data, policy_message, worker_state):
        return "heir"


class LastHeir(Heir):
    """Uses a method that it overrides."""

    def choose(self):
        self.set_logic(super().work)

    def work(self, slot_data, policy_message, worker_state):
        return "last heir"


@pytest.mark.parametrize("cls", [Private, Heir])
def test_a_private_method_comes_back(cls):
    routine = cls()
    assert again(routine)._logic({}, {}, None) == "work"
    routine.choose()
    assert again(routine)._logic({}, {}, None) == "other"


@pytest.mark.parametrize(
    "choose",
    [
        LastHeir.choose,
        lambda routine: routine.set_logic(MethodType(Private.choose, routine)),
        lambda routine: routine.set_logic(MethodType(plain, routine)),
        lambda routine: routine.set_logic(
            MethodType(functools.partial(plain), routine)
        ),
    ],
)
def test_a_method_that_the_routine_does_not_have_is_an_error(choose):
    routine = LastHeir()
    choose(routine)
    with pytest.raises(SerializationError, match=f"the {ALONE}"):
        routine.serialize()


def plain(routine, slot_data, policy_message, worker_state):
    """Do nothing."""


@pytest.fixture
def document():
    """The document of a flow of one routine, by way of JSON."""
    flow = Flow("doubles")
    flow.add_routine(Private(), "first")
    return json.loads(json.dumps(flow.serialize()))


@pytest.mark.parametrize(
    ("place", "junk", "text"),
    [
        (("routines",), ["first"], "its routines must be an object"),
        (("routines", "first"), None, "routine 'first' .* must be an object"),
        (("routines", "first", "fields"), "x", "routine 'first' .* AttributeError"),
        (("routines", "first", "_slots"), 7, "routine 'first' .* TypeError"),
        (("routines", "first", "timeout"), -1, "routine 'first' .* ValueError"),
        (("routines", "first", "_error_handler"), {"class": "no"}, "routine 'first'"),
    ],
)
def test_a_damaged_part_is_named(document, place, junk, text):
    part = document
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = junk
    with pytest.raises(SerializationError, match="flow 'doubles'") as caught:
        Flow.deserialize(document)
    assert re.search(text, str(caught.value))


def test_a_routine_is_filled_by_a_document_of_its_class_only(document):
    document = document["routines"]["first"]
    made = Private()
    assert made.deserialize(document) is made
    with pytest.raises(SerializationError, match="the document is of Private, not of"):
        Routine().deserialize(document)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"callable_type": "method", "name": "gone"}, "no attribute 'gone'"),
        ({"callable_type": "function", "name": "gone"}, "no attribute 'gone'"),
        ({"callable_type": "constructor"}, "the constructor of Bare sets none"),
        ({"_type": "policy"}, "KeyError"),
    ],
)
def test_a_callable_that_is_not_there_is_named(change, text):
    document = Private().serialize()
    document["class"] = f"{__name__}:Bare"
    document["_activation_policy"] = None
    document["_logic"] |= change
    with pytest.raises(SerializationError, match=f"the logic of .* found: .*{text}"):
        Bare.deserialize(document)


class Bare(Routine):
    """Sets nothing."""


@pytest.mark.parametrize("value", [7, "flow", None, [Flow("x")]])
def test_what_has_no_form_as_a_document_is_named(value):
    with pytest.raises(SerializationError, match="has no form as a document"):
        serialize(value)
