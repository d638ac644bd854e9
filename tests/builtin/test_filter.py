"""Filter, and the conditions that it shares with ConditionalRouter."""

import dataclasses

import numpy
import pytest

from routilux import ConfigurationError
from routilux.builtin_routines import Filter


def adult(data):
    return data["age"] >= 18


@dataclasses.dataclass
class Person:
    age: int


def configured(**config):
    routine = Filter()
    routine.set_config(**config)
    return routine


RULES = [
    adult,
    "data['age'] >= 18",
    "data.age >= 18 and True",
    {"age": {"gte": 18}},
    {"age": {">=": 18, "lt": 100}},
    {"age": {"$gte": 18}},
    [("age", ">=", 18)],
    ("age", "ge", 18),
    [{"age": {"gt": 17}}, "data['age'] < 100", lambda data: True],
]


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_items_that_meet_the_condition_pass_and_the_others_are_rejected(bench, rule):
    bench = bench(configured(condition=rule))
    jobs = bench.run({"age": 20}, {"age": 5}, {"age": 18})
    assert bench.got("passed") == [{"data": {"age": 20}}, {"data": {"age": 18}}]
    assert [item["data"] for item in bench.got("rejected")] == [{"age": 5}]
    assert {job.status for job in jobs} == {"completed"}


def test_without_a_condition_everything_passes(bench):
    bench = bench(Filter())
    bench.run(1, None, {"x": 2})
    assert [item["data"] for item in bench.got("passed")] == [1, None, {"x": 2}]


def test_invert_turns_the_condition_round(bench):
    bench = bench(configured(condition=adult, invert=True))
    bench.run({"age": 20}, {"age": 5})
    assert [item["data"]["age"] for item in bench.got("passed")] == [5]
    assert [item["data"]["age"] for item in bench.got("rejected")] == [20]


def test_reason_names_the_condition(bench):
    bench = bench(configured(condition={"age": {"gte": 18}}))
    bench.run({"age": 5})
    assert bench.got("rejected") == [
        {"data": {"age": 5}, "reason": "condition not met: age gte 18"}
    ]


def test_reason_can_be_left_out(bench):
    bench = bench(configured(condition=adult, include_reason=False))
    bench.run({"age": 5})
    assert bench.got("rejected") == [{"data": {"age": 5}}]


def test_events_can_have_other_names(bench):
    routine = configured(condition=adult, pass_event="adult", reject_event="minor")
    bench = bench(routine)
    bench.run({"age": 20}, {"age": 5})
    assert [item["data"]["age"] for item in bench.got("adult")] == [20]
    assert [item["data"]["age"] for item in bench.got("minor")] == [5]
    assert bench.got("passed") == bench.got("rejected") == []


def test_set_condition_and_set_callable_return_the_routine():
    routine = Filter()
    assert routine.set_condition({"a": 1}) is routine
    assert routine.set_callable(adult) is routine
    assert routine.get_config("condition") is adult


def test_set_callable_wants_a_callable():
    with pytest.raises(TypeError, match="callable"):
        Filter().set_callable("data")


def test_condition_may_be_a_reference(bench):
    bench = bench(configured(condition="operator:truth"))
    bench.run(0, 1)
    assert [item["data"] for item in bench.got("passed")] == [1]


def test_other_keys_are_constants_for_expressions(bench):
    bench = bench(configured(condition="data['age'] >= config['limit']", limit=21))
    bench.run({"age": 20}, {"age": 21})
    assert [item["data"]["age"] for item in bench.got("passed")] == [21]


def test_callable_may_take_the_config_as_well(bench):
    routine = configured(condition=lambda item, config: item > config["limit"], limit=3)
    bench = bench(routine)
    bench.run(3, 4)
    assert [item["data"] for item in bench.got("passed")] == [4]


@pytest.mark.parametrize("rule", [bool, max])
def test_callable_that_tells_no_parameters_gets_the_data(bench, rule):
    bench = bench(configured(condition=rule))
    bench.run([0, 5], [0, 7])
    assert [item["data"] for item in bench.got("passed")] == [[0, 5], [0, 7]]


