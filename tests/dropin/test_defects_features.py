"""Defects of the 1.x series, group B: features that could not work at all.

The letters and numbers are those of its list of known defects; each test shows that the
defect is not here. B11 and B15 are about the HTTP server, which is not part of this
package.
"""

import asyncio
import json
import threading
import warnings
from pathlib import Path
from queue import SimpleQueue

import pytest

from routilux import (
    ErrorHandler,
    Flow,
    Routine,
    batch_size_policy,
    immediate_policy,
    pipeline,
    run_async,
    run_sync,
)
from routilux.builtin_routines import (
    Aggregator,
    Batcher,
    ConditionalRouter,
    Debouncer,
    Filter,
    Mapper,
    ResultExtractor,
    RetryHandler,
    SchemaValidator,
    Splitter,
)
from routilux.decorators import routine, routine_class
from routilux.monitoring import (
    Breakpoint,
    MonitoringRegistry,
    get_event_manager,
)
from routilux.tools import ObjectFactory, RoutineTester

WAIT = 20.0
ITEM = {"n": 1}
BUILT_IN = {
    Aggregator: ({"slots": ["left"]}, "left", ITEM, "aggregated"),
    Batcher: ({"batch_size": 1}, "input", ITEM, "batch"),
    ConditionalRouter: ({"default_route": "rest"}, "input", ITEM, "rest"),
    Debouncer: ({"wait": 0.01}, "input", ITEM, "debounced"),
    Filter: ({"condition": lambda data: True}, "input", ITEM, "passed"),
    Mapper: ({"mappings": {"m": "n"}}, "input", ITEM, "output"),
    ResultExtractor: ({}, "input", '{"n": 1}', "output"),
    RetryHandler: ({}, "input", {"operation": dict, "data": ITEM}, "success"),
    SchemaValidator: ({"schema": lambda data: True}, "input", ITEM, "valid"),
    Splitter: ({"field": "parts"}, "input", {"parts": [1]}, "item"),
}


