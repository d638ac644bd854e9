"""What a factory knows about an entry, for people and programs that choose one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["ObjectMetadata"]


@dataclass
class ObjectMetadata:
    """Facts about an entry of an `ObjectFactory`.

    Attributes:
        name: Name of the entry.
        description: What it does, in a sentence.
        category: Where a list shows it.
        tags: Words to find it by.
        example_config: A configuration that makes sense.
        version: Version of the entry.
        docstring: The long description.
    """

    name: str
    description: str = ""
    category: str = ""
    tags: list[str] = field(default_factory=list)
    example_config: dict[str, Any] = field(default_factory=dict)
    version: str = "1.0.0"
    docstring: str = ""
