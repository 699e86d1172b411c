"""Rows that another program has written, or that were cut off: nobody is given them, and everybody is told of them."""

# ruff: noqa: SLF001  # injures a store as no caller can

from __future__ import annotations

import struct
from contextlib import ExitStack, closing

import msgpack
import pytest
import redis

from featurectl.core.errors import StoreError
from featurectl.online.base import Ask
from featurectl.online.client.feature_columns import KeyRows
from featurectl.online.client.feature_reader import FeatureReader
from featurectl.online.client.push_cache import Pushes
from featurectl.online.client.read_steps import read_columns
from featurectl.online.client.read_view import ReadView
from featurectl.online.codec import header_bytes
from featurectl.online.corrupt_rows import BrokenRowError, shown_key
from featurectl.online.decode import columns
from featurectl.online.redis.store import RedisStore
from featurectl.online.row_places import online_view
from featurectl.online.sqlite.store import SqliteStore
from tests.online.compared import every_input
from tests.online.rows import HOUR, T0, frame
from tests.online.views import latest, state_view

PROFILE = state_view([latest("amount", "int64"), latest("city", "string")])
VALUES = {
    "string": "Oslo",
    "int64": 1,
    "float64": 1.5,
    "bool": True,
    "timestamp": 1_700_000_000_000_000,
    "date": 20_000,
    "decimal(10,2)": "1.50",
    "list(int64)": [1],
    "list(string)": ["a"],
}
OTHERS = [
    "text",
    "1.50x",
    7,
    2.5,
    True,
    ["x"],
    [2.5],
    [[1]],
    {"a": 1},
    b"bytes",
]
GOOD = {
    "string": ["text", "1.50x"],
    "int64": [7],
    "float64": [2.5],
    "bool": [True],
    "timestamp": [7],
    "date": [7],
    "decimal(10,2)": [],
    "list(int64)": [],
    "list(string)": [["x"]],
}


class Spoiled:
    """A store whose nine rows have the bodies that they are given, and how they are read."""

    def __init__(self, folder, view):
        self.of = online_view(view, 1, "p", "dev")
        self.store = SqliteStore(folder / "online.db")
        self.store.write(self.of, frame(self.of, [[str(i)] for i in range(9)], [[None] * len(self.of.features)] * 9))
        self.reader = FeatureReader(every_input(view), {view.name: ReadView(view=view, online=self.of)})
        self.count = 9

    def put(self, bodies):
        self.count = len(bodies)
        rows = [(body, f"s1:{i}".encode()) for i, body in enumerate(bodies)]
        change = "update rows set row = cast(substr(row, 1, 24) || ? as blob) where entity = ?"
        self.store.bytes._connection.executemany(change, rows)

    def columns(self):
        keys = {"customer": [str(i) for i in range(self.count)]}
        return read_columns(self.store, self.reader, Pushes(), KeyRows(keys=keys, count=self.count, now=T0 + HOUR))

    def row(self, place):
        return self.store.read(self.of, [[str(place)]])


@pytest.fixture
def spoiled(tmp_path):
    """Makes such a store of a view."""
    with ExitStack() as stack:

        def made(view):
            found = Spoiled(tmp_path, view)
            stack.callback(found.store.close)
            return found

        yield made


@pytest.mark.parametrize("dtype", VALUES)
def test_a_value_of_another_type_is_never_served(spoiled, dtype):
    """One row of nine, all of them, and a single one; read together, one by one, and by `get`."""
    of = spoiled(state_view([latest("x", dtype), latest("y", "string")]))
    good = msgpack.packb([VALUES[dtype], "y"])
    of.put([good] * 9)
    assert set(of.columns().columns["x"].statuses) == {"PRESENT"}
    for other in OTHERS:
        if _is_good(dtype, other):
            continue
        wrong = msgpack.packb([other, "y"])
        for bodies, place in (([good] * 8 + [wrong], 8), ([wrong] * 9, 0), ([wrong], 0)):
            of.put(bodies)
            with pytest.raises(BrokenRowError, match=rf"profile@1 customer={place}: ") as caught:
                of.columns()
            assert caught.value.code == "FC610"
            with pytest.raises(BrokenRowError, match=rf"profile@1 customer={place}: "):
                of.row(place)


def _is_good(dtype, other):
    return type(other) in {type(good) for good in GOOD[dtype]} and other in GOOD[dtype]


