"""Pictures with numbers: the bottleneck is red, arrows tell what went over them."""

import gc
import re
import time
from pathlib import Path

import pytest

from routilux import Flow, Routine, Runtime, immediate_policy

RED = "#f06543"


def step(seconds: float, every: int = 1) -> Routine:
    """Make a routine that takes its time, and passes on every n-th item."""
    routine = Routine()
    routine.add_slot("input")
    routine.add_event("output")
    routine.set_activation_policy(immediate_policy())

    def logic(slot_data, policy_message, worker_state):
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        item = slot_data["input"][0]
        if item["n"] < 0:
            raise ValueError("negative")
        if item["n"] % every == 0:
            routine.emit("output", **item)

    routine.set_logic(logic)
    return routine


def make_flow() -> Flow:
    flow = Flow("measured")
    flow.add_routine(step(0.0), "quick")
    flow.add_routine(step(0.005, every=2), "slow")
    flow.add_routine(step(0.0), "last")
    flow.connect("quick", "output", "slow", "input")
    flow.connect("slow", "output", "last", "input")
    return flow


def run(runtime: Runtime, flow: Flow, numbers: list[int]) -> None:
    for number in numbers:
        runtime.post(flow.flow_id, "quick", "input", {"n": number})
    assert runtime.wait_until_all_jobs_finished(20.0)


@pytest.fixture
def monitored():
    with Runtime(engine="inline", enable_monitoring=True) as runtime:
        yield runtime


def fill_of(text: str, number: int) -> str:
    found = re.search(rf"style n{number} fill:(#\w+)", text)
    assert found, text
    return found[1]


def test_the_bottleneck_is_red_and_the_others_are_not(monitored):
    flow = make_flow()
    monitored.exec(flow)
    run(monitored, flow, [0, 1, 2, 3])
    text = flow.to_mermaid(run=monitored)
    assert fill_of(text, 1) == RED
    assert fill_of(text, 0) != RED
    assert re.search(r'n1\["slow<br/>4 runs · \d{2,3} %"\]', text)


def test_arrows_tell_items_and_rates(monitored):
    flow = make_flow()
    monitored.exec(flow)
    run(monitored, flow, [0, 1, 2, 3])
    text = flow.to_mermaid(run=monitored)
    assert re.search(r'n0 -->\|"4 \([\d.k]+/s\)"\| n1', text)
    assert re.search(r'n1 -->\|"2 \([\d.k]+/s\)"\| n2', text)


def test_failures_are_told(monitored):
    flow = make_flow()
    monitored.exec(flow)
    run(monitored, flow, [0, -1])
    assert "1 failed" in flow.to_mermaid(run=monitored)
    assert "penwidth=2" in flow.to_dot(run=monitored)


def test_a_running_flow_finds_its_numbers_itself(monitored, tmp_path: Path):
    flow = make_flow()
    assert " runs" not in flow.to_mermaid()
    monitored.exec(flow)
    run(monitored, flow, [0])
    for text in (
        flow.to_mermaid(),
        flow.to_dot(),
        flow._repr_html_() or "",
        flow.draw(tmp_path / "flow.svg").read_text(encoding="utf-8"),
    ):
        assert "1 runs · " in text


def test_since_leaves_out_what_came_before(monitored):
    flow = make_flow()
    monitored.exec(flow)
    run(monitored, flow, [0, 2, 4])
    before = monitored.metrics()
    run(monitored, flow, [0])
    text = flow.to_mermaid(run=monitored, since=before)
    assert "quick<br/>1 runs" in text
    assert text.count('"1 (') == 2


def test_a_worker_shows_only_what_it_did(monitored):
    flow = make_flow()
    first = monitored.exec(flow)
    run(monitored, flow, [0, 2])
    second = monitored.exec(flow)
    run(monitored, flow, [0])
    assert "quick<br/>2 runs" in flow.to_mermaid(run=first)
    assert "quick<br/>1 runs" in flow.to_mermaid(run=second)
    assert "quick<br/>3 runs" in flow.to_mermaid(run=monitored)


def test_a_snapshot_keeps_its_numbers_after_the_runtime(tmp_path: Path):
    flow = make_flow()
    with Runtime(engine="inline", enable_monitoring=True) as runtime:
        runtime.exec(flow)
        run(runtime, flow, [0])
    assert "1 runs" in flow.to_mermaid(run=runtime.metrics())


def test_without_monitoring_arrows_tell_items_and_nothing_is_coloured():
    flow = make_flow()
    with Runtime(engine="inline") as runtime:
        runtime.exec(flow)
        run(runtime, flow, [0, 2])
        text = flow.to_mermaid(run=runtime)
    assert '"2 (' in text
    assert "style" not in text and "runs" not in text


def test_a_run_without_numbers_is_refused(monitored):
    flow = make_flow()
    with pytest.raises(TypeError, match=r"run must be a Runtime.*not int"):
        flow.to_mermaid(run=3)
    with pytest.raises(ValueError, match="no numbers of flow 'measured'"):
        flow.to_dot(run=monitored)


def test_a_worker_whose_runtime_is_gone_has_no_numbers():
    flow = make_flow()
    runtime = Runtime(engine="inline", enable_monitoring=True)
    worker = runtime.exec(flow)
    run(runtime, flow, [0])
    assert "1 runs" in flow.to_mermaid(run=worker)
    runtime.shutdown()
    del runtime
    gc.collect()
    with pytest.raises(ValueError, match="was not started by a runtime, or it is gone"):
        flow.to_mermaid(run=worker)
