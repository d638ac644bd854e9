"""A program of the built-in routines and the tools, checked by mypy --strict."""

from typing import Any

from routilux import Flow, Runtime
from routilux.activation_policies import ask_again
from routilux.analysis import RoutineAnalyzer, WorkflowAnalyzer
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
from routilux.routine import Slot
from routilux.tools import ObjectFactory, RoutineTester, clone_flow, clone_routine
from routilux.worker import WorkerState


def double(number: int) -> int:
    return 2 * number


class Patient:
    def __call__(
        self, slots: dict[str, Slot], worker_state: WorkerState
    ) -> tuple[bool, dict[str, list[Any]], Any]:
        if worker_state.monotonic() < 1.0:
            return False, {}, ask_again(1.0)
        return True, {"input": slots["input"].consume_all_new()}, "now"


def build() -> Flow:
    flow = Flow("typed")
    adults: Filter = Filter().set_condition("data['age'] >= 18")
    router: ConditionalRouter = ConditionalRouter().add_route("old", {"age": 90})
    mapper: Mapper = Mapper().add_mapping("age", "age", transform="int")
    join: Aggregator = Aggregator().setup_slots(["left", "right"])
    check: SchemaValidator = SchemaValidator().set_jsonschema({"type": "object"})
    find: ResultExtractor = ResultExtractor().register_extractor("n", len)
    flow.add_routine(adults, "adults")
    flow.add_routine(router, "router")
    flow.add_routine(mapper, "mapper")
    flow.add_routine(join, "join")
    flow.add_routine(check, "check")
    flow.add_routine(find, "find")
    flow.add_routine(Splitter(), "split")
    debouncer = Debouncer().set_activation_policy(Patient())
    debouncer.set_config(wait=1.0)
    pending: bool = debouncer.is_pending()
    batcher = Batcher()
    flow.add_routine(batcher, "batch")
    waiting: int = batcher.get_pending_count() + batcher.flush()
    print(pending, waiting)
    return flow


def use(flow: Flow) -> None:
    retry = RetryHandler()
    result: int = retry.execute_with_retry(double, 3)
    wrapped = retry.wrap_operation(double)
    result += wrapped(4)
    again: Filter = clone_routine(Filter())
    copy: Flow = clone_flow(Flow.from_yaml(flow.to_yaml()))
    spec: dict[str, Any] = copy.to_dict()
    factory = ObjectFactory.get_instance()
    names: list[str] = [row["name"] for row in factory.list_available()]
    with RoutineTester(again, {"invert": True}) as tester:
        tester.run("input", 1)
        passed: list[Any] = tester.emitted("passed")
    text: str = WorkflowAnalyzer(RoutineAnalyzer()).to_d2_format(
        WorkflowAnalyzer().analyze_flow(flow), mode="ultimate"
    )
    with Runtime() as runtime:
        worker: WorkerState = runtime.exec(flow)
        worker.flush("batch")
    print(result, spec, names, passed, text)


if __name__ == "__main__":
    use(build())
