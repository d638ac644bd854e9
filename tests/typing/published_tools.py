"""A program that uses what the 1.x series has around the core: typed and run."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from routilux import Flow, Runtime, WorkerState, pipeline, run_async, run_sync
from routilux.activation_policies import (
    all_slots_ready_policy,
    batch_size_policy,
    breakpoint_policy,
    custom_policy,
    time_interval_policy,
)
from routilux.analysis import (
    BaseFormatter,
    D2Exporter,
    MarkdownExporter,
    RoutineAnalyzer,
    RoutineMarkdownFormatter,
    WorkflowAnalyzer,
    WorkflowD2Formatter,
    analyze_routine_file,
    analyze_workflow,
)
from routilux.builtin_routines import (
    Aggregator,
    Batcher,
    ConditionalRouter,
    DataTransformer,
    DataValidator,
    Debouncer,
    Filter,
    Mapper,
    ResultExtractor,
    RetryHandler,
    SchemaValidator,
    Splitter,
    register_all_builtins,
)
from routilux.cli.config import ConfigLoader, get_config_value, load_config
from routilux.cli.decorators import auto_register_routine, register_routine
from routilux.cli.discovery import (
    RoutineDiscovery,
    discover_routines,
    get_default_routines_dirs,
)
from routilux.decorators import routine, routine_class
from routilux.exceptions import ConfigurationError
from routilux.monitoring import (
    Breakpoint,
    BreakpointManager,
    CallFrame,
    DebugSession,
    DebugSessionStore,
    JobEventManager,
    MonitorCollector,
    MonitoringExecutionHooks,
    MonitoringRegistry,
    RuntimeRegistry,
    disable_monitoring_hooks,
    enable_monitoring_hooks,
    set_max_events_per_job,
)
from routilux.routine import Routine, Slot
from routilux.tools import (
    ObjectFactory,
    ObjectMetadata,
    RoutineTester,
    clone_flow,
    clone_routine,
    load_flow_from_spec,
    parse_spec,
)


@routine(output_event="output", name="Double")
def double(item: Any) -> Any:
    """Double an item."""
    return item * 2


@routine_class(slots=["left", "right"])
class Add:
    """Add two items."""

    def process(self, left: int, right: int) -> int:
        """Return the sum."""
        return left + right


@auto_register_routine(name="typed_routine", tags=["typed"])
class Registered(Routine):
    """A routine that flow files can name."""


@register_routine("typed_function", category="typed")
def increase(item: Any) -> Any:
    """Add one."""
    return item + 1


def functions() -> None:
    """Run functions as flows."""
    assert run_sync(pipeline(str.strip, str.upper), " a ", timeout=10.0) == "A"
    job_id: str = run_async(pipeline(str.upper), "a", print)
    assert job_id
    with RoutineTester(double()) as tester:
        tester.run("input", 4)
        assert tester.emitted("output") == [{"result": 8}]


def policies() -> None:
    """Make each policy."""

    def check(slots: dict[str, Slot], worker_state: WorkerState) -> bool:
        return len(slots) > 0

    for policy in (
        all_slots_ready_policy(),
        batch_size_policy(min_batch_size=2),
        time_interval_policy(min_interval_seconds=0.5),
        custom_policy(check),
        breakpoint_policy("a"),
    ):
        assert Routine().set_activation_policy(policy).get_activation_policy_info()


def built_in() -> None:
    """Use what each built-in routine has beside its configuration."""
    joined = Aggregator()
    joined.setup_slots(["left", "right"])
    router = ConditionalRouter()
    router.add_route("big", lambda data: data > 1)
    mapper = Mapper()
    mapper.add_mapping("name", "user.name")
    passed = Filter()
    passed.set_condition(lambda data: data > 1)
    passed.set_callable(lambda data: data > 2)
    validator = SchemaValidator()
    validator.set_jsonschema({"type": "object"})
    validator.set_pydantic_schema(dict[str, int])
    validator.set_custom_validator(lambda data: True)
    validator.add_field_validator("age", lambda age: age > 1)
    extractor = ResultExtractor()
    extractor.register_extractor("mine", lambda value: value)
    retry = RetryHandler()
    assert retry.execute_with_retry(lambda: 3) == 3
    assert retry.wrap_operation(abs)(-3) == 3
    batcher, debouncer = Batcher(), Debouncer()
    with RoutineTester(batcher):
        batcher.flush()
        assert (batcher.get_pending_count(), batcher.get_batch_number()) == (0, 0)
    with RoutineTester(debouncer):
        debouncer.flush()
        debouncer.cancel()
        assert debouncer.is_pending() is False
    assert (DataTransformer, DataValidator) == (Mapper, SchemaValidator)
    factory = ObjectFactory()
    register_all_builtins(factory)
    assert isinstance(factory.create("splitter"), Splitter)
    try:
        Filter().set_config(condtion="data")
    except ConfigurationError:
        factory.clear()


def tools() -> None:
    """Make, write, clone and analyse flows."""
    factory = ObjectFactory()
    about = ObjectMetadata("keep", "Keeps it.", "data", ["x"], {}, "2.0.0", "Long.")
    factory.register("keep", Filter, "Keeps it.", about)
    found: ObjectMetadata | None = factory.get_metadata("keep")
    assert found is not None and (found.name, found.category) == ("keep", "data")
    assert (found.description, found.tags, found.version) == (
        *("Keeps it.", ["x"], "2.0.0"),
    )
    assert (found.example_config, found.docstring) == ({}, "Long.")
    kept: Filter = factory.create("keep", {"condition": "data > 1"})
    assert factory.get_factory_name(kept) == "keep"
    assert factory.list_available(category="data")[0]["name"] == "keep"
    flow = factory.load_flow_from_dsl({"routines": {"a": {"class": "keep"}}})
    assert list(factory.export_flow_to_dsl(flow, format="dict")["routines"]) == ["a"]
    assert factory.unregister("keep")
    assert type(clone_routine(kept)) is Filter
    assert list(clone_flow(flow, "clone").routines) == ["a"]
    spec = {"routines": {"a": "filter"}}
    assert list(load_flow_from_spec(spec).routines) == ["a"]
    assert callable(parse_spec)  # calling it warns
    analyzer = WorkflowAnalyzer(RoutineAnalyzer())
    data: dict[str, Any] = analyzer.analyze_flow(flow, include_source_analysis=False)
    assert set(analyze_workflow(flow)) == set(data)
    drawn: str = analyzer.to_d2_format(data, mode="ultimate")
    assert drawn and analyzer.to_json(data)
    formatter: BaseFormatter = WorkflowD2Formatter()
    assert formatter.format(data)
    assert (D2Exporter, MarkdownExporter) == (
        *(WorkflowD2Formatter, RoutineMarkdownFormatter),
    )
    with tempfile.TemporaryDirectory() as folder:
        analyzer.save_json(data, Path(folder, "flow.json"))
        analyzer.save_d2(data, Path(folder, "flow.d2"))
        routines = RoutineAnalyzer()
        read = routines.analyze_file(__file__)
        assert read == analyze_routine_file(__file__) and routines.to_json(read)
        routines.save_json(read, Path(folder, "routines.json"))


def project() -> None:
    """Look for routines and configuration as the command does."""
    factory = ObjectFactory.get_instance()
    assert isinstance(factory.create("typed_routine"), Registered)
    with tempfile.TemporaryDirectory() as folder:
        assert discover_routines([folder], on_error="raise") == []
        assert RoutineDiscovery(factory, on_error="ignore").discover([folder]) == []
        path = Path(folder, "routilux.toml")
        path.write_text("[routines]\ndirectories = ['mine']\n", "utf-8")
        config: dict[str, Any] = load_config(path)
        assert config == ConfigLoader(path).load()
        assert len(get_config_value(config, "routines.directories", [])) == 1
    folders: list[Path] = get_default_routines_dirs()
    assert all(place.is_dir() for place in folders)


def monitoring() -> None:
    """Use collector, breakpoints, sessions, streams and registers by hand."""
    set_max_events_per_job(1000)
    enable_monitoring_hooks()
    disable_monitoring_hooks()
    assert callable(MonitoringExecutionHooks)
    assert MonitoringRegistry.is_enabled() is False
    collector = MonitorCollector()
    collector.record_flow_start("flow", "job")
    collector.record_routine_start("a", "job")
    collector.record_slot_call("input", "a", "job", {"n": 1})
    collector.record_event_emit("output", "a", "job", {"n": 1})
    collector.record_routine_end("a", "job", "completed")
    collector.record_flow_end("flow", "job", "completed")
    assert collector.get_execution_trace("job", limit=3)
    collector.clear("job")
    manager = BreakpointManager()
    point = Breakpoint("id", "job", "a", "input", "n > 1", True, 0)
    manager.add_breakpoint(point)
    assert (point.breakpoint_id, point.job_id, point.routine_id) == ("id", "job", "a")
    assert (point.slot_name, point.condition) == ("input", "n > 1")
    assert (point.enabled, point.hit_count) == (True, 0)
    assert manager.check_slot_breakpoint("job", "a", "input", {"n": 2}) is point
    assert manager.get_breakpoints("job") == [point]
    manager.remove_breakpoint("id")
    manager.clear_breakpoints("job")
    session = DebugSession("job")
    session.pause(CallFrame("a", "input", {"n": 1}))
    session.set_variable("n", 2)
    assert (session.get_variables(), session.should_continue()) == ({"n": 2}, False)
    assert session.get_call_stack()[0].routine_id == "a"
    for step in (session.step_over, session.step_into, session.step_out):
        step()
    session.resume()
    store = DebugSessionStore()
    store.add(session)
    assert store.get("job") is session and store.remove("job")
    runtimes = RuntimeRegistry()
    with Runtime(1) as runtime:
        runtimes.register(runtime, "mine", is_default=True)
        runtimes.set_default("mine")
        assert runtimes.get_default_id() == "mine"
        assert (list(runtimes.get_all()), len(runtimes.list_all())) == (["mine"], 1)
        runtimes.unregister("mine")
    runtimes.clear()
    asyncio.run(streams())


async def streams() -> None:
    """Subscribe, and end."""
    manager = JobEventManager()
    await manager.subscribe("job")
    status: dict[str, Any] = manager.get_status()
    assert status and manager.get_subscriber_count("job") == 1
    await manager.cleanup("job")
    await manager.shutdown()


if __name__ == "__main__":
    functions()
    policies()
    built_in()
    tools()
    project()
    monitoring()
    assert Flow("last").routines == {}
