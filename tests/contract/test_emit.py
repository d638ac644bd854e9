"""Chapter 4: emit() inside and outside of an activation."""

import asyncio
import contextvars
import threading

import pytest

from routilux import get_current_job, get_current_job_id, get_current_routine_id

WAIT = 20.0


@pytest.fixture
def emitting(stage, make_flow, make_routine):
    """Build a flow whose "source" runs `body(emit, item)` and "sink" collects."""

    def build(body, **options):
        got = []
        flow = make_flow(
            {
                "source": stage(body, **options),
                "sink": stage(lambda emit, item: got.append(item), events=()),
            },
            ("source", "output", "sink", "input"),
        )
        return flow, got

    return build


@pytest.fixture
def run(runtime, finish):
    """Post one item to "source" and answer the finished job."""

    def one(flow, data=None):
        runtime.exec(flow)
        job = runtime.post(flow.flow_id, "source", "input", data)[1]
        finish(runtime)
        return job

    return one


def test_emit_inside_logic_delivers(emitting, run):
    flow, got = emitting(lambda emit, item: emit("output", a=1, b="x"))
    assert run(flow).status == "completed"
    assert got == [{"a": 1, "b": "x"}]


def test_emit_without_kwargs_delivers_an_empty_dict(emitting, run):
    flow, got = emitting(lambda emit, item: emit("output"))
    run(flow)
    assert got == [{}]


def test_each_emit_delivers_a_dict_of_its_own(emitting, run):
    payload = {"n": 1}

    def body(emit, item):
        emit("output", **payload)
        emit("output", **payload)

    flow, got = emitting(body)
    run(flow)
    assert got == [payload, payload]
    assert got[0] is not got[1]
    assert got[0] is not payload


def test_emitted_values_are_passed_by_reference(emitting, run):
    value = {"deep": [1, 2]}
    flow, got = emitting(lambda emit, item: emit("output", value=value))
    run(flow)
    assert got[0]["value"] is value
    assert value == {"deep": [1, 2]}


def test_item_is_shared_by_reference_among_all_connected_slots(
    runtime, stage, make_flow, finish
):
    got = []
    sinks = {name: stage(lambda emit, item: got.append(item)) for name in "abc"}
    flow = make_flow(
        {"source": stage(lambda emit, item: emit("output", n=1)), **sinks},
        *[("source", "output", name, "input") for name in "abc"],
    )
    runtime.exec(flow)
    runtime.post(flow.flow_id, "source", "input", None)
    finish(runtime)
    assert got == [{"n": 1}] * 3
    assert got[0] is got[1] is got[2]


def test_item_reaches_two_slots_of_one_routine(
    runtime, stage, make_flow, make_routine, record, calls, finish
):
    flow = make_flow(
        {
            "source": stage(lambda emit, item: emit("output", n=1)),
            "sink": make_routine(record, slots=("a", "b")),
        },
        ("source", "output", "sink", "a"),
        ("source", "output", "sink", "b"),
    )
    runtime.exec(flow)
    runtime.post(flow.flow_id, "source", "input", None)
    finish(runtime)
    items = [data["a"] + data["b"] for data, _ in calls]
    assert items == [[{"n": 1}], [{"n": 1}]]
    assert items[0][0] is items[1][0]


@pytest.mark.parametrize("name", ["self", "event", "data", "name", "kwargs", "job"])
def test_payload_key_may_have_any_name(emitting, run, name):
    flow, got = emitting(lambda emit, item: emit("output", **{name: 1}))
    assert str(run(flow).error) == "None"
    assert got == [{name: 1}]


def test_unknown_event_is_a_value_error_that_lists_near_names(emitting, run):
    flow, got = emitting(lambda emit, item: emit("outptu", n=1))
    job = run(flow)
    assert (job.status, job.error.type, got) == ("failed", "ValueError", [])
    assert "'outptu'" in job.error.message
    assert "'output'" in job.error.message


@pytest.mark.parametrize("args", [(), ("output", {"n": 1})])
def test_values_that_are_no_keywords_are_a_type_error(emitting, run, args):
    flow, got = emitting(lambda emit, item: emit(*args))
    job = run(flow)
    assert (job.status, job.error.type, got) == ("failed", "TypeError", [])
    assert f"{len(args)} positional arguments" in job.error.message


@pytest.mark.parametrize("method", ["emit", "emit_many"])
def test_emit_of_a_routine_of_another_flow_names_the_flow(
    emitting, run, make_routine, method
):
    stranger = make_routine(events=("output",))
    values = [{"n": 1}]
    args = ("output",) if method == "emit" else ("output", values)
    flow, got = emitting(lambda emit, item: getattr(stranger, method)(*args))
    job = run(flow)
    assert (job.status, job.error.type, got) == ("failed", "RuntimeError", [])
    assert f"is not a routine of flow {flow.flow_id!r}" in job.error.message


def test_emit_outside_of_an_activation_is_a_runtime_error_that_says_so(
    runtime, emitting
):
    flow, _ = emitting(lambda emit, item: None)
    runtime.exec(flow)
    with pytest.raises(RuntimeError, match=r"(?s)emit.*(logic|activation)"):
        flow.routines["source"].emit("output", n=1)


def test_emit_of_a_routine_without_a_flow_is_a_runtime_error(make_routine):
    with pytest.raises(RuntimeError, match=r"logic|activation"):
        make_routine(events=("output",)).emit("output")


def test_unknown_event_outside_of_an_activation_is_named(make_routine):
    with pytest.raises(ValueError, match=r"'outptu' not found.*mean 'output'"):
        make_routine(events=("output",)).emit("outptu")


