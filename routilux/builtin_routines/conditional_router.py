"""ConditionalRouter: sends each item the way that its data asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from routilux.builtin_routines.conditions import Condition, compile_condition
from routilux.builtin_routines.configured import ConfiguredRoutine
from routilux.builtin_routines.settings import (
    Setting,
    Settings,
    choice,
    optional,
    text,
    wrong,
)
from routilux.context import get_current_routine_id
from routilux.errors import ConfigurationError

if TYPE_CHECKING:
    from typing_extensions import Self

    from routilux.worker import WorkerState

__all__ = ["ConditionalRouter"]

OUTPUT = "output"


def check_routes(label: str, value: Any) -> list[tuple[str, Any]]:
    """Accept `[(name, condition), ...]`, or a dict of them."""
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    if isinstance(pairs, str) or not isinstance(pairs, Sequence):
        raise wrong(label, "a list of (name, condition)", value)
    routes: list[tuple[str, Any]] = []
    for pair in pairs:
        if isinstance(pair, Mapping) and {"name", "condition"} == set(pair):
            pair = (pair["name"], pair["condition"])
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise wrong(f"each route in {label}", "(name, condition)", pair)
        name = text(f"each name in {label}", pair[0])
        if name == OUTPUT or name in dict(routes):
            raise ConfigurationError(
                f"{label}: the name {name!r} is taken: names are events of the router,"
                f" each different, and {OUTPUT!r} has all of them"
            )
        routes.append((name, pair[1]))
    return routes


class ConditionalRouter(ConfiguredRoutine):
    """Send each item through the event of the route whose condition it meets.

    Slot `input`. An event with the name of each route, and `output` for all routes
    together, both with (data, route). What meets no condition takes the default route;
    without one it leaves through `output` alone, with the route None.

    Configuration:
        routes: `[(name, condition), ...]`, in the order in which they are tried. A
            condition is a callable, an expression over `data`, `config` and `stats`, a
            dict of fields, or a list of these that must all hold.
        default_route: Name of the route for the rest, default None.
        route_priority: "first_match" (one route an item), or "all_matches".

    Any other key is a constant that expressions find in `config`. `stats` counts, in
    the state of the worker: `total`, `unmatched`, and `routes` by name.

    Example:
        >>> router = ConditionalRouter()
        >>> router.set_config(routes=[("big", "data['size'] > 100")])
        >>> router.add_route("urgent", {"priority": "high"}).get_event("urgent")
        <Event 'urgent'>
    """

    settings: ClassVar[Settings] = {
        "routes": Setting([], check_routes),
        "default_route": Setting(None, optional(text)),
        "route_priority": Setting("first_match", choice("first_match", "all_matches")),
    }
    expression_keys: ClassVar[tuple[str, ...]] = ("routes",)
    takes_constants: ClassVar[bool] = True

    _conditions: list[tuple[str, Condition]]

    def _build_ports(self) -> None:
        self.add_slot("input")
        self.add_event(OUTPUT, ["data", "route"])
        self._bring_immediate()

    def _derive(self, config: dict[str, Any]) -> list[tuple[str, Condition]]:
        label = "ConditionalRouter: config 'routes': the condition of"
        return [
            (name, compile_condition(f"{label} {name!r}", rule))
            for name, rule in config["routes"]
        ]

    def _apply(self, config: dict[str, Any], derived: Any) -> None:
        self._conditions = derived
        names = [name for name, _ in derived]
        if config["default_route"] not in (None, OUTPUT):
            names.append(config["default_route"])
        for name in names:
            if name not in self._events:
                self.add_event(name, ["data", "route"])

    def add_route(self, name: str, condition: Any) -> Self:
        """Add a route behind the others, or replace one; returns the routine."""
        routes = [pair for pair in self._config["routes"] if pair[0] != name]
        self.set_config(routes=[*routes, (name, condition)])
        return self

    def get_stats(self, worker_state: WorkerState | None = None) -> dict[str, Any]:
        """Return the counts of a worker; of all of them when there is no telling."""
        total: dict[str, Any] = {"total": 0, "unmatched": 0, "routes": {}}
        for worker, routine_id in self._targets(worker_state):
            stats = stats_of(worker.get_routine_state(routine_id))
            total["total"] += stats["total"]
            total["unmatched"] += stats["unmatched"]
            for name, count in stats["routes"].items():
                total["routes"][name] = total["routes"].get(name, 0) + count
        return total

    def handle(self, data: Any, worker_state: WorkerState) -> None:
        """Find the routes of an item, count them, and emit."""
        routine_id = get_current_routine_id() or ""
        taken = self._find(data, stats_of(worker_state.get_routine_state(routine_id)))
        worker_state.update_routine_state_with(
            routine_id, lambda state: counted(state, taken)
        )
        for route in taken:
            if route != OUTPUT:
                self.emit(route, data=data, route=route)
            self.emit(OUTPUT, data=data, route=route)
        if not taken:
            self.emit(OUTPUT, data=data, route=None)

    def _find(self, data: Any, stats: Mapping[str, Any]) -> list[str]:
        config = self._config
        taken = []
        for name, condition in self._conditions:
            if condition.test(data, config, stats):
                taken.append(name)
                if config["route_priority"] == "first_match":
                    break
        if not taken and config["default_route"] is not None:
            taken.append(config["default_route"])
        return taken


def stats_of(state: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the counts in a routine state."""
    return {
        "total": 0,
        "unmatched": 0,
        "routes": {},
        **((state or {}).get("stats", {})),
    }


def counted(state: dict[str, Any], taken: list[str]) -> dict[str, Any]:
    """Return a routine state in which an item more is counted."""
    stats = stats_of(state)
    routes = dict(stats["routes"])
    for name in taken:
        routes[name] = routes.get(name, 0) + 1
    return {
        **state,
        "stats": {
            "total": stats["total"] + 1,
            "unmatched": stats["unmatched"] + (not taken),
            "routes": routes,
        },
    }
