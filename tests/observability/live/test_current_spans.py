"""OpenTelemetry: which span is the current one, and which one ends."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from standing import Gate, flow_of, nothing, routine

from routilux import Runtime, batch_size_policy

pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is missing")

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from routilux.observability.opentelemetry import instrument

WAIT = 10.0


class Telemetry:
    """Tracers that keep their spans in memory."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))

    def spans(self, name: str) -> list[Any]:
        return [s for s in self.exporter.get_finished_spans() if s.name == name]

    def spans_to_come(self, name: str, number: int) -> bool:
        """Wait until so many have ended; observers hear of ends after waiters may."""
        end = time.monotonic() + WAIT
        while len(self.spans(name)) < number and time.monotonic() < end:
            time.sleep(0.001)
        return len(self.spans(name)) == number


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """Tracers of this test alone."""
    made = Telemetry()
    yield made
    made.tracers.shutdown()


class Noting:
    """Logic that keeps the name of the current span, None where there is none."""

    def __init__(self) -> None:
        self.names: list[str | None] = []

    def note(self, *_: Any) -> None:
        span = trace.get_current_span()
        self.names.append(getattr(span, "name", None))

    async def later(self, *_: Any) -> None:
        self.note()
        await asyncio.sleep(0)
        self.note()


@pytest.fixture
def shared_pool() -> Iterator[None]:
    """Say that threads of the process-wide pool may stay."""
    yield


def test_threads_of_async_logic_have_no_span_afterwards(
    telemetry: Telemetry, shared_pool: None
) -> None:
    inside, beside = Noting(), Noting()
    with Runtime(0) as one, Runtime(0) as two:
        instrument(one, telemetry.tracers)
        one.exec(flow_of("one", a=routine(inside.later)))
        two.exec(flow_of("two", b=routine(beside.note)))
        for n in range(20):
            assert one.post("one", "a", "input", n).wait(WAIT)
            assert two.post("two", "b", "input", n).wait(WAIT)
    assert set(inside.names) == {"a"}
    assert set(beside.names) == {None}


@pytest.mark.parametrize(
    "options", [{"engine": "inline"}, {"engine": "sim", "seed": 1}]
)
def test_the_caller_has_its_own_span_again(
    telemetry: Telemetry, options: dict[str, Any]
) -> None:
    inside = Noting()
    tracer = telemetry.tracers.get_tracer("test")
    with Runtime(**options) as runtime, instrument(runtime, telemetry.tracers):
        runtime.exec(flow_of("one", a=routine(inside.later), b=routine(inside.note)))
        with tracer.start_as_current_span("mine") as mine:
            for name in ("a", "b", "a"):
                assert runtime.post("one", name, "input", 1).wait(WAIT)
            assert trace.get_current_span() is mine
        assert not trace.get_current_span().get_span_context().is_valid
    assert inside.names == ["a", "a", "b", "a", "a"]
    assert [len(telemetry.spans(name)) for name in "ab"] == [2, 1]


