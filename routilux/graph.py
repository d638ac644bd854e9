"""The shape of a flow: its connections, and the order that follows from them.

`Flow.connect` makes the connections. When a worker starts, `Flow` asks for the rank
of each routine, its distance from the sources; the core takes what lies downstream
first, so that a flow drains before it fills. Cycles are legal and rank as one.
`build_plan` then writes the shape down as the core wants it, names as indexes.

A connection never changes; to disconnect, it goes back to its flow and that lock.
The functions here depend on their arguments alone and take no lock. They promise
linear time and no recursion: a chain of any depth is ranked.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from routilux._core import Event, Plan, Slot, get_current_worker_state
from routilux.arguments import check_type
from routilux.error_handler import ErrorHandler
from routilux.serialization.serializable import Serializable

if TYPE_CHECKING:
    from routilux.flow import Flow
    from routilux.routine import Routine

__all__ = ["Connection", "build_plan", "topological_ranks"]


class Connection(Serializable):
    """A way from an event of one routine to a slot of another, within a flow.

    `Flow.connect` makes it. Each item that is emitted through the event goes
    once over each of its connections. One that is made by hand only notes that
    the two belong together: no item goes over it.

    Thread-safety: its fields never change; `disconnect` may be called from any
    thread.

    Attributes:
        source_routine_id: Id of the routine that emits.
        source_event: The event.
        target_routine_id: Id of the routine that receives.
        target_slot: The slot.
        source_event_name: Name of the event.
        target_slot_name: Name of the slot.
        key: The four names, as given to `Flow.connect`.

    Example:
        >>> connection = flow.connect("reader", "output", "parser", "input")
        >>> connection
        <Connection reader.output -> parser.input>
    """

    __slots__ = (
        "__weakref__",
        "_flow",
        "key",
        "source_event",
        "source_event_name",
        "source_routine_id",
        "target_routine_id",
        "target_slot",
        "target_slot_name",
    )

    def __init__(
        self,
        source_event: Event,
        target_slot: Slot,
        *,
        flow: Flow | None = None,
        key: tuple[str, str, str, str] | None = None,
    ) -> None:
        check_type("source_event", source_event, Event)
        check_type("target_slot", target_slot, Slot)
        if flow is not None and not hasattr(flow, "_disconnect"):
            raise TypeError(f"flow must be a Flow, not {flow!r}")
        if key is not None and not (isinstance(key, tuple) and len(key) == 4):
            raise TypeError(f"key must be a tuple of four names, not {key!r}")
        # Weak: a flow holds its connections, and should end without the collector.
        self._flow = None if flow is None else weakref.ref(flow)
        if key is None:
            source = getattr(source_event.routine, "_id", "")
            target = getattr(target_slot.routine, "_id", "")
            key = (source, source_event.name, target, target_slot.name)
        self.key = key
        self.source_routine_id, self.source_event_name = key[:2]
        self.target_routine_id, self.target_slot_name = key[2:]
        self.source_event = source_event
        self.target_slot = target_slot
        target_slot.connect(source_event)

    def disconnect(self) -> None:
        """Take the connection out of its flow; does nothing the second time.

        Raises:
            RuntimeError: If a worker runs the flow.
        """
        flow = None if self._flow is None else self._flow()
        if flow is not None:
            flow._disconnect(self)
        self.target_slot.disconnect(self.source_event)

    def __repr__(self) -> str:
        source = f"{self.source_routine_id}.{self.source_event_name}"
        target = f"{self.target_routine_id}.{self.target_slot_name}"
        return f"<Connection {source} -> {target}>"


def topological_ranks(count: int, edges: Iterable[tuple[int, int]]) -> list[int]:
    """Give each node its longest distance from the sources.

    The nodes of a cycle count as one node and share its rank, so that every
    edge leads to a higher rank or stays inside a cycle.

    Args:
        count: Number of nodes; they are 0 to count - 1.
        edges: Pairs of source and target, in any order, repeats allowed.

    Returns:
        The rank of each node, 0 for sources.

    Example:
        >>> topological_ranks(4, [(0, 1), (1, 2), (2, 1), (2, 3)])
        [0, 1, 1, 2]
    """
    targets: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        targets[source].append(target)
    component, order = _components(targets)
    rank = [0] * len(order)
    # A component is closed before those that lead to it, so the reverse is
    # an order in which every component comes before its targets.
    for number in range(len(order) - 1, -1, -1):
        farther = rank[number] + 1
        for node in order[number]:
            for target in targets[node]:
                other = component[target]
                if other != number and rank[other] < farther:
                    rank[other] = farther
    return [rank[number] for number in component]


# Tarjan's algorithm with the call stack kept in two lists. Returns the component of
# each node, and the members of each component in the order in which they closed.
def _components(targets: list[list[int]]) -> tuple[list[int], list[list[int]]]:
    component = [-1] * len(targets)
    members: list[list[int]] = []
    visit = [0] * len(targets)  # 0: not seen yet
    low = [0] * len(targets)  # earliest visit that is reachable and still open
    visits = 0
    still_open: list[int] = []
    path: list[int] = []
    pending: list[Iterator[int]] = []
    for root in range(len(targets)):
        entered = -1 if visit[root] else root
        while path or entered >= 0:
            if entered >= 0:
                visits += 1
                visit[entered] = low[entered] = visits
                still_open.append(entered)
                path.append(entered)
                pending.append(iter(targets[entered]))
                entered = -1
            node = path[-1]
            for target in pending[-1]:
                if not visit[target]:
                    entered = target
                    break
                if component[target] < 0 and visit[target] < low[node]:
                    low[node] = visit[target]
            else:
                path.pop()
                pending.pop()
                if path and low[node] < low[path[-1]]:
                    low[path[-1]] = low[node]
                if low[node] == visit[node]:
                    members.append(_close(node, len(members), still_open, component))
    return component, members


def _close(
    node: int, number: int, still_open: list[int], component: list[int]
) -> list[int]:
    group = []
    while component[node] < 0:
        member = still_open.pop()
        component[member] = number
        group.append(member)
    return group


class AskedHandler:
    """What the core asks for a handler whose class overrides `handle_error`."""

    def __init__(
        self, handler: ErrorHandler, routine_id: str, routine: Routine
    ) -> None:
        self.handler = handler
        self.routine_id = routine_id
        self.routine = routine

    def decide(self, error: BaseException, failures: int) -> tuple[str, float]:
        """Answer as `ErrorHandler.decide` does: True goes on, False is "stop"."""
        verdict = self.handler.strategy.value
        if not isinstance(error, Exception):
            return "stop", 0.0
        if verdict == "retry" and failures > self.handler.max_retries:
            return "stop", 0.0
        worker = get_current_worker_state()
        goes_on = self.handler.handle_error(
            error,
            self.routine,
            self.routine_id,
            None if worker is None else worker.flow,
            worker,
        )
        if not goes_on:
            return "stop", 0.0
        return (verdict if verdict in ("skip", "retry") else "continue"), 0.0


def asked(
    handler: ErrorHandler | None, routine_id: str, routine: Routine
) -> ErrorHandler | AskedHandler | None:
    """Return what the core asks about the errors of a routine."""
    own = ErrorHandler.handle_error
    if handler is None or getattr(type(handler), "handle_error", own) is own:
        return handler
    return AskedHandler(handler, routine_id, routine)


def build_plan(
    flow_id: str,
    routines: Mapping[str, Routine],
    connections: Sequence[Connection],
    ranks: list[int] | None,
    error_handler: ErrorHandler | None,
    dead_letter: tuple[str, str] | None,
) -> tuple[Plan, list[int]]:
    """Write down a flow as the core runs it.

    Args:
        flow_id: Id of the flow.
        routines: Its routines by id.
        connections: Its connections, in connect order.
        ranks: The ranks of an earlier plan of the same shape, or None.
        error_handler: Handler for routines that have none of their own.
        dead_letter: Routine and slot of the dead letters, or None.

    Returns:
        The plan, and the ranks for the next one.
    """
    index = {routine_id: number for number, routine_id in enumerate(routines)}
    edges = [
        (index[source], event, index[target], slot)
        for source, event, target, slot in (item.key for item in connections)
    ]
    if ranks is None:
        pairs = ((source, target) for source, _, target, _ in edges)
        ranks = topological_ranks(len(index), pairs)
    handlers = []
    for routine_id, routine in routines.items():
        handler = routine._error_handler
        handler = error_handler if handler is None else handler
        handlers.append(asked(handler, routine_id, routine))
    pairs_of = list(routines.items())
    return Plan(flow_id, pairs_of, edges, ranks, handlers, dead_letter), ranks
