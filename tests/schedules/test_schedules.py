"""The scheduler finds what it is for, saved schedules pass, and so do a few new ones.

They need the probe build, as `make schedules` makes it: ROUTILUX_PROBE says where.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = os.environ.get("ROUTILUX_PROBE", "")
RUN = Path(__file__).with_name("run.py")
SAVED = sorted(Path(__file__).with_name("saved").glob("*.json"))
LOST_WAKE = "52"  # the last job ends between the look of a wait and its sleep

pytestmark = [
    pytest.mark.skipif(not PROBE, reason="`make schedules` builds what it needs"),
    pytest.mark.timeout(600),
]


def run(*arguments, mutant="0"):
    """Run the explorer; give its exit code and what it printed."""
    done = subprocess.run(
        [sys.executable, str(RUN), "--lib", PROBE, *map(str, arguments)],
        env=os.environ | {"ROUTILUX_MUTANT": mutant},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("saved", SAVED, ids=lambda path: path.stem)
def test_saved_schedule_passes(saved):
    code, text = run("--replay", saved)
    assert code == 0, text


def test_some_hundred_schedules_pass_and_are_the_same_when_run_again(tmp_path):
    code, text = run("--count", 340, "--save", tmp_path)
    assert code == 0, text
    assert "not the same" not in text


def test_lost_wake_is_found_and_its_schedule_shows_it_again(tmp_path):
    options = ("--only", "wait_meets_last_settle", "--count", 300, "--save", tmp_path)
    code, text = run(*options, mutant=LOST_WAKE)
    assert code == 1, text
    saved = next(iter(sorted(tmp_path.glob("*.json"))))
    assert json.loads(saved.read_text("utf-8"))["scenario"] == "wait_meets_last_settle"
    assert run("--replay", saved, mutant=LOST_WAKE)[0] != 0
    assert run("--replay", saved)[0] == 0
