"""`pipeline` and `Flow.pipe`: flows of plain functions, and their checks."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from routilux import SKIP, Flow, FunctionRoutine, Routine, pipeline


def double(x: int) -> int:
    return 2 * x


def test_routines_are_named_after_their_functions() -> None:
    flow = pipeline(double, str, lambda x: x, functools.partial(double), double, double)
    names = ["double", "str", "step_2", "step_3", "double_2", "double_3"]
    assert list(flow.routines) == names
    assert [c.key for c in flow.connections] == [
        (names[n], "output", names[n + 1], "input") for n in range(5)
    ]


def test_pipelines_have_ids_of_their_own() -> None:
    first, second = pipeline(double), pipeline(double)
    assert first.flow_id.startswith("simple_pipeline")
    assert first.flow_id != second.flow_id
    assert pipeline(double, flow_id="mine").flow_id == "mine"


def test_pipeline_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one function"):
        pipeline()


@pytest.mark.parametrize("wrong", [None, 3, "double", Routine, Routine()])
def test_what_is_no_function_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="function 1 of the pipeline"):
        pipeline(double, wrong)
    with pytest.raises(TypeError, match="function must be"):
        FunctionRoutine(wrong)


def test_pipe_takes_functions_and_routines() -> None:
    flow = Flow().pipe(double).pipe(FunctionRoutine(str), "text").pipe(len)
    flow.pipe(FunctionRoutine(abs))
    assert list(flow.routines) == ["double", "text", "len", "abs"]
    assert len(flow.connections) == 3


def test_pipe_refuses_a_name_that_is_taken() -> None:
    flow = Flow().pipe(double)
    with pytest.raises(ValueError, match="'double' already exists"):
        flow.pipe(double)
    assert list(flow.pipe(double, "again").routines) == ["double", "again"]


def test_pipe_refuses_what_is_neither() -> None:
    wrong: Any = 3
    with pytest.raises(TypeError, match="routine must be a Routine, not int"):
        Flow().pipe(wrong)


def test_lambda_gets_an_id_of_its_own() -> None:
    flow = Flow().pipe(lambda x: x).pipe(lambda x: x)
    assert len(flow.routines) == 2


def test_unconnected_output_of_a_function_is_no_problem() -> None:
    assert pipeline(double, str).validate() == [
        "Warning: Slot 'input' of routine 'double' is not connected: "
        "only post() can feed it"
    ]


def test_skip_is_one_object_with_a_name() -> None:
    assert repr(SKIP) == "SKIP"
    assert type(SKIP)("skip") is SKIP
