"""ConditionalRouter."""

import pytest

from routilux import ConfigurationError
from routilux.builtin_routines import ConditionalRouter

SIZES = [("big", "data['size'] > 100"), ("small", {"size": {"lte": 100}})]


def configured(**config):
    routine = ConditionalRouter()
    routine.set_config(**config)
    return routine


def test_an_item_leaves_through_its_route_and_through_output(bench):
    bench = bench(configured(routes=SIZES))
    bench.run({"size": 200}, {"size": 3})
    assert bench.got("big") == [{"data": {"size": 200}, "route": "big"}]
    assert bench.got("small") == [{"data": {"size": 3}, "route": "small"}]
    assert [item["route"] for item in bench.got("output")] == ["big", "small"]


def test_first_match_takes_the_first_route_that_matches(bench):
    bench = bench(configured(routes=[("one", True), ("two", True)]))
    bench.run(1)
    assert len(bench.got("one")) == 1
    assert bench.got("two") == []


def test_all_matches_takes_every_route_that_matches(bench):
    routes = [("one", True), ("no", False), ("two", lambda data: True)]
    bench = bench(configured(routes=routes, route_priority="all_matches"))
    bench.run(1)
    assert [item["route"] for item in bench.got("output")] == ["one", "two"]
    assert bench.got("no") == []


def test_the_rest_takes_the_default_route(bench):
    bench = bench(configured(routes=SIZES[:1], default_route="other"))
    bench.run({"size": 1})
    assert bench.got("other") == [{"data": {"size": 1}, "route": "other"}]


def test_without_a_default_the_rest_leaves_through_output_alone(bench):
    bench = bench(configured(routes=SIZES[:1]))
    bench.run({"size": 1})
    assert bench.got("output") == [{"data": {"size": 1}, "route": None}]
    assert bench.got("big") == []


def test_add_route_adds_or_replaces_a_route_and_its_event(bench):
    routine = configured(routes=[("a", False)])
    assert routine.add_route("b", True) is routine
    routine.add_route("a", False)
    assert [name for name, _ in routine.get_config("routes")] == ["b", "a"]
    bench = bench(routine)
    bench.run(1)
    assert len(bench.got("b")) == 1


def test_routes_may_be_a_dict_or_dicts(bench):
    routine = configured(routes={"a": True})
    assert routine.get_config("routes") == [("a", True)]
    routine.set_config(routes=[{"name": "b", "condition": True}])
    assert routine.get_config("routes") == [("b", True)]


def test_stats_count_and_are_there_for_conditions(bench):
    routes = [("early", "stats['total'] < 2"), ("late", True)]
    bench = bench(configured(routes=routes))
    bench.run(*range(5))
    stats = {"total": 5, "unmatched": 0, "routes": {"early": 2, "late": 3}}
    assert bench.routine.get_stats() == stats
    assert bench.workers[0].get_routine_state("work")["stats"] == stats


def test_unmatched_items_are_counted(bench):
    bench = bench(configured(routes=[("no", False)]))
    bench.run(1, 2)
    assert bench.routine.get_stats()["unmatched"] == 2


def test_each_worker_counts_for_itself(bench):
    bench = bench(configured(routes=[("a", True)]), workers=3)
    for worker in range(3):
        bench.run(*range(worker + 1), worker=worker)
    counts = [bench.routine.get_stats(worker)["total"] for worker in bench.workers]
    assert counts == [1, 2, 3]
    assert bench.routine.get_stats()["routes"] == {"a": 6}


def test_state_that_logic_has_no_part_in_is_kept(bench):
    bench = bench(configured(routes=[("a", True)]))
    bench.workers[0].update_routine_state("work", {"mine": 1})
    bench.run(1)
    assert bench.workers[0].get_routine_state("work")["mine"] == 1


def test_expressions_see_constants_in_config(bench):
    bench = bench(configured(routes=[("big", "data > config['limit']")], limit=10))
    bench.run(5, 15)
    assert [item["data"] for item in bench.got("big")] == [15]


def test_a_condition_that_raises_fails_the_job(bench):
    bench = bench(configured(routes=[("a", "data['x']")]))
    [job] = bench.run({})
    assert job.status == "failed"
    assert "'a'" in str(job.error)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"routes": "abc"}, ["routes", "(name, condition)"]),
        ({"routes": [("a",)]}, ["routes", "(name, condition)"]),
        ({"routes": [("a", True), ("a", False)]}, ["routes", "'a'", "taken"]),
        ({"routes": [("output", True)]}, ["output", "taken"]),
        ({"routes": [(3, True)]}, ["routes", "3"]),
        ({"routes": [("a", "data.__class__")]}, ["'a'", "__class__"]),
        ({"route_priority": "best"}, ["route_priority", "first_match", "all_matches"]),
        ({"default_route": 3}, ["default_route"]),
        ({"default_rote": "a"}, ["default_rote", "default_route"]),
    ],
    ids=repr,
)
def test_wrong_configuration_names_the_key_and_what_is_valid(config, words):
    with pytest.raises(ConfigurationError) as caught:
        ConditionalRouter().set_config(**config)
    assert all(word in str(caught.value) for word in words)
