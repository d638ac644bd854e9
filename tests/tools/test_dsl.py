"""Flows from and to dicts, YAML and JSON."""

import json
import sys

import pytest
import yaml

from routilux import (
    ConfigurationError,
    Flow,
    Runtime,
)
from routilux.builtin_routines import (
    Filter,
)
from routilux.dsl import parse_spec
from routilux.tools import ObjectFactory, load_flow_from_spec

WAIT = 20.0

TEXT = """
flow_id: doubling
routines:
  check:
    class: filter
    config: {condition: "data['value'] > 0", input_key: null}
  pick:
    class: Mapper
    config: {mappings: {value: value}}
  keep:
    class: routilux_test_parts:Kept
    error_handler: {strategy: retry, max_retries: 2}
connections:
  - {from: check.passed, to: pick.input}
  - pick.output -> keep.input
execution: {timeout: 20}
"""


def run(flow, routine_id, *items, slot="input"):
    """Run a flow on some items and answer its worker."""
    with Runtime(thread_pool_size=2) as runtime:
        worker = runtime.exec(flow)
        for item in items:
            runtime.post(flow, routine_id, slot, item)
        assert runtime.wait_until_all_jobs_finished(WAIT)
    return worker


def test_a_flow_from_yaml_runs():
    flow = Flow.from_yaml(TEXT)
    assert (flow.flow_id, flow.execution_timeout) == ("doubling", 20)
    assert list(flow.routines) == ["check", "pick", "keep"]
    worker = run(flow, "check", {"value": 3}, {"value": -1})
    assert worker.get_routine_state("keep")["got"] == [
        {"mapped_data": {"value": 3}, "fields_mapped": 1}
    ]


def test_a_flow_from_json_and_from_a_dict_is_the_same():
    spec = yaml.safe_load(TEXT)
    flows = [Flow.from_dict(spec), Flow.from_json(json.dumps(spec))]
    assert [flow.to_dict() for flow in flows] == [Flow.from_yaml(TEXT).to_dict()] * 2


def test_what_is_left_out_of_an_error_handler_has_its_default():
    handler = Flow.from_yaml(TEXT).routines["keep"]._error_handler
    assert str(handler.strategy) == "retry"
    assert (handler.max_retries, handler.retry_delay) == (2, 1.0)


def test_null_means_left_out():
    spec = {
        "flow_id": None,
        "routines": {"a": {"class": "filter", "config": None, "error_handler": None}},
        "connections": None,
        "execution": None,
    }
    assert list(Flow.from_dict(spec).routines) == ["a"]


def test_an_error_handler_may_be_its_strategy():
    spec = {"routines": {"a": {"class": "filter"}}, "error_handler": "continue"}
    assert str(Flow.from_dict(spec).error_handler.strategy) == "continue"


def test_a_routine_may_be_its_class():
    flow = Flow.from_dict({"routines": {"a": "filter"}})
    assert type(flow.routines["a"]) is Filter


def test_a_routine_may_be_made_of_functions():
    spec = {
        "routines": {
            "keep": {
                "class": "routilux:Routine",
                "slots": {"input": {"max_queue_length": 5, "overflow": "error"}},
                "events": {"output": ["a"], "other": None},
                "logic": "routilux_test_parts:keep",
                "policy": {"type": "batch_size", "min_batch_size": 2},
                "concurrency": 3,
            }
        }
    }
    flow = Flow.from_dict(spec)
    routine = flow.routines["keep"]
    assert routine.get_slot("input").overflow == "error"
    assert routine.get_event("output").output_params == ["a"]
    assert routine._concurrency == 3
    assert run(flow, "keep", 1, 2).get_routine_state("keep")["got"] == [1, 2]
    assert Flow.from_dict(flow.to_dict()).to_dict() == flow.to_dict()


def test_the_factory_writes_and_reads_with_its_own_names(parts):
    factory = ObjectFactory()
    factory.register("doubler", parts.Doubler)
    flow = Flow("own")
    flow.add_routine(factory.create("doubler"), "double")
    spec = factory.export_flow_to_dsl(flow)
    assert spec["routines"]["double"] == {"class": "doubler"}
    made = factory.load_flow_from_dsl(spec)
    assert type(made.routines["double"]) is parts.Doubler
    assert yaml.safe_load(factory.export_flow_to_dsl(flow, "yaml")) == spec
    assert json.loads(factory.export_flow_to_dsl(flow, format="json")) == spec
    with pytest.raises(ValueError, match=r"'xml'.*|.*'dict'"):
        factory.export_flow_to_dsl(flow, "xml")


