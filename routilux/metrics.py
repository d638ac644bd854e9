"""Metrics of your own: counters, gauges, histograms, and their Prometheus text.

They stand alone: the runtime counts for itself (`Runtime.metrics`). The well-known
client library for Prometheus can't serve this interface: it has no constant labels, it
gives no value back, it renames counters to end in `_total` and adds series of its own.
A `MetricsCollector` can still be registered there: it has the `collect` method that the
library asks for.

Each metric has a lock of its own, held for a few arithmetic steps.
"""

from __future__ import annotations

import bisect
import importlib
import math
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from routilux.errors import name_hint

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Counter", "Gauge", "Histogram", "MetricTimer", "MetricsCollector"]

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Metric:
    """What counters, gauges and histograms share: name, description, labels.

    Args:
        name: Letters, digits, "_" and ":".
        description: One line for readers.
        labels: Names to values, the same for every sample of it.

    Raises:
        ValueError: The name, or that of a label, is not legal.
    """

    kind = "untyped"

    def __init__(
        self,
        name: str,
        description: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> None:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no legal name of a metric")
        self.name = name
        self.description = description
        self.labels = {str(key): str(value) for key, value in (labels or {}).items()}
        for key in self.labels:
            if not LABEL.fullmatch(key):
                raise ValueError(f"{key!r} is no legal name of a label")
        self._lock = threading.Lock()
        self._value = 0.0

    @property
    def value(self) -> float:
        """The number that it is at."""
        return self._value

    def samples(self) -> Iterable[tuple[str, dict[str, str], float]]:
        """Return its samples: name, labels, number."""
        return [(self.name, self.labels, self.value)]

    def export_prometheus(self) -> str:
        """Return it in the text format of Prometheus."""
        lines = []
        if self.description:
            text = self.description.replace("\\", "\\\\").replace("\n", "\\n")
            lines.append(f"# HELP {self.name} {text}")
        lines.append(f"# TYPE {self.name} {self.kind}")
        for name, labels, number in self.samples():
            lines.append(f"{name}{_braces(labels)} {_number(number)}")
        return "\n".join(lines) + "\n"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {_number(self.value)}>"


class Counter(Metric):
    """A number that only grows.

    Example:
        >>> requests = Counter("requests", "Requests so far", {"site": "a"})
        >>> requests.inc()
        >>> requests.value
        1.0
    """

    kind = "counter"

    def inc(self, amount: float = 1.0) -> None:
        """Add to it.

        Raises:
            ValueError: The amount is negative.
        """
        if not amount >= 0:
            raise ValueError(f"a counter only grows: amount is {amount!r}")
        with self._lock:
            self._value += amount


class Gauge(Metric):
    """A number that goes up and down."""

    kind = "gauge"

    def set(self, value: float) -> None:
        """Set it."""
        with self._lock:
            self._value = float(value)

    def inc(self, amount: float = 1.0) -> None:
        """Add to it."""
        with self._lock:
            self._value += amount

    def dec(self, amount: float = 1.0) -> None:
        """Subtract from it."""
        self.inc(-amount)


class Histogram(Metric):
    """Counts of observations by size.

    Args:
        name: As for every metric.
        description: As for every metric.
        labels: As for every metric.
        buckets: Upper bounds, growing; seconds from 0.005 to 10 if None.
    """

    kind = "histogram"

    def __init__(
        self,
        name: str,
        description: str = "",
        labels: Mapping[str, str] | None = None,
        buckets: Sequence[float] | None = None,
    ) -> None:
        super().__init__(name, description, labels)
        bounds = [float(bound) for bound in (BUCKETS if buckets is None else buckets)]
        if any(a >= b for a, b in pairwise(bounds)):
            raise ValueError(f"the buckets of {name!r} must grow: {bounds}")
        self.buckets = [bound for bound in bounds if not math.isinf(bound)]
        self._counts = [0] * (len(self.buckets) + 1)

    def observe(self, value: float) -> None:
        """Count one observation."""
        place = bisect.bisect_left(self.buckets, value)
        with self._lock:
            self._counts[place] += 1
            self._value += value

    @property
    def count(self) -> int:
        """How many observations there were."""
        with self._lock:
            return sum(self._counts)

    @property
    def sum(self) -> float:
        """Sum of all observations."""
        return self._value

    def samples(self) -> Iterable[tuple[str, dict[str, str], float]]:
        """Return its samples: one for each bucket, then sum and count."""
        with self._lock:
            counts, total = list(self._counts), self._value
        below = 0
        for bound, count in zip([*self.buckets, math.inf], counts, strict=True):
            below += count
            labels = {**self.labels, "le": _number(bound)}
            yield f"{self.name}_bucket", labels, below
        yield f"{self.name}_sum", self.labels, total
        yield f"{self.name}_count", self.labels, below


class MetricTimer:
    """Observes how long a `with` block took, in seconds.

    Example:
        >>> with MetricTimer(histogram):
        ...     work()
    """

    def __init__(self, histogram: Histogram) -> None:
        self.histogram = histogram
        self.elapsed = 0.0
        self._begun = 0.0

    def __enter__(self) -> Self:
        self._begun = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.elapsed = time.perf_counter() - self._begun
        self.histogram.observe(self.elapsed)


M = TypeVar("M", bound=Metric)


class MetricsCollector:
    """A set of metrics by name.

    Example:
        >>> collector = MetricsCollector()
        >>> collector.counter("jobs", "Jobs so far").inc()
        >>> print(collector.export_prometheus())
        # HELP jobs Jobs so far
        # TYPE jobs counter
        jobs 1
    """

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}
        self._lock = threading.Lock()

    def counter(
        self,
        name: str,
        description: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> Counter:
        """Return the counter of that name, made if there is none.

        Raises:
            ValueError: The name belongs to a metric of another kind.
        """
        return self._get(Counter(name, description, labels))

    get_or_create_counter = counter

    def gauge(
        self,
        name: str,
        description: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> Gauge:
        """Return the gauge of that name, made if there is none."""
        return self._get(Gauge(name, description, labels))

    def histogram(
        self,
        name: str,
        description: str = "",
        labels: Mapping[str, str] | None = None,
        buckets: Sequence[float] | None = None,
    ) -> Histogram:
        """Return the histogram of that name, made if there is none."""
        return self._get(Histogram(name, description, labels, buckets))

    def get_counter(self, name: str) -> Counter | None:
        """Return the counter of that name, or None."""
        return self._find(name, Counter)

    def get_gauge(self, name: str) -> Gauge | None:
        """Return the gauge of that name, or None."""
        return self._find(name, Gauge)

    def get_histogram(self, name: str) -> Histogram | None:
        """Return the histogram of that name, or None."""
        return self._find(name, Histogram)

    def export_prometheus(self) -> str:
        """Return all metrics in the text format of Prometheus, in order of making."""
        return "".join(metric.export_prometheus() for metric in self._all())

    def collect(self) -> Iterator[Any]:
        """Yield all metrics as the client library for Prometheus takes them.

        Raises:
            ImportError: It is not installed.
        """
        client = importlib.import_module("prometheus_client")
        for metric in self._all():
            family = client.Metric(metric.name, metric.description, metric.kind)
            for name, labels, number in metric.samples():
                family.add_sample(name, labels, number)
            yield family

    def _all(self) -> list[Metric]:
        with self._lock:
            return list(self._metrics.values())

    def _get(self, made: M) -> M:
        with self._lock:
            found = self._metrics.setdefault(made.name, made)
        if not isinstance(found, type(made)):
            raise ValueError(f"{made.name!r} is a {found.kind} already")
        return found

    def _find(self, name: str, kind: type[M]) -> M | None:
        found = self._metrics.get(name)
        return found if isinstance(found, kind) else None

    def __getitem__(self, name: str) -> Metric:
        if name not in self._metrics:
            raise KeyError(f"{name!r}. {name_hint(name, self._metrics, 'metrics')}")
        return self._metrics[name]


def _braces(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return (
        "{"
        + ",".join(f'{key}="{_escape(value)}"' for key, value in labels.items())
        + "}"
    )


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    whole = float(value).is_integer() and abs(value) < 2**53
    return str(int(value)) if whole else repr(float(value))
