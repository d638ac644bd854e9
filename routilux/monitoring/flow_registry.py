"""The register of flows: names and ids to flows.

The one global of routilux. Each `Flow` enters itself under its id when it is made,
weakly, so that the register keeps no flow alive; `register_by_name` holds a flow
strongly until it is unregistered. `Runtime.exec` and `Runtime.post` ask `find` for
a flow given as a str, and `near` for the text when there is none.

Any thread may call any method. One reentrant lock guards both tables and is held
for single dict operations only. Flows that leave a table die after the lock was
let go, since their `__del__` is user code.

It promises that a name stands for one flow until it is unregistered, and that an id
stands for the newest flow made with it.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

from routilux.arguments import check_type
from routilux.errors import near_names

if TYPE_CHECKING:
    from routilux.flow import Flow

__all__ = ["FlowRegistry", "get_flow_registry"]


class FlowRegistry:
    """Find flows by name or by id.

    Use `get_instance()`: the register that `Runtime` looks in. A register made
    by the constructor is a separate one, for tests.

    Thread-safety: every method may be called from any thread.

    Example:
        >>> registry = FlowRegistry.get_instance()
        >>> registry.register_by_name("orders", flow)
        >>> runtime.exec("orders")
    """

    def __init__(self) -> None:
        # Reentrant: garbage collection may run a finaliser that comes back here.
        self._lock = threading.RLock()
        self._by_id: weakref.WeakValueDictionary[str, Flow] = (
            weakref.WeakValueDictionary()
        )
        self._by_name: dict[str, Flow] = {}

    # Tests of older programs set it to None to begin with an empty register.
    _instance: FlowRegistry | None = None

    @classmethod
    def get_instance(cls) -> FlowRegistry:
        """Return the register that all runtimes of this process share."""
        found = FlowRegistry._instance
        if found is None:
            with _LOCK:
                found = FlowRegistry._instance
                if found is None:
                    found = FlowRegistry()
                FlowRegistry._instance = found
        return found

    def register(self, flow: Flow) -> None:
        """Enter a flow weakly under its id; the constructor of `Flow` does it.

        Args:
            flow: The flow; it takes the place of an earlier one with its id.

        Raises:
            TypeError: If it is not a `Flow`.
        """
        flow_id = _id_of(flow)
        with self._lock:
            self._by_id[flow_id] = flow

    def get(self, flow_id: str) -> Flow | None:
        """Return the flow with an id, or None.

        Args:
            flow_id: Id of the flow.
        """
        with self._lock:
            return self._by_id.get(flow_id)

    def list_all(self) -> list[Flow]:
        """Return every flow that is registered and alive, each once."""
        with self._lock:
            flows = [*self._by_id.values(), *self._by_name.values()]
        return list({id(flow): flow for flow in flows}.values())

    def register_by_name(self, name: str, flow: Flow) -> None:
        """Give a flow a name, and keep the flow alive while it has the name.

        The same flow under the same name again is fine, and one flow may have
        several names.

        Args:
            name: The name for `Runtime.exec` and `Runtime.post`.
            flow: The flow.

        Raises:
            TypeError: If the name is not a str, or the flow not a `Flow`.
            ValueError: If the name is empty, or belongs to another flow.
        """
        if not isinstance(name, str):
            raise TypeError(f"Flow name must be a str, not {type(name).__name__}")
        if not name:
            raise ValueError("Flow name must not be empty")
        flow_id = _id_of(flow)
        with self._lock:
            known = self._by_name.setdefault(name, flow)
            if known is flow:
                self._by_id.setdefault(flow_id, flow)
        if known is not flow:
            raise ValueError(
                f"Flow name {name!r} is already registered for another flow, "
                f"{known.flow_id!r}; call unregister_by_name({name!r}) first"
            )

    def get_by_name(self, name: str) -> Flow | None:
        """Return the flow with a name, or None.

        Args:
            name: A name given with `register_by_name`.
        """
        with self._lock:
            return self._by_name.get(name)

    def unregister_by_name(self, name: str) -> bool:
        """Take a name away; the flow stays findable by id while it is alive.

        Args:
            name: A name given with `register_by_name`.

        Returns:
            True if the name was registered.
        """
        with self._lock:
            flow = self._by_name.pop(name, None)
        return flow is not None

    def clear(self) -> None:
        """Forget all names and all ids. Running workers are not touched."""
        with self._lock:
            # `flows` keeps them alive until the lock is free.
            flows = [*self._by_id.values(), *self._by_name.values()]
            self._by_name.clear()
            self._by_id.clear()
        del flows

    def find(self, name_or_id: str) -> Flow | None:
        """Return the flow with a name or, failing that, with an id; else None.

        Args:
            name_or_id: Name or id of the flow.
        """
        with self._lock:
            flow = self._by_name.get(name_or_id)
            return self._by_id.get(name_or_id) if flow is None else flow

    def near(self, name: str) -> list[str]:
        """Return names and ids of flows that a mistyped one may have meant.

        Args:
            name: The name that was not found.

        Returns:
            At most three, nearest first.
        """
        check_type("name", name, str)
        with self._lock:
            # Pairs, not keys: a flow that ends here dies after the lock.
            pairs = list(self._by_id.items())
            names = list(self._by_name)
        return near_names(name, [*names, *(flow_id for flow_id, _ in pairs)])


def _id_of(flow: object) -> str:
    # Not isinstance: importing Flow here would go round in a circle.
    flow_id = getattr(flow, "flow_id", None)
    if not isinstance(flow_id, str):
        raise TypeError(f"Expected a Flow, not {type(flow).__name__}")
    return flow_id


_LOCK = threading.Lock()


def get_flow_registry() -> FlowRegistry:
    """Return the register that all runtimes of this process share."""
    return FlowRegistry.get_instance()
