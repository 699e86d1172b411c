"""A registry that an older version has made: read as it is, upgraded in place by the first write."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from typing import get_args, get_type_hints

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import column as named
from sqlalchemy import create_engine, insert, select, table, text

from featurectl.core.errors import StoreError, TryAgainError
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.alerts import Alert, Notifier
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.gates import CanarySuccess
from featurectl.language.definitions.model import DerivedInput, FeatureInput, Model, RequestInput
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.registry.alert_state import AlertState, Delivery, Silence
from featurectl.registry.base import RegistryChange
from featurectl.registry.migrations import upgrade
from featurectl.registry.migrations.versions import r0001_first
from featurectl.registry.rows import history_row, model_document, object_row
from featurectl.registry.state import CanaryRun, ModelVersion, State
from featurectl.registry.steps import HEAD
from tests.registry.test_contract import AT, ENTRY, MODEL, VIEW, race, write

KEY = {"project": "flights"}
ROWS = {
    "registry": [{"id": "8a1c"}],
    "projects": [KEY | {"serial": 2}],
    "objects": [object_row("flights", VIEW, AT)],
    "model_versions": [KEY | {"model": "late", "version": 1, "document": model_document(MODEL)}],
    "aliases": [KEY | {"model": "late", "alias": "champion", "version": 1}],
    "history": [
        {key: value for key, value in history_row("flights", ENTRY, serial).items() if key != "plan"}
        for serial in (1, 2)
    ],
    "locks": [KEY | {"token": "t", "holder": "ana@host", "expires_at": "2026-11-24T12:10:00Z"}],
}


@pytest.fixture
def engine(registry_url, tmp_path):
    """The database of the test's registry."""
    (tmp_path / "new" / "folder").mkdir(parents=True)
    engine = create_engine(registry_url.replace("postgresql://", "postgresql+psycopg://"))
    yield engine
    engine.dispose()


@pytest.fixture
def first(engine):
    """The database with a registry of the first schema, and rows in each of its tables."""
    with engine.begin() as connection:
        context = MigrationContext.configure(connection)
        with Operations.context(context):
            r0001_first.upgrade()
        context.stamp(ScriptDirectory(str(upgrade.REGISTRY.path)), "0001")
        for name, rows in ROWS.items():
            connection.execute(insert(table(name, *map(named, rows[0]))), rows)
    return engine


def rows_of(engine):
    """Every row of every table, as far as the first schema knows its columns, and the schema's step."""
    with engine.connect() as connection:
        found = {
            name: [dict(row) for row in connection.execute(select(table(name, *map(named, rows[0])))).mappings()]
            for name, rows in ROWS.items()
        }
        return found, connection.execute(text("select version_num from alembic_version")).scalar_one()


def test_reading_upgrades_nothing_and_finds_everything(first, registry):
    state = registry.load_state("flights")
    assert (state.registry_id, state.serial, state.aliases) == ("8a1c", 2, {("late", "champion"): 1})
    assert [o.name for o in state.objects] == ["delays"]
    assert registry.read_view_columns("flights") == {}
    assert [(e.serial, e.summary, e.plan) for e in registry.read_history("flights")] == [
        (2, "1 added", ""),
        (1, "1 added", ""),
    ]
    assert rows_of(first) == (ROWS, "0001")


def test_the_first_write_upgrades_in_place_and_keeps_every_row(first, registry, open_registry):
    before = registry.load_state("flights")
    assert write(registry, registry.load_state("other")).registry_id == "8a1c"
    found, step = rows_of(first)
    others = {name: [row for row in rows if row.get("project") == "other"] for name, rows in found.items()}
    assert {name: [r for r in rows if r not in others[name]] for name, rows in found.items()} == ROWS
    assert step == "0007"
    assert open_registry().load_state("flights") == before
    registry.write_view_columns("flights", {("delays", 1): {"a": "int64"}})
    assert open_registry().read_view_columns("flights") == {("delays", 1): {"a": "int64"}}
    after = registry.write_change(before, RegistryChange(), replace(ENTRY, plan="{}"))
    assert after.serial == 3
    assert [(e.serial, e.plan) for e in registry.read_history("flights")] == [(3, "{}"), (2, ""), (1, "")]


@pytest.mark.usefixtures("first")
def test_a_lock_of_an_older_version_is_respected_and_taken_at_its_end(open_registry):
    now = [datetime(2026, 11, 24, 12, 9, 59, tzinfo=UTC)]
    registry = open_registry(lambda: now[0])
    with pytest.raises(TryAgainError, match=r"(?m)project flights is locked by ana@host \(lock t\)$"):
        registry.lock("flights", "ben@host").__enter__()
    now[0] = datetime(2026, 11, 24, 12, 10, tzinfo=UTC)
    with registry.lock("flights", "ben@host"):
        pass


def test_many_that_upgrade_at_once_leave_one_schema_and_all_rows(first, open_registry):
    empty = State(project="other", registry_id="", serial=0)
    came = race(open_registry, 4, lambda registry, _number: write(registry, empty, VIEW))
    assert sorted(type(c).__name__ for c in came) == ["State", "TryAgainError", "TryAgainError", "TryAgainError"]
    assert rows_of(first)[1] == "0007"
    assert open_registry().load_state("flights").serial == 2


def test_a_version_of_the_first_schema_refuses_an_upgraded_registry(registry, open_registry, monkeypatch):
    state = write(registry, registry.load_state("flights"))
    monkeypatch.setattr("featurectl.registry.database.KNOWN", ("0001",))
    monkeypatch.setattr("featurectl.registry.database.HEAD", "0001")
    older = open_registry()
    for use in (lambda: older.load_state("flights"), lambda: write(older, state)):
        with pytest.raises(StoreError, match=r"made by a newer featurectl \(schema 0007, this one knows 0001\)"):
            use()


def test_documents_have_the_fields_that_the_newest_step_stands_for():
    """An older version refuses a field that it does not know: its schema must have refused the registry before.

    Fields have changed? Add a step to the migrations (an empty one will do), so that what was released says that it
    is too old, and write the digest here; where the newest step is not released, the digest alone.
    """
    assert (HEAD, hashlib.sha256("\n".join(sorted(fields_of_documents())).encode()).hexdigest()[:16]) == (
        "0007",
        "84ef612ba0a5ea70",
    )


def fields_of_documents() -> set[str]:
    """Return the fields of all dataclasses that the registry keeps as JSON, as "Class.field"."""
    found: set[str] = set()
    waiting: list[object] = [Entity, Source, FeatureView, Model, Alert, Notifier, FeatureInput, RequestInput]
    waiting += [DerivedInput, ModelVersion, CanaryRun, AlertState, Delivery, Silence]
    seen: set[object] = set()
    while waiting:
        hint = waiting.pop()
        if hint in seen or hint is Expression:
            continue
        seen.add(hint)
        waiting += get_args(hint)
        if isinstance(hint, type) and is_dataclass(hint):
            hints = get_type_hints(hint, localns={"CanarySuccess": CanarySuccess})
            found |= {f"{hint.__name__}.{field.name}" for field in fields(hint)}
            waiting += [hints[field.name] for field in fields(hint)]
    return found
