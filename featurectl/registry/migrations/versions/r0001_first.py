"""The first schema."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None


_TEXT, _NUMBER = sa.Text(), sa.Integer()


def upgrade() -> None:
    """Make all tables."""
    _table("registry", keys={"id": _TEXT})
    _table("projects", keys={"project": _TEXT}, serial=_NUMBER)
    _table(
        "objects",
        keys={"project": _TEXT, "kind": _TEXT, "name": _TEXT, "version": _NUMBER},
        definition=_TEXT,
        features=_TEXT,
        data=_TEXT,
        metadata=_TEXT,
        applied_at=_TEXT,
        current=sa.Boolean(),
    )
    _table("model_versions", keys={"project": _TEXT, "model": _TEXT, "version": _NUMBER}, document=_TEXT)
    _table("aliases", keys={"project": _TEXT, "model": _TEXT, "alias": _TEXT}, version=_NUMBER)
    _table(
        "history",
        keys={"project": _TEXT, "serial": _NUMBER},
        at=_TEXT,
        who=_TEXT,
        commit_id=_TEXT,
        command=_TEXT,
        summary=_TEXT,
    )
    _table("locks", keys={"project": _TEXT}, token=_TEXT, holder=_TEXT, expires_at=_TEXT)


def _table(table: str, *, keys: dict[str, TypeEngine[Any]], **others: TypeEngine[Any]) -> None:
    key_columns = [sa.Column(name, kind, primary_key=True, autoincrement=False) for name, kind in keys.items()]
    columns = [sa.Column(name, kind, nullable=False) for name, kind in others.items()]
    op.create_table(table, *key_columns, *columns)
