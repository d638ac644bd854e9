"""Random flows, run for real and held against the model of the contract.

On one thread every event is compared (`follow.py` says what is legal); on threads, what
threads leave determined (`alone.py`, `balance.py`).

ROUTILUX_MODEL_FLOWS says how many flows, over all kinds (500 by default).
ROUTILUX_MODEL_SEED replays one flow, ROUTILUX_MODEL_PROGRAM a program as a failure has
printed it; with both, `-k` chooses the kind.
"""

import os
import random

import kinds
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

FLOWS = int(os.environ.get("ROUTILUX_MODEL_FLOWS", "500"))
SEED = os.environ.get("ROUTILUX_MODEL_SEED")
PROGRAM = os.environ.get("ROUTILUX_MODEL_PROGRAM")
SHARES = {"inline": 2, "determined": 6, "independent": 6, "load": 6}

# Flows are watched one by one; a test is as long as there are flows.
pytestmark = pytest.mark.timeout(0)


def check_seed(kind, seed):
    program = kinds.DRAW[kind](random.Random(seed))
    try:
        kinds.check(kind, program, seed)
    except BaseException:
        print(f"\nROUTILUX_MODEL_SEED={seed} python -m pytest tests/model -k {kind}")
        print(f"program: {program!r}")
        raise


@pytest.mark.parametrize("kind", SHARES)
def test_random_flows_do_what_the_model_does(kind, watched):
    if PROGRAM is not None:
        kinds.check(kind, eval(PROGRAM, vars(kinds)))
        return
    first = random.randrange(1_000_000_000) if SEED is None else int(SEED)
    count = FLOWS // SHARES[kind] if SEED is None else 1
    for seed in range(first, first + count):
        watched(f"seed {seed} of {kind}", check_seed, kind, seed)
    assert count > 0


@settings(
    max_examples=max(1, FLOWS // 10),
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
@given(st.randoms(use_true_random=False))
def test_drawn_flows_follow_the_model(watched, rng):
    # The same as "inline" above, for hypothesis: a failure comes as small as it gets.
    program = kinds.DRAW["inline"](rng)
    note(f"program: {program!r}")
    watched("a flow of hypothesis", kinds.check, "inline", program)
