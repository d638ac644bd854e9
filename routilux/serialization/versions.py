"""Versions of documents: what is read, and how older ones are brought up.

A document says its version. One that is too new, or too old without a way up, is an
error that says so; `MigrationRegistry` has the ways, one step at a time.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

from routilux.arguments import check_type
from routilux.errors import SerializationError

__all__ = ["VERSION", "MigrationRegistry", "bring_up"]

VERSION = 1
KEYS = ("_serialization_version", "version")

Migration: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


class MigrationRegistry:
    """The ways from one version of flow documents to the next; for the process.

    Example:
        >>> @MigrationRegistry.migration(1, 2)
        ... def add_labels(document):
        ...     return {**document, "labels": []}
    """

    _migrations: dict[int, tuple[int, Migration]] = {}  # noqa: RUF012 - guarded below
    _lock = threading.Lock()

    @classmethod
    def register_migration(
        cls, from_version: int, to_version: int, function: Migration
    ) -> None:
        """Say how a document of one version becomes one of a later version.

        Raises:
            ValueError: It does not lead up, or there is a way from there already.
        """
        check_type("from_version", from_version, int)
        check_type("to_version", to_version, int)
        if not callable(function):
            raise TypeError(f"function must be callable, not {function!r}")
        if not to_version > from_version:
            raise ValueError(f"{from_version} to {to_version} does not lead up")
        with cls._lock:
            if from_version in cls._migrations:
                raise ValueError(f"there is a way from version {from_version} already")
            cls._migrations[from_version] = (to_version, function)

    @classmethod
    def migration(
        cls, from_version: int, to_version: int
    ) -> Callable[[Migration], Migration]:
        """Register the function that is decorated."""

        def register(function: Migration) -> Migration:
            cls.register_migration(from_version, to_version, function)
            return function

        return register

    @classmethod
    def migrate(
        cls, document: dict[str, Any], target_version: int = VERSION
    ) -> dict[str, Any]:
        """Bring a document up to a version, step by step.

        Raises:
            SerializationError: There is no way.
        """
        check_type("document", document, dict)
        check_type("target_version", target_version, int)
        version = version_of(document)
        while version != target_version:
            step = cls._migrations.get(version)
            if step is None or step[0] > target_version:
                raise SerializationError(
                    f"version {version} of a document is not supported: there is no way"
                    f" from it to version {target_version}"
                )
            version, function = step
            document = {**function(dict(document))}
            document |= dict.fromkeys(KEYS, version)
        return document

    @classmethod
    def clear(cls) -> None:
        """Forget all ways."""
        with cls._lock:
            cls._migrations.clear()


def version_of(document: dict[str, Any]) -> int:
    """Return the version that a document says.

    Raises:
        SerializationError: It is no int.
    """
    found = [document[key] for key in KEYS if key in document]
    if not found:
        warnings.warn(
            "a document without a version is read as one of version 1; write it anew",
            DeprecationWarning,
            stacklevel=3,
        )
        return VERSION
    if isinstance(found[0], bool) or not isinstance(found[0], int):
        raise SerializationError(
            f"the version of a document must be an int: {found[0]!r}"
        )
    return found[0]


def bring_up(document: Any, what: str) -> dict[str, Any]:
    """Return a document in the version of this package.

    Args:
        document: The document.
        what: What it should describe, for messages.

    Raises:
        SerializationError: It is no object, or of a version that is not supported.
    """
    if not isinstance(document, dict):
        raise SerializationError(f"a document of {what} must be an object")
    if version_of(document) > VERSION:
        raise SerializationError(
            f"version {version_of(document)} of {what} is not supported: this package"
            f" reads up to version {VERSION}"
        )
    return MigrationRegistry.migrate(document)
