"""`validate`, `list`, `graph` and `completion`: they look, and run nothing."""

import json
from pathlib import Path

import pytest

from routilux import Flow
from routilux.analysis import WorkflowAnalyzer

pytest.importorskip("click")

GOOD = "routines: {a: {class: filter}, b: {class: mapper}}\n"
LINK = "connections: ['a.passed -> b.input']\n"


@pytest.fixture(autouse=True)
def files() -> None:
    """Write a folder of flows."""
    folder = Path("flows", "deep")
    folder.mkdir(parents=True)
    Path("flows", "good.yaml").write_text(GOOD + LINK)
    Path("flows", "bad.yaml").write_text("routines: {a: {class: fliter}}")
    Path("flows", "other.json").write_text('{"name": "no flow at all"}')
    (folder / "named.json").write_text('{"flow_id": "shop", "routines": {}}')


def test_a_flow_that_is_well_is_valid(command):
    done = command("validate", "flows/good.yaml")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "good: valid (routines=2, connections=1)"
    assert "Warning: Event 'rejected' of routine 'a'" in done.stdout


def test_quiet_leaves_warnings_out(command):
    done = command("validate", "-q", "flows/good.yaml")
    assert done.stdout == "good: valid (routines=2, connections=1)\n"


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_flow_file_may_begin_with_a_byte_order_mark(command, suffix):
    path = Path("flows", f"marked{suffix}")
    path.write_text('{"routines": {"a": "filter"}}', encoding="utf-8-sig")
    done = command("validate", "-q", str(path))
    assert done.stdout == "marked: valid (routines=1, connections=0)\n"
    assert str(path) in command("list", "flows", "-f", "plain").stdout.split()


def test_routines_are_listed_by_category(command):
    done = command("list", "routines", "-c", "reliability", "--format", "json")
    [row] = json.loads(done.stdout)
    assert (row["name"], row["type"]) == ("retry_handler", "RetryHandler")


def test_routines_of_a_folder_are_listed_beside_the_built_in_ones(command):
    Path("mine").mkdir()
    Path("mine/shout.py").write_text(
        "from routilux.cli.decorators import register_routine\n"
        "@register_routine('shout')\n"
        "def shout(item):\n"
        "    '''Say it louder.'''\n"
    )
    done = command("list", "routines", "--routines-dir", "mine", "-f", "plain")
    assert "shout" in done.stdout.split() and "filter" in done.stdout.split()
    table = command("list", "routines", "--routines-dir", "mine", "-c", "user")
    assert table.stdout.splitlines()[1].split(maxsplit=2) == [
        *("shout", "user", "Say it louder.")
    ]


def test_a_broken_flow_does_not_hide_the_others(command):
    rows = json.loads(command("list", "flows", "-f", "json").stdout)
    assert [(Path(row["file"]).name, row["flow_id"]) for row in rows] == [
        ("bad.yaml", ""),
        ("named.json", "shop"),
        ("good.yaml", "good"),
    ]
    assert "Did you mean 'filter'" in rows[0]["state"]
    assert [row["state"] for row in rows[1:]] == ["valid", "valid"]


def test_flows_of_another_folder_are_listed(command):
    done = command("list", "flows", "--dir", "flows/deep", "-f", "plain")
    assert done.stdout.split() == [str(Path("flows/deep/named.json"))]


def drawn(language: str) -> str:
    """Return what the library itself says of the flow."""
    flow = Flow.from_yaml(f"flow_id: good\n{GOOD}{LINK}")
    if language == "d2":
        analyzer = WorkflowAnalyzer()
        return analyzer.to_d2_format(analyzer.analyze_flow(flow))
    return flow.to_dot() if language == "dot" else flow.to_mermaid()


@pytest.mark.parametrize("language", ["mermaid", "dot", "d2"])
def test_graph_prints_what_the_library_writes(command, language):
    done = command("graph", "flows/good.yaml", "--format", language)
    assert done.stdout.rstrip() == drawn(language).rstrip()


@pytest.mark.parametrize(
    ("name", "language"), [("x.mmd", "mermaid"), ("x.gv", "dot"), ("x.d2", "d2")]
)
def test_graph_takes_the_language_from_the_suffix(command, name, language):
    assert command("graph", "flows/good.yaml", "-o", name).stdout == ""
    assert Path(name).read_text("utf-8").rstrip() == drawn(language).rstrip()


@pytest.mark.parametrize("name", ["x.png", "x.pdf", "x", "x.txt"])
def test_graph_refuses_a_suffix_that_says_no_language(command, name):
    done = command("graph", "flows/good.yaml", "-o", name)
    assert done.exit_code == 2
    assert not Path(name).exists()
    for word in (repr(name), ".mmd", ".dot", ".d2", ".svg", "--format"):
        assert word in done.stderr
    done = command("graph", "flows/good.yaml", "-o", name, "-f", "d2")
    assert done.exit_code == 0
    assert Path(name).read_text("utf-8").rstrip() == drawn("d2").rstrip()


def test_graph_draws_a_picture_into_an_svg_file(command):
    assert command("graph", "flows/good.yaml", "-o", "x.svg").exit_code == 0
    assert Path("x.svg").read_text("utf-8").startswith("<svg")


def test_version_and_help_are_there(command):
    assert command("--version").stdout.startswith("routilux, version ")
    for name in ("init", "run", "validate", "list", "graph", "job", "completion"):
        assert name in command("--help").stdout
        assert command(name, "--help").exit_code == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(command, shell):
    assert "_ROUTILUX_COMPLETE" in command("completion", shell).stdout


def test_completion_is_installed_where_the_shell_looks(command, tmp_path):
    done = command("completion", "fish", "--install")
    place = tmp_path / "home/.config/fish/completions/routilux.fish"
    assert str(place) in done.stderr
    assert place.read_text() == command("completion", "fish").stdout


def test_the_completion_completes(process):
    done = process(
        _ROUTILUX_COMPLETE="bash_complete", COMP_WORDS="routilux va", COMP_CWORD="1"
    )
    assert done.stdout.split() == ["plain,validate"]