class Logged(Routine):
    """A routine with everything that a document has to bring back."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.add_event("output")
        self.set_activation_policy(batch_size_policy(2))
        self.set_error_handler(ErrorHandler("retry", max_retries=5))

    def logic(self, slot_data, policy_message, worker_state):
        self.emit("output", count=len(slot_data["input"]))


@pytest.fixture
def monitoring():
    MonitoringRegistry.enable()
    yield MonitoringRegistry.get_instance()
    MonitoringRegistry.disable()


@pytest.mark.parametrize("cls", BUILT_IN, ids=lambda cls: cls.__name__)
def test_b1_built_in_routines_emitted_nothing(cls):
    """Each of the ten built-in routines emits on a real runtime."""
    config, slot, item, event = BUILT_IN[cls]
    with RoutineTester(cls(), config) as tester:
        [job] = tester.run(slot, item)
        assert len(tester.emitted(event)) == 1
        assert job.status == "completed"


def test_b1_decorated_routines_emitted_nothing():
    """`@routine` and `@routine_class` make routines that run."""

    @routine()
    def double(item):
        return 2 * item

    @routine_class()
    class Negate:
        def process(self, item):
            return -item

    for made, result in ((double(), 6), (Negate(), -3)):
        with RoutineTester(made) as tester:
            tester.run("input", 3)
            assert tester.emitted("output") == [{"result": result}]


def test_b2_timers_of_built_in_routines_never_fired():
    """A batch, a pause and a missing part are noticed when their time is over."""
    for cls, config, slot, event in (
        (Batcher, {"batch_size": 10, "batch_timeout": 0.01}, "input", "timeout"),
        (Debouncer, {"wait": 0.01}, "input", "debounced"),
        (Aggregator, {"slots": ["left", "right"], "timeout": 0.01}, "left", "timeout"),
    ):
        with RoutineTester(cls(), config, engine="threads") as tester:
            ended = threading.Event()  # a wait for the job would flush it
            tester.post(slot, ITEM).add_done_callback(lambda _, e=ended: e.set())
            assert ended.wait(WAIT)
            assert len(tester.emitted(event)) == 1, cls


def test_b3_run_sync_and_run_async_raised():
    """Both give what the last function returns."""
    flow = pipeline(lambda n: n + 1, lambda n: 2 * n)
    assert run_sync(flow, 3) == 8
    got = SimpleQueue()
    run_async(flow, 4, got.put)
    assert got.get(timeout=WAIT) == 10


def test_b4_command_run_and_local_jobs_failed(tmp_path, monkeypatch):
    """`routilux run` and `routilux job` work without a server."""
    pytest.importorskip("click")
    from click.testing import CliRunner

    from routilux.cli.app import cli

    monkeypatch.chdir(tmp_path)
    spec = {"flow_id": "f", "routines": {"a": {"class": "filter"}}}
    Path("f.json").write_text(json.dumps(spec))
    ran = CliRunner().invoke(cli, ["run", "f.json", "-p", "n=1", "-e", "a.passed"])
    assert json.loads(ran.stdout) == {"data": {"n": 1}}
    made = CliRunner().invoke(cli, ["job", "submit", "-f", "f.json", "-d", "1"])
    job_id = json.loads(made.stdout)["job_id"]
    status = CliRunner().invoke(cli, ["job", "status", job_id])
    assert json.loads(status.stdout)["status"] == "completed"
    assert job_id in CliRunner().invoke(cli, ["job", "list"]).stdout


def test_b5_new_project_failed_its_own_validation(tmp_path, monkeypatch):
    """A project of `routilux init` validates, and no connections are no error."""
    pytest.importorskip("click")
    from click.testing import CliRunner

    from routilux.cli.app import cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ObjectFactory, "_instance", None)
    assert CliRunner().invoke(cli, ["init"]).exit_code == 0
    assert CliRunner().invoke(cli, ["validate", "flows/hello.yaml"]).exit_code == 0
    assert Flow.from_dict({"routines": {}, "connections": None}).connections == []


def test_b6_registered_routine_never_ran_and_could_not_be_found_twice(
    tmp_path, monkeypatch
):
    """A registered function has a policy, and its folder may be scanned again."""
    from routilux.cli.discovery import discover_routines

    monkeypatch.setattr(ObjectFactory, "_instance", None)
    (tmp_path / "found_twice.py").write_text(
        "from routilux.cli.decorators import register_routine\n"
        "@register_routine('twice')\n"
        "def twice(item):\n"
        "    return 2 * item\n"
    )
    for _ in range(2):
        discover_routines([tmp_path], on_error="raise")
    with RoutineTester(ObjectFactory.get_instance().create("twice")) as tester:
        tester.run("input", 4)
        assert tester.emitted("output") == [{"result": 8}]


def test_b7_routine_tester_and_exporters_could_not_be_imported():
    """They are where programs import them from."""
    from routilux.tools import D2Exporter, MarkdownExporter, RoutineTester
    from routilux.tools.analysis import WorkflowAnalyzer

    assert all((D2Exporter, MarkdownExporter, RoutineTester, WorkflowAnalyzer))


def test_b8_serialize_of_a_flow_was_a_type_error():
    """A flow with slots, events, connections and handlers is written as plain JSON."""
    flow = Flow("written").pipe(Logged(), "a").pipe(Logged(), "b")
    flow.set_error_handler(ErrorHandler("skip"))
    assert json.loads(json.dumps(flow.serialize()))["flow_id"] == "written"


def test_b9_deserialized_routines_lost_class_logic_policy_and_handler():
    """A flow comes back as what it was, and runs."""
    flow = Flow("back").pipe(Logged(), "a")
    made = Flow.deserialize(json.loads(json.dumps(flow.serialize()))).routines["a"]
    assert type(made) is Logged
    assert made.get_activation_policy_info()["type"] == "batch_size"
    assert made.get_error_handler().max_retries == 5
    with RoutineTester(made) as tester:
        tester.run("input", 1, 2)
        assert tester.emitted("output") == [{"count": 2}]


def test_b10_error_handler_in_a_spec_needed_every_number():
    """What is left out has its default."""
    spec = {"a": {"class": "filter", "error_handler": {"strategy": "retry"}}}
    handler = Flow.from_dict({"routines": spec}).routines["a"].get_error_handler()
    assert (str(handler.strategy), handler.max_retries) == ("retry", 3)


def test_b12_monitoring_knew_no_job_and_no_routine(runtime, chain, forward, monitoring):
    """Metrics, trace and the numbers of each routine are found by job."""
    flow = chain(forward, None)
    runtime.exec(flow)
    job = runtime.post(flow, "a", "input", {"value": 1}).job
    assert job.wait(WAIT)
    metrics = monitoring.monitor_collector.get_metrics(job.job_id)
    assert set(metrics.routine_metrics) == {"a", "b"}
    assert monitoring.monitor_collector.get_execution_trace(job.job_id)


def test_b13_breakpoint_dropped_the_item_and_told_nobody(runtime, chain, monitoring):
    """The item waits, listeners hear `breakpoint_hit`, and `resume` lets it go."""
    got = []
    flow = chain(lambda routine, item: got.append(item))
    runtime.exec(flow)
    monitoring.breakpoint_manager.add_breakpoint(Breakpoint(routine_id="a"))
    manager = get_event_manager()

    async def first_hit():
        subscriber = await manager.subscribe("held")
        runtime.post(flow, "a", "input", 1, job_id="held")
        async for event in manager.iter_events(subscriber):
            if event["type"] == "breakpoint_hit":
                await manager.cleanup("held")
                return event
        return None

    assert asyncio.run(asyncio.wait_for(first_hit(), WAIT)) is not None
    assert got == []
    monitoring.debug_session_store.get("held").resume()
    assert runtime.get_job("held").wait(WAIT)
    assert got == [1]


def test_b14_setup_was_not_called_for_routines_made_by_hand(runtime):
    """A routine that declares its slots in `setup()` has them in a flow."""

    class Declared(Routine):
        def setup(self):
            self.add_slot("input")
            self.set_activation_policy(immediate_policy())

        def logic(self, slot_data, policy_message, worker_state):
            got.extend(slot_data["input"])

    got = []
    flow = Flow()
    flow.add_routine(Declared(), "a")
    runtime.exec(flow)
    assert runtime.post(flow, "a", "input", 7).job.wait(WAIT)
    assert got == [7]


def test_b16_condition_of_a_breakpoint_raised_in_a_job(
    runtime, chain, forward, monitoring
):
    """A condition sees the item of a real job, and stops only those that meet it."""
    pytest.importorskip("simpleeval")
    flow = chain(forward, None)
    runtime.exec(flow)
    monitoring.breakpoint_manager.add_breakpoint(
        Breakpoint(routine_id="b", condition="value > 1")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert runtime.post(flow, "a", "input", {"value": 1}).job.wait(WAIT)
        held = runtime.post(flow, "a", "input", {"value": 2}).job
        assert held.wait(0.02) is False
    assert monitoring.debug_session_store.get(held.job_id).get_variables() == {
        "value": 2
    }
    monitoring.debug_session_store.get(held.job_id).resume()
    assert held.wait(WAIT)
