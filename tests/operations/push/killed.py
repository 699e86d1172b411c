"""What a process does that pushes a view until it is killed.

The place is a URL of a server, or a file of SQLite. It writes a letter to stdout as it goes: `b` before anything is
sent, `w` whenever more rows are in the store, `e` at the end.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import redis

from featurectl.online.all_stores import open_online
from featurectl.online.encode import rows as encoded_rows
from featurectl.online.sqlite.store import SqliteStore
from featurectl.operations.push import choose_entities, push_view
from tests.online.views import add, event_view, latest, push_request, state_view, table, window

INPUTS = {"amount": "int64", "city": "string"}
VIEWS = {
    "state": state_view([latest("amount", "int64"), latest("city", "string")]),
    "event": event_view([window("sum_9", "sum", 9, "int64"), window("sum_2", "sum", 2, "int64")]),
}
FIRST, SECOND, ENTITIES = -1, 4, 1_500


def less(place):
    """Return by how much less is pushed to a place: DynamoDB's server for tests takes some hundred rows a second."""
    return 10 if place.startswith("dynamodb://") else 1


def made_table(kind, entities=ENTITIES):
    """Return the table: rows of every entity until FIRST, then of two in three until SECOND, some known late."""
    view = VIEWS[kind]
    rows = table(view, [_row(i, -5 - i % 3, None) for i in range(entities)], INPUTS, buckets=4)
    later = [_row(i, i % 4, i % 4 + (i % 5 == 0)) for i in range(entities + entities // 3) if i % 3]
    add(rows, view, later, INPUTS)
    return rows


def _row(number, event_h, available_h):
    return (
        f"c{number}",
        event_h,
        available_h,
        {"amount": number * 7, "city": None if number % 9 == 0 else "é" * (number % 40)},
    )


@contextmanager
def opened(place):
    """Give the store at a URL or in a file."""
    store = open_online(place) if "://" in place else SqliteStore(Path(place))
    yield store
    store.close()


@dataclass
class Letters:
    """A progress that writes letters."""

    def start(self, label):  # noqa: ARG002  # of the protocol
        say("b")

    def advance(self, done, total, what):  # noqa: ARG002  # of the protocol
        say("w")

    def done(self, text):  # noqa: ARG002  # of the protocol
        say("e")


def say(letter):
    sys.stdout.write(letter)
    sys.stdout.flush()


def push(place, project, kind, hours, progress=None):
    """Push the view as of so many hours, in chunks so small that there are many."""
    with opened(place) as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoded_rows, "CHUNK_ROWS", 50 // less(place))
        patch.setattr(choose_entities, "PART_ROWS", 200 // less(place))
        rows = made_table(kind, ENTITIES // less(place))
        return push_view(push_request(store, VIEWS[kind], rows, hours, project), progress)


def content(place, project):
    """Return all that lies in a store under a project, but for who wrote it last."""
    if place.startswith("redis://"):
        with redis.Redis.from_url(place) as client:
            keys = sorted(client.scan_iter(f"{project}/*", count=10_000))
            pipeline = client.pipeline(transaction=False)
            for key in keys:
                pipeline.hgetall(key)
            hashes = [
                {f: v for f, v in fields.items() if not f.startswith(b"writer/")} for fields in pipeline.execute()
            ]
            return {key.split(b"/", 1)[1]: fields for key, fields in zip(keys, hashes, strict=True)}
    if place.startswith("dynamodb://"):
        return _in_dynamodb(place, project)
    if place.startswith("postgresql://"):
        return _in_postgres(place, project)
    with opened(place) as store:
        read = store.bytes._connection.execute  # noqa: SLF001  # kills between two statements
        return {
            "rows": read("select entity, row from rows order by view, entity").fetchall(),
            "views": read("select env, view, version, entities, push_record from views").fetchall(),
            "schemas": read("select id, document from schemas").fetchall(),
        }


def _in_dynamodb(place, project):
    """Return the items of a project, but for the signs of writers, and how often rows were counted."""
    with opened(place) as store:
        link = store.bytes.link
        items = []
        asked = {"TableName": link.address.table, "ConsistentRead": True}
        while True:
            page = link.ask("scan", asked).found
            items += [item for item in page["Items"] if item["p"]["S"].startswith(f"{project}/")]
            if "LastEvaluatedKey" not in page:
                break
            asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    return {
        (item["p"]["S"].removeprefix(project), item["k"]["B"]): {name: item[name] for name in item if name not in "pkg"}
        for item in items
        if not item["k"]["B"].startswith(b"writer/")
    }


def _in_postgres(place, project):
    """Return the lines of all tables that are of a project."""
    with psycopg.connect(place) as connection:
        read = connection.execute
        views = read(
            "select rows_table, env, view, version, entities, push_record from featurectl_online.views "
            "where project = %s",
            (project,),
        ).fetchall()
        schemas = "select id, document from featurectl_online.schemas where project = %s"
        return {
            "rows": [
                read(f"select entity, row from featurectl_online.{table} order by entity").fetchall()
                for table, *_ in views
            ],
            "views": [rest for _, *rest in views],
            "schemas": read(schemas, (project,)).fetchall(),
        }


def push_with_letters(place, project, kind, hours):
    """Push the view as of so many hours, with a letter at each step."""
    push(place, project, kind, hours, Letters())
