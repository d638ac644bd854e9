"""Numbers as people read them: few digits, a unit."""

from __future__ import annotations

__all__ = ["count_text", "rate_text", "share_text", "time_text"]


def count_text(count: float) -> str:
    """Return a count: 1234 as it is, then 12.3k, 4.56M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if count >= size:
            scaled = count / (1e3 if unit == "k" else size)
            return f"{scaled:.3g}{unit}" if scaled < 999.5 else f"{scaled:.0f}{unit}"
    return f"{count:.0f}"


def rate_text(per_second: float) -> str:
    """Return a rate, in s, or in min where it is small."""
    if 0 < per_second < 0.1:
        return f"{per_second * 60:.2g}/min"
    if per_second < 10:
        return f"{per_second:.2g}/s"
    return f"{count_text(per_second)}/s"


def share_text(share: float) -> str:
    """Return a share, 0..1, in percent."""
    percent = share * 100
    if 0 < percent < 0.1:
        return "<0.1 %"
    return f"{percent:.1f} %" if 0 < percent < 9.95 else f"{percent:.0f} %"


def time_text(seconds: float) -> str:
    """Return a duration, from nanoseconds to hours."""
    if seconds >= 3600:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02} min"
    if seconds >= 60:
        return f"{int(seconds // 60)} min {int(seconds % 60):02} s"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            scaled = seconds / size
            return f"{scaled:.3g} {unit}" if scaled < 999.5 else f"{scaled:.0f} {unit}"
    return f"{seconds * 1e9:.0f} ns" if seconds > 0 else "0 s"
