"""The steps of a registry's schema."""

from __future__ import annotations

from typing import Final

KNOWN: Final = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
)  # the steps in migrations/versions, oldest first; a test compares them
HEAD: Final = KNOWN[-1]
