"""Mapper."""

import inspect
import sys

import pytest

from routilux import ConfigurationError
from routilux.builtin_routines import DataTransformer, Mapper

DATA = {"user": {"name": "Ada", "tags": ["x", "y"]}, "n": "3", "left": 1}


def configured(**config):
    routine = Mapper()
    routine.set_config(**config)
    return routine


def mapped(bench):
    return [item["mapped_data"] for item in bench.got("output")]


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("user.name", "Ada"),
        ("user.tags[1]", "y"),
        ("user['name']", "Ada"),
        ("user.tags[-1]", "y"),
        ("$.user.name", "Ada"),
        ("$.user.tags[*]", ["x", "y"]),
        (lambda data: data["left"] + 1, 2),
        ({"path": "n", "transform": int}, 3),
        ({"path": "n", "transform": "int"}, 3),
        ({"path": "n", "transform": "int(value) * 2 + data['left']"}, 7),
        ({"path": "n", "transform": "math:factorial"}, None),
        ({"path": "none", "default": 5}, 5),
        ({"path": "user.tags[2]", "default": 5}, 5),
        ({"path": "left[0]", "default": 5}, 5),
        ({"path": "$.none", "default": None}, None),
        ("builtins:len", 3),
    ],
    ids=repr,
)
def test_sources(bench, source, value):
    if source == {"path": "n", "transform": "math:factorial"}:
        source, value = {"path": "left", "transform": "math:factorial"}, 1
    bench = bench(configured(mappings={"x": source}))
    bench.run(DATA)
    assert mapped(bench) == [{"x": value}]


def test_fields_mapped_counts_what_was_found(bench):
    mappings = {"a": "left", "b": "none", "c": {"path": "none", "default": 1}}
    bench = bench(configured(mappings=mappings))
    bench.run(DATA)
    assert bench.got("output") == [
        {"mapped_data": {"a": 1, "c": 1}, "fields_mapped": 1}
    ]


def test_a_missing_source_is_left_out_or_gets_the_default_value(bench):
    bench = bench(
        configured(mappings={"a": "none"}, drop_missing=False, default_value="?")
    )
    bench.run(DATA)
    assert mapped(bench) == [{"a": "?"}]


def test_keep_unmapped_keeps_the_keys_that_no_source_uses(bench):
    bench = bench(configured(mappings={"name": "user.name"}, keep_unmapped=True))
    bench.run(DATA)
    assert mapped(bench) == [{"n": "3", "left": 1, "name": "Ada"}]


@pytest.mark.parametrize(
    ("source", "data", "kept"),
    [
        ("a.b", {"a.b": 1, "a": 2}, {"a": 2}),
        ("a.b", {"a": {"b": 1}, "b": 2}, {"b": 2}),
        ("['a'].b", {"a": {"b": 1}, "b": 2}, {"b": 2}),
        ("['a.c'].b", {"a.c": {"b": 1}, "a": 2}, {"a": 2}),
        ("[0].b", {0: {"b": 1}, "b": 2}, {"b": 2}),
        ("[0].b", {"0": {"b": 1}, "b": 2}, {"b": 2}),
        ("$.a.b", {"a": {"b": 1}, "b": 2}, {"b": 2}),
        ("$['a.c'].b", {"a.c": {"b": 1}, "a": 2}, {"a": 2}),
        ("$.'a c'.b", {"a c": {"b": 1}, "a": 2}, {"a": 2}),
        ("$.'a.c'.b", {"a.c": {"b": 1}, "a": 2}, {"a": 2}),
        (lambda data: 1, {"a": 2, None: 3}, {"a": 2, None: 3}),
    ],
)
def test_keep_unmapped_knows_the_key_that_a_source_uses(bench, source, data, kept):
    bench = bench(configured(mappings={"x": source}, keep_unmapped=True))
    bench.run(data)
    assert mapped(bench) == [{**kept, "x": 1}]


@pytest.mark.parametrize("key", ["a:b", "a,b", "a?", "a*", "a..b"])
def test_a_jsonpath_with_a_quoted_key_has_no_wildcard(bench, key):
    bench = bench(configured(mappings={"x": f"$['{key}']"}))
    bench.run({key: 1})
    assert mapped(bench) == [{"x": 1}]


def test_a_jsonpath_with_two_quoted_keys_gives_a_list(bench):
    bench = bench(configured(mappings={"x": "$['a','b']"}))
    bench.run({"a": 1, "b": 2})
    assert mapped(bench) == [{"x": [1, 2]}]


