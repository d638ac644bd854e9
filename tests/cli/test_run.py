"""`routilux run`: items in, results and what leaves the flow out."""

import contextlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytest.importorskip("click")

NUMBERS = "".join(f'{{"n": {n}}}\n' for n in (3, -1, 5))


def test_results_of_functions_come_in_the_order_of_the_items(process, values):
    stdin = "".join(f"{n}\n" for n in range(1, 501))
    done = process("run", "station:halves", "-i", "-", stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    assert values(done.stdout) == [1 / n for n in range(1, 501)]


def test_a_function_that_returns_a_flow_is_called(command, values):
    done = command("run", "station:make", "-i", "-", stdin="4\n")
    assert values(done.stdout) == ["0.25"]


def test_parameters_make_the_one_item(command, values):
    spec = {"routines": {"all": {"class": "filter"}}, "connections": None}
    Path("f.json").write_text(json.dumps(spec))
    done = command("run", "f.json", "-p", "n=3", "-p", "s=a=b", "-p", "l=[1]")
    [line] = [value for value in values(done.stdout) if value["from"] == "all.passed"]
    assert line["data"]["data"] == {"n": 3, "s": "a=b", "l": [1]}


def test_parameters_fill_up_items(command, values):
    done = command(
        *("run", "station:signs", "-i", "-", "-e", "sign.high", "-p", "n=7"),
        stdin='{"n": 1}\n\n{}\n',
    )
    assert values(done.stdout) == [{"n": 1}, {"n": 7}]


def test_several_open_events_are_told_apart(command, values):
    done = command("run", "station:signs", "-i", "-", stdin=NUMBERS)
    found = sorted(values(done.stdout), key=lambda value: value["data"]["n"])
    assert found == [
        {"from": "sign.low", "data": {"n": -1}},
        {"from": "sign.high", "data": {"n": 3}},
        {"from": "sign.high", "data": {"n": 5}},
    ]


def test_one_event_can_be_chosen(command, values):
    done = command("run", "station:signs", "-i", "-", "-e", "sign.low", stdin=NUMBERS)
    assert values(done.stdout) == [{"n": -1}]


def test_configuration_can_be_set(command, values):
    done = command(
        *("run", "station:signs", "-i", "-", "-e", "sign.high", "--set", "sign.at=4"),
        stdin=NUMBERS,
    )
    assert values(done.stdout) == [{"n": 5}]


def test_input_and_output_may_be_files(command, values):
    Path("in.jsonl").write_text("1\n2\n")
    done = command("run", "station:halves", "-i", "in.jsonl", "-o", "out.jsonl")
    assert (done.exit_code, done.stdout) == (0, "")
    assert values(Path("out.jsonl").read_text()) == [1.0, 0.5]


def test_input_is_not_overwritten_by_the_output(process):
    Path("in.jsonl").write_text("1\n2\n")
    Path("same.jsonl").hardlink_to("in.jsonl")
    done = process("run", "station:halves", "-i", "in.jsonl", "-o", "same.jsonl")
    assert (done.returncode, done.stderr) == (
        2,
        "Error: input and output are one file, 'same.jsonl': write to another one\n",
    )
    assert Path("in.jsonl").read_text() == "1\n2\n"


@pytest.mark.parametrize("wrong", [("-i", "none.jsonl"), ("-e", "half.nothing")])
def test_run_that_does_not_begin_leaves_the_output_file_alone(command, wrong):
    Path("out.jsonl").write_text("old\n")
    assert command("run", "station:halves", "-o", "out.jsonl", *wrong).exit_code == 2
    assert Path("out.jsonl").read_text() == "old\n"


def test_input_that_is_no_text_is_named_with_its_line(command):
    lines = b"1\n" * 10_000 + b'"caf\xe9"\n'
    Path("in.jsonl").write_bytes(lines)
    done = command("run", "station:halves", "-i", "in.jsonl")
    assert done.exit_code == 2
    assert "in.jsonl, line 10001: no utf-8 text" in done.stderr


def test_numbers_that_json_has_not_are_written_as_texts(command, values):
    Path("unheard.py").write_text(
        "from routilux import pipeline\n"
        "def odd(n):\n"
        "    return [float('nan'), {'n': float('-inf')}, n]\n"
        "flow = pipeline(odd)\n"
    )
    done = command("run", "unheard:flow", "-i", "-", stdin="1\n")
    assert values(done.stdout) == [["NaN", {"n": "-Infinity"}, 1]]


def test_input_may_begin_with_a_byte_order_mark(command, process, values):
    Path("in.jsonl").write_text("1\n2\n", encoding="utf-8-sig")
    done = command("run", "station:halves", "-i", "in.jsonl")
    assert (done.exit_code, values(done.stdout)) == (0, [1.0, 0.5])
    done = process(
        *("run", "station:halves", "-i", "-"),
        stdin="\ufeff1\n2\n",
        PYTHONIOENCODING="utf-8",
    )
    assert (done.returncode, values(done.stdout)) == (0, [1.0, 0.5])


def test_the_flow_may_be_given_by_an_option(command):
    assert command("run", "-w", "station:signs", "-p", "n=1").exit_code == 0


def test_batches_are_whole_however_long_the_input(command, values):
    spec = {"routines": {"b": {"class": "batcher", "config": {"batch_size": 1500}}}}
    spec["routines"]["b"]["slots"] = {"input": {"max_queue_length": 5000}}
    Path("f.json").write_text(json.dumps(spec))
    stdin = "".join(f"{n}\n" for n in range(3100))
    done = command("run", "f.json", "-i", "-", "-e", "b.batch", stdin=stdin)
    assert [value["count"] for value in values(done.stdout)] == [1500, 1500, 100]


def test_slow_input_does_not_split_batches(values):
    spec = {"routines": {"b": {"class": "batcher", "config": {"batch_size": 2}}}}
    spec["routines"]["b"]["config"]["batch_timeout"] = None
    Path("f.json").write_text(json.dumps(spec))
    child = subprocess.Popen(
        [sys.executable, "-m", "routilux", "run", "f.json", "-i", "-", "-e", "b.batch"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None and child.stdout is not None
    for n in range(3):
        child.stdin.write(f"{n}\n")
        child.stdin.flush()
        if n == 1:
            assert json.loads(child.stdout.readline())["items"] == [0, 1]
    rest, _ = child.communicate(timeout=60)
    assert [value["items"] for value in values(rest)] == [[2]]


def test_results_leave_before_the_input_ends():
    child = subprocess.Popen(
        [sys.executable, "-m", "routilux", "run", "station:signs", "-i", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write('{"n": 1}\n')
    child.stdin.flush()
    assert json.loads(child.stdout.readline())["data"] == {"n": 1}
    child.communicate(timeout=60)
    assert child.returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="interrupts a process by a signal")
def test_ctrl_c_ends_a_run_that_waits_for_input():
    # A process in the background of a shell inherits that it ignores the signal.
    script = """
        import signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from routilux.cli import main
        sys.exit(main(["run", "station:halves", "-i", "-"]))
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write("4\n")
    child.stdin.flush()
    assert child.stdout.readline() == "0.25\n"
    child.send_signal(signal.SIGINT)
    assert child.wait(60) == 130
    rest, told = child.communicate()
    assert (rest, told.split()) == ("", ["Error:", "interrupted"])


def test_a_failed_item_is_one_line_and_exit_code_2(process, values):
    done = process("run", "station:halves", "-i", "-", stdin="1\n0\n2\n")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "Error: item 2: routine 'half': ZeroDivisionError: division by zero"
    ]
    assert values(done.stdout) == [1.0]


def test_keep_going_goes_on_after_failed_items(process, values):
    done = process("run", "station:halves", "-k", "-i", "-", stdin="0\n1\n0\n2\n")
    assert done.returncode == 2
    assert [line.partition(": r")[0] for line in done.stderr.splitlines()] == [
        "Error: item 1",
        "Error: item 3",
        "Error: 2 of 4 items failed",
    ]
    assert values(done.stdout) == [1.0, 0.5]


def test_verbose_shows_where_the_logic_raised(process):
    done = process("run", "station:halves", "-v", "-i", "-", stdin="0\n")
    assert "return 1 / x" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: item 1: routine 'half'")


def test_a_job_that_its_logic_cancels_is_a_failed_item(command):
    Path("gone.py").write_text(
        "from routilux import get_current_job, pipeline\n"
        "def leave(item):\n"
        "    get_current_job().cancel()\n"
        "flow = pipeline(leave)\n"
    )
    done = command("run", "gone:flow", "-i", "-", stdin="1\n")
    assert done.exit_code == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("Error: item 1: ") and "cancelled" in line


def test_an_error_ends_the_run_however_much_input_is_left(command, values):
    Path("first.py").write_text(
        "import threading\n"
        "from routilux import FunctionRoutine, Flow\n"
        "seen, many = [], threading.Event()\n"
        "def work(n):\n"
        "    if n == 0:\n"
        "        assert many.wait(20)\n"
        "        raise ValueError('bad')\n"
        "    seen.append(n)\n"
        "    if len(seen) == 999:\n"
        "        many.set()\n"
        "flow = Flow()\n"
        "routine = FunctionRoutine(work).set_concurrency(2)\n"
        "flow.add_routine(routine, 'work')\n"
    )
    stdin = "".join(f"{n}\n" for n in range(3000))
    done = command("run", "first:flow", "-i", "-", "--threads", "2", stdin=stdin)
    assert done.exit_code == 2
    assert done.stderr == "Error: item 1: routine 'work': ValueError: bad\n"
    assert sorted(sys.modules["first"].seen) == list(range(1, 1000))


def test_what_the_library_warns_of_is_a_line(command):
    Path("mine").mkdir()
    Path("mine", "broken.py").write_text("1 / 0\n")
    call = ("run", "station:halves", "-i", "-", "--routines-dir", "mine")
    done = command(*call, stdin="1\n")
    assert (done.exit_code, done.stdout) == (0, "1.0\n")
    [line] = done.stderr.splitlines()
    assert line.startswith("Warning: ")
    assert line.endswith(
        "broken.py can't be imported: ZeroDivisionError: division by zero"
    )
    assert command(*call, "-q", stdin="1\n").stderr == ""
    level = logging.getLogger("routilux").level
    lines = command(*call, "-v", stdin="1\n").stderr.splitlines()
    assert "ZeroDivisionError: division by zero" in lines[1:]
    assert logging.getLogger("routilux").level == level


@pytest.mark.parametrize("verbose", [False, True])
def test_what_goes_wrong_beside_the_logic_is_told_with_its_traceback(command, verbose):
    Path("beside.py").write_text(
        "from routilux import get_current_job, pipeline\n"
        "def work(item):\n"
        "    get_current_job().add_done_callback(lambda job: 1 / 0)\n"
        "    return item\n"
        "flow = pipeline(work)\n"
    )
    call = ("run", "beside:flow", "-i", "-", *["-v"] * verbose)
    done = command(*call, stdin="1\n")
    assert (done.exit_code, done.stdout) == (0, "1\n")
    lines = done.stderr.splitlines()
    assert "callback" in lines[0]
    assert ("ZeroDivisionError: division by zero" in lines) is verbose
    assert verbose or len(lines) == 1


def test_timeout_counts_while_no_input_comes():
    arguments = ("run", "station:halves", "-i", "-", "--timeout", "0.2")
    child = subprocess.Popen(
        [sys.executable, "-m", "routilux", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.wait(60) == 2
    assert child.communicate() == ("", "Error: not done within 0.2 s\n")


def test_logic_that_hangs_does_not_outlive_the_timeout(process):
    start = time.monotonic()
    done = process("run", "station:stuck", "-p", "x=1", "--timeout", "0.2")
    assert (done.returncode, done.stderr) == (2, "Error: not done within 0.2 s\n")
    assert time.monotonic() - start < 40  # the logic would take 60


# What its results are, and what its events, is written by different threads.
@pytest.mark.parametrize(
    ("flow", "item"), [("station:halves", "1\n"), ("station:signs", '{"n": 1}\n')]
)
def test_a_reader_that_has_enough_ends_the_command(flow, item):
    child = subprocess.Popen(
        [sys.executable, "-m", "routilux", "run", flow, "-i", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and child.stdin is not None
    child.stdin.write(2 * item)
    child.stdin.flush()
    child.stdout.close()
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(1000 * item)
        child.stdin.close()
    child.stdin = None
    assert child.stderr is not None
    assert "Traceback" not in child.stderr.read()
    child.stderr.close()
    assert child.wait(60) == 1


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="the system has no terminals")
def test_a_terminal_shows_the_count_as_it_grows():
    Path("slow.py").write_text(
        "import time\n"
        "from routilux import pipeline\n"
        "def slow(item):\n"
        "    time.sleep(0.15)\n"
        "flow = pipeline(slow)\n"
    )
    ours, theirs = os.openpty()
    child = subprocess.run(
        [sys.executable, "-m", "routilux", "run", "slow:flow", "-i", "-"],
        input=b"1\n2\n",
        stderr=theirs,
        timeout=60,
    )
    shown = os.read(ours, 10_000).decode().split("\r")
    os.close(theirs)
    os.close(ours)
    assert child.returncode == 0
    counts = [line.partition(" items, ")[0] for line in shown if line.strip()]
    assert (counts[0], counts[-1]) == ("1", "2")


def test_progress_counts_on_stderr(process):
    done = process("run", "station:halves", "-i", "-", "--progress", stdin="1\n2\n")
    assert re.fullmatch(r"2 items, [\d,]+/s\n", done.stderr)
    quiet = process("run", "station:halves", "-i", "-", stdin="1\n2\n")
    assert quiet.stderr == ""
