"""What a part of an operation failed of, while it went on with the others."""

from __future__ import annotations

from dataclasses import dataclass

from featurectl.core.errors import FeaturectlError, NoAnswerError, StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What one part failed of: the part ("spend@1") and the error."""

    part: str
    error: FeaturectlError


def fails_for_all(error: FeaturectlError | None) -> bool:
    """Return whether it is the online store that failed, or a store that does not answer, or the registry is too old.

    It is the same for every view then.
    An object store of a source is that of some views alone.
    """
    gone = isinstance(error, StoreError) and error.code in ("FC602", "FC619")
    return gone or (isinstance(error, NoAnswerError) and error.code == "FC603")
