"""Run every example of README.md and docs/*.md, one namespace per page.

A ```python block is executed as it stands, or as a doctest when it starts with
`>>>`. An ```output block is compared with what the python block before it has
printed; `...` stands for any text. Blocks that only show something are fenced
as `text` or `console`, so Python that nobody runs can't hide in a page.
"""

import doctest
import io
import re
import threading
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from sybil import Document, Example
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser

from routilux import FlowRegistry

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(p for p in [ROOT / "README.md", *ROOT.glob("docs/*.md")] if p.exists())
FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*([^\s`]*)", re.MULTILINE)
LANGUAGES = {"python", "output", "text", "console", "toml"}
GRACE = 10.0  # seconds
OPTIONS = (
    doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.DONT_ACCEPT_TRUE_FOR_1
)

run_python = PythonEvaluator()


def run_block(example: Example) -> None:
    """Execute one block and keep what it printed for the block after it."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        run_python(example)
    example.document.printed = printed.getvalue()


def check_output(example: Example) -> str | None:
    """Compare an output block with what was printed: None, or the difference."""
    expected, printed = str(example.parsed), example.document.printed
    if doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS):
        return None
    return f"expected:\n{expected}\nprinted:\n{printed}"


class PythonParser(PythonCodeBlockParser):
    """Find python blocks: doctests go to doctest, the others to `run_block`."""

    def __init__(self) -> None:
        super().__init__(doctest_optionflags=OPTIONS)
        self.codeblock_parser = CodeBlockParser("python", run_block)


def parse(page: Path) -> Document:
    """Return the page with its examples, in the order a reader meets them."""
    output = CodeBlockParser("output", check_output)
    return Document.parse(str(page), PythonParser(), output)


@pytest.fixture(autouse=True)
def clean_registry() -> Iterator[None]:
    """Give each page an empty flow registry and leave an empty one behind."""
    FlowRegistry.get_instance().clear()
    yield
    FlowRegistry.get_instance().clear()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_example_of_the_page_runs(page: Path) -> None:
    threads_before = set(threading.enumerate())
    document = parse(page)
    document.namespace["__name__"] = f"docs_{page.stem}"
    for example in document.examples():
        example.evaluate()
    left = set(threading.enumerate()) - threads_before
    for thread in left:
        thread.join(GRACE)  # of run_async: it ends by itself after its last job
    left = {thread for thread in left if thread.is_alive()}
    assert not left, f"{page.name} leaves threads running: {left}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_code_of_the_page_escapes_execution(page: Path) -> None:
    fences = FENCE.findall(page.read_text(encoding="utf-8"))[::2]
    languages = [language for _, language in fences if not language.startswith("{")]
    assert set(languages) <= LANGUAGES
    found = {example.line for example in parse(page).examples()}
    assert len(found) >= languages.count("python") + languages.count("output")


def test_a_wrong_result_in_a_page_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "wrong.md"
    page.write_text("```python\nprint(1)\n```\n\n```output\n2\n```\n")
    with pytest.raises(AssertionError, match="expected"):
        for example in parse(page).examples():
            example.evaluate()
