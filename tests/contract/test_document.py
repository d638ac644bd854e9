"""The user's document: its examples, run as they are written there.

The examples are kept word for word; a name that the document leaves to the reader
(`my_flow`, `data_source`) is given by the test. Our own pages: tests/docs.
"""

import re

import pytest

from routilux import Flow, FlowRegistry, Routine, Runtime, immediate_policy

COMPLETE = """
from routilux import Routine, Flow, Runtime
from routilux.activation_policies import immediate_policy
from routilux.monitoring.flow_registry import FlowRegistry
import time

# Define a simple processor routine
class Processor(Routine):
    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.add_event("output", ["result", "original"])

        def process(slot_data, policy_message, worker_state):
            data_list = slot_data.get("input", [])
            if data_list:
                value = data_list[0].get("value", 0)
                result = value * 2

                # Track processing in worker state
                state = worker_state.get_routine_state("processor") or {}
                count = state.get("processed_count", 0) + 1
                worker_state.update_routine_state("processor", {
                    "processed_count": count,
                    "last_value": value
                })

                print(f"Processed: {value} → {result} (count: {count})")
                self.emit("output", result=result, original=value)

        self.set_logic(process)
        self.set_activation_policy(immediate_policy())

# Build flow
flow = Flow("processor_flow")
flow.add_routine(Processor(), "processor")

# Register flow
FlowRegistry.get_instance().register_by_name("processor_flow", flow)

# Execute with Runtime
print("Starting runtime...")
with Runtime(thread_pool_size=2) as runtime:
    # Start the flow
    worker_state = runtime.exec("processor_flow")
    print(f"Worker started: {worker_state.worker_id}")

    # Post multiple jobs
    print("Posting jobs...")
    job_ids = []
    for i in range(5):
        _, job_ctx = runtime.post(
            "processor_flow",
            "processor",
            "input",
            {"value": i}
        )
        job_ids.append(job_ctx.job_id)

    # Wait for completion
    print("Waiting for jobs to complete...")
    runtime.wait_until_all_jobs_finished(timeout=10.0)

    # Check results
    print("\\nResults:")
    for job_id in job_ids:
        job = runtime.get_job(job_id)
        print(f"  Job {job_id}: {job.status}")

    # Check worker state
    processor_state = worker_state.get_routine_state("processor")
    print(f"\\nWorker state: {processor_state}")
"""

# What the workers print may come before what the main thread prints meanwhile.
MAIN_LINES = [
    r"Starting runtime\.\.\.",
    r"Worker started: \S+",
    r"Posting jobs\.\.\.",
    r"Waiting for jobs to complete\.\.\.",
    "",
    "Results:",
    *[r"  Job \S+: completed"] * 5,
    "",
    r"Worker state: \{'processed_count': 5, 'last_value': 4\}",
]

EXEC = """
from routilux import Runtime

runtime = Runtime(thread_pool_size=2)

# Start the flow (creates worker)
worker_state = runtime.exec("my_flow")

# exec() returns WorkerState for tracking
print(f"Worker ID: {worker_state.worker_id}")
print(f"Flow ID: {worker_state.flow_id}")
print(f"Status: {worker_state.status}")
"""

POST = """
with Runtime(thread_pool_size=2) as runtime:
    # Start the flow
    worker_state = runtime.exec("my_flow")

    # Post a job to trigger a routine
    job_context = runtime.post(
        "my_flow",       # flow_id
        "routine1",      # routine_id
        "trigger",       # slot_name
        {"key": "value"} # data to send
    )

    # job_context contains tracking information
    print(f"Job ID: {job_context.job_id}")
"""

UNPACK = """
runtime = Runtime()
runtime.exec("my_flow")
worker_state, job_context = runtime.post(
    "my_flow", "routine", "slot", {}
)
print(worker_state.worker_id, worker_state.flow_id, worker_state.status)
print(worker_state.routine_states)
runtime.shutdown()
print(job_context.job_id, job_context.status, job_context.data, job_context.trace_log)
"""

POLLING = """
import time

with Runtime(thread_pool_size=2) as runtime:
    runtime.exec("my_flow")
    job_ctx, _ = runtime.post("my_flow", "processor", "input", {"value": 42})
    job_id = job_ctx.job_id

    # Poll for completion
    while True:
        job = runtime.get_job(job_id)
        if job and job.status in ("completed", "failed"):
            break
        time.sleep(0.1)

    print(f"Job finished: {job.status}")
"""

SINGLE_SHOT = """
with Runtime() as runtime:
    runtime.exec("my_flow")
    runtime.post("my_flow", "start", "trigger", {})
    runtime.wait_until_all_jobs_finished(timeout=5.0)
"""

CONTINUOUS = """
with Runtime() as runtime:
    runtime.exec("my_flow")

    while True:
        data = get_data_from_source()
        runtime.post("my_flow", "processor", "input", {"data": data})
        time.sleep(0.1)
"""

