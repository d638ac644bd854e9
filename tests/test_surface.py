"""The shape of the package: what it exports, and what the house asks of each file."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import routilux
import routilux.core

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "src_cy" / "routilux" / "_core"
STUBS = ROOT / "routilux" / "_core"
FOLDERS = ["routilux", "src_cy", "tests", "benchmarks", "docs"]
LIMITS = {".py": 400, ".pyi": 400, ".pyx": 400, ".h": 400, ".pxd": 100}

PUBLIC = sorted(routilux.__all__)
CLASSES = [name for name in PUBLIC if inspect.isclass(getattr(routilux, name))]
MODULES = sorted(path.stem for path in CORE.glob("*.pyx"))

FROM_MODULE = re.compile(r"^\s*from\s+(?:routilux\._core)?\.(\w+)\s+cimport\b", re.M)
FROM_PACKAGE = re.compile(
    r"^\s*from\s+(?:routilux\._core|\.)\s+cimport\s+(\([^)]*\)|.*)", re.M
)
DOTTED = re.compile(r"^\s*cimport\s+routilux\._core\.(\w+)", re.M)


def cimport_order() -> list[str]:
    """Read the `# order:` lines of the package's own .pxd."""
    text = (CORE / "__init__.pxd").read_text("utf-8")
    return " ".join(re.findall(r"^# order:(.*)$", text, re.M)).split()


def cimports(path: Path) -> set[str]:
    """Return the modules of the core that a file names in its cimports."""
    text = re.sub(r"#.*", "", path.read_text("utf-8"))
    names = {*FROM_MODULE.findall(text), *DOTTED.findall(text)}
    for group in FROM_PACKAGE.findall(text):
        names |= {
            part.split()[0] for part in group.strip("()").split(",") if part.split()
        }
    return names - {path.stem}


def text_of(name: str, doc: str | None) -> str:
    """Return a docstring without the signature line that Cython puts on top."""
    return re.sub(rf"\A(\w+\.)*{name}\(.*\n?", "", doc or "").strip()


WITHOUT = """
import sys

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hide())
import routilux
"""


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (
            "routilux._core.slot",
            "ImportError: the compiled core of routilux is not built"
            " (routilux._core.slot is missing): run `make build`",
        ),
        ("routilux.errors", "ModuleNotFoundError: No module named 'routilux.errors'"),
    ],
)
def test_import_says_which_part_is_missing(module: str, text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, module],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(text)


def test_all_is_sorted_and_without_doubles() -> None:
    constants_first = sorted(set(routilux.__all__), key=lambda n: (not n.isupper(), n))
    assert routilux.__all__ == constants_first


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_there_and_has_a_docstring(name: str) -> None:
    assert text_of(name, getattr(routilux, name).__doc__)


@pytest.mark.parametrize("name", CLASSES)
def test_public_methods_have_docstrings(name: str) -> None:
    members = vars(getattr(routilux, name)).items()
    bare = [
        member
        for member, value in members
        if not member.startswith("_")
        and (
            callable(value) or isinstance(value, (property, classmethod, staticmethod))
        )
        and not text_of(member, value.__doc__)
    ]
    assert bare == []


def test_core_exports_the_same_names() -> None:
    assert sorted(routilux.core.__all__) == PUBLIC


@pytest.mark.parametrize("name", MODULES)
def test_compiled_module_has_pxd_and_stub(name: str) -> None:
    files = [CORE / f"{name}.pxd", STUBS / f"{name}.pyi"]
    assert [path.name for path in files if not path.exists()] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_is_over_its_limit(folder: str) -> None:
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in (ROOT / folder).rglob("*")
        if path.suffix in LIMITS
    }
    assert {p: n for p, n in lines.items() if n > LIMITS[Path(p).suffix]} == {}


def test_order_names_each_module_of_the_core_once() -> None:
    found = {path.stem for path in CORE.glob("*.p[yx][xd]")} - {"__init__"}
    assert sorted(cimport_order()) == sorted(found)


@pytest.mark.parametrize("name", cimport_order())
def test_module_cimports_only_from_its_left(name: str) -> None:
    order = cimport_order()
    allowed = set(order[: order.index(name)])
    for path in CORE.glob(f"{name}.p[yx][xd]"):
        assert cimports(path) <= allowed, path.name
