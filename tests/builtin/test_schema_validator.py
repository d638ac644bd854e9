"""SchemaValidator."""

import sys

import pydantic
import pytest

from routilux import ConfigurationError, Flow
from routilux.builtin_routines import DataValidator, SchemaValidator


class User(pydantic.BaseModel):
    name: str
    age: int


class Unknown:
    """Of a kind that pydantic knows nothing about."""


SCHEMA = {
    "type": "object",
    "required": ["name", "age"],
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
}


def check(data):
    if not isinstance(data.get("age"), int):
        return "age must be an int"
    return True


def configured(**config):
    routine = SchemaValidator()
    routine.set_config(**config)
    return routine


@pytest.mark.parametrize(
    ("schema", "kind"),
    [(User, "pydantic"), (SCHEMA, "jsonschema"), (check, "custom")],
)
def test_data_that_fits_is_valid_and_other_data_is_not(bench, schema, kind):
    bench = bench(configured(schema=schema))
    good, bad = {"name": "Ada", "age": 36}, {"name": "Ada", "age": "x"}
    jobs = bench.run(good, bad)
    assert bench.got("valid") == [{"validated_data": good, "schema_type": kind}]
    [item] = bench.got("invalid")
    assert (item["original_data"], item["schema_type"]) == (bad, kind)
    assert {job.status for job in jobs} == {"completed"}


def test_schema_may_be_a_reference(bench):
    bench = bench(configured(schema="fractions:Fraction", schema_type="custom"))
    [job] = bench.run("1/2")
    assert job.status == "failed"  # a Fraction is no answer of a check
    assert "Fraction(1, 2)" in str(job.error)


@pytest.mark.parametrize("schema", [User, SCHEMA])
def test_an_error_has_field_message_and_type(bench, schema):
    bench = bench(configured(schema=schema))
    bench.run({"name": "Ada", "age": "x"})
    [error] = bench.got("invalid")[0]["errors"]
    assert error["field"] == "age"
    assert "integer" in error["message"]
    assert isinstance(error["type"], str)


@pytest.mark.parametrize("schema", [User, SCHEMA])
@pytest.mark.parametrize(
    ("config", "is_valid"),
    [({}, True), ({"coerce_types": False}, False), ({"strict_mode": True}, False)],
)
def test_conversions_are_made_unless_they_are_turned_off(
    bench, schema, config, is_valid
):
    bench = bench(configured(schema=schema, **config))
    bench.run({"name": "Ada", "age": "36"})
    assert len(bench.got("valid")) == is_valid
    if is_valid:
        assert bench.got("valid")[0]["validated_data"] == {"name": "Ada", "age": 36}


def test_a_json_schema_converts_only_what_means_the_same(bench):
    schema = {
        "properties": {
            "flag": {"type": "boolean"},
            "numbers": {"type": "array", "items": {"type": "number"}},
            "text": {"type": ["string", "integer"]},
        }
    }
    bench = bench(configured(schema=schema))
    data = {"flag": "true", "numbers": ["1.5", 2], "text": "5", "other": "6"}
    bench.run(data)
    [item] = bench.got("valid")
    assert item["validated_data"] == {
        "flag": True,
        "numbers": [1.5, 2],
        "text": "5",
        "other": "6",
    }
    assert data["flag"] == "true"  # what came in is not changed


@pytest.mark.parametrize("kind", ["integer", "number"])
@pytest.mark.parametrize(
    "text",
    ["nan", "inf", "-Infinity", "1_000", "+5", "05", ".5", "5.", "\u0665", "", "1e999"],
)
def test_a_text_that_is_no_number_in_json_is_not_converted(bench, kind, text):
    bench = bench(configured(schema={"type": kind}))
    bench.run(text)
    assert bench.got("valid") == []


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "-5", -5),
        ("integer", " 5 ", 5),
        ("number", "-1.5e3", -1500.0),
        ("number", "5", 5),
        (["integer", "number"], "2.5", 2.5),
    ],
)
def test_a_text_that_is_a_number_in_json_is_converted(bench, kind, text, value):
    bench = bench(configured(schema={"type": kind}))
    bench.run(text)
    assert [item["validated_data"] for item in bench.got("valid")] == [value]


def test_strict_mode_checks_formats_of_a_json_schema(bench):
    schema = {"type": "string", "format": "ipv4"}
    for strict in (False, True):
        one = bench(configured(schema=schema, strict_mode=strict))
        one.run("300.1.1.1")
        assert len(one.got("invalid")) == strict


def test_a_json_schema_fetches_nothing_from_the_net(bench):
    bench = bench(configured(schema={"$ref": "http://127.0.0.1:9/schema.json"}))
    [job] = bench.run({"x": 1})
    assert job.status == "failed"
    assert "127.0.0.1:9/schema.json" in str(job.error)


