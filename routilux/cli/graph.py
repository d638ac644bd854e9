"""`routilux graph`: a flow as a diagram, in one of three languages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from routilux.analysis.workflows import WorkflowAnalyzer
from routilux.cli.session import Session, flow_argument, pass_session, session_options
from routilux.flow import Flow

__all__ = ["graph"]


def d2(flow: Flow) -> str:
    """Write a flow in the language of D2."""
    analyzer = WorkflowAnalyzer()
    return analyzer.to_d2_format(analyzer.analyze_flow(flow, False))


WRITERS: dict[str, Callable[[Flow], str]] = {
    "mermaid": Flow.to_mermaid,
    "dot": Flow.to_dot,
    "d2": d2,
}
SUFFIXES = {".mmd": "mermaid", ".mermaid": "mermaid", ".dot": "dot", ".gv": "dot"}
SUFFIXES |= {".d2": "d2"}


@click.command()
@flow_argument
@click.option(
    *("-f", "--format"),
    "language",
    type=click.Choice(list(WRITERS)),
    help="Language; that of the suffix of the output, or mermaid.",
)
@click.option(
    *("-o", "--output"), type=click.Path(), metavar="FILE", help="Write it to a file."
)
@session_options
@pass_session
def graph(
    session: Session, flow: str, language: str | None, output: str | None
) -> None:
    """Draw a flow, as text for Mermaid, Graphviz or D2."""
    if language is None:
        language = SUFFIXES.get(Path(output or "").suffix, "mermaid")
    text = WRITERS[language](session.flow(flow)).rstrip("\n") + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        Path(output).write_text(text, encoding="utf-8")