def test_async_activations_of_one_job_end_their_own_spans(telemetry: Telemetry) -> None:
    seen: dict[int, Any] = {}

    async def logic(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        (n,) = slot_data["input"]
        seen[n] = trace.get_current_span().get_span_context().span_id
        if n == 0:
            while len(telemetry.spans("wide")) < 3:
                await asyncio.sleep(0.001)
            raise ValueError("the slow one")

    wide = routine(logic)
    wide.set_concurrency(4)
    with Runtime(2) as runtime:
        instrument(runtime, telemetry.tracers)
        runtime.exec(flow_of("shop", wide=wide))
        job = runtime.post_many("shop", "wide", "input", range(4), jobs="one")
        assert job.wait(WAIT)
        assert telemetry.spans_to_come("wide", 4)
    ended = {span.context.span_id: span for span in telemetry.spans("wide")}
    assert set(seen) == {0, 1, 2, 3}
    codes = {n: ended[seen[n]].status.status_code.name for n in seen}
    assert codes == {0: "ERROR", 1: "UNSET", 2: "UNSET", 3: "UNSET"}


def test_close_ends_open_spans_and_leaves_no_thread_with_one(
    telemetry: Telemetry, gate: Gate
) -> None:
    beside = Noting()
    with Runtime(1) as runtime:
        closing = instrument(runtime, telemetry.tracers)
        flow = flow_of("shop", pay=routine(gate.hold), b=routine(beside.note))
        runtime.exec(flow)
        job = runtime.post("shop", "pay", "input", 1).job
        gate.wait_for(1)
        closing.close()
        assert len(telemetry.spans("pay")) == len(telemetry.spans("job shop")) == 1
        gate.open()
        assert job.wait(WAIT)
        assert runtime.post("shop", "b", "input", 1).wait(WAIT)
    assert beside.names == [None]
    assert len(telemetry.exporter.get_finished_spans()) == 2


def test_two_observers_of_one_process_do_not_mix(telemetry: Telemetry) -> None:
    other, inside, beside = Telemetry(), Noting(), Noting()
    one, two = Runtime(1), Runtime(1)
    with one, two, instrument(one, telemetry.tracers), instrument(two, other.tracers):
        one.exec(flow_of("one", a=routine(inside.later), n=routine(inside.note)))
        two.exec(flow_of("two", b=routine(beside.later), n=routine(beside.note)))
        for name in ("a", "n"):
            assert one.post("one", name, "input", 1).wait(WAIT)
        for name in ("b", "n"):
            assert two.post("two", name, "input", 1).wait(WAIT)
    assert (inside.names, beside.names) == (["a", "a", "n"], ["b", "b", "n"])
    assert [len(telemetry.spans(name)) for name in "abn"] == [1, 0, 1]
    assert [len(other.spans(name)) for name in "abn"] == [0, 1, 1]


def test_an_activation_that_took_too_long_has_a_failed_span(
    telemetry: Telemetry,
) -> None:

    async def logic(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        await asyncio.sleep(WAIT)

    slow = routine(logic)
    slow.set_timeout(0.01)
    with Runtime(1) as runtime, instrument(runtime, telemetry.tracers):
        runtime.exec(flow_of("shop", slow=slow, quick=routine(nothing)))
        assert runtime.post("shop", "slow", "input", 1).wait(WAIT)
        assert telemetry.spans_to_come("slow", 1)
    [span] = telemetry.spans("slow")
    assert span.status.status_code.name == "ERROR"


def test_logic_that_began_before_has_no_span_and_what_follows_has(
    telemetry: Telemetry, gate: Gate
) -> None:
    with Runtime(1) as runtime:
        runtime.exec(flow_of("shop", pay=routine(gate.hold)))
        early = runtime.post("shop", "pay", "input", 1).job
        gate.wait_for()
        with instrument(runtime, telemetry.tracers):
            gate.open()
            assert early.wait(WAIT)
            later = runtime.post("shop", "pay", "input", 2).job
            assert later.wait(WAIT)
            assert telemetry.spans_to_come("pay", 1)
    [span] = telemetry.spans("pay")
    assert span.attributes["routilux.job.id"] == later.job_id


def test_closed_while_a_span_begins_it_ends_that_span_too(telemetry: Telemetry) -> None:
    class Closing(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            if span.name == "pay":
                closing.close()

    inside = Noting()
    telemetry.tracers.add_span_processor(Closing())
    with Runtime(1) as runtime:
        closing = instrument(runtime, telemetry.tracers)
        runtime.exec(flow_of("shop", pay=routine(inside.note)))
        for _ in range(2):
            assert runtime.post("shop", "pay", "input", 1).wait(WAIT)
    assert inside.names == [None, None]
    assert len(telemetry.spans("pay")) == len(telemetry.spans("job shop")) == 1


def test_the_span_of_a_cancelled_job_says_why(telemetry: Telemetry) -> None:
    waits = routine(nothing, policy=batch_size_policy(2))
    with Runtime(1) as runtime, instrument(runtime, telemetry.tracers):
        runtime.exec(flow_of("shop", waits=waits))
        assert runtime.post("shop", "waits", "input", 1).job.cancel()
        assert telemetry.spans_to_come("job shop", 1)
    [span] = telemetry.spans("job shop")
    assert span.attributes["routilux.job.status"] == "cancelled"
    assert "cancelled by cancel_job()" in span.attributes["routilux.job.error"]
    assert span.status.status_code.name == "UNSET"


def test_logic_that_blocks_the_loop_of_a_simulation_keeps_its_span(
    telemetry: Telemetry,
) -> None:
    inside = Noting()

    async def logic(*_: Any) -> None:
        inside.note()
        runtime.sleep(1.0)  # the other activation of the job begins meanwhile
        inside.note()

    slow = routine(logic)
    slow.set_concurrency(2)
    with (
        Runtime(2, engine="sim", seed=1) as runtime,
        instrument(runtime, telemetry.tracers),
    ):
        runtime.exec(flow_of("shop", slow=slow))
        runtime.post_many("shop", "slow", "input", [1, 2], jobs="one")
        assert runtime.wait_until_all_jobs_finished()
    assert inside.names == ["slow"] * 4
    spans = telemetry.spans("slow")
    assert [span.status.status_code.name for span in spans] == ["UNSET"] * 2
    assert len({span.context.span_id for span in spans}) == 2


def test_logic_that_helps_its_own_routine_keeps_its_span(telemetry: Telemetry) -> None:
    seen: dict[int, set[int]] = {}

    def note(number: int) -> None:
        context = trace.get_current_span().get_span_context()
        seen.setdefault(number, set()).add(context.span_id)

    async def later(number: int) -> None:
        note(number)
        await asyncio.sleep(0)
        note(number)

    def logic(slot_data: Any, *_: Any) -> Any:
        number = slot_data["input"][0]["n"]
        note(number)
        if number == 0:
            for n in (1, 2):  # no room for the second: the first runs meanwhile
                slow.emit("out", n=n)
        note(number)
        return later(number)

    slow = routine(logic, max_queue_length=1)
    slow.set_concurrency(2)
    flow = flow_of("shop", slow=slow)
    flow.connect("slow", "out", "slow", "input")
    with Runtime(1) as runtime, instrument(runtime, telemetry.tracers):
        runtime.exec(flow)
        assert runtime.post("shop", "slow", "input", {"n": 0}).wait(WAIT)
    assert [len(ids) for ids in seen.values()] == [1, 1, 1]
    assert len(set().union(*seen.values()) - {0}) == 3
