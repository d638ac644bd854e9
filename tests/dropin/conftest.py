"""Set-up of the tests that use the older names."""

from itertools import pairwise

import pytest

from routilux import Flow, FlowRegistry, Routine, Runtime, immediate_policy
from routilux.monitoring.hooks import reset_execution_hooks
from routilux.output import uninstall_routed_stdout

WAIT = 20.0


@pytest.fixture(autouse=True)
def nothing_is_left_in_force():
    yield
    reset_execution_hooks()
    uninstall_routed_stdout()
    FlowRegistry.get_instance().clear()


@pytest.fixture
def runtime():
    made = Runtime(thread_pool_size=4)
    yield made
    made.shutdown(timeout=WAIT, cancel_pending=True)


class Stage(Routine):
    """Calls `body(self, item)` for each item; has slot "input", event "output"."""

    def __init__(self, body=None, policy=None):
        super().__init__()
        self.body = body
        self.add_slot("input")
        self.add_event("output", ["value"])
        self.set_activation_policy(immediate_policy() if policy is None else policy)

    def logic(self, slot_data, policy_message, worker_state):
        for item in slot_data["input"]:
            if self.body is not None:
                self.body(self, item)


@pytest.fixture
def stage():
    return Stage


@pytest.fixture
def chain():
    """Build a flow of stages "a", "b", "c"... with one body each."""

    def build(*bodies, flow_id=None):
        flow = Flow(flow_id)
        names = [chr(ord("a") + n) for n in range(len(bodies))]
        for name, body in zip(names, bodies, strict=True):
            flow.add_routine(Stage(body), name)
        for source, target in pairwise(names):
            flow.connect(source, "output", target, "input")
        return flow

    return build


def forward(routine, item):
    """Emit the value of an item again."""
    routine.emit("output", value=item["value"])


@pytest.fixture(name="forward")
def forward_body():
    return forward
