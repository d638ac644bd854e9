"""From a spec to a flow; see `spec` for what a spec is.

A class in a spec is a name of the factory or "module:Class"; the latter imports that
module, so load only specs that you would run as code, or forbid it with `imports`. A
flow is returned whole or not at all.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from routilux.builtin_routines.retries import check_classes
from routilux.checks import check_timeout
from routilux.error_handler import ErrorHandler
from routilux.errors import ConfigurationError, name_hint
from routilux.flow import Flow
from routilux.functions import FunctionRoutine
from routilux.references import is_reference, load_reference, no_imports
from routilux.routine import Routine
from routilux.tools.dsl.ports import load_ports, two_names
from routilux.tools.dsl.spec import (
    FLOW_KEYS,
    HANDLER_KEYS,
    POLICIES,
    ROUTINE_KEYS,
    check_keys,
    expect,
    guard,
    part_of,
)
from routilux.tools.factory.cloning import make_routine

if TYPE_CHECKING:
    from routilux.tools.factory.factory import ObjectFactory

__all__ = ["load_flow_from_spec", "parse_spec"]

CONFIG_KEY = "a name (YAML reads on, off, yes and no as true and false: quote them)"


def load_flow_from_spec(
    spec: Mapping[str, Any],
    factory: ObjectFactory | None = None,
    *,
    imports: bool = True,
) -> Flow:
    """Build a flow from a spec.

    Args:
        spec: A dict with `routines`, and any of `flow_id`, `connections`,
            `execution` and `error_handler`.
        factory: Where names of classes are looked up; None for the global one.
        imports: Whether "module:name" is allowed. Without it, a spec makes nothing but
            what the factory has.

    Raises:
        ConfigurationError: Something in it is wrong; the message names the place.

    Example:
        >>> flow = load_flow_from_spec({"routines": {"all": {"class": "filter"}}})
        >>> list(flow.routines)
        ['all']
    """
    with nullcontext() if imports else no_imports():
        return Loader(factory).load(spec)


def parse_spec(spec: Mapping[str, Any]) -> Flow:
    """Build a flow from a spec; the old name of `load_flow_from_spec`."""
    warnings.warn(
        "parse_spec() is the old name of load_flow_from_spec()",
        DeprecationWarning,
        stacklevel=2,
    )
    return load_flow_from_spec(spec)


class Loader:
    """Builds one flow; knows where names are looked up."""

    def __init__(self, factory: ObjectFactory | None) -> None:
        if factory is None:
            from routilux.tools.factory.factory import ObjectFactory

            factory = ObjectFactory.get_instance()
        self.factory = factory

    def load(self, spec: Any) -> Flow:
        """Build the flow."""
        if isinstance(spec, str):
            raise ConfigurationError(
                f"the flow must be a mapping, not the text {spec[:50]!r}; if that is a"
                " path, read the file first"
            )
        spec = check_keys("the flow", spec, FLOW_KEYS)
        execution = check_keys(
            "execution", part_of(spec, "execution", {}), ("timeout",)
        )
        timeout = execution.get("timeout")
        guard("execution.timeout", check_timeout, timeout)
        flow: Flow = guard("flow_id", Flow, spec.get("flow_id"), timeout)
        routines = part_of(spec, "routines", {})
        expect("routines", routines, Mapping, "a mapping of id to routine")
        for routine_id, part in routines.items():
            where = f"routines.{routine_id}"
            expect(where, routine_id, str, "a name")
            guard(where, flow.add_routine, self.routine(where, part), routine_id)
        connections = part_of(spec, "connections", [])
        expect("connections", connections, list, "a list")
        for number, part in enumerate(connections):
            where = f"connections[{number}]"
            guard(where, flow.connect, *self.ends(where, part, flow))
        if spec.get("error_handler") is not None:
            flow.set_error_handler(self.handler("error_handler", spec["error_handler"]))
        if spec.get("dead_letter") is not None:
            names = two_names("dead_letter", spec["dead_letter"], flow, "slot")
            guard("dead_letter", flow.set_dead_letter, *names)
        return flow

    def routine(self, where: str, part: Any) -> Routine:
        """Build a routine."""
        if isinstance(part, str):
            part = {"class": part}
        part = check_keys(where, part, ROUTINE_KEYS)
        made = self.instance(where, part.get("class"))
        load_ports(where, made, part)
        config = part_of(part, "config", {})
        expect(f"{where}.config", config, Mapping, "a mapping")
        for key in config:
            expect(f"each key in {where}.config", key, str, CONFIG_KEY)
        if config:
            guard(f"{where}.config", made.set_config, **config)
        if part.get("policy") is not None:
            policy = self.policy(f"{where}.policy", part["policy"])
            guard(f"{where}.policy", made.set_activation_policy, policy)
        if part.get("logic") is not None:
            logic = self.found(f"{where}.logic", part["logic"])
            guard(f"{where}.logic", made.set_logic, logic)
        if part.get("error_handler") is not None:
            at = f"{where}.error_handler"
            made.set_error_handler(self.handler(at, part["error_handler"]))
        if "concurrency" in part:
            self.concurrency(f"{where}.concurrency", made, part["concurrency"])
        if "timeout" in part:
            guard(f"{where}.timeout", made.set_timeout, part["timeout"])
        return made

    def instance(self, where: str, name: Any) -> Routine:
        """Make a routine of the class that a name means."""
        at = f"{where}.class"
        if name is None:
            raise ConfigurationError(f"{where} lacks the key 'class'")
        expect(at, name, str, 'a name of the factory or "module:Class"')
        if not is_reference(name):
            made = guard(at, self.factory.create, name)
        else:
            found = self.found(at, name)
            if isinstance(found, type) and issubclass(found, Routine):
                made = guard(at, make_routine, found)
            elif callable(found) and not isinstance(found, type):
                made = FunctionRoutine(found)
            else:
                raise ConfigurationError(
                    f"{at}: {name!r} is neither a class of routines nor a function"
                )
        expect(at, made, Routine, "a routine")
        routine: Routine = made
        return routine

    def policy(self, where: str, part: Any) -> Any:
        """Make a policy."""
        if isinstance(part, str) and is_reference(part):
            return self.found(where, part)
        if isinstance(part, str):
            part = {"type": part}
        expect(where, part, Mapping, "the name of a policy, or a mapping")
        options = dict(part)
        name = options.pop("type", None)
        if not isinstance(name, str) or name not in POLICIES:
            hint = name_hint(str(name), POLICIES, "policies")
            raise ConfigurationError(f"{where}: there is no policy {name!r}. {hint}")
        factory, allowed = POLICIES[name]
        check_keys(where, options, allowed)
        if allowed and allowed[0] not in options:
            raise ConfigurationError(f"{where}: policy {name!r} lacks {allowed[0]!r}")
        if "check" in options:
            options["check"] = self.found(f"{where}.check", options["check"])
        return guard(where, factory, **options)

    def concurrency(self, where: str, made: Routine, part: Any) -> None:
        """Set how activations may overlap: a number, or one and a key."""
        if not isinstance(part, Mapping):
            part = {"n": part}
        check_keys(where, part, ("n", "key"))
        key = part.get("key")
        if is_reference(key):
            key = self.found(f"{where}.key", key)
        guard(where, made.set_concurrency, part.get("n"), key=key)

    def handler(self, where: str, part: Any) -> ErrorHandler:
        """Make an error handler; what is left out has its default."""
        if isinstance(part, str):
            part = {"strategy": part}
        given = {
            key: value
            for key, value in check_keys(where, part, HANDLER_KEYS).items()
            if value is not None
        }
        if "retryable_exceptions" in given:
            at = f"{where}.retryable_exceptions"
            given["retryable_exceptions"] = check_classes(
                at, given["retryable_exceptions"]
            )
        made: ErrorHandler = guard(where, ErrorHandler, **given)
        return made

    def ends(self, where: str, part: Any, flow: Flow) -> tuple[str, str, str, str]:
        """Return the four names of a connection."""
        if isinstance(part, str) and "->" in part:
            source, _, target = part.partition("->")
            part = {"from": source.strip(), "to": target.strip()}
        part = check_keys(where, part, ("from", "to"))
        names: list[str] = []
        for key, port in (("from", "event"), ("to", "slot")):
            names += two_names(f"{where}.{key}", part.get(key), flow, port)
        return names[0], names[1], names[2], names[3]

    def found(self, where: str, reference: Any) -> Any:
        """Return what a reference names."""
        if not is_reference(reference):
            raise ConfigurationError(
                f'{where} must be "module:name", not {reference!r}'
            )
        return guard(where, load_reference, reference)
