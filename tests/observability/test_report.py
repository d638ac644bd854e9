"""The report of a run: complete, in one file, and safe for every text."""

import asyncio
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from routilux import Flow, Routine, Runtime, immediate_policy

NASTY = "</svg><script>alert('x')</script>\"&amp;日本語\x00\ud800"
VOID = {"meta", "input"}
LOADS = {"src", "href", "data", "action", "srcset", "poster", "background"}
FORBIDDEN = {"script", "link", "iframe", "object", "embed", "img", "image", "use"}


class Reader(HTMLParser):
    """Read a page, and complain of what is not closed, or loads something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.text: list[str] = []
        self.failures = 0

    def handle_starttag(self, tag, attrs):
        assert tag not in FORBIDDEN, tag
        for name, value in attrs:
            assert name not in LOADS and not name.startswith("on"), (tag, name)
            assert "url(" not in (value or ""), (tag, name)
            self.failures += (name, value) == ("class", "failure")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        inside = self.open[-1] if self.open else ""
        if inside in ("h1", "h2"):
            self.headings.append(data)
        if inside == "style":
            assert "url(" not in data and "@import" not in data
        else:
            self.text.append(data)


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == []
    return reader


def make_flow(flow_id: str = "run", names: tuple[str, str] = ("first", "last")) -> Flow:
    flow = Flow(flow_id)
    for name in names:
        routine = Routine()
        routine.add_slot("input")
        routine.add_event("output")
        routine.set_activation_policy(immediate_policy())

        def logic(slot_data, policy_message, worker_state, routine=routine):
            item = slot_data["input"][0]
            if item["text"]:
                raise ValueError(item["text"])
            routine.emit("output", **item)

        routine.set_logic(logic)
        flow.add_routine(routine, name)
    flow.connect(names[0], "output", names[1], "input")
    return flow


def run(runtime: Runtime, flow: Flow, *texts: str) -> list[str]:
    first = next(iter(flow.routines))
    posted = [
        runtime.post(flow.flow_id, first, "input", {"text": text}) for text in texts
    ]
    assert runtime.wait_until_all_jobs_finished(20.0)
    return [result.job_id for result in posted]


@pytest.mark.parametrize("monitored", [True, False])
def test_a_report_tells_flow_routines_times_failures_and_slowest_jobs(
    monitored: bool, tmp_path: Path
) -> None:
    flow = make_flow()
    with Runtime(engine="inline", enable_monitoring=monitored) as runtime:
        runtime.exec(flow)
        good, bad = run(runtime, flow, "", "it broke")
        path = runtime.report(tmp_path / "run.html")
    page = read(path)
    assert page.headings == [
        *("Run of run", "Flow run", "Routines", "Timeline", "Failures"),
        "Slowest jobs",
    ]
    text = "".join(page.text)
    assert "Traceback (most recent call last)" in text
    assert "ValueError: it broke" in text
    assert good in page.text and bad in page.text
    assert ("enable_monitoring=True" in text) is not monitored
    assert ("from the flight recorder" in text) is monitored
    assert ("2 runs · " in text) is monitored


def test_no_text_of_the_user_becomes_markup(tmp_path: Path) -> None:
    flow = make_flow(NASTY, (NASTY, "last"))
    with Runtime(engine="inline", enable_monitoring=True) as runtime:
        runtime.exec(flow)
        run(runtime, flow, NASTY, "")
        page = read(runtime.report(tmp_path / "run.html", title=NASTY))
    assert page.headings[0].startswith("</svg><script>alert('x')</script>")
    assert "".join(page.text).count("<script>") >= 5


def test_failures_that_are_alike_are_told_once_with_their_number(
    tmp_path: Path,
) -> None:
    flow = make_flow()
    with Runtime(engine="inline") as runtime:
        runtime.exec(flow)
        run(runtime, flow, *["broken"] * 7)
        page = read(runtime.report(tmp_path / "run.html"))
    assert page.failures == 1
    assert " 7 times: " in page.text


def test_a_report_can_be_asked_for_after_shutdown(tmp_path: Path) -> None:
    flow = make_flow()
    with Runtime(engine="inline", enable_monitoring=True) as runtime:
        runtime.exec(flow)
        run(runtime, flow, "")
    page = read(runtime.report(tmp_path / "run.html"))
    assert "Flow run" in page.headings and "Slowest jobs" in page.headings


def test_a_runtime_that_did_nothing_has_a_report(tmp_path: Path) -> None:
    with Runtime(engine="inline") as runtime:
        page = read(runtime.report(str(tmp_path / "run.html")))
    assert page.headings == ["Run of nothing", "Timeline"]


def test_a_report_of_300_routines_folds_most_rows_away(tmp_path: Path) -> None:
    names = [f"stage_{number}" for number in range(300)]
    flow = Flow("long")
    for name in names:
        routine = Routine()
        routine.add_slot("input")
        routine.add_event("output")
        routine.set_activation_policy(immediate_policy())
        routine.set_logic(
            lambda slot_data, policy_message, worker_state, routine=routine: (
                routine.emit("output", text="")
            )
        )
        flow.add_routine(routine, name)
    for one, two in pairwise(names):
        flow.connect(one, "output", two, "input")
    with Runtime(engine="inline", enable_monitoring=True) as runtime:
        runtime.exec(flow)
        run(runtime, flow, "")
        path = runtime.report(tmp_path / "run.html")
    page = read(path)
    assert "260 more" in page.text
    assert set(names) <= set(page.text)
    assert path.stat().st_size < 1_500_000


def test_a_report_of_a_simulation_goes_by_its_clock(tmp_path: Path) -> None:
    flow = Flow("slow")
    routine = Routine()
    routine.add_slot("input")
    routine.set_activation_policy(immediate_policy())

    async def logic(slot_data, policy_message, worker_state):
        await asyncio.sleep(90.0)

    routine.set_logic(logic)
    flow.add_routine(routine, "wait")
    with Runtime(engine="sim", seed=1) as runtime:
        runtime.exec(flow)
        runtime.post("slow", "wait", "input", 1)
        runtime.sleep(75.0)
        text = "".join(read(runtime.report(tmp_path / "run.html")).text)
        assert "2000-01-01 00:01:15 UTC, 1 min 15 s after the runtime was made" in text
        assert ": running, 1 min 15 s" in text
        assert runtime.wait_until_all_jobs_finished()
        runtime.sleep(9000.0)
        text = "".join(read(runtime.report(tmp_path / "run.html")).text)
    assert "2 h 31 min after the runtime was made" in text
    assert "0.0066/min" in text


def test_a_report_names_the_worker_where_several_run(tmp_path: Path) -> None:
    flow = make_flow()
    with Runtime(engine="inline", enable_monitoring=True) as runtime:
        workers = [runtime.exec(flow).worker_id for _ in range(2)]
        run(runtime, flow, "")
        page = read(runtime.report(tmp_path / "run.html"))
    assert [page.text.count(f" {worker}") for worker in workers] == [2, 2]


def test_a_timeline_shows_the_newest_jobs_and_first_lanes(tmp_path: Path) -> None:
    flow = Flow("wide")
    routine = Routine()
    routine.add_slot("input")
    routine.set_activation_policy(immediate_policy())
    routine.set_concurrency(50)

    async def logic(slot_data, policy_message, worker_state):
        await asyncio.sleep(60.0)

    routine.set_logic(logic)
    flow.add_routine(routine, "wait")
    with Runtime(engine="sim", seed=1, max_queue_size=5000) as runtime:
        runtime.exec(flow)
        runtime.post_many("wide", "wait", "input", range(4010))
        assert runtime.wait_until_all_jobs_finished()
        page = read(runtime.report(tmp_path / "run.html"))
    text = "".join(page.text)
    assert "from first activation to last: the last 4000 of 4010." in text
    assert "and 10 lanes more" in text
    lanes = {one for one in page.text if re.fullmatch(r"jobs \d\d", one)}
    assert len(lanes) == 40
