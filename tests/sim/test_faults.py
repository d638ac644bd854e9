"""Faults: what may go wrong does, by the seed; every job ends all the same."""

import pytest

from routilux import QueueFullError, batch_size_policy, clock
from routilux._core import FAULTS, audit_core

HOUR = 3600.0


def run(runtime, flow, count=20):
    runtime.exec(flow)
    jobs = [runtime.post("flow", "work", "input", n)[1] for n in range(count)]
    runtime.simulation.calm()
    assert runtime.wait_until_all_jobs_finished()
    assert {job.status for job in jobs} <= {"completed", "failed"}
    return jobs


@pytest.fixture
def solo(make_routine, make_flow):
    def build(logic=lambda routine, slot_data: None, **options):
        return make_flow({"work": make_routine(logic, **options)})

    return build


def active(simulate, name):
    """Find simulations in which one kind of fault happens."""
    for seed in range(100):
        runtime = simulate(seed, faults=[name])
        if runtime.simulation.faults:
            assert runtime.simulation.faults == (name,)
            yield runtime


def test_there_are_no_faults_unless_asked_for(simulate):
    assert {simulate(seed).simulation.faults for seed in range(20)} == {()}


def test_the_seed_decides_which_faults_happen(simulate):
    def kinds():
        return [simulate(seed, faults=True).simulation.faults for seed in range(50)]

    assert kinds() == kinds()
    assert {name for names in kinds() for name in names} == set(FAULTS)
    assert () in kinds()


def test_faults_change_nothing_else_that_is_drawn(simulate, solo):
    def threads(**options):
        return [simulate(seed, **options).simulation.threads for seed in range(50)]

    assert threads() == threads(faults=True)


def test_logic_may_be_late(simulate, solo):
    late = []
    for runtime in active(simulate, "late"):
        run(runtime, solo())
        late.append(runtime.simulation.time)
    assert max(late) > 1


def test_timers_may_be_late_and_never_early(simulate, solo):
    late = []
    for runtime in active(simulate, "timer"):
        ran = []
        flow = solo(
            lambda *_, ran=ran, runtime=runtime: ran.append(runtime.simulation.time),
            policy=batch_size_policy(100, max_wait=1.0),
        )
        runtime.exec(flow)
        runtime.post("flow", "work", "input", 1)
        runtime.sleep(60)
        assert len(ran) == 1
        late.append(ran[0] - 1.0)
    assert min(late) >= 0
    assert max(late) > 0.01


def test_clocks_may_jump(simulate, solo):
    jumps = []
    for runtime in active(simulate, "clock"):
        jobs = run(runtime, solo())
        jumps.append(runtime.simulation.time)
        jumps += [(job.completed_at - job.created_at).total_seconds() for job in jobs]
    assert max(jumps) > HOUR  # forwards
    assert min(jumps) < -HOUR  # the wall clock, back


def test_queues_may_be_full_for_a_while(simulate, solo):
    refused = 0
    for runtime in active(simulate, "full"):
        runtime.exec(solo())
        for n in range(50):
            try:
                runtime.post("flow", "work", "input", n, block=False)
            except QueueFullError:
                refused += 1
        runtime.simulation.calm()
        assert runtime.wait_until_all_jobs_finished()
        assert len(runtime.core.all_workers()[0].get_slot("work", "input")) == 0
    assert refused > 0


def test_memory_may_run_out(simulate, solo):
    failed = 0
    for runtime in active(simulate, "memory"):
        flow = solo(lambda routine, slot_data: None, policy=batch_size_policy(3))
        try:
            jobs = run(runtime, flow)
        except MemoryError:
            failed += 1
        else:
            failed += sum(job.status == "failed" for job in jobs)
            assert {job.error.type for job in jobs if job.error} <= {"MemoryError"}
        runtime.simulation.calm()
    assert failed > 0


def test_sleepers_may_wake_for_nothing(simulate, solo, make_routine, make_flow):
    for runtime in active(simulate, "wake"):
        flow = make_flow(
            {
                "work": make_routine(
                    lambda routine, data: [routine.emit("output") for _ in range(5)]
                ),
                "slow": make_routine(lambda *_: clock.sleep(1), max_queue_length=1),
            },
            ("work", "output", "slow", "input"),
        )
        assert {job.status for job in run(runtime, flow, 5)} == {"completed"}


def test_calm_ends_all_faults(simulate, solo):
    for seed in range(30):
        runtime = simulate(seed, faults=True)
        runtime.simulation.calm()
        jobs = run(runtime, solo(), 50)
        assert {job.status for job in jobs} == {"completed"}
        assert runtime.simulation.time < 1


def test_the_books_are_checked_after_each_step(simulate, solo):
    found = []
    runtime = simulate()
    runtime.simulation.check_each_step()
    check = runtime.simulation._driver.watch
    runtime.simulation._driver.watch = lambda: found.append(check())
    run(runtime, solo())
    assert len(found) == runtime.simulation.steps == 20


def test_what_a_check_finds_is_raised_by_the_wait(simulate, solo):
    def check():
        raise AssertionError("wrong")

    runtime = simulate(interleave="waits")
    runtime.simulation._driver.watch = check
    runtime.exec(solo())
    runtime.post("flow", "work", "input", 1)
    runtime.post("flow", "work", "input", 2)
    with pytest.raises(AssertionError, match="wrong"):
        runtime.wait_until_all_jobs_finished()
    runtime.simulation.check_each_step(False)


def test_the_books_balance_on_every_engine_when_nothing_moves(solo):
    from routilux import Runtime

    for engine in ("threads", "inline", "sim"):
        with Runtime(2, engine=engine) as runtime:
            runtime.exec(solo())
            for n in range(100):
                runtime.post("flow", "work", "input", n)
            assert runtime.wait_until_all_jobs_finished(20)
            assert audit_core(runtime.core) == []
