"""Pictures as files: SVG by ourselves, all other formats by Graphviz."""

from __future__ import annotations

from pathlib import Path

from routilux.errors import ConfigurationError
from routilux.extras import load_extra
from routilux.observability.flowchart import dot
from routilux.observability.picture import Direction, Picture
from routilux.observability.svg import svg

__all__ = ["write_picture"]

COMMON = (".svg", ".png", ".pdf", ".jpg", ".webp")
NO_PROGRAM = (
    "drawing {name!r} needs the program 'dot' of Graphviz, which is not on the PATH:"
    " apt install graphviz, brew install graphviz or https://graphviz.org/download."
    " A .svg needs no program"
)


def write_picture(picture: Picture, path: Path, direction: Direction) -> Path:
    """Write a picture in the format of the suffix.

    Raises:
        ValueError: There is no such format.
        ConfigurationError: Graphviz is missing.
    """
    kind = path.suffix.lower()
    if kind == ".svg":
        path.write_text(svg(picture, direction), encoding="utf-8")
        return path
    if not kind:
        raise ValueError(
            f"path {str(path)!r} has no suffix: give one of {words(COMMON)}"
        )
    graphviz = load_extra("graphviz", f"drawing {path.name!r}")
    if kind[1:] not in graphviz.FORMATS:
        raise ValueError(
            f"Graphviz has no format {kind!r} ({str(path)!r}):"
            f" give one of {words(COMMON)}"
        )
    source = graphviz.Source(dot(picture, direction), engine="dot")
    try:
        path.write_bytes(source.pipe(format=kind[1:]))
    except graphviz.ExecutableNotFound as error:
        raise ConfigurationError(NO_PROGRAM.format(name=path.name)) from error
    return path


def words(suffixes: tuple[str, ...]) -> str:
    """Return suffixes as a list in a sentence."""
    return f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
