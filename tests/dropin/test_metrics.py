"""Counters, gauges, histograms and their text; validators; error handlers by hand."""

import pytest

from routilux import ErrorHandler, Flow, Routine, WorkerState
from routilux.exceptions import (
    ConfigurationError,
    ExecutionError,
    RoutiluxError,
    SerializationError,
    SlotHandlerError,
    StateError,
)
from routilux.metrics import Counter, Gauge, Histogram, MetricsCollector, MetricTimer
from routilux.validators import ValidationError, Validator

WAIT = 20.0


def test_counter_only_grows():
    counter = Counter("jobs", "Jobs so far")
    counter.inc()
    counter.inc(2.5)
    assert counter.value == 3.5
    with pytest.raises(ValueError, match="only grows"):
        counter.inc(-1)


def test_gauge_goes_up_and_down():
    gauge = Gauge("depth", "Depth", {"queue": "a"})
    gauge.set(5)
    gauge.inc()
    gauge.dec(3)
    assert gauge.value == 3
    assert gauge.export_prometheus() == (
        '# HELP depth Depth\n# TYPE depth gauge\ndepth{queue="a"} 3\n'
    )


def test_histogram_counts_by_size():
    histogram = Histogram("seconds", "Time", buckets=[0.1, 1.0])
    for value in (0.05, 0.1, 0.5, 3.0):
        histogram.observe(value)
    assert (histogram.count, histogram.sum) == (4, pytest.approx(3.65))
    assert histogram.export_prometheus().splitlines() == [
        "# HELP seconds Time",
        "# TYPE seconds histogram",
        'seconds_bucket{le="0.1"} 2',
        'seconds_bucket{le="1"} 3',
        'seconds_bucket{le="+Inf"} 4',
        f"seconds_sum {histogram.sum!r}",
        "seconds_count 4",
    ]


@pytest.mark.parametrize("buckets", [[1, 1], [2, 1], [1, float("inf"), 2]])
def test_buckets_must_grow(buckets):
    with pytest.raises(ValueError, match=r"buckets of 'seconds' must grow: \["):
        Histogram("seconds", buckets=buckets)


def test_metric_shows_its_name_and_value():
    counter = Counter("jobs")
    counter.inc(2)
    assert repr(counter) == "<Counter jobs: 2>"


def test_timer_observes_a_block():
    histogram = Histogram("seconds")
    with MetricTimer(histogram) as timer:
        pass
    assert histogram.count == 1
    assert 0 <= timer.elapsed == histogram.sum


def test_labels_and_texts_are_escaped():
    counter = Counter("n", "two\nlines \\", {"path": 'C:\\ "x"\n'})
    assert counter.export_prometheus() == (
        '# HELP n two\\nlines \\\\\n# TYPE n counter\nn{path="C:\\\\ \\"x\\"\\n"} 0\n'
    )


@pytest.mark.parametrize("name", ["", "1st", "a-b", "a b"])
def test_names_are_checked(name):
    with pytest.raises(ValueError, match="no legal name"):
        Counter(name)
    with pytest.raises(ValueError, match="no legal name"):
        Counter("n", labels={name: "x"})


def test_collector_makes_each_metric_once():
    collector = MetricsCollector()
    counter = collector.counter("jobs", "Jobs")
    assert collector.get_or_create_counter("jobs") is counter
    assert collector.get_counter("jobs") is counter
    assert (collector.get_gauge("jobs"), collector.get_histogram("x")) == (None, None)
    collector.gauge("depth").set(2)
    collector.histogram("seconds", buckets=[1]).observe(0.5)
    assert collector.export_prometheus().count("# TYPE") == 3
    with pytest.raises(ValueError, match="is a counter already"):
        collector.gauge("jobs")
    assert collector["jobs"] is counter
    with pytest.raises(KeyError, match="Did you mean 'jobs'"):
        collector["job"]


def test_collector_is_registered_with_the_client_library():
    client = pytest.importorskip("prometheus_client")
    collector = MetricsCollector()
    collector.gauge("depth", "Depth", {"queue": "a"}).set(2)
    registry = client.CollectorRegistry()
    registry.register(collector)
    assert registry.get_sample_value("depth", {"queue": "a"}) == 2.0


def test_counts_of_many_threads_are_right():
    from concurrent.futures import ThreadPoolExecutor

    counter = Counter("n")
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(lambda: [counter.inc() for _ in range(1000)])
    assert counter.value == 8000


