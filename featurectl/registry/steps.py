"""The steps of a registry's schema."""

from __future__ import annotations

from typing import Final

KNOWN: Final = ("1",)  # the steps in migrations/versions, oldest first; a test compares them
HEAD: Final = KNOWN[-1]
DEVELOPMENT: Final = frozenset(f"{step:04}" for step in range(1, 8))  # of versions that were never released
