"""Loose files in an object store: S3, Google Cloud Storage, Azure, and what speaks like one of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore, from_url

from featurectl.core.errors import StoreError
from featurectl.core.object_store import client_options, retry_config
from featurectl.offline.failures import store_failure
from featurectl.offline.plain_files import LooseFile

_PARTS_AT_ONCE: Final = 4  # of an upload: more would share a slow line until each of them is too late
_NO_BUCKET: Final = re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist")


class BucketFiles:
    """`LooseFiles` below a URL; an object appears when it is whole.

    Credentials and the endpoint come from the environment, by the names that Delta tables use.
    """

    def __init__(self, url: str) -> None:
        self._store = _open(url)

    def read(self, path: str, most_bytes: int | None = None) -> bytes | None:
        """Return the bytes of an object, or None when there is none, or a larger one than `most_bytes`."""
        try:
            found = obstore.get(self._store, path)
            if most_bytes is not None and found.meta["size"] > most_bytes:
                return None
            return bytes(found.bytes())
        except FileNotFoundError as error:
            if not _NO_BUCKET.search(str(error)):
                return None
            raise _failure(path, "read", error) from error
        except (BaseError, OSError) as error:
            raise _failure(path, "read", error) from error

    def write(self, path: str, content: bytes) -> None:
        """Write an object, in parts where it is large."""
        try:
            obstore.put(self._store, path, content)
        except (BaseError, OSError) as error:
            raise _failure(path, "written", error) from error

    def claim(self, path: str, content: bytes) -> bool:
        """Write an object unless there is one: the store decides."""
        try:
            obstore.put(self._store, path, content, mode="create")
        except AlreadyExistsError:
            return False
        except (BaseError, OSError) as error:
            raise _failure(path, "written", error) from error
        return True

    def upload(self, path: str, file: Path) -> None:
        """Write an object that has the bytes of a file here, whatever their number."""
        try:
            obstore.put(self._store, path, file, max_concurrency=_PARTS_AT_ONCE)
        except (BaseError, OSError) as error:
            raise _failure(path, "written", error) from error

    def listed(self, path: str, after: str = "") -> list[tuple[str, int]]:
        """Return the paths and sizes of the objects below a path, a thousand a request."""
        try:
            pages = list(obstore.list(self._store, path, offset=after or None, chunk_size=1000))
        except (BaseError, OSError) as error:
            raise _failure(path, "listed", error) from error
        return sorted((item["path"], item["size"]) for page in pages for item in page)

    def dated(self, path: str) -> list[LooseFile]:
        """Return all objects below a path."""
        try:
            found = [item for some in obstore.list(self._store, f"{path}/") for item in some]
        except (BaseError, OSError) as error:
            raise _failure(path, "listed", error) from error
        files = [LooseFile(path=f["path"], size=f["size"], written=f["last_modified"]) for f in found]
        return sorted(files, key=lambda file: file.path)

    def written(self, path: str) -> datetime | None:
        """Return when an object was written last."""
        try:
            return obstore.head(self._store, path)["last_modified"]
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _failure(path, "read", error) from error

    def sizes(self) -> Mapping[str, int]:
        """Return the paths of all objects, and how many bytes each has."""
        try:
            return {item["path"]: item["size"] for some in obstore.list(self._store) for item in some}
        except (BaseError, OSError) as error:
            raise _failure("the bucket", "listed", error) from error

    def folders(self, path: str) -> Sequence[str]:
        """Return what stands between a path and the next slash, in the paths of all objects below it."""
        try:
            found = obstore.list_with_delimiter(self._store, path or None)["common_prefixes"]
        except (BaseError, OSError) as error:
            raise _failure(path or "the bucket", "listed", error) from error
        return sorted(prefix.rstrip("/").rpartition("/")[2] for prefix in found)

    def marks(self, folder: str) -> Mapping[str, str]:
        """Return the paths of the objects right below a folder, each with its entity tag."""
        try:
            found = obstore.list_with_delimiter(self._store, f"{folder}/")["objects"]
        except (BaseError, OSError) as error:
            raise _failure(folder, "listed", error) from error
        return {item["path"]: item["e_tag"] or f"{item['last_modified']}" for item in found}

    def move(self, folder: str, to: str) -> None:
        """Give all objects below a folder another name, one after the other, in the order of their paths."""
        try:
            for path, _ in self.listed(f"{folder}/"):
                obstore.rename(self._store, path, f"{to}/{path.removeprefix(f'{folder}/')}")
        except (BaseError, OSError) as error:
            raise _failure(folder, "moved", error) from error

    def remove_files(self, paths: Sequence[str]) -> None:
        """Remove some objects."""
        try:
            obstore.delete(self._store, list(paths))
        except FileNotFoundError:
            return  # somebody else has removed them
        except (BaseError, OSError) as error:
            raise _failure("files of the log", "removed", error) from error

    def remove_empty(self, folder: str) -> None:
        """Do nothing: a folder in which nothing is is none."""

    def remove(self, folder: str) -> None:
        """Remove all objects below a folder."""
        try:
            for some in obstore.list(self._store, f"{folder}/"):
                obstore.delete(self._store, [item["path"] for item in some])
        except (BaseError, OSError) as error:
            raise _failure(folder, "removed", error) from error


def _options() -> dict[str, Any]:
    return {"client_options": client_options(), "retry_config": retry_config()}


def _open(url: str) -> ObjectStore:
    try:
        return from_url(url.rstrip("/"), **_options())
    except (BaseError, ValueError) as error:
        raise store_failure("the object store of `offline` can't be opened", error) from error


def _failure(path: str, done: str, error: Exception) -> StoreError:
    return store_failure(f"{path} can't be {done}", error)
