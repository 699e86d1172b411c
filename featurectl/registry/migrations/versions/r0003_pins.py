"""Which versions of offline tables manifests name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the table `pins`, empty."""
    op.create_table(
        "pins",
        sa.Column("project", sa.Text(), primary_key=True),
        sa.Column("view", sa.Text(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("table_version", sa.Integer(), primary_key=True),
        sa.Column("holder", sa.Text(), primary_key=True),
    )
