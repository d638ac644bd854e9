"""Timeouts and dead letters in documents and clones of flows."""

import json

import pytest

from routilux import ErrorHandler, Flow, Runtime, SerializationError
from routilux.tools.factory import clone_flow

WAIT = 20.0


def pause_and_fail(slot_data, policy_message, worker_state):
    """Have the dead letter wait."""
    worker_state.pause(wait=False)
    raise ValueError("a bad item")


def keep(slot_data, policy_message, worker_state):
    """Note the dead letters in the state."""
    worker_state.update_routine_state("dead", {"letters": slot_data["input"]})


@pytest.fixture
def flow(make_routine, make_flow):
    made = make_flow({"work": make_routine(), "dead": make_routine()})
    made.routines["work"].set_timeout(1.5)
    made.set_dead_letter("dead", "input")
    return made


def test_timeout_and_dead_letter_come_back_from_a_document(flow):
    back = Flow.deserialize(json.loads(json.dumps(flow.serialize())))
    assert back.routines["work"]._timeout == 1.5
    assert back.routines["dead"]._timeout is None
    assert back.dead_letter == ("dead", "input")


def test_document_without_them_is_read(flow):
    document = flow.serialize()
    del document["dead_letter"]
    for routine in document["routines"].values():
        del routine["timeout"]
    back = Flow.deserialize(document)
    assert back.dead_letter is None
    assert back.routines["work"]._timeout is None


def test_document_with_a_wrong_dead_letter_is_refused(flow):
    document = flow.serialize()
    document["dead_letter"] = ["gone", "input"]
    with pytest.raises(SerializationError, match="'gone' not found"):
        Flow.deserialize(document)


def test_clone_has_timeout_and_dead_letter(flow):
    made = clone_flow(flow)
    assert made.routines["work"]._timeout == 1.5
    assert made.dead_letter == ("dead", "input")


class Lenient(ErrorHandler):
    """Is made like any other."""


class Counting(ErrorHandler):
    """Has a constructor of its own."""

    def __init__(self, limit):
        super().__init__("skip")
        self.limit = {3: "three"}[limit]


@pytest.mark.parametrize("part", ["flow", "routine", "handler"])
def test_handler_whose_class_can_not_be_made_again_is_refused(flow, part):
    handler = Counting(3)
    flow.set_error_handler(handler)
    flow.routines["work"].set_error_handler(handler)
    whole = {"flow": flow, "routine": flow.routines["work"], "handler": handler}
    with pytest.raises(SerializationError, match=r"handler of class 'Counting'"):
        whole[part].serialize()


def test_handler_of_a_class_of_ones_own_comes_back():
    back = ErrorHandler.deserialize(Lenient("retry", 7).serialize())
    assert (type(back), back.strategy, back.max_retries) == (Lenient, "retry", 7)


def test_letter_that_waits_goes_along_with_a_checkpoint(
    threaded, make_routine, make_flow, tmp_path
):
    work, dead = make_routine(pause_and_fail), make_routine(keep)
    flow = make_flow({"work": work, "dead": dead})
    flow.set_dead_letter("dead", "input")
    runtime = threaded()
    worker = runtime.exec(flow)
    failed = runtime.post(flow, "work", "input", 7).job
    assert failed.wait(WAIT)
    failed.data["earlier"] = failed.error
    worker.checkpoint(tmp_path / "work.json")
    with Runtime(thread_pool_size=1) as other:
        back = other.resume(tmp_path / "work.json")
        assert back.wait_until_idle(WAIT)
        [letter] = back.get_routine_state("dead")["letters"]
    error = letter["error"]
    assert (letter["item"], error) == (7, failed.error)
    assert type(error) is type(failed.error)
    assert vars_of(error) == vars_of(failed.error)
    assert (error.type, error.routine_id) == ("ValueError", "work")


def vars_of(error):
    """Say all that an error knows."""
    return error.type, error.message, error.traceback, error.routine_id
