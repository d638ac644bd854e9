"""Captured output: what logic prints goes to its job, whatever runs beside it.

`install_routed_stdout` puts a `RoutedStdout` in the place of `sys.stdout`. Each write
asks the context for the current job, so a line belongs to the job whose logic printed
it, on pool threads, in async logic and in `asyncio.to_thread` alike. Chunks are kept as
they came; nothing is joined before somebody reads. Output of jobs that nobody wrote to
for `job_ttl_seconds` is dropped in passing, by whoever writes or reads: there is no
clean-up thread, and uninstalling takes no time.

One lock protects the chunks; it is not held while the real stdout is written to.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, TextIO

from routilux._core import get_current_job_id
from routilux.arguments import iterate

__all__ = [
    "RoutedStdout",
    "clear_job_output",
    "get_job_output",
    "get_routed_stdout",
    "install_routed_stdout",
    "uninstall_routed_stdout",
]


LARGEST = 1e15  # characters or seconds


class _Captured:
    # Of one job: the newest chunks, and which of them were not popped yet.
    __slots__ = ("begun", "chunks", "fresh", "size", "touched")

    def __init__(self) -> None:
        self.chunks: deque[str] = deque()
        self.fresh: deque[str] = deque()
        self.size = 0
        self.begun = self.touched = time.monotonic()

    def add(self, text: str, limit: int) -> None:
        self.touched = time.monotonic()
        self.chunks.append(text)
        self.fresh.append(text)
        self.size += len(text)
        while self.size > limit:
            over = self.size - limit
            oldest = self.chunks.popleft()
            rest = oldest[over:]
            if rest:
                self.chunks.appendleft(rest)
            if len(self.fresh) > len(self.chunks):
                self.fresh.popleft()
            elif self.fresh and self.fresh[0] is oldest and rest:
                self.fresh[0] = rest
            self.size -= len(oldest) - len(rest)


class RoutedStdout:
    """A text stream that keeps what each job prints.

    Thread-safety: every method may be called from any thread.

    Args:
        real: The stream to pass output on to.
        keep_default: Pass it on; else output outside of jobs is dropped, and that of
            jobs is only kept.
        max_buffer_chars: Characters that are kept of each job, the newest.
        job_ttl_seconds: How long output is kept after its job wrote last.
        enable_auto_cleanup: Drop what is older than that.
        cleanup_interval: Seconds between two looks for it.
    """

    def __init__(
        self,
        real: TextIO | None = None,
        keep_default: bool = True,
        max_buffer_chars: int = 200_000,
        job_ttl_seconds: float = 3600,
        enable_auto_cleanup: bool = True,
        cleanup_interval: float = 300,
    ) -> None:
        for name, value in (
            ("max_buffer_chars", max_buffer_chars),
            ("job_ttl_seconds", job_ttl_seconds),
            ("cleanup_interval", cleanup_interval),
        ):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"{name} must be a number, not {value!r}")
            if not 0 < value < LARGEST:
                raise ValueError(
                    f"{name} must be more than 0 and below {LARGEST:g}, not {value!r}"
                )
        self.real: TextIO = sys.stdout if real is None else real
        self.keep_default = keep_default
        self.max_buffer_chars = max_buffer_chars
        self.job_ttl_seconds = job_ttl_seconds
        self.enable_auto_cleanup = enable_auto_cleanup
        self.cleanup_interval = cleanup_interval
        self._jobs: dict[str, _Captured] = {}
        self._lock = threading.RLock()  # reentrant: a signal handler may print
        self._next_look = time.monotonic() + cleanup_interval

    def write(self, text: str) -> int:
        """Keep a text for the current job, and pass it on if asked to."""
        if not isinstance(text, str):
            raise TypeError(f"write() takes a str, not {type(text).__name__}")
        job_id = get_current_job_id()
        if job_id is not None and text:
            with self._lock:
                self._clean_up()
                captured = self._jobs.get(job_id)
                if captured is None:
                    captured = self._jobs[job_id] = _Captured()
                captured.add(text, self.max_buffer_chars)
        if self.keep_default:
            self.real.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in iterate("lines", lines):
            self.write(line)

    def flush(self) -> None:
        """Flush the real stream."""
        self.real.flush()

    def isatty(self) -> bool:
        """Return False: output is kept, so it is no terminal."""
        return False

    def writable(self) -> bool:
        """Return True."""
        return True

    def readable(self) -> bool:
        """Return False."""
        return False

    @property
    def encoding(self) -> str:
        """Encoding of the real stream."""
        return getattr(self.real, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str | None:
        """Error rule of the real stream."""
        return getattr(self.real, "errors", None)

    def pop_chunks(self, job_id: str) -> list[str]:
        """Return what a job printed since the last call, chunk by chunk."""
        with self._lock:
            self._clean_up()
            captured = self._jobs.get(job_id)
            if captured is None:
                return []
            fresh, captured.fresh = captured.fresh, deque()
        return list(fresh)

    def get_buffer(self, job_id: str) -> str:
        """Return all that is kept of a job, popped or not."""
        with self._lock:
            self._clean_up()
            captured = self._jobs.get(job_id)
            chunks = list(captured.chunks) if captured is not None else []
        return "".join(chunks)

    def clear_job(self, job_id: str) -> None:
        """Drop what is kept of a job."""
        with self._lock:
            self._jobs.pop(job_id, None)

    def list_jobs(self) -> list[str]:
        """Return the ids of the jobs of which something is kept."""
        with self._lock:
            self._clean_up()
            return list(self._jobs)

    def get_stats(self) -> dict[str, Any]:
        """Return how much is kept.

        Returns:
            A dict with "job_count", "total_queue_items" (chunks that were not popped),
            "total_buffer_chars" and "oldest_job_age_seconds".
        """
        with self._lock:
            self._clean_up()
            kept = list(self._jobs.values())
            now = time.monotonic()
            return {
                "job_count": len(kept),
                "total_queue_items": sum(len(job.fresh) for job in kept),
                "total_buffer_chars": sum(job.size for job in kept),
                "oldest_job_age_seconds": max(
                    (now - job.begun for job in kept), default=0.0
                ),
            }

    def shutdown(self, timeout: float = 5) -> None:
        """Drop everything that is kept; there is nothing to wait for."""
        with self._lock:
            self._jobs.clear()

    def _clean_up(self) -> None:
        # Under the lock.
        now = time.monotonic()
        if not self.enable_auto_cleanup or now < self._next_look:
            return
        self._next_look = now + self.cleanup_interval
        limit = now - self.job_ttl_seconds
        for job_id in [key for key, job in self._jobs.items() if job.touched < limit]:
            del self._jobs[job_id]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "real":
            raise AttributeError(name)
        return getattr(self.real, name)


_LOCK = threading.Lock()
_installed: RoutedStdout | None = None


def install_routed_stdout(
    keep_default: bool = True,
    max_buffer_chars: int = 200_000,
    job_ttl_seconds: float = 3600,
    enable_auto_cleanup: bool = True,
    cleanup_interval: float = 300,
) -> RoutedStdout:
    """Put a `RoutedStdout` in the place of `sys.stdout`; see there for the arguments.

    If one is there already, it stays as it is and is returned.

    Example:
        >>> install_routed_stdout(keep_default=False)
        >>> job = runtime.post("flow", "talker", "input", {}).job
        >>> job.wait()
        >>> get_job_output(job.job_id)
        'hello\\n'
    """
    global _installed
    with _LOCK:
        if _installed is None or sys.stdout is not _installed:
            _installed = RoutedStdout(
                sys.stdout,
                keep_default,
                max_buffer_chars,
                job_ttl_seconds,
                enable_auto_cleanup,
                cleanup_interval,
            )
            sys.stdout = _installed
        return _installed


def uninstall_routed_stdout() -> None:
    """Put the real stdout back and drop what was kept; harmless if it is back."""
    global _installed
    with _LOCK:
        routed, _installed = _installed, None
        if routed is None:
            return
        if sys.stdout is routed:
            sys.stdout = routed.real
    routed.shutdown()


def get_routed_stdout() -> RoutedStdout | None:
    """Return the stream that was installed, or None."""
    return _installed


def get_job_output(job_id: str, incremental: bool = True) -> str:
    """Return what a job printed.

    Args:
        job_id: The job.
        incremental: Only what came since the last such call; else all that is kept.

    Returns:
        The text, "" where nothing was captured.
    """
    routed = _installed
    if routed is None:
        return ""
    if not incremental:
        return routed.get_buffer(job_id)
    return "".join(routed.pop_chunks(job_id))


def clear_job_output(job_id: str) -> None:
    """Drop what a job printed."""
    routed = _installed
    if routed is not None:
        routed.clear_job(job_id)
