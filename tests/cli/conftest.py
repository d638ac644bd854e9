"""The command in two ways: as a process of its own, and by click's runner."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from routilux import FlowRegistry
from routilux.tools import ObjectFactory

PROGRAM = """
    import time

    from routilux import Flow, Routine, immediate_policy, pipeline


    def half(x):
        return 1 / x


    def make():
        return pipeline(half, str)


    halves = pipeline(half)
    stuck = pipeline(lambda item: time.sleep(60))
    nothing = 3


    class Sign(Routine):
        def __init__(self):
            super().__init__()
            self.add_slot("input")
            self.add_event("low")
            self.add_event("high")
            self.set_activation_policy(immediate_policy())

        def logic(self, slot_data, policy_message, worker_state):
            for item in slot_data["input"]:
                at = self.get_config("at", 0)
                self.emit("high" if item["n"] > at else "low", n=item["n"])


    signs = Flow("signs")
    signs.add_routine(Sign(), "sign")
    idle = Flow("idle")
    idle.add_routine(Routine(), "lazy")
"""


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in an empty folder that has `station.py`, with names of its own."""
    (tmp_path / "station.py").write_text(textwrap.dedent(PROGRAM))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(ObjectFactory, "_instance", None)
    before = set(sys.modules)
    yield
    FlowRegistry.get_instance().clear()
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and Path(file).is_relative_to(tmp_path):
            del sys.modules[name]
    for name in ("routines", "flows"):
        sys.modules.pop(name, None)


@pytest.fixture
def command() -> Callable[..., Any]:
    """Return a function that runs the command by click's runner."""
    from click.testing import CliRunner

    from routilux.cli.app import cli

    def call(*arguments: str, stdin: str | None = None) -> Any:
        return CliRunner().invoke(cli, arguments, input=stdin, prog_name="routilux")

    return call


@pytest.fixture
def process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs the command as a process."""

    def call(
        *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "routilux", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **environment},
        )

    return call


@pytest.fixture
def values() -> Callable[[str], list[Any]]:
    """Return a function that reads JSON lines."""
    return lambda text: [json.loads(line) for line in text.splitlines()]
