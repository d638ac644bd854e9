"""Random flows, a seed each: what users may rely on holds at every step of every one.

ROUTILUX_SIM_SEEDS says how many (`make nightly`: 100,000), ROUTILUX_SIM_FIRST from
which on. A failure prints the seed; `python tests/sim/torture.py SEED` shows that run.
"""

import logging
import os

import pytest
from torture import Torture

from routilux._core import FAULTS
from routilux.simulation import explore

SEEDS = int(os.environ.get("ROUTILUX_SIM_SEEDS", "5000"))
FIRST = int(os.environ.get("ROUTILUX_SIM_FIRST", "0"))
SHARES = 20


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Keep thousands of lines about failed jobs out of the report."""
    monkeypatch.setattr(logging.getLogger("routilux"), "disabled", True)


@pytest.mark.timeout(SEEDS // SHARES + 120)
@pytest.mark.parametrize("share", range(SHARES))
def test_nothing_is_lost_and_every_job_ends_once(share):
    """Half of the seeds have faults; one in four has the books checked each step."""

    def check(seed):
        number = seed // SHARES
        run = Torture(seed, faults=number % 2 == 0, audit=number % 8 < 2)
        assert run.run() == []

    explore(check, range(FIRST + share, FIRST + SEEDS, SHARES))


def test_same_seed_gives_the_same_run_of_any_flow():
    def fingerprint(seed):
        run = Torture(seed)
        assert run.run() == []
        return run.runtime.simulation.fingerprint

    for seed in range(100):
        assert fingerprint(seed) == fingerprint(seed)


def test_random_flows_reach_what_they_are_meant_to_reach():
    """The drawn flows would prove little if they never blocked, failed or retried."""
    states, levels, faults, steps = set(), set(), set(), 0
    for seed in range(200):
        run = Torture(seed)
        assert run.run() == []
        states |= {str(job.status) for job in run.ended}
        levels.add(run.runtime.simulation.interleave)
        faults |= set(run.runtime.simulation.faults)
        steps += run.runtime.simulation.steps
    assert states == {"completed", "failed", "cancelled"}
    assert levels == {"waits", "posts", "logic"}
    assert faults == set(FAULTS)
    assert steps > 2000
