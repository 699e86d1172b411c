"""View versions, the schemas of their rows, and the keys of requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SCHEMA = "featurectl_online"


def upgrade() -> None:
    """Make the schema, where nobody has made it for us, and its tables."""
    if SCHEMA not in sa.inspect(op.get_bind()).get_schema_names():
        op.execute(f"create schema {SCHEMA}")
    op.create_table(
        "views",
        *_of_view(),
        sa.Column("rows_table", sa.Text(), nullable=False, unique=True),
        sa.Column("entities", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("push_record", sa.LargeBinary()),
        schema=SCHEMA,
    )
    op.create_table(
        "schemas",
        *_of_view(),
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("document", sa.Text(), nullable=False),
        schema=SCHEMA,
    )
    op.create_table(
        "request_keys",
        sa.Column("place", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("begun_us", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        schema=SCHEMA,
    )
    op.create_index("request_keys_begun", "request_keys", ["place", "begun_us"], schema=SCHEMA)


def _of_view() -> list[sa.Column[object]]:
    """Return the columns that name a view version."""
    return [
        sa.Column("project", sa.Text(), primary_key=True),
        sa.Column("env", sa.Text(), primary_key=True),
        sa.Column("view", sa.Text(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
    ]