def test_without_imports_only_names_of_the_factory_are_allowed():
    assert Flow.from_dict({"routines": {"a": "filter"}}, imports=False)
    with pytest.raises(ConfigurationError, match=r"routines\.keep\.class.*imports"):
        Flow.from_yaml(TEXT, imports=False)


@pytest.mark.parametrize(
    "config",
    [
        {"class": "filter", "config": {"condition": "os:system"}},
        {"class": "mapper", "config": {"mappings": {"x": "os:system"}}},
        {
            "class": "mapper",
            "config": {"mappings": {"x": {"path": "y", "transform": "os:system"}}},
        },
        {"class": "retry_handler", "config": {"operation": "os:system"}},
        {"class": "retry_handler", "config": {"on_retry": "os:system"}},
        {"class": "retry_handler", "config": {"retryable_exceptions": "os:error"}},
        {"class": "aggregator", "config": {"merge_strategy": "os:system"}},
        {"class": "schema_validator", "config": {"schema": "os:system"}},
        {
            "class": "schema_validator",
            "config": {"custom_validators": {"x": "os:system"}},
        },
        {"class": "filter", "policy": "os:system"},
        {"class": "filter", "policy": {"type": "custom", "check": "os:system"}},
        {"class": "filter", "logic": "os:system"},
        {"class": "filter", "error_handler": {"retryable_exceptions": ["os:error"]}},
    ],
    ids=repr,
)
def test_without_imports_no_reference_anywhere_is_followed(config):
    spec = {"routines": {"a": config}}
    assert load_flow_from_spec(spec)
    with pytest.raises(ConfigurationError, match=r"routines\.a.*imports"):
        load_flow_from_spec(spec, imports=False)


def test_the_old_name_of_the_loader_warns():
    with pytest.warns(DeprecationWarning, match="load_flow_from_spec"):
        flow = parse_spec({"routines": {"a": "filter"}})
    assert list(flow.routines) == ["a"]


@pytest.mark.parametrize("text", ["", "   ", "# nothing\n"])
def test_empty_yaml_is_a_value_error(text):
    with pytest.raises(ValueError, match="empty"):
        Flow.from_yaml(text)


def test_yaml_makes_no_objects():
    with pytest.raises(ConfigurationError, match="YAML"):
        Flow.from_yaml("routines: !!python/object/apply:os.getcwd []")


def test_yaml_without_its_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ConfigurationError, match=r"routilux\[yaml\]"):
        Flow.from_yaml("routines: {}")
    assert Flow.from_json('{"routines": {}}')


