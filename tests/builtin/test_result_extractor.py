"""ResultExtractor."""

import sys

import numpy
import pytest

from routilux import ConfigurationError
from routilux.builtin_routines import ResultExtractor

JSON = 'Here you are:\n```json\n{"a": 1}\n```\nDone.'
CODE = "Run this:\n```python\nprint(1)\n```"
YAML = "```yaml\na: 1\n```"
XML = "```xml\n<a id='1'><b>2</b><b>3</b></a>\n```"


def configured(**config):
    routine = ResultExtractor()
    routine.set_config(**config)
    return routine


def one(bench, data, **config):
    bench = bench(configured(**config))
    [job] = bench.run({"data": data})
    assert job.status == "completed"
    [item] = bench.got("output")
    return item


@pytest.mark.parametrize(
    ("config", "data", "result", "kind"),
    [
        ({}, JSON, {"a": 1}, "json"),
        ({}, "```\n[1, 2]\n```", [1, 2], "json"),
        ({}, "```json\n1\n```\n```json\n2\n```", [1, 2], "json"),
        ({}, CODE, "print(1)", "code"),
        ({"extract_yaml_blocks": True}, YAML, {"a": 1}, "yaml"),
        (
            {"extract_xml_blocks": True},
            XML,
            {"a": {"@id": "1", "b": ["2", "3"]}},
            "xml",
        ),
        (
            {"extract_xml_blocks": True},
            "```xml\n<a id='1'> text <b/></a>\n```",
            {"a": {"@id": "1", "b": "", "#text": "text"}},
            "xml",
        ),
        ({}, '{"a": [1]}', {"a": [1]}, "json"),
        ({"parse_yaml_strings": True}, "a:\n  - 1", {"a": [1]}, "yaml"),
        (
            {},
            [{"type": "console", "content": "x"}, {"type": "message", "content": "y"}],
            "x\ny",
            "interpreter",
        ),
        ({}, {"result": {"output": 5}}, 5, "int"),
        ({}, {"result": '{"x": 1}'}, {"x": 1}, "json"),
        ({}, {"x": 1}, {"x": 1}, "dict"),
        ({}, [{"content": 1}, {"x": 2}], [{"content": 1}, {"x": 2}], "list"),
        ({}, [], [], "list"),
        ({}, 7, 7, "object"),
        ({}, b'{"a": 1}', {"a": 1}, "json"),
        ({}, "just words", "just words", "original"),
    ],
    ids=repr,
)
def test_results_are_found(bench, config, data, result, kind):
    item = one(bench, data, **config)
    assert (item["extracted_result"], item["format"]) == (result, kind)
    assert 0.0 <= item["confidence"] <= 1.0
    assert isinstance(item["extraction_path"], str)


@pytest.mark.parametrize(
    ("config", "data", "kind"),
    [
        ({"extract_json_blocks": False}, JSON, "code"),
        ({"extract_code_blocks": False}, CODE, "original"),
        ({"code_block_languages": ["sql"]}, CODE, "original"),
        ({}, YAML, "code"),
        ({"parse_json_strings": False}, '{"a": 1}', "original"),
        ({"format_interpreter_output": False}, [{"content": "x"}], "list"),
        ({"detect_nested_structures": False}, {"result": 1}, "original"),
    ],
)
def test_extractors_can_be_turned_off(bench, config, data, kind):
    assert one(bench, data, **config)["format"] == kind


def test_auto_takes_the_most_confident(bench):
    item = one(bench, f"{CODE}\n{JSON}")
    assert (item["format"], item["extracted_result"]) == ("json", {"a": 1})


def test_priority_takes_the_named_ones_first(bench):
    item = one(
        bench,
        f"{CODE}\n{JSON}",
        strategy="priority",
        extractor_priority=["code_block"],
    )
    assert item["format"] == "code"
    assert item["metadata"]["language"] == "python"


def test_first_match_takes_the_first_in_order(bench):
    item = one(bench, f"{CODE}\n{JSON}", strategy="first_match")
    assert item["format"] == "json"


def test_all_takes_what_all_find(bench):
    item = one(
        bench, f"{CODE}\n{JSON}", strategy="all", code_block_languages=["python"]
    )
    assert item["extracted_result"] == [{"a": 1}, "print(1)"]
    assert item["metadata"] == {"formats": ["json", "code"]}


