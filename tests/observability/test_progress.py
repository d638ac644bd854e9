"""Progress: right numbers in every form, and no harm to the run."""

import io
import re
import sys
import threading
import time
from collections.abc import Callable

import pytest

from routilux import ConfigurationError, Flow, Routine, Runtime, immediate_policy

NASTY = "[red]<b>&\x1b[31m"


def echo(name: str = "work") -> Flow:
    flow = Flow("progress")
    routine = Routine()
    routine.add_slot("input")
    routine.set_activation_policy(immediate_policy())

    def logic(slot_data, policy_message, worker_state):
        if slot_data["input"][0] == "bad":
            raise ValueError("bad")

    routine.set_logic(logic)
    flow.add_routine(routine, name)
    return flow


@pytest.fixture(params=[True, False], ids=["monitored", "plain"])
def runtime(request):
    with Runtime(engine="inline", enable_monitoring=request.param) as made:
        yield made


def wide() -> Flow:
    """Make a flow of "work" and 300 routines that have nothing to do."""
    flow = echo()
    for number in range(300):
        routine = Routine()
        routine.add_slot("input")
        routine.set_activation_policy(immediate_policy())
        routine.set_logic(lambda slot_data, policy_message, worker_state: None)
        flow.add_routine(routine, f"idle_{number}")
    return flow


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def post(runtime: Runtime, *items: object, name: str = "work") -> None:
    for item in items:
        runtime.post("progress", name, "input", item)


def test_the_last_line_tells_all_jobs_of_a_known_total(runtime):
    runtime.exec(echo())
    file = io.StringIO()
    with runtime.progress(total=3, file=file, form="lines"):
        post(runtime, 1, "bad", 2)
        assert runtime.wait_until_all_jobs_finished(10.0)
    last = file.getvalue().splitlines()[-1]
    assert re.fullmatch(r".+: 3 of 3 jobs \(100 %\), .+/s, 1 failed", last)


def test_without_a_total_the_last_line_tells_what_is_done_and_to_do(runtime):
    runtime.exec(echo())
    file = io.StringIO()
    with runtime.progress(file=file):
        post(runtime, 1, 2)
    last = file.getvalue().splitlines()[-1]
    assert re.search(r": 0 jobs done, 2 to do, 0/s$", last)


def test_jobs_that_ended_before_do_not_count(runtime):
    runtime.exec(echo())
    post(runtime, 1, "bad")
    assert runtime.wait_until_all_jobs_finished(10.0)
    file = io.StringIO()
    with runtime.progress(total=1, file=file):
        post(runtime, 1)
        assert runtime.wait_until_all_jobs_finished(10.0)
    last = file.getvalue().splitlines()[-1]
    assert "1 of 1 jobs" in last and "failed" not in last


def test_a_wait_shows_progress_and_returns_as_ever(runtime, capsys):
    runtime.exec(echo())
    post(runtime, 1, 2, 3)
    assert runtime.wait_until_all_jobs_finished(10.0, progress=True) is True
    assert "3 of 3 jobs (100 %)" in capsys.readouterr().err


def test_a_wait_inside_of_a_progress_tells_it_the_total(runtime):
    runtime.exec(echo())
    file = io.StringIO()
    with runtime.progress(file=file):
        post(runtime, 1, 2)
        assert runtime.wait_until_all_jobs_finished(10.0, progress=True)
    assert file.getvalue().splitlines()[-1].count("2 of 2 jobs") == 1


def test_a_wait_inside_of_logic_is_refused_before_anything_is_shown(capsys):
    flow = Flow("inside")
    routine = Routine()
    routine.add_slot("input")
    routine.set_activation_policy(immediate_policy())
    routine.set_logic(
        lambda slot_data, policy_message, worker_state: (
            runtime.wait_until_all_jobs_finished(progress=True)
        )
    )
    flow.add_routine(routine, "work")
    with Runtime(engine="inline") as runtime:
        runtime.exec(flow)
        job = runtime.post("inside", "work", "input", 1).job
        job.wait(10.0)
    assert job.error.type == "RuntimeError"
    assert "jobs" not in capsys.readouterr().err


def test_bars_name_each_routine_and_take_no_name_as_markup(runtime):
    pytest.importorskip("rich")
    runtime.exec(echo(NASTY))
    file = io.StringIO()
    with runtime.progress(total=2, file=file, form="bars"):
        post(runtime, 1, 2, name=NASTY)
        assert runtime.wait_until_all_jobs_finished(10.0)
    shown = file.getvalue()
    assert "2 of 2" in shown
    assert re.search(r"\[red\]<b>&�\[31m +━+ +2 +0 ", shown)
    assert "\x1b" not in shown


def test_bars_leave_out_the_idle_routines_of_a_large_flow():
    pytest.importorskip("rich")
    file = io.StringIO()
    with Runtime(engine="inline") as runtime:
        runtime.exec(wide())
        with runtime.progress(file=file, form="bars"):
            post(runtime, 1)
            assert runtime.wait_until_all_jobs_finished(10.0)
    shown = file.getvalue()
    assert re.search(r"and 2\d\d routines more", shown)
    assert "work" in shown


def test_without_rich_bars_are_an_error_and_auto_writes_lines(monkeypatch):
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setitem(sys.modules, "rich", None)
    with Runtime(engine="inline") as runtime:
        runtime.exec(echo())
        shown = runtime.progress(form="bars")
        with pytest.raises(ConfigurationError, match=r"'routilux\[progress\]'"):
            shown.__enter__()
        file = Screen()
        with runtime.progress(total=1, file=file):
            post(runtime, 1)
            assert runtime.wait_until_all_jobs_finished(10.0)
    assert "'routilux[progress]'" in file.getvalue().splitlines()[0]
    assert "1 of 1 jobs" in file.getvalue().splitlines()[-1]


