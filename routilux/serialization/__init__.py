"""Documents: flows, routines, workers and all that a worker holds, as JSON and back.

Everything is imported when it is asked for, since few programs do.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from routilux.serialization.checkpoints import take_checkpoint
    from routilux.serialization.documents import serialize
    from routilux.serialization.files import read_document, write_document
    from routilux.serialization.serializable import Serializable
    from routilux.serialization.values import decode, encode, register_type
    from routilux.serialization.versions import VERSION, MigrationRegistry

__all__ = [
    "VERSION",
    "MigrationRegistry",
    "Serializable",
    "decode",
    "encode",
    "read_document",
    "register_type",
    "serialize",
    "take_checkpoint",
    "write_document",
]

LATE = {
    "checkpoints": ("take_checkpoint",),
    "documents": ("serialize",),
    "files": ("read_document", "write_document"),
    "serializable": ("Serializable",),
    "values": ("decode", "encode", "register_type"),
    "versions": ("VERSION", "MigrationRegistry"),
}
MODULE_OF = {name: module for module, names in LATE.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULE_OF[name]}"), name)