def test_nothing_found_can_mean_nothing_emitted(bench):
    bench = bench(configured(return_original_on_failure=False))
    [job] = bench.run("just words")
    assert bench.got("output") == []
    assert job.status == "completed"


def test_a_registered_extractor_is_tried_too(bench):
    routine = ResultExtractor()
    same = routine.register_extractor(
        "number", lambda text: int(text[1:]) if text.startswith("#") else None, 0.99
    )
    assert same is routine
    bench = bench(routine)
    bench.run("#42")
    [item] = bench.got("output")
    assert (item["extracted_result"], item["format"]) == (42, "number")
    assert item["confidence"] == 0.99


def test_a_registered_extractor_may_say_more_and_get_the_configuration(bench):
    def find(data, config):
        return {
            "result": config["strategy"],
            "format": "f",
            "metadata": {"m": 1},
            "confidence": 1.0,
            "path": "p",
        }

    bench = bench(configured().register_extractor("mine", find))
    bench.run("x")
    assert bench.got("output") == [
        {
            "extracted_result": "auto",
            "format": "f",
            "metadata": {"m": 1},
            "confidence": 1.0,
            "extraction_path": "p",
        }
    ]


def by_default(data, config=None):
    return config["strategy"]


def by_its_own_default(data, separator="-"):
    return data + separator


@pytest.mark.parametrize(
    ("function", "result"),
    [
        (by_default, "auto"),
        (by_its_own_default, "x-"),
        (max, "x"),  # tells no parameters
        (str, "x"),
    ],
)
def test_an_optional_argument_is_the_configuration_if_its_name_is(
    bench, function, result
):
    bench = bench(configured().register_extractor("mine", function))
    bench.run("x")
    assert [item["extracted_result"] for item in bench.got("output")] == [result]


@pytest.mark.parametrize("data", [7, None, (1, 2)])
def test_an_object_in_which_no_extractor_finds_anything_stays_as_it_is(bench, data):
    bench = bench(configured().register_extractor("mine", lambda data: None))
    bench.run({"data": data})
    [item] = bench.got("output")
    assert (item["extracted_result"], item["format"]) == (data, "object")


@pytest.mark.parametrize("confidence", ["high", None, -1, float("nan"), True])
def test_a_confidence_that_is_no_number_is_the_error_of_its_extractor(
    bench, confidence
):
    routine = configured().register_extractor(
        "mine", lambda data: {"result": 1, "confidence": confidence}
    )
    bench = bench(routine)
    [job] = bench.run(JSON)
    [item] = bench.got("output")
    assert (job.status, item["extracted_result"]) == ("completed", {"a": 1})
    assert "'mine'" in item["metadata"]["errors"][0]


def test_a_confidence_may_be_a_number_of_numpy(bench):
    routine = configured().register_extractor(
        "mine", lambda data: {"result": 1, "confidence": numpy.float32(0.5)}
    )
    bench = bench(routine)
    bench.run("x")
    assert bench.got("output")[0]["confidence"] == 0.5


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ('```json\n{"a": "x ``` y"}\n```', {"a": "x ``` y"}),
        ('```json\n{"a": "```"}\n```\n', {"a": "```"}),
        ('```json\n{"a": 1}```\nDone.', {"a": 1}),
        ('Here: ```json\n{"a": 1}\n``` and more', {"a": 1}),
        ('- item\n  ```json\n  {"a": 1}\n  ```\n', {"a": 1}),
        ("```json\n```\n```json\n[1]\n```", [1]),
    ],
)
def test_a_block_ends_at_a_fence_and_not_at_backticks_inside_of_it(bench, text, result):
    assert one(bench, text)["extracted_result"] == result


def nested_xml(depth):
    return "<a>" * depth + "<b c='1'/>" + "</a>" * depth


def test_xml_is_whole_or_not_found(bench):
    found = one(bench, f"```xml\n{nested_xml(20)}\n```", extract_xml_blocks=True)
    assert str(found["extracted_result"]).count("'a'") == 20
    assert "{'@c': '1'}" in str(found["extracted_result"])


def test_languages_of_code_have_no_case(bench):
    item = one(bench, CODE, code_block_languages=["Python"])
    assert (item["format"], item["extracted_result"]) == ("code", "print(1)")


def broken(data):
    raise ValueError("broken")


