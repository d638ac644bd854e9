"""Slots of a routine in flow files and clones: every option of them."""

import numpy as np
import pytest

from routilux import ConfigurationError, ErrorHandler, Flow, Routine, immediate_policy
from routilux.tools import clone_flow, clone_routine

OPTIONS = {"max_queue_length": 7, "watermark": 0.5, "overflow": "drop_oldest"}
ORDER = [("price", "<f8"), ("size", "<i4", (2,)), ("at", [("x", "<f4")])]


def facts(slot):
    """Answer all that a slot was declared with."""
    names = (*OPTIONS, "timestamps", "dtype", "shape")
    return {name: getattr(slot, name) for name in names}


def flow_with(**options):
    routine = Routine()
    routine.add_slot("more", **options)
    flow = Flow("slots")
    flow.add_routine(routine, "one")
    return flow


class Declares(Routine):
    """Declares a slot, unless somebody else did."""

    def setup(self):
        self.add_slot("input")
        self.add_event("output", ["value"])
        self.set_activation_policy(immediate_policy())


@pytest.mark.parametrize(
    "options",
    [
        {**OPTIONS, "timestamps": True},
        {"dtype": "float64"},
        {"dtype": "int32", "shape": (2, 3)},
        {"dtype": "datetime64[ms]"},
        {"dtype": np.dtype(ORDER)},
        {"dtype": np.dtype([("a", "i1"), ("b", "f8")], align=True), "shape": 2},
    ],
    ids=repr,
)
def test_a_slot_is_the_same_after_a_flow_file_and_in_a_clone(options):
    flow = flow_with(**options)
    wanted = facts(flow.routines["one"].get_slot("more"))
    for made in (
        Flow.from_yaml(flow.to_yaml()),
        Flow.from_json(flow.to_json()),
        Flow.from_dict(flow.to_dict()),
        clone_flow(flow),
    ):
        assert facts(made.routines["one"].get_slot("more")) == wanted
    assert Flow.from_dict(flow.to_dict()).to_dict() == flow.to_dict()


def test_a_file_may_name_a_dtype_as_programs_do():
    slots = {
        "prices": {"dtype": "float64", "shape": 2},
        "orders": {"dtype": [["price", "f8"], ["size", "i4", 2]]},
    }
    spec = {"routines": {"a": {"class": "routilux:Routine", "slots": slots}}}
    routine = Flow.from_dict(spec).routines["a"]
    assert routine.get_slot("prices").dtype == np.dtype("f8")
    assert routine.get_slot("prices").shape == (2,)
    wanted = np.dtype([("price", "f8"), ("size", "i4", (2,))])
    assert routine.get_slot("orders").dtype == wanted


@pytest.mark.parametrize(
    "options",
    [{"dtype": "flot64"}, {"dtype": 3}, {"dtype": [3]}, {"dtype": "O"}, {"shape": 2}],
    ids=repr,
)
def test_a_wrong_dtype_is_named_with_its_place(options):
    part = {"class": "routilux:Routine", "slots": {"more": options}}
    with pytest.raises(ConfigurationError, match=r"routines\.a\.slots\.more"):
        Flow.from_dict({"routines": {"a": part}})


def test_a_clone_has_the_slots_that_were_declared_before_setup():
    original = Declares()
    original.add_slot("input", 5, overflow="error", dtype="f8")
    made = clone_routine(original)
    assert facts(made.get_slot("input")) == facts(original.get_slot("input"))


@pytest.mark.parametrize(
    ("declare", "place"),
    [
        (lambda r: r.add_slot("input", overflow="error"), r"one\.slots\.input"),
        (lambda r: r.add_event("output", ["other"]), r"one\.events\.output"),
    ],
)
def test_another_form_of_what_the_class_declares_can_not_be_written(declare, place):
    flow = Flow("other")
    routine = Declares()
    declare(routine)
    flow.add_routine(routine, "one")
    with pytest.raises(ConfigurationError, match=place):
        flow.to_dict()


class Forgiving(ErrorHandler):
    """Decides by a rule of its own."""


def test_an_error_handler_of_another_class_can_not_be_written_down():
    flow = Flow("handled")
    flow.add_routine(Routine().set_error_handler(Forgiving()), "one")
    with pytest.raises(ConfigurationError, match=r"one\.error_handler.*Forgiving"):
        flow.to_dict()
    other = Flow("handled")
    other.set_error_handler(Forgiving())
    with pytest.raises(ConfigurationError, match=r"error_handler.*Forgiving"):
        other.to_dict()
