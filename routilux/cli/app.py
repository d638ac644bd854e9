"""The command group: what the commands share, and how errors are shown.

Whatever goes wrong is one line on stderr and exit code 2. `-v` adds the traceback, and
may stand before the command or after it. A command raises whatever describes the
trouble; only this module knows how that looks.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn

import click

from routilux.cli.completion import completion
from routilux.cli.graph import graph
from routilux.cli.init import init
from routilux.cli.jobs import job
from routilux.cli.listing import list_
from routilux.cli.run import run
from routilux.cli.session import Session, session_options
from routilux.cli.validate import validate

__all__ = ["cli"]

FAILED, INTERRUPTED = 2, 130
# Their text alone says nothing without the name of the class.
SILENT = (KeyError, AssertionError, ImportError, AttributeError, NameError)


class Commands(click.Group):
    """A group whose errors are one line each."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what it raises carries whether `-v` was given."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception:
            found = ctx.find_object(Session)
            if found is not None and found.verbose:
                click.echo(traceback.format_exc().rstrip(), err=True)
            raise

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line and exit."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        try:
            code = super().main(args, prog_name, complete_var, False, **extra)
        except click.Abort:
            stop("interrupted", INTERRUPTED)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(FAILED)
        except click.ClickException as error:
            stop(error.format_message(), FAILED)
        except BrokenPipeError:  # whoever reads our output has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except SystemExit as end:  # of the user's modules, or after a completion
            if end.code is None or isinstance(end.code, int):
                raise
            stop(str(end.code), FAILED)
        except Exception as error:
            stop(describe(error), FAILED)
        sys.exit(code if isinstance(code, int) else 0)


def stop(message: str, code: int) -> NoReturn:
    """Say what is wrong, on one line, and exit."""
    click.echo(f"Error: {' '.join(message.split())}", err=True)
    sys.exit(code)


def describe(error: Exception) -> str:
    """Return the text of an exception, with its class where that is needed."""
    name = type(error).__name__
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, SILENT) or not str(error):
        return f"{name}: {error}".rstrip(": ")
    if type(error).__module__.startswith("routilux") or isinstance(
        error, (ValueError, TypeError, RuntimeError)
    ):
        return str(error)
    return f"{name}: {error}"


def installed_version() -> str:
    """Return the version of the package, if it is installed."""
    try:
        return version("routilux")
    except PackageNotFoundError:
        return "unreleased"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(installed_version(), prog_name="routilux")
@session_options
def cli() -> None:
    """Run, check and draw flows.

    FLOW is a file in YAML or JSON, or "module:name" of a Flow or of a function that
    returns one.
    """


COMMANDS: Sequence[click.Command] = (
    *(init, run, validate, list_, graph, job, completion),
)
for command in COMMANDS:
    cli.add_command(command)
