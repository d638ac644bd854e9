"""The compiled core as the Python layer sees it."""

try:
    from routilux._core.activation import (
        AskAgain,
        Policy,
        all_slots_ready_policy,
        ask_again,
        batch_size_policy,
        custom_policy,
        immediate_policy,
        time_interval_policy,
    )
    from routilux._core.audit import audit_core
    from routilux._core.bulk import BulkCore
    from routilux._core.call import Skip
    from routilux._core.census import edges, rows, tally
    from routilux._core.control import FORKED, Control
    from routilux._core.detached import stand_in
    from routilux._core.driver import ThreadDriver
    from routilux._core.event import Event, RoutineCore
    from routilux._core.failure import JobError, set_moments
    from routilux._core.fault import NAMES as FAULTS
    from routilux._core.fault import FaultDriver
    from routilux._core.frame import (
        get_current_job,
        get_current_job_id,
        get_current_jobs,
        get_current_routine_id,
        get_current_worker_state,
        owner_variable,
        say_current_job,
        worker_variable,
    )
    from routilux._core.hooks import set_hooks
    from routilux._core.inliner import InlineDriver
    from routilux._core.job import JobContext, JobStatus
    from routilux._core.post import set_post_result
    from routilux._core.recall import recall_records
    from routilux._core.routine import Plan, logic_style
    from routilux._core.sim import (
        SimControl,
        SimDriver,
        clock_in_logic,
        sleep_in_logic,
    )
    from routilux._core.slot import Slot
    from routilux._core.snapshot import (
        Kept,
        capture,
        disown,
        is_live,
        members_of,
        put_back,
        revive_job,
    )
    from routilux._core.trace import Tracer
    from routilux._core.whereabouts import core_of, survey
    from routilux._core.worker import WorkerCore, WorkerStatus
except ModuleNotFoundError as error:
    if not (error.name or "").startswith("routilux._core."):
        raise
    raise ImportError(
        f"the compiled core of routilux is not built ({error.name} is missing): run"
        " `make build` in the source tree, or `pip install .`"
    ) from error

__all__ = [
    "FAULTS",
    "FORKED",
    "AskAgain",
    "BulkCore",
    "Control",
    "Event",
    "FaultDriver",
    "InlineDriver",
    "JobContext",
    "JobError",
    "JobStatus",
    "Kept",
    "Plan",
    "Policy",
    "RoutineCore",
    "SimControl",
    "SimDriver",
    "Skip",
    "Slot",
    "ThreadDriver",
    "Tracer",
    "WorkerCore",
    "WorkerStatus",
    "all_slots_ready_policy",
    "ask_again",
    "audit_core",
    "batch_size_policy",
    "capture",
    "clock_in_logic",
    "core_of",
    "custom_policy",
    "disown",
    "edges",
    "get_current_job",
    "get_current_job_id",
    "get_current_jobs",
    "get_current_routine_id",
    "get_current_worker_state",
    "immediate_policy",
    "is_live",
    "logic_style",
    "members_of",
    "owner_variable",
    "put_back",
    "recall_records",
    "revive_job",
    "rows",
    "say_current_job",
    "set_hooks",
    "set_moments",
    "set_post_result",
    "sleep_in_logic",
    "stand_in",
    "survey",
    "tally",
    "time_interval_policy",
    "worker_variable",
]
