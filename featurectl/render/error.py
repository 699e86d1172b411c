"""An error as JSON."""

from __future__ import annotations

from featurectl.core.errors import FeaturectlError


def error_json(error: FeaturectlError) -> dict[str, str]:
    """Return an error ready for JSON."""
    return {"code": error.code, "message": error.message, "hint": error.hint}
