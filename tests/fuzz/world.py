"""A small world to call the public API in: one of each thing, and what fits where."""

import inspect
import itertools
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import routilux
from routilux import (
    ErrorHandler,
    ExecutionContext,
    ExecutionHooksInterface,
    ExecutionRecord,
    Flow,
    FlowRegistry,
    FunctionRoutine,
    JobContext,
    MigrationRegistry,
    NullExecutionHooks,
    RoutedStdout,
    Routine,
    RoutineConfig,
    Runtime,
    Serializable,
    Slot,
    Validator,
    WorkerExecutor,
    WorkerManager,
    WorkerRegistry,
    WorkerState,
    immediate_policy,
)

Policy = type(immediate_policy())
numbers = itertools.count()


class Point(Serializable):
    """A class that writes a field of its own."""

    def __init__(self):
        self.x = 1
        self.add_serializable_fields(["x"])


class Worker(Routine):
    """Emits what it gets."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.add_event("output")
        self.set_activation_policy(immediate_policy())
        self.set_logic(self._pass_on)

    def _pass_on(self, slot_data, policy_message, worker_state):
        for item in slot_data["input"]:
            self.emit("output", item=item)


@dataclass
class World:
    """One of each thing; `close` leaves nothing behind."""

    engine: str = "inline"
    flow: Flow = field(default_factory=lambda: Flow(f"flow {next(numbers)}"))

    def __post_init__(self):
        self.work, self.sink = Worker(), Worker()
        self.flow.add_routine(self.work, "work")
        self.flow.add_routine(self.sink, "sink")
        self.connection = self.flow.connect("work", "output", "sink", "input")
        self.free = Flow()  # no worker runs it: it may be changed
        self.loose = Worker()
        self.free.add_routine(self.loose, "work")
        self.runtime = Runtime(2, engine=self.engine)
        self.worker = self.runtime.exec(self.flow)
        self.job = self.runtime.post(self.flow, "work", "input", 1).job
        assert self.job.wait(30)
        self.manager = WorkerManager(1)

    def close(self):
        for worker in self.runtime.list_workers():
            worker.cancel()
        self.runtime.shutdown(wait=False, cancel_pending=True)
        self.manager.shutdown(wait=False, fast_cleanup=True)
        routilux.uninstall_routed_stdout()
        routilux.reset_execution_hooks()
        routilux.reset_worker_manager()
        MigrationRegistry.clear()
        routilux.set_current_job(None)
        routilux.set_current_worker_state(None)
        routilux.set_current_execution_context(None)
        FlowRegistry.get_instance().clear()

    def fitting(self, name: str, parameter: str) -> Any:
        """Return a value that fits a parameter, or None."""
        return FITTING.get((name, parameter), FITTING.get(parameter, nothing))(self)


def is_needed(name: str, parameter: inspect.Parameter) -> bool:
    """Tell whether a call needs a value for a parameter."""
    if name in NEEDY and parameter.name in NEEDED:
        return True
    return parameter.default is parameter.empty


def nothing(world):
    return None


# What fits a parameter, by the name of the callable and it, or by its own name.
FITTING = {
    "flow": lambda w: w.flow,
    "flow_id": lambda w: w.flow.flow_id,
    "routine": lambda w: Worker(),
    "routine_id": lambda w: "work",
    "slot": lambda w: "input",
    "data": lambda w: {"a": 1},
    "items": lambda w: [1, 2],
    "metadata": lambda w: {"a": 1},
    "event": lambda w: w.work.get_event("output"),
    "event_data": lambda w: {"data": {"a": 1}},
    "event_name": lambda w: "output",
    "worker_state": lambda w: w.worker,
    "timeout": lambda w: 5.0,
    "seconds": lambda w: 0.0,
    "job_id": lambda w: w.job.job_id,
    "job": lambda w: w.job,
    "name": lambda w: "name",
    "name_or_id": lambda w: w.flow.flow_id,
    "policy": lambda w: immediate_policy(),
    "handler": lambda w: ErrorHandler(),
    "logic": lambda w: lambda slot_data, policy_message, worker_state: None,
    "n": lambda w: 2,
    "key": lambda w: "key",
    "error": lambda w: ValueError("no"),
    "failures": lambda w: 1,
    "cls": lambda w: Routine,
    "source_routine_id": lambda w: "work",
    "source_event": lambda w: "output",
    "target_routine_id": lambda w: "work",
    "target_slot": lambda w: "input",
    "from_routine": lambda w: "work",
    "state": lambda w: {"n": 1},
    "update": lambda w: dict,
    "values": lambda w: {"n": 1},
    "document": lambda w: w.free.serialize(),
    "from_version": lambda w: 1,
    "to_version": lambda w: 2,
    "action": lambda w: "did",
    "callback": lambda w: lambda job: None,
    "fields": lambda w: [],
    "path": lambda w: Path("no such file"),
    "max_queue_length": lambda w: 10,
    "watermark": lambda w: 0.5,
    "min_batch_size": lambda w: 2,
    "min_interval_seconds": lambda w: 1.0,
    "check": lambda w: lambda slots, worker: False,
    "function": lambda w: lambda item: True,
    "functions": lambda w: str,
    "text": lambda w: "text",
    "lines": lambda w: ["a"],
    "hooks": lambda w: NullExecutionHooks(),
    "context": lambda w: ExecutionContext(w.flow, w.worker, "work", w.job),
    "slots": lambda w: w.worker.views(w.worker.node_of("work")),
    "spec": lambda w: w.flow.to_dict(),
    "record": lambda w: ExecutionRecord("work", "did").to_dict(),
    "count": lambda w: 1,
    "value": lambda w: 1,
    ("Slot.connect", "event"): lambda w: w.work.get_event("output"),
    ("Event.connect", "slot"): lambda w: w.work.get_slot("input"),
    ("Event.disconnect", "slot"): lambda w: w.work.get_slot("input"),
    ("Flow.from_json", "text"): lambda w: w.free.to_json(),
    ("Flow.from_yaml", "text"): lambda w: "flow_id: x\nroutines: {}\n",
    ("FlowRegistry.register_by_name", "flow"): lambda w: w.free,
    ("Runtime.post", "job_id"): nothing,
    ("Runtime.post_many", "job_id"): nothing,
    ("Runtime.post_async", "job_id"): nothing,
    ("Runtime.exec", "worker_state"): lambda w: WorkerState(w.flow.flow_id),
    ("WorkerManager.start_worker", "worker_state"): nothing,
    ("JobContext", "job_id"): lambda w: "job",
    ("run_sync", "flow"): lambda w: routilux.pipeline(str),
    ("run_async", "flow"): lambda w: routilux.pipeline(str),
    ("Validator.validate", "data"): lambda w: {"a": 1},
    ("ExecutionRecord", "data"): lambda w: {"a": 1},
    ("ExecutionContext", "job_context"): lambda w: w.job,
    ("RoutineConfig", "routine"): lambda w: w.loose,
    ("Connection", "source_event"): lambda w: w.loose.get_event("output"),
    ("Connection", "target_slot"): lambda w: w.loose.get_slot("input"),
    ("FunctionRoutine", "function"): lambda w: str,
}

# What a call can't do without, although it has a default.
NEEDED = {"flow_id", "routine_id", "slot", "data", "items"}
NEEDY = {"Runtime.post", "Runtime.post_many", "Runtime.post_async", "Runtime.exec"}

# One object of each class whose methods are called. A class that is not here has none.
OBJECTS = {
    "Connection": lambda w: w.free.connect("work", "output", "work", "input"),
    "ErrorHandler": lambda w: ErrorHandler("continue"),
    "Event": lambda w: w.work.get_event("output"),
    "ExecutionHooksInterface": lambda w: ExecutionHooksInterface(),
    "ExecutionRecord": lambda w: ExecutionRecord("work", "did"),
    "Flow": lambda w: w.free,
    "FlowRegistry": lambda w: FlowRegistry.get_instance(),
    "FunctionRoutine": lambda w: FunctionRoutine(str),
    "JobContext": lambda w: JobContext("made by hand"),
    "MigrationRegistry": lambda w: MigrationRegistry(),
    "NullExecutionHooks": lambda w: NullExecutionHooks(),
    "RoutedStdout": lambda w: RoutedStdout(keep_default=False),
    "Routine": lambda w: w.loose,
    "running routine": lambda w: w.work,
    "RoutineConfig": lambda w: RoutineConfig(w.loose),
    "Runtime": lambda w: w.runtime,
    "Serializable": lambda w: Point(),
    "Slot": lambda w: Slot("alone"),
    "Validator": lambda w: Validator.types(a=int),
    "WorkerExecutor": lambda w: WorkerExecutor(w.flow, w.worker),
    "WorkerManager": lambda w: w.manager,
    "WorkerRegistry": lambda w: WorkerRegistry(),
    "WorkerState": lambda w: w.worker,
    "immediate policy": lambda w: immediate_policy(),
    "all_slots_ready policy": lambda w: routilux.all_slots_ready_policy(),
    "batch_size policy": lambda w: routilux.batch_size_policy(2),
    "time_interval policy": lambda w: routilux.time_interval_policy(60),
    "custom policy": lambda w: routilux.custom_policy(lambda slots, worker: False),
    "view": lambda w: w.worker.get_slot("work", "input"),
    "job of a runtime": lambda w: w.job,
}

# What has no signature that Python could read: its parameters, required ones with "!".
HIDDEN = {
    "Event": "name! routine output_params",
    "JobContext": "job_id! worker_id flow_id created_at completed_at metadata data"
    " trace_log status error",
    "Slot": "name! routine max_queue_length watermark overflow timestamps dtype shape",
    "Policy.__call__": "slots! worker_state!",
    "either.__get__.<locals>.bound": "data! strict registry",
}

PLAIN = (str, int, tuple, BaseException)  # what these have is not ours
ABSTRACT = {"IEventHandler", "IEventRouter", "IRoutineExecutor"}  # protocols


def methods_of(cls: type) -> list[str]:
    """Return the names of the public methods of a class that are ours."""
    theirs = {name for base in PLAIN for name in dir(base)}
    names = [name for name in dir(cls) if not name.startswith("_")]
    return [n for n in names if n not in theirs and callable(getattr(cls, n))]


def is_called(what: Any) -> bool:
    """Tell whether a public thing is called: exceptions and protocols are not."""
    if isinstance(what, type):
        theirs = (BaseException, Enum)
        return not issubclass(what, theirs) and what.__name__ not in ABSTRACT
    return callable(what)


def callables() -> list[str]:
    """Give what is called: the names in `__all__`, and "Class.method"."""
    names = [name for name in routilux.__all__ if is_called(getattr(routilux, name))]
    world = World()
    try:
        for name, make in OBJECTS.items():
            made = make(world)
            names += [f"{name}.{method}" for method in methods_of(type(made))]
            if name.endswith(" policy"):
                names.append(f"{name}.__call__")
    finally:
        world.close()
    return names


def find(world: World, name: str) -> Any:
    """Return what a name of `callables` stands for, bound to an object of the world."""
    owner, _, method = name.rpartition(".")
    if not owner:
        return getattr(routilux, name)
    return getattr(OBJECTS[owner](world), method)


def parameters_of(called: Any) -> list[inspect.Parameter]:
    """Return the parameters of a callable; of one that hides them, none."""
    name = getattr(called, "__qualname__", "")
    if isinstance(getattr(called, "__self__", None), Policy):
        name = f"Policy.{name.rpartition('.')[2]}"
    if name in HIDDEN:
        kind = inspect.Parameter.KEYWORD_ONLY
        return [
            inspect.Parameter(word.rstrip("!"), kind)
            if word.endswith("!")
            else inspect.Parameter(word, kind, default=None)
            for word in HIDDEN[name].split()
        ]
    found = list(inspect.signature(called).parameters.values())
    # What only passes on whatever it gets has no parameters of its own.
    return [] if [one.name for one in found] == ["args", "kwargs"] else found
