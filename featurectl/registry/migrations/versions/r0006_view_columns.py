"""Types of columns that the files do not say, as tables have them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table `view_columns`, empty."""
    op.create_table(
        "view_columns",
        sa.Column("project", sa.Text(), primary_key=True),
        sa.Column("view", sa.Text(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("columns", sa.Text(), nullable=False),
    )