def test_a_notebook_gets_a_table_that_is_replaced_in_place(runtime):
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    InteractiveShell.instance()
    runtime.exec(echo(NASTY))
    try:
        with (
            capture_output() as cell,
            runtime.progress(total=1, form="notebook"),
        ):
            post(runtime, 1, name=NASTY)
            assert runtime.wait_until_all_jobs_finished(10.0)
    finally:
        InteractiveShell.clear_instance()
    html = cell.outputs[-1].data["text/html"]
    assert "1 of 1 jobs (100 %)" in html
    assert "[red]&lt;b&gt;&amp;�" in html
    assert "<script" not in html and "<b>&" not in html


def test_a_notebook_is_told_anew_and_leaves_out_idle_routines():
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    InteractiveShell.instance()
    try:
        with Runtime(engine="inline") as runtime, capture_output() as cell:
            runtime.exec(wide())
            with runtime.progress(total=2, form="notebook"):
                post(runtime, 1)
                assert runtime.wait_until_all_jobs_finished(10.0)
                wait_for(lambda: cell.outputs)
                post(runtime, 2)
                assert runtime.wait_until_all_jobs_finished(10.0)
    finally:
        InteractiveShell.clear_instance()
    first, last = (
        cell.outputs[n].data["text/html"].replace("&nbsp;", " ") for n in (0, -1)
    )
    assert "1 of 2 jobs (50 %)" in first and "2 of 2 jobs (100 %)" in last
    assert ">work<" in last and "and 261 routines more, with less queued" in last
    assert [one.update for one in cell.outputs] == [False] + [True] * (
        len(cell.outputs) - 1
    )
    assert len({one.transient["display_id"] for one in cell.outputs}) == 1


def test_lines_name_the_routine_with_the_most_queued():
    class Paper(io.StringIO):
        """A file that says when something was written."""

        def __init__(self) -> None:
            super().__init__()
            self.written = threading.Event()

        def flush(self) -> None:
            self.written.set()

    opened = threading.Event()
    flow = echo("quick")
    slow = Routine()
    slow.add_slot("input")
    slow.set_activation_policy(immediate_policy())
    slow.set_logic(
        lambda slot_data, policy_message, worker_state: opened.wait(20.0) and None
    )
    flow.add_routine(slow, NASTY)
    file = Paper()
    with Runtime(2) as runtime:
        runtime.exec(flow)
        with runtime.progress(total=10_000, file=file, form="lines"):
            assert runtime.post("progress", "quick", "input", 1).wait(10.0)
            post(runtime, *range(5), name=NASTY)
            assert file.written.wait(20.0)
            opened.set()
    first = file.getvalue().splitlines()[0]
    assert re.search(r": 1 of 10k jobs \(<0\.1 %\), ", first)
    assert first.endswith("; most queued: [red]<b>&�[31m 5")


@pytest.mark.parametrize("form", ["lines", "bars", "notebook"])
def test_what_is_left_of_a_known_total_and_what_failed_is_told(form, capsys):
    if form == "bars":
        pytest.importorskip("rich")
    if form == "notebook":
        pytest.importorskip("IPython")
    file = io.StringIO()
    with Runtime(engine="inline") as runtime:
        runtime.exec(echo())
        with runtime.progress(total=4, file=file, form=form):
            post(runtime, 1, "bad")
            assert runtime.wait_until_all_jobs_finished(10.0)
    shown = file.getvalue() + capsys.readouterr().out
    assert re.search(r"2 of 4\b", shown) or "IPython.core.display.HTML" in shown
    if form != "notebook":
        assert re.search(r"[\d.]+ [mµ]?s left", shown) and "1 failed" in shown


def test_a_progress_is_shown_once(runtime):
    shown = runtime.progress(total=0, file=io.StringIO())
    with (
        shown,
        pytest.raises(RuntimeError, match="was shown already: ask for a new one"),
    ):
        shown.__enter__()


def test_routines_of_several_flows_are_told_with_their_flow(runtime):
    pytest.importorskip("rich")
    other = Flow("other")
    other.add_routine(next(iter(echo().routines.values())), "work")
    runtime.exec(echo())
    runtime.exec(other)
    file = io.StringIO()
    with runtime.progress(file=file, form="bars"):
        post(runtime, 1)
        assert runtime.wait_until_all_jobs_finished(10.0)
    shown = file.getvalue()
    assert re.search(r"\bprogress/work .*━+ +1 +0 ", shown)
    assert re.search(r"\bother/work +0 +0 ", shown)


def test_a_file_that_fails_stops_the_progress_and_nothing_else(runtime, caplog):
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError("no space left")

    runtime.exec(echo())
    with runtime.progress(file=Broken()):
        post(runtime, 1)
        assert runtime.wait_until_all_jobs_finished(10.0)
    assert "progress is not shown any more" in caplog.text


def test_an_exception_in_the_block_ends_the_progress(runtime):
    runtime.exec(echo())
    with pytest.raises(KeyboardInterrupt), runtime.progress(file=io.StringIO()):
        raise KeyboardInterrupt
    file = io.StringIO()
    with runtime.progress(total=0, file=file):
        pass
    assert "0 of 0 jobs (100 %)" in file.getvalue()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"total": 1.5}, TypeError, "total must be an int or None, not 1.5"),
        ({"total": -1}, ValueError, "total must not be negative, not -1"),
        ({"form": "pie"}, ValueError, "form must be 'auto', 'bars', .*not 'pie'"),
    ],
)
def test_wrong_arguments_are_named(options, error, text):
    with Runtime(engine="inline") as runtime, pytest.raises(error, match=text):
        runtime.progress(**options)
