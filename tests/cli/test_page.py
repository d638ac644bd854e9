"""The console blocks of docs/cli.md: each line runs and prints what stands below it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("click")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.M | re.S)


@pytest.mark.skipif(os.name == "nt", reason="the lines are for a POSIX shell")
def test_each_line_of_the_page_prints_what_stands_below_it(tmp_path):
    shim = tmp_path / "bin" / "routilux"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m routilux "$@"\n')
    shim.chmod(0o755)
    path = f"{shim.parent}{os.pathsep}{os.environ['PATH']}"
    text = "".join(BLOCK.findall(PAGE.read_text("utf-8")))
    found = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.M)
    assert len(found) > 10
    for line, expected in found:
        done = subprocess.run(
            line,
            shell=True,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        assert done.stdout == expected, line
