"""What the options that every command takes say, and what the commands do with it.

A `Session` lasts as long as one run of the command line. It knows how much to tell,
imports the routines of the user once, and loads flows; on its end it takes back what it
changed in the process.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from routilux.cli.config import get_config_value, load_config
from routilux.cli.discovery import discover_routines, get_default_routines_dirs
from routilux.errors import ConfigurationError
from routilux.flow import Flow
from routilux.references import is_reference, load_reference
from routilux.tools.dsl.spec import parse_json, parse_yaml

__all__ = ["Session", "flow_argument", "pass_session", "session_options"]

F = TypeVar("F", bound=Callable[..., Any])

READERS = {".yaml": parse_yaml, ".yml": parse_yaml, ".json": parse_json}


class Session:
    """One run of the command line."""

    def __init__(self) -> None:
        self.verbose = False
        self.quiet = False
        self.config_path: str | None = None
        self.routines_dirs: list[str] = []
        self._prepared = False

    def say(self, text: str) -> None:
        """Tell something that is not the result, unless `-q` was given."""
        if not self.quiet:
            click.echo(text, err=True)

    def config(self) -> dict[str, Any]:
        """Return what the configuration file says."""
        return load_config(self.config_path)

    def prepare(self) -> None:
        """Import the routines of the user, the first time; log to stderr."""
        if self._prepared:
            return
        self._prepared = True
        context = click.get_current_context().find_root()
        here = os.getcwd()
        if here not in sys.path:
            sys.path.insert(0, here)
            context.call_on_close(lambda: sys.path.remove(here))
        handler = Lines(self)
        logger = logging.getLogger("routilux")
        logger.addHandler(handler)
        context.call_on_close(lambda: logger.removeHandler(handler))
        if self.verbose:  # then warnings bring their traceback along
            context.call_on_close(partial(logger.setLevel, logger.level))
            logger.setLevel(logging.DEBUG)
        folders = [*self.routines_dirs]
        folders += get_config_value(self.config(), "routines.directories", [])
        for folder in folders:
            if not Path(folder).is_dir():
                raise ConfigurationError(f"there is no folder {folder!r} of routines")
        discover_routines([*folders, *get_default_routines_dirs()])

    def flow(self, source: str) -> Flow:
        """Load a flow.

        Args:
            source: A file, or "module:name" of a flow or of a function that makes one.

        Raises:
            ConfigurationError: There is none, or it is wrong.
        """
        self.prepare()
        path = Path(source)
        if path.suffix in READERS:
            return flow_of_file(path)
        if is_reference(source):
            return flow_of_module(source)
        raise ConfigurationError(
            f"{source!r} is no flow: give a file that ends with .yaml, .yml or .json,"
            ' or "module:name"'
        )


class Lines(logging.Handler):
    """Writes what the library logs, one line each.

    Failures of jobs are left out: the command that started the job tells of them.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(logging.WARNING)
        self._session = session

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, and with `-v` the traceback."""
        if record.levelno == logging.ERROR and not record.exc_info:
            return
        text = f"{record.levelname.capitalize()}: {record.getMessage()}"
        if self._session.verbose and record.exc_info:
            text = self.format(record)
        if record.levelno > logging.WARNING or not self._session.quiet:
            click.echo(text, err=True)


def flow_of_file(path: Path) -> Flow:
    """Load a flow from a file; its name is the id of a flow that has none."""
    text = path.read_text(encoding="utf-8-sig")
    try:
        spec = READERS[path.suffix](text)
        if isinstance(spec, dict):
            spec.setdefault("flow_id", path.stem)
        return Flow.from_dict(spec)
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def flow_of_module(reference: str) -> Flow:
    """Load a flow from a module."""
    found = load_reference(reference)
    if not isinstance(found, Flow) and callable(found):
        found = found()
    if not isinstance(found, Flow):
        raise ConfigurationError(
            f"{reference!r} is {found!r}: no flow, and no function that returns one"
        )
    return found


pass_session = click.make_pass_decorator(Session, ensure=True)


def note(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Return a callback that keeps an option in the session, if it was given."""

    def keep(context: click.Context, _: click.Parameter, value: Any) -> None:
        session = context.find_root().ensure_object(Session)
        if isinstance(value, tuple):
            session.routines_dirs += value
        elif value:
            setattr(session, name, value)

    return keep


def session_options(function: F) -> F:
    """Add the options that may stand before a command and after it."""
    for decorate in (
        click.option(
            "--routines-dir",
            multiple=True,
            type=click.Path(),
            metavar="DIR",
            expose_value=False,
            callback=note("routines_dirs"),
            help="Import the Python files of this folder first; may be repeated.",
        ),
        click.option(
            "--config",
            type=click.Path(),
            metavar="FILE",
            expose_value=False,
            callback=note("config_path"),
            help="Configuration instead of routilux.toml or pyproject.toml.",
        ),
        click.option(
            *("-q", "--quiet"),
            is_flag=True,
            expose_value=False,
            callback=note("quiet"),
            help="Tell nothing but results and errors.",
        ),
        click.option(
            *("-v", "--verbose"),
            is_flag=True,
            expose_value=False,
            callback=note("verbose"),
            help="Show tracebacks.",
        ),
    ):
        function = decorate(function)
    return function


def flow_argument(function: F) -> F:
    """Add the argument FLOW, which may also be given by `-w`."""

    def chosen(context: click.Context, _: click.Parameter, value: str | None) -> str:
        given = [text for text in (value, context.params.pop("workflow", None)) if text]
        if len(given) != 1:
            raise click.UsageError("give one FLOW: a file, or module:name")
        return str(given[0])

    option = click.option(
        *("-w", "--workflow"),
        type=click.Path(),
        metavar="FLOW",
        is_eager=True,  # read before the argument, whose callback takes it
        help="The same as the argument FLOW.",
    )
    argument = click.argument(
        "flow", required=False, type=click.Path(), callback=chosen
    )
    return option(argument(function))
