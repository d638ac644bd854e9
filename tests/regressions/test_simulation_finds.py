"""What simulated runs broke once, each as the shortest program that did it."""

import time

import pytest

from routilux import Flow, Routine, Runtime, batch_size_policy

WAIT = 20.0


@pytest.mark.parametrize("engine", ["threads", "inline", "sim"])
def test_batch_routine_in_a_full_cycle_does_not_spin_while_somebody_waits(engine):
    """Its batch was flushed over and over to make room that only its own end makes."""
    routine = Routine()
    routine.add_slot("input", 1)
    routine.add_event("output")
    routine.set_activation_policy(batch_size_policy(1))

    def logic(slot_data, policy_message, worker_state):
        while not runtime.core.debug()["wanted"]:
            time.sleep(0.001)
        routine.emit("output")
        routine.emit("output")

    routine.set_logic(logic)
    flow = Flow("flow")
    flow.add_routine(routine, "loop")
    flow.connect("loop", "output", "loop", "input")
    options = {"interleave": "waits"} if engine == "sim" else {}
    with Runtime(2, engine=engine, **options) as runtime:
        runtime.exec(flow)
        job = runtime.post("flow", "loop", "input", None)[1]
        assert job.wait(WAIT)
        assert job.error.type == "SlotQueueFullError"
