"""OpenTelemetry: a span for each job and activation, and the numbers of a runtime.

An observer beside the hooks in force. A job's span has the span of who posted it as its
parent, so a trace goes on from the caller, or from logic that posts, into the job; an
activation's span has its job's as parent, and links to the other jobs of a batch.
While logic runs, its span is the current one: what it calls continues the trace, on a
thread, in a coroutine, or in another job.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from routilux._core import JobContext, JobError, core_of, get_current_jobs
from routilux.extras import load_extra
from routilux.handover import CARRIED
from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    add_observer,
    remove_observer,
)
from routilux.observability.activation import Activation, Key, take_off_ended

if TYPE_CHECKING:
    from types import TracebackType

    from routilux.observability.snapshot import RuntimeMetrics
    from routilux.runtime import Runtime
    from routilux.worker import WorkerState

__all__ = ["Instrumentation", "instrument"]

NAME = "routilux"
COUNTED = ("activations", "failures", "retries", "items_in", "items_out")


def instrument(
    runtime: Runtime,
    tracer_provider: Any = None,
    meter_provider: Any = None,
    *,
    activations: bool = True,
) -> Instrumentation:
    """Give spans and numbers of a runtime to OpenTelemetry.

    Args:
        runtime: The runtime; without `enable_monitoring=True` it has few numbers.
        tracer_provider: Makes the spans; None: the global one.
        meter_provider: Takes the numbers; None: the global one.
        activations: A span for each activation, too; False: for jobs only.

    Returns:
        A context manager with `close()`; the runtime closes it in a shutdown.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.

    Example:
        >>> with Runtime(enable_monitoring=True) as runtime:
        ...     instrument(runtime)
        ...     runtime.exec(flow)
    """
    return Instrumentation(runtime, tracer_provider, meter_provider, activations)


def key_of(routine_id: str, worker_state: WorkerState, job: JobContext) -> Key:
    """Return what tells activations of different runtimes, routines and jobs apart."""
    return id(core_of(job)), worker_state.worker_id, routine_id, job.job_id


class Instrumentation(ExecutionHooksInterface):
    """What gives a runtime to OpenTelemetry; made by `instrument`.

    Thread-safety: `_lock` protects the tables of open spans; no code of a user's runs
    while it is held.
    """

    def __init__(
        self,
        runtime: Runtime,
        tracer_provider: Any,
        meter_provider: Any,
        activations: bool,
    ) -> None:
        self._trace = load_extra("opentelemetry.trace", "instrument()")
        self._context = load_extra("opentelemetry.context", "instrument()")
        self._tracer = self._trace.get_tracer(NAME, tracer_provider=tracer_provider)
        self._core = runtime.core
        self._runtime = weakref.ref(runtime)
        self._activations = activations
        self._lock = threading.Lock()
        self._jobs: dict[str, Any] = {}
        self._open: dict[Key, list[Activation]] = {}  # what executes, oldest first
        self._stopped = False
        self._measure(meter_provider)
        add_observer(self)
        runtime._machine.companions.add(self)
        weakref.finalize(runtime, remove_observer, self).atexit = False

    def stop(self) -> None:
        """Make no spans any more; those of what is unfinished end now."""
        with self._lock:
            self._stopped = True
            left, self._jobs = list(self._jobs.values()), {}
            for activation in self._every():
                left.append(activation.span)
                activation.span, activation.ended = None, True
        for span in left:
            if span is not None:
                span.end()
        self._go()

    def join(self) -> None:
        """Return: there is no thread."""

    close = stop

    def __enter__(self) -> Instrumentation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def on_job_start(self, job: JobContext, worker_state: WorkerState) -> None:
        """Open the span of a job; the current span of who posts is its parent."""
        if core_of(job) is not self._core or self._stopped:
            return
        span = self._tracer.start_span(
            f"job {job.flow_id}",
            kind=self._trace.SpanKind.INTERNAL,
            attributes={
                "routilux.job.id": job.job_id,
                "routilux.flow.id": job.flow_id,
                "routilux.worker.id": job.worker_id,
            },
        )
        with self._lock:
            self._jobs[job.job_id] = span

    def on_job_end(
        self,
        job: JobContext,
        worker_state: WorkerState | None,
        status: str = "completed",
        error: JobError | None = None,
    ) -> None:
        """Close the span of a job, with how it ended."""
        with self._lock:
            span = self._jobs.pop(job.job_id, None)
        if span is None:
            return
        span.set_attribute("routilux.job.status", str(status))
        if error is not None and str(status) == "failed":
            span.set_status(self._trace.StatusCode.ERROR, str(error))
        elif error is not None:
            span.set_attribute("routilux.job.error", str(error))
        span.end()

    def on_routine_start(
        self,
        routine_id: str,
        worker_state: WorkerState,
        job: JobContext | None = None,
    ) -> bool:
        """Open the span of an activation and make it the current one.

        Activations of other runtimes are noted without a span, so that a coroutine of
        theirs does not take away what belongs to logic that runs around it.
        """
        if not self._activations or job is None:
            return True
        take_off_ended()
        span = None
        if core_of(job) is self._core and not self._stopped:
            span = self._span_of(routine_id, job)
        scope = None if span is None else self._trace.set_span_in_context(span)
        key = key_of(routine_id, worker_state, job)
        with self._lock:
            late = self._stopped  # nobody may tell of the end
            if late:
                scope = None
            activation = Activation(key, self, self._context, span, scope)
            self._open.setdefault(key, []).append(activation)
            activation.start()
        if late and span is not None:
            span.end()
            activation.span = None
        return True

    def _span_of(self, routine_id: str, job: JobContext) -> Any:
        with self._lock:
            parent = self._jobs.get(job.job_id)
            others = [
                self._jobs[other.job_id]
                for other in get_current_jobs()
                if other is not job and other.job_id in self._jobs
            ]
        base = None if parent is None else self._trace.set_span_in_context(parent)
        return self._tracer.start_span(
            routine_id,
            context=base,
            links=[self._trace.Link(other.get_span_context()) for other in others],
            attributes={
                "routilux.routine.id": routine_id,
                "routilux.flow.id": job.flow_id,
                "routilux.worker.id": job.worker_id,
                "routilux.job.id": job.job_id,
                "routilux.jobs": len(others) + 1,
            },
        )

    def on_routine_end(
        self,
        routine_id: str,
        worker_state: WorkerState,
        job: JobContext | None = None,
        status: str = "completed",
        error: BaseException | None = None,
    ) -> None:
        """Close the span of an activation."""
        if job is None or not self._activations:
            return
        key = key_of(routine_id, worker_state, job)
        with self._lock:
            activation = self._ended(key)
            if activation is None:
                return
            span, activation.span = activation.span, None
            activation.ended = True
        if span is not None:
            span.set_attribute("routilux.activation.status", str(status))
            if isinstance(error, BaseException):
                span.record_exception(error)
            if error is not None:
                span.set_status(self._trace.StatusCode.ERROR, str(status))
            span.end()
        take_off_ended()
        if self._stopped:
            self._go()

    def _ended(self, key: Key) -> Activation | None:
        # Under the lock: takes what ends out of the table. What the context carries
        # tells activations of one job apart; one that took too long is ended from
        # elsewhere, and the oldest is the first to do so.
        found = self._open.get(key)
        if not found:
            return None
        carried = CARRIED.get()
        while isinstance(carried, Activation):
            if carried in found:
                break
            carried = carried.outer
        activation = carried if isinstance(carried, Activation) else found[0]
        found.remove(activation)
        if not found:
            del self._open[key]
        return activation

    def _go(self) -> None:
        # What is current on a thread can be taken off there only, when its logic ends.
        with self._lock:
            lingers = any(one.is_on_thread for one in self._every())
        if not lingers:
            remove_observer(self)

    def _every(self) -> Iterable[Activation]:
        # Under the lock.
        return [one for found in self._open.values() for one in found]

    def _measure(self, meter_provider: Any) -> None:
        metrics = load_extra("opentelemetry.metrics", "instrument()")
        meter = metrics.get_meter(NAME, meter_provider=meter_provider)
        observe = metrics.Observation

        def observer(
            read: Callable[[RuntimeMetrics], Iterable[tuple[float, dict[str, str]]]],
        ) -> list[Callable[[Any], list[Any]]]:
            def callback(options: Any) -> list[Any]:
                runtime = self._runtime()
                if runtime is None:
                    return []
                pairs = read(runtime.metrics())
                return [observe(value, labels) for value, labels in pairs]

            return [callback]

        meter.create_observable_gauge(
            "routilux.jobs", observer(jobs_of), "{job}", "Jobs by status"
        )
        meter.create_observable_gauge(
            "routilux.slot.depth", observer(depths_of), "{item}", "Items in a slot"
        )
        meter.create_observable_counter(
            "routilux.logic.time", observer(times_of), "s", "Time in logic"
        )
        for name in COUNTED:
            meter.create_observable_counter(
                f"routilux.{name}",
                observer(counts_of(name)),
                "1",
                f"{name} of routines",
            )


Pairs = Iterable[tuple[float, dict[str, str]]]


def place_of(row: Any) -> dict[str, str]:
    """Return the labels of a routine."""
    return {"flow": row.flow_id, "worker": row.worker_id, "routine": row.routine_id}


def jobs_of(metrics: RuntimeMetrics) -> Pairs:
    """Yield the jobs by status."""
    for status, number in metrics.jobs.items():
        yield number, {"status": status}


def depths_of(metrics: RuntimeMetrics) -> Pairs:
    """Yield the items in each slot."""
    for row in metrics.routines:
        for slot in row.slots.values():
            yield slot.depth, {**place_of(row), "slot": slot.name}


def times_of(metrics: RuntimeMetrics) -> Pairs:
    """Yield the seconds in logic of each routine."""
    for row in metrics.routines:
        yield row.logic.sum, place_of(row)


def counts_of(name: str) -> Callable[[RuntimeMetrics], Pairs]:
    """Return what yields one count of each routine."""

    def read(metrics: RuntimeMetrics) -> Pairs:
        for row in metrics.routines:
            yield getattr(row, name), place_of(row)

    return read
