"""Whether fields of definitions are told apart by fingerprints."""

from dataclasses import fields
from typing import Any

from featurectl.identity.fingerprint import fingerprints


def every_field(cls: type, changed: Any) -> None:
    """Check that `changed` has an object for each field of a class but its name."""
    assert set(changed) == {f.name for f in fields(cls)} - {"name"}


def which(before: Any, after: Any) -> str:
    old, new = fingerprints(before), fingerprints(after)
    moved = (old.data != new.data, old.metadata != new.metadata)
    return {(True, False): "data", (False, True): "metadata", (True, True): "both", (False, False): "none"}[moved]
