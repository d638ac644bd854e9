"""Timeouts and dead letters in documents and clones of flows."""

import json

import pytest

from routilux import Flow, SerializationError
from routilux.tools.factory import clone_flow


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
