"""The promised bytes: rows of the first format stay readable, here and from another language."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgpack
import pytest
import redis

from featurectl.core.units import instant_us
from featurectl.online.all_stores import open_online
from featurectl.online.base import Ask
from featurectl.online.codec import pack_key
from featurectl.online.sqlite.store import SqliteStore
from tests.online.rows import ALL_TYPES, FULL, HOUR, T0, frame, view

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "online-store.md"
SCHEMA = (
    '{"features":[["name","string"],["n","int64"],["x","float64"],["yes","bool"],["at","timestamp"],["on","date"],'
    '["price","decimal(38,2)"],["names","list(string)"],["times","list(timestamp)"],'
    '["prices","list(decimal(10,2))"],["days","list(date)"]],"format":1,'
    '"keys":[["s","string"],["i","int64"],["y","bool"],["d","date"]],"meanings":{"n":"5d0c1f9a2b7e4c68"},'
    '"newer_by":"event"}'
)
HEADER = "011234e3210372535001e3210372535003e3210448e6f401"
FULL_ROW = HEADER + (
    "9bac5a6fc3ab20e29c882000207dd38000000000000000cb3fb999999999999ac3d3ff23400100d44001ce002cc0a0d9282d39393939"
    "39393939393939393939393939393939393939393939393939393939393939392e313093a161c0a092cf0006610473279000c091a431"
    "2e313091ff"
)
NULL_ROW = HEADER + "9bc0c0c0c0c0c0c0c0c0c0c0"
KEYS = {"s": "string", "i": "int64", "y": "bool", "d": "date"}
FULL_KEY = (["Zoë }", -7, True, -1], bytes.fromhex("73363a5a6fc3ab207d69323a2d3762313a3164323a2d31"))
NULL_KEY = (["", 0, False, 20_455], b"s0:i1:0b1:0d5:20455")
PROMISED = {FULL_KEY[1]: bytes.fromhex(FULL_ROW), NULL_KEY[1]: bytes.fromhex(NULL_ROW)}
OF = replace(view(ALL_TYPES, KEYS, project="shop"), meanings={"n": "5d0c1f9a2b7e4c68"})


def rows_of_all_types():
    keys = [["Zoë }", -7, True, date(1969, 12, 31)], ["", 0, False, date(2026, 1, 2)]]
    values = [FULL, (None,) * len(ALL_TYPES)]
    later = {"available_at": T0 + timedelta(microseconds=2), "computed_at": T0 + HOUR}
    return frame(OF, keys, values, **later)


def read_all(store, of):
    return store.read(of, [FULL_KEY[0], NULL_KEY[0]])


def check(rows) -> None:
    for row, values in zip(rows, [FULL, (None,) * len(ALL_TYPES)], strict=True):
        assert tuple(row.values.values()) == values
        instants = (row.event_time, row.available_at, row.computed_at)
        assert instants == (T0, T0 + timedelta(microseconds=2), T0 + HOUR)


def test_the_keys_of_entities_are_as_promised():
    for values, promised in (FULL_KEY, NULL_KEY):
        assert pack_key(values, tuple(KEYS.values())) == promised


@pytest.mark.parametrize("server", ["redis_url", "valkey_url"])
def test_rows_of_the_first_format_are_read_from_redis(request, server):
    url, of = request.getfixturevalue(server), replace(OF, project=f"old-{server.replace('_', '-')}")
    with redis.Redis.from_url(url) as client:
        for key, row in PROMISED.items():
            client.hset(b"%b/dev:{%b}" % (of.project.encode(), key), "spend@1", row)
        client.hset(f"{of.project}/dev", f"schema/spend@1/{0x1234}", SCHEMA)
    with closing(open_online(url)) as store:
        check(read_all(store, of))


def test_rows_of_the_first_format_are_read_from_sqlite(tmp_path):
    path = tmp_path / "online.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript("""
