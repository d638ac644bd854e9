"""Chapter 3: how logic is called."""

import asyncio
import functools

import pytest

from routilux import Routine, immediate_policy

WAIT = 20.0


@pytest.fixture
def run(runtime, make_flow, finish):
    """Run a routine on one item for its slot "a" and answer job and worker."""

    def one(routine):
        flow = make_flow({"work": routine})
        worker = runtime.exec(flow)
        job = runtime.post(flow.flow_id, "work", "a", 1)[1]
        finish(runtime)
        return job, worker

    return one


def two_slots(base=Routine):
    routine = base()
    routine.add_slot("a")
    routine.add_slot("b")
    routine.set_activation_policy(immediate_policy())
    return routine


class Bound:
    def __init__(self, got):
        self.got = got

    def slot_data_style(self, slot_data, policy_message, worker_state):
        self.got.append((slot_data, policy_message, worker_state))

    def list_style(self, a, b, policy_message, worker_state):
        self.got.append(({"a": a, "b": b}, policy_message, worker_state))

    async def async_style(self, slot_data, policy_message, worker_state):
        await asyncio.sleep(0)
        self.slot_data_style(slot_data, policy_message, worker_state)

    async def async_list_style(self, a, b, policy_message, worker_state):
        await asyncio.sleep(0)
        self.list_style(a, b, policy_message, worker_state)


class SlotDataObject(Bound):
    def __call__(self, slot_data, policy_message, worker_state):
        self.slot_data_style(slot_data, policy_message, worker_state)


class AsyncObject(Bound):
    async def __call__(self, slot_data, policy_message, worker_state):
        await asyncio.sleep(0)
        self.slot_data_style(slot_data, policy_message, worker_state)


class ListObject(Bound):
    def __call__(self, a, b, policy_message, worker_state):
        self.list_style(a, b, policy_message, worker_state)


def slot_data_function(got):
    def logic(slot_data, policy_message, worker_state):
        got.append((slot_data, policy_message, worker_state))

    return logic


def list_function(got):
    def logic(a, b, policy_message, worker_state):
        got.append(({"a": a, "b": b}, policy_message, worker_state))

    return logic


def list_function_with_other_names(got):
    def logic(first_list, second_list, *, policy_message, worker_state):
        items = {"a": first_list, "b": second_list}
        got.append((items, policy_message, worker_state))

    return logic


def star_lists(got):
    def logic(*lists, policy_message, worker_state):
        items = dict(zip("ab", lists, strict=True))
        got.append((items, policy_message, worker_state))

    return logic


def star_keywords(got):
    def logic(a, b, **rest):
        assert sorted(rest) == ["policy_message", "worker_state"]
        got.append(({"a": a, "b": b}, rest["policy_message"], rest["worker_state"]))

    return logic


def renamed_rest(got):
    def logic(slot_data, message, state):
        got.append((slot_data, message, state))

    return logic


def slot_data_and_star(got):
    def logic(slot_data, *rest):
        got.append((slot_data, *rest))

    return logic


def partial(got):
    def logic(target, slot_data, policy_message, worker_state):
        target.append((slot_data, policy_message, worker_state))

    return functools.partial(logic, got)


def partial_lists(got):
    def logic(target, a, b, policy_message, worker_state):
        target.append(({"a": a, "b": b}, policy_message, worker_state))

    return functools.partial(logic, got)


def async_partial(got):
    async def logic(target, slot_data, policy_message, worker_state):
        await asyncio.sleep(0)
        target.append((slot_data, policy_message, worker_state))

    return functools.partial(logic, got)


def async_wrapped(got):
    @functools.wraps(Bound(got).async_style)
    def wrapper(*args, **kwargs):
        return wrapper.__wrapped__(*args, **kwargs)

    return wrapper


def wrapped(got):
    @functools.wraps(slot_data_function(got))
    def wrapper(*args, **kwargs):
        return wrapper.__wrapped__(*args, **kwargs)

    return wrapper


def wrapped_lists(got):
    @functools.wraps(list_function(got))
    def wrapper(*args, **kwargs):
        return wrapper.__wrapped__(*args, **kwargs)

    return wrapper


STYLES = {
    "slot_data": slot_data_function,
    "slot_data, other names": renamed_rest,
    "slot_data, *rest": slot_data_and_star,
    "slot_data, bound method": lambda got: Bound(got).slot_data_style,
    "slot_data, object": SlotDataObject,
    "slot_data, partial": partial,
    "slot_data, wrapped": wrapped,
    "slot_data, async": lambda got: Bound(got).async_style,
    "slot_data, async object": AsyncObject,
    "slot_data, async partial": async_partial,
    "slot_data, async wrapped": async_wrapped,
    "lists": list_function,
    "lists, other names": list_function_with_other_names,
    "lists, *lists": star_lists,
    "lists, **rest": star_keywords,
    "lists, bound method": lambda got: Bound(got).list_style,
    "lists, object": ListObject,
    "lists, partial": partial_lists,
    "lists, wrapped": wrapped_lists,
    "lists, async": lambda got: Bound(got).async_list_style,
}


@pytest.mark.parametrize("style", STYLES)
def test_logic_gets_slot_data_policy_message_and_worker_state(run, style):
    got = []
    routine = two_slots()
    routine.set_logic(STYLES[style](got))
    job, worker = run(routine)
    assert str(job.error) == "None"
    assert job.status == "completed"
    ((items, message, state),) = got
    assert items == {"a": [1], "b": []}
    assert message["reason"] == "immediate"
    assert state.worker_id == worker.worker_id


