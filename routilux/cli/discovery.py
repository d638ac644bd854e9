"""Discovery: import the Python files of some folders, for what their decorators enter.

A file is imported once, as the module that `import` would find it by, or else under a
name of its own. Files and folders whose names begin with "_" or "." are left alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Literal

from routilux.tools.factory import ObjectFactory

__all__ = ["RoutineDiscovery", "discover_routines", "get_default_routines_dirs"]

logger = logging.getLogger("routilux")


class RoutineDiscovery:
    """Imports files and says what came of it.

    Args:
        factory: Where the routines are entered; None for the global one, which the
            decorators use.
        on_error: What to do with a file that can't be imported: log a warning, raise,
            or go on in silence.
    """

    def __init__(
        self,
        factory: ObjectFactory | None = None,
        on_error: Literal["warn", "raise", "ignore"] = "warn",
    ) -> None:
        if on_error not in ("warn", "raise", "ignore"):
            raise ValueError(
                f"on_error must be 'warn', 'raise' or 'ignore', not {on_error!r}"
            )
        self.factory = ObjectFactory.get_instance() if factory is None else factory
        self.on_error = on_error
        self.modules: dict[Path, ModuleType] = {}
        self.errors: dict[Path, Exception] = {}

    def discover(self, folders: Iterable[str | Path]) -> list[str]:
        """Import the files of folders, deeper ones too.

        Returns:
            The names that the factory has now and had not before.
        """
        before = self._names()
        for folder in folders:
            for path in python_files(Path(folder)):
                self._load(path)
        return [name for name in self._names() if name not in before]

    def _names(self) -> list[str]:
        return [row["name"] for row in self.factory.list_available()]

    def _load(self, path: Path) -> None:
        if path in self.modules:
            return
        try:
            self.modules[path] = load_file(path)
        except Exception as error:
            self.errors[path] = error
            if self.on_error == "raise":
                raise
            if self.on_error == "warn":
                logger.warning(
                    "%s can't be imported: %s: %s",
                    *(path, type(error).__name__, error),
                    exc_info=logger.isEnabledFor(logging.DEBUG),
                )


def python_files(folder: Path) -> list[Path]:
    """Return the Python files of a folder, sorted; none if it is not there."""
    return sorted(
        path.resolve()
        for path in folder.rglob("*.py")
        if not any(
            part.startswith(("_", ".")) for part in path.relative_to(folder).parts
        )
    )


def load_file(path: Path) -> ModuleType:
    """Import a file, or return the module that it was imported as."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and Path(file) == path:
            return module
    for entry in sys.path:
        name = name_below(path, Path(entry or ".").resolve())
        if name is None:
            continue
        try:
            found = importlib.util.find_spec(name)
        except (ImportError, ValueError):  # a parent is no package, or broken
            continue
        if found is not None and found.origin == str(path):
            return importlib.import_module(name)
    return load_alone(path)


def name_below(path: Path, folder: Path) -> str | None:
    """Return the module that a file is, seen from a folder of `sys.path`."""
    try:
        parts = path.relative_to(folder).with_suffix("").parts
    except ValueError:
        return None
    return ".".join(parts) if all(part.isidentifier() for part in parts) else None


def load_alone(path: Path) -> ModuleType:
    """Import a file that no folder of `sys.path` leads to."""
    name = f"routilux_routines_{path.parent.name}_{path.stem}"
    while name in sys.modules:
        name += "_"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, "it ends with .py"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def discover_routines(
    dirs: Iterable[str | Path],
    factory: ObjectFactory | None = None,
    on_error: Literal["warn", "raise", "ignore"] = "warn",
) -> list[str]:
    """Import the Python files of folders; see `RoutineDiscovery`.

    Args:
        dirs: The folders; one that is not there has no files.
        factory: Where the routines are entered; None for the global one.
        on_error: What to do with a file that can't be imported.

    Returns:
        The names that are new in the factory.
    """
    return RoutineDiscovery(factory, on_error).discover(dirs)


def get_default_routines_dirs() -> list[Path]:
    """Return the folders that are looked through without being asked for.

    They are `./routines` and `~/.routilux/routines`, as far as they are there.
    """
    places = (Path("routines"), Path("~/.routilux/routines").expanduser())
    return [place.resolve() for place in places if place.is_dir()]
