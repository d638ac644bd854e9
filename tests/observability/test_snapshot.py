"""`RuntimeMetrics` and what it is made of: built from rows, looked up, printed."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routilux.observability import Distribution, RoutineMetrics, RuntimeMetrics
from routilux.observability.distribution import distribution_of
from routilux.observability.snapshot import collect

TOTALS = {
    "taken_at": 1.7e9,
    "uptime": 2.5,
    "enabled": True,
    "jobs": {
        **{"pending": 1, "running": 2, "completed": 20},
        **{"failed": 3, "cancelled": 4},
    },
    "pumps_busy": 1,
    "pool_size": 2,
    "waits_for_room": 7,
}
EDGE = ("orders", "w1", "reader", "line", "parser", "text", 5)


def buckets(counts: dict[int, int]) -> list[int]:
    return [counts.get(bucket, 0) for bucket in range(64)]


def times(counts: dict[int, int]) -> Distribution:
    numbers = buckets(counts)
    total = sum(n * 2**i for i, n in enumerate(numbers))
    return distribution_of(sum(numbers), total, numbers)


def row(**changes: Any) -> dict[str, Any]:
    plain = {
        "flow_id": "orders",
        "worker_id": "w1",
        "routine_id": "parser",
        "activations": 4,
        "items_in": 5,
        "items_out": 3,
        "failures": 1,
        "retries": 1,
        "running": 0,
        "logic": (4, 500_000_000, buckets({10: 4})),
        "slots": [
            ("text", 2, 7, 1000, 6, 1, (2, 2000, buckets({9: 2}))),
            ("flags", 0, 1, 10, 1, 0, (0, 0, buckets({}))),
        ],
    }
    return {**plain, **changes}


def routine(**changes: Any) -> RoutineMetrics:
    return collect(TOTALS, [row(**changes)], []).routines[0]


def two_workers(**second: Any) -> RuntimeMetrics:
    later = row(worker_id="w2", activations=6, **second)
    return collect(TOTALS, [row(), later], [EDGE])


def test_picture_has_what_was_counted() -> None:
    metrics = collect(TOTALS, [row()], [EDGE])
    assert (metrics.enabled, metrics.waits_for_room) == (True, 7)
    assert (metrics.jobs["running"], metrics.jobs_live) == (2, 3)
    parser = metrics.routines[0]
    assert (parser.activations, parser.items_in, parser.items_out) == (4, 5, 3)
    assert (parser.logic.count, parser.logic.sum, parser.share) == (4, 0.5, 1.0)
    assert parser.slots["text"].wait.sum == pytest.approx(2e-6)
    assert (parser.queue_depth, parser.queue_peak, parser.dropped) == (2, 7, 1)
    assert dataclasses.astuple(metrics.edges[0]) == EDGE


def test_picture_is_frozen() -> None:
    metrics = collect(TOTALS, [], [])
    with pytest.raises(dataclasses.FrozenInstanceError):
        metrics.pumps_busy = 1  # type: ignore[misc]


def test_share_is_of_the_time_of_its_own_worker() -> None:
    rows = [
        row(logic=(1, 3000, buckets({11: 1}))),
        row(routine_id="keep", logic=(1, 1000, buckets({9: 1}))),
        row(worker_id="w2", logic=(1, 8000, buckets({12: 1}))),
    ]
    shares = [r.share for r in collect(TOTALS, rows, []).routines]
    assert shares == [0.75, 0.25, 1.0]


def test_quantile_before_the_first_is_zero() -> None:
    nothing = times({})
    assert (nothing.mean, nothing.p50, nothing.p99) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("q", "nanoseconds"),
    [(0, 1280), (0.25, 1280), (0.5, 1536), (0.75, 1792), (1, 2048)],
)
def test_quantile_interpolates_within_a_bucket(q: float, nanoseconds: int) -> None:
    assert times({10: 4}).quantile(q) == pytest.approx(nanoseconds / 1e9)


def test_quantile_passes_over_empty_buckets() -> None:
    some = times({7: 99, 30: 1})
    assert some.p99 == pytest.approx(256e-9)
    assert some.quantile(0.995) == pytest.approx(2**31 / 1e9)


def test_what_takes_longer_than_an_hour_is_in_the_last_bucket() -> None:
    some = times({50: 1})
    assert some.buckets[-1] == (math.inf, 1)
    assert some.p50 == pytest.approx(2**42 / 1e9)


@pytest.mark.parametrize("q", [-0.1, 1.1, float("nan")])
def test_quantile_out_of_range_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="q must be 0 to 1"):
        times({10: 4}).quantile(q)


@given(
    measured=st.lists(st.integers(64, 10**12), min_size=1, max_size=50),
    q=st.floats(0, 1),
)
def test_quantile_lies_within_twice_of_the_true_value(
    measured: list[int], q: float
) -> None:
    counts: dict[int, int] = {}
    for time in measured:
        bucket = time.bit_length() - 1
        counts[bucket] = counts.get(bucket, 0) + 1
    some = times(counts)
    assert sum(n for _, n in some.buckets) == some.count == len(measured)
    rank = max(1, math.ceil(q * len(measured) - 1e-9))
    true = sorted(measured)[rank - 1]
    shown = some.quantile(q) * 1e9
    assert true / 2 <= shown * (1 + 1e-9)
    assert shown <= true * 2 * (1 + 1e-9)


def test_routine_is_found_by_id_and_worker() -> None:
    metrics = two_workers()
    assert metrics.routine("parser", "w2") is metrics.routines[1]
    assert collect(TOTALS, [row()], []).routine("parser").worker_id == "w1"


def test_routine_without_worker_is_the_total() -> None:
    total = two_workers().routine("parser")
    assert (total.flow_id, total.worker_id) == ("orders", "")
    assert (total.activations, total.items_in, total.logic.sum) == (10, 10, 1.0)
    assert (total.queue_depth, total.queue_peak, total.share) == (4, 7, 1.0)
    assert (total.slots["text"].wait.count, total.logic.p50) == (
        4,
        pytest.approx(1.536e-6),
    )


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


def test_to_dict_is_json() -> None:
    plain = json.loads(json.dumps(two_workers().to_dict(), allow_nan=False))
    assert plain["jobs"]["completed"] == 20
    assert plain["routines"][0]["slots"]["text"]["wait"]["count"] == 2
    assert plain["routines"][0]["logic"]["buckets"][-1] == [None, 0]
    assert plain["edges"][0]["items"] == 5


def test_tables_are_aligned() -> None:
    rows = [row(), row(routine_id="a long name", items_in=1_234_567)]
    lines = str(collect(TOTALS, rows, [])).splitlines()
    assert lines[0].startswith("jobs: 1 pending, 2 running, 20 completed, 3 failed")
    start = lines.index("flow orders, worker w1") + 1
    table = lines[start : start + 3]
    assert table[0].split()[:3] == ["routine", "runs", "in"]
    assert len({len(line) for line in table}) == 1
    assert "1,234,567" in table[2]
    assert any(line.startswith("parser.text ") for line in lines)


def test_table_without_monitoring_says_what_is_missing() -> None:
    text = str(collect({**TOTALS, "enabled": False}, [row()], []))
    assert "enable_monitoring=True" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5e-8, "50 ns"),
        (1.5e-6, "1.5 us"),
        (0.0125, "12.5 ms"),
        (0.99996, "1000 ms"),
        (2.0, "2 s"),
        (123456.0, "123456 s"),
    ],
)
def test_times_are_printed_in_a_fitting_unit(seconds: float, text: str) -> None:
    ns = round(seconds * 1e9)
    table = str(collect(TOTALS, [row(logic=(1, ns, buckets({10: 1})))], []))
    assert f" {text} " in table


def test_short_names_answer_the_same_numbers() -> None:
    one = routine()
    assert (one.busy_seconds, one.mean_seconds) == (0.5, 0.125)
    assert one.percentile(50) == one.logic.p50 > 0
    metrics = collect(TOTALS, [row()], [])
    ended = metrics.jobs_completed, metrics.jobs_failed, metrics.jobs_cancelled
    assert (metrics.jobs_live, ended) == (3, (20, 3, 4))


@pytest.mark.parametrize("q", [-1, 100.5, float("nan")])
def test_percentile_out_of_range_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="q must be 0 to 100"):
        routine().percentile(q)
