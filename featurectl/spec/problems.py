"""Problems in files, as data, and the list of their codes.

A number is never reused: FC0xx YAML, 1xx shape, 2xx references, 3xx semantics, 4xx plan, 5xx data, 6xx stores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from featurectl.spec.place import Place

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, where, and what to do.

    `message` says what was found; `suggestion` at most one way out ('did you mean "windows"?'), drawn beside the
    caret; `notes` are further lines (what is allowed: "keys: op, windows"); `related` is the other place of a
    broken reference with a word on it.
    """

    code: str
    message: str
    place: Place
    severity: Severity = "error"
    suggestion: str = ""
    notes: tuple[str, ...] = ()
    related: tuple[tuple[Place, str], ...] = ()

    def sort_key(self) -> tuple[Place, str, str]:
        """Return what problems are ordered by: place, then code."""
        return (self.place, self.code, self.message)