@pytest.mark.parametrize("step", ["²", "--5", "-"])
def test_a_step_that_is_no_index_finds_nothing_in_a_list(bench, step):
    bench = bench(configured(mappings={"x": f"tags.{step}"}))
    [job] = bench.run({"tags": ["a"] * 9})
    assert (mapped(bench), job.status) == ([{}], "completed")


def test_without_jsonpath_a_dollar_is_a_key_like_others(bench):
    bench = bench(configured(mappings={"x": "$.y"}, jsonpath_enabled=False))
    bench.run({"$": {"y": 1}})
    assert mapped(bench) == [{"x": 1}]


def test_add_mapping_returns_the_routine(bench):
    routine = Mapper()
    assert routine.add_mapping("a", "left") is routine
    routine.add_mapping("b", "n", transform=int).add_mapping("c", "none", default=0)
    bench = bench(routine)
    bench.run(DATA)
    assert mapped(bench) == [{"a": 1, "b": 3, "c": 0}]


def test_constants_of_the_configuration_are_there_for_transforms(bench):
    source = {"path": "left", "transform": "value + config['plus']"}
    bench = bench(configured(mappings={"x": source}, plus=10))
    bench.run(DATA)
    assert mapped(bench) == [{"x": 11}]


def test_a_transform_that_raises_is_an_error_event(bench):
    bench = bench(configured(mappings={"x": {"path": "user", "transform": int}}))
    [job] = bench.run(DATA)
    [error] = bench.got("error")
    assert "TypeError" in error["error"] and error["original_data"] == DATA
    assert job.status == "completed"


def test_keep_unmapped_of_what_has_no_keys_is_an_error_event(bench):
    bench = bench(configured(mappings={"x": len}, keep_unmapped=True))
    bench.run([1, 2])
    [item] = bench.got("error")
    assert "keep_unmapped needs a dict, not [1, 2]" in item["error"]
    assert item["original_data"] == [1, 2]


def test_signature_of_add_mapping_says_that_there_is_no_default():
    assert "= MISSING" in str(inspect.signature(Mapper.add_mapping))


def test_an_error_that_nobody_listens_to_fails_the_job(bench):
    routine = configured(mappings={"x": {"path": "user", "transform": int}})
    bench = bench(routine, deaf_to=["error"])
    [job] = bench.run(DATA)
    assert job.status == "failed"
    assert "TypeError" in str(job.error)


def test_several_workers_map_apart(bench):
    bench = bench(configured(mappings={"x": "v"}), workers=3)
    for worker in range(3):
        for n in range(50):
            bench.post({"v": 100 * worker + n}, worker=worker)
    bench.finish()
    for worker in range(3):
        values = [item["mapped_data"]["x"] for item in bench.got("output", worker)]
        assert values == [100 * worker + n for n in range(50)]


def test_jsonpath_without_its_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonpath_ng", None)
    with pytest.raises(ConfigurationError, match=r"routilux\[jsonpath\]"):
        Mapper().set_config(mappings={"x": "$.a"})


def test_a_library_that_is_broken_itself_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "simpleeval.py").write_text("import what_simpleeval_needs\n")
    monkeypatch.delitem(sys.modules, "simpleeval", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="'what_simpleeval_needs'"):
        Mapper().add_mapping("x", "n", transform="value + 1")


def test_data_transformer_is_the_same_class():
    assert DataTransformer is Mapper


@pytest.mark.parametrize(
    ("mappings", "words"),
    [
        ([], ["mappings", "dict"]),
        ({3: "a"}, ["mappings", "3"]),
        ({"a": 3}, ["'a'", "3"]),
        ({"a": "x..y"}, ["x..y", "path"]),
        ({"a": "$.[["}, ["'a'", "JSONPath"]),
        ({"a": {"transform": int}}, ["'a'", "'path'"]),
        ({"a": {"path": "x", "defualt": 1}}, ["'a'", "defualt", "default"]),
        ({"a": {"path": "x", "transform": 3}}, ["'a'", "transform"]),
        ({"a": {"path": "x", "transform": "valu + 1"}}, ["'a'", "valu", "value"]),
        ({"a": "nowhere:f"}, ["'a'", "nowhere"]),
        ({"a": "math:pi"}, ["'a'", "math:pi", "callable"]),
    ],
    ids=repr,
)
def test_wrong_mappings_name_the_target_and_what_is_valid(mappings, words):
    with pytest.raises(ConfigurationError) as caught:
        Mapper().set_config(mappings=mappings)
    assert all(word in str(caught.value) for word in words)