def test_validator_of_types():
    validator = Validator.types(name=str, age=(int, float))
    assert validator.validate({"name": "Ada", "age": 36, "more": 1}) is None
    for data, field in (
        ({"age": 1}, "name"),
        ({"name": "Ada", "age": "36"}, "age"),
        ({"name": "Ada", "age": True}, "age"),
    ):
        with pytest.raises(ValidationError, match=field) as caught:
            validator.validate(data)
        assert caught.value.field == field
    with pytest.raises(ValidationError, match="must be a dict"):
        validator.validate([1])
    with pytest.raises(TypeError, match="must be a class"):
        Validator.types(name="str")


def test_validator_of_ones_own():
    short = Validator.custom(lambda data: len(data) < 2)
    short.validate({})
    with pytest.raises(ValidationError, match="refused"):
        short.validate({"a": 1, "b": 2})
    told = Validator.custom(lambda data: ("a" in data, "a is missing"))
    with pytest.raises(ValidationError, match="a is missing"):
        told.validate({})


def test_exceptions_carry_their_facts():
    assert ExecutionError("text", routine_id="a").routine_id == "a"
    assert SerializationError("text", object_type="Flow").object_type == "Flow"
    assert SlotHandlerError("text", slot_name="input").slot_name == "input"
    for kind in (ExecutionError, SerializationError, ConfigurationError, StateError):
        assert issubclass(kind, RoutiluxError)


def test_handler_by_hand_stops_and_continues():
    worker = WorkerState("flow")
    args = (ValueError("bad"), Routine(), "a", Flow(), worker)
    assert ErrorHandler("stop").handle_error(*args) is False
    assert ErrorHandler("continue").handle_error(*args) is True
    assert ErrorHandler("skip").handle_error(*args) is True
    assert [r.event_name for r in worker.execution_history] == [
        *("error_continued", "skipped"),
    ]


def test_handler_by_hand_counts_retries_until_it_is_reset():
    handler = ErrorHandler("retry", max_retries=2, retry_delay=0.001)
    args = (OSError(), None, "a", None)
    assert [handler.handle_error(*args) for _ in range(3)] == [True, True, False]
    assert handler.retry_count == 3
    handler.reset()
    assert handler.handle_error(*args) is True
    picky = ErrorHandler("retry", retryable_exceptions=(OSError,))
    assert picky.handle_error(ValueError(), None, "a", None) is False


@pytest.mark.parametrize(("answer", "status"), [(True, "completed"), (False, "failed")])
def test_overridden_handle_error_decides(runtime, chain, answer, status):
    asked = []

    class Mine(ErrorHandler):
        def handle_error(
            self, error, routine, routine_id, flow, worker_state=None, context=None
        ):
            asked.append((str(error), routine, routine_id, flow, worker_state))
            return answer

    def fail(routine, item):
        raise ValueError("bad")

    flow = chain(None, fail)
    flow.set_error_handler(Mine())
    worker = runtime.exec(flow)
    job = runtime.post(flow, "b", "input", 1).job
    assert job.wait(WAIT)
    assert asked == [("bad", flow.routines["b"], "b", flow, worker)]
    assert job.status == status


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_overridden_handle_error_is_not_asked_about_exits(runtime, chain, error):
    class Mine(ErrorHandler):
        def handle_error(self, *args, **kwargs):
            asked.append(args)
            return True

    def leave(routine, item):
        raise error

    asked = []
    flow = chain(leave)
    flow.set_error_handler(Mine())
    runtime.exec(flow)
    job = runtime.post(flow, "a", "input", 1).job
    assert job.wait(WAIT)
    assert (job.status, job.error.type, asked) == ("failed", error.__name__, [])


# Its answer was ignored, so a retry slept once and never ran again.
def test_overridden_handle_error_may_ask_for_a_retry(runtime, chain):
    class Mine(ErrorHandler):
        def handle_error(self, *args, **kwargs):
            return True

    calls = []

    def fail(routine, item):
        calls.append(item)
        raise OSError

    flow = chain(fail)
    flow.set_error_handler(Mine("retry", max_retries=2))
    runtime.exec(flow)
    job = runtime.post(flow, "a", "input", 1).job
    assert job.wait(WAIT)
    assert (len(calls), job.status) == (3, "failed")
