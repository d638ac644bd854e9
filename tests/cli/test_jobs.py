"""`routilux job`: one job, and the record that stays of it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("click")


def submit(command, *arguments):
    return json.loads(command("job", "submit", *arguments).stdout)


def test_submit_prints_what_became_of_the_job(process):
    done = process("job", "submit", "-f", "station:halves", "-d", "4")
    assert (done.returncode, done.stderr) == (0, "")
    record = json.loads(done.stdout)
    assert (record["status"], record["result"], record["error"]) == (
        *("completed", 0.25, None),
    )


def test_items_that_leave_the_flow_are_in_the_record(command):
    record = submit(command, "-f", "station:signs", "-r", "sign", "-d", '{"n": 1}')
    assert record["output"] == [{"from": "sign.high", "data": {"n": 1}}]


def test_record_can_be_asked_for_by_another_process(process, command):
    record = submit(command, "-f", "station:halves", "-s", "input", "-d", "2")
    assert json.loads(process("job", "status", record["job_id"]).stdout) == record


def test_jobs_are_listed_oldest_first(command):
    made = [
        submit(command, "-f", "station:halves", "-d", "1"),
        submit(command, "-f", "station:halves", "-d", "0"),
        submit(command, "-f", "station:signs", "-d", '{"n": 1}'),
    ]
    rows = json.loads(command("job", "list", "--format", "json").stdout)
    # Times are those of the system's tick: jobs may have the same one.
    assert rows == sorted(made, key=lambda job: (job["created_at"], job["job_id"]))
    assert [job["status"] for job in made] == ["completed", "failed", "completed"]
    plain = command("job", "list", "--flow", "signs", "-f", "plain")
    assert plain.stdout.split() == [made[2]["job_id"]]


@pytest.mark.parametrize(
    "text",
    ["{", "", "[]", "{}", '{"job_id": 1, "status": "running"}', "\xff"],
)
def test_broken_record_does_not_hide_the_others(command, text):
    record = submit(command, "-f", "station:halves", "-d", "1")
    broken = Path(".routilux/jobs/job_broken.json")
    broken.write_bytes(text.encode("latin-1"))
    done = command("job", "list", "--format", "plain")
    assert (done.exit_code, done.stdout.split()) == (0, [record["job_id"]])
    assert done.stderr.count("\n") == 1 and str(broken) in done.stderr
    done = command("job", "status", record["job_id"])
    assert (done.exit_code, json.loads(done.stdout)) == (0, record)


def test_job_that_takes_too_long_is_cancelled(process):
    done = process("job", "submit", "-f", "station:stuck", "--timeout", "0.1")
    assert done.returncode == 2
    assert "did not end within 0.1 s" in done.stderr
    assert json.loads(done.stdout)["status"] == "cancelled"


def test_a_record_that_can_not_be_written_is_an_error(command):
    Path(".routilux").write_text("in the way")
    done = command("job", "submit", "-f", "station:halves", "-d", "1")
    assert (done.exit_code, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("Error: .routilux")


def test_job_of_a_process_that_belongs_to_somebody_else_is_running(command):
    record = submit(command, "-f", "station:halves", "-d", "1")
    path = Path(".routilux/jobs", f"{record['job_id']}.json")
    path.write_text(json.dumps({**record, "status": "running", "pid": 1}))
    [row] = json.loads(command("job", "list", "-f", "json").stdout)
    assert row["status"] == "running"


@pytest.mark.skipif(os.name == "nt", reason="asks for the process by a signal")
def test_job_whose_process_was_killed_is_lost(command):
    child = subprocess.Popen(
        [sys.executable, "-m", "routilux", "job", "submit", "-f", "station:stuck"]
    )
    folder = Path(".routilux/jobs")
    while not list(folder.glob("job_*.json")):
        assert child.poll() is None
    [row] = json.loads(command("job", "list", "-f", "json").stdout)
    assert row["status"] == "running"
    child.send_signal(signal.SIGKILL)
    child.wait(60)
    [row] = json.loads(command("job", "list", "-f", "json").stdout)
    assert row["status"] == "lost"