@pytest.mark.parametrize("dtype", VALUES)
def test_values_of_the_right_types_and_nulls_are_served(spoiled, dtype):
    of = spoiled(state_view([latest("x", dtype), latest("y", "string")]))
    good, nulls = msgpack.packb([VALUES[dtype], "y"]), msgpack.packb([None, None])
    for bodies, statuses in (([good] * 9, ["PRESENT"] * 9), ([good, nulls], ["PRESENT", "NULL"])):
        of.put(bodies)
        assert of.columns().columns["x"].statuses == statuses


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"\x92\xa1x\xa4Oslo", "amount is text, not int64"),
        (b"\x92\x01\x02", "city is an integer, not string"),
        (b"\x92\xc3\xa4Oslo", "amount is a boolean, not int64"),
        (b"\x92\xcb" + struct.pack(">d", 1) + b"\xa4Oslo", "amount is a float, not int64"),
        (b"\x92\xcf" + b"\xff" * 8 + b"\xa4Oslo", "amount is an integer of more than 64 bits, not int64"),
        (b"\x93\x01\xa4Oslo\xc0", "it has 3 of 2 values"),
        (b"\x91\x01", "it has 1 of 2 values"),
        (b"\x81\xa1a\x02", "it is a map, not a list of values"),
        (b"\xa2ab", "it is text, not a list of values"),
        (b"\x07", "it is an integer, not a list of values"),
        (b"\x92\x01\xa4Osl", "its values can't be read"),
        (b"\x92\x01\xa4Oslo\xc0", "its values can't be read"),
        (b"\x92\x01\xa2\xff\xfe", "its values can't be read"),
        (b"", "its values can't be read"),
    ],
)
def test_a_broken_row_is_told_with_its_view_entity_and_feature(spoiled, body, told):
    of, good = spoiled(PROFILE), msgpack.packb([1, "Oslo"])
    for bodies, place in (([body], 0), ([good] * 8 + [body], 8), ([body] * 9, 0)):
        of.put(bodies)
        message = f"the online store holds a broken row: profile@1 customer={place}: {told}"
        for read in (of.columns, lambda place=place: of.row(place)):
            with pytest.raises(BrokenRowError) as caught:
                read()
            assert (caught.value.message, caught.value.code) == (message, "FC610")
            assert "featurectl push --full profile" in caught.value.hint


@pytest.mark.parametrize("count", [1, 9])
@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (lambda _row: b"", "profile@1 customer=0: another program has written what is in its place"),
        (lambda row: row[:23], "profile@1 customer=0: it has 23 bytes, fewer than a row's head"),
        (lambda row: b"\x09\xff\xff" + row[3:], "a row of format 9; this version reads formats 1 to 3"),
        (lambda row: row[:17] + bytes(7) + row[24:], "profile@1 customer=0: it has no instant of its computation"),
        (
            lambda row: b"\x03" + row[1:16] + row[24:],
            "profile@1 customer=0: it is of format 3, and rows of its view are of format 1 or 2",
        ),
    ],
)
def test_bytes_that_are_no_row_are_a_store_error(spoiled, broken, told, count):
    of = spoiled(PROFILE)
    of.put([msgpack.packb([1, "Oslo"])] * count)
    assert of.columns().values()["amount"] == [1] * count
    ((row,),) = of.store.bytes._connection.execute("select row from rows where entity = ?", (b"s1:0",)).fetchall()
    of.store.bytes._connection.execute("update rows set row = ? where entity = ?", (broken(row), b"s1:0"))
    for read in (of.columns, lambda: of.row(0)):
        with pytest.raises(StoreError, match=told):
            read()


def test_a_broken_row_in_redis_is_told_too(redis_url):
    of = online_view(PROFILE, 1, "broken", "dev")
    with closing(RedisStore(redis_url)) as store:
        store.write(of, frame(of, [["a"]], [[1, "Oslo"]]))
        ((row,),) = store.fetch([_ask(of)])[0]
        client = redis.Redis.from_url(redis_url)
        (name,) = [key for key in client.keys("*broken*") if b"s1:a" in key]
        client.hset(name, "profile@1", row[: header_bytes(row)] + b"\x92\xa1x\xa4Oslo")
        with pytest.raises(BrokenRowError, match="profile@1 customer=a: amount is text, not int64"):
            store.read(of, [["a"]])
        client.close()
        store.remove(of)


def _ask(of):
    return Ask(project=of.project, env=of.env, fields=("profile@1",), keys=[b"s1:a"])


@pytest.mark.parametrize(
    ("key", "names", "shown"),
    [
        (b"s3:EWRi1:7", ["origin", "hour"], "origin=EWR hour=7"),
        (b"b1:1d5:20000", ["is", "on"], "is=true on=2024-10-04"),
        (b"", [], "of the view's only entity"),
        ("s4:\u00e9\u00e9".encode(), ["name"], "name=\u00e9\u00e9"),
        (b"s" + b"9" * 400, ["name"], "s" + "9" * 59),
        (b"\xff\xfe", ["name"], "\\xff\\xfe"),
    ],
)
def test_a_key_is_shown_as_it_was_given(key, names, shown):
    assert shown_key(key, names) == shown


def test_both_ways_of_decoding_are_among_these_tests():
    assert 1 < columns.FEW_ROWS <= 9
