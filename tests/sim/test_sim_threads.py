"""A simulation that several threads use: one of them plays, the others wait for it."""

import asyncio
import gc
import threading

import pytest

from routilux import Flow, Routine, Runtime, all_slots_ready_policy, immediate_policy

WAIT = 20.0
SHORT = 0.02  # long enough to see that something does not end


def single(logic, *slots, policy=None):
    """Build a flow of one routine, "work"."""
    routine = Routine()
    for name in slots or ("input",):
        routine.add_slot(name)
    routine.set_activation_policy(policy or immediate_policy())
    routine.set_logic(logic)
    flow = Flow("flow")
    flow.add_routine(routine, "work")
    return flow


@pytest.fixture
def spawn():
    """Run a function on a thread; answer a function that gives what it returned."""
    threads = []

    def start(function, *args):
        found = []
        thread = threading.Thread(target=lambda: found.append(function(*args)))
        threads.append(thread)
        thread.start()

        def join():
            thread.join(WAIT)
            return found[0]

        return join

    yield start
    for thread in threads:
        thread.join(WAIT)


@pytest.fixture
def played(simulate, spawn):
    """Start a simulation that a thread plays, whose logic waits for a gate."""

    class Played:
        def __init__(self):
            self.gate, self.entered = threading.Event(), threading.Event()
            self.runtime = simulate(interleave="waits")
            self.runtime.exec(single(self.logic))
            self.job = self.runtime.post("flow", "work", "input", 1).job
            self.player = spawn(self.runtime.wait_until_all_jobs_finished)
            assert self.entered.wait(WAIT)

        def logic(self, slot_data, policy_message, worker_state):
            self.entered.set()
            assert self.gate.wait(WAIT)

    made = []
    yield lambda: made.append(Played()) or made[-1]
    for one in made:
        one.gate.set()


def test_wait_beside_the_thread_that_plays_ends_at_its_timeout(played):
    one = played()
    assert one.job.wait(SHORT) is False
    assert one.runtime.wait_until_all_jobs_finished(SHORT) is False
    one.gate.set()
    assert one.player() is True


def test_wait_beside_the_thread_that_plays_ends_with_its_job(played, spawn):
    one = played()
    others = [spawn(one.job.wait) for _ in range(4)]
    assert one.job.wait(SHORT) is False
    one.gate.set()
    assert one.player() is True
    assert [join() for join in others] == [True] * 4
    assert one.job.status == "completed"


def test_time_passes_for_one_thread_only(played):
    one = played()
    with pytest.raises(RuntimeError, match="another thread plays this simulation"):
        one.runtime.sleep(1)
    one.gate.set()
    assert one.player() is True
    one.runtime.sleep(1)
    assert one.runtime.simulation.time >= 1


def test_simulation_that_other_threads_use_waits_for_them_instead_of_being_stuck(
    simulate, spawn
):
    """What is missing comes from another thread, and that one runs it."""
    flow = single(lambda *_: None, "a", "b", policy=all_slots_ready_policy())
    runtime = simulate(interleave="waits")
    runtime.exec(flow)
    parked = runtime.post("flow", "work", "a", 1).job
    assert spawn(parked.wait, SHORT)() is False  # another thread takes part by now
    begun = runtime.simulation.time
    assert parked.wait(SHORT) is False
    assert runtime.simulation.time >= begun + SHORT

    def feed():
        other = runtime.post("flow", "work", "b", 2).job
        return other.wait(WAIT)

    fed = spawn(feed)
    assert parked.wait(WAIT) is True
    assert fed() is True


def test_simulation_that_is_dropped_cancels_its_coroutines():
    ends = []

    async def logic(slot_data, policy_message, worker_state):
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("cancelled")

    runtime = Runtime(engine="sim", seed=1)
    runtime.exec(single(logic))
    job = runtime.post("flow", "work", "input", 1).job
    assert job.wait(1.0) is False
    del runtime
    for _ in range(3):
        gc.collect()
    assert ends == ["cancelled"]
    assert job.status == "cancelled"


def test_shutdown_leaves_a_coroutine_that_was_given_up_and_never_ends(simulate):
    begun = []

    async def logic(slot_data, policy_message, worker_state):
        try:
            await asyncio.Event().wait()
        finally:
            begun.append(1)
            await asyncio.Event().wait()

    flow = single(logic)
    flow.routines["work"].set_timeout(1.0)
    runtime = simulate()
    runtime.exec(flow)
    job = runtime.post("flow", "work", "input", 1).job
    assert job.wait()
    assert job.error.type == "ActivationTimeout"
    runtime.shutdown()
    assert begun == [1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupt_in_a_callback_of_the_loop_reaches_who_waits(simulate, error):
    def interrupt():
        raise error

    async def logic(slot_data, policy_message, worker_state):
        asyncio.get_running_loop().call_soon(interrupt)
        await asyncio.sleep(1)

    runtime = simulate()
    runtime.exec(single(logic))
    job = runtime.post("flow", "work", "input", 1).job
    with pytest.raises(error):
        runtime.wait_until_all_jobs_finished()
    assert runtime.wait_until_all_jobs_finished()
    assert job.status == "completed"
