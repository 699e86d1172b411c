"""The applied plan in the history; since when a lock is held."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add a column to `history` and one to `locks`, empty in the rows that are there."""
    op.add_column("history", sa.Column("plan", sa.Text(), nullable=False, server_default=""))
    op.add_column("locks", sa.Column("since", sa.Text(), nullable=False, server_default=""))
