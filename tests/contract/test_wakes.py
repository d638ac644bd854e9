"""Chapter 4: what sleeps goes on when there is room, or something to help with."""

import threading

from routilux import Routine, all_slots_ready_policy, batch_size_policy

WAIT = 20.0
SHORT = 0.2  # long enough to see that something does not end
REST = 0.3  # long enough for whoever watches to go to sleep


def test_emit_that_sleeps_helps_with_what_a_post_makes_ready(
    threaded, stage, make_flow, record
):
    """The one thread of the pool sleeps, so nobody else can make room."""
    join = Routine()
    join.add_slot("a", max_queue_length=1)
    join.add_slot("b")
    join.set_activation_policy(all_slots_ready_policy())
    join.set_logic(record)

    def burst(emit, item):
        for number in range(3):
            emit("output", n=number)

    flow = make_flow(
        {"source": stage(burst), "join": join}, ("source", "output", "join", "a")
    )
    runtime = threaded(thread_pool_size=1)
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "source", "input", None)
    assert job.wait(SHORT) is False
    ended = threading.Event()  # who waits for a job looks for sleepers as well
    job.add_done_callback(lambda job: ended.set())
    for number in range(3):
        runtime.post(flow.flow_id, "join", "b", number)
    assert ended.wait(WAIT)
    assert job.status == "completed"


def test_async_logic_goes_on_when_the_slot_that_it_feeds_has_room(
    threaded, make_routine, stage, make_flow, gate, finish
):
    got = []
    begun = threading.Event()

    def take(emit, item):
        begun.set()
        gate.wait(WAIT)
        got.append(item["n"])

    async def feed(slot_data, policy_message, worker_state):
        source.emit("output", n=slot_data["input"][0])

    source = make_routine(feed, events=["output"])
    flow = make_flow(
        {"source": source, "sink": stage(take, max_queue_length=1)},
        ("source", "output", "sink", "input"),
    )
    runtime = threaded()
    runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "source", "input", n) for n in range(6)]
    assert begun.wait(WAIT)
    assert jobs[-1].wait(SHORT) is False
    gate.set()
    finish(runtime)
    assert got == list(range(6))


def test_routines_that_block_run_side_by_side_after_a_time_of_rest(
    threaded, stage, make_flow, finish
):
    """Who watches over threads that block had gone to sleep, and is woken.

    Looking for stalls would wake it as well, though seconds later.
    """
    together = threading.Barrier(2)
    flow = make_flow(
        {
            name: stage(lambda emit, item: item and together.wait(WAIT))
            for name in ("left", "right")
        }
    )
    runtime = threaded(stall_warning=None)
    runtime.exec(flow)
    runtime.post(flow.flow_id, "left", "input", None)
    finish(runtime)
    threading.Event().wait(REST)
    jobs = [runtime.post(flow.flow_id, name, "input", 1) for name in ("left", "right")]
    finish(runtime)
    assert {str(job.status) for job in jobs} == {"completed"}


def test_work_finds_threads_after_those_that_rested_have_ended(
    threaded, stage, make_flow, finish
):
    """They end one by one, the one that began to rest first in front."""
    together = threading.Barrier(2)
    flow = make_flow(
        {
            name: stage(lambda emit, item: together.wait(WAIT))
            for name in ("left", "right")
        }
    )
    runtime = threaded(thread_pool_size=2)
    runtime.exec(flow)
    for _ in range(2):
        jobs = [runtime.post(flow, name, "input", 1) for name in ("left", "right")]
        finish(runtime)
        assert {str(job.status) for job in jobs} == {"completed"}
        while runtime.core.debug()["pumps"]:
            threading.Event().wait(0.01)


def test_timer_that_becomes_the_first_is_kept_after_a_time_of_rest(threaded, solo):
    """Who watches the clock had gone to sleep without one, and is woken."""
    ran = threading.Event()
    flow = solo(
        lambda slot_data, policy_message, worker_state: ran.set(),
        policy=batch_size_policy(5, max_wait=0.05),
    )
    runtime = threaded(stall_warning=None)
    runtime.exec(flow)
    threading.Event().wait(REST)
    runtime.post(flow.flow_id, "work", "input", 1)
    assert ran.wait(WAIT)  # nobody waits for jobs, which would flush the batch
