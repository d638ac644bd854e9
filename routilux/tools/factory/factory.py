"""ObjectFactory: names for routines and flows, for files and users to ask by.

An entry is a class, of which each `create` makes an object, or an object, of which it
makes a clone. Any thread may call any method: a lock guards the table of entries, and
no code of the user runs while it is held.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

from routilux.errors import name_hint
from routilux.flow import Flow
from routilux.routine import Routine
from routilux.tools.factory.cloning import clone_flow, clone_routine, make_routine
from routilux.tools.factory.metadata import ObjectMetadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from routilux.routine import ActivationPolicy

__all__ = ["ObjectFactory"]

Prototype: TypeAlias = "type[Routine] | type[Flow] | Routine | Flow"


class Entry(NamedTuple):
    """A name's prototype and what is known about it."""

    prototype: Prototype
    metadata: ObjectMetadata

    @property
    def cls(self) -> type[Routine] | type[Flow]:
        """The class of what the entry makes."""
        kind = self.prototype
        return kind if isinstance(kind, type) else type(kind)

    @property
    def object_type(self) -> str:
        """Either "routine" or "flow"."""
        return "flow" if issubclass(self.cls, Flow) else "routine"


class ObjectFactory:
    """Makes routines and flows by name.

    `get_instance()` is the one that flow files use; it has the built-in routines from
    the start. A factory of your own is empty.

    Thread-safety: every method may be called from any thread.

    Example:
        >>> factory = ObjectFactory.get_instance()
        >>> factory.create("batcher", {"batch_size": 10})
        <Batcher 0x7f0e4c1b2a90>
    """

    _instance: ClassVar[ObjectFactory | None] = None
    _guard: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}

    @classmethod
    def get_instance(cls) -> ObjectFactory:
        """Return the process-wide factory."""
        with cls._guard:
            if cls._instance is not None:
                return cls._instance
        from routilux.builtin_routines import register_all_builtins

        made = cls()
        register_all_builtins(made)
        with cls._guard:
            if cls._instance is None:
                cls._instance = made
            return cls._instance

    def register(
        self,
        name: str,
        prototype: Prototype,
        description: str = "",
        metadata: ObjectMetadata | dict[str, Any] | None = None,
    ) -> None:
        """Enter a class or an object under a name.

        Args:
            name: The name.
            prototype: A `Routine` or `Flow`, or a class of them whose constructor
                takes no arguments.
            description: What it does, in a sentence.
            metadata: More about it.

        Raises:
            TypeError: The prototype is something else.
            ValueError: The name is empty or taken.
        """
        if not isinstance(name, str):
            raise TypeError(f"name must be a str, not {name!r}")
        if not name:
            raise ValueError("name must not be empty")
        kind = prototype if isinstance(prototype, type) else type(prototype)
        if not issubclass(kind, (Routine, Flow)):
            raise TypeError(
                f"{name!r} must be a Routine or Flow, or a class of them, not"
                f" {prototype!r}"
            )
        entry = Entry(prototype, complete(name, kind, description, metadata))
        with self._lock:
            if name in self._entries:
                raise ValueError(f"{name!r} is already registered in the factory")
            self._entries[name] = entry

    def unregister(self, name: str) -> bool:
        """Take a name out; False if it was not there."""
        with self._lock:
            return self._entries.pop(name, None) is not None

    def clear(self) -> None:
        """Take all names out, those of the built-in routines too."""
        with self._lock:
            self._entries.clear()

    def has(self, name: str, cls: type | None = None) -> bool:
        """Whether a name is there, as an entry of that class if one is given."""
        with self._lock:
            entry = self._entries.get(name)
        return entry is not None and (cls is None or entry.cls is cls)

    def create(
        self,
        name: str,
        config: dict[str, Any] | None = None,
        override_policy: ActivationPolicy | None = None,
        override_logic: Callable[..., Any] | None = None,
    ) -> Any:
        """Make an object of an entry.

        Args:
            name: Its name; "MyRoutine" and "my_routine" are the same, if only one of
                them is there.
            config: For `set_config`.
            override_policy: For `set_activation_policy`.
            override_logic: For `set_logic`.

        Returns:
            The `Routine`, or the `Flow`.

        Raises:
            ValueError: There is no such name, or a value of the config is wrong.
        """
        entry = self._find(name)
        prototype = entry.prototype
        if entry.object_type == "flow":
            if config or override_policy or override_logic:
                raise ValueError(
                    f"{name!r} is a flow: config, policy and logic are for routines"
                )
            return prototype() if isinstance(prototype, type) else clone_flow(prototype)  # type: ignore[arg-type]
        made: Routine
        if isinstance(prototype, type):
            made = make_routine(prototype)  # type: ignore[type-var, assignment]
        else:
            made = clone_routine(prototype)  # type: ignore[type-var, assignment]
        if config:
            made.set_config(**config)
        if override_policy is not None:
            made.set_activation_policy(override_policy)
        if override_logic is not None:
            made.set_logic(override_logic)
        made._factory_name = entry.metadata.name
        return made

    def get_metadata(self, name: str) -> ObjectMetadata | None:
        """Return what is known about an entry, None if there is none."""
        with self._lock:
            entry = self._entries.get(name)
        return None if entry is None else entry.metadata

    def list_available(
        self, category: str | None = None, object_type: str | None = None
    ) -> list[dict[str, Any]]:
        """List the entries, by name.

        Args:
            category: Only those of a category.
            object_type: Only "routine" or "flow".

        Returns:
            A dict for each, with name, type (the class), object_type, description,
            category, tags, example_config and version.
        """
        if object_type not in (None, "routine", "flow"):
            raise ValueError(
                f"object_type must be 'routine' or 'flow', not {object_type!r}"
            )
        with self._lock:
            entries = sorted(self._entries.items())
        return [
            row(name, entry)
            for name, entry in entries
            if category in (None, entry.metadata.category)
            and object_type in (None, entry.object_type)
        ]

    def get_factory_name(self, obj: Any) -> str | None:
        """Return the name that makes objects like this one, None if there is none."""
        cls = obj if isinstance(obj, type) else type(obj)
        with self._lock:
            entries = list(self._entries.items())
        own = obj._factory_name if isinstance(obj, Routine) else None
        if own is not None and own in dict(entries) and dict(entries)[own].cls is cls:
            return own
        for name, entry in entries:
            if entry.cls is cls and isinstance(entry.prototype, type):
                return name
        return None

    def export_flow_to_dsl(self, flow: Flow, format: str = "dict") -> Any:
        """Write a flow down as a spec: a dict, or its text as YAML or JSON.

        Args:
            flow: The flow.
            format: "dict", "yaml" or "json".

        Raises:
            ConfigurationError: Something of it can't be written down; the message
                names routine and key.
        """
        from routilux.tools.dsl.exporter import export_flow

        return export_flow(flow, self, format)

    def load_flow_from_dsl(self, dsl_dict: dict[str, Any]) -> Flow:
        """Build a flow from a spec; see `load_flow_from_spec`."""
        from routilux.tools.dsl.loader import load_flow_from_spec

        return load_flow_from_spec(dsl_dict, self)

    def _find(self, name: str) -> Entry:
        with self._lock:
            entries = dict(self._entries)
        if name in entries:
            return entries[name]
        like = [known for known in entries if plain(known) == plain(str(name))]
        if len(like) == 1:
            return entries[like[0]]
        hint = name_hint(str(name), entries, "names")
        raise ValueError(f"{name!r} is not registered in the factory. {hint}")


def plain(name: str) -> str:
    """Return a name without what tells snake case from camel case."""
    return name.replace("_", "").replace("-", "").lower()


def complete(
    name: str,
    cls: type,
    description: str,
    metadata: ObjectMetadata | dict[str, Any] | None,
) -> ObjectMetadata:
    """Return the metadata of an entry, filled up from its class."""
    if isinstance(metadata, dict):
        metadata = ObjectMetadata(**{"name": name, **metadata})
    if metadata is None:
        metadata = ObjectMetadata(name)
    summary = (cls.__doc__ or "").strip().partition("\n")[0]
    return ObjectMetadata(
        name=name,
        description=description or metadata.description or summary,
        category=metadata.category,
        tags=list(metadata.tags),
        example_config=dict(metadata.example_config),
        version=metadata.version,
        docstring=metadata.docstring or cls.__doc__ or "",
    )


def row(name: str, entry: Entry) -> dict[str, Any]:
    """Return an entry as `list_available` shows it."""
    about = entry.metadata
    return {
        "name": name,
        "type": entry.cls.__name__,
        "object_type": entry.object_type,
        "description": about.description,
        "category": about.category,
        "tags": list(about.tags),
        "example_config": dict(about.example_config),
        "version": about.version,
    }
