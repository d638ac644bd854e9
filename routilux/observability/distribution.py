"""Durations as a histogram: the part of a picture that says how long something took.

There is one bucket per power of two of nanoseconds, as the core counts them, so a
quantile is known to its bucket and interpolated within it: it is never less than half
or more than twice of the true value.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Distribution", "distribution_of", "plain_times"]

# The core has 64 buckets; those below 64 ns and from 73 minutes on are put together.
FIRST, LAST = 5, 41
PLAIN = ("count", "sum", "mean", "p50", "p95", "p99")
BOUNDS = (*(2.0 ** (i + 1) / 1e9 for i in range(FIRST, LAST + 1)), math.inf)


@dataclass(frozen=True, slots=True)
class Distribution:
    """How long something took, each time.

    Attributes:
        count: How often it was measured.
        sum: Seconds in all.
        buckets: Pairs of an upper bound in seconds and how many took at most that and
            more than the bound before. The last bound is infinite; the bounds are the
            same in every picture.
    """

    count: int
    sum: float
    buckets: tuple[tuple[float, int], ...]

    @property
    def mean(self) -> float:
        """Seconds on average, 0.0 when nothing was measured."""
        return self.sum / self.count if self.count else 0.0

    @property
    def p50(self) -> float:
        """Seconds that half of them did not exceed; see `quantile`."""
        return self.quantile(0.5)

    @property
    def p95(self) -> float:
        """Seconds that 95 % of them did not exceed; see `quantile`."""
        return self.quantile(0.95)

    @property
    def p99(self) -> float:
        """Seconds that 99 % of them did not exceed; see `quantile`."""
        return self.quantile(0.99)

    def quantile(self, q: float) -> float:
        """Estimate the seconds that a share of them did not exceed.

        Those of a bucket are taken as spread evenly over it, the last one at its end.

        Args:
            q: The share, 0 to 1.

        Returns:
            Seconds, 0.0 when nothing was measured.

        Raises:
            ValueError: If q is not from 0 to 1.

        Example:
            >>> runtime.metrics().routine("parser").logic.quantile(0.999)
            0.000262144
        """
        if not 0 <= q <= 1:
            raise ValueError(f"q must be 0 to 1, not {q!r}")
        total = sum(count for _, count in self.buckets)
        rank = max(1, math.ceil(q * total - 1e-9))
        lower, below = 0.0, 0
        for upper, count in self.buckets:
            if count and below + count >= rank:
                if math.isinf(upper):
                    return lower
                return lower + (upper - lower) * (rank - below) / count
            lower, below = upper, below + count
        return 0.0

    @staticmethod
    def total(parts: Iterable[Distribution]) -> Distribution:
        """Add several up."""
        parts = list(parts)
        columns = zip(*(part.buckets for part in parts), strict=True)
        buckets = tuple((column[0][0], sum(n for _, n in column)) for column in columns)
        count = sum(part.count for part in parts)
        return Distribution(count, sum(part.sum for part in parts), buckets)


def distribution_of(
    count: int, total_ns: int, histogram: Sequence[int]
) -> Distribution:
    """Make it of what the core counted: 64 buckets, the first up to 2 ns."""
    numbers = (
        sum(histogram[: FIRST + 1]),
        *histogram[FIRST + 1 : LAST + 1],
        sum(histogram[LAST + 1 :]),
    )
    return Distribution(count, total_ns / 1e9, tuple(zip(BOUNDS, numbers, strict=True)))


def plain_times(times: Distribution) -> dict[str, Any]:
    """Make a dict of it that `json.dumps` takes."""
    # JSON has no infinity: the bound of the last bucket is null.
    buckets = [[None if math.isinf(le) else le, n] for le, n in times.buckets]
    quantiles = {
        "mean": times.mean,
        "p50": times.p50,
        "p95": times.p95,
        "p99": times.p99,
    }
    return {"count": times.count, "sum": times.sum, **quantiles, "buckets": buckets}
