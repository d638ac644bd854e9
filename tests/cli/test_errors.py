"""Errors: one clear line on stderr and exit code 2; the traceback for `-v` alone."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("click")

FILES = {
    "empty.yaml": "",
    "broken.yaml": "a: [1\nb",
    "broken.json": "{",
    "class.yaml": "routines: {a: {class: fliter}}",
    "config.yaml": "routines: {a: {class: filter, config: {condtion: 'data > 1'}}}",
    "slot.yaml": "routines: {a: {class: filter}}\nconnections: ['a.passed -> a.in']",
    "twice.yaml": "routines:\n  a: {class: filter}\n  a: {class: mapper}\n",
    "twice.json": '{"routines": {"a": {"class": "filter"}, "a": {"class": "mapper"}}}',
    "words.txt": "",
    "lines.jsonl": "1\n{x\n",
    "raises.py": "import station\n1 / 0\n",
    "leaves.py": "raise SystemExit('enough')\n",
    "bad.toml": "[routines]\ndirectories = 3\n",
    "list.json": "[1]",
    "key.py": "{}['color']\n",
    "silent.py": "raise AssertionError\n",
    "waits.py": "raise KeyboardInterrupt\n",
}

CASES = [
    (["bogus"], "No such command 'bogus'"),
    (["run"], "give one FLOW"),
    (["run", "station:halves", "-w", "station:halves"], "give one FLOW"),
    (["run", "--bogus"], "No such option"),
    (["run", "absent.yaml"], "absent.yaml: No such file or directory"),
    (["run", "words.txt"], "'words.txt' is no flow"),
    (["validate", "empty.yaml"], "empty.yaml: the YAML of the flow is empty"),
    (["validate", "broken.yaml"], "broken.yaml: the flow is no YAML"),
    (["validate", "broken.json"], "broken.json: the flow is no JSON"),
    (["validate", "twice.yaml"], "line 3, column 3 of the flow has the key 'a' again"),
    (["validate", "twice.json"], "twice.json: routines has the key 'a' twice"),
    (["job", "submit", "-f", "station:halves", "-d", "{bad"], "--data must be JSON"),
    (["validate", "class.yaml"], "Did you mean 'filter'"),
    (["validate", "config.yaml"], "did you mean 'condition'?"),
    (["validate", "slot.yaml"], "Slot 'in' not found in routine 'a'"),
    (["run", "absent:flow"], "there is no module 'absent'"),
    (["run", "station:absent"], "has no attribute 'absent'"),
    (["run", "station:nothing"], "'station:nothing' is 3: no flow"),
    (["run", "raises:flow"], "ZeroDivisionError: division by zero"),
    (["run", "leaves:flow"], "enough"),
    (["run", "key:flow"], "KeyError: 'color'"),
    (["run", "silent:flow"], "Error: AssertionError"),
    (["run", "station:halves", "-p", "x"], "must be KEY=VALUE, not 'x'"),
    (["run", "station:halves", "-i", "absent"], "No such file"),
    (["run", "station:halves", "-i", "lines.jsonl"], "lines.jsonl, line 2, column 2"),
    (["run", "station:halves", "-i", "lines.jsonl", "-p", "a=1"], "need an object"),
    (["run", "station:signs", "-e", "sign"], "needs ROUTINE.EVENT"),
    (["run", "station:signs", "-e", "sign.hihg"], "Did you mean 'high'?"),
    (["run", "station:signs", "-e", "sing.high"], "Did you mean 'sign'?"),
    (["run", "station:signs", "--set", "at=4"], "needs ROUTINE.KEY=VALUE"),
    (["run", "station:signs", "--set", "sing.at=4"], "Did you mean 'sign'?"),
    (["run", "station:signs", "-r", "absent"], "routine 'absent' not found"),
    (["run", "station:signs", "-r", "sign", "-s", "x"], "Slot 'x' not found"),
    (["run", "station:signs", "--threads", "0"], "0 is not in the range"),
    (["run", "station:signs", "--routines-dir", "absent"], "no folder 'absent'"),
    (["run", "station:signs", "--config", "absent.toml"], "absent.toml: No such"),
    (["run", "station:signs", "--config", "bad.toml"], "must be a list of folders"),
    (["run", "station:signs", "--config", "list.json"], "must hold a mapping, not [1]"),
    (["graph", "station:signs", "-o", "absent/x.dot"], "absent/x.dot: No such"),
    (["graph", "station:signs", "-f", "png"], "'png' is not one of"),
    (["list", "flows", "--dir", "absent"], "no folder 'absent'"),
    (["job", "status", "job_1"], "there is no job 'job_1'"),
    (["job", "submit", "-f", "station:halves", "-d", "0"], "ZeroDivisionError"),
    (["completion", "tcsh"], "'tcsh' is not one of"),
]


@pytest.fixture(autouse=True)
def files() -> None:
    """Write the files that are wrong."""
    for name, text in FILES.items():
        Path(name).write_text(text)


@pytest.mark.parametrize(
    ("arguments", "text"), CASES, ids=lambda x: x if isinstance(x, str) else " ".join(x)
)
def test_error_is_one_line_and_exit_code_2(command, arguments, text):
    done = command(*arguments)
    assert done.exit_code == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("Error: "), lines
    assert text in lines[0]


def test_ctrl_c_is_one_line_and_exit_code_130(command):
    done = command("run", "waits:flow")
    assert (done.exit_code, done.stderr.split()) == (130, ["Error:", "interrupted"])


def test_a_program_that_calls_the_command_gets_its_errors():
    from routilux.cli.app import cli

    assert cli.main(["validate", "station:halves"], standalone_mode=False) is None
    with pytest.raises(ValueError, match="has no attribute 'absent'"):
        cli.main(["run", "station:absent"], standalone_mode=False)


def test_each_error_of_a_flow_is_a_line(command):
    done = command("validate", "station:idle")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "Error: Routine 'lazy' has no activation policy: it never runs",
        "Error: Routine 'lazy' has no logic: it never runs",
    ]


@pytest.mark.parametrize("arguments", [[], ["list"], ["job"]])
def test_without_a_command_there_is_help_and_exit_code_2(command, arguments):
    done = command(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: routilux")


@pytest.mark.parametrize(
    "arguments", [["bogus"], ["validate", "broken.yaml"], ["run", "raises:flow"]]
)
def test_a_process_ends_the_same_way(process, command, arguments):
    done = process(*arguments)
    assert done.returncode == 2
    assert done.stderr == command(*arguments).stderr
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [["-v", "run"], ["run", "-v"]])
def test_verbose_adds_the_traceback(process, arguments):
    done = process(*arguments, "raises:flow")
    assert done.returncode == 2
    assert "Traceback (most recent call last)" in done.stderr
    assert "1 / 0" in done.stderr
    assert done.stderr.endswith("Error: ZeroDivisionError: division by zero\n")


def test_without_click_the_command_names_the_extra():
    script = """
        import sys

        sys.modules["click"] = None
        from routilux.cli import main

        sys.exit(main(["validate", "x.yaml"]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert "pip install 'routilux[cli]'" in line


def test_the_package_does_not_import_click():
    script = "import sys, routilux.cli.decorators; sys.exit('click' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0


def test_the_project_declares_the_command():
    root = Path(__file__).resolve().parents[2]
    text = (root / "pyproject.toml").read_text("utf-8")
    assert '[project.scripts]\nroutilux = "routilux.cli:main"\n' in text
