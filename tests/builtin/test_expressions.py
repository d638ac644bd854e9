"""Expressions compute with the data, and reach nothing else."""

import dataclasses
import datetime
import os
import threading
import types
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import pytest

from routilux.builtin_routines import Filter, Mapper
from routilux.builtin_routines.expressions import Expression, ExpressionError


@dataclasses.dataclass
class Point:
    x: int
    secret = "class attribute"

    def method(self):
        return "called"


Pair = namedtuple("Pair", "left right")


def evaluate(text, **names):
    return Expression(text, names, "here").evaluate(names)


@pytest.mark.parametrize(
    ("text", "data", "value"),
    [
        ("1 + 2 * 3", None, 7),
        ("2 ** 10", None, 1024),
        ("7 % 3 == 1 and not False", None, True),
        ("data['a']['b'][0]", {"a": {"b": [5]}}, 5),
        ("data.a.b", {"a": {"b": 5}}, 5),
        ("data.get('x', 3)", {}, 3),
        ("'x' in data", {"x": 1}, True),
        ("data in ['a', 'b']", "b", True),
        ("data[1:3]", "abcd", "bc"),
        ("1 if data > 2 else 0", 3, 1),
        ("1 < data < 5", 3, True),
        ("data.strip().upper()", " a ", "A"),
        ("data.split(',')[-1]", "a,b", "b"),
        ("len(data) + sum(data)", [1, 2], 5),
        ("max(data) - min(data)", [1, 5], 4),
        ("sorted(data)[0]", [3, 1], 1),
        ("round(data, 1)", 1.26, 1.3),
        ("replace(data, 'a', 'b')", "aa", "bb"),
        ("join('-', data)", [1, 2], "1-2"),
        ("{'k': data, 't': (1, 2)}", 1, {"k": 1, "t": (1, 2)}),
        ("data.x", Point(4), 4),
        ("data.right", Pair(1, 2), 2),
        ("data.year", datetime.date(2020, 1, 2), 2020),
        ("data.isoformat()", datetime.date(2020, 1, 2), "2020-01-02"),
        ("data is None", None, True),
        ("-data", 3, -3),
    ],
)
def test_expressions_compute(text, data, value):
    assert evaluate(text, data=data) == value


ESCAPES = [
    "data.__class__",
    "().__class__.__bases__[0].__subclasses__()",
    "data.__init__.__globals__['os'].system('id')",
    "''.__class__.__mro__",
    "data.method.__globals__",
    "data._private",
    "'{0.__class__}'.format(data)",
    "'%s' % data",
    "f'{data}'",
    "f'{data!r:>{1}}'",
    "lambda: 1",
    "[x for x in data]",
    "{x: 1 for x in data}",
    "(x for x in data)",
    "(x := 1)",
    "__import__('os')",
    "eval('1')",
    "exec('1')",
    "open('/etc/passwd')",
    "getattr(data, 'x')",
    "vars(data)",
    "type(data)",
    "globals()",
    "print(1)",
    "data.method()",
    "data.mro()",
    "[len][0](data)",
    "(len if True else len)(data)",
    "data['f'](1)",
    "max(data, key=len)",
    "sorted(data, key=data.f)",
    "sorted(*data)",
    "len(**data)",
    "data.pop('x')",
    "data.update(x=1)",
    "data.clear()",
    "data.append(1)",
    "data.encode('idna')",
    "data.translate({})",
    "data.ljust(1000)",
    "await data",
    "yield data",
    "data; data",
    "import os",
    "x = 1",
    "",
    "data +",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_what_leads_out_of_the_data_is_refused_before_it_runs(text):
    with pytest.raises(ExpressionError, match="here"):
        evaluate(text, data={"x": 1, "f": print})


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("data.secret", Point(1)),
        ("data.method", Point(1)),
        ("data.system", os),
        ("data.path.join", os),
        ("data.environ", types.SimpleNamespace(environ=1)),
        ("data.f_globals", None),
        ("data.gi_frame", (n for n in [1])),
        ("data.func_globals", print),
        ("data.count", [1]),
        ("data.get", {}),
        ("data.get('x')", os.environ),
        ("data.upper()", Point(1)),
        ("data.tb_frame", None),
        ("data.year", types.SimpleNamespace(year=1)),
    ],
)
def test_attributes_of_objects_are_refused(text, data):
    with pytest.raises(ExpressionError, match="here"):
        evaluate(text, data=data)


@pytest.mark.parametrize(
    "text",
    [
        "9 ** 9 ** 9",
        "2 ** 1000000",
        "'a' * 1000000000",
        "[0] * 1000000000",
        "('a' * 90000) + ('b' * 90000)",
        "replace('a' * 90000, 'a', 'b' * 90000)",
        "join('b' * 90000, [1, 2, 3])",
        "1 << 1000000",
        "'%1000000000d' % 1",
        "(" * 300 + "1" + ")" * 300,
        " + ".join(["1"] * 1000),
        "not " * 3000 + "1",
        "1" * 5000,
    ],
    ids=lambda text: text[:30],
)
def test_what_costs_too_much_is_refused(text):
    with pytest.raises(ExpressionError, match="here"):
        evaluate(text, data=1)


def test_an_error_shows_the_expression_and_the_cause():
    with pytest.raises(ExpressionError) as caught:
        evaluate("data['age'] > 3", data={})
    assert "data['age'] > 3" in str(caught.value)
    assert "KeyError" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("data ** 2", r"\*\* is for numbers"),
        ("2 ** data", r"\*\* is for numbers"),
        ("replace(1, 'a', 'b')", "is for strings"),
        ("replace(data, 'a', None)", "is for strings"),
    ],
)
def test_what_is_for_other_types_says_so(text, why):
    with pytest.raises(ExpressionError, match=why):
        evaluate(text, data="a")


def test_comparing_data_without_an_end_is_an_error_of_the_expression():
    left, right = [], []
    left.append(left)
    right.append(right)
    with pytest.raises(ExpressionError, match="nested too deeply"):
        evaluate("data[0] == data[1]", data=[left, right])


def test_unknown_functions_and_variables_are_named_with_the_valid_ones():
    with pytest.raises(ExpressionError, match=r"'lenn'.*len"):
        evaluate("lenn(data)", data=1)
    with pytest.raises(ExpressionError, match=r"'dat'.*data"):
        evaluate("dat", data=1)


def test_data_that_contains_itself_is_no_problem():
    data = {"n": 1}
    data["self"] = data
    assert evaluate("data.self.self.n", data=data) == 1


def test_one_expression_serves_many_threads():
    expression = Expression("data + data", ["data"], "here")
    gate = threading.Barrier(4)

    def work(n):
        gate.wait(20)
        return [expression.evaluate({"data": n + i}) for i in range(200)]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(0, 4000, 1000)))
    assert results == [[2 * (n + i) for i in range(200)] for n in range(0, 4000, 1000)]


@pytest.mark.parametrize(
    "config",
    [
        {"condition": "data.__class__.__base__.__subclasses__()"},
        {"condition": "().__class__"},
    ],
)
def test_a_filter_refuses_an_escape_when_it_is_configured(config):
    with pytest.raises(ExpressionError, match="not allowed"):
        Filter().set_config(**config)


def test_a_mapper_refuses_an_escape_when_it_is_configured():
    with pytest.raises(ExpressionError, match=r"'name'.*not allowed"):
        Mapper().add_mapping("name", "name", transform="value.__class__")
