"""Logic and policies that a routine's constructor sets, and those that others set."""

import collections
import functools
import itertools
import json
import operator
import threading

import pytest

from routilux import Routine, SerializationError, immediate_policy

ALONE = r"(logic|policy|key) of .* can't be named in a document"


class Patient:
    """A policy object with a number."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __call__(self, slots, worker_state):
        return False, {}, None


class Slim:
    """A logic object that has no __dict__."""

    __slots__ = ("__hidden",)

    def __init__(self, hidden):
        self.__hidden = hidden

    def __call__(self, slot_data, policy_message, worker_state):
        return self.__hidden


def enclosed(number):
    """Make a logic that encloses a number."""

    def logic(slot_data, policy_message, worker_state):
        return number

    return logic


def by_default(number):
    """Make a logic with a default."""

    def logic(slot_data, policy_message, worker_state, number=number):
        return number

    return logic


def by_keyword(number):
    """Make a logic with a default by keyword."""

    def logic(slot_data, policy_message, worker_state, *, number=number):
        return number

    return logic


def by_attribute(number):
    """Make a logic with an attribute."""

    def logic(slot_data, policy_message, worker_state):
        return logic.number

    logic.number = number
    return logic


def add(number, slot_data, policy_message, worker_state):
    """Return the number."""
    return number


class Helper:
    """Has the logic as a method."""

    def __init__(self, number):
        self.number = number

    def run(self, slot_data, policy_message, worker_state):
        return self.number


def bound(number):
    """Make a method of another object."""
    return Helper(number).run


WAYS = [
    enclosed,
    by_default,
    by_keyword,
    by_attribute,
    functools.partial(functools.partial, add),
    bound,
    Slim,
    lambda number: enclosed([{"a": number}]),
    lambda number: enclosed(enclosed(number)),
]


class Made(Routine):
    """Makes logic and policy by itself; `way` says how."""

    way = staticmethod(enclosed)

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.set_activation_policy(Patient(1))
        self.set_logic(self.way(1))


@pytest.fixture(params=range(len(WAYS)))
def way(request, monkeypatch):
    """Have the class make its logic in one of several ways."""
    monkeypatch.setattr(Made, "way", staticmethod(WAYS[request.param]))
    return WAYS[request.param]


def again(routine):
    """Write a routine and read it back, through JSON."""
    return type(routine).deserialize(json.loads(json.dumps(routine.serialize())))


def test_what_the_constructor_sets_is_made_again(way):
    back = again(Made())
    assert back._logic is not None
    assert back._activation_policy.seconds == 1


def test_logic_that_was_set_from_outside_with_another_value_is_an_error(way):
    routine = Made()
    routine.set_logic(way(5))
    with pytest.raises(SerializationError, match=f"the {ALONE}"):
        routine.serialize()
    routine.set_logic(way(1))
    assert again(routine)._logic is not None


def test_policy_that_was_set_from_outside_with_another_value_is_an_error():
    routine = Made()
    routine.set_activation_policy(Patient(60))
    with pytest.raises(SerializationError, match=f"the activation {ALONE}"):
        routine.serialize()


def test_method_of_another_routine_is_an_error():
    routine, other = Whole(), Whole()
    routine.set_logic(other.work)
    with pytest.raises(SerializationError, match=ALONE):
        routine.serialize()


class Whole(Routine):
    """What its logic holds belongs to it, or shows no values."""

    def __init__(self):
        super().__init__()
        slot, event = self.add_slot("input"), self.add_event("output")
        lock = threading.Lock()
        helpers = [self.work, lock.acquire, [lock]]

        def process(slot_data, policy_message, worker_state):
            return self, slot, event, lock, helpers, process, unset

        if slot is None:
            unset = None
        self.set_logic(process)
        self.set_activation_policy(immediate_policy())
        self.set_concurrency(2, key=functools.partial(self.key, process))

    def work(self, slot_data, policy_message, worker_state):
        pass

    def key(self, process, item):
        return item


def test_logic_may_hold_the_routine_and_its_parts():
    back = again(Whole())
    cells = [cell for cell in back._logic.__closure__ if cell != type(cell)()]
    assert any(cell.cell_contents is back for cell in cells)
    assert back._concurrency_key.func.__self__ is back


def test_logic_that_holds_parts_of_another_routine_is_an_error():
    routine = Whole()
    routine.set_logic(Whole()._logic)
    with pytest.raises(SerializationError, match=ALONE):
        routine.serialize()


class Counting(Routine):
    """What its constructor makes counts in variables and attributes of its own."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.policy, seen = Patient(1), []
        self.set_activation_policy(self.policy)

        def process(slot_data, policy_message, worker_state):
            seen.append(slot_data)
            return len(seen)

        self.set_logic(process)


