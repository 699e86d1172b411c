"""The steps of the schema of an online store in PostgreSQL."""

from __future__ import annotations

from typing import Final

SCHEMA: Final = "featurectl_online"
KNOWN: Final = ("0001",)  # the steps in `versions`, oldest first; a test compares them
HEAD: Final = KNOWN[-1]
