"""`RoutineMetrics` and `RuntimeMetrics`: built from rows, looked up, printed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routilux.monitoring.metrics import RoutineMetrics, RuntimeMetrics, collect

COUNTERS = {
    "jobs_live": 1,
    "jobs_completed": 20,
    "jobs_failed": 3,
    "jobs_cancelled": 4,
    "pumps": 50,
}


def buckets(counts: dict[int, int]) -> list[int]:
    return [counts.get(bucket, 0) for bucket in range(64)]


def row(**changes: Any) -> dict[str, Any]:
    plain = {
        "flow_id": "orders",
        "worker_id": "w1",
        "routine_id": "parser",
        "activations": 4,
        "failures": 1,
        "retries": 1,
        "items_in": 5,
        "items_out": 3,
        "dropped": 0,
        "queue_depth": 2,
        "queue_peak": 7,
        "busy_seconds": 0.5,
        "histogram": buckets({10: 4}),
    }
    return {**plain, **changes}


def routine(**changes: Any) -> RoutineMetrics:
    return collect([row(**changes)], COUNTERS).routines[0]


def test_collect_fills_every_field() -> None:
    metrics = collect([row()], COUNTERS)
    assert dataclasses.asdict(metrics) == {
        "routines": ({**row(), "histogram": tuple(row()["histogram"])},),
        **COUNTERS,
    }


def test_collect_of_nothing_has_no_routines() -> None:
    assert collect([], COUNTERS).routines == ()


def test_collect_refuses_unknown_and_missing_fields() -> None:
    with pytest.raises(TypeError, match="surprise"):
        collect([row(surprise=1)], COUNTERS)
    with pytest.raises(TypeError, match="pumps"):
        collect([], {key: 0 for key in COUNTERS if key != "pumps"})


def test_collect_refuses_a_histogram_of_another_length() -> None:
    with pytest.raises(ValueError, match="'parser' must have 64 buckets, not 3"):
        collect([row(histogram=[1, 2, 3])], COUNTERS)


def test_picture_is_frozen_and_detached_from_its_source() -> None:
    source = row()
    metrics = collect([source], COUNTERS)
    source["histogram"][10] = 99
    assert metrics.routines[0].histogram[10] == 4
    with pytest.raises(dataclasses.FrozenInstanceError):
        metrics.pumps = 1  # type: ignore[misc]


def test_mean_is_busy_time_per_activation() -> None:
    assert routine(activations=4, busy_seconds=0.5).mean_seconds == 0.125
    assert routine(activations=0, busy_seconds=0.0).mean_seconds == 0.0


@pytest.mark.parametrize("q", [0, 50, 100])
def test_percentile_before_the_first_call_is_zero(q: float) -> None:
    assert routine(histogram=buckets({})).percentile(q) == 0.0


@pytest.mark.parametrize(
    ("q", "nanoseconds"),
    [(0, 1280), (25, 1280), (50, 1536), (75, 1792), (99, 2048), (100, 2048)],
)
def test_percentile_interpolates_within_a_bucket(q: float, nanoseconds: int) -> None:
    one = routine(histogram=buckets({10: 4}))
    assert one.percentile(q) == pytest.approx(nanoseconds / 1e9)


def test_percentile_of_one_call_is_the_end_of_its_bucket() -> None:
    assert routine(histogram=buckets({63: 1})).percentile(50) == 2**64 / 1e9


def test_percentile_passes_over_empty_buckets() -> None:
    one = routine(histogram=buckets({4: 99, 30: 1}))
    assert one.percentile(99) == pytest.approx(32e-9)
    assert one.percentile(99.5) == pytest.approx(2**31 / 1e9)


@pytest.mark.parametrize("q", [-1, 100.1, float("nan")])
def test_percentile_out_of_range_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="q must be 0 to 100"):
        routine().percentile(q)


@given(
    times=st.lists(st.integers(1, 10**12), min_size=1, max_size=50),
    q=st.floats(0, 100),
)
def test_percentile_lies_in_the_bucket_of_the_true_value(
    times: list[int], q: float
) -> None:
    counts: dict[int, int] = {}
    for time in times:
        bucket = time.bit_length() - 1
        counts[bucket] = counts.get(bucket, 0) + 1
    rank = next(n for n in range(1, len(times) + 1) if n * 100 >= q * len(times))
    true = sorted(times)[rank - 1]
    shown = routine(histogram=buckets(counts)).percentile(q) * 1e9
    assert true / 2 <= shown * (1 + 1e-9)
    assert shown <= true * 2 * (1 + 1e-9)


@given(st.lists(st.integers(0, 5), min_size=64, max_size=64))
def test_percentile_grows_with_q(histogram: list[int]) -> None:
    one = routine(histogram=histogram)
    shown = [one.percentile(q) for q in range(0, 101, 5)]
    assert shown == sorted(shown)


def two_workers(**second: Any) -> RuntimeMetrics:
    rows = [row(), row(worker_id="w2", queue_peak=9, activations=6, **second)]
    return collect(rows, COUNTERS)


def test_routine_is_found_by_id_and_worker() -> None:
    metrics = two_workers()
    assert metrics.routine("parser", "w2") is metrics.routines[1]
    assert collect([row()], COUNTERS).routine("parser").worker_id == "w1"


def test_routine_without_worker_is_the_total() -> None:
    total = two_workers().routine("parser")
    assert (total.flow_id, total.worker_id) == ("orders", "")
    assert (total.activations, total.items_in, total.busy_seconds) == (10, 10, 1.0)
    assert (total.queue_depth, total.queue_peak) == (4, 9)
    assert total.histogram[10] == 8


def test_same_id_in_two_flows_needs_the_worker() -> None:
    metrics = two_workers(flow_id="returns")
    with pytest.raises(ValueError, match="flows 'orders', 'returns'; name the worker"):
        metrics.routine("parser")
    assert metrics.routine("parser", "w2").flow_id == "returns"


def test_unknown_routine_or_worker_lists_the_valid_ones() -> None:
    metrics = two_workers()
    with pytest.raises(ValueError, match="Did you mean 'parser'"):
        metrics.routine("praser")
    with pytest.raises(ValueError, match="Valid workers: 'w1', 'w2'"):
        metrics.routine("parser", "nobody")


def test_table_is_aligned() -> None:
    rows = [row(), row(routine_id="a long name", items_in=1_234_567, busy_seconds=2)]
    first, *table = str(collect(rows, COUNTERS)).splitlines()
    assert first == ("jobs: 1 live, 20 completed, 3 failed, 4 cancelled; pumps: 50")
    assert table[0].split()[:4] == ["flow", "worker", "routine", "runs"]
    assert len({len(line) for line in table}) == 1
    assert "1,234,567" in table[2]


def test_table_of_nothing_has_headings() -> None:
    assert str(collect([], COUNTERS)).splitlines()[1].startswith("flow  worker")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0"),
        (5e-8, "50 ns"),
        (1.5e-6, "1.5 us"),
        (0.0125, "12.5 ms"),
        (0.99996, "1000 ms"),
        (2.0, "2 s"),
        (123456.0, "123456 s"),
    ],
)
def test_times_are_printed_in_a_fitting_unit(seconds: float, text: str) -> None:
    table = str(collect([row(busy_seconds=seconds, activations=1)], COUNTERS))
    assert f" {text}  " in table.splitlines()[2]
