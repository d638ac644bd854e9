"""`routilux graph`: a flow as text in one of three languages, or as an SVG picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from routilux.analysis.workflows import WorkflowAnalyzer
from routilux.cli.session import Session, flow_argument, pass_session, session_options
from routilux.errors import ConfigurationError
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
SUFFIXES |= {".d2": "d2", ".svg": "svg"}


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
    """Draw a flow, as text for Mermaid, Graphviz or D2, or into an SVG file."""
    if language is None:
        language = "mermaid" if output is None else language_of(output)
    found = session.flow(flow)
    if output is not None and language == "svg":
        found.draw(output)
        return
    text = WRITERS[language](found).rstrip("\n") + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        Path(output).write_text(text, encoding="utf-8")


def language_of(output: str) -> str:
    """Return the language that the suffix of a file says."""
    suffix = Path(output).suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigurationError(
            f"--output {output!r}: the suffix says no language; valid are"
            f" {', '.join(SUFFIXES)}, or any file with --format. Flow.draw() makes"
            " pictures in other formats"
        )
    return SUFFIXES[suffix]
