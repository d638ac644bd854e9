"""Logic and policies that close over their routine, in clones and in flow files."""

import functools
import itertools
import operator
import types

import pytest

from routilux import (
    ConfigurationError,
    Flow,
    FunctionRoutine,
    Routine,
    Runtime,
    custom_policy,
    immediate_policy,
)
from routilux.tools import ObjectFactory, clone_flow, clone_routine

WAIT = 20.0


class Closure(Routine):
    """Emits what it gets; its logic is a function inside of the constructor."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.add_event("output", ["value"])

        def process(slot_data, policy_message, worker_state):
            self.emit("output", value=slot_data["input"][0])

        self.set_logic(process)
        self.set_activation_policy(immediate_policy())


class Helped(Closure):
    """Has a logic that reaches its routine by another function."""

    def __init__(self):
        super().__init__()

        def send(value):
            self.emit("output", value=value)

        def process(slot_data, policy_message, worker_state):
            send(slot_data["input"][0])

        self.set_logic(process)


class Counting(Closure):
    """Numbers what it gets, in a variable of the constructor."""

    def __init__(self):
        super().__init__()
        count = 0

        def process(slot_data, policy_message, worker_state):
            nonlocal count
            count += 1
            self.emit("output", value=(count, slot_data["input"][0]))

        self.set_logic(process)


class Numbering(Closure):
    """Numbers what it gets, by an iterator of the constructor."""

    def __init__(self):
        super().__init__()
        numbers = itertools.count(1)

        def process(slot_data, policy_message, worker_state):
            self.emit("output", value=(next(numbers), slot_data["input"][0]))

        self.set_logic(process)


class Partial(Closure):
    """Has a logic that is a method with an argument."""

    def __init__(self):
        super().__init__()
        self.set_logic(functools.partial(self.process, "output"))

    def process(self, event, slot_data, policy_message, worker_state):
        self.emit(event, value=slot_data["input"][0])


class Choosy(Closure):
    """Has a policy and a key that look into the routine."""

    def __init__(self):
        super().__init__()
        self.asked = []

        def check(slots, worker_state):
            self.asked.append("policy")
            return bool(slots["input"])

        self.set_activation_policy(custom_policy(check))


class Asking(Closure):
    """Has a policy of its own that looks into the routine."""

    def __init__(self):
        super().__init__()
        self.asked = []

        def decide(slots, worker_state):
            self.asked.append("policy")
            items = slots["input"].take(1)
            return bool(items), {"input": items}, None

        self.set_activation_policy(decide)


class Keyed(Closure):
    """Runs in parallel by a key that looks into the routine."""

    def __init__(self):
        super().__init__()
        self.asked = []

        def key(item):
            self.asked.append("key")
            return item

        self.set_concurrency(4, key=key)


class Grouped(Closure):
    """Runs in parallel by a key of what it gets."""

    def __init__(self):
        super().__init__()
        self.set_concurrency(4, key=operator.itemgetter("user"))


def flow_with(routine):
    flow = Flow("original")
    flow.add_routine(routine, "work")
    return flow


def results(flow, *items):
    """Run a flow and answer what left its routine, and how its jobs ended."""
    got = []
    flow.add_routine(FunctionRoutine(got.append), "sink")
    flow.connect("work", "output", "sink", "input")
    with Runtime(thread_pool_size=2) as runtime:
        runtime.exec(flow)
        for item in items:
            job = runtime.post(flow, "work", "input", item).job
            assert job.wait(WAIT)
            assert job.status == "completed", job.error
    return [item["value"] for item in got]


@pytest.mark.parametrize("cls", [Closure, Helped, Partial, Choosy, Asking, Keyed])
def test_a_clone_runs_on_its_own(cls):
    assert results(flow_with(clone_routine(cls())), 1, 2) == [1, 2]
    assert results(clone_flow(flow_with(cls()), "copy"), 1, 2) == [1, 2]


@pytest.mark.parametrize("cls", [Closure, Helped, Choosy, Asking, Keyed])
def test_a_factory_makes_working_clones_of_an_object(cls):
    factory = ObjectFactory()
    factory.register("proto", cls())
    factory.register("flow", flow_with(cls()))
    assert results(flow_with(factory.create("proto")), 1) == [1]
    assert results(factory.create("flow"), 1) == [1]


@pytest.mark.parametrize("cls", [Choosy, Asking, Keyed])
def test_policy_and_key_of_a_clone_look_into_the_clone(cls):
    original = cls()
    made = clone_routine(original)
    assert results(flow_with(made), 1) == [1]
    assert (bool(made.asked), original.asked) == (True, [])


def test_a_clone_does_not_count_for_the_original():
    flow = flow_with(Counting())
    made = clone_flow(flow, "copy")
    assert results(flow, "a", "b") == [(1, "a"), (2, "b")]
    later = clone_routine(flow.routines["work"])
    assert results(made, "c") == [(1, "c")]
    assert results(flow_with(later), "d") == [(3, "d")]
    assert results(flow_with(clone_routine(flow.routines["work"])), "e") == [(3, "e")]


def test_an_iterator_of_the_constructor_is_one_of_each_clone():
    flow = flow_with(Numbering())
    assert results(flow, "a", "b") == [(1, "a"), (2, "b")]
    made = clone_routine(flow.routines["work"])
    assert results(flow_with(clone_routine(made)), "c") == [(1, "c")]
    assert results(flow_with(made), "d") == [(1, "d")]
    back = Flow.from_yaml(flow_with(flow.routines["work"]).to_yaml())
    assert results(back, "e") == [(1, "e")]


def sender(routine, factor):
    """Answer a logic that closes over a routine and a number."""

    def process(slot_data, policy_message, worker_state):
        routine.emit("output", value=factor * slot_data["input"][0])

    return process


def test_logic_that_was_set_from_outside_emits_from_the_clone():
    original = Closure()
    original.set_logic(sender(original, 3))
    assert results(flow_with(clone_routine(original)), 1, 2) == [3, 6]
    assert results(flow_with(original), 1, 2) == [3, 6]


def test_functions_that_share_a_variable_share_that_of_the_clone():
    original = Closure()
    output, total = original.get_event("output"), 0

    def add(left, number):
        nonlocal total
        total += number
        return add(left - 1, number) if left else total

    def process(slot_data, policy_message, worker_state, routine=original):
        routine.emit(output.name, value=(add(1, slot_data["input"][0]), total))

    original.set_logic(process)
    made = clone_routine(original)
    assert results(flow_with(made), 1, 2) == [(2, 2), (6, 6)]
    assert total == 0


@pytest.mark.parametrize("cls", [Closure, Helped, Partial, Choosy, Asking, Keyed])
def test_what_the_constructor_makes_needs_no_words_in_a_flow_file(cls):
    flow = flow_with(cls())
    written = flow.to_dict()["routines"]["work"]
    assert written == {"class": f"{cls.__module__}:{cls.__name__}"}
    assert results(Flow.from_yaml(flow.to_yaml()), 1, 2) == [1, 2]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda r: r.set_logic(sender(r, 3)), r"work\.logic"),
        (lambda r: r.set_logic(r.process), r"work\.logic"),
        (
            lambda r: r.set_activation_policy(custom_policy(lambda *_: True)),
            r"work\.policy",
        ),
        (lambda r: r.set_concurrency(2, key=lambda item: 1), r"work\.concurrency"),
    ],
)
def test_what_replaces_the_constructors_can_not_be_written_down(change, place):
    flow = flow_with(Partial())
    change(flow.routines["work"])
    with pytest.raises(ConfigurationError, match=place):
        flow.to_dict()


def test_a_default_by_keyword_is_of_the_clone():
    original = Closure()

    def process(slot_data, policy_message, worker_state, *, routine=original, factor=2):
        routine.emit("output", value=factor * slot_data["input"][0])

    original.set_logic(process)
    assert results(flow_with(clone_routine(original)), 1, 2) == [2, 4]


def test_a_key_that_was_set_from_outside_is_that_of_the_clone():
    original = Grouped()
    original.set_concurrency(4, key=operator.itemgetter("order"))
    key = clone_routine(original)._concurrency_key
    assert key({"user": 1, "order": 2}) == 2


class Choice(Closure):
    """Has other logic to choose from, as a method and as a private one."""

    def twice(self, slot_data, policy_message, worker_state):
        self.emit("output", value=2 * slot_data["input"][0])

    def choose_private(self):
        self.set_logic(self.__thrice)

    def __thrice(self, slot_data, policy_message, worker_state):
        self.emit("output", value=3 * slot_data["input"][0])


def four_times(routine, slot_data, policy_message, worker_state):
    """Emit four times what came."""
    routine.emit("output", value=4 * slot_data["input"][0])


def send(routine, factor, slot_data, policy_message, worker_state):
    """Emit so many times what came."""
    routine.emit("output", value=factor * slot_data["input"][0])


def send_it(slot_data, policy_message, worker_state, *, routine, by):
    """Emit so many times what came."""
    routine.emit("output", value=by * slot_data["input"][0])


@pytest.mark.parametrize(
    ("choose", "factor"),
    [
        (lambda r: r.set_logic(r.twice), 2),
        (lambda r: r.choose_private(), 3),
        (lambda r: r.set_logic(types.MethodType(four_times, r)), 4),
        (lambda r: r.set_logic(functools.partial(send, r, 5)), 5),
        (lambda r: r.set_logic(functools.partial(send_it, routine=r, by=6)), 6),
        (lambda r: r.set_logic(functools.partial(r.twice)), 2),
    ],
    ids=["method", "private", "bound", "partial", "by keyword", "partial method"],
)
def test_logic_that_was_bound_to_the_original_is_bound_to_the_clone(choose, factor):
    original = Choice()
    choose(original)
    made = clone_routine(original)
    assert results(flow_with(clone_routine(made)), 1, 2) == [factor, 2 * factor]
    assert results(flow_with(original), 1) == [factor]


def test_a_policy_that_was_set_from_outside_looks_into_the_clone():
    original = Choosy()
    original.wanted = 1

    def check(slots, worker_state):
        original.asked.append("outside")
        return len(slots["input"].peek_all_new()) >= 1

    original.set_activation_policy(custom_policy(check))
    made = clone_routine(original)
    assert results(flow_with(made), 1, 2) == [1, 2]
    assert ("outside" in made.asked, original.asked) == (True, [])


def test_logic_that_calls_itself_calls_that_of_the_clone():
    original = Closure()

    def double(number):
        return 2 * number

    def process(slot_data, policy_message, worker_state):
        (number,) = slot_data["input"]
        if number > 10:
            original.emit("output", value=number)
        elif number > 0:
            process({"input": [double(number)]}, policy_message, worker_state)
        else:
            unset()

    original.set_logic(process)
    made = clone_routine(original)
    if made is None:
        unset = None
    assert results(flow_with(made), 3, 11) == [12, 11]