def test_an_extractor_that_raises_is_passed_over_and_noted(bench):
    bench = bench(ResultExtractor().register_extractor("broken", broken))
    bench.run(JSON)
    [item] = bench.got("output")
    assert item["extracted_result"] == {"a": 1}
    assert item["metadata"]["errors"] == ["ValueError: broken"]
    [record] = bench.workers[0].execution_history
    assert record.event_name == "extractor_error"


def test_without_log_errors_nothing_is_noted(bench):
    routine = configured(log_errors=False).register_extractor("broken", broken)
    bench = bench(routine)
    bench.run(JSON)
    assert "errors" not in bench.got("output")[0]["metadata"]
    assert bench.workers[0].execution_history == []


def test_without_continue_on_error_the_job_fails(bench):
    routine = configured(continue_on_error=False)
    bench = bench(routine.register_extractor("broken", broken))
    [job] = bench.run("x")
    assert (job.status, str(job.error)) == ("failed", "ValueError: broken")


@pytest.mark.parametrize(
    "text",
    [
        "```xml\n<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>\n```",
        "```xml\n<a><b></a>\n```",
        "```json\n{broken\n```",
        "```yaml\n!!python/object/apply:os.system ['true']\n```",
        '{"a": ' * 100_000,
        "```yaml\na: !!bool foo\n```",
        "```yaml\na: !!timestamp foo\n```",
        "```xml\n<a>\ud800</a>\n```",
        f"```xml\n{'<a>' * 21}text{'</a>' * 21}\n```".replace("text", "<b>c</b>"),
    ],
    ids=[
        *("entities", "bad xml", "bad json", "yaml object", "deep json"),
        *("no bool", "no time", "half a pair", "deep xml"),
    ],
)
def test_what_is_unsafe_or_broken_is_nothing_found(bench, text):
    item = one(
        bench,
        text,
        extract_xml_blocks=True,
        extract_yaml_blocks=True,
        parse_yaml_strings=len(text) < 1000,
        code_block_languages=["none"],
    )
    assert (item["format"], item["extracted_result"]) == ("original", text)


def test_several_workers_extract_apart(bench):
    bench = bench(ResultExtractor(), workers=3)
    for worker in range(3):
        for n in range(20):
            bench.post(f'{{"n": {100 * worker + n}}}', worker=worker)
    bench.finish()
    for worker in range(3):
        found = [item["extracted_result"]["n"] for item in bench.got("output", worker)]
        assert found == [100 * worker + n for n in range(20)]


def test_yaml_without_its_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ConfigurationError, match=r"routilux\[yaml\]"):
        ResultExtractor().set_config(extract_yaml_blocks=True)


def test_the_name_of_an_extractor_that_is_built_in_is_taken():
    with pytest.raises(ConfigurationError, match="json_block"):
        ResultExtractor().register_extractor("json_block", broken)


def test_extractors_may_be_configured(bench):
    bench = bench(configured(extractors={"length": "builtins:len"}))
    bench.run("just words")
    [item] = bench.got("output")
    assert (item["extracted_result"], item["format"]) == (10, "length")


def test_an_extractor_must_be_callable():
    with pytest.raises(TypeError, match="'x'"):
        ResultExtractor().register_extractor("x", 3)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"strategy": "best"}, ["'strategy'", "first_match"]),
        ({"extractor_priority": ["jsn_block"]}, ["jsn_block", "json_block"]),
        ({"extractor_priority": "json"}, ["'extractor_priority'"]),
        ({"extract_json_blocks": 1}, ["'extract_json_blocks'"]),
        ({"code_block_languages": [1]}, ["'code_block_languages'"]),
        ({"extractors": {"x": 3}}, ["'extractors'", "'x'", "callable"]),
        ({"extractors": {"x": {"f": len}}}, ["'extractors'", "'x'", "function"]),
        (
            {"extractors": {"x": {"function": len, "confidence": "a"}}},
            ["'x'", "confidence"],
        ),
        ({"stratgy": "all"}, ["'stratgy'", "'strategy'"]),
    ],
    ids=repr,
)
def test_wrong_configuration_names_the_key_and_what_is_valid(config, words):
    with pytest.raises(ConfigurationError) as caught:
        ResultExtractor().set_config(**config)
    assert all(word in str(caught.value) for word in words)
