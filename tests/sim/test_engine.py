"""Chapter 9: the engine "sim" runs the same flow on one thread in virtual time."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from routilux import (
    Runtime,
    clock,
)

HOUR = 3600.0


def post_to(runtime, flow, routine_id, count=1, slot="input"):
    runtime.exec(flow)
    return [runtime.post("flow", routine_id, slot, n)[1] for n in range(count)]


# --- the seed decides


def run_diamond(simulate, diamond, seed, **options):
    order = []
    runtime = simulate(seed, **options)
    jobs = post_to(runtime, diamond(order), "fork", 5)
    assert runtime.wait_until_all_jobs_finished()
    facts = [job.to_dict() for job in jobs]
    return order, runtime.simulation.fingerprint, runtime.simulation.history, facts


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
@pytest.mark.parametrize("interleave", ["waits", "posts", "logic"])
def test_same_seed_gives_the_same_run(simulate, diamond, seed, interleave):
    first = run_diamond(simulate, diamond, seed, interleave=interleave)
    again = run_diamond(simulate, diamond, seed, interleave=interleave)
    assert first == again


def test_other_seeds_give_other_runs(simulate, diamond):
    runs = [run_diamond(simulate, diamond, seed) for seed in range(50)]
    assert len({tuple(order) for order, *_ in runs}) > 5
    assert len({fingerprint for _, fingerprint, *_ in runs}) == 50


def test_either_arm_of_a_diamond_may_come_first(simulate, diamond):
    firsts = {run_diamond(simulate, diamond, seed)[0][0] for seed in range(20)}
    assert firsts == {"left", "right"}


def test_a_job_may_run_before_the_next_one_is_posted(simulate, make_routine, make_flow):
    def ran_early(seed):
        ran = []
        flow = make_flow({"work": make_routine(lambda routine, data: ran.append(data))})
        post_to(simulate(seed), flow, "work", 3)
        return len(ran)

    assert {ran_early(seed) for seed in range(50)} == {0, 1, 2, 3}


def test_nothing_runs_inside_of_post_when_only_waits_interleave(
    simulate, make_routine, make_flow
):
    ran = []
    flow = make_flow({"work": make_routine(lambda routine, data: ran.append(data))})
    for seed in range(20):
        post_to(simulate(seed, interleave="waits"), flow, "work", 3)
    assert ran == []


def test_logic_is_suspended_where_it_emits_when_told_so(
    simulate, make_routine, make_flow
):
    def overlaps(seed, interleave):
        seen = []

        def source(routine, slot_data):
            routine.emit("output")
            seen.append("emitted")

        flow = make_flow(
            {
                "source": make_routine(source),
                "sink": make_routine(lambda routine, data: seen.append("arrived")),
            },
            ("source", "output", "sink", "input"),
        )
        runtime = simulate(seed, interleave=interleave)
        post_to(runtime, flow, "source")
        assert runtime.wait_until_all_jobs_finished()
        return seen[0] == "arrived"

    assert {overlaps(seed, "logic") for seed in range(30)} == {True, False}
    assert {overlaps(seed, "posts") for seed in range(30)} == {False}


def test_lost_update_of_a_concurrent_routine_is_found(
    simulate, make_routine, make_flow
):
    def total(seed):
        def count(routine, slot_data):
            state = worker.get_routine_state("work", {"n": 0})
            worker.update_routine_state("work", {"n": state["n"] + 1})

        routine = make_routine(count)
        routine.set_concurrency(4)
        runtime = simulate(seed, interleave="logic")
        worker = runtime.exec(make_flow({"work": routine}))
        for n in range(5):
            runtime.post("flow", "work", "input", n)
        assert runtime.wait_until_all_jobs_finished()
        return worker.get_routine_state("work")["n"]

    totals = {total(seed) for seed in range(100)}
    assert 5 in totals
    assert min(totals) < 5


PROGRAM = """
import random, torture
print(torture.Torture(11, faults=True).run(), end=" ")
run = torture.Torture(12)
run.run()
print(run.runtime.simulation.fingerprint)
"""


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_run_does_not_depend_on_the_process(hash_seed):
    from torture import Torture

    run = Torture(12)
    run.run()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={
            **os.environ,
            "PYTHONHASHSEED": hash_seed,
            "PYTHONPATH": os.pathsep.join(
                [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
            ),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["[]", str(run.runtime.simulation.fingerprint)]


def test_ids_of_jobs_and_workers_come_from_the_seed(simulate, make_routine, make_flow):
    flow = make_flow({"work": make_routine(lambda routine, data: None)})
    ids = []
    for seed in (1, 1, 2):
        runtime = simulate(seed)
        ids.append(
            (runtime.exec(flow).worker_id, runtime.post("flow", "work", "input", 1))
        )
    first, again, other = [(worker_id, result.job_id) for worker_id, result in ids]
    assert first == again != other


def test_seed_is_drawn_and_told_when_none_is_given(simulate):
    drawn = {Runtime(engine="sim").simulation.seed for _ in range(5)}
    assert len(drawn) == 5


def test_history_says_what_ran_when(simulate, diamond):
    order, _, history, _ = run_diamond(simulate, diamond, 3)
    ran = [step.routine_id for step in history]
    assert [step.number for step in history] == list(range(1, len(history) + 1))
    assert [step.time for step in history] == sorted(step.time for step in history)
    assert sorted(set(ran)) == ["fork", "join", "left", "right"]
    assert ran.count("join") == len(order) == 10
    assert "run fork" in str(history[0])


# --- ending, other threads, misuse


def test_shutdown_without_waiting_leaves_nothing_behind(
    simulate, make_routine, make_flow
):
    before = set(threading.enumerate())
    flow = make_flow({"work": make_routine(lambda *_: clock.sleep(5))})
    runtime = simulate(interleave="waits")
    jobs = post_to(runtime, flow, "work", 3)
    runtime.shutdown(wait=False)
    assert [job.status for job in jobs] == ["completed"] * 3
    assert runtime.core.is_closed
    assert set(threading.enumerate()) == before


def test_shutdown_inside_of_logic_ends_with_the_last_step(
    simulate, make_routine, make_flow
):
    runtime = simulate(interleave="waits")
    flow = make_flow({"work": make_routine(lambda *_: runtime.shutdown())})
    job = post_to(runtime, flow, "work")[0]
    assert job.wait()
    assert job.status == "completed"
    assert runtime.core.is_closed


def test_interrupt_in_logic_reaches_who_waits(simulate, make_routine, make_flow):
    def interrupt(routine, slot_data):
        raise KeyboardInterrupt

    for seed in range(5):
        runtime = simulate(seed)
        job = post_to(runtime, make_flow({"work": make_routine(interrupt)}), "work")[0]
        with pytest.raises(KeyboardInterrupt):
            runtime.wait_until_all_jobs_finished()
        assert job.status == "failed"


def test_other_threads_may_post_and_wait(simulate, make_routine, make_flow):
    ran = []
    flow = make_flow({"work": make_routine(lambda *_: ran.append(1))})
    runtime = simulate()
    runtime.exec(flow)

    def use():
        for n in range(50):
            runtime.post("flow", "work", "input", n)[1].wait(30)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(ran) == 200


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"seed": -1}, ValueError, "seed"),
        ({"seed": 2**64}, ValueError, "seed"),
        ({"seed": "7"}, TypeError, "seed"),
        ({"seed": True}, TypeError, "seed"),
        ({"interleave": "all"}, ValueError, "'waits', 'posts', 'logic'"),
        ({"faults": ["later"]}, ValueError, "'late'"),
        ({"engine": "threads", "seed": 1}, ValueError, "engine='sim'"),
        ({"engine": "inline", "faults": True}, ValueError, "engine='sim'"),
        ({"engine": "threads", "interleave": "logic"}, ValueError, "engine='sim'"),
    ],
)
def test_wrong_parameters_are_refused(options, error, text):
    with pytest.raises(error, match=text):
        Runtime(**{"engine": "sim", **options})


def test_other_engines_have_no_simulation():
    with Runtime(engine="inline") as runtime:
        assert runtime.simulation is None


def test_pool_size_means_the_same_everywhere(simulate):
    sizes = {simulate(seed).simulation.threads for seed in range(100)}
    assert sizes == {1, 2, 3, 4}
    assert {simulate(s, thread_pool_size=1).simulation.threads for s in range(9)} == {1}
