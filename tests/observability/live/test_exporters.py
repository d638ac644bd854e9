"""Exporters: Prometheus is scraped, OpenTelemetry and logs are read from memory."""

import asyncio
import gc
import importlib
import io
import logging
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from standing import fail, flow_of, nothing, routine

from routilux import Runtime, batch_size_policy
from routilux.observability.logs import ActivationFilter, add_activation_ids


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What a logger wrote, with ids in front of each line."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.addFilter(ActivationFilter())
    handler.setFormatter(
        logging.Formatter("%(job_id)s %(worker_id)s %(flow_id)s %(routine_id)s %(msg)s")
    )
    logger = logging.getLogger("shop")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield out
    logger.removeHandler(handler)


def test_records_of_logic_carry_its_ids(stream: io.StringIO) -> None:
    log = logging.getLogger("shop.orders")

    def logic(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        log.info("sync")

    async def later(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        await asyncio.sleep(0)
        log.info("async")

    with Runtime(1) as runtime:
        runtime.exec(flow_of("shop", pay=routine(logic), ship=routine(later)), "w1")
        one = runtime.post("shop", "pay", "input", 1).job
        two = runtime.post("shop", "ship", "input", 1).job
        assert one.wait(10.0) and two.wait(10.0)
        log.info("outside")
        log.info("own", extra={"job_id": "mine"})
    assert sorted(stream.getvalue().splitlines()) == sorted(
        [
            f"{one.job_id} w1 shop pay sync",
            f"{two.job_id} w1 shop ship async",
            "- - - - outside",
            "mine - - - own",
        ]
    )


def test_structlog_gets_the_same_ids() -> None:
    structlog = pytest.importorskip("structlog", reason="structlog is not installed")
    events: list[dict[str, Any]] = []

    def keep(logger: Any, name: str, event: dict[str, Any]) -> Any:
        events.append(dict(event))
        raise structlog.DropEvent

    log = structlog.wrap_logger(None, processors=[add_activation_ids, keep])

    def logic(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        log.info("paid", amount=3)

    with Runtime(1) as runtime:
        runtime.exec(flow_of("shop", pay=routine(logic)), "w1")
        job = runtime.post("shop", "pay", "input", 1).job
        assert job.wait(10.0)
        log.info("outside")
    ids = {
        "job_id": job.job_id,
        "worker_id": "w1",
        "flow_id": "shop",
        "routine_id": "pay",
    }
    assert events == [{"event": "paid", "amount": 3, **ids}, {"event": "outside"}]


def test_prometheus_scrapes_the_numbers() -> None:
    client = pytest.importorskip(
        "prometheus_client", reason="prometheus-client is not installed"
    )
    from routilux.observability.prometheus import RuntimeCollector

    def hand_on(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        pay.emit("out", n=1)

    pay = routine(hand_on)
    registry = client.CollectorRegistry()
    with Runtime(1, enable_monitoring=True) as one, Runtime(1) as two:
        flow = flow_of("shop", pay=pay, bad=routine(fail), send=routine(nothing))
        flow.connect("pay", "out", "send", "input")
        one.exec(flow, "w1")
        registry.register(RuntimeCollector(one, {"runtime": "one"}))
        registry.register(RuntimeCollector(two, {"runtime": "two"}))
        jobs = one.post_many("shop", "pay", "input", range(5))
        jobs.append(one.post("shop", "bad", "input", 1).job)
        assert all(job.wait(10.0) for job in jobs)
        server, thread = client.start_http_server(0, "127.0.0.1", registry)
        try:
            url = f"http://127.0.0.1:{server.server_port}/metrics"
            text = urllib.request.urlopen(url, timeout=10.0).read().decode()
        finally:
            server.shutdown()
            server.server_close()
            thread.join(10.0)
    place = 'flow="shop",routine="pay",runtime="one",worker="w1"'
    samples = {}
    parser = importlib.import_module("prometheus_client.parser")
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}"] = sample.value
    assert samples[f"routilux_routine_activations_total{{{place}}}"] == 5
    assert samples[f"routilux_routine_logic_seconds_count{{{place}}}"] == 5
    assert samples[f"routilux_routine_logic_seconds_sum{{{place}}}"] > 0
    assert samples['routilux_jobs_total{runtime="one",status="completed"}'] == 5
    assert samples['routilux_jobs_total{runtime="one",status="failed"}'] == 1
    assert samples['routilux_jobs_unfinished{runtime="one",status="running"}'] == 0
    assert samples['routilux_threads{runtime="two"}'] == 1
    edge = 'event="out",flow="shop",runtime="one",slot="input",source="pay"'
    edges = {name: value for name, value in samples.items() if edge in name}
    assert [(name.partition("{")[0], value) for name, value in edges.items()] == [
        ("routilux_edge_items_total", 5)
    ]
    assert 'target="send"' in next(iter(edges))


def test_prometheus_does_not_keep_its_runtime_alive() -> None:
    pytest.importorskip(
        "prometheus_client", reason="prometheus-client is not installed"
    )
    from routilux.observability.prometheus import RuntimeCollector

    runtime = Runtime(1)
    collector = RuntimeCollector(runtime)
    runtime.shutdown()
    assert list(collector.collect())
    del runtime
    assert list(collector.collect()) == []


@pytest.mark.parametrize(
    ("labels", "kind", "reason"),
    [
        ({"flow": "mine"}, ValueError, "label 'flow' is one that samples have"),
        ({"le": "1"}, ValueError, "label 'le' is one that samples have"),
        ({"a-b": "c"}, ValueError, "label 'a-b' is no name of a label"),
        ({"__a": "c"}, ValueError, "label '__a' is no name of a label"),
        ({"shard": 1}, TypeError, "names and texts, not 'shard': 1"),
    ],
)
def test_prometheus_refuses_labels_that_it_can_not_show(
    labels: Any, kind: type[Exception], reason: str
) -> None:
    pytest.importorskip(
        "prometheus_client", reason="prometheus-client is not installed"
    )
    from routilux.observability.prometheus import RuntimeCollector

    with Runtime(1) as runtime, pytest.raises(kind, match=reason):
        RuntimeCollector(runtime, labels)


class Telemetry:
    """The SDK of OpenTelemetry with exporters that keep everything in memory."""

    def __init__(self) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
            InMemorySpanExporter,
        )

        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.tracer = self.tracers.get_tracer("test")

    def instrument(self, runtime: Runtime, **options: Any) -> Any:
        from routilux.observability.opentelemetry import instrument

        return instrument(runtime, self.tracers, self.meters, **options)

    def spans(self, name: str) -> list[Any]:
        return [s for s in self.exporter.get_finished_spans() if s.name == name]


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """An SDK in memory; the test is skipped where there is none."""
    pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is missing")
    made = Telemetry()
    yield made
    made.tracers.shutdown()
    made.meters.shutdown()


def test_the_span_of_a_job_belongs_to_that_of_its_poster(telemetry: Telemetry) -> None:
    with Runtime(2) as runtime, telemetry.instrument(runtime):
        runtime.exec(flow_of("shop", pay=routine(nothing)), "w1")
        with telemetry.tracer.start_as_current_span("request") as request:
            job = runtime.post("shop", "pay", "input", 1).job
        assert job.wait(10.0)
        runtime.shutdown()
    (span,) = telemetry.spans("job shop")
    (activation,) = telemetry.spans("pay")
    assert span.parent.span_id == request.get_span_context().span_id
    assert activation.parent.span_id == span.context.span_id
    assert activation.context.trace_id == request.get_span_context().trace_id
    assert dict(span.attributes) == {
        "routilux.job.id": job.job_id,
        "routilux.flow.id": "shop",
        "routilux.worker.id": "w1",
        "routilux.job.status": "completed",
    }
    assert activation.attributes["routilux.routine.id"] == "pay"
    assert activation.attributes["routilux.activation.status"] == "completed"


def test_spans_of_logic_and_jobs_that_it_posts_go_on_from_it(
    telemetry: Telemetry,
) -> None:
    async def later(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        await asyncio.sleep(0)
        with telemetry.tracer.start_as_current_span("query"):
            await asyncio.sleep(0)

    def logic(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        runtime.post("shop", "ship", "input", 1)

    with Runtime(2) as runtime, telemetry.instrument(runtime):
        runtime.exec(flow_of("shop", pay=routine(logic), ship=routine(later)))
        runtime.post("shop", "pay", "input", 1)
        assert runtime.wait_until_all_jobs_finished(10.0)
        runtime.shutdown()
    (pay,), (ship,), (query,) = map(telemetry.spans, ("pay", "ship", "query"))
    jobs = {span.context.span_id: span for span in telemetry.spans("job shop")}
    assert query.parent.span_id == ship.context.span_id
    assert jobs[ship.parent.span_id].parent.span_id == pay.context.span_id
    assert len({span.context.trace_id for span in (pay, ship, query)}) == 1


def test_a_batch_links_to_all_of_its_jobs(telemetry: Telemetry) -> None:
    with Runtime(1) as runtime, telemetry.instrument(runtime):
        batch = routine(nothing, policy=batch_size_policy(3))
        runtime.exec(flow_of("shop", batch=batch))
        jobs = runtime.post_many("shop", "batch", "input", range(3))
        assert all(job.wait(10.0) for job in jobs)
        runtime.shutdown()
    (span,) = telemetry.spans("batch")
    linked = {link.context.span_id for link in span.links} | {span.parent.span_id}
    assert linked == {one.context.span_id for one in telemetry.spans("job shop")}
    assert (len(linked), span.attributes["routilux.jobs"]) == (3, 3)


def test_a_failure_is_on_the_spans_of_activation_and_job(telemetry: Telemetry) -> None:
    with Runtime(1) as runtime, telemetry.instrument(runtime):
        runtime.exec(flow_of("shop", bad=routine(fail)))
        assert runtime.post("shop", "bad", "input", 1).wait(10.0)
        runtime.shutdown()
    (activation,), (job,) = telemetry.spans("bad"), telemetry.spans("job shop")
    assert activation.events[0].attributes["exception.type"] == "ValueError"
    assert activation.status.status_code.name == job.status.status_code.name == "ERROR"
    assert job.status.description == "ValueError: no such order"


def test_without_activations_there_are_spans_of_jobs_only(telemetry: Telemetry) -> None:
    with Runtime(1) as runtime, telemetry.instrument(runtime, activations=False):
        runtime.exec(flow_of("shop", pay=routine(nothing)))
        assert runtime.post("shop", "pay", "input", 1).wait(10.0)
        runtime.shutdown()
    assert [s.name for s in telemetry.exporter.get_finished_spans()] == ["job shop"]


def test_another_runtime_has_no_spans(telemetry: Telemetry) -> None:
    with Runtime(1) as one, Runtime(1) as two, telemetry.instrument(one):
        two.exec(flow_of("shop", pay=routine(nothing)))
        assert two.post("shop", "pay", "input", 1).wait(10.0)
        two.shutdown()
    assert telemetry.exporter.get_finished_spans() == ()


def test_numbers_are_read_from_the_runtime(telemetry: Telemetry) -> None:
    with Runtime(1, enable_monitoring=True) as runtime, telemetry.instrument(runtime):
        runtime.exec(flow_of("shop", pay=routine(nothing)), "w1")
        jobs = runtime.post_many("shop", "pay", "input", range(5))
        assert all(job.wait(10.0) for job in jobs)
        data = telemetry.reader.get_metrics_data()
    found = {
        metric.name: {
            tuple(sorted(point.attributes.items())): point.value
            for point in metric.data.data_points
        }
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
    }
    place = (("flow", "shop"), ("routine", "pay"), ("worker", "w1"))
    assert found["routilux.activations"][place] == 5
    assert found["routilux.jobs"][(("status", "completed"),)] == 5
    assert found["routilux.logic.time"][place] > 0


def test_numbers_do_not_keep_their_runtime_alive(telemetry: Telemetry) -> None:
    runtime = Runtime(1)
    telemetry.instrument(runtime)
    runtime.exec(flow_of("shop", pay=routine(nothing)))
    assert runtime.post("shop", "pay", "input", 1).wait(10.0)
    runtime.shutdown()
    assert telemetry.reader.get_metrics_data() is not None
    del runtime
    gc.collect()
    data = telemetry.reader.get_metrics_data()
    assert data is None or all(
        not metric.data.data_points
        for found in data.resource_metrics
        for scope in found.scope_metrics
        for metric in scope.metrics
    )


def test_many_threads_keep_their_spans_apart(telemetry: Telemetry) -> None:
    meet = threading.Barrier(3)

    def logic(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        meet.wait(10.0)
        with telemetry.tracer.start_as_current_span(f"inner {slot_data['input'][0]}"):
            meet.wait(10.0)

    wide = routine(logic)
    wide.set_concurrency(3)
    with Runtime(3) as runtime, telemetry.instrument(runtime):
        runtime.exec(flow_of("shop", wide=wide))
        jobs = runtime.post_many("shop", "wide", "input", range(3))
        assert all(job.wait(10.0) for job in jobs)
        runtime.shutdown()
    activations = {s.context.span_id: s for s in telemetry.spans("wide")}
    for n, job in enumerate(jobs):
        (inner,) = telemetry.spans(f"inner {n}")
        owner = activations[inner.parent.span_id]
        assert owner.attributes["routilux.job.id"] == job.job_id
