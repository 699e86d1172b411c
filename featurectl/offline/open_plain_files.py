"""Where loose files lie: in a folder, or in an object store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurectl.core.errors import UsageError
from featurectl.offline.plain_files import LooseFiles

if TYPE_CHECKING:
    from featurectl.offline.bucket import BucketFiles


def open_loose(location: str) -> LooseFiles:
    """Return the files below an offline location: a folder, or an object store by URL.

    Raises:
        As `open_bucket`.
    """
    if "://" in location:
        return open_bucket(location)
    from featurectl.offline.folder import FolderFiles

    return FolderFiles(location)


def open_bucket(url: str) -> BucketFiles:
    """Return the files below the URL of a place in an object store.

    Raises:
        UsageError: the library for it is not installed.
        StoreError: FC603, the environment does not say enough to open it.
    """
    try:
        from featurectl.offline.bucket import BucketFiles
    except ModuleNotFoundError as error:
        hint = "pip install 'featurectl[cloud]'"
        raise UsageError("an offline store in an object store needs the package obstore", hint=hint) from error
    return BucketFiles(url)
