"""Databases that are not there, not ours, or not of our time."""

import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest

from featurectl.core.errors import StoreError, UsageError
from featurectl.registry.base import RegistryChange
from featurectl.registry.migrations.upgrade import steps
from featurectl.registry.sql import SqlRegistry
from featurectl.registry.state import State
from featurectl.registry.steps import HEAD, KNOWN
from featurectl.registry.tables import METADATA
from featurectl.registry.waiting import Patience
from tests.registry.test_contract import ENTRY, VIEW, race


def write(registry):
    return registry.write_change(registry.load_state("flights"), RegistryChange(write=(VIEW,)), ENTRY)


def test_reading_a_file_that_is_not_there_makes_nothing(tmp_path):
    registry = SqlRegistry(f"sqlite:///{tmp_path}/folder/registry.db")
    registry.load_state("flights")
    registry.read_history("flights")
    assert list(tmp_path.iterdir()) == []


def test_the_constants_name_the_steps_of_the_folder():
    assert steps() == KNOWN
    assert steps()[-1] == HEAD


def test_the_steps_lead_to_the_tables_as_they_are_declared(registry_url, registry):
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import create_engine

    write(registry)
    engine = create_engine(registry_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)
    engine.dispose()
    assert differences == []


def test_a_registry_of_a_newer_version_is_refused_for_reading_and_writing(tmp_path):
    path = tmp_path / "registry.db"
    registry = SqlRegistry(f"sqlite:///{path}")
    state = write(registry)
    registry.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("update alembic_version set version_num = '9999'")
    connection.close()
    newer = SqlRegistry(f"sqlite:///{path}")
    for use in (lambda: newer.load_state("flights"), lambda: newer.write_change(state, RegistryChange(), ENTRY)):
        with pytest.raises(StoreError, match="made by a newer featurectl") as caught:
            use()
        assert caught.value.code == "FC604"
    newer.close()


def test_a_server_that_is_not_there_is_named_without_its_password():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql://ana:s3cret@127.0.0.1:{closed.getsockname()[1]}/features"
        registry = SqlRegistry(url)
        for use in (lambda: registry.load_state("flights"), lambda: registry.lock("flights", "ana").__enter__()):
            with pytest.raises(StoreError, match=r"127\.0\.0\.1") as caught:
                use()
            assert caught.value.code == "FC601"
            assert caught.value.message.startswith("registry postgresql://127.0.0.1:")
            assert "s3cret" not in caught.value.message
            assert "\n" not in caught.value.message
    registry.close()


def test_a_password_in_the_query_of_a_url_is_not_shown():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql://ana@127.0.0.1:{closed.getsockname()[1]}/features?password=s3cret"
        registry = SqlRegistry(url)
        with pytest.raises(StoreError) as caught:
            registry.load_state("flights")
        assert "s3cret" not in caught.value.message
    registry.close()


@pytest.mark.parametrize("kind", ["mysql", "oracle", "nosuch"])
def test_a_database_that_no_registry_can_be_in_is_refused_by_its_kind(kind):
    with pytest.raises(UsageError, match=f"no registry of kind '{kind}'"):
        SqlRegistry(f"{kind}://ana@127.0.0.1/features")


def test_a_server_that_never_answers_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and says nothing
        url = f"postgresql://ana@127.0.0.1:{silent.getsockname()[1]}/features"
        registry = SqlRegistry(url, patience=Patience(limit_s=2))  # the least that the driver takes
        with pytest.raises(StoreError, match=r"can't be used.*timeout"):
            registry.load_state("flights")
    registry.close()


def test_a_database_that_the_server_does_not_have_is_named(postgres_server):
    registry = SqlRegistry(postgres_server.url.rsplit("/", 1)[0] + "/no_such_database")
    with pytest.raises(StoreError, match='database "no_such_database" does not exist'):
        registry.load_state("flights")
    registry.close()


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "registry.db"
    path.write_text("not a database, and long enough to be looked at " * 20)
    registry = SqlRegistry(f"sqlite:///{path}")
    with pytest.raises(StoreError, match=r"registry\.db can't be used: file is not a database"):
        registry.load_state("flights")
    with pytest.raises(StoreError):
        registry.lock("flights", "ana").__enter__()
    registry.close()


@pytest.mark.parametrize("path", ["registry.db", "deep/er/registry.db"])
def test_a_file_where_a_folder_should_be_is_named_on_reading_and_writing(tmp_path, path):
    (tmp_path / "file").write_text("")
    registry = SqlRegistry(f"sqlite:///{tmp_path}/file/{path}")
    for use in (registry.load_state, registry.read_history, lambda p: registry.lock(p, "ana").__enter__()):
        with pytest.raises(StoreError, match=f"can't be used: {tmp_path}/file is a file, not a folder") as caught:
            use("flights")
        assert caught.value.code == "FC601"


def test_a_database_without_our_tables_is_an_empty_registry(postgres_url):
    registry = SqlRegistry(postgres_url)
    assert registry.load_state("flights").serial == 0
    registry.close()


@pytest.mark.parametrize("url", ["oracle+nothing://host/x", "no url at all", "sqlite://", "postgresql://host:port/x"])
def test_a_url_that_can_not_be_a_registry_is_wrong_usage(url):
    with pytest.raises(UsageError):
        SqlRegistry(url).load_state("flights")


def test_a_registry_can_be_copied_while_it_is_closed(tmp_path):
    first = SqlRegistry(f"sqlite:///{tmp_path}/registry.db")
    state = write(first)
    first.close()
    shutil.copy(tmp_path / "registry.db", tmp_path / "copy.db")
    second = SqlRegistry(f"sqlite:///{tmp_path}/copy.db")
    assert second.load_state("flights") == state
    second.close()


def test_reading_and_writing_an_existing_registry_do_not_import_alembic(tmp_path):
    url = f"sqlite:///{tmp_path}/registry.db"
    registry = SqlRegistry(url)
    state = write(registry)
    registry.close()
    program = (
        "import sys; from featurectl.registry.sql import SqlRegistry;"
        f"r = SqlRegistry({url!r}); assert r.load_state('flights').serial == {state.serial};"
        "r.lock('flights', 'ana').__enter__(); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_change_without_objects_still_counts(tmp_path):
    registry = SqlRegistry(f"sqlite:///{tmp_path}/registry.db")
    state = registry.write_change(write(registry), RegistryChange(), replace(ENTRY, summary="looked"))
    assert (state.serial, len(state.objects)) == (2, 1)
    registry.close()


@pytest.mark.parametrize("rounds", [8, pytest.param(300, marks=pytest.mark.stress)])
def test_a_new_file_has_one_winner_however_many_write_it_first(tmp_path, rounds):
    empty = State(project="flights", registry_id="", serial=0)
    for number in range(rounds):
        url = f"sqlite:///{tmp_path}/{number}/registry.db"
        came = race(
            partial(SqlRegistry, url), 4, lambda r, _: r.write_change(empty, RegistryChange(write=(VIEW,)), ENTRY)
        )
        assert sorted(type(c).__name__ for c in came) == ["State", "TryAgainError", "TryAgainError", "TryAgainError"]
