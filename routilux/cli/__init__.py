"""The command `routilux`; docs/cli.md tells what it does.

The commands need `click`, which the extra `cli` installs, and are in `app` and the
modules that it names. `decorators`, `discovery` and `config` need no extra: programs
import them too.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; what a process does last.

    Args:
        arguments: What follows its name; None for those of the process.

    Returns:
        The exit code: 0, 2 after an error, 130 when interrupted.
    """
    try:
        import click  # noqa: F401
    except ModuleNotFoundError:
        print(
            "Error: the command needs click, which is not installed:"
            " pip install 'routilux[cli]'",
            file=sys.stderr,
        )
        return 2
    from routilux.cli.app import cli

    code = 0
    try:
        cli.main(None if arguments is None else list(arguments), prog_name="routilux")
    except SystemExit as end:
        code = int(end.code or 0)
    if code and any(t.name.startswith("routilux") for t in threading.enumerate()):
        # Only a timeout or Ctrl-C leaves threads: logic that hangs. Python can't stop
        # it, and would wait for it at its exit.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
