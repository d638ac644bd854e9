"""Decorators, discovery and configuration, as programs import them."""

import logging
import sys
from pathlib import Path

import pytest

from routilux import Routine, Runtime
from routilux.cli.config import ConfigLoader, get_config_value, load_config
from routilux.cli.decorators import auto_register_routine, register_routine
from routilux.cli.discovery import (
    RoutineDiscovery,
    discover_routines,
    get_default_routines_dirs,
)
from routilux.errors import ConfigurationError
from routilux.tools import ObjectFactory, RoutineTester

SOURCE = """
from routilux import Routine
from routilux.cli.decorators import auto_register_routine, register_routine

@register_routine("shout", category="text", tags=["demo"], description="Louder.")
def shout(item):
    return item.upper()

@auto_register_routine
class HTTPReader(Routine):
    pass
"""


@pytest.fixture
def folder(tmp_path):
    """Return a folder with two routines, one of them deeper."""
    place = tmp_path / "mine"
    (place / "deep").mkdir(parents=True)
    (place / "deep" / "text.py").write_text(SOURCE)
    (place / "_draft.py").write_text("1 / 0")
    return place


def test_a_registered_function_runs():
    @register_routine("add_one")
    def add_one(item):
        return item + 1

    assert issubclass(add_one, Routine)
    with RoutineTester(ObjectFactory.get_instance().create("add_one")) as tester:
        tester.run("input", 1)
        assert tester.emitted("output") == [{"result": 2}]


def test_facts_about_a_routine_are_kept(folder):
    assert discover_routines([folder]) == ["http_reader", "shout"]
    about = ObjectFactory.get_instance().get_metadata("shout")
    assert (about.category, about.tags, about.description) == (
        *("text", ["demo"], "Louder."),
    )


def test_looking_through_a_folder_twice_is_no_error(folder):
    discovery = RoutineDiscovery(on_error="raise")
    assert len(discovery.discover([folder, folder])) == 2
    assert discovery.discover([folder]) == []
    assert discover_routines([folder], on_error="raise") == []


def test_an_edited_file_may_be_imported_again(folder):
    discover_routines([folder])
    old = ObjectFactory.get_instance().create("shout")
    [module] = [
        m
        for name, m in list(sys.modules.items())
        if name.endswith("deep.text") or name.endswith("deep_text")
    ]
    exec(compile(SOURCE, module.__file__, "exec"), module.__dict__)
    assert type(ObjectFactory.get_instance().create("shout")) is not type(old)


def test_the_same_name_for_two_routines_is_an_error():
    register_routine("one")(len)
    with pytest.raises(ValueError, match="'one' is already registered"):
        register_routine("one")(abs)


def test_only_routines_can_be_registered():
    with pytest.raises(TypeError, match="for routines"):
        auto_register_routine(int)


def test_a_registered_class_keeps_its_type():
    @auto_register_routine(name="mine", tags=["x"])
    class Mine(Routine):
        pass

    assert type(ObjectFactory.get_instance().create("mine")) is Mine


def test_a_broken_file_is_a_warning_that_names_it(folder, caplog):
    (folder / "broken.py").write_text("1 / 0")
    with caplog.at_level(logging.WARNING, "routilux"):
        assert "shout" in discover_routines([folder])
    [record] = caplog.records
    assert "broken.py can't be imported: ZeroDivisionError" in record.getMessage()


def test_a_broken_file_can_be_raised_or_ignored(folder, caplog):
    (folder / "broken.py").write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        discover_routines([folder], on_error="raise")
    discovery = RoutineDiscovery(on_error="ignore")
    discovery.discover([folder])
    assert [path.name for path in discovery.errors] == ["broken.py"]
    assert caplog.records == []
    with pytest.raises(ValueError, match="on_error"):
        RoutineDiscovery(on_error="stop")


def test_files_of_one_name_in_folders_of_one_name_are_both_imported(tmp_path):
    folders = [tmp_path / "one" / "mine", tmp_path / "two" / "mine"]
    for folder in folders:
        folder.mkdir(parents=True)
        place = folder.parent.name
        text = SOURCE.replace("shout", place).replace("HTTP", place.title())
        (folder / "text.py").write_text(text)
    found = discover_routines(folders, on_error="raise")
    assert found == ["one", "one_reader", "two", "two_reader"]


def test_a_folder_with_the_name_of_a_module_is_looked_through_too(monkeypatch):
    monkeypatch.syspath_prepend(Path.cwd())
    Path("station").mkdir()  # beside station.py
    Path("station", "text.py").write_text(SOURCE)
    assert discover_routines(["station"], on_error="raise") == ["http_reader", "shout"]


def test_default_folders_are_those_that_are_there(tmp_path):
    assert get_default_routines_dirs() == []
    Path("routines").mkdir()
    (tmp_path / "home/.routilux/routines").mkdir(parents=True)
    assert get_default_routines_dirs() == [
        tmp_path / "routines",
        tmp_path / "home/.routilux/routines",
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("routilux.toml", '[routines]\ndirectories = ["mine"]'),
        ("pyproject.toml", '[tool.routilux.routines]\ndirectories = ["mine"]'),
        ("conf.yaml", "routines: {directories: [mine]}"),
        ("conf.json", '{"routines": {"directories": ["mine"]}}'),
    ],
)
def test_configuration_names_folders_seen_from_its_file(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    config = load_config(name if name.startswith("conf") else None)
    assert get_config_value(config, "routines.directories") == [str(tmp_path / "mine")]


def test_no_configuration_is_an_empty_one():
    Path("pyproject.toml").write_text("[project]\nname = 'x'")
    assert load_config() == {}
    assert get_config_value({}, "routines.directories", []) == []
    with pytest.raises(OSError, match=r"absent\.toml"):
        ConfigLoader("absent.toml").load()


def test_configuration_that_is_wrong_names_its_file():
    Path("routilux.toml").write_text("[routines\n")
    with pytest.raises(ConfigurationError, match=r"routilux\.toml: "):
        load_config()


def test_flows_can_name_what_was_discovered(folder):
    from routilux import Flow

    discover_routines([folder])
    flow = Flow.from_dict({"routines": {"a": "shout"}})
    with Runtime(thread_pool_size=1) as runtime:
        worker = runtime.exec(flow)
        _, job = runtime.post(flow, "a", "input", "x")
        assert job.wait(10) and job.status == "completed"
    assert worker.flow is flow
