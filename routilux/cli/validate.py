"""`routilux validate`: say what is wrong with a flow, or that nothing is."""

from __future__ import annotations

import click

from routilux.cli.session import Session, flow_argument, pass_session, session_options

__all__ = ["validate"]


@click.command()
@flow_argument
@session_options
@pass_session
def validate(session: Session, flow: str) -> None:
    """Check a flow without running it.

    Warnings tell what is left open; errors tell what can never run.
    """
    found = session.flow(flow)
    problems = found.validate()
    errors = [text for text in problems if text.startswith("Error: ")]
    for text in problems:
        if text in errors:
            click.echo(text, err=True)
        elif not session.quiet:
            click.echo(text)
    if errors:
        raise click.exceptions.Exit(2)
    routines, connections = len(found.routines), len(found.connections)
    click.echo(f"{found.flow_id}: valid ({routines=}, {connections=})")
