"""Values in documents, fields of own classes, and files that are whole."""

import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import uuid
from typing import NamedTuple

import pytest

from routilux import Routine, Serializable, SerializationError
from routilux.serialization import (
    decode,
    encode,
    read_document,
    register_type,
    write_document,
)


def again(value):
    """Write a value and read it back, through JSON."""
    return json.loads(json.dumps(value))


def plain_function():
    """Do nothing."""


class Named(Routine):
    """A class at the top of a module."""


class Point(Serializable):
    """A class of one's own with named fields."""

    def __init__(self):
        self.x = self.y = 0
        self.hidden = 0
        self.add_serializable_fields(["x", "y"])

    @classmethod
    def named(cls):
        """Make one."""


def test_own_class_writes_the_fields_that_it_names():
    point = Point()
    point.x, point.hidden = (1, 2), 3
    document = again(point.serialize())
    back = Point.deserialize(document)
    assert (back.x, back.y, back.hidden) == ((1, 2), 0, 0)
    with pytest.raises(SerializationError, match="no field 'z'"):
        Point.deserialize(document | {"z": 1}, strict=True)
    assert not hasattr(Point.deserialize(document | {"z": 1}), "z")
    point.remove_serializable_fields(["x"])
    assert "x" not in point.serialize()


class Colour(enum.Enum):
    """An enum at the top of a module."""

    RED = 1


class Grant(enum.Flag):
    """A flag at the top of a module."""

    READ = 1
    WRITE = 2


class Number(enum.IntFlag):
    """A flag that is a number."""

    ONE = 1


class Pair(NamedTuple):
    """A named tuple at the top of a module."""

    left: int
    right: object


@dataclasses.dataclass(frozen=True)
class Card:
    """A frozen dataclass at the top of a module."""

    colour: Colour
    pair: Pair


class Money:
    """A class that documents don't know."""

    def __init__(self, cents):
        self.cents = cents

    def __eq__(self, other):
        return self.cents == other.cents

    __hash__ = None


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -3,
        2**70,
        1.5,
        "text \x00 ü",
        "half a letter \ud800",
        [1, [2, {"a": []}]],
        {"a": {"b": 1}},
        {1: "a", (1, 2): "b", None: "c"},
        {"$type": "tuple", "value": [1]},
        (1, (2, [3])),
        {1, 2},
        frozenset({"a"}),
        b"\x00\xff",
        bytearray(b"x"),
        1 + 2j,
        datetime.datetime(2024, 5, 1, 12, 30, tzinfo=datetime.timezone.utc),
        datetime.date(2024, 5, 1),
        datetime.time(12, 30),
        datetime.timedelta(days=-1, microseconds=5),
        decimal.Decimal("1.10"),
        uuid.UUID(int=7),
        pathlib.Path("a") / "b",
        pathlib.PurePosixPath("a/b"),
        pathlib.PureWindowsPath("a/b"),
        Colour.RED,
        Grant.READ,
        Grant.READ | Grant.WRITE,
        Grant(0),
        Number.ONE,
        Number(6),
        Pair(1, (2, 3)),
        Card(Colour.RED, Pair(1, [2])),
        len,
        Named,
        plain_function,
        float("inf"),
    ],
    ids=ascii,
)
def test_values_come_back_equal_and_of_the_same_class(value, tmp_path):
    write_document(tmp_path / "value.json", encode(value))
    back = decode(read_document(tmp_path / "value.json"))
    assert back == value
    assert type(back) is type(value)


# More digits than Python writes or reads as text.
def test_huge_number_comes_back(tmp_path):
    value = [10**5000, -(10**5000), 2**1999, 2**2000]
    write_document(tmp_path / "value.json", encode(value))
    assert decode(read_document(tmp_path / "value.json")) == value