def test_a_type_is_a_schema_too(bench):
    bench = bench(configured(schema=list[int]))
    bench.run([1, "2"], ["x"])
    assert bench.got("valid")[0]["validated_data"] == [1, 2]
    assert bench.got("invalid")[0]["errors"][0]["field"] == "0"


@pytest.mark.parametrize(
    ("answer", "messages"),
    [
        (True, []),
        (None, []),
        (False, ["the check says no"]),
        ("wrong", ["wrong"]),
        (["a", "b"], ["a", "b"]),
        ((True, "unused"), []),
        ((False, "because"), ["because"]),
        (ValueError("raised"), ["raised"]),
    ],
)
def test_answers_of_a_custom_check(bench, answer, messages):
    def custom(data):
        if isinstance(answer, Exception):
            raise answer
        return answer

    bench = bench(configured(schema=custom, schema_type="custom"))
    bench.run(1)
    found = [e["message"] for item in bench.got("invalid") for e in item["errors"]]
    assert found == messages


@pytest.mark.parametrize("answer", [3, {"x": 1}, [1]])
def test_a_custom_check_that_answers_neither_fails_the_job(bench, answer):
    bench = bench(configured(schema=lambda data: answer))
    [job] = bench.run(1)
    assert job.status == "failed"
    assert "must return" in str(job.error)


def test_a_custom_check_that_is_async_fails_the_job(bench):
    async def later(data):
        return True

    bench = bench(configured(schema=later))
    [job] = bench.run(1)
    assert job.status == "failed"
    assert "must return True" in str(job.error)


def test_custom_validators_check_single_fields(bench):
    routine = configured(schema=SCHEMA)
    routine.add_field_validator("age", lambda age: age >= 18 or "too young")
    bench = bench(routine)
    bench.run({"name": "Ada", "age": "36"}, {"name": "Bob", "age": "7"})
    assert [item["validated_data"]["name"] for item in bench.got("valid")] == ["Ada"]
    [item] = bench.got("invalid")
    assert item["errors"] == [
        {"field": "age", "message": "too young", "type": "custom"}
    ]


def test_custom_validators_need_no_schema(bench):
    bench = bench(configured(custom_validators={"user.age": lambda age: age > 3}))
    bench.run({"user": {"age": 4}}, {"user": {"age": 2}}, {})
    assert [len(bench.got("valid")), len(bench.got("invalid"))] == [2, 1]


def test_setters_return_the_routine():
    routine = SchemaValidator()
    assert routine.set_pydantic_schema(User) is routine
    assert routine.set_jsonschema(SCHEMA) is routine
    assert routine.set_custom_validator(check) is routine
    assert routine.get_config("schema_type") == "custom"


def test_several_workers_validate_apart(bench):
    bench = bench(configured(schema=User), workers=3)
    for worker in range(3):
        for n in range(30):
            age = n if n % 3 else "x"
            bench.post({"name": str(worker), "age": age}, worker=worker)
    bench.finish()
    for worker in range(3):
        assert len(bench.got("valid", worker)) == 20
        assert len(bench.got("invalid", worker)) == 10


def test_without_a_schema_a_worker_does_not_start(runtime):
    flow = Flow()
    flow.add_routine(SchemaValidator(), "check")
    with pytest.raises(ConfigurationError, match="'schema'"):
        runtime.exec(flow)


@pytest.mark.parametrize(
    ("module", "schema"), [("pydantic", User), ("jsonschema", SCHEMA)]
)
def test_a_missing_library_names_the_extra(monkeypatch, module, schema):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=rf"routilux\[{module}\]"):
        SchemaValidator().set_config(schema=schema)


def test_data_validator_is_the_same_class():
    assert DataValidator is SchemaValidator


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"schema": 3}, ["'schema'", "3"]),
        ({"schema": {"type": "nonsense"}}, ["'schema'", "nonsense"]),
        ({"schema": Unknown}, ["'schema'", "Unknown"]),
        ({"schema": User, "schema_type": "jsonschema"}, ["'schema'", "dict"]),
        ({"schema": SCHEMA, "schema_type": "custom"}, ["'schema'", "callable"]),
        ({"schema": "no.module:X"}, ["'schema'", "no"]),
        ({"schema_type": "xml"}, ["'schema_type'", "pydantic"]),
        ({"strict_mode": "yes"}, ["'strict_mode'"]),
        ({"custom_validators": []}, ["'custom_validators'", "dict"]),
        ({"custom_validators": {"a": 3}}, ["'custom_validators'", "'a'"]),
        ({"shema": 1}, ["'shema'", "'schema'"]),
    ],
    ids=repr,
)
def test_wrong_configuration_names_the_key_and_what_is_valid(config, words):
    with pytest.raises(ConfigurationError) as caught:
        SchemaValidator().set_config(**config)
    assert all(word in str(caught.value) for word in words)
