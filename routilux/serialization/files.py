"""Documents in files: written whole or not at all.

A document goes to a file beside its place first, is flushed to the disk, and takes the
place of what was there in one step. Whatever happens on the way, the place holds the
old document or the new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from os import PathLike
from pathlib import Path
from typing import Any

from routilux.arguments import check_path
from routilux.errors import SerializationError

__all__ = ["read_document", "write_document"]


def write_document(path: str | PathLike[str], document: Any) -> None:
    """Write a document as JSON, in one step.

    Raises:
        OSError: It can't be written; what was there is unchanged.
    """
    place = check_path("path", path)
    # Escaped, so that half of a surrogate pair, which UTF-8 refuses, can be written.
    text = json.dumps(document, allow_nan=False)
    handle, name = tempfile.mkstemp(
        prefix=f".{place.name}.", suffix=".part", dir=place.parent
    )
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    _sync_folder(place.parent)


def _sync_folder(folder: Path) -> None:
    # The new name is on the disk only when its folder is; not every system opens one.
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_document(path: str | PathLike[str]) -> Any:
    """Return the document of a file.

    Raises:
        OSError: There is no such file, or it can't be read.
        SerializationError: It holds no JSON.
    """
    text = check_path("path", path).read_bytes()
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SerializationError(
            f"{os.fspath(path)!r} is no document: {error}"
        ) from None
