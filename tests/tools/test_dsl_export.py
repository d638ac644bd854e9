"""Flows to dicts, YAML and JSON, and back."""

import pytest

from routilux import (
    ConfigurationError,
    ErrorHandler,
    Flow,
    FunctionRoutine,
    Routine,
    Runtime,
    all_slots_ready_policy,
    batch_size_policy,
    custom_policy,
    time_interval_policy,
)
from routilux.builtin_routines import (
    Aggregator,
    ConditionalRouter,
    Filter,
    Mapper,
    RetryHandler,
)

WAIT = 20.0


def run(flow, routine_id, *items):
    """Run a flow on some items and answer its worker."""
    with Runtime(thread_pool_size=2) as runtime:
        worker = runtime.exec(flow)
        for item in items:
            runtime.post(flow, routine_id, "input", item)
        assert runtime.wait_until_all_jobs_finished(WAIT)
    return worker


@pytest.mark.parametrize(
    ("spec", "policy"),
    [
        ("immediate", None),
        ("all_slots_ready", all_slots_ready_policy()),
        (
            {"type": "batch_size", "min_batch_size": 2, "max_wait": 1.5},
            batch_size_policy(2, max_wait=1.5),
        ),
        (
            {"type": "time_interval", "min_interval_seconds": 0.5},
            time_interval_policy(0.5),
        ),
        ({"type": "custom", "check": "routilux_test_parts:is_many"}, "custom"),
        ("routilux_test_parts:take_all", "callable"),
    ],
)
def test_policies_are_written_and_read(parts, spec, policy):
    routine = parts.Doubler()
    if policy == "custom":
        routine.set_activation_policy(custom_policy(parts.is_many))
    elif policy == "callable":
        routine.set_activation_policy(parts.take_all)
    elif policy is not None:
        routine.set_activation_policy(policy)
    flow = Flow("policies")
    flow.add_routine(routine, "double")
    written = flow.to_dict()
    assert written["routines"]["double"].get("policy", "immediate") == spec
    assert Flow.from_dict(written).to_dict() == written


def test_an_export_has_what_tells_a_routine_from_a_new_one(parts):
    flow = Flow("out")
    doubler = parts.Doubler()
    doubler.set_config(scale=2, names=("a", "b"))
    doubler.add_slot("more", 7)
    doubler.set_error_handler(
        ErrorHandler("retry", max_retries=9, retryable_exceptions=(OSError,))
    )
    flow.add_routine(doubler, "double")
    flow.add_routine(Filter().set_condition("data > 1"), "check")
    flow.connect("double", "output", "check", "input")
    flow.set_error_handler(ErrorHandler("skip"))
    assert flow.to_dict() == {
        "flow_id": "out",
        "routines": {
            "double": {
                "class": "routilux_test_parts:Doubler",
                "config": {"scale": 2, "names": ["a", "b"]},
                "slots": {
                    "more": {
                        "max_queue_length": 7,
                        "watermark": 0.8,
                        "overflow": "block",
                    }
                },
                "error_handler": {
                    "strategy": "retry",
                    "max_retries": 9,
                    "retryable_exceptions": ["builtins:OSError"],
                },
            },
            "check": {"class": "filter", "config": {"condition": "data > 1"}},
        },
        "connections": [{"from": "double.output", "to": "check.input"}],
        "execution": {"timeout": 300.0},
        "error_handler": {"strategy": "skip"},
    }
    assert Flow.from_dict(flow.to_dict()).to_dict() == flow.to_dict()
    assert Flow.from_yaml(flow.to_yaml()).to_dict() == flow.to_dict()
    assert Flow.from_json(flow.to_json()).to_dict() == flow.to_dict()


def test_functions_in_a_built_in_routine_are_written_as_references(parts):
    flow = Flow("refs")
    flow.add_routine(Filter().set_callable(parts.is_big), "big")
    retry = RetryHandler()
    retry.set_config(operation=parts.is_big, retryable_exceptions=[OSError, KeyError])
    flow.add_routine(retry, "retry")
    join = Aggregator().setup_slots(["a", "b"])
    join.set_config(merge_strategy=len)
    flow.add_routine(join, "join")
    written = flow.to_dict()["routines"]
    assert written["big"]["config"] == {"condition": "routilux_test_parts:is_big"}
    assert written["retry"]["config"] == {
        "operation": "routilux_test_parts:is_big",
        "retryable_exceptions": ["builtins:OSError", "builtins:KeyError"],
    }
    assert written["join"]["config"] == {
        "slots": ["a", "b"],
        "merge_strategy": "builtins:len",
    }
    assert Flow.from_dict(flow.to_dict()).to_dict() == flow.to_dict()


def test_lambdas_in_conditions_are_written_as_expressions():
    flow = Flow("lambdas")
    router = ConditionalRouter()
    router.add_route("big", lambda item: item["n"] > 3 and "x" in item)
    router.add_route("small", lambda n: n["n"] <= 3)
    flow.add_routine(router, "route")
    written = flow.to_dict()
    assert written["routines"]["route"]["config"] == {
        "routes": [
            ["big", "data['n'] > 3 and 'x' in data"],
            ["small", "data['n'] <= 3"],
        ]
    }
    made = Flow.from_dict(written)
    worker = run(made, "route", {"n": 5, "x": 1}, {"n": 1})
    routes = worker.get_routine_state("route")["stats"]["routes"]
    assert routes == {"big": 1, "small": 1}


