"""The price of a post and of a hop, in instructions, which load can't blur."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM = Path(__file__).resolve().parents[1] / "benchmarks" / "instructions.py"


@pytest.fixture
def instructions() -> ModuleType:
    """Give the program that counts; it is a script, not part of a package."""
    spec = importlib.util.spec_from_file_location("instructions", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_figure_is_more_than_5_percent_above_the_record(
    instructions: ModuleType,
) -> None:
    if reason := instructions.obstacle():
        pytest.skip(f"can't count instructions: {reason}")
    key = instructions.key()
    if key not in instructions.recorded():
        pytest.skip(f"no figures of {key} are recorded: run `make bench-record`")
    before = instructions.recorded()[key]["instructions"]
    figures = instructions.counted()
    assert figures.keys() == before.keys(), "run `make bench-record`"
    assert instructions.excess(figures, before) == []


def test_a_rise_is_named_only_beyond_the_tolerance(instructions: ModuleType) -> None:
    before = {"post": 1000, "hop": 1000}
    assert instructions.excess({"post": 1050, "hop": 900}, before) == []
    (rise,) = instructions.excess({"post": 1000, "hop": 1051}, before)
    assert rise == "hop: 1051 instructions, 1000 recorded (+5.1%)"


def test_the_key_names_the_interpreter(instructions: ModuleType) -> None:
    major, minor = sys.version_info[:2]
    assert f"-{major}.{minor}-" in instructions.key()
