"""The set-up of the contract tests, for the tests of what goes wrong."""

import importlib.util
from pathlib import Path

import pytest

from routilux import clock

SETUP = Path(__file__).parents[1] / "contract" / "conftest.py"
spec = importlib.util.spec_from_file_location("contract_setup", SETUP)
setup = importlib.util.module_from_spec(spec)
spec.loader.exec_module(setup)
globals().update({k: v for k, v in vars(setup).items() if not k.startswith("_")})


@pytest.fixture
def one_by_one(make_runtime):
    """Start a runtime with one thread; simulated activations run inside waits."""
    waits = {"interleave": "waits"}

    def start(engine, **options):
        more = waits if engine == "sim" else {}
        return make_runtime(thread_pool_size=1, **more, **options)

    return start


@pytest.fixture
def linger():
    """Sleep in logic: for as long in virtual time as in real time."""
    return clock.sleep


@pytest.fixture
def read_letters(make_routine):
    """Build a routine that notes its dead letters in a list."""

    def build(letters, **options):
        def logic(slot_data, policy_message, worker_state):
            letters.extend(slot_data["input"])

        return make_routine(logic, **options)

    return build
