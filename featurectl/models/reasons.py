"""Why a model gave no scores, in one line: what it raised may be of any kind, of any length, and say nothing."""

from __future__ import annotations

from typing import Final

from featurectl.core.errors import FeaturectlError

_LONGEST: Final = 200  # characters


def reason_of(error: Exception) -> str:
    """Return what an error says, in its first line and at most 200 characters; its kind where it says nothing.

    >>> reason_of(ValueError("out of order"))
    'out of order'
    >>> reason_of(MemoryError())
    'MemoryError'
    """
    said = error.message if isinstance(error, FeaturectlError) else str(error)
    return (said.strip() or type(error).__name__).splitlines()[0].rstrip()[:_LONGEST]