BATCHING = """
with Runtime() as runtime:
    runtime.exec("my_flow")

    batch = []
    for item in data_source:
        batch.append(item)
        if len(batch) >= 100:
            runtime.post("my_flow", "processor", "input", {
                "batch": batch
            })
            batch = []

    # Process remaining
    if batch:
        runtime.post("my_flow", "processor", "input", {
            "batch": batch
        })

    runtime.wait_until_all_jobs_finished(timeout=30.0)
"""

WRONG_ORDER = """
runtime = Runtime()
# WRONG - Order matters!
runtime.post("flow", "routine", "slot", {})  # Error!
runtime.exec("flow")
"""

RIGHT_ORDER = """
runtime = Runtime()
# RIGHT - exec first, then post
runtime.exec("flow")
runtime.post("flow", "routine", "slot", {})
"""

MANUAL = """
runtime = Runtime(thread_pool_size=4)
try:
    worker_state = runtime.exec("my_flow")
finally:
    runtime.shutdown()
"""


@pytest.fixture(autouse=True)
def clean_registry():
    FlowRegistry.get_instance().clear()
    yield
    FlowRegistry.get_instance().clear()


@pytest.fixture
def received(calls):
    """Register a flow that knows every name of the examples; what its logic got."""
    for flow_id in ("my_flow", "flow"):
        flow = Flow(flow_id)
        for routine_id, slot in [
            ("routine1", "trigger"),
            ("routine", "slot"),
            ("processor", "input"),
            ("start", "trigger"),
        ]:
            routine = Routine()
            routine.add_slot(slot)
            routine.set_logic(lambda slot_data, *rest: calls.append(slot_data))
            routine.set_activation_policy(immediate_policy())
            flow.add_routine(routine, routine_id)
        FlowRegistry.get_instance().register_by_name(flow_id, flow)
    return calls


def run(example, **names):
    """Execute an example; the names that it leaves behind."""
    names.setdefault("Runtime", Runtime)
    exec(compile(example, "<the document>", "exec"), names)
    return names


def test_complete_example_prints_what_it_says():
    printed = []  # two threads print: a line has to stay in one piece
    run(COMPLETE, print=printed.append)
    lines = "\n".join(printed).splitlines()
    processed = [line for line in lines if line.startswith("Processed")]
    assert processed == [f"Processed: {n} → {2 * n} (count: {n + 1})" for n in range(5)]
    others = [line for line in lines if not line.startswith("Processed")]
    assert len(others) == len(MAIN_LINES)
    for line, pattern in zip(others, MAIN_LINES, strict=True):
        assert re.fullmatch(pattern, line)
    assert lines.index(processed[-1]) < lines.index("Results:")


def test_exec_answers_a_worker_state_to_print(received, capsys):
    run(EXEC)["runtime"].shutdown()
    assert re.fullmatch(
        r"Worker ID: \S+\nFlow ID: my_flow\nStatus: running\n", capsys.readouterr().out
    )


def test_post_answers_something_with_a_job_id(received, capsys):
    run(POST)
    assert re.fullmatch(r"Job ID: \S+\n", capsys.readouterr().out)
    assert received == [{"trigger": [{"key": "value"}]}]


def test_post_answers_worker_state_and_job_context(received, capsys):
    run(UNPACK)
    worker, states, job = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\S+ my_flow running", worker)
    assert states == "{}"
    assert re.fullmatch(r"\S+ completed \{\} \[\]", job)


def test_polling_example_ends(received, capsys):
    run(POLLING)
    assert capsys.readouterr().out == "Job finished: completed\n"
    assert received == [{"input": [{"value": 42}]}]


def test_single_shot_pattern_runs(received):
    run(SINGLE_SHOT)
    assert received == [{"trigger": [{}]}]


def test_continuous_pattern_runs_until_its_source_ends(received):
    import time

    source = iter(range(3))
    with pytest.raises(StopIteration):
        run(CONTINUOUS, get_data_from_source=lambda: next(source), time=time)
    assert received == [{"input": [{"data": n}]} for n in range(3)]


def test_batching_pattern_processes_the_rest_too(received):
    run(BATCHING, data_source=range(250))
    batches = [slot_data["input"][0]["batch"] for slot_data in received]
    assert [len(batch) for batch in batches] == [100, 100, 50]
    assert [item for batch in batches for item in batch] == list(range(250))


def test_post_before_exec_is_an_error(received):
    with pytest.raises(RuntimeError):
        run(WRONG_ORDER)
    assert received == []


def test_post_after_exec_is_right(received):
    run(RIGHT_ORDER)["runtime"].shutdown()
    assert received == [{"slot": [{}]}]


def test_manual_clean_up_is_equivalent(received):
    assert run(MANUAL)["worker_state"].status == "stopped"
