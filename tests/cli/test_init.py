"""A new project validates and runs, as a user would do it: by processes."""

from pathlib import Path

import pytest

pytest.importorskip("click")


def test_new_project_validates_and_runs(process, values, tmp_path, monkeypatch):
    made = process("init", "shop")
    assert (made.returncode, made.stdout) == (0, "")
    monkeypatch.chdir(tmp_path / "shop")
    checked = process("validate", "flows/hello.yaml")
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.endswith("hello: valid (routines=2, connections=1)\n")
    ran = process("run", "flows/hello.yaml", "-p", "name=Ada")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert values(ran.stdout) == [{"text": "Hello, Ada: 3 letters"}]
    many = process("run", "flows/hello.yaml", "--input", "data/names.jsonl")
    assert [value["text"] for value in values(many.stdout)] == [
        "Hello, Ada: 3 letters",
        "Hello, Grace: 5 letters",
        "Hello, Barbara: 7 letters",
    ]


def test_the_line_that_init_suggests_runs(process):
    suggested = process("init", "shop").stderr.splitlines()[-1]
    assert suggested == "try: cd shop && routilux run flows/hello.yaml -p name=Ada"


def test_init_without_a_name_uses_the_current_folder(command):
    assert command("init").exit_code == 0
    assert Path("flows/hello.yaml").is_file()
    assert command("run", "flows/hello.yaml", "-p", "name=Bo").exit_code == 0


def test_init_does_not_replace_files_unless_forced(command):
    command("init", "shop")
    flow = Path("shop/flows/hello.yaml")
    flow.write_text("mine")
    refused = command("init", "shop")
    assert refused.exit_code == 2
    assert "is there already; --force replaces it" in refused.stderr
    assert flow.read_text() == "mine"
    assert command("init", "shop", "--force").exit_code == 0
    assert flow.read_text() != "mine"


def test_init_that_is_refused_leaves_nothing_behind(command):
    Path("shop/flows").mkdir(parents=True)
    Path("shop/flows/hello.yaml").write_text("mine")
    assert command("init", "shop").exit_code == 2
    assert [path.name for path in Path("shop").rglob("*")] == ["flows", "hello.yaml"]
