"""The schema of a registry: another version's is refused, and the documents are of the step that it stands for."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from typing import get_args, get_type_hints

import pytest
from sqlalchemy import create_engine, inspect, text

from featurectl.core.errors import StoreError
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.alerts import Alert, Notifier
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.gates import CanarySuccess
from featurectl.language.definitions.model import DerivedInput, FeatureInput, Model, RequestInput
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.registry import tables
from featurectl.registry.alert_state import AlertState, Delivery, Silence
from featurectl.registry.state import CanaryRun, ModelVersion
from featurectl.registry.steps import HEAD
from tests.registry.test_contract import write


@pytest.fixture
def engine(registry_url):
    """The database of the test's registry."""
    engine = create_engine(registry_url.replace("postgresql://", "postgresql+psycopg://"))
    yield engine
    engine.dispose()


def test_the_steps_make_the_tables_that_are_used(registry, engine):
    write(registry, registry.load_state("flights"))
    made = inspect(engine)
    assert {name: [column["name"] for column in made.get_columns(name)] for name in tables.METADATA.tables} == {
        name: [column.name for column in table.columns] for name, table in tables.METADATA.tables.items()
    }


@pytest.mark.parametrize(
    ("step", "said"),
    [("2", rf"made by a newer featurectl \(schema 2, this one knows {HEAD}\)"),
     ("0007", "written by a development version of featurectl, which no version reads")],
)  # fmt: skip
def test_a_registry_of_another_version_is_refused_and_left_as_it_is(registry, open_registry, engine, step, said):
    state = write(registry, registry.load_state("flights"))
    with engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = :step"), {"step": step})
    other = open_registry()
    for use in (lambda: other.load_state("flights"), lambda: write(other, state)):
        with pytest.raises(StoreError, match=said) as caught:
            use()
        assert caught.value.code == "FC604"
    with engine.connect() as connection:
        assert connection.execute(text("select version_num from alembic_version")).scalar_one() == step


def test_documents_have_the_fields_that_the_newest_step_stands_for():
    """An older version refuses a field that it does not know: its schema must have refused the registry before.

    Fields have changed? Add a step to the migrations (an empty one will do), so that what was released says that it
    is too old, and write the digest here; where the newest step is not released, the digest alone.
    """
    assert (HEAD, hashlib.sha256("\n".join(sorted(fields_of_documents())).encode()).hexdigest()[:16]) == (
        "1",
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
