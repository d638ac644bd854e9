"""Libraries that only some users need, and what to say when one is missing.

Whoever needs one asks for it when it is configured, not when an item comes.
"""

from __future__ import annotations

import importlib
from typing import Any

from routilux.errors import ConfigurationError

__all__ = ["load_extra"]

# import name -> (extra of pyproject.toml, name to install)
EXTRAS = {
    "graphviz": ("draw", "graphviz"),
    "jsonpath_ng": ("jsonpath", "jsonpath-ng"),
    "jsonschema": ("jsonschema", "jsonschema"),
    "jsonschema_specifications": ("jsonschema", "jsonschema"),
    "opentelemetry": ("opentelemetry", "opentelemetry-sdk"),
    "prometheus_client": ("prometheus", "prometheus-client"),
    "pydantic": ("pydantic", "pydantic"),
    "rich": ("progress", "rich"),
    "simpleeval": ("expressions", "simpleeval"),
    "starlette": ("dashboard", "starlette"),
    "tomli": ("cli", "tomli"),
    "uvicorn": ("dashboard", "uvicorn"),
    "yaml": ("yaml", "pyyaml"),
}


def load_extra(module: str, what: str) -> Any:
    """Import an optional library.

    Args:
        module: Its import name; a submodule of it is fine.
        what: What needs it, for the message.

    Raises:
        ConfigurationError: It is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name != top:
            raise
        extra, project = EXTRAS[top]
        raise ConfigurationError(
            f"{what} needs {project}, which is not installed:"
            f" pip install 'routilux[{extra}]'"
        ) from error
