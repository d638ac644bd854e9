"""Built-in routines in documents: flows written whole, and workers gone on from."""

import json

import pytest

from routilux import ErrorHandler, Flow, Runtime, SerializationError, batch_size_policy
from routilux.builtin_routines import (
    Aggregator,
    Batcher,
    ConditionalRouter,
    Debouncer,
    Filter,
    Mapper,
    ResultExtractor,
    RetryHandler,
    SchemaValidator,
    Splitter,
)
from routilux.tools import clone_routine

WAIT = 20.0


def configured(cls, **config):
    routine = cls()
    routine.set_config(**config)
    return routine


ROUTINES = {
    "aggregator": configured(
        Aggregator, slots=["a", "b"], mode="any", merge_strategy=len
    ),
    "batcher": configured(Batcher, batch_size=7, max_batches=3),
    "unflushed": configured(Batcher, batch_size=7, flush_on_shutdown=False),
    "router": configured(
        ConditionalRouter, routes=[("big", lambda data: data["n"] > 3)], limit=3
    ),
    "debouncer": configured(Debouncer, wait=2.0, leading=True),
    "filter": configured(Filter, condition={"n": {"gt": 3}}, pass_event="yes"),
    "mapper": configured(Mapper, mappings={"x": "n", "y": len}),
    "extractor": configured(ResultExtractor, extractors={"length": len}),
    "retry": configured(
        RetryHandler, operation=len, retryable_exceptions=[OSError], max_items=7
    ).set_error_handler(ErrorHandler("continue")),
    "validator": configured(SchemaValidator, schema={"type": "object"}),
    "splitter": configured(Splitter, field="x"),
}


def through_a_document(routine):
    flow = Flow("whole")
    flow.add_routine(routine, "one")
    text = json.dumps(flow.serialize())
    flow = Flow("empty")
    flow.deserialize(json.loads(text))
    return flow.routines["one"]


@pytest.mark.parametrize("name", ROUTINES)
def test_a_routine_comes_back_as_it_was(name):
    routine = ROUTINES[name]
    made = through_a_document(routine)
    assert type(made) is type(routine)
    assert made is not routine
    assert made._given_config() == routine._given_config()
    assert list(made.events) == list(routine.events)
    assert [(slot.name, slot.max_queue_length) for slot in made.slots.values()] == [
        (slot.name, slot.max_queue_length) for slot in routine.slots.values()
    ]
    assert type(made._activation_policy) is type(routine._activation_policy)
    assert made._concurrency == routine._concurrency


@pytest.mark.parametrize("name", ROUTINES)
def test_what_comes_back_goes_by_its_configuration_still(name):
    made = through_a_document(ROUTINES[name])
    assert made._own_policy is False
    made.set_config(input_key=None)
    assert made.get_config("input_key") is None


def test_a_policy_of_your_own_comes_back_too():
    routine = configured(Filter).set_activation_policy(batch_size_policy(3))
    made = through_a_document(routine)
    assert (made._own_policy, made._activation_policy.batch_size) == (True, 3)


def through_a_flow_file(routine):
    flow = Flow("whole")
    flow.add_routine(routine, "one")
    return Flow.from_yaml(flow.to_yaml()).routines["one"]


@pytest.mark.parametrize(
    "way", [through_a_document, through_a_flow_file, clone_routine]
)
@pytest.mark.parametrize("chosen", [1, 100])
def test_a_retry_handler_keeps_the_concurrency_that_was_set(way, chosen):
    made = way(RetryHandler().set_concurrency(chosen))
    made.set_config(max_items=9)
    assert made._concurrency == chosen


@pytest.mark.parametrize(
    "way", [through_a_document, through_a_flow_file, clone_routine]
)
def test_a_retry_handler_without_one_goes_by_its_max_items_still(way):
    made = way(configured(RetryHandler, max_items=7))
    assert made._concurrency == 7
    made.set_config(max_items=9)
    assert made._concurrency == 9


def test_a_retry_handler_keeps_its_error_handler_and_its_retries():
    made = through_a_document(ROUTINES["retry"])
    assert str(made._retries.fallback.strategy) == "continue"
    assert made._error_handler is made._retries


def test_a_lambda_that_is_a_condition_is_written_as_its_expression():
    made = through_a_document(ROUTINES["router"])
    assert made.get_config("routes") == [("big", "data['n'] > 3")]


def test_another_lambda_can_not_be_written():
    routine = configured(RetryHandler, operation=lambda data: data)
    with pytest.raises(SerializationError, match="operation"):
        through_a_document(routine)


data = 3  # what a lambda below compares with
# fmt: off
torn = {"big": [(
    lambda item: item > 3), 1]}["big"][0]
# fmt: on


@pytest.mark.parametrize(
    "condition",
    [
        eval("lambda item: item > 3"),
        lambda item: item > data,
        torn,
    ],
    ids=["without source", "with a global that is called data", "on a torn line"],
)
def test_a_lambda_that_no_expression_stands_for_can_not_be_written(condition):
    routine = configured(Filter, condition=condition)
    with pytest.raises(SerializationError, match="condition"):
        through_a_document(routine)


def test_what_a_batcher_and_an_aggregator_hold_back_goes_on_elsewhere(tmp_path):
    flow = Flow("held")
    flow.add_routine(configured(Batcher, batch_size=3, batch_timeout=None), "batch")
    flow.add_routine(configured(Aggregator, slots=["a", "b"]), "join")
    path = tmp_path / "worker.json"
    with Runtime(thread_pool_size=2) as runtime:
        worker = runtime.exec(flow)
        for n in range(5):
            runtime.post(flow, "batch", "input", n)
        runtime.post(flow, "join", "a", 1)
        assert worker.pause(timeout=WAIT)
        worker.checkpoint(path)
        runtime.shutdown(cancel_pending=True)
    with Runtime(thread_pool_size=2) as runtime:
        worker = runtime.resume(path)
        runtime.post(worker.flow, "join", "b", 2)
        assert runtime.wait_until_all_jobs_finished(WAIT)
    assert worker.get_routine_state("batch") == {"batch_number": 2}
    assert worker.get_event_count("join", "aggregated") == 1
