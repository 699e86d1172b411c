"""The contract of online stores on keys that are erased: their rows go, and their bytes from files of ours."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager

import polars as pl
import psycopg
import pytest

from featurectl.online.codec import pack_key
from featurectl.online.erasure_mark import HeardErasures, hear_of, read_heard
from tests.online.rows import HOUR, T0, frame, view
from tests.tombstones import erased, tombstone

CANARY = "canary-7f3a91"


def keys_of(*names):
    return [pack_key([name], ["string"]) for name in names]


def test_rows_of_erased_keys_go_whatever_their_instants(store):
    of = view({"n": "int64"})
    other = view({"n": "int64"}, project=of.project, version=2)
    store.prepare(of)
    assert store.remove_keys(of, keys_of("ana")) == 0
    for each in (of, other):
        store.write(each, frame(each, [["ana"], ["bo"], ["cy"]], [[1], [2], [3]], computed_at=T0 + 900 * HOUR))
    assert store.remove_keys(of, keys_of("ana", "cy", "nobody", "ana")) == 2
    assert [row and row.values["n"] for row in store.read(of, [["ana"], ["bo"], ["cy"]])] == [None, 2, None]
    assert (store.count(of), store.count_rows(of), store.count(other)) == (1, 1, 3)
    assert (store.remove_keys(of, keys_of("ana", "cy")), store.remove_keys(of, []), store.count(of)) == (0, 0, 1)
    assert store.write(of, frame(of, [["ana"]], [[9]])) == 1  # a person who comes back
    assert (store.count(of), store.read(of, [["ana"]])[0].values) == (2, {"n": 9})
    store.remove(of)
    store.remove(other)


def test_keys_of_a_version_that_was_never_prepared_are_none(store):
    of = view({"n": "int64"})
    assert (store.remove_keys(of, keys_of("ana")), store.prepared(of.project, "dev")) == (0, frozenset())
    store.wipe(of)


def test_a_store_remembers_of_which_erasures_it_has_heard(store):
    project = view({"n": "int64"}).project
    one, two = (tombstone("card", ["card"], [name], T0) for name in ("ana", "bo"))
    assert read_heard(store, project, "dev") == HeardErasures()
    assert hear_of(store, project, "dev", lambda _: erased(one, two)) == 0
    assert hear_of(store, project, "dev", lambda _: erased(one)) == 1
    assert read_heard(store, project, "dev") == HeardErasures(number=2, keys=2)
    assert store.prepared(project, "dev") == frozenset()
    assert read_heard(store, project, "prod") == HeardErasures()


def test_the_row_of_a_view_without_an_entity_is_one_of_no_key(store):
    of = view({"rate": "float64"}, {})
    store.write(of, frame(of, [], [[0.5]]))
    assert (store.remove_keys(of, keys_of("ana")), store.count(of)) == (0, 1)
    assert (store.remove_keys(of, [b""]), store.count(of)) == (1, 0)


@pytest.mark.sample(3)
def test_keys_erased_while_others_write_leave_the_right_count(store, open_again):
    of = view({"n": "int64"}, {"id": "int64"})
    store.prepare(of)

    def write(first):
        with closing(open_again()) as own:
            for start in range(first, 120, 20):
                ids = range(start, start + 10)
                own.write(of, frame(of, [[i] for i in ids], [[i] for i in ids], computed_at=T0))

    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 10)]
    for thread in writers:
        thread.start()
    keys = [pack_key([i], ["int64"]) for i in range(0, 120, 7)]
    while any(thread.is_alive() for thread in writers):
        store.remove_keys(of, keys)
    for thread in writers:
        thread.join()
    store.remove_keys(of, keys)
    left = {key for page in store.walk(of) for key, _ in page}
    assert left == {pack_key([i], ["int64"]) for i in range(120)} - {*keys}
    store.keep_only(of, pl.DataFrame({"id": range(120)}), T0)
    assert store.count(of) == store.count_rows(of) == len(left)
    store.remove(of)


def test_no_file_of_the_embedded_store_has_a_byte_of_an_erased_key(tmp_path):
    from featurectl.online.sqlite.store import SqliteStore

    of = view({"note": "string"})
    with closing(SqliteStore(tmp_path / "online.db")) as own, closing(SqliteStore(tmp_path / "online.db")) as reader:
        for turn in range(3):  # of rows that are replaced something may stay, too
            rows = [[f"{name}{turn} " * 40] for name in (CANARY, "bo", "cy")]
            own.write(of, frame(of, [[CANARY], ["bo"], ["cy"]], rows, computed_at=T0 + turn * HOUR))
        reader.read(of, [[CANARY]])
        assert any(CANARY.encode() in path.read_bytes() for path in tmp_path.iterdir())
        assert own.remove_keys(of, keys_of(CANARY)) == 1
        assert own.wipe(of) == ()
        found = [path.name for path in tmp_path.iterdir() if CANARY.encode() in path.read_bytes()]
        assert (found, (tmp_path / "online.db-wal").stat().st_size) == ([], 0)
        assert [row is None for row in reader.read(of, [[CANARY], ["bo"]])] == [True, False]


def test_no_answer_of_postgres_has_an_erased_key(postgres_url):
    from featurectl.online.all_stores import open_online
    from featurectl.online.postgres.tables import KEPT_FILES, table_of

    of = view({"note": "string"})
    with closing(open_online(postgres_url)) as own, psycopg.connect(postgres_url, autocommit=True) as session:
        own.write(of, frame(of, [[CANARY], ["bo"]], [["x"], ["y"]]))
        own.remove_keys(of, keys_of(CANARY))
        assert own.wipe(of) == (KEPT_FILES,)
        [(dead,)] = session.execute(f"select pg_stat_get_dead_tuples('{table_of(of)}'::regclass)".encode()).fetchall()
        with session.cursor().copy(f"copy {table_of(of)} to stdout".encode()) as rows:
            whole = b"".join(rows)
        assert (dead, CANARY.encode().hex().encode() in whole, b"bo".hex().encode() in whole) == (0, False, True)
        own.remove(of)


def test_no_statistics_of_postgres_have_an_erased_key(postgres_url):
    from featurectl.online.all_stores import open_online
    from featurectl.online.postgres.tables import table_of

    of = view({"note": "string"})
    names = [CANARY, *(f"bo{number}" for number in range(20))]
    with closing(open_online(postgres_url)) as own, psycopg.connect(postgres_url, autocommit=True) as session:
        own.write(of, frame(of, [[name] for name in names], [[f"note of {name}"] for name in names]))
        schema, _, table = table_of(of).partition(".")
        session.execute(f"analyze {table_of(of)}".encode())  # as autovacuum does
        asked = "select histogram_bounds::text from pg_stats where (schemaname, tablename) = (%s, %s)"
        spelled = CANARY.encode().hex()
        before = [bounds for (bounds,) in session.execute(asked, (schema, table))]
        own.remove_keys(of, keys_of(CANARY))
        own.wipe(of)
        after = [bounds for (bounds,) in session.execute(asked, (schema, table))]
        assert [[spelled in (bounds or "") for bounds in found] for found in (before, after)] == [
            [True, True],
            [False, False],
        ]
        own.remove(of)


@contextmanager
def owner_of_tables(url: str) -> Iterator[str]:
    """Give the URL for a role that may make a schema in a database, and nothing else."""
    role = f"owner_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(f"create role {role}".encode())
        session.execute(f"grant create on database {url.rpartition('/')[2]} to {role}".encode())
        try:
            yield f"{url}?options=-c%20role%3D{role}"
        finally:
            session.execute(f"drop owned by {role} cascade".encode())
            session.execute(f"drop role {role}".encode())


def test_no_statistics_of_an_emptied_table_have_an_erased_key(postgres_url):
    from featurectl.online.all_stores import open_online
    from featurectl.online.postgres.tables import LISTS, table_of

    of, names = view({"note": "string"}), [f"{CANARY}-{number}" for number in range(20)]
    spelled = CANARY.encode().hex()
    ours = f"from pg_stats where schemaname = '{LISTS.partition('.')[0]}'"
    kept = f"select tablename {ours} and pg_stats::text like '%{spelled}%'".encode()
    many = f"select 1, convert_to('{CANARY}' || n % 3, 'UTF8'), n, '' from generate_series(1, 99) n"
    with (
        owner_of_tables(postgres_url) as url,
        psycopg.connect(postgres_url, autocommit=True) as session,
        closing(open_online(url)) as own,
    ):
        own.write(of, frame(of, [[name] for name in names], [[f"note of {name}"] for name in names]))
        analyzed = (f"analyze {table_of(of)}", f"analyze {LISTS}")
        for statement in (f"insert into {LISTS} {many}", *analyzed, f"delete from {LISTS}"):
            session.execute(statement.encode())
        assert len({name for (name,) in session.execute(kept)}) == 2
        assert own.remove_keys(of, keys_of(*names)) == 20
        own.wipe(of)
        assert session.execute(kept).fetchall() == []
        assert session.execute(f"select * from {LISTS}".encode()).fetchall() == []
        assert (own.count_rows(of), [*own.walk(of)]) == (0, [])
        own.write(of, frame(of, [["bo"]], [["y"]]))
        own.wipe(of)
        assert own.count_rows(of) == 1


def test_who_may_not_vacuum_hears_of_it(postgres_url):
    from featurectl.online.postgres.connect import PostgresLink, checked_address

    options = "&" if "?" in postgres_url else "?"
    link = PostgresLink(checked_address(f"{postgres_url}{options}options=-c%20role%3Dreader_of_rows", "here"))
    with psycopg.connect(postgres_url, autocommit=True) as session:
        session.execute("drop role if exists reader_of_rows")
        session.execute("create role reader_of_rows")
        try:
            assert link.maintain("vacuum pg_catalog.pg_class")
        finally:
            link.close()
            session.execute("drop role reader_of_rows")
