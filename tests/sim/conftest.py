"""Set-up of the tests of the simulation: small flows, and a way to `torture`."""

import sys
from pathlib import Path

import pytest

from routilux import Flow, Routine, Runtime, immediate_policy

sys.path.append(str(Path(__file__).parent))  # for torture.py

IMMEDIATE = object()


@pytest.fixture
def make_routine():
    """Build a routine; `logic(routine, slot_data)` is its logic."""

    def build(logic, *, slots=("input",), events=("output",), policy=IMMEDIATE, **slot):
        routine = Routine()
        for name in slots:
            routine.add_slot(name, **slot)
        for name in events:
            routine.add_event(name)
        chosen = immediate_policy() if policy is IMMEDIATE else policy
        routine.set_activation_policy(chosen)

        def call(slot_data, policy_message, worker_state):
            return logic(routine, slot_data)

        routine.set_logic(call)
        return routine

    return build


@pytest.fixture
def make_flow():
    """Build a flow from {id: routine} and (source, event, target, slot) tuples."""

    def build(routines, *connections):
        flow = Flow("flow")
        for routine_id, routine in routines.items():
            flow.add_routine(routine, routine_id)
        for connection in connections:
            flow.connect(*connection)
        return flow

    return build


@pytest.fixture
def simulate():
    """Start simulated runtimes; they are shut down after the test."""
    made = []

    def start(seed=0, **options):
        made.append(Runtime(engine="sim", seed=seed, **options))
        return made[-1]

    yield start
    for runtime in made:
        runtime.shutdown(cancel_pending=True)


@pytest.fixture
def diamond(make_routine, make_flow):
    """Build a diamond whose end notes in which order its two arms reached it."""

    def build(order, sleep=lambda: None):
        def fork(routine, slot_data):
            routine.emit("left")
            routine.emit("right")

        def arm(name):
            def logic(routine, slot_data):
                sleep()
                routine.emit("output", name=name)

            return make_routine(logic)

        def join(routine, slot_data):
            order.append(slot_data["input"][0]["name"])

        return make_flow(
            {
                "fork": make_routine(fork, events=("left", "right")),
                "left": arm("left"),
                "right": arm("right"),
                "join": make_routine(join, events=()),
            },
            ("fork", "left", "left", "input"),
            ("fork", "right", "right", "input"),
            ("left", "output", "join", "input"),
            ("right", "output", "join", "input"),
        )

    return build
