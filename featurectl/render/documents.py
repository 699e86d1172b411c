"""What is said of one thing, by field: instants stand there as they are, for frames, and in ISO 8601 for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from featurectl.core.units import format_iso


def json_of(document: Mapping[str, object]) -> dict[str, object]:
    """Return a document ready for JSON."""
    return {name: format_iso(value) if isinstance(value, datetime) else value for name, value in document.items()}