def test_a_plain_function_is_a_class(parts):
    flow = Flow.from_dict(
        {
            "flow_id": "plain",
            "routines": {
                "triple": "routilux_test_parts:triple",
                "keep": "routilux_test_parts:Kept",
            },
            "connections": ["triple.output -> keep.input"],
        }
    )
    worker = run(flow, "triple", 2)
    assert worker.get_routine_state("keep")["got"] == [6]
    written = flow.to_dict()
    assert written["routines"]["triple"] == {"class": "routilux_test_parts:triple"}
    assert Flow.from_dict(written).to_dict() == written


@pytest.mark.parametrize(
    ("n", "key", "written"),
    [
        (4, None, 4),
        (None, None, None),
        (8, "user_id", {"n": 8, "key": "user_id"}),
        (8, len, {"n": 8, "key": "builtins:len"}),
    ],
)
def test_concurrency_is_written_and_read(parts, n, key, written):
    flow = Flow("overlap")
    flow.add_routine(parts.Doubler().set_concurrency(n, key=key), "double")
    spec = flow.to_dict()
    assert spec["routines"]["double"]["concurrency"] == written
    made = Flow.from_dict(spec).routines["double"]
    assert (made._concurrency, made._concurrency_key) == (n, key)


def test_the_length_of_a_slot_is_written_where_it_is_not_the_usual_one(parts):
    flow = Flow("narrow")
    flow.add_routine(FunctionRoutine(parts.triple, max_queue_length=5), "triple")
    written = flow.to_dict()
    assert written["routines"]["triple"]["slots"] == {"input": {"max_queue_length": 5}}
    made = Flow.from_dict(written).routines["triple"]
    assert made.get_slot("input").max_queue_length == 5


@pytest.mark.parametrize(
    "routine",
    [
        Mapper().add_mapping("x", lambda data: data["y"]),
        RetryHandler(),
        Aggregator(),
    ],
    ids=lambda routine: type(routine).__name__,
)
def test_a_lambda_that_is_no_condition_can_not_be_written_down(routine):
    if isinstance(routine, RetryHandler):
        routine.set_config(operation=lambda data: data["y"])
    if isinstance(routine, Aggregator):
        routine.set_config(merge_strategy=lambda data: data["y"])
    flow = Flow("bad")
    flow.add_routine(routine, "one")
    with pytest.raises(ConfigurationError, match=r"routines\.one\.config"):
        flow.to_dict()


def make_lambdas():
    limit = 3
    return [
        lambda data: data > limit,
        lambda data: print(data),
        lambda data, config: data > config["x"],
    ]


@pytest.mark.parametrize("index", range(3), ids=["closure", "call", "two"])
def test_other_lambdas_can_not_be_written_down(index):
    flow = Flow("bad")
    flow.add_routine(Filter().set_callable(make_lambdas()[index]), "check")
    with pytest.raises(ConfigurationError, match=r"routines\.check\.config\.condition"):
        flow.to_dict()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.set_config(x=object()), ["config.x", "plain data"]),
        (lambda r: r.set_config(x={1: 2}), ["config.x", "1"]),
        (lambda r: r.set_config(x=print), ["config.x"]),
        (lambda r: r.set_logic(lambda *_: None), ["logic"]),
        (lambda r: r.set_activation_policy(lambda *_: None), ["policy"]),
    ],
)
def test_what_has_no_plain_form_is_named(parts, change, words):
    routine = parts.Doubler()
    change(routine)
    flow = Flow("bad")
    flow.add_routine(routine, "double")
    with pytest.raises(ConfigurationError) as caught:
        flow.to_dict()
    assert all(word in str(caught.value) for word in ["routines.double", *words])


class Sized(Routine):
    """Is made with an argument."""

    def __init__(self, size=1):
        super().__init__()
        self.size = size

    def constructor_arguments(self):
        return {"size": self.size}


def test_a_routine_that_is_made_with_arguments_can_not_be_written_down():
    flow = Flow("bad")
    flow.add_routine(Sized(3), "sized")
    with pytest.raises(ConfigurationError, match=r"sized\.class .* Sized is made with"):
        flow.to_dict()


def test_a_class_of_a_function_can_not_be_written_down():
    class Local(Routine):
        pass

    flow = Flow("bad")
    flow.add_routine(Local(), "local")
    with pytest.raises(ConfigurationError, match=r"routines\.local\.class"):
        flow.to_dict()


def test_a_mapper_is_written_with_all_of_its_kinds_of_mapping(parts):
    mapper = Mapper()
    mapper.set_config(
        mappings={
            "a": "x.y",
            "b": {"path": "n", "transform": "value + 1", "default": 0},
            "c": parts.is_big,
        },
        limit=3,
    )
    flow = Flow("mapper")
    flow.add_routine(mapper, "map")
    config = flow.to_dict()["routines"]["map"]["config"]
    assert config["mappings"]["c"] == "routilux_test_parts:is_big"
    assert config["limit"] == 3
    assert Flow.from_dict(flow.to_dict()).to_dict() == flow.to_dict()


def test_timeout_and_dead_letter_are_written_and_read(parts):
    flow = Flow("limited")
    flow.add_routine(parts.Doubler().set_timeout(2.5), "double")
    flow.add_routine(parts.Kept(), "keep")
    flow.set_dead_letter("keep", "input")
    spec = flow.to_dict()
    assert spec["routines"]["double"]["timeout"] == 2.5
    assert "timeout" not in spec["routines"]["keep"]
    assert spec["dead_letter"] == "keep.input"
    made = Flow.from_dict(spec)
    assert made.routines["double"]._timeout == 2.5
    assert made.dead_letter == ("keep", "input")
    assert made.to_dict() == spec
