"""The first schema."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "1"
down_revision = None


_TEXT: TypeEngine[Any] = sa.Text()
_NUMBER: TypeEngine[Any] = sa.Integer()
_LONG: TypeEngine[Any] = sa.BigInteger()
_PROJECT = {"project": _TEXT}


def upgrade() -> None:
    """Make all tables."""
    _table("registry", key={"id": _TEXT})
    _table("projects", key=_PROJECT, serial=_NUMBER)
    _make_tables_of_definitions()
    _make_tables_of_models()
    _make_tables_of_alerts()
    _table("locks", key=_PROJECT, token=_TEXT, holder=_TEXT, since=_TEXT, expires_at=_TEXT)
    _table("erasure_secrets", key=_PROJECT, secret=_TEXT)
    _table(
        "erasures",
        key=_PROJECT | {"number": _LONG},
        **dict.fromkeys(("entity", "keys", "digest", "quick", "at", "done_at"), _TEXT),
    )


def _make_tables_of_definitions() -> None:
    _table(
        "objects",
        key=_PROJECT | {"kind": _TEXT, "name": _TEXT, "version": _NUMBER},
        **dict.fromkeys(("definition", "features", "data", "metadata", "applied_at"), _TEXT),
        current=sa.Boolean(),
    )
    _table(
        "history",
        key=_PROJECT | {"serial": _NUMBER},
        **dict.fromkeys(("at", "who", "commit_id", "command", "summary", "plan"), _TEXT),
    )
    view = _PROJECT | {"view": _TEXT, "version": _NUMBER}
    _table("pins", key=view | {"table_version": _NUMBER, "holder": _TEXT})
    _table("view_columns", key=view, columns=_TEXT)


def _make_tables_of_models() -> None:
    model = _PROJECT | {"model": _TEXT}
    _table("model_versions", key=model | {"version": _NUMBER}, document=_TEXT)
    _table("aliases", key=model | {"alias": _TEXT}, version=_NUMBER)
    _table("canaries", key=model | {"number": _NUMBER}, state=_TEXT, document=_TEXT)


def _make_tables_of_alerts() -> None:
    environment = _PROJECT | {"environment": _TEXT}
    _table("alert_states", key=environment | {"alert": _TEXT, "subject": _TEXT}, revision=_NUMBER, document=_TEXT)
    _table(
        "deliveries",
        key=environment | {"id": _TEXT},
        number=_NUMBER,
        **dict.fromkeys(("state", "lease", "lease_until", "document"), _TEXT),
    )
    op.create_index("deliveries_by_state", "deliveries", ["project", "environment", "state"])
    _table("silences", key=environment | {"id": _TEXT}, document=_TEXT)


def _table(table: str, *, key: dict[str, TypeEngine[Any]], **others: TypeEngine[Any]) -> None:
    key_columns = [sa.Column(name, kind, primary_key=True, autoincrement=False) for name, kind in key.items()]
    columns = [sa.Column(name, kind, nullable=False) for name, kind in others.items()]
    op.create_table(table, *key_columns, *columns)
