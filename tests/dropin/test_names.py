"""The older import paths lead to the same objects."""

import importlib

import pytest

import routilux
import routilux.core
from routilux import ExecutionStatus, RoutineStatus

# The published package's names, by the module that programs import them from.
PUBLISHED = {
    "routilux": """
        Runtime Flow RoutineConfig Routine Slot SlotDataPoint Event Connection
        TaskPriority WorkerExecutor WorkerManager get_worker_manager
        reset_worker_manager
        SlotActivationTask EventRoutingTask IEventRouter IRoutineExecutor IEventHandler
        JobContext WorkerState ExecutionRecord ExecutionStatus RoutineStatus JobStatus
        ExecutionContext get_current_job get_current_job_id get_current_worker_state
        set_current_job set_current_worker_state FlowRegistry get_flow_registry
        WorkerRegistry get_worker_registry ErrorHandler ErrorStrategy RoutiluxError
        SerializationError ConfigurationError StateError SlotHandlerError
        SlotQueueFullError Validator ValidationError ExecutionHooksInterface
        NullExecutionHooks get_execution_hooks set_execution_hooks
        reset_execution_hooks install_routed_stdout uninstall_routed_stdout
        get_routed_stdout get_job_output clear_job_output RoutedStdout
        WorkerNotRunningError""",
    "routilux.core.runtime": "Runtime",
    "routilux.core.flow": "Flow RoutineConfig WorkerNotRunningError",
    "routilux.core.routine": "Routine ExecutionContext",
    "routilux.core.slot": "Slot SlotDataPoint SlotQueueFullError",
    "routilux.core.event": "Event",
    "routilux.core.connection": "Connection",
    "routilux.core.executor": "WorkerExecutor",
    "routilux.core.manager": "WorkerManager get_worker_manager reset_worker_manager",
    "routilux.core.task": "TaskPriority SlotActivationTask EventRoutingTask",
    "routilux.core.interfaces": "IEventRouter IRoutineExecutor IEventHandler",
    "routilux.core.context": """
        JobContext get_current_job get_current_job_id get_current_worker_state
        set_current_job set_current_worker_state get_current_execution_context
        set_current_execution_context ExecutionContext""",
    "routilux.core.worker": "WorkerState ExecutionRecord ExecutionStatus RoutineStatus",
    "routilux.core.status": "ExecutionStatus RoutineStatus JobStatus",
    "routilux.core.registry": """
        FlowRegistry get_flow_registry WorkerRegistry get_worker_registry""",
    "routilux.core.error": "ErrorHandler ErrorStrategy",
    "routilux.core.hooks": """
        ExecutionHooksInterface NullExecutionHooks get_execution_hooks
        set_execution_hooks reset_execution_hooks""",
    "routilux.core.output": """
        RoutedStdout install_routed_stdout uninstall_routed_stdout get_routed_stdout
        get_job_output clear_job_output""",
    "routilux.exceptions": """
        RoutiluxError ExecutionError SerializationError ConfigurationError StateError
        SlotHandlerError""",
    "routilux.validators": "Validator ValidationError",
    "routilux.metrics": "Counter Gauge Histogram MetricTimer MetricsCollector",
    "routilux.activation_policies": """
        immediate_policy all_slots_ready_policy batch_size_policy time_interval_policy
        custom_policy breakpoint_policy""",
}
PAIRS = [
    (module, name) for module, names in PUBLISHED.items() for name in names.split()
]


@pytest.mark.parametrize(("module", "name"), PAIRS)
def test_name_is_found_where_programs_import_it_from(module, name):
    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("name", PUBLISHED["routilux"].split())
def test_core_has_the_same_object(name):
    assert getattr(routilux.core, name) is getattr(routilux, name)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (m, n)
        for m, n in PAIRS
        if m.startswith("routilux.core.") and hasattr(routilux, n)
    ],
)
def test_leaf_module_has_the_same_object(module, name):
    found = getattr(importlib.import_module(module), name)
    assert found is getattr(routilux, name)


@pytest.mark.parametrize("module", [routilux, routilux.core])
def test_unknown_name_is_an_attribute_error(module):
    with pytest.raises(AttributeError, match="no attribute 'Rutine'"):
        _ = module.Rutine


def test_older_leaf_modules_define_nothing_of_their_own():
    for module in PUBLISHED:
        if module.startswith("routilux.core."):
            leaf = importlib.import_module(module)
            own = [
                name
                for name in leaf.__all__
                if getattr(getattr(leaf, name), "__module__", "") == module
            ]
            assert own == []


@pytest.mark.parametrize("words", [ExecutionStatus, RoutineStatus])
def test_older_words_for_states_are_their_plain_strings(words):
    assert words.IDLE == "idle" == str(words.IDLE)
    assert f"{words.PAUSED:>8}|{words.PAUSED}" == "  paused|paused"
    assert words.FAILED == routilux.JobStatus.FAILED