def test_several_workers_filter_apart(bench):
    bench = bench(configured(condition=lambda n: n % 2 == 0), workers=3)
    for worker in range(3):
        for n in range(50):
            bench.post(100 * worker + n, worker=worker)
    bench.finish()
    for worker in range(3):
        passed = [item["data"] for item in bench.got("passed", worker)]
        assert passed == [100 * worker + n for n in range(0, 50, 2)]


@pytest.mark.parametrize(
    ("field", "word", "wanted", "value", "held"),
    [
        ("x", "eq", 1, {"x": 1}, True),
        ("x", "ne", 1, {"x": 1}, False),
        ("x", "ne", 1, {}, True),
        ("x", "not_in", [1], {}, True),
        ("x", "eq", 1, {}, False),
        ("x", "lt", 1, {"x": "a"}, False),
        ("x", "eq", 1, {"x": numpy.array([1, 2])}, False),
        ("x", "ne", 1, {"x": numpy.array([1, 2])}, False),
        ("x", "in", [1, 2], {"x": 2}, True),
        ("x", "not_in", [1, 2], {"x": 3}, True),
        ("x", "contains", "b", {"x": "abc"}, True),
        ("x", "startswith", "a", {"x": "abc"}, True),
        ("x", "ends_with", "c", {"x": "abc"}, True),
        ("x", "regex", "^a.c$", {"x": "abc"}, True),
        ("x", "matches", "^b", {"x": "abc"}, False),
        ("x", "exists", True, {"x": None}, True),
        ("x", "exists", True, {}, False),
        ("x", "exists", False, {}, True),
        ("x", "type", "int", {"x": 1}, True),
        ("x.y[0].z", "eq", 1, {"x": {"y": [{"z": 1}]}}, True),
        ("x.y", "eq", 1, {"x.y": 1}, True),
        ("age", "gt", 1, Person(2), True),
        ("0", "eq", "a", ["a"], True),
    ],
)
def test_comparisons(bench, field, word, wanted, value, held):
    bench = bench(configured(condition={field: {word: wanted}}, input_key=None))
    bench.run(value)
    assert [len(bench.got(event)) for event in ("passed", "rejected")] == [
        held,
        not held,
    ]


@pytest.mark.parametrize("key", ["x", 5, None])
def test_a_dict_that_is_no_comparison_is_compared_as_a_value(bench, key):
    bench = bench(configured(condition={"at": {key: 1}}))
    bench.run({"at": {key: 1}}, {"at": {key: 2}})
    assert len(bench.got("passed")) == 1


def test_a_condition_that_raises_fails_the_job(bench):
    bench = bench(configured(condition="data['age'] > 3"))
    [job] = bench.run({"name": "x"})
    assert job.status == "failed"
    assert "data['age'] > 3" in str(job.error) and "KeyError" in str(job.error)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"condition": 3}, ["condition", "3"]),
        ({"condition": "data["}, ["condition", "parsed"]),
        ({"condition": "dta > 3"}, ["dta", "data"]),
        ({"condition": "stats['total'] > 3"}, ["stats", "data", "config"]),
        ({"condition": [{"x": 1}, "stats['total'] > 3"]}, ["[1]", "stats"]),
        ({"condition": {"x": {"type": int}}}, ["x", "type", "class"]),
        ({"condition": {}}, ["condition", "empty"]),
        ({"condition": []}, ["condition", "empty"]),
        ({"condition": {"x": {"gt": 1, "foo": 2}}}, ["foo", "gt"]),
        ({"condition": {"x": {"matches": "("}}}, ["x", "regular expression"]),
        ({"condition": {3: 4}}, ["condition", "3"]),
        ({"condition": {"x": {"exists": 1}}}, ["exists", "True or False"]),
        ({"condition": "no_such_module:f"}, ["condition", "no_such_module"]),
        ({"condition": "math:pi"}, ["condition", "callable"]),
        ({"invert": "yes"}, ["invert", "True or False"]),
        ({"pass_event": ""}, ["pass_event", "non-empty"]),
        ({"conditoin": "x"}, ["conditoin", "condition"]),
        ({"input_key": 3}, ["input_key", "auto"]),
    ],
    ids=repr,
)
def test_wrong_configuration_names_the_key_and_what_is_valid(config, words):
    routine = Filter()
    before = routine.config()
    with pytest.raises(ConfigurationError) as caught:
        routine.set_config(**{"invert": True, **config})
    assert all(word in str(caught.value) for word in words)
    assert routine.config() == before