def part(**spec):
    return {"routines": {"a": {"class": "filter", **spec}}}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("flow.yaml", ["text", "flow.yaml", "path"]),
        ([], ["the flow", "mapping"]),
        ({"routine": {}}, ["'routine'", "routines"]),
        ({"flow_id": 3, "routines": {}}, ["flow_id"]),
        ({"routines": []}, ["routines", "mapping"]),
        ({"routines": {3: "filter"}}, ["routines.3", "name"]),
        ({"routines": {"a": {}}}, ["routines.a", "'class'"]),
        ({"routines": {"a": {"class": 3}}}, ["routines.a.class", "3"]),
        ({"routines": {"a": "fliter"}}, ["routines.a.class", "fliter", "filter"]),
        ({"routines": {"a": "no.such:Thing"}}, ["routines.a.class", "no.such:Thing"]),
        ({"routines": {"a": "routilux_test_parts:Nope"}}, ["routines.a.class", "Nope"]),
        (
            {"routines": {"a": "routilux_test_parts:NOT_A_CLASS"}},
            ["routines.a.class", "neither a class of routines"],
        ),
        (part(confg={}), ["routines.a", "confg", "config"]),
        (part(config=[]), ["routines.a.config", "mapping"]),
        (part(config={"invert": 3}), ["routines.a.config", "'invert'"]),
        (part(policy="imediate"), ["routines.a.policy", "imediate", "immediate"]),
        (part(policy={"type": "batch_size"}), ["routines.a.policy", "min_batch_size"]),
        (part(policy={"type": "immediate", "n": 1}), ["routines.a.policy", "'n'"]),
        (part(policy={"type": ["immediate"]}), ["routines.a.policy", "immediate"]),
        (
            part(policy="routilux:immediate_policy"),
            ["routines.a.policy", "makes policies"],
        ),
        (part(policy="math:pi"), ["routines.a.policy", "callable"]),
        (part(config={True: 1}), ["routines.a.config", "True", "quote"]),
        (
            part(policy={"type": "batch_size", "min_batch_size": 0}),
            ["routines.a.policy", "min_batch_size"],
        ),
        (part(logic="keep"), ["routines.a.logic", "module:name"]),
        (part(logic="routilux_test_parts:NOT_A_CLASS"), ["routines.a.logic"]),
        (part(error_handler="retri"), ["routines.a.error_handler", "retri", "retry"]),
        (
            part(error_handler={"strategy": "retry", "max_retry": 3}),
            ["routines.a.error_handler", "max_retry", "max_retries"],
        ),
        (
            part(error_handler={"retryable_exceptions": ["Nope"]}),
            ["routines.a.error_handler.retryable_exceptions", "Nope"],
        ),
        (part(concurrency=0), ["routines.a.concurrency"]),
        (part(timeout=0), ["routines.a.timeout", "more than 0"]),
        (part() | {"dead_letter": "a"}, ["dead_letter must be 'routine.slot'"]),
        (part() | {"dead_letter": "b.input"}, ["dead_letter", "'b' not found"]),
        (part(slots={"x": {"size": 3}}), ["routines.a.slots.x", "'size'"]),
        (part(slots=["input"]), ["routines.a.slots.input", "already"]),
        (part(slots="x"), ["routines.a.slots"]),
        (part(slots=[{"x": {}}]), ["each name in routines.a.slots", "{'x': {}}"]),
        (part(events=[{"x": []}]), ["each name in routines.a.events", "{'x': []}"]),
        (part(events={"x": "y"}), ["routines.a.events.x", "list"]),
        ({"execution": {"timeout": -1}}, ["execution.timeout", "-1"]),
        ({"execution": {"time": 1}}, ["execution", "'time'", "timeout"]),
        ({"connections": {}}, ["connections", "list"]),
        ({"connections": [3]}, ["connections[0]"]),
        ({"connections": [{"from": "a.b"}]}, ["connections[0].to"]),
        ({"connections": [{"from": "a", "to": "b.c"}]}, ["connections[0].from", "'a'"]),
        (
            {**part(), "connections": ["a.passd -> a.input"]},
            ["connections[0]", "passd", "passed"],
        ),
        (
            {**part(), "connections": ["b.passed -> a.input"]},
            ["connections[0]", "'b'"],
        ),
    ],
    ids=repr,
)
def test_what_is_wrong_is_named_with_its_place(spec, words):
    with pytest.raises(ConfigurationError) as caught:
        load_flow_from_spec(spec)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("key", ["where", "call", "name"])
def test_a_key_of_a_configuration_may_have_any_name(key):
    part = {"class": "routilux:Routine", "config": {key: "x > 1"}}
    made = Flow.from_dict({"routines": {"a": part}})
    assert made.routines["a"].get_config(key) == "x > 1"


def test_a_name_that_two_routines_could_mean_is_refused():
    spec = {
        "routines": {
            "a": {"class": "routilux:Routine", "events": ["b.c"]},
            "a.b": {"class": "routilux:Routine", "events": ["c"]},
            "sink": "filter",
        },
        "connections": ["a.b.c -> sink.input"],
    }
    with pytest.raises(ConfigurationError, match=r"connections\[0\]\.from.*'a\.b\.c'"):
        Flow.from_dict(spec)


def test_what_a_module_of_a_class_imports_in_vain_is_not_hidden(monkeypatch, tmp_path):
    (tmp_path / "routilux_test_broken.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        load_flow_from_spec({"routines": {"a": "routilux_test_broken:X"}})


def test_yaml_may_merge_mappings():
    flow = Flow.from_yaml("""
        routines:
          a: &base {class: filter, config: {invert: true}}
          b: {<<: *base, timeout: 3}
    """)
    configs = [routine.config()["invert"] for routine in flow.routines.values()]
    assert configs == [True, True]
    assert flow.to_dict()["routines"]["b"]["timeout"] == 3


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"a": 1, "a": 2}', "the flow"),
        ('{"x": [1, {"y": 2}], "routines": {"b": {"c": 1, "c": 2}}}', r"routines\.b"),
        ('{"x": [{"y": 2}, {"c": 1, "c": 2}]}', r"x\.1"),
    ],
)
def test_a_key_that_is_there_twice_is_named_with_its_place(text, place):
    with pytest.raises(ConfigurationError, match=f"^{place} has the key '.' twice"):
        Flow.from_json(text)