def test_emit_on_a_thread_without_the_context_is_a_runtime_error(emitting, run):
    errors = []

    def body(emit, item):
        def elsewhere():
            try:
                contextvars.Context().run(emit, "output", n=1)
            except RuntimeError as error:
                errors.append(str(error))

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join(WAIT)

    flow, got = emitting(body)
    assert run(flow).status == "completed"
    assert len(errors) == 1
    assert got == []


def test_emit_on_a_thread_that_carries_the_context_delivers(emitting, run):
    def body(emit, item):
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(emit, "output"))
        thread.start()
        thread.join(WAIT)

    flow, got = emitting(body)
    assert run(flow).status == "completed"
    assert got == [{}]


def test_emit_through_copy_context_run_on_the_same_thread_delivers(emitting, run):
    def body(emit, item):
        contextvars.copy_context().run(emit, "output", n=1)

    flow, got = emitting(body)
    run(flow)
    assert got == [{"n": 1}]


def test_emit_from_many_threads_of_one_activation_loses_nothing(emitting, run):
    def body(emit, item):
        def burst(context, name):
            for number in range(100):
                context.run(emit, "output", name=name, n=number)

        threads = [
            threading.Thread(target=burst, args=(contextvars.copy_context(), name))
            for name in "abcd"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT)

    flow, got = emitting(body)
    assert run(flow).status == "completed"
    for name in "abcd":
        numbers = [item["n"] for item in got if item["name"] == name]
        assert numbers == list(range(100))


@pytest.fixture
def async_source(make_routine, make_flow, stage):
    """Build a flow whose "source" runs `await body(emit)`."""

    def build(body):
        got = []
        source = make_routine(events=("output",))

        async def logic(slot_data, policy_message, worker_state):
            await body(source.emit)

        source.set_logic(logic)
        sink = stage(lambda emit, item: got.append(item))
        connection = ("source", "output", "sink", "input")
        return make_flow({"source": source, "sink": sink}, connection), got

    return build


def test_emit_inside_async_logic_delivers(async_source, run):
    async def body(emit):
        await asyncio.sleep(0)
        emit("output", n=1)

    flow, got = async_source(body)
    assert run(flow).status == "completed"
    assert got == [{"n": 1}]


def test_emit_from_asyncio_to_thread_delivers(async_source, run):
    async def body(emit):
        await asyncio.to_thread(emit, "output", n=1)

    flow, got = async_source(body)
    assert run(flow).status == "completed"
    assert got == [{"n": 1}]


def test_emit_from_gathered_tasks_delivers(async_source, run):
    async def body(emit):
        async def one(number):
            await asyncio.sleep(0)
            emit("output", n=number)

        await asyncio.gather(*[one(number) for number in range(10)])

    flow, got = async_source(body)
    assert run(flow).status == "completed"
    assert sorted(item["n"] for item in got) == list(range(10))


def test_emit_after_its_job_finished_is_a_runtime_error(emitting, run):
    contexts = []

    def body(emit, item):
        contexts.append(contextvars.copy_context())

    flow, got = emitting(body)
    assert run(flow).status == "completed"
    with pytest.raises(RuntimeError):
        contexts[0].run(flow.routines["source"].emit, "output", n=1)
    assert got == []


def test_event_without_connections_is_dropped_by_design(
    runtime, stage, make_flow, finish
):
    flow = make_flow({"source": stage(lambda emit, item: emit("output", n=1))})
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "source", "input", None)
    finish(runtime)
    assert job.status == "completed"


def test_what_an_event_without_connections_drops_is_counted(
    make_runtime, stage, make_flow, finish
):
    flow = make_flow({"source": stage(lambda emit, item: emit("output", n=1))})
    runtime = make_runtime(enable_monitoring=True)
    runtime.exec(flow)
    for number in range(3):
        runtime.post(flow.flow_id, "source", "input", number)
    finish(runtime)
    row = runtime.metrics().routine("source")
    assert row.items_out + row.dropped == 3


def test_event_without_connections_still_knows_its_own_name(
    runtime, stage, make_flow, finish
):
    flow = make_flow({"source": stage(lambda emit, item: emit("outptu"))})
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "source", "input", None)
    finish(runtime)
    assert (job.status, job.error.type) == ("failed", "ValueError")


def test_what_is_emitted_belongs_to_the_job_of_the_activation(
    runtime, stage, make_flow, finish
):
    seen = []

    def sink(emit, item):
        seen.append((item["job"], get_current_job_id(), get_current_job().job_id))

    def source(emit, item):
        emit("output", job=get_current_job_id())

    flow = make_flow(
        {"source": stage(source), "sink": stage(sink)},
        ("source", "output", "sink", "input"),
    )
    runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "source", "input", n) for n in range(3)]
    finish(runtime)
    assert seen == [(job.job_id,) * 3 for job in jobs]


def test_current_routine_id_is_that_of_the_running_logic(
    runtime, stage, make_flow, finish
):
    seen = []

    def body(emit, item):
        seen.append(get_current_routine_id())
        emit("output")
        seen.append(get_current_routine_id())

    flow = make_flow(
        {"source": stage(body), "sink": stage(body)},
        ("source", "output", "sink", "input"),
    )
    runtime.exec(flow)
    runtime.post(flow.flow_id, "source", "input", None)
    finish(runtime)
    assert sorted(seen) == ["sink", "sink", "source", "source"]
    assert get_current_routine_id() is None
