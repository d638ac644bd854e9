"""The pytest plugin runs a test once for each seed and tells which seed failed."""

import subprocess
import sys

import pytest

DIAMOND = """
import pytest
from routilux import Flow, Routine, immediate_policy


def make(logic, *events):
    routine = Routine()
    routine.add_slot("input")
    for event in events:
        routine.add_event(event)
    routine.set_activation_policy(immediate_policy())
    routine.set_logic(lambda slot_data, message, worker: logic(routine, slot_data))
    return routine


def arm(name):
    return make(lambda routine, data: routine.emit("out", name=name), "out")


def build(order):
    flow = Flow("diamond")
    def fork(routine, data):
        routine.emit("both")
    flow.add_routine(make(fork, "both"), "fork")
    flow.add_routine(arm("left"), "left")
    flow.add_routine(arm("right"), "right")
    join = make(lambda _, data: order.append(data["input"][0]["name"]))
    flow.add_routine(join, "join")
    for name in ("left", "right"):
        flow.connect("fork", "both", name, "input")
        flow.connect(name, "out", "join", "input")
    return flow


def test_left_comes_first(simulated_runtime):
    order = []
    runtime = simulated_runtime()
    runtime.exec(build(order))
    runtime.post("diamond", "fork", "input", None)
    assert runtime.wait_until_all_jobs_finished()
    assert order == ["left", "right"]


@pytest.mark.routilux_seeds(3)
def test_any_order_will_do(simulated_runtime, routilux_seed):
    order = []
    runtime = simulated_runtime(thread_pool_size=2, interleave="logic")
    assert runtime.simulation.seed == routilux_seed
    runtime.exec(build(order))
    runtime.post("diamond", "fork", "input", None)


def test_without_a_simulation():
    pass
"""


@pytest.fixture
def pytest_run(tmp_path):
    """Run pytest on the file above; answer its output, one line an element."""
    (tmp_path / "test_diamond.py").write_text(DIAMOND)

    def run(*options):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-p", "routilux.pytest_plugin"),
                *("-p", "no:cacheprovider", "--strict-markers", *options),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.stdout.splitlines()

    return run


def failed_seeds(lines):
    names = [line.split()[1] for line in lines if line.startswith("FAILED")]
    return [int(name.partition("seed=")[2].rstrip("]")) for name in names]


def test_each_seed_is_a_test_and_a_failure_tells_how_to_repeat_it(pytest_run):
    lines = pytest_run("-q", "--routilux-seeds=30")
    seeds = failed_seeds(lines)
    assert 0 < len(seeds) < 30
    assert lines[-1].startswith(f"{len(seeds)} failed, {61 - len(seeds)} passed")
    again = f"pytest test_diamond.py::test_left_comes_first --routilux-seed={seeds[0]}"
    assert f"run it again with: {again}" in lines
    assert any("run fork" in line for line in lines)

    again = pytest_run("-q", f"--routilux-seed={seeds[0]}", "-k", "left")
    assert failed_seeds(again) == seeds[:1]


def test_seeds_come_from_marker_option_and_configuration(pytest_run, tmp_path):
    def count(*options):
        lines = pytest_run("--collect-only", "-q", *options)
        return (
            sum("left" in line for line in lines),
            sum("order" in line for line in lines),
        )

    assert count("--routilux-seeds=4") == (4, 4)
    (tmp_path / "pytest.ini").write_text("[pytest]\nroutilux_seeds = 7\n")
    assert count() == (7, 3)
