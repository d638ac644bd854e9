"""What a flow has that YAML and JSON have no word for: as plain data, or refused."""

import enum

import numpy as np
import pytest
import yaml

from routilux import ConfigurationError, ErrorHandler, Flow, Routine
from routilux.tools import clone_routine

FORMS = ["to_dict", "to_json", "to_yaml"]


class Colour(str, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Name(str):
    __slots__ = ()


def flow_with(**config):
    routine = Routine()
    routine.set_config(**config)
    flow = Flow("plain")
    flow.add_routine(routine, "one")
    return flow


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Colour.RED, "red"),
        (Level.LOW, 1),
        ([Level.LOW, {"of": Colour.RED}], [1, {"of": "red"}]),
        ({Colour.RED: 1}, {"red": 1}),
        (Name("Ada"), "Ada"),
        ({"b", "a"}, ["a", "b"]),
        (np.float64(1.5), 1.5),
    ],
    ids=repr,
)
def test_a_value_is_written_as_the_plain_value_that_it_is(value, plain):
    flow = flow_with(value=value)
    for made in (
        Flow.from_yaml(flow.to_yaml()),
        Flow.from_json(flow.to_json()),
        Flow.from_dict(flow.to_dict()),
    ):
        assert made.routines["one"].config() == {"value": plain}
    assert yaml.safe_load(flow.to_yaml()) == flow.to_dict()


def test_ids_are_written_as_plain_names():
    flow = Flow(Colour.RED)
    flow.add_routine(Routine(), Name("one"))
    assert yaml.safe_load(flow.to_yaml()) == flow.to_dict()


class Weighted(Routine):
    """Has an array in its configuration, and an error handler."""

    def __init__(self):
        super().__init__()
        self.set_config(weights=np.arange(3))
        self.set_error_handler(ErrorHandler("skip"))


def test_configuration_of_the_class_itself_may_be_of_any_kind():
    flow = Flow("weighted")
    flow.add_routine(Weighted(), "one")
    assert "config" not in flow.to_dict()["routines"]["one"]
    made = clone_routine(flow.routines["one"])
    assert made.get_config("weights").tolist() == [0, 1, 2]
    assert made.get_config("weights") is not flow.routines["one"].get_config("weights")
    made.set_config(weights=np.arange(4))
    other = Flow("other")
    other.add_routine(made, "one")
    with pytest.raises(ConfigurationError, match=r"one\.config\.weights"):
        other.to_dict()


def test_an_error_handler_that_was_taken_away_does_not_come_back():
    routine = Weighted().set_error_handler(None)
    assert clone_routine(routine).get_error_handler() is None
    flow = Flow("stops")
    flow.add_routine(routine, "one")
    with pytest.raises(ConfigurationError, match=r"one\.error_handler"):
        flow.to_dict()


@pytest.mark.parametrize("form", FORMS)
def test_a_value_that_holds_itself_is_named(form):
    items = [1]
    items.append({"again": items})
    with pytest.raises(ConfigurationError, match=r"one\.config\.value.*itself"):
        getattr(flow_with(value=items), form)()


def test_a_value_may_be_there_twice():
    items = [1]
    written = flow_with(value=[items, items]).to_dict()
    assert written["routines"]["one"]["config"] == {"value": [[1], [1]]}
    assert Flow.from_yaml(flow_with(value=[items, items]).to_yaml())


def dotted(routine_id="a"):
    """Answer a flow whose names have dots."""
    flow = Flow("dots")
    source, target = Routine(), Routine()
    source.add_event("x.y")
    target.add_slot("in.put")
    flow.add_routine(source, routine_id)
    flow.add_routine(target, "b.c")
    flow.connect(routine_id, "x.y", "b.c", "in.put")
    flow.set_dead_letter("b.c", "in.put")
    return flow


@pytest.mark.parametrize("routine_id", ["a", "a.b"])
def test_names_with_dots_are_read_as_they_were_written(routine_id):
    flow = dotted(routine_id)
    made = Flow.from_dict(flow.to_dict())
    assert [c.key for c in made.connections] == [c.key for c in flow.connections]
    assert made.dead_letter == ("b.c", "in.put")


def test_names_that_can_be_read_in_two_ways_can_not_be_written_down():
    flow = dotted()
    other = Routine()
    other.add_event("y")
    flow.add_routine(other, "a.x")
    with pytest.raises(ConfigurationError, match=r"connections\[0\]\.from.*'a\.x\.y'"):
        flow.to_dict()
