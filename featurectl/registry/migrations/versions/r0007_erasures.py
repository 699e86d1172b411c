"""Keys whose rows were erased, by keyed hashes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the tables `erasure_secrets` and `erasures`, empty."""
    op.create_table(
        "erasure_secrets",
        sa.Column("project", sa.Text(), primary_key=True),
        sa.Column("secret", sa.Text(), nullable=False),
    )
    op.create_table(
        "erasures",
        sa.Column("project", sa.Text(), primary_key=True),
        sa.Column("number", sa.BigInteger(), primary_key=True),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("keys", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("quick", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("done_at", sa.Text(), nullable=False, server_default=""),
    )