create table views (
    id integer primary key autoincrement,
    project text not null, env text not null, view text not null, version integer not null,
    entities integer not null default 0, push_record blob,
    unique (project, env, view, version)
);
create table schemas (
    view integer not null, id integer not null, document text not null, primary key (view, id)
) without rowid;
create table rows (
    view integer not null, entity blob not null, row blob not null, primary key (view, entity)
) without rowid;
insert into views (id, project, env, view, version, entities) values (7, 'shop', 'dev', 'spend', 1, 2);
""")
        old.execute("insert into schemas values (7, ?, ?)", (0x1234, SCHEMA))
        old.executemany("insert into rows values (7, ?, ?)", list(PROMISED.items()))
    with closing(SqliteStore(path)) as store:
        check(read_all(store, OF))
        assert store.count(OF) == 2
        assert store.write(OF, rows_of_all_types()) == 0  # and what is written now stands beside them
        check(read_all(store, OF))


def test_rows_that_are_written_now_have_the_promised_bytes(store):
    of = replace(OF, project=view({}).project)
    store.write(of, rows_of_all_types())
    check(read_all(store, of))
    found = store.fetch([asked(of)])[0]
    assert [row[3:] for [row] in found] == [row[3:] for row in PROMISED.values()]  # 1-2: the id in this store


def asked(of) -> Ask:
    return Ask(project=of.project, env=of.env, fields=("spend@1",), keys=list(PROMISED))


def reader_of_the_page() -> str:
    [code, _] = re.findall(r"```js\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(code)


def as_javascript(value: object) -> object:
    """Return a value as the reader prints it: what JavaScript has no number for is text."""
    if isinstance(value, list):
        return [as_javascript(item) for item in value]
    wide = isinstance(value, int) and not isinstance(value, bool) and not -(2**31) <= value < 2**32
    return str(value) if wide else value


def read_by_node(node: str, program: Path, row: bytes, schema: str) -> dict[str, object]:
    program.write_text(reader_of_the_page())
    done = subprocess.run([node, program, schema], input=row.hex(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


LONG = ["x" * 31, "é" * 16, "y" * 300, "z" * 70_000]
NUMBERS = [
    0,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    2**32 - 1,
    2**32,
    2**63 - 1,
    -1,
    -32,
    -33,
    -128,
    -129,
    -(2**15) - 1,
    -(2**31),
    -(2**63),
]


def test_the_reader_of_another_language_fits_on_the_page():
    assert len(reader_of_the_page().splitlines()) <= 35


@pytest.mark.parametrize("node", [shutil.which("node") or "none here"])
@pytest.mark.sample(2)
def test_another_language_reads_what_we_write(store, node, tmp_path):
    features = {**ALL_TYPES, "numbers": "list(int64)", "texts": "list(string)", "floats": "list(float64)"}
    of = view(features, {"id": "int64"})
    more = (NUMBERS, LONG, [0.0, -0.5, 1e300, 5e-324])
    none = (None,) * len(features)
    instants = {"event_time": datetime(1, 1, 1, tzinfo=UTC), "available_at": None, "computed_at": T0}
    store.write(of, frame(of, [[1], [2]], [(*FULL, *more), none], **instants))
    ask = replace(asked(of), keys=[b"i1:1", b"i1:2"])
    for [row] in store.fetch([ask])[0]:
        schema_id = int.from_bytes(row[1:3], "big")
        [document] = store.fetch_shared(of.project, of.env, [f"schema/spend@1/{schema_id}"])
        wanted = {
            "schema_id": schema_id,
            "event_time": str(instant_us(datetime(1, 1, 1, tzinfo=UTC))),
            "available_at": "0",
            "computed_at": str(instant_us(T0)),
            "values": dict(zip(features, as_javascript(msgpack.unpackb(row[24:])), strict=True)),
        }
        assert node == "none here" or read_by_node(node, tmp_path / "read_row.js", row, document.decode()) == wanted


@pytest.mark.parametrize("node", [shutil.which("node") or "none here"])
@pytest.mark.parametrize("order", ["event", "computed"])
def test_another_language_reads_the_short_rows_of_redis(redis_url, order, node, tmp_path):
    of = view({"x": "float64", "n": "int64"}, {"id": "int64"}, versioned_by=order)
    with closing(open_online(redis_url)) as store:
        store.write(of, frame(of, [[1]], [(1.5, 7)], computed_at=T0 + HOUR))
        [[row]] = store.fetch([replace(asked(of), keys=[b"i1:1"])])[0]
        schema_id = int.from_bytes(row[1:3], "big")
        [document] = store.fetch_shared(of.project, of.env, [f"schema/spend@1/{schema_id}"])
    at, later = str(instant_us(T0)), str(instant_us(T0 + HOUR))
    wanted = {"schema_id": schema_id, "event_time": at, "available_at": at, "computed_at": later}
    assert (row[0], len(row)) == ({"event": 2, "computed": 3}[order], 16 + 11)
    found = node == "none here" or read_by_node(node, tmp_path / "read_row.js", row, document.decode())
    assert found is True or found == {**wanted, "values": {"x": 1.5, "n": 7}}