@pytest.mark.parametrize(
    "value", [datetime.datetime(2024, 10, 27, 2, 30, fold=1), datetime.time(2, fold=1)]
)
def test_second_of_two_equal_hours_comes_back(value):
    back = decode(again(encode(value)))
    assert (back, back.fold) == (value, 1)


def test_member_of_a_flag_is_read_by_its_name_too():
    document = encode(Colour.RED)
    document["value"] = [document["value"][0].replace("Colour", "Grant"), "WRITE"]
    assert decode(document) is Grant.WRITE


def test_dataclass_with_a_field_that_is_not_set_is_an_error():
    card = Card(Colour.RED, Pair(1, 2))
    object.__delattr__(card, "pair")
    with pytest.raises(SerializationError, match=r"the item.*no attribute 'pair'"):
        encode(card, "the item")


def test_not_a_number_comes_back():
    back = decode(again(encode([float("nan")])))
    assert back[0] != back[0]


def test_arrays_come_back():
    numpy = pytest.importorskip("numpy")
    kinds = [("a", "<i4"), ("b", "<f8", (2,))]
    for value in (
        numpy.arange(6, dtype="<i2").reshape(2, 3),
        numpy.zeros(3, dtype=kinds),
        numpy.array([1, "a", None], dtype=object),
        numpy.float32(1.5),
        numpy.array([], dtype="<f8"),
    ):
        back = decode(again(encode(value)))
        assert back.dtype == value.dtype
        assert back.shape == value.shape
        assert numpy.array_equal(back, value)
        assert type(back) is type(value)


def test_array_of_another_class_is_an_error():
    numpy = pytest.importorskip("numpy")
    value = numpy.ma.masked_array([1, 2], mask=[True, False])
    with pytest.raises(SerializationError, match="MaskedArray"):
        encode(value)


def test_own_class_is_registered():
    with pytest.raises(SerializationError, match=r"register_type\(\) its class"):
        encode(Money(5))
    register_type(Money, lambda money: money.cents, Money, "test money")
    assert decode(again(encode({"price": Money(5)}))) == {"price": Money(5)}
    with pytest.raises(ValueError, match="already"):
        register_type(Money, str, str, "other")
    with pytest.raises(ValueError, match="already"):
        register_type(Point, str, str, "tuple")


def test_method_of_a_class_comes_back_by_its_name():
    assert decode(again(encode({"make": Point.named})))["make"] == Point.named


def test_a_key_that_can_not_be_shown_does_not_hide_what_is_wrong():
    with pytest.raises(SerializationError, match=r"^value\[an object\] is <object "):
        encode({10**5000: object()})  # more digits than Python writes


def test_value_that_holds_itself_is_an_error():
    value = []
    value.append(value)
    with pytest.raises(SerializationError, match="holds itself"):
        encode(value, "the item")


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"$type": "tupel", "value": []}, "Did you mean 'tuple'"),
        ({"a": [{"$type": "date", "value": "x"}]}, r"\['a'\]\[0\]: a 'date'"),
        ({"$type": "reference", "value": "os:nothing"}, "no attribute"),
        ({"$type": "bytes", "value": 7}, "can't be read"),
        ({"$type": "tuple", "value": [{"$type": "date", "value": 1}]}, r"\[0\]: a 'd"),
        ({"$type": "enum", "value": ["os:nothing", "RED"]}, "no attribute"),
    ],
)
def test_damaged_values_are_named(document, text):
    with pytest.raises(SerializationError, match=text):
        decode(document)


# A file that was half written took the place of a good one.
def test_file_is_replaced_in_one_step_or_stays(tmp_path, monkeypatch):
    path = tmp_path / "document.json"
    write_document(path, {"n": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_document(path, float("nan"))

    def fail(descriptor):
        raise OSError("the disk is full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk is full"):
        write_document(path, {"n": 2})
    monkeypatch.undo()
    assert read_document(path) == {"n": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["document.json"]
    write_document(path, {"n": 3})
    assert read_document(path) == {"n": 3}
