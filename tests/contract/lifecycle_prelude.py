"""What each script of the lifecycle tests starts with; read as text, never imported."""

# ruff: noqa: F401
import gc
import logging
import os
import signal
import sys
import threading
import time

from routilux import (
    Flow,
    Routine,
    Runtime,
    batch_size_policy,
    custom_policy,
    get_current_job,
    immediate_policy,
)

# A test run in the background of a shell inherits an ignored SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
# What the runtime logs about a failing job is not the noise these scripts look for.
logging.getLogger("routilux").addHandler(logging.NullHandler())
gate, entered, ran = threading.Event(), threading.Event(), []


def stage(logic, policy=None, **slot):
    routine = Routine()
    routine.add_slot("input", **slot)
    routine.add_event("output")
    routine.set_logic(logic)
    routine.set_activation_policy(policy or immediate_policy())
    return routine


def chain(*stages, name="flow"):
    flow = Flow(name)
    for routine_id, routine in zip("abc", stages, strict=False):
        flow.add_routine(routine, routine_id)
    for one, two in zip("ab", "bc", strict=True):
        if two in flow.routines:
            flow.connect(one, "output", two, "input")
    return flow


def started(logic, **options):
    runtime = Runtime(thread_pool_size=2, **options)
    runtime.exec(chain(stage(logic)))
    return runtime


def record(slot_data, policy_message, worker_state):
    ran.append(slot_data["input"])


def block(slot_data, policy_message, worker_state):
    entered.set()
    assert gate.wait(15)
    ran.append(slot_data["input"])


def open_gate_soon():
    opener = threading.Timer(0.2, gate.set)
    opener.daemon = True
    opener.start()


def post(runtime, n=0):
    return runtime.post("flow", "a", "input", n)[1]


def join_threads(before, seconds=10):
    deadline = time.monotonic() + seconds
    while left := set(threading.enumerate()) - before:
        assert time.monotonic() < deadline, left
        for thread in left:
            # Not alive yet, if it is about to start. In turns: without a GIL, what this
            # thread made is freed by this thread, when it is not asleep.
            if thread.is_alive():
                thread.join(0.2)
