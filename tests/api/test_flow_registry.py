"""`FlowRegistry`: weak by id, strong by name."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest

import routilux
from routilux import Flow, FlowRegistry
from routilux.monitoring import flow_registry


@pytest.fixture
def registry() -> FlowRegistry:
    return FlowRegistry()


def test_get_instance_is_one_for_the_process() -> None:
    one = FlowRegistry.get_instance()
    assert one is FlowRegistry.get_instance() is flow_registry.get_flow_registry()
    assert FlowRegistry is flow_registry.FlowRegistry is routilux.FlowRegistry


def test_new_flow_registers_itself_by_id() -> None:
    flow = Flow("registry_self")
    shared = FlowRegistry.get_instance()
    assert shared.get("registry_self") is shared.find("registry_self") is flow
    assert flow in shared.list_all()


def test_registry_keeps_no_flow_alive_by_id() -> None:
    gone = weakref.ref(Flow("registry_gone"))
    gc.collect()
    assert gone() is None
    assert FlowRegistry.get_instance().get("registry_gone") is None


def test_flow_without_other_users_ends_without_the_collector() -> None:
    gc.disable()
    try:
        gone = weakref.ref(Flow("registry_refcount"))
        assert gone() is None
    finally:
        gc.enable()


def test_newest_flow_has_the_id(registry: FlowRegistry) -> None:
    old, new = Flow("same"), Flow("same")
    registry.register(old)
    registry.register(new)
    assert registry.get("same") is new
    del old
    gc.collect()
    assert registry.get("same") is new


def test_name_keeps_its_flow_alive(registry: FlowRegistry) -> None:
    flow = Flow()
    registry.register_by_name("name", flow)
    there = weakref.ref(flow)
    del flow
    gc.collect()
    assert there() is not None
    assert registry.get_by_name("name") is there()
    assert registry.unregister_by_name("name") is True
    gc.collect()
    assert there() is None


def test_name_of_another_flow_is_refused(registry: FlowRegistry) -> None:
    first, second = Flow("first"), Flow("second")
    registry.register_by_name("x", first)
    with pytest.raises(ValueError, match=r"^Flow name 'x' is already registered"):
        registry.register_by_name("x", second)
    assert registry.get_by_name("x") is first
    assert registry.get("second") is None


def test_same_flow_takes_a_name_twice_and_two_names(registry: FlowRegistry) -> None:
    flow = Flow()
    for name in ("a", "a", "b"):
        registry.register_by_name(name, flow)
    assert registry.get_by_name("a") is registry.get_by_name("b") is flow
    assert registry.list_all() == [flow]


def test_unregister_of_an_unknown_name_is_false(registry: FlowRegistry) -> None:
    assert registry.unregister_by_name("nobody") is False


def test_find_takes_a_name_before_an_id(registry: FlowRegistry) -> None:
    by_id, by_name = Flow("both"), Flow()
    registry.register(by_id)
    assert registry.find("both") is by_id
    registry.register_by_name("both", by_name)
    assert registry.find("both") is by_name
    assert registry.find("neither") is None


def test_near_looks_at_names_and_ids(registry: FlowRegistry) -> None:
    flow, other = Flow("order_flow"), Flow("zzz")
    registry.register(flow)
    registry.register_by_name("ORDERS_FLOW", other)
    assert sorted(registry.near("oders_flow")) == ["ORDERS_FLOW", "order_flow"]
    assert registry.near("123456") == []


def test_clear_forgets_names_and_ids(registry: FlowRegistry) -> None:
    flow = Flow("kept")
    registry.register_by_name("name", flow)
    registry.clear()
    assert registry.list_all() == []
    assert registry.find("kept") is registry.find("name") is None


@pytest.mark.parametrize("wrong", [None, "flow", Flow, object()])
def test_only_flows_are_registered(registry: FlowRegistry, wrong: Any) -> None:
    with pytest.raises(TypeError, match="Expected a Flow"):
        registry.register(wrong)
    with pytest.raises(TypeError, match="Expected a Flow"):
        registry.register_by_name("x", wrong)
    assert registry.get_by_name("x") is None


def test_name_must_be_a_str_with_letters(registry: FlowRegistry) -> None:
    wrong: Any = 1
    with pytest.raises(TypeError, match="must be a str, not int"):
        registry.register_by_name(wrong, Flow())
    with pytest.raises(ValueError, match="must not be empty"):
        registry.register_by_name("", Flow())


def test_flow_that_ends_may_use_the_registry(registry: FlowRegistry) -> None:
    seen = []

    class Last(Flow):
        def __del__(self) -> None:
            seen.append(registry.list_all())

    registry.register_by_name("last", Last())
    registry.clear()
    gc.collect()
    assert seen == [[]]


def test_one_of_many_threads_gets_the_name(registry: FlowRegistry) -> None:
    flows = [Flow() for _ in range(8)]
    start = threading.Barrier(len(flows))
    refused = []

    def register(flow: Flow) -> None:
        start.wait(10)
        try:
            registry.register_by_name("contested", flow)
        except ValueError:
            refused.append(flow)

    threads = [threading.Thread(target=register, args=(flow,)) for flow in flows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(refused) == len(flows) - 1
    assert registry.get_by_name("contested") not in refused
