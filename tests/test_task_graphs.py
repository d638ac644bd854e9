"""The graphs of `make bench-metg`: what is timed is what the patterns say."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
STEPS = 9
WIDTH = 4


@pytest.fixture
def taskbench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Give the package, which lies beside the programs that use it."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import taskbench

    return taskbench


PATTERNS = ["trivial", "stencil_1d", "fft", "tree", "random_nearest"]


@pytest.mark.parametrize("name", PATTERNS)
def test_each_task_runs_once_on_inputs_of_the_step_before(
    taskbench: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pattern = taskbench.patterns(WIDTH)[name]
    point = taskbench.ours.Point
    logic = point.logic
    inputs: list[set[int]] = []

    def noted(self: Any, slot_data: Any, message: Any, state: Any) -> None:
        inputs.append({items[0]["step"] for items in slot_data.values()})
        logic(self, slot_data, message, state)

    monkeypatch.setattr(point, "logic", noted)
    with (
        taskbench.ours.SYSTEM.open(2) as prepare,
        prepare(pattern, STEPS, 2_048) as run,
    ):
        assert run() == pattern.count(STEPS)
    assert [steps for steps in inputs if len(steps) != 1] == []
    if name != "trivial":  # whose tasks know of no step
        found = sorted(step for (step,) in inputs)
        assert found == [step for step, _ in pattern.points(STEPS)]


@pytest.mark.parametrize("name", PATTERNS)
def test_the_graph_on_threads_has_as_many_tasks(
    taskbench: ModuleType, name: str
) -> None:
    pattern = taskbench.patterns(WIDTH)[name]
    for system in taskbench.threads.SYSTEMS:
        with system.open(2) as prepare, prepare(pattern, STEPS, 2_048) as run:
            assert run() == pattern.count(STEPS)


def test_fft_reaches_twice_as_far_at_each_step(taskbench: ModuleType) -> None:
    fft = taskbench.patterns(8)["fft"]
    reach = [max(fft.sources(step, 0)) for step in range(1, 7)]
    assert reach == [1, 2, 4, 1, 2, 4]


def test_a_tree_grows_to_its_width(taskbench: ModuleType) -> None:
    tree = taskbench.patterns(8)["tree"]
    assert [tree.width_at(step) for step in range(5)] == [1, 2, 4, 8, 8]
    assert tree.sources(3, 5) == (2,)


def test_metg_lies_between_the_sizes_around_one_half(taskbench: ModuleType) -> None:
    sweep = taskbench.sweeping
    point = sweep.Point
    points = [point(4, 40e-6, 0.9), point(2, 20e-6, 0.6), point(1, 10e-6, 0.4)]
    metg, is_bound = sweep.crossing(points)
    assert 10e-6 < metg < 20e-6 and not is_bound
    steep = [point(2, 20e-6, 0.8), point(1, 25e-6, 0.4)]
    assert sweep.crossing(steep) == (20e-6, False)
    assert sweep.crossing(points[:2]) == (20e-6, True)
    assert sweep.crossing(points[2:]) == (float("inf"), False)