def test_what_the_constructor_made_may_have_counted_and_begins_anew():
    routine = Counting()
    routine.policy.seconds = 17
    assert [routine._logic({}, {}, None) for _ in range(3)] == [1, 2, 3]
    back = again(routine)
    assert back._logic({}, {}, None) == 1
    assert back._activation_policy.seconds == 1


class Grouped(Routine):
    """Runs in parallel by a key that its constructor makes; `way` says how."""

    way = staticmethod(operator.itemgetter)

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.set_activation_policy(immediate_policy())
        self.set_concurrency(4, key=self.way("user"))


class Names(list):
    """A list with an attribute."""

    def __init__(self, word):
        self.word = word


KEYS = [
    operator.itemgetter,
    operator.attrgetter,
    operator.methodcaller,
    lambda word: operator.methodcaller("get", default=word),
    lambda word: enclosed(itertools.count(len(word))),
    lambda word: enclosed(collections.defaultdict({"user": list}.get(word, dict))),
    lambda word: enclosed(Names(word)),
    lambda word: enclosed(iter([word])),
]


@pytest.mark.parametrize("key", KEYS)
def test_key_that_was_set_from_outside_with_another_value_is_an_error(key, monkeypatch):
    monkeypatch.setattr(Grouped, "way", staticmethod(key))
    routine = Grouped()
    assert callable(again(routine)._concurrency_key)
    routine.set_concurrency(4, key=key("order"))
    with pytest.raises(SerializationError, match=f"the {ALONE}"):
        routine.serialize()
    routine.set_concurrency(4, key=key("user"))
    assert callable(again(routine)._concurrency_key)


class SetUp(Routine):
    """Has its constructor call a method that others may call as well."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.setup("a")

    def setup(self, word):
        self.set_activation_policy(immediate_policy())
        self.set_logic(enclosed(word))


def test_setup_that_somebody_else_calls_is_not_the_constructor():
    routine = SetUp()
    assert again(routine)._logic(None, None, None) == "a"
    routine.setup("b")
    with pytest.raises(SerializationError, match=f"the {ALONE}"):
        routine.serialize()


class Money:
    """Is equal to another one of the same amount, and is not for documents."""

    def __init__(self, amount):
        self.amount = amount
        self.lock = threading.Lock()

    def __eq__(self, other):
        return self.amount == other.amount

    __hash__ = None


class Grumpy(Money):
    """Can be compared with nothing."""

    def __eq__(self, other):
        raise RuntimeError("no")

    __hash__ = None


def unset(number):
    """Make a logic that encloses a variable which has no value."""

    def logic(slot_data, policy_message, worker_state):
        return value

    if number is None:
        value = 1
    return logic


def deep(number):
    """Make a logic that encloses what lies too deep to be compared."""
    value = number
    for _ in range(100_000):
        value = [value]
    return enclosed(value)


@pytest.mark.parametrize(
    ("make", "is_same"),
    [
        (lambda number: enclosed(Money(number)), True),
        (lambda number: enclosed(Grumpy(number)), False),
        (lambda number: enclosed(threading.Lock()), True),
        (unset, True),
        (deep, False),
    ],
    ids=["equal", "not comparable", "no values", "unset", "too deep"],
)
def test_what_another_call_made_may_take_the_place_of_the_constructors(
    make, is_same, monkeypatch
):
    monkeypatch.setattr(Made, "way", staticmethod(make))
    routine = Made()
    routine.set_logic(make(1))
    if is_same:
        assert again(routine)._logic is not None
    else:
        with pytest.raises(SerializationError, match=f"the {ALONE}"):
            routine.serialize()
