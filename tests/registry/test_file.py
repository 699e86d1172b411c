"""A registry in a file is read, and its pins are written, by the standard library as by SQLAlchemy."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from featurectl.registry.base import Pin, RegistryChange
from featurectl.registry.file import (
    read_last_apply,
    read_newest_erasure,
    read_pins,
    read_state,
    read_view_columns,
    write_pins,
    write_view_columns,
)
from featurectl.registry.sql import SqlRegistry
from featurectl.registry.state import State
from featurectl.registry.steps import HEAD
from tests.registry.test_canaries import RUN
from tests.registry.test_contract import AT, ENTRY, MODEL, VIEW
from tests.tombstones import tombstone

PIN = Pin(view="delays", version=1, table_version=4, holder="late@1")


@pytest.fixture
def written(tmp_path):
    """A file with two projects, and its registry."""
    file = tmp_path / "r.db"
    registry = SqlRegistry(f"sqlite:///{file}")
    old = replace(VIEW, version=2, current=False)
    for project, objects in (("flights", (replace(VIEW, name="b"), old, VIEW)), ("other", (VIEW,))):
        registry.write_change(registry.load_state(project), RegistryChange(write=objects), ENTRY)
        registry.write_model_version(project, MODEL, ["champion", "a"])
        registry.write_model_version(project, MODEL, [])
        run = registry.start_canary(project, RUN, ENTRY)
        registry.decide_canary(project, replace(run, state="aborted", decided_at=AT, reason="no"), ENTRY)
        registry.start_canary(project, RUN, ENTRY)
        registry.write_view_columns(project, {("delays", 1): {"a": "int64"}})
        registry.write_pins(project, [PIN, replace(PIN, table_version=2)])
        secret = registry.erasure_secret(project)
        registry.write_tombstones(project, [tombstone("carrier", ["id"], [project], AT, secret=secret)], ENTRY)
    yield file, registry
    registry.close()


def test_an_alias_counts_for_more_than_a_rejection_in_the_file_too(written):
    file, _ = written
    executed(file, """update model_versions set document = replace(document, '"registered"', '"rejected"')""")
    assert [version.status for version in read_state(file, "flights").model_versions] == ["registered", "registered"]
    executed(file, "update canaries set document = replace(document, '\"running\"', '\"aborted\"')")
    executed(file, "delete from aliases where alias <> 'champion'")
    assert [version.status for version in read_state(file, "flights").model_versions] == ["registered", "rejected"]


@pytest.mark.parametrize("project", ["flights", "other", "unknown"])
def test_it_is_what_the_registry_says(written, project):
    file, registry = written
    assert read_state(file, project) == registry.load_state(project)
    assert read_pins(file, project) == registry.read_pins(project)
    assert read_view_columns(file, project) == registry.read_view_columns(project)
    assert (*read_last_apply(file, project), None)[0] == registry.read_last_apply(project)
    assert read_newest_erasure(file, project) == registry.newest_erasure(project)


def test_the_order_of_objects_is_the_registrys(written):
    file, _ = written
    state = read_state(file, "flights")
    assert [(o.name, o.version, o.current) for o in state.objects] == [
        ("b", 1, True), ("delays", 1, True), ("delays", 2, False),
    ]  # fmt: skip
    assert [p.table_version for p in read_pins(file, "flights")] == [2, 4]


def executed(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize("revision", ["0007", "9999"])
def test_another_schema_is_left_to_the_registry(written, revision):
    file, _ = written
    executed(file, f"update alembic_version set version_num = '{revision}'")
    assert read_state(file, "flights") is None
    assert read_pins(file, "flights") is None
    assert read_view_columns(file, "flights") is None


def test_what_is_no_registry_is_left_to_it_and_nothing_is_made(tmp_path):
    (tmp_path / "text.db").write_text("no database, and long enough to be read as the head of one" * 20)
    executed(tmp_path / "empty.db", "create table t (a)")
    for name in ("text.db", "empty.db", "missing.db", "text.db/below.db"):
        assert read_state(tmp_path / name, "flights") is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.db", "text.db"]


def test_a_file_in_use_by_a_writer_is_read_as_it_was(written):
    file, registry = written
    before: State = registry.load_state("flights")
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        connection.execute("update projects set serial = 99")
        assert read_state(file, "flights") == before


def test_pins_are_written_once_and_read_by_the_registry(written):
    file, registry = written
    more = replace(PIN, holder="late@2")
    for _ in range(2):
        assert write_pins(file, "flights", [PIN, more])
    assert registry.read_pins("flights") == (replace(PIN, table_version=2), PIN, more)
    assert registry.read_pins("other") == (replace(PIN, table_version=2), PIN)


def test_pins_that_can_not_be_written_at_once_are_left_to_the_registry(written, tmp_path):
    file, registry = written
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        assert not write_pins(file, "other", [replace(PIN, holder="x")])
    executed(file, "update alembic_version set version_num = '0007'")
    assert not write_pins(file, "other", [replace(PIN, holder="x")])
    assert not write_pins(tmp_path / "missing.db", "other", [PIN])
    assert not (tmp_path / "missing.db").exists()
    executed(file, f"update alembic_version set version_num = '{HEAD}'")
    assert len(registry.read_pins("other")) == 2


def test_columns_that_are_kept_replace_those_of_their_version_alone(written):
    file, registry = written
    other = registry.read_view_columns("other")
    assert write_view_columns(file, "flights", {("delays", 1): {"b": "string"}, ("delays", 2): {"a": "bool"}})
    assert registry.read_view_columns("flights") == {("delays", 1): {"b": "string"}, ("delays", 2): {"a": "bool"}}
    assert registry.read_view_columns("other") == other


def test_columns_that_can_not_be_kept_at_once_are_left_to_the_registry(written, tmp_path):
    file, registry = written
    before = registry.read_view_columns("other")
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        assert not write_view_columns(file, "other", {("delays", 1): {"b": "string"}})
    assert not write_view_columns(tmp_path / "missing.db", "other", {("delays", 1): {"b": "string"}})
    assert registry.read_view_columns("other") == before
