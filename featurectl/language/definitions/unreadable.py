"""What is said of a document in a registry that can't be read: a newer featurectl has written it, or none has."""

from __future__ import annotations

from typing import Final

from featurectl.core.documents import NewerDocumentError
from featurectl.core.errors import StoreError

_UPGRADE: Final = "upgrade this featurectl to the version that the others use who share the registry"
_RESTORE: Final = "upgrade featurectl if a newer one uses this registry; else restore it from a backup"


def unreadable_document(what: str, error: Exception) -> StoreError:
    """Return the error of a document, for what failed when it was read: FC604 of a newer version, else FC601."""
    if isinstance(error, NewerDocumentError):
        message = f"the registry holds {what} of a newer featurectl: this one does not know its field {error.name!r}"
        return StoreError(message, code="FC604", hint=_UPGRADE)
    message = f"the registry holds {what} that featurectl has not written"
    return StoreError(message, code="FC601", hint=_RESTORE)
