"""Which run of a pipeline, or of a scheduler, a command belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from featurectl.core.errors import UsageError

RUN_ID: Final = "FEATURECTL_RUN_ID"  # the variable; a run that goes on with another one keeps its ID
_LONGEST: Final = 1_000


def run_id_of(environ: Mapping[str, str]) -> str:
    """Return the ID of the run that a command belongs to; "": it belongs to none.

    >>> run_id_of({"FEATURECTL_RUN_ID": "release/7"}), run_id_of({})
    ('release/7', '')

    Raises:
        UsageError: the variable holds what no ID can be.
    """
    found = environ.get(RUN_ID, "").strip()
    if found and (not found.isprintable() or len(found) > _LONGEST):
        raise UsageError(f"{RUN_ID} names no run: at most {_LONGEST:,} printable characters in one line")
    return found
