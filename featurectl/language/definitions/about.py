"""What every declared object may say of itself, and how old it may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What people say of an object; it can't change a value (the metadata fingerprint covers it)."""

    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()


NOTHING_SAID: Final = About()


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old an object's newest availability may be."""

    warn_after_us: int | None = None
    error_after_us: int | None = None
