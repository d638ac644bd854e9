"""Chapter 1: what the words mean."""

import threading

import pytest

from routilux import (
    Flow,
    JobContext,
    Routine,
    WorkerState,
    all_slots_ready_policy,
    get_current_job,
    get_current_worker_state,
    immediate_policy,
)

WAIT = 20.0


def test_routine_has_named_slots_and_named_events(make_routine):
    routine = make_routine(slots=("left", "right"), events=("done", "odd"))
    assert list(routine.slots) == ["left", "right"]
    assert list(routine.events) == ["done", "odd"]
    assert routine.get_slot("left") is routine.slots["left"]
    assert routine.get_event("odd") is routine.events["odd"]


def test_slot_and_event_know_their_name(make_routine):
    routine = make_routine(slots=("left",), events=("done",))
    assert routine.get_slot("left").name == "left"
    assert routine.get_event("done").name == "done"


@pytest.mark.parametrize("adder", ["add_slot", "add_event"])
def test_same_name_twice_is_a_value_error(adder):
    routine = Routine()
    getattr(routine, adder)("twin")
    with pytest.raises(ValueError, match="twin"):
        getattr(routine, adder)("twin")


@pytest.mark.parametrize("length", [0, -1])
def test_slot_length_below_one_is_a_value_error(length):
    with pytest.raises(ValueError, match=f"max_queue_length.*{length}"):
        Routine().add_slot("input", max_queue_length=length)


def test_routine_has_one_logic_the_last_one_set(runtime, solo, finish, record, calls):
    flow = solo(lambda slot_data, policy_message, worker_state: 1 / 0)
    flow.routines["work"].set_logic(record)
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 1)
    finish(runtime)
    assert (job.status, len(calls)) == ("completed", 1)


def test_routine_has_one_policy_the_last_one_set(runtime, solo, finish, record, calls):
    flow = solo(record, policy=lambda slots, worker_state: 1 / 0)
    flow.routines["work"].set_activation_policy(immediate_policy())
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 1)
    finish(runtime)
    assert (job.status, len(calls)) == ("completed", 1)


def test_slot_is_first_in_first_out(runtime, solo, finish, record, calls):
    flow = solo(record)
    runtime.exec(flow)
    for number in range(200):
        runtime.post(flow.flow_id, "work", "input", number)
    finish(runtime)
    assert [data["input"] for data, _ in calls] == [[n] for n in range(200)]


def test_slot_queues_belong_to_one_worker(runtime, solo, finish, record, calls):
    flow = solo(record, slots=("left", "right"), policy=all_slots_ready_policy())
    runtime.exec(flow, worker_id="one")
    runtime.exec(flow, worker_id="two")
    runtime.post(flow.flow_id, "work", "left", "L1", worker_id="one")
    runtime.post(flow.flow_id, "work", "right", "R2", worker_id="two")
    runtime.post(flow.flow_id, "work", "left", "L2", worker_id="two")
    runtime.post(flow.flow_id, "work", "right", "R1", worker_id="one")
    finish(runtime)
    pairs = sorted((data["left"], data["right"]) for data, _ in calls)
    assert pairs == [(["L1"], ["R1"]), (["L2"], ["R2"])]


def test_each_worker_has_a_state_of_its_own(runtime, solo, finish):
    def logic(slot_data, policy_message, worker_state):
        worker_state.update_routine_state("work", {"got": slot_data["input"][0]})

    flow = solo(logic)
    workers = [runtime.exec(flow), runtime.exec(flow)]
    for number, worker in enumerate(workers):
        runtime.post(flow.flow_id, "work", "input", number, worker.worker_id)
    finish(runtime)
    states = [worker.get_routine_state("work") for worker in workers]
    assert states == [{"got": 0}, {"got": 1}]


def test_one_event_reaches_many_slots(runtime, stage, make_flow, finish):
    got = []
    flow = make_flow(
        {
            "source": stage(lambda emit, item: emit("output", n=item)),
            "left": stage(lambda emit, item: got.append(("left", item["n"]))),
            "right": stage(lambda emit, item: got.append(("right", item["n"]))),
        },
        ("source", "output", "left", "input"),
        ("source", "output", "right", "input"),
    )
    runtime.exec(flow)
    runtime.post(flow.flow_id, "source", "input", 7)
    finish(runtime)
    assert sorted(got) == [("left", 7), ("right", 7)]