def test_method_named_logic_gets_slot_data(run):
    class Work(Routine):
        def logic(self, slot_data, policy_message, worker_state):
            got.append((slot_data, policy_message["reason"]))

    got = []
    assert run(two_slots(Work))[0].status == "completed"
    assert got == [({"a": [1], "b": []}, "immediate")]


def test_method_named_logic_gets_lists(run):
    class Work(Routine):
        def logic(self, a, b, policy_message, worker_state):
            got.append((a, b, policy_message["reason"]))

    got = []
    assert run(two_slots(Work))[0].status == "completed"
    assert got == [([1], [], "immediate")]


def test_async_method_named_logic_runs(run):
    class Work(Routine):
        async def logic(self, slot_data, policy_message, worker_state):
            await asyncio.sleep(0)
            got.append(slot_data)

    got = []
    assert run(two_slots(Work))[0].status == "completed"
    assert got == [{"a": [1], "b": []}]


def test_set_logic_wins_over_a_method_named_logic(run):
    class Work(Routine):
        def logic(self, slot_data, policy_message, worker_state):
            got.append("method")

    got = []
    routine = two_slots(Work)
    routine.set_logic(lambda slot_data, *rest: got.append("set"))
    run(routine)
    assert got == ["set"]


def test_lists_come_in_the_order_of_the_slots(run):
    got = []
    routine = Routine()
    for name in ("z", "a", "m"):
        routine.add_slot(name)
    routine.set_activation_policy(immediate_policy())
    routine.set_logic(lambda one, two, three, **rest: got.append((one, two, three)))
    run(routine)
    assert got == [([], [1], [])]


@pytest.mark.parametrize("style", ["slot_data", "lists"])
def test_type_error_inside_logic_is_not_a_reason_to_call_again(run, style):
    tries = []

    def slot_data_style(slot_data, policy_message, worker_state):
        tries.append(slot_data)
        raise TypeError("logic() missing 1 required positional argument: 'b'")

    def list_style(a, b, policy_message, worker_state):
        tries.append(a)
        raise TypeError("logic() takes 3 positional arguments but 4 were given")

    routine = two_slots()
    routine.set_logic(slot_data_style if style == "slot_data" else list_style)
    job, _ = run(routine)
    assert (job.status, job.error.type, len(tries)) == ("failed", "TypeError", 1)


def test_style_is_recognised_from_the_signature_never_at_run_time(
    runtime, make_flow, finish
):
    got = []

    def logic(slot_data, policy_message, worker_state):
        got.append("not this one")

    def swapped(*args, **kwargs):
        got.append((len(args), sorted(kwargs)))

    routine = two_slots()
    routine.set_logic(logic)
    flow = make_flow({"work": routine})
    runtime.exec(flow)
    logic.__code__ = swapped.__code__
    runtime.post(flow.flow_id, "work", "a", 1)
    finish(runtime)
    assert got == [(3, [])]


@pytest.mark.parametrize("wrong", [None, 3, "logic", {}])
def test_logic_that_is_no_callable_is_a_type_error(wrong):
    with pytest.raises(TypeError):
        Routine().set_logic(wrong)


def test_async_logic_is_awaited_before_its_job_completes(run):
    done = []

    async def logic(slot_data, policy_message, worker_state):
        for _ in range(10):
            await asyncio.sleep(0)
        done.append(1)

    routine = two_slots()
    routine.set_logic(logic)
    job, _ = run(routine)
    assert (job.status, done) == ("completed", [1])


def test_async_logic_that_raises_fails_its_job(run):
    async def logic(slot_data, policy_message, worker_state):
        await asyncio.sleep(0)
        raise LookupError("later")

    routine = two_slots()
    routine.set_logic(logic)
    job, _ = run(routine)
    assert (job.status, str(job.error)) == ("failed", "LookupError: later")


def test_async_logic_runs_one_activation_at_a_time_in_order(
    runtime, make_flow, finish, peak
):
    got = []

    async def logic(slot_data, policy_message, worker_state):
        with peak:
            await asyncio.sleep(0)
            got.extend(slot_data["a"])

    routine = two_slots()
    routine.set_logic(logic)
    flow = make_flow({"work": routine})
    runtime.exec(flow)
    for number in range(100):
        runtime.post(flow.flow_id, "work", "a", number)
    finish(runtime)
    assert got == list(range(100))
    assert peak.most == 1


def test_slot_data_belongs_to_its_activation(runtime, make_flow, finish):
    got = []

    def logic(slot_data, policy_message, worker_state):
        got.append({name: list(items) for name, items in slot_data.items()})
        slot_data["a"].append("scribble")
        slot_data["more"] = 1

    routine = two_slots()
    routine.set_logic(logic)
    flow = make_flow({"work": routine})
    runtime.exec(flow)
    for number in range(3):
        runtime.post(flow.flow_id, "work", "a", number)
    finish(runtime)
    assert got == [{"a": [n], "b": []} for n in range(3)]


def test_coroutine_that_plain_logic_returns_is_run(runtime, solo, calls, finish):
    async def note(items):
        await asyncio.sleep(0)
        calls.extend(items)

    def logic(slot_data, policy_message, worker_state):
        items = slot_data["input"]
        return None if items[0] % 3 else note(items)

    flow = solo(logic)
    runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "work", "input", n)[1] for n in range(20)]
    finish(runtime)
    assert calls == [0, 3, 6, 9, 12, 15, 18]
    assert {job.status for job in jobs} == {"completed"}
