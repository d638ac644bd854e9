"""`@routine` and `@routine_class`: routines made of functions and plain classes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from routilux import (
    SKIP,
    Flow,
    JobFailedError,
    Routine,
    Runtime,
    all_slots_ready_policy,
    custom_policy,
    get_current_job,
    immediate_policy,
)
from routilux.decorators import routine, routine_class

WAIT = 20.0


class Catch(Routine):
    """Keeps what it gets, and gives it to the job as its result."""

    def __init__(self) -> None:
        super().__init__()
        self.add_slot("input")
        self.set_activation_policy(immediate_policy())
        self.seen: list[Any] = []
        self.started = threading.Event()

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        self.started.set()
        self.seen.extend(slot_data["input"])
        job = get_current_job()
        assert job is not None
        job.set_result(slot_data["input"][0])


def run(made: Routine, *items: Any, event: str = "output", slot: str = "input") -> Any:
    """Post items to a routine; return what it emitted by an event."""
    flow, catch = Flow(), Catch()
    flow.add_routine(made, "made")
    flow.add_routine(catch, "catch")
    flow.connect("made", event, "catch", "input")
    with Runtime(thread_pool_size=2) as runtime:
        runtime.exec(flow)
        for item in items:
            runtime.post(flow, "made", slot, item).job.result(WAIT)
    return catch.seen


# --- @routine


@routine(input_slot="text", output_event="parsed", name="Parser")
def parse(item: Any) -> int:
    """Make an int."""
    return int(item)


def test_function_becomes_a_routine_class() -> None:
    assert issubclass(parse, Routine)
    assert (parse.__name__, parse.__doc__) == ("Parser", "Make an int.")
    made = parse()
    assert (list(made.slots), list(made.events)) == (["text"], ["parsed"])
    assert made.events["parsed"].output_params == ["result"]


def test_function_stays_at_hand() -> None:
    function: Any = parse
    assert function.function("3") == 3


def test_what_the_function_returns_is_emitted_as_result() -> None:
    assert run(parse(), "1", "2", event="parsed", slot="text") == [
        {"result": 1},
        {"result": 2},
    ]


def test_decorator_works_without_parentheses() -> None:
    @routine
    def double(item: int) -> int:
        return 2 * item

    assert double.__name__ == "double"
    assert run(double(), 4) == [{"result": 8}]


def test_none_is_emitted_and_skip_is_not() -> None:
    @routine
    def only_odd(item: int) -> Any:
        return None if item % 2 else SKIP

    assert run(only_odd(), 1, 2, 3) == [{"result": None}] * 2


def test_generators_emit_each_value() -> None:
    @routine
    def count(item: int) -> Iterator[int]:
        yield from range(item)

    assert run(count(), 2) == [{"result": 0}, {"result": 1}]


def cancel_on_the_way(function: Any, closed: threading.Event) -> None:
    """Cancel the job of an endless generator; expect both to end."""
    flow, catch = Flow(), Catch()
    flow.add_routine(routine(function)(), "made")
    flow.add_routine(catch, "catch")
    flow.connect("made", "output", "catch", "input")
    with Runtime(thread_pool_size=2) as runtime:
        runtime.exec(flow)
        job = runtime.post(flow, "made", "input", 1).job
        catch.started.wait(WAIT)
        assert job.cancel()
        assert closed.wait(WAIT)
        assert job.wait(WAIT)


def test_endless_generator_ends_when_its_job_is_cancelled() -> None:
    closed = threading.Event()

    def forever(item: int) -> Iterator[int]:
        try:
            while True:
                yield item
        finally:
            closed.set()

    cancel_on_the_way(forever, closed)


def test_endless_async_generator_ends_when_its_job_is_cancelled() -> None:
    closed = threading.Event()

    async def forever(item: int) -> AsyncIterator[int]:
        try:
            while True:
                await asyncio.sleep(0)
                yield item
        finally:
            closed.set()

    cancel_on_the_way(forever, closed)


def test_async_functions_are_awaited() -> None:
    @routine
    async def double(item: int) -> int:
        return 2 * item

    @routine
    async def count(item: int) -> AsyncIterator[int]:
        for n in range(item):
            yield n

    assert run(double(), 2) == [{"result": 4}]
    assert run(count(), 2) == [{"result": 0}, {"result": 1}]


def test_exception_fails_the_job() -> None:
    with pytest.raises(JobFailedError, match="ValueError"):
        run(parse(), "one", event="parsed", slot="text")


def test_exception_goes_to_the_event_error_if_there_is_one() -> None:
    made = parse()
    made.add_event("error")
    [found] = run(made, "one", event="error", slot="text")
    assert (found["error_type"], found["data"]) == ("ValueError", "one")
    assert "invalid literal" in found["error"]


def test_exception_of_an_async_function_goes_there_too() -> None:
    @routine
    async def fail(item: int) -> None:
        raise KeyError("no")

    made = fail()
    made.add_event("error")
    [found] = run(made, 1, event="error")
    assert (found["error_type"], found["data"]) == ("KeyError", 1)


def test_exception_of_an_async_function_fails_the_job() -> None:
    @routine
    async def fail(item: int) -> None:
        raise KeyError("no")

    with pytest.raises(JobFailedError, match="KeyError: 'no'"):
        run(fail(), 1)


async def again(item: int) -> int:
    return item


@pytest.mark.parametrize("function", [abs, again])
def test_full_slot_is_no_error_of_the_function(function: Any) -> None:
    made, wait = routine(function)(), Routine()
    made.add_event("error")
    wait.add_slot("input", 1, overflow="error")
    wait.add_slot("never")
    wait.set_activation_policy(all_slots_ready_policy())
    wait.set_logic(lambda slot_data, policy_message, worker_state: None)
    flow, catch = Flow(), Catch()
    for part, name in ((made, "made"), (wait, "wait"), (catch, "catch")):
        flow.add_routine(part, name)
    flow.connect("made", "output", "wait", "input")
    flow.connect("made", "error", "catch", "input")
    with Runtime(thread_pool_size=2) as runtime:
        runtime.exec(flow)
        jobs = [runtime.post(flow, "made", "input", n).job for n in range(2)]
        assert jobs[1].wait(WAIT)
    assert str(jobs[1].status) == "failed" and jobs[1].error is not None
    assert jobs[1].error.type == "SlotQueueFullError"
    assert catch.seen == []


def test_two_objects_of_one_class_do_not_share_slots() -> None:
    first, second = parse(), parse()
    assert first.slots["text"] is not second.slots["text"]


def test_routine_decorates_functions_only() -> None:
    wrong: Any = Routine
    with pytest.raises(TypeError, match="@routine decorates"):
        routine(wrong)
    with pytest.raises(TypeError, match="@routine decorates"):
        routine("input")(wrong)


# --- @routine_class


@routine_class
class Times:
    """Multiplies."""

    def __init__(self, factor: int = 2) -> None:
        self.factor = factor

    def process(self, item: int) -> int:
        return item * self.factor


def test_class_with_process_becomes_a_routine_class() -> None:
    assert issubclass(Times, Routine)
    assert (Times.__name__, Times.__doc__) == ("Times", "Multiplies.")
    assert run(Times(5), 2) == [{"result": 10}]
    assert run(Times(), 2) == [{"result": 4}]


def test_class_may_be_renamed_and_have_other_slots() -> None:
    @routine_class(name="Sum", slots=["left", "right"], events=["total", "error"])
    class Add:
        def process(self, left: int, right: int) -> int:
            return left + right

    assert Add.__name__ == "Sum"
    flow, catch = Flow(), Catch()
    flow.add_routine(Add(), "add")
    flow.add_routine(catch, "catch")
    flow.connect("add", "total", "catch", "input")
    with Runtime(thread_pool_size=2) as runtime:
        runtime.exec(flow)
        for n in range(3):
            runtime.post(flow, "add", "left", n)
            runtime.post(flow, "add", "right", 10 * n)
    assert catch.seen == [{"result": 0}, {"result": 11}, {"result": 22}]


def pairs_of(dtype: str | None, policy: Any, prices: int, amounts: int) -> Any:
    """Post items to a class of two slots; return its pairs, and the jobs."""
    seen: list[Any] = []

    class Total:
        def __init__(self) -> None:
            Routine.__init__(self)  # type: ignore[arg-type]
            for slot in ("price", "amount"):
                self.add_slot(slot, dtype=dtype)  # type: ignore[attr-defined]
            self.set_activation_policy(policy)  # type: ignore[attr-defined]

        def process(self, price: Any, amount: Any) -> None:
            seen.append((price, amount))

    flow = Flow()
    flow.add_routine(routine_class(slots=["price", "amount"])(Total)(), "total")
    with Runtime(thread_pool_size=2) as runtime:
        runtime.exec(flow)
        jobs = [runtime.post(flow, "total", "price", n).job for n in range(prices)]
        jobs += [runtime.post(flow, "total", "amount", n).job for n in range(amounts)]
        assert runtime.wait_until_all_jobs_finished(WAIT)
    return seen, jobs


def when_full(**counts: int) -> Any:
    """A policy that takes all items when the slots hold so many."""

    def is_full(slots: Any, worker_state: Any) -> bool:
        return all(slots[n].get_unconsumed_count() == k for n, k in counts.items())

    return custom_policy(is_full)


@pytest.mark.parametrize("dtype", [None, "f8"])
def test_process_gets_one_item_of_each_slot(dtype: str | None) -> None:
    seen, _ = pairs_of(dtype, when_full(price=2, amount=2), 2, 2)
    assert seen == [(0, 0), (1, 1)]


def test_process_gets_each_item_alone_where_the_policy_hands_over_one_slot() -> None:
    @routine_class(slots=["left", "right"])
    class Either:
        def __init__(self) -> None:
            Routine.__init__(self)  # type: ignore[arg-type]
            policy = immediate_policy()
            self.set_activation_policy(policy)  # type: ignore[attr-defined]

        def process(self, item: int) -> int:
            return -item

    assert run(Either(), 1, slot="left") == [{"result": -1}]
    assert run(Either(), 2, slot="right") == [{"result": -2}]


def test_slots_of_different_length_fail_and_name_their_counts() -> None:
    seen, jobs = pairs_of(None, when_full(price=3, amount=1), 3, 1)
    assert seen == []
    assert {str(job.status) for job in jobs} == {"failed"}
    assert "{'price': 3, 'amount': 1}" in str(jobs[0].error)


def test_class_with_logic_emits_by_itself() -> None:
    @routine_class(events=["low", "high"])
    class Sort:
        emit: Any

        def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
            for item in slot_data["input"]:
                self.emit("low" if item < 10 else "high", item=item)

    assert run(Sort(), 5, 50, 7, event="low") == [{"item": 5}, {"item": 7}]


def test_what_the_constructor_declares_is_kept() -> None:
    @routine_class
    class Narrow(Routine):
        def __init__(self) -> None:
            super().__init__()
            self.add_slot("input", max_queue_length=3)

        def process(self, item: int) -> int:
            return item

    made = Narrow()
    assert made.slots["input"].max_queue_length == 3
    assert run(made, 1) == [{"result": 1}]


def test_error_event_of_a_class_gets_what_process_raises() -> None:
    @routine_class(events=["output", "error"])
    class Fail:
        def process(self, item: int) -> None:
            raise ValueError("bad")

    [found] = run(Fail(), 1, event="error")
    assert found == {"error": "bad", "error_type": "ValueError", "data": 1}


def test_class_without_either_method_is_refused() -> None:
    class Bare:
        pass

    with pytest.raises(TypeError, match="class Bare needs a method process or logic"):
        routine_class(Bare)
    wrong: Any = 3
    with pytest.raises(TypeError, match="@routine_class decorates a class"):
        routine_class()(wrong)
