"""Analysers and formatters."""

import json

import pytest

import routilux.analysis
import routilux.tools
import routilux.tools.analysis
from routilux import Flow, Routine
from routilux.analysis import (
    BaseFormatter,
    RoutineAnalyzer,
    RoutineMarkdownFormatter,
    WorkflowAnalyzer,
    WorkflowD2Formatter,
    analyze_routine_file,
    analyze_workflow,
)
from routilux.builtin_routines import Filter, Mapper
from routilux.decorators import routine

SOURCE = '''"""Some routines."""

from routilux import Routine
import routilux


class Reader(routilux.Routine):
    """Reads.

    At length.
    """

    def __init__(self):
        super().__init__()
        self.add_slot("trigger", 50, overflow="error")
        self.add_event("line", ["text", "number"])
        self.define_slot("other", watermark=0.5)
        self.define_event("end")
        self.set_config(path="in|out", limit=LIMIT)

    def logic(self, slot_data, policy_message, worker_state):
        """Emit lines."""
        self.emit("line", text="x", number=1)
        self.emit("line", text="y", number=2)
        self.emit("end")

    async def later(self, x, *, y=1):
        pass


class Derived(Reader):
    pass


class Looks:
    def __init__(self):
        self.add_slot("input")


class Plain:
    """No routine."""


@routine(input_slot="text", output_event="words")
def split(text):
    """Split."""


@other
def helper():
    pass
'''


@routine
def made_by_decorator(item):
    return item


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "some.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


@pytest.fixture
def flow():
    flow = Flow("shop")
    flow.add_routine(Filter().set_condition({"x": 1}), "check")
    flow.add_routine(Mapper().add_mapping("y", "x"), 'map "it"')
    flow.connect("check", "passed", 'map "it"', "input")
    return flow


def test_routines_are_found_in_a_file_that_is_not_imported(source):
    found = analyze_routine_file(source)
    assert found["file_path"] == str(source)
    names = [routine["name"] for routine in found["routines"]]
    assert names == ["Reader", "Derived", "Looks", "split"]
    reader = found["routines"][0]
    assert reader["docstring"].startswith("Reads.")
    assert reader["slots"] == [
        {"name": "trigger", "max_queue_length": 50, "overflow": "error"},
        {"name": "other", "watermark": 0.5},
    ]
    assert reader["events"] == [
        {"name": "line", "output_params": ["text", "number"]},
        {"name": "end", "output_params": []},
    ]
    assert reader["config"] == {"path": "in|out", "limit": "LIMIT"}
    assert reader["line_number"] == 7
    logic = reader["methods"][1]
    assert (logic["name"], logic["docstring"]) == ("logic", "Emit lines.")
    assert logic["emits"] == ["line", "end"]
    assert reader["methods"][2]["is_async"] is True
    assert reader["methods"][2]["parameters"] == ["x", "y"]


def test_a_class_of_a_generic_routine_is_a_routine():
    text = "class Own(Base, BatchRoutine[int]): pass\nclass Other(dict[str, int]): pass"
    found = RoutineAnalyzer().analyze_source(text)
    assert [one["name"] for one in found] == ["Own"]


def test_a_decorated_function_is_a_routine(source):
    split = analyze_routine_file(str(source))["routines"][-1]
    assert split["slots"] == [{"name": "text"}]
    assert split["events"] == [{"name": "words", "output_params": []}]


