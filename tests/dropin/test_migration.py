"""The tables of names in docs/migration.md, held against the modules."""

import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "migration.md"
TEXT = PAGE.read_text("utf-8").partition("## Names")[2]
ROW = re.compile(r"^\| (`.*?) \| (.*?) \| (.*?) \|$", re.M)
MODULES = [
    *("routilux", "routilux.core", "routilux.activation_policies", "routilux.analysis"),
    *("routilux.builtin_routines", "routilux.cli.config", "routilux.cli.decorators"),
    *("routilux.cli.discovery", "routilux.decorators", "routilux.dsl"),
    *("routilux.exceptions", "routilux.metrics", "routilux.monitoring"),
    *("routilux.serialization", "routilux.simple", "routilux.tools"),
    *("routilux.tools.analysis", "routilux.tools.factory", "routilux.tools.testing"),
    "routilux.validators",
]


def quoted(cell: str) -> list[str]:
    """Return what a cell has between backticks."""
    return re.findall(r"`([^`]+)`", cell)


tables = re.split(r"^\| (?:Name|Class) \|.*\n\| --- .*\n", TEXT, flags=re.M)[1:]
OLD, MEMBERS, NEW = ([m.groups() for m in ROW.finditer(text)] for text in tables)
PATHS = {
    name: quoted(modules) for names, modules, _ in OLD + NEW for name in quoted(names)
}


@pytest.mark.parametrize(
    ("module", "name"), [(m, n) for n, modules in PATHS.items() for m in modules]
)
def test_name_of_the_table_is_in_its_module(module, name):
    assert hasattr(importlib.import_module(module), name)


def test_typed_programs_touch_every_older_name():
    folder = PAGE.parents[1] / "tests" / "typing"
    text = "".join(path.read_text("utf-8") for path in folder.glob("published*.py"))
    names = {n for names, modules, _ in OLD if quoted(modules) for n in quoted(names)}
    members = {member for _, found, _ in MEMBERS for member in quoted(found)}
    assert names - set(re.findall(r"\w+", text)) == set()
    assert members - set(re.findall(r"\.(\w+)", text)) == set()


@pytest.mark.parametrize("module", MODULES)
def test_public_name_of_a_module_is_in_the_table(module):
    found = importlib.import_module(module)
    assert set(found.__all__) - set(PATHS) == set()


def test_only_names_of_the_server_are_said_to_be_missing():
    gone = [state for _, modules, state in OLD if not quoted(modules)]
    assert gone
    assert set(gone) == {"not there: they belong to the HTTP server"}
    assert all(state.startswith("new") for *_, state in NEW)
    assert not any(state.startswith("new") for *_, state in OLD)


def test_a_name_has_one_row():
    rows = [name for names, *_ in OLD + NEW for name in quoted(names)]
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize("row", MEMBERS, ids=lambda row: quoted(row[0])[0])
def test_class_has_the_members_of_the_table(row):
    (name,) = quoted(row[0])
    cls = getattr(importlib.import_module(PATHS[name][0]), name)
    try:
        made = cls()
    except TypeError:  # it is made with arguments, or by a subclass
        made = cls
    fields = {*dir(made), *getattr(cls, "__annotations__", ())}
    assert set(quoted(row[1])) - fields == set()
    assert len(quoted(row[1])) == len(set(quoted(row[1])))
