"""Splitter."""

import itertools

import numpy
import pytest

from routilux import ConfigurationError, get_current_job
from routilux.builtin_routines import Splitter


def configured(**config):
    routine = Splitter()
    routine.set_config(**config)
    return routine


def parts(bench):
    return [item["item"] for item in bench.got("item")]


@pytest.mark.parametrize(
    ("config", "data", "expected"),
    [
        ({}, [1, 2, 3], [1, 2, 3]),
        ({}, (1, 2), [1, 2]),
        ({}, range(3), [0, 1, 2]),
        ({}, {"a": 1, "b": 2}, [1, 2]),
        ({"dict_mode": "keys"}, {"a": 1, "b": 2}, ["a", "b"]),
        ({"dict_mode": "items"}, {"a": 1}, [("a", 1)]),
        ({"dict_mode": "entries"}, {"a": 1}, [{"key": "a", "value": 1}]),
        ({}, "abc", ["abc"]),
        ({"split_strings": True}, "abc", ["a", "b", "c"]),
        ({"split_strings": True, "separator": ","}, "a,b", ["a", "b"]),
        ({}, b"abc", [b"abc"]),
        ({"field": "x.y"}, {"x": {"y": [1]}}, [1]),
    ],
)
def test_each_part_is_an_item(bench, config, data, expected):
    bench = bench(configured(input_key=None, **config))
    bench.run(data)
    assert parts(bench) == expected


def test_index_and_count_come_when_they_are_asked_for(bench):
    bench = bench(configured(include_index=True, include_count=True))
    bench.run(["a", "b"])
    assert bench.got("item") == [
        {"item": "a", "index": 0, "count": 2},
        {"item": "b", "index": 1, "count": 2},
    ]


def test_without_them_an_item_has_the_part_alone(bench):
    bench = bench(Splitter())
    bench.run(["a"])
    assert bench.got("item") == [{"item": "a"}]


def test_the_count_of_a_generator_is_known_too(bench):
    bench = bench(configured(include_count=True))
    bench.run(n for n in range(3))
    assert [item["count"] for item in bench.got("item")] == [3, 3, 3]


def test_a_generator_is_read_while_it_is_split(bench):
    bench = bench(Splitter())
    [job] = bench.run(n for n in range(5000))
    assert parts(bench) == list(range(5000))
    assert job.status == "completed"


@pytest.mark.parametrize("data", [[], {}, ()])
def test_a_collection_without_parts_is_reported_as_empty(bench, data):
    bench = bench(configured(input_key=None))
    bench.run(data)
    assert bench.got("empty") == [{}]
    assert parts(bench) == []


@pytest.mark.parametrize(
    ("config", "data", "word"),
    [({}, 5, "collection"), ({"field": "x"}, {"y": []}, "'x'")],
)
def test_what_cannot_be_split_is_an_error_event(bench, config, data, word):
    bench = bench(configured(**config))
    [job] = bench.run(data)
    [error] = bench.got("error")
    assert error["data"] == data and word in error["error"]
    assert job.status == "completed"


def test_an_error_that_nobody_listens_to_fails_the_job(bench):
    bench = bench(Splitter(), deaf_to=["error"])
    [job] = bench.run(5)
    assert job.status == "failed"
    assert "TypeError" in str(job.error)


def test_parts_of_several_workers_stay_apart(bench):
    bench = bench(Splitter(), workers=3)
    for worker in range(3):
        bench.post([worker] * 40, worker=worker)
    bench.finish()
    for worker in range(3):
        assert bench.got("item", worker) == [{"item": worker}] * 40


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"dict_mode": "all"}, ["dict_mode", "entries"]),
        ({"field": "a..b"}, ["a..b", "path"]),
        ({"field": 3}, ["field"]),
        ({"include_idx": True}, ["include_idx", "include_index"]),
        ({"anything": 1}, ["anything", "dict_mode"]),
    ],
)
def test_wrong_configuration_names_the_key_and_what_is_valid(config, words):
    with pytest.raises(ConfigurationError) as caught:
        Splitter().set_config(**config)
    assert all(word in str(caught.value) for word in words)


def broken(parts):
    """Yield parts, then raise."""
    yield from parts
    raise OSError("disk")


@pytest.mark.parametrize("count", [0, 2])
def test_a_collection_that_raises_while_it_is_read_is_an_error_event(bench, count):
    bench = bench(Splitter())
    data = broken(range(count))
    jobs = bench.run(data, [7])
    assert bench.got("error") == [{"error": "OSError: disk", "data": data}]
    assert parts(bench) == [*range(count), 7]
    assert bench.got("empty") == []
    assert [job.status for job in jobs] == ["completed", "completed"]


def test_a_count_that_can_not_be_taken_is_an_error_event(bench):
    bench = bench(configured(include_count=True))
    [job] = bench.run(broken([1]))
    assert [item["error"] for item in bench.got("error")] == ["OSError: disk"]
    assert (parts(bench), job.status) == ([], "completed")


def test_an_array_without_dimensions_is_an_error_event(bench):
    bench = bench(Splitter())
    [job] = bench.run(numpy.array(5))
    [error] = bench.got("error")
    assert "TypeError" in error["error"]
    assert job.status == "completed"


def test_endless_collection_is_read_until_its_job_is_cancelled(bench):
    closed = []

    def forever():
        try:
            for n in itertools.count():
                if n == 3:
                    assert get_current_job().cancel()
                yield n
        finally:
            closed.append(True)

    [job] = bench(configured(input_key=None)).run(forever())
    assert (job.status, closed) == ("cancelled", [True])
