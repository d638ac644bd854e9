"""The small programs of docs/examples, run as a user runs them: as scripts."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "examples"
PROGRAMS = ["orders_etl", "agent", "sensors", "word_count", "long_job"]


def run(name: str, *arguments: str) -> str:
    """Run a program; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", FOLDER / f"{name}.py", *arguments],
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_etl_loads_what_can_be_loaded_and_accounts_for_the_rest() -> None:
    rows = [n for n in range(100) if n % 25 != 7 and n != 13]
    cents = [0, 0, 0]
    for n in rows:
        cents[n % 3] += (n % 9 + 1) * (n * 100 + 50)
    lines = run("orders_etl").splitlines()
    assert lines[:3] == ["job: completed", "rejected: 7 32 57 82", "dead: 13"]
    assert lines[3:] == [
        f"{article}: {sum(n % 3 == at for n in rows)} orders, {cents[at] / 100:.2f}"
        for at, article in ((1, "cup"), (2, "pot"), (0, "tea"))
    ]


def test_agent_goes_round_as_often_as_a_question_needs() -> None:
    assert run("agent").splitlines() == [
        "6 * 7: 42 (2 turns)",
        "the answer: 42 (2 turns)",
        "twice the speed of light: 599584916 (3 turns)",
        "why?: no idea (1 turns)",
    ]


def test_sensors_lose_no_reading_and_see_the_failure() -> None:
    first = run("sensors", "--simulate")
    assert run("sensors", "--simulate") == first
    *alarms, total, boiler, hall, roof = first.splitlines()
    assert alarms and all(line.startswith("ALARM: boiler: ") for line in alarms)
    assert re.fullmatch(r"300 readings in 1[0-2] windows", total)
    assert (boiler, hall, roof) == ("boiler: 35.5", "hall: 20.4", "roof: 4.5")


def test_words_are_counted_as_the_plain_way_counts_them() -> None:
    lines = run("word_count").splitlines()
    assert lines[-1] == "the plain way finds the same"
    assert int(lines[0].split()[0]) > 10_000


def test_words_of_no_text_are_none(tmp_path: Path) -> None:
    assert run("word_count", str(tmp_path)).startswith("0 words, 0 different ones\n")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_job_goes_on_and_counts_each_range_once() -> None:
    killed, going_on, primes = run("long_job").splitlines()
    assert killed == "killed"
    assert re.fullmatch(r"going on after \d+ ranges", going_on)
    assert primes == "1270607 primes below 20000000"


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_is_short_and_told_of(name: str) -> None:
    text = (FOLDER / f"{name}.py").read_text("utf-8")
    assert len(text.splitlines()) <= 120
    assert f"`{name}.py`" in (FOLDER.parent / "examples.md").read_text("utf-8")
