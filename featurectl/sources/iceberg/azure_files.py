"""Metadata and manifests of Iceberg tables in Azure, read as everything there is: by obstore, with its credentials.

pyiceberg asks adlfs for them, which has time-outs and variables of its own; Arrow can't read addresses with an account.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pyiceberg.exceptions import NotInstalledError
from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile

from featurectl.core.object_store import client_options, refusal_of, retry_config

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_SCHEMES: Final = ("abfs", "abfss", "az", "azure", "adl")
_OPTIONS: Final[Mapping[str, str]] = {
    "adls.account-name": "account_name", "adls.account-key": "account_key", "adls.sas-token": "sas_key",
    "adls.client-id": "client_id", "adls.client-secret": "client_secret", "adls.tenant-id": "tenant_id",
}  # fmt: skip


def is_in_azure(location: str | None) -> bool:
    """Return whether a file lies in Azure's object store.

    >>> is_in_azure("abfss://lake@acme.dfs.core.windows.net/shop/orders"), is_in_azure("s3://lake/shop")
    (True, False)
    """
    return urlsplit(location or "").scheme.lower() in _SCHEMES


class AzureFiles(FileIO):
    """The files of a table in Azure, to be read; none is written."""

    def new_input(self, location: str) -> AzureFile:
        """Return a file to be read.

        Raises:
            OSError: it lies elsewhere, or its container can't be opened.
        """
        url = urlsplit(location)
        if not is_in_azure(location):
            raise OSError(f"{location} does not lie in Azure, as the table does")
        return AzureFile(location, self.opened(f"{url.scheme}://{url.netloc}"), url.path.lstrip("/"))

    def new_output(self, location: str) -> OutputFile:
        """Refuse."""
        raise NotImplementedError(location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Refuse."""
        raise NotImplementedError(str(location))

    def opened(self, container: str) -> ObjectStore:
        """Return a container, with what the table's properties say of credentials, and else the environment."""
        try:
            from obstore.store import from_url
        except ImportError as error:
            message = "tables in Azure need the package obstore: pip install 'featurectl[cloud]'"
            raise NotInstalledError(message) from error
        options: dict[str, Any] = {_OPTIONS[key]: value for key, value in self.properties.items() if key in _OPTIONS}
        for key, value in self.properties.items():
            if key.startswith("adls.sas-token."):  # of one account, as REST catalogs give it
                options.setdefault("sas_key", value)
        if "@" in container:  # the address names the account
            options.pop("account_name", None)
        waits: dict[str, Any] = {"client_options": client_options(), "retry_config": retry_config()}
        return from_url(container, **options, **waits)


class AzureFile(InputFile):
    """A file of a table, which is fetched whole: metadata and manifests are small."""

    def __init__(self, location: str, store: ObjectStore, path: str) -> None:
        super().__init__(location)
        self._store, self._path = store, path

    def __len__(self) -> int:
        """Return its size in bytes."""
        return len(self._content())

    def exists(self) -> bool:
        """Return whether it is there."""
        try:
            self._content()
        except FileNotFoundError:
            return False
        return True

    def open(self, seekable: bool = True) -> InputStream:  # noqa: FBT001, FBT002  # as pyiceberg calls it
        """Return its bytes.

        Raises:
            FileNotFoundError: it is gone.
            OSError: the object store refuses, or does not answer.
        """
        del seekable
        return BytesIO(self._content())

    def _content(self) -> bytes:
        import obstore
        from obstore.exceptions import BaseError

        try:
            return bytes(obstore.get(self._store, self._path).bytes())
        except FileNotFoundError as error:
            raise FileNotFoundError(2, "it is gone", self.location) from error
        except (BaseError, OSError) as error:
            raise OSError(refusal_of(error)) from error
