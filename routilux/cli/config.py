"""The configuration of the command: where it lies, and how it is asked.

`routilux.toml` or the table `[tool.routilux]` of `pyproject.toml` in the folder where
the command runs, or any file in TOML, YAML or JSON that `--config` names. Its one key
is `routines.directories`; folders in it are seen from where the file lies.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from routilux.errors import ConfigurationError
from routilux.extras import load_extra
from routilux.tools.dsl.spec import parse_json, parse_yaml

__all__ = ["ConfigLoader", "get_config_value", "load_config"]

NAMES = ("routilux.toml", "pyproject.toml")


class ConfigLoader:
    """Finds and reads the configuration.

    Args:
        path: The file; None: the first of `routilux.toml` and `pyproject.toml` that is
            there and has something to say.
        folder: Where to look for these two; None: the current one.

    Example:
        >>> ConfigLoader("routilux.toml").load()
        {'routines': {'directories': ['/home/ada/project/routines']}}
    """

    def __init__(
        self, path: str | Path | None = None, folder: str | Path | None = None
    ) -> None:
        self.path = None if path is None else Path(path)
        self.folder = Path.cwd() if folder is None else Path(folder)

    def load(self) -> dict[str, Any]:
        """Return the configuration; an empty dict if there is none.

        Raises:
            OSError: The file that was named can't be read.
            ConfigurationError: It says nothing sensible.
        """
        paths = [self.folder / name for name in NAMES]
        if self.path is not None:
            paths = [self.path]
        for path in paths:
            if self.path is None and not path.is_file():
                continue
            found = read(path)
            if path.name == "pyproject.toml":
                found = get_config_value(found, "tool.routilux", {})
            if found or self.path is not None:
                return resolve(path, found)
        return {}


def read(path: Path) -> Any:
    """Return what a file says, by its suffix."""
    text = path.read_text(encoding="utf-8-sig")
    try:
        if path.suffix in (".yaml", ".yml"):
            return parse_yaml(text) if text.strip() else {}
        if path.suffix == ".json":
            return parse_json(text)
        name = "tomllib" if sys.version_info >= (3, 11) else "tomli"
        return load_extra(name, "a configuration in TOML").loads(text)
    except ValueError as error:
        message = str(error).replace("the flow is", "it is")
        raise ConfigurationError(f"{path}: {message}") from error


def resolve(path: Path, config: Any) -> dict[str, Any]:
    """Check a configuration, and make its folders absolute."""
    if not isinstance(config, dict):
        raise ConfigurationError(f"{path} must hold a mapping, not {config!r}")
    folders = get_config_value(config, "routines.directories", [])
    if not isinstance(folders, list) or not all(isinstance(x, str) for x in folders):
        raise ConfigurationError(
            f"{path}: routines.directories must be a list of folders, not {folders!r}"
        )
    if folders:
        home = path.resolve().parent
        full = [str(home / Path(folder).expanduser()) for folder in folders]
        config = {**config, "routines": {**config["routines"], "directories": full}}
    checked: dict[str, Any] = config
    return checked


def load_config(path: str | Path | None = None) -> dict[str, Any]:
    """Return the configuration of a file, or of the current folder.

    Args:
        path: The file; see `ConfigLoader`.
    """
    return ConfigLoader(path).load()


def get_config_value(config: Mapping[str, Any], key: str, default: Any = None) -> Any:
    """Return a value of a configuration.

    Args:
        config: From `load_config`.
        key: Its keys from outside to inside, with dots: "routines.directories".
        default: What to return when one of them is missing.
    """
    found: Any = config
    for part in key.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return default
        found = found[part]
    return found