def test_a_file_that_is_no_python_is_a_syntax_error(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("class (")
    with pytest.raises(SyntaxError):
        RoutineAnalyzer().analyze_file(path)


def test_an_analysis_is_saved_as_json(source, tmp_path):
    analyzer = RoutineAnalyzer()
    found = analyzer.analyze_file(source)
    analyzer.save_json(found, tmp_path / "out.json")
    text = (tmp_path / "out.json").read_text("utf-8")
    assert json.loads(text) == json.loads(analyzer.to_json(found)) == found


def test_a_flow_is_described(flow):
    data = analyze_workflow(flow)
    assert (data["flow_id"], data["execution_timeout"]) == ("shop", 300.0)
    assert data["connections"] == [
        {
            "source_routine_id": "check",
            "source_event": "passed",
            "target_routine_id": 'map "it"',
            "target_slot": "input",
            "param_mapping": None,
        }
    ]
    assert data["dependency_graph"] == {"check": [], 'map "it"': ["check"]}
    assert data["entry_points"] == ["check"]
    check = data["routines"][0]
    assert (check["routine_id"], check["class_name"]) == ("check", "Filter")
    assert check["slots"] == [{"name": "input", "max_queue_length": 1000}]
    assert check["events"][1] == {
        "name": "rejected",
        "output_params": ["data", "reason"],
    }
    assert check["config"]["condition"] == {"x": 1}
    assert check["source_info"]["name"] == "Filter"
    assert check["source_info"]["file_path"].endswith("filter.py")


def test_sources_can_be_left_alone(flow):
    data = WorkflowAnalyzer(RoutineAnalyzer()).analyze_flow(flow, False)
    assert {routine["source_info"] for routine in data["routines"]} == {None}


def test_a_class_without_source_is_described_without_it():
    names = {"Routine": Routine}
    exec("class Typed(Routine):\n    'Was typed in.'", names)
    flow = Flow()
    flow.add_routine(names["Typed"](), "typed")
    flow.add_routine(made_by_decorator(), "made")
    found = {r["routine_id"]: r for r in analyze_workflow(flow)["routines"]}
    assert (found["typed"]["class_name"], found["typed"]["docstring"]) == (
        *("Typed", "Was typed in."),
    )
    assert [found[name]["source_info"] for name in ("typed", "made")] == [None, None]


def test_a_routine_with_a_trigger_is_an_entry_point(flow):
    routine = flow.routines['map "it"']
    routine.add_slot("trigger")
    assert analyze_workflow(flow)["entry_points"] == ["check", 'map "it"']


def test_a_flow_is_saved_as_json(flow, tmp_path):
    analyzer = WorkflowAnalyzer()
    flow.routines["check"].set_callable(len)
    analyzer.save_json(analyzer.analyze_flow(flow), tmp_path / "flow.json")
    saved = json.loads((tmp_path / "flow.json").read_text("utf-8"))
    assert saved["routines"][0]["config"]["condition"] == "<built-in function len>"


def test_a_flow_is_drawn_in_d2(flow, tmp_path):
    analyzer = WorkflowAnalyzer()
    data = analyzer.analyze_flow(flow)
    text = analyzer.to_d2_format(data)
    assert '"check": {\n  label: "check (Filter)"' in text
    assert '"check" -> "map \\"it\\"": "passed to input"' in text
    assert text.count("{") == text.count("}")
    analyzer.save_d2(data, tmp_path / "flow.d2")
    assert (tmp_path / "flow.d2").read_text("utf-8") == text


def test_the_ultimate_style_shows_slots_and_events(flow):
    analyzer = WorkflowAnalyzer()
    text = analyzer.to_d2_format(analyzer.analyze_flow(flow), mode="ultimate")
    assert '"slot input": "input [1000]" {shape: queue}' in text
    assert '"check"."event passed" -> "map \\"it\\""."slot input"' in text


def test_docstrings_of_an_analysis_become_tooltips(flow, source):
    data = analyze_workflow(flow)
    extra = {"routines": [{"name": "Filter", "docstring": "Mine."}]}
    assert 'tooltip: "Mine."' in WorkflowAnalyzer().to_d2_format(
        data, routine_analysis=extra
    )


def test_a_formatter_saves_what_it_formats(flow, tmp_path):
    data = analyze_workflow(flow)
    formatter = WorkflowD2Formatter(style="default")
    formatter.save(data, tmp_path / "a.d2")
    assert (tmp_path / "a.d2").read_text("utf-8") == formatter.format(data)
    with pytest.raises(ValueError, match=r"'nice'|ultimate"):
        WorkflowD2Formatter("nice")


def test_routines_are_written_as_markdown(source):
    text = RoutineMarkdownFormatter().format(analyze_routine_file(source))
    assert "## Reader" in text
    assert "| line | text, number |" in text
    assert "| path | 'in\\|out' |" in text
    assert "| logic | Emit lines. | line, end |" in text


def test_a_file_without_routines_says_so(tmp_path):
    path = tmp_path / "none.py"
    path.write_text("x = 1\n")
    assert "There are none." in RoutineMarkdownFormatter().format(
        analyze_routine_file(path)
    )


def test_a_formatter_of_your_own_needs_format_only(tmp_path):
    class Count(BaseFormatter):
        def format(self, data):
            return str(len(data))

    Count().save({"a": 1}, tmp_path / "n")
    assert (tmp_path / "n").read_text() == "1"
    with pytest.raises(TypeError, match="abstract"):
        BaseFormatter()


def test_older_import_paths_lead_to_the_same_objects():
    for name in routilux.tools.analysis.__all__:
        mine = getattr(routilux.analysis, name)
        assert getattr(routilux.tools.analysis, name) is mine
    assert routilux.tools.D2Exporter is WorkflowD2Formatter
    assert routilux.tools.MarkdownExporter is RoutineMarkdownFormatter


@pytest.mark.parametrize(
    "head", [b"\xef\xbb\xbf", b"# -*- coding: latin-1 -*-\n# caf\xe9\n"]
)
def test_files_may_say_their_encoding(tmp_path, head):
    path = tmp_path / "own.py"
    path.write_bytes(head + b"class Own(Routine):\n    pass\n")
    [found] = analyze_routine_file(path)["routines"]
    assert found["name"] == "Own"


def test_names_that_are_no_literals_are_marked():
    text = """
class Own(Routine):
    def __init__(self):
        for n in ("p", "q"):
            self.add_slot(n, 50)
        self.add_slot("plain")
        self.add_event(name=PREFIX + "out")

    def logic(self, slot_data, policy_message, worker_state):
        self.emit(self.chosen, x=1)
"""
    [found] = RoutineAnalyzer().analyze_source(text)
    assert [slot["name"] for slot in found["slots"]] == ["<n>", "plain"]
    assert [event["name"] for event in found["events"]] == ["<PREFIX + 'out'>"]
    assert found["methods"][1]["emits"] == ["<self.chosen>"]
    page = RoutineMarkdownFormatter().format({"file_path": "x", "routines": [found]})
    assert r"| \<n> | max_queue_length=50 |" in page  # without, it would be a tag
