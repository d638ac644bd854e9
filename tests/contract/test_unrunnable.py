"""Chapter 3: a routine without a policy or without logic never runs."""

import pytest

WAIT = 20.0


@pytest.fixture(params=["policy", "logic"])
def mute(request, make_routine, record):
    """Build a routine that lacks its policy or its logic."""

    def build(**options):
        if request.param == "policy":
            return make_routine(record, policy=None, **options)
        return make_routine(None, **options)

    build.lacks = request.param
    return build


@pytest.fixture
def flow(mute, make_flow):
    return make_flow({"mute_one": mute()})


def test_routine_without_policy_or_logic_never_runs(runtime, flow, finish, calls):
    runtime.exec(flow)
    for number in range(5):
        runtime.post(flow.flow_id, "mute_one", "input", number)
    finish(runtime)
    assert calls == []


def test_validate_reports_it(flow, mute):
    lines = [line for line in flow.validate() if mute.lacks in line]
    assert [("mute_one" in line) for line in lines] == [True]


def test_validate_lines_start_with_their_weight(flow):
    weights = {line.partition(": ")[0] for line in flow.validate()}
    assert weights != set()
    assert weights <= {"Warning", "Error"}


def test_validate_of_a_complete_flow_reports_no_such_thing(solo, record):
    lines = solo(record).validate()
    assert [line for line in lines if "policy" in line or "logic" in line] == []


def test_exec_logs_one_warning_that_names_it(runtime, flow, mute, warned):
    runtime.exec(flow)
    assert len(warned("mute_one")) == 1
    assert len(warned("mute_one", mute.lacks)) == 1


def test_exec_of_a_complete_flow_logs_no_warning(runtime, solo, record, warned):
    runtime.exec(solo(record))
    assert warned() == []


def test_its_slots_keep_what_arrives_for_inspection(runtime, flow, finish):
    worker = runtime.exec(flow)
    for number in range(5):
        runtime.post(flow.flow_id, "mute_one", "input", number)
    finish(runtime)
    slot = worker.get_slot("mute_one", "input")
    assert slot.peek_all_new() == list(range(5))
    assert slot.get_unconsumed_count() == 5


@pytest.mark.parametrize("dtype", [None, "f8"])
def test_its_slots_can_be_emptied(runtime, mute, make_flow, finish, dtype):
    options = {} if dtype is None else {"dtype": dtype}
    worker = runtime.exec(make_flow({"mute_one": mute(**options)}))
    slot = worker.get_slot("mute_one", "input")
    for items in ([1, 2, 3], [4, 5]):
        for number in items:
            runtime.post(worker.flow, "mute_one", "input", number)
        assert slot.consume_one_new() == items[0]
        assert list(slot.consume_all_new()) == items[1:]
        assert len(slot) == 0
    finish(runtime)
    assert slot.get_queue_status()["dropped_count"] == 0


def test_oldest_item_falls_out_at_max_queue_length(runtime, mute, make_flow, finish):
    flow = make_flow({"mute_one": mute(max_queue_length=3)})
    worker = runtime.exec(flow)
    for number in range(10):
        runtime.post(flow.flow_id, "mute_one", "input", number, block=False)
    finish(runtime)
    assert worker.get_slot("mute_one", "input").peek_all_new() == [7, 8, 9]


@pytest.mark.parametrize("overflow", ["block", "error", "drop_newest"])
def test_oldest_item_falls_out_whatever_the_overflow_rule(
    runtime, mute, make_flow, finish, overflow
):
    flow = make_flow({"mute_one": mute(max_queue_length=2, overflow=overflow)})
    worker = runtime.exec(flow)
    jobs = [
        runtime.post(flow.flow_id, "mute_one", "input", number, block=False)
        for number in range(5)
    ]
    finish(runtime)
    assert worker.get_slot("mute_one", "input").peek_all_new() == [3, 4]
    assert {str(job.status) for job in jobs} == {"completed"}


def test_what_falls_out_is_counted(runtime, mute, make_flow, finish, dropped):
    flow = make_flow({"mute_one": mute(max_queue_length=3)})
    worker = runtime.exec(flow)
    for number in range(10):
        runtime.post(flow.flow_id, "mute_one", "input", number)
    finish(runtime)
    assert dropped(worker, "mute_one", "input") == 7


def test_it_never_holds_a_job_open(runtime, flow):
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "mute_one", "input", 1)
    assert job.wait(timeout=WAIT) is True
    assert job.status == "completed"


def test_it_holds_no_job_open_at_the_end_of_a_chain(
    runtime, stage, mute, make_flow, finish
):
    flow = make_flow(
        {
            "source": stage(lambda emit, item: emit("output", n=item)),
            "mute_one": mute(),
        },
        ("source", "output", "mute_one", "input"),
    )
    worker = runtime.exec(flow)
    job = runtime.post(flow.flow_id, "source", "input", 1)
    finish(runtime)
    assert job.status == "completed"
    assert worker.get_slot("mute_one", "input").peek_all_new() == [{"n": 1}]


def test_its_items_do_not_count_for_max_queue_size(make_runtime, flow, finish):
    runtime = make_runtime(max_queue_size=1)
    runtime.exec(flow)
    for number in range(10):
        runtime.post(flow.flow_id, "mute_one", "input", number, timeout=WAIT)
    finish(runtime)
    assert runtime.list_jobs() == []
