"""Where the state of streams lies is what the docs say, field by field and column by column."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import redis

from featurectl.online.all_stores import open_stream_state
from featurectl.online.sqlite.stream_tables import TABLES
from featurectl.online.stream_state.base import Generation, KnownStamps, ListAppend, ListSeed

DOCS = Path(__file__).parents[3] / "docs" / "reference" / "online-store.md"
GENERATION = Generation(view="spend@1", id="5f2c")
WORDS = {
    "<project>": "[a-z0-9]+",
    "<env>": "dev",
    "<source>": "swipes",
    "<entity key>": "i1:[0-9]",
    "<view>": "spend",
    "<version>": "1",
    "<generation>": "5f2c",
    "<number>": "[0-9]+",
    "<partition>": "[0-9]+",
    "<name>": "swipes/0#0",
    "<first>": "[0-9]+",
}


def section(begin: str, end: str) -> list[list[str]]:
    """Return the rows of the tables between two headings, as the first cell's names and the second cell."""
    text = DOCS.read_text().partition(f"{begin}\n")[2].partition(f"\n{end}")[0]
    rows = [line.strip("| ").split(" | ", 1) for line in text.splitlines() if line.startswith("| `")]
    return [[*re.findall("`([^`]+)`", names), what] for names, what in rows]


def pattern(name: str) -> re.Pattern[bytes]:
    for word, regex in WORDS.items():
        name = name.replace(word, f"\0{regex}\0")
    parts = name.split("\0")
    return re.compile("".join(part if at % 2 else re.escape(part) for at, part in enumerate(parts)).encode())


@pytest.mark.parametrize("url", ["redis_url", "redis_cluster_url"])
def test_every_key_and_field_in_redis_is_in_the_docs_and_is_used(request, source, url):
    address = request.getfixturevalue(url)
    with closing(open_stream_state(address)) as state, closing(state.connect(source)) as connection:
        connection.register.add_partition("swipes/0#0")
        cuts = connection.generations.add(GENERATION).cuts
        seeds = [ListSeed(entity=b"i1:7", head=b"\x80")]
        assert connection.lists.make_ready(GENERATION, connection.lists.seed(GENERATION, seeds), cuts)
        assert connection.generations.switch(GENERATION)
        claim = connection.register.claim(0, 0, 2, KnownStamps())
        connection.lists.append([ListAppend(generation=GENERATION, entities=[b"i1:7"], elements=[b"\x01"])])
        assert connection.lists.mark(0, 0, 2, claim.generations)
        assert connection.register.finish(0, 0, 2, [GENERATION])
    ports = [int(port) for port in re.findall(r":(\d+)", address)]
    keys, fields = read_all(ports, f"{source.project}/dev/*")
    rows = section("### State of streams in Redis or Valkey", "### State of streams in SQLite")
    documented = [pattern(name) for *names, _ in rows for name in names]
    unknown = [name for name in (*keys, *fields) if not any(of.fullmatch(name) for of in documented)]
    assert unknown == []
    unused = [of.pattern for of in documented if not any(of.fullmatch(name) for name in (*keys, *fields))]
    assert [name for name in unused if b"mark" not in name] == []
    assert (unused == []) == (url == "redis_cluster_url")  # one server has no marks


def read_all(ports: list[int], match: str) -> tuple[set[bytes], set[bytes]]:
    """Return the keys that match on some servers, and the fields of hashes among them."""
    keys, fields = set[bytes](), set[bytes]()
    for port in ports:
        with redis.Redis(port=port) as client:
            for key in client.scan_iter(match, 1_000):
                keys.add(key)
                if client.type(key) == b"hash":
                    fields.update(client.hkeys(key))
    return keys, fields


def test_every_table_and_column_in_sqlite_is_in_the_docs():
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(TABLES)
        tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        columns = {
            table: {name for (name,) in connection.execute("select name from pragma_table_info(?)", (table,))}
            for table in tables
        }
    rows = section("### State of streams in SQLite", "### Keys of requests")
    of_a_partition = {name for *names, _ in section("## State of streams", "`asof`") for name in names}
    documented = {table: {*re.findall("`([a-z_]+)`", what)} for table, what in rows}
    assert documented.keys() == columns.keys()
    for table, found in columns.items():
        known = documented[table] | (of_a_partition if table == "stream_partitions" else set())
        assert found <= known, table
