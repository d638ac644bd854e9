"""What user code answers is as odd as what is passed: policies, keys, logic, handlers.

Whatever it is, every job ends, the runtime shuts down, and an error says which routine.
"""

import os
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from odd import ODD, Hostile

from routilux import (
    ErrorHandler,
    ExecutionHooksInterface,
    Flow,
    FlowRegistry,
    Routine,
    Runtime,
    batch_size_policy,
    custom_policy,
    immediate_policy,
    reset_execution_hooks,
    set_execution_hooks,
)

CALLS = int(os.environ.get("ROUTILUX_FUZZ_CALLS", "25"))
CHOSEN = "ROUTILUX_FUZZ_CALLS" not in os.environ  # the same calls each time
ENDED = {"completed", "failed", "cancelled"}
OURS = (AttributeError, KeyError, IndexError, NotImplementedError, AssertionError)


class Odd:
    """Runs the first routine of a flow of two with something odd in it."""

    def __init__(self, value, name):
        self.value, self.name = value, name
        self.raised = []

    def answer(self, *args, **kwargs):
        return self.value

    def policy(self, slots, worker_state):
        for slot in slots.values():
            slot.consume_one_new()
        return self.value

    def slice(self, slots, worker_state):
        return True, self.value, {}

    def message(self, slots, worker_state):
        return True, {name: slot.take(1) for name, slot in slots.items()}, self.value

    async def later(self, slot_data, policy_message, worker_state):
        return self.value

    async def wait_for(self, slot_data, policy_message, worker_state):
        await self.value

    def note(self, call, *args, **kwargs):
        try:
            call(*args, **kwargs)
        except Hostile:
            pass
        except Exception as error:
            self.raised.append(error)

    def use(self, slot_data, policy_message, worker_state):
        """Call what logic calls with the odd value."""
        odd, value = self.odd, self.value
        self.note(odd.emit, value)
        self.note(odd.emit, "output", item=value)
        self.note(odd.emit_many, "output", value)
        self.note(odd.emit_many, value, [1])
        self.note(odd.set_job_data, value, value)
        self.note(odd.get_job_data, value)
        self.note(odd.set_state, worker_state, value, value)
        self.note(worker_state.update_routine_state, value, {})
        self.note(worker_state.update_routine_state, "odd", value)
        self.note(worker_state.get_routine_state, value)

    def build(self):
        odd, last = Routine(), Routine()
        self.odd = odd
        for routine in (odd, last):
            routine.add_slot("input", max_queue_length=10)
            routine.add_event("output")
            routine.set_activation_policy(immediate_policy())
            routine.set_logic(lambda slot_data, policy_message, worker_state: None)
        PLACES[self.name](self, odd)
        flow = Flow()
        flow.add_routine(odd, "odd")
        flow.add_routine(last, "last")
        flow.connect("odd", "output", "last", "input")
        return flow


class Deciding(ErrorHandler):
    """Decides what it was told to."""

    def decide(self, error, failures, **options):
        return self.verdict


class Hooks(ExecutionHooksInterface):
    """Answers the same to every question."""

    def on_routine_start(self, *args, **kwargs):
        return self.verdict

    on_slot_before_enqueue = on_job_end = on_event_emit = on_routine_start


def fail(slot_data, policy_message, worker_state):
    raise ValueError("as it should")


def handle(odd, routine):
    handler = Deciding()
    handler.verdict = odd.value
    routine.set_logic(fail)
    routine.set_error_handler(handler)


def hook(odd, routine):
    hooks = Hooks()
    hooks.verdict = odd.value
    set_execution_hooks(hooks)


PLACES = {
    "policy": lambda odd, routine: routine.set_activation_policy(odd.policy),
    "slice": lambda odd, routine: routine.set_activation_policy(odd.slice),
    "message": lambda odd, routine: routine.set_activation_policy(odd.message),
    "check": lambda o, routine: routine.set_activation_policy(custom_policy(o.answer)),
    "key": lambda odd, routine: routine.set_concurrency(2, key=odd.answer),
    "logic": lambda odd, routine: routine.set_logic(odd.answer),
    "coroutine": lambda odd, routine: routine.set_logic(odd.later),
    "awaited": lambda odd, routine: routine.set_logic(odd.wait_for),
    "calls": lambda odd, routine: routine.set_logic(odd.use),
    "handler": handle,
    "hooks": hook,
    "batch": lambda o, routine: routine.set_activation_policy(batch_size_policy(2)),
}


@pytest.fixture(autouse=True)
def no_hooks_are_left():
    yield
    reset_execution_hooks()
    FlowRegistry.get_instance().clear()


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.filterwarnings("ignore")
@settings(
    max_examples=4 * CALLS,
    deadline=timedelta(seconds=60),
    database=None,
    derandomize=CHOSEN,
    print_blob=True,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(value=ODD, engine=st.sampled_from(["inline", "threads", "sim"]))
def test_every_job_ends_whatever_user_code_answers(name, value, engine):
    odd = Odd(value, name)
    jobs = []
    with Runtime(2, engine=engine) as runtime:
        flow = odd.build()
        runtime.exec(flow)
        for n in range(3):
            try:
                item = value if name == "batch" else n
                jobs.append(runtime.post(flow, "odd", "input", item).job)
            except (RuntimeError, Hostile) as error:  # a hook may refuse it
                assert name == "hooks", error
        runtime.shutdown(timeout=30)
    reset_execution_hooks()
    assert {str(job.status) for job in jobs} <= ENDED
    assert not [error for error in odd.raised if isinstance(error, OURS)]
    failed = [job for job in jobs if job.status == "failed"]
    assert all(job.error.routine_id == "odd" for job in failed)
