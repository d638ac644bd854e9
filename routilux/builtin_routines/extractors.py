"""The ways in which a ResultExtractor looks for a result.

An extractor gets the data and the configuration of the routine and returns what it
found, or None. A text that only looks like JSON, YAML or XML is nothing found, not an
error. All are functions of their arguments alone.
"""

from __future__ import annotations

import inspect
import json
import numbers
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias
from xml.etree import ElementTree

from routilux.builtin_routines.settings import number
from routilux.extras import load_extra

__all__ = ["EXTRACTORS", "Extraction", "Extractor", "custom_extractor", "load_yaml"]


class Extraction(NamedTuple):
    """What an extractor found."""

    result: Any
    format: str
    metadata: dict[str, Any]
    confidence: float
    path: str


Extractor: TypeAlias = Callable[[Any, Mapping[str, Any]], Extraction | None]

# A fence that ends a block begins its line or ends it: others are in a string of the
# block. What begins a block may follow a word on its line, as models write it.
FENCE = re.compile(
    r"```[ \t]*([\w+#.-]*)[^\n]*\n(.*?)(?:\n?^[ \t]*```|```[ \t\r]*$)",
    re.DOTALL | re.MULTILINE,
)
RESULT_KEYS = ("result", "output", "data", "answer", "response", "content", "value")
UNSAFE_XML = ("<!DOCTYPE", "<!ENTITY")
DEEPEST = 20


def load_yaml() -> Any:
    """Return the yaml library, or say which extra is missing."""
    return load_extra("yaml", "ResultExtractor with YAML")


def fenced(data: Any) -> list[tuple[str, str]]:
    """Return the fenced blocks of a text: (language, text)."""
    if not isinstance(data, str):
        return []
    return [(lang.lower(), body) for lang, body in FENCE.findall(data)]


