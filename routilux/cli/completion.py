"""`routilux completion`: what a shell needs to complete the command."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import ShellComplete, get_completion_class

from routilux.cli.session import Session, pass_session, session_options

__all__ = ["completion"]

# Where each shell looks by itself; zsh only if ~/.zfunc is in its fpath.
PLACES = {
    "bash": "~/.local/share/bash-completion/completions/routilux",
    "zsh": "~/.zfunc/_routilux",
    "fish": "~/.config/fish/completions/routilux.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(list(PLACES)))
@click.option("--install", is_flag=True, help="Write it to where the shell looks.")
@session_options
@click.pass_context
@pass_session
def completion(
    session: Session, context: click.Context, shell: str, install: bool
) -> None:
    """Print the completion script of a shell.

    For the running bash: eval "$(routilux completion bash)"
    """
    root = context.find_root()
    cls = get_completion_class(shell)
    assert cls is not None, "click has all of PLACES"
    made = cls(root.command, {}, "routilux", "_ROUTILUX_COMPLETE")
    script = ShellComplete.source(made)  # of bash, it would start bash to look at it
    if not install:
        click.echo(script, nl=False)
        return
    place = Path(PLACES[shell]).expanduser()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(script, encoding="utf-8")
    session.say(f"wrote {place}: it works in the next {shell}")
