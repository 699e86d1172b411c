"""Alerts: their states, what is to be sent of them, and what is silenced."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the tables `alert_states`, `deliveries` and `silences`, empty."""
    op.create_table(
        "alert_states",
        *_keys("project", "environment", "alert", "subject"),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
    )
    op.create_table(
        "deliveries",
        *_keys("project", "environment", "id"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lease", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
    )
    op.create_index("deliveries_by_state", "deliveries", ["project", "environment", "state"])
    op.create_table(
        "silences",
        *_keys("project", "environment", "id"),
        sa.Column("document", sa.Text(), nullable=False),
    )


def _keys(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), primary_key=True) for name in names]