def parse_json(text: str) -> Any:
    """Return what a text is as JSON; None if it is not."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def parse_yaml(text: str) -> Any:
    """Return what a text is as YAML; None if it is not, or only a plain text."""
    yaml = load_yaml()
    try:
        value = yaml.safe_load(text)
    except Exception:  # of several kinds, for a tag that does not fit: `!!bool foo`
        return None
    return value if isinstance(value, (dict, list)) else None


def parse_xml(text: str) -> Any:
    """Return an XML text as dicts; None if it is not XML, too deep, or has entities."""
    if any(mark in text.upper() for mark in UNSAFE_XML):
        return None
    try:
        root = ElementTree.fromstring(text.strip())
        return {root.tag: element_value(root, 0)}
    except (ElementTree.ParseError, ValueError):  # ValueError: half a surrogate pair
        return None


def element_value(element: ElementTree.Element, depth: int) -> Any:
    """Return an element as a str, or as a dict of its attributes and children.

    Raises:
        ValueError: It is nested too deeply.
    """
    if depth > DEEPEST:
        raise ValueError(f"the element {element.tag!r} is deeper than {DEEPEST}")
    text = (element.text or "").strip()
    if not len(element) and not element.attrib:
        return text
    value: dict[str, Any] = {f"@{name}": item for name, item in element.attrib.items()}
    for child in element:
        item = element_value(child, depth + 1)
        if child.tag in value:
            known = value[child.tag]
            value[child.tag] = [*(known if isinstance(known, list) else [known]), item]
        else:
            value[child.tag] = item
    if text:
        value["#text"] = text
    return value


def blocks_of(
    data: Any,
    languages: tuple[str, ...],
    parse: Callable[[str], Any],
    name: str,
    confidence: float,
) -> Extraction | None:
    """Return what the blocks of a language hold: one value, or a list of several."""
    values = []
    first = -1
    for index, (language, body) in enumerate(fenced(data)):
        if language in languages and (value := parse(body)) is not None:
            values.append(value)
            first = index if first < 0 else first
    if not values:
        return None
    result = values[0] if len(values) == 1 else values
    metadata = {"blocks": len(values)}
    return Extraction(result, name, metadata, confidence, f"block[{first}]")


def json_block(data: Any, config: Mapping[str, Any]) -> Extraction | None:
    """Find fenced JSON; a block without a language counts if it is JSON."""
    found = blocks_of(data, ("json",), parse_json, "json", 0.95)
    return found or blocks_of(data, ("",), parse_container, "json", 0.9)


def parse_container(text: str) -> Any:
    """Return what a text is as a JSON object or array; None if it is neither."""
    value = parse_json(text)
    return value if isinstance(value, (dict, list)) else None


def yaml_block(data: Any, config: Mapping[str, Any]) -> Extraction | None:
    """Find fenced YAML."""
    return blocks_of(data, ("yaml", "yml"), parse_yaml, "yaml", 0.9)


def xml_block(data: Any, config: Mapping[str, Any]) -> Extraction | None:
    """Find fenced XML."""
    return blocks_of(data, ("xml",), parse_xml, "xml", 0.9)


def code_block(data: Any, config: Mapping[str, Any]) -> Extraction | None:
    """Find fenced code of the languages that count; several as a list."""
    languages = {"", *map(str.lower, config["code_block_languages"])}
    blocks = [
        (index, language, body)
        for index, (language, body) in enumerate(fenced(data))
        if language in languages
    ]
    if not blocks:
        return None
    codes = [body for _, _, body in blocks]
    metadata = {
        "language": blocks[0][1],
        "languages": [language for _, language, _ in blocks],
        "blocks": len(blocks),
    }
    result = codes[0] if len(codes) == 1 else codes
    return Extraction(result, "code", metadata, 0.8, f"block[{blocks[0][0]}]")


def interpreter_output(data: Any, config: Mapping[str, Any]) -> Extraction | None:
    """Find the text of a list of messages that have `content`."""
    if not isinstance(data, list) or not data:
        return None
    if not all(isinstance(part, dict) and "content" in part for part in data):
        return None
    texts = [str(part["content"]) for part in data if part["content"] is not None]
    kinds = [part.get("type") or part.get("role") or "" for part in data]
    metadata = {"messages": len(data), "types": kinds}
    return Extraction("\n".join(texts), "interpreter", metadata, 0.85, "[*].content")


def json_string(data: Any, config: Mapping[str, Any]) -> Extraction | None:
    """Find that a text is JSON as a whole."""
    if not isinstance(data, str):
        return None
    value = parse_json(data)
    if value is None:
        return None
    confidence = 0.9 if isinstance(value, (dict, list)) else 0.5
    return Extraction(value, "json", {}, confidence, "")


def yaml_string(data: Any, config: Mapping[str, Any]) -> Extraction | None:
    """Find that a text is YAML as a whole."""
    value = parse_yaml(data) if isinstance(data, str) else None
    return None if value is None else Extraction(value, "yaml", {}, 0.7, "")


def nested(data: Any, config: Mapping[str, Any]) -> Extraction | None:
    """Find the result inside of a structure, under one of the usual keys."""
    if not isinstance(data, (dict, list)):
        return None
    path = ""
    value: Any = data
    for _ in range(DEEPEST):
        key = next(
            (k for k in RESULT_KEYS if isinstance(value, dict) and k in value), None
        )
        if key is None:
            break
        value, path = value[key], f"{path}.{key}" if path else key
    if isinstance(value, str) and config["parse_json_strings"]:
        inner = parse_container(value)
        if inner is not None:
            return Extraction(inner, "json", {"nested": True}, 0.75, path)
    metadata = {"nested": bool(path)}
    confidence = 0.7 if path else 0.6
    kind = "dict" if isinstance(value, dict) else type(value).__name__
    return Extraction(value, kind, metadata, confidence, path)


EXTRACTORS: dict[str, Extractor] = {
    "json_block": json_block,
    "yaml_block": yaml_block,
    "xml_block": xml_block,
    "code_block": code_block,
    "interpreter_output": interpreter_output,
    "json_string": json_string,
    "yaml_string": yaml_string,
    "nested": nested,
}


def custom_extractor(
    name: str, function: Callable[..., Any], confidence: float
) -> Extractor:
    """Return a function of the user's as an extractor."""
    with_config = takes_config(function)

    def extract(data: Any, config: Mapping[str, Any]) -> Extraction | None:
        found = function(data, config) if with_config else function(data)
        if found is None:
            return None
        if not isinstance(found, dict) or "result" not in found:
            return Extraction(found, name, {}, confidence, "")
        return Extraction(
            found["result"],
            found.get("format", name),
            dict(found.get("metadata", {})),
            check_confidence(name, found.get("confidence", confidence)),
            found.get("path", ""),
        )

    return extract


def check_confidence(name: str, value: Any) -> float:
    """Return the confidence that an extractor answered; numbers of numpy are some.

    Raises:
        ConfigurationError: It is none.
    """
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        value = float(value)
    checked: float = number()(f"the confidence that extractor {name!r} returned", value)
    return checked


def takes_config(function: Callable[..., Any]) -> bool:
    """Whether a function needs a second argument, or calls it `config`.

    Any other default is its own business: `str.split` has one, and many a lambda.
    """
    try:
        signature = inspect.signature(function)
        signature.bind(None)
    except TypeError:
        return True
    except ValueError:
        return False
    second = list(signature.parameters.values())[1:2]
    return any(p.name == "config" and p.kind != p.KEYWORD_ONLY for p in second)
