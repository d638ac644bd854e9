"""Chapter 9: the books of a simulation balance after each step, whatever a flow has."""

import asyncio

import pytest

from routilux import Routine, all_slots_ready_policy, clock

LEVELS = ["waits", "posts", "logic"]
SEEDS = 10


def by_parity(item):
    return item % 2


def post_all(runtime, count, routine_id="work", slot="input", **options):
    return [
        runtime.post("flow", routine_id, slot, n, **options)[1] for n in range(count)
    ]


@pytest.fixture(params=LEVELS)
def audited(request, simulate):
    """Start simulations whose books are checked after each step, by many seeds."""

    def start():
        for seed in range(SEEDS):
            runtime = simulate(seed, interleave=request.param, thread_pool_size=4)
            runtime.simulation.check_each_step()
            yield runtime

    return start


@pytest.fixture
def forwarding(make_routine):
    """Build a routine with async logic that emits each item."""

    def build():
        routine = make_routine(None)

        async def logic(slot_data, policy_message, worker_state):
            await asyncio.sleep(0.1)
            for item in slot_data["input"]:
                routine.emit("output", n=item)

        return routine.set_logic(logic)

    return build


def test_what_waits_for_its_key_is_in_the_books(audited, make_routine, make_flow):
    waited = set()
    for runtime in audited():
        got = []

        def logic(routine, slot_data, got=got):
            clock.sleep(0.01)
            got.extend(slot_data["input"])

        routine = make_routine(logic).set_concurrency(4, key=by_parity)
        worker = runtime.exec(make_flow({"work": routine}))
        post_all(runtime, 10)
        waited.add(len(worker.get_slot("work", "input")))
        assert runtime.wait_until_all_jobs_finished()
        runtime.simulation.check()
        assert [n for n in got if n % 2] == [1, 3, 5, 7, 9]
        assert [n for n in got if n % 2 == 0] == [0, 2, 4, 6, 8]
    assert max(waited) > 1


def test_what_waits_for_its_key_and_for_room_is_in_the_books(
    audited, forwarding, make_routine, make_flow
):
    for runtime in audited():
        got = []

        def slow(routine, slot_data, got=got):
            clock.sleep(1.0)
            got.extend(item["n"] for item in slot_data["input"])

        flow = make_flow(
            {
                "work": forwarding().set_concurrency(4, key=by_parity),
                "slow": make_routine(slow, max_queue_length=1),
            },
            ("work", "output", "slow", "input"),
        )
        runtime.exec(flow)
        jobs = post_all(runtime, 10)
        assert runtime.wait_until_all_jobs_finished()
        runtime.simulation.check()
        assert {job.status for job in jobs} == {"completed"}
        assert [n for n in got if n % 2] == [1, 3, 5, 7, 9]


def test_logic_that_is_given_up_is_in_the_books(audited, make_routine, make_flow):
    for runtime in audited():
        routine = make_routine(lambda *_: clock.sleep(10)).set_timeout(0.5)
        runtime.exec(make_flow({"work": routine}))
        jobs = post_all(runtime, 4)
        assert runtime.wait_until_all_jobs_finished()
        runtime.sleep(20)
        runtime.simulation.check()
        assert {job.error.type for job in jobs} == {"ActivationTimeout"}


def test_jobs_with_a_deadline_are_in_the_books(audited, make_routine, make_flow):
    for runtime in audited():
        runtime.exec(make_flow({"work": make_routine(lambda *_: clock.sleep(1))}))
        jobs = post_all(runtime, 5, deadline=2.5)
        assert runtime.wait_until_all_jobs_finished()
        runtime.simulation.check()
        assert [str(job.status) for job in jobs] == ["completed"] * 2 + ["failed"] * 3


def test_routines_that_never_run_are_in_the_books(audited, make_routine, make_flow):
    keeps = Routine()
    keeps.add_slot("input")
    for runtime in audited():
        flow = make_flow(
            {
                "work": make_routine(lambda routine, data: routine.emit("output", n=1)),
                "keeps": keeps,
            },
            ("work", "output", "keeps", "input"),
        )
        worker = runtime.exec(flow)
        post_all(runtime, 5)
        assert runtime.wait_until_all_jobs_finished()
        runtime.simulation.check()
        assert len(worker.get_slot("keeps", "input")) == 5


def test_what_waits_for_room_while_its_worker_is_paused_is_in_the_books(
    audited, forwarding, make_routine, make_flow
):
    """It goes on after the pause if there is room by then."""
    for runtime in audited():
        join = make_routine(
            lambda *_: None,
            slots=("left", "right"),
            policy=all_slots_ready_policy(),
            max_queue_length=1,
        )
        flow = make_flow(
            {"work": forwarding(), "join": join}, ("work", "output", "join", "left")
        )
        worker = runtime.exec(flow)
        jobs = post_all(runtime, 3)
        assert not runtime.wait_until_all_jobs_finished(5)
        worker.pause()
        runtime.simulation.check()
        assert jobs[0].cancel()
        runtime.simulation.check()
        worker.resume()
        assert not runtime.wait_until_all_jobs_finished(5)
        runtime.simulation.check()
        assert worker.get_slot("join", "left").peek_all_new() == [{"n": 1}]