def test_many_events_reach_one_slot(runtime, stage, make_flow, finish):
    got = []

    def body(emit, item):
        emit("first", n=1)
        emit("second", n=2)

    flow = make_flow(
        {
            "source": stage(body, events=("first", "second")),
            "sink": stage(lambda emit, item: got.append(item["n"])),
        },
        ("source", "first", "sink", "input"),
        ("source", "second", "sink", "input"),
    )
    runtime.exec(flow)
    runtime.post(flow.flow_id, "source", "input", None)
    finish(runtime)
    assert got == [1, 2]


def test_cycle_is_legal_and_a_retry_loop_ends(runtime, stage, make_flow, finish):
    tries = []

    def attempt(emit, item):
        tries.append(item["n"])
        emit("retry" if item["n"] < 50 else "done", n=item["n"] + 1)

    flow = make_flow(
        {
            "attempt": stage(attempt, events=("retry", "done")),
            "again": stage(lambda emit, item: emit("output", **item)),
        },
        ("attempt", "retry", "again", "input"),
        ("again", "output", "attempt", "input"),
    )
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "attempt", "input", {"n": 1})
    finish(runtime)
    assert tries == list(range(1, 51))
    assert job.status == "completed"


def test_cycle_is_no_error_for_validate(stage, make_flow):
    loop = stage(lambda emit, item: None)
    flow = make_flow({"loop": loop}, ("loop", "output", "loop", "input"))
    assert [line for line in flow.validate() if line.startswith("Error")] == []


def test_job_is_one_post_and_everything_it_causes(runtime, stage, make_flow, finish):
    seen = []

    def body(emit, item):
        seen.append(get_current_job().job_id)
        emit("output", n=item)

    stages = {name: stage(body) for name in "abc"}
    flow = make_flow(
        stages, ("a", "output", "b", "input"), ("b", "output", "c", "input")
    )
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "a", "input", 1)
    finish(runtime)
    assert seen == [job.job_id] * 3


def test_each_post_is_a_job_with_a_context_of_its_own(runtime, solo, record):
    flow = solo(record)
    runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "work", "input", n)[1] for n in range(3)]
    assert len({job.job_id for job in jobs}) == 3
    assert all(isinstance(job, JobContext) for job in jobs)


def test_worker_is_one_running_instance_of_a_flow(runtime, solo, finish):
    seen = []

    def logic(slot_data, policy_message, worker_state):
        seen.append((worker_state, get_current_worker_state()))

    flow = solo(logic)
    worker = runtime.exec(flow)
    runtime.post(flow.flow_id, "work", "input", 1)
    finish(runtime)
    assert isinstance(worker, WorkerState)
    assert [(a.worker_id, b.worker_id) for a, b in seen] == [(worker.worker_id,) * 2]


def test_runtime_owns_the_threads_that_run_logic(threaded, solo, finish):
    threads = []
    flow = solo(lambda slot_data, *rest: threads.append(threading.current_thread()))
    runtime = threaded(thread_pool_size=2)
    runtime.exec(flow)
    for number in range(100):
        runtime.post(flow.flow_id, "work", "input", number)
    finish(runtime)
    assert threading.main_thread() not in threads
    assert 1 <= len(set(threads)) <= 2


def test_connection_from_an_unknown_routine_names_the_known_ones(stage, make_flow):
    flow = make_flow({"parser": stage(lambda emit, item: None)})
    with pytest.raises(ValueError, match=r"(?s)'parsr'.*parser"):
        flow.connect("parsr", "output", "parser", "input")


@pytest.mark.parametrize(
    ("connection", "wrong", "near"),
    [
        (("a", "outptu", "b", "input"), "outptu", "output"),
        (("a", "output", "b", "inptu"), "inptu", "input"),
        (("a", "output", "bb", "input"), "bb", "b"),
    ],
)
def test_connection_to_an_unknown_name_lists_near_names(
    stage, make_flow, connection, wrong, near
):
    flow = make_flow({name: stage(lambda emit, item: None) for name in "ab"})
    with pytest.raises(ValueError, match=rf"(?s)'{wrong}'.*'{near}'"):
        flow.connect(*connection)


def test_routine_id_twice_is_a_value_error(stage):
    flow = Flow()
    flow.add_routine(stage(lambda emit, item: None), "work")
    with pytest.raises(ValueError, match="'work'"):
        flow.add_routine(stage(lambda emit, item: None), "work")
